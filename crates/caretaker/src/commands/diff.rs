//! `caretaker diff`.

use domain::{Action, ConnectionId, Kind};
use flows::live::LiveDiff;

use crate::commands::backup::Bar;
use crate::home::Home;
use crate::output::{Output, exit};

/// The TIME that means: the store as it is.
const LIVE: &str = "live";

pub(crate) async fn run(
    home: &Home,
    name: &ConnectionId,
    (from, to): (&str, &str),
    (kind, full): (Option<&Kind>, bool),
    output: &Output,
) -> anyhow::Result<u8> {
    let cell = home.open().await?;
    if full && to != LIVE {
        return Err(flows::FlowError::Input(
            "--full is for `--to live`: two snapshots are always compared whole".to_owned(),
        )
        .into());
    }
    let diff = if to == LIVE {
        let connection = &cell.connection(&home.tenant, name).await?;
        let ask = LiveDiff { connection, from, kind, full };
        flows::live::diff_live(&cell, &ask, &Bar::new(output)).await?
    } else {
        let platform = cell.connection(&home.tenant, name).await?.scope.platform;
        let reader = flows::read::open(&cell, &home.tenant, name, Action::Read, "compare snapshots").await?;
        let from = flows::read::snapshot(&reader, from).await?;
        let to = flows::read::snapshot(&reader, to).await?;
        if let Some(kind) = kind {
            flows::read::check_kind(&platform, [&from, &to], kind)?;
        }
        let told = |what: &str, done: u64| output.progress(what, done, None, "");
        flows::diff::diff(&reader, from.name.number, to.name.number, kind, &told).await?
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
