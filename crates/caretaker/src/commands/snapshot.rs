//! `caretaker snapshot`.

use std::process::ExitCode;

use domain::Action;
use flows::FlowError;
use repository::RepositoryError;
use serde_json::json;

use crate::arguments::{Common, SnapshotCommand};
use crate::home;
use crate::output::Output;

pub(crate) async fn run(
    common: &Common,
    command: &SnapshotCommand,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let SnapshotCommand::List { name } = command;
    let cell = home::open(common).await?;
    let snapshots = match flows::read::open(&cell, &common.tenant, name, Action::Read, "list snapshots").await
    {
        Ok(reader) => reader.snapshots().await?,
        // Connected, and never backed up.
        Err(FlowError::Repository(RepositoryError::NotFound(_))) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let rows: Vec<_> = snapshots
        .iter()
        .map(|head| {
            let kinds: serde_json::Map<_, _> = head
                .commit
                .kinds
                .iter()
                .map(|(kind, state)| (kind.to_string(), json!(state.records)))
                .collect();
            json!({
                "snapshot": head.name.number,
                "head": head.name,
                "taken_at": head.commit.taken_at,
                "complete": head.commit.complete,
                "records": kinds,
            })
        })
        .collect();
    output.result(&json!({ "snapshots": rows }), || {
        if snapshots.is_empty() {
            return format!("`{name}` was never backed up.");
        }
        snapshots
            .iter()
            .map(|head| {
                let records: u64 = head.commit.kinds.values().map(|kind| kind.records).sum();
                let whole = if head.commit.complete { "" } else { "  not whole" };
                format!("{:>6}  {:.0}  {records:>9} records{whole}\n", head.name.number, head.commit.taken_at)
            })
            .collect()
    })?;
    Ok(ExitCode::SUCCESS)
}
