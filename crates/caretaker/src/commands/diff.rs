//! `caretaker diff`.

use domain::{ConnectionId, Kind};

use crate::home::Home;
use crate::output::{Output, exit};
use crate::works::{Compare, CompareLive};

/// The TIME that means: the store as it is.
const LIVE: &str = "live";

pub(crate) async fn run(
    home: &Home,
    name: &ConnectionId,
    (from, to): (&str, &str),
    (kind, full): (Option<&Kind>, bool),
    output: &Output,
) -> anyhow::Result<u8> {
    let session = home.session().await?;
    if full && to != LIVE {
        return Err(flows::FlowError::Input(
            "--full is for `--to live`: two snapshots are always compared whole".to_owned(),
        )
        .into());
    }
    let connection = session.connection(name).await?;
    let (from, kind) = (from.to_owned(), kind.cloned());
    let diff = if to == LIVE {
        session.work(&connection, CompareLive { from, kind, full }, output).await?
    } else {
        session.work(&connection, Compare { from, to: to.to_owned(), kind }, output).await?
    };
    output.result(&diff, || {
        let mut text = String::new();
        for added in &diff.added {
            text += &format!("+ {} {}\n", added.kind, added.id);
        }
        for removed in &diff.removed {
            text += &format!("- {} {}\n", removed.kind, removed.id);
        }
        for changed in &diff.changed {
            text += &format!("~ {} {}\n", changed.kind, changed.id);
            for field in &changed.fields {
                text += &format!("    {}: {} -> {}\n", field.path, short(&field.from), short(&field.to));
            }
        }
        for gap in &diff.gaps {
            text += &format!("not compared: {} ({})\n", gap.what, gap.detail);
        }
        text += &format!(
            "{} added, {} changed, {} removed",
            diff.added.len(),
            diff.changed.len(),
            diff.removed.len()
        );
        text
    })?;
    Ok(if diff.gaps.is_empty() { exit::DONE } else { exit::INCOMPLETE })
}

/// A value on one line, cut where it is long.
pub(crate) fn short(value: &serde_json::Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
