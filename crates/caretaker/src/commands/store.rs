//! `caretaker store`: the space of a connection, and the credentials of buckets.

use std::process::ExitCode;
use std::time::Duration;

use flows::store_access::{self, WhichStore};
use flows::{FlowError, retention};
use serde_json::json;

use crate::arguments::{Common, StoreCommand};
use crate::commands::ingest::size;
use crate::home;
use crate::output::Output;
use crate::stores::{self, StoreCredentialFiles};

pub(crate) async fn run(
    common: &Common,
    command: &StoreCommand,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Credential(files) => return credential(common, files, output).await,
        StoreCommand::Compact { name } => {
            let cell = home::open(common).await?;
            let connection = cell.connection(&common.tenant, name).await?;
            let done = retention::compact(&cell, &connection).await?;
            output.result(&done, || {
                format!(
                    "{} versions of records that no snapshot shows left the index; {} packs are no longer named, {} \
                     written.\n\
                     What is no longer named is deleted by `caretaker store collect {name}`.",
                    done.versions_dropped,
                    done.packs_dropped,
                    size(done.bytes_written)
                )
            })?;
        }
        StoreCommand::Collect { name, grace_hours, yes } => {
            let cell = home::open(common).await?;
            let connection = cell.connection(&common.tenant, name).await?;
            output.confirm(name, "This deletes for good what no snapshot names any more.", *yes)?;
            let grace = Duration::from_secs(grace_hours.saturating_mul(3600));
            let done = retention::collect(&cell, &connection, grace).await?;
            output.result(&done, || {
                let mut text = match done.deleted {
                    0 => "Nothing was deleted.".to_owned(),
                    deleted => format!("{deleted} objects were deleted, {} are free again.", size(done.bytes)),
                };
                text += &match done.next_at {
                    Some(at) => format!(
                        "\n{} objects that nothing names are on the list. It takes two passes, {grace_hours} hours \
                         apart, so that nothing is lost\nthat a run which has just begun will name: from {at:.0} on, \
                         the same command deletes them.",
                        done.candidates
                    ),
                    None => format!(
                        "\nNothing is on the list. What was dropped less than {grace_hours} hours ago is spared: \
                         come back after that."
                    ),
                };
                text
            })?;
        }
        StoreCommand::Rebuild { name } => {
            let cell = home::open(common).await?;
            let connection = cell.connection(&common.tenant, name).await?;
            let head = retention::rebuild(&cell, &connection).await?;
            output.result(&json!({ "head": head }), || {
                format!(
                    "The index of `{name}` was built anew from its packs; the head is {head}.\n\
                     See that all is there: `caretaker verify {name} --all-bytes`"
                )
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives the buckets of the cell a new credential, once it was seen to work.
async fn credential(
    common: &Common,
    files: &StoreCredentialFiles,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let unlocked = home::unlock(common).await?;
    let rng = &*unlocked.handles.rng;
    let mut given = Vec::new();
    for which in [WhichStore::Objects, WhichStore::Keys] {
        let url = unlocked.file.url(which, &unlocked.dir);
        if stores::is_bucket(&url) {
            let store = stores::given(which, &url, files)?.at(url);
            store.try_out(&store.open()?, rng).await?;
            given.push((which, store));
        }
    }
    if given.is_empty() {
        return Err(FlowError::Input(
            "both stores of this cell are directories: they take no credential".to_owned(),
        )
        .into());
    }
    for (which, store) in &given {
        if let Some(credentials) = &store.options.credentials {
            let place = (&unlocked.file.region, *which);
            let clock = &*unlocked.handles.clock;
            let (vault, catalog) = (&unlocked.vault, &unlocked.catalog);
            store_access::keep(vault, catalog, clock, place, (&store.url, credentials)).await?;
        }
    }
    let names: Vec<&str> = given.iter().map(|(which, _)| which.name()).collect();
    output.result(&json!({ "stores": names }), || {
        format!("The new credential works and is sealed: {}.", names.join(", "))
    })?;
    Ok(ExitCode::SUCCESS)
}
