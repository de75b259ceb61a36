//! `caretaker diff`.

use std::process::ExitCode;

use domain::{Action, ConnectionId, Kind};

use crate::arguments::Common;
use crate::home;
use crate::output::Output;

pub(crate) async fn run(
    common: &Common,
    name: &ConnectionId,
    (from, to): (&str, &str),
    kind: Option<&Kind>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let cell = home::open(common).await?;
    let reader = flows::read::open(&cell, &common.tenant, name, Action::Read, "compare snapshots").await?;
    let from = flows::read::snapshot(&reader, from).await?.name.number;
    let to = flows::read::snapshot(&reader, to).await?.name.number;
    let diff = flows::diff::diff(&reader, from, to, kind).await?;
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
        text += &format!(
            "{} added, {} changed, {} removed",
            diff.added.len(),
            diff.changed.len(),
            diff.removed.len()
        );
        text
    })?;
    Ok(ExitCode::SUCCESS)
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
