//! `caretaker store`: the space of a connection, and the credentials of buckets.

use std::time::Duration;

use catalog::Connection;
use domain::{ConnectionId, Platform};
use flows::FlowError;
use flows::store_access::{self, Way, WhichStore};
use serde_json::json;

use crate::arguments::StoreCommand;
use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::home::Home;
use crate::output::{Output, exit};
use crate::stores::{self, StoreCredentialFiles};
use crate::works::{Collect, Compact, Rebuild, Session};

pub(crate) async fn run(home: &Home, command: &StoreCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        StoreCommand::Credential { only, platform, files } => {
            let platform = platform.as_deref().map(Platform::new).transpose()?;
            credential(home, (only.as_deref(), platform.as_ref()), files, output).await
        }
        StoreCommand::Compact(names) => {
            each(
                home,
                names,
                output,
                |_| true,
                async |session, connection| {
                    compact(session, &connection, output).await?;
                    Ok(exit::DONE)
                },
            )
            .await
        }
        StoreCommand::Collect { names, grace_hours, yes } => {
            each(
                home,
                names,
                output,
                |_| true,
                async |session, connection| {
                    collect(session, &connection, (*grace_hours, *yes), output).await?;
                    Ok(exit::DONE)
                },
            )
            .await
        }
        StoreCommand::Rebuild { name, without, yes } => rebuild(home, name, (without, *yes), output).await,
    }
}

async fn compact(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<()> {
    let name = &connection.scope.connection;
    let done = {
        let work = Box::pin(session.work(connection, Compact {}, output));
        output.while_busy("compacting", work).await?
    };
    output.result(&done, || {
        format!(
            "{} versions of records that no snapshot shows left the index; {} packs are no longer named, {} written.\n\
             What is no longer named is deleted by `caretaker store collect {name}`.",
            done.versions_dropped,
            done.packs_dropped,
            size(done.bytes_written)
        )
    })
}

async fn collect(
    session: &Session<'_>,
    connection: &Connection,
    (grace_hours, yes): (u64, bool),
    output: &Output,
) -> anyhow::Result<()> {
    let name = &connection.scope.connection;
    output.confirm(name, "This deletes for good what no snapshot names any more.", yes)?;
    let grace = Duration::from_secs(grace_hours.saturating_mul(3600));
    let work = Box::pin(session.work(connection, Collect { grace }, output));
    let done = output.while_busy("collecting", work).await?;
    output.result(&done, || {
        let mut text = match done.deleted {
            0 => "Nothing was deleted.".to_owned(),
            deleted => format!("{deleted} objects were deleted, {} are free again.", size(done.bytes)),
        };
        text += &match done.next_at {
            Some(at) => format!(
                "\n{} objects that nothing names are on the list. It takes two passes, {grace_hours} hours apart, so \
                 that nothing is lost\nthat a run which has just begun will name: from {at:.0} on, the same command \
                 deletes them.",
                done.candidates
            ),
            None => format!(
                "\nNothing is on the list. What was dropped less than {grace_hours} hours ago is spared: come back \
                 after that."
            ),
        };
        text
    })
}

async fn rebuild(
    home: &Home,
    name: &ConnectionId,
    (without, yes): (&[String], bool),
    output: &Output,
) -> anyhow::Result<u8> {
    let session = home.session().await?;
    let connection = session.connection(name).await?;
    if !without.is_empty() {
        let lost = without.join(", ");
        let what = format!(
            "What is in {lost} is lost for good: records that stood there alone are gone from their snapshots, and others \
             are shown there as they were before. The kinds concerned count as incomplete until they are read anew."
        );
        output.confirm(name, &what, yes)?;
    }
    let work = Box::pin(session.work(&connection, Rebuild { without: without.to_vec() }, output));
    let head = output.while_busy("building the index anew", work).await?;
    output.result(&json!({ "head": head, "lost": without }), || {
        let lost = match without.len() {
            0 => String::new(),
            many => format!(", without {many} packs that are lost"),
        };
        format!(
            "The index of `{name}` was built anew from its packs{lost}; the head is {head}.\n\
             See what is there: `caretaker verify {name} --all-bytes`"
        )
    })?;
    Ok(exit::DONE)
}

/// Gives the buckets of the cell a new credential, once it was seen to work: the cell's, or one of a platform's workers.
async fn credential(
    home: &Home,
    (only, platform): (Option<&str>, Option<&Platform>),
    files: &StoreCredentialFiles,
    output: &Output,
) -> anyhow::Result<u8> {
    let unlocked = home.unlock().await?;
    let rng = &*unlocked.handles.rng;
    let mut given = Vec::new();
    for which in [WhichStore::Objects, WhichStore::Keys] {
        let url = unlocked.file.url(which, &unlocked.dir);
        let is_meant = match only {
            Some(only) => only == which.name(),
            None => which == WhichStore::Keys || !files.are_for_keys_alone(),
        };
        if is_meant && stores::is_bucket(&url) {
            let store = stores::given(which, &url, files)?.at(url);
            match platform {
                Some(platform) => store.try_out_part(platform, rng).await?,
                None => store.try_out(&store.open()?, rng).await?,
            }
            given.push((which, store));
        }
    }
    if given.is_empty() {
        return Err(FlowError::Input(match only {
            Some(only) => format!("the {only} of this cell is a directory: it takes no credential"),
            None => "the stores of this cell are directories: they take no credential".to_owned(),
        })
        .into());
    }
    for (which, store) in &given {
        if let Some(credentials) = &store.options.credentials {
            let way = Way { platform: platform.cloned(), ..Way::of_cell(&unlocked.file.region, *which) };
            let clock = &*unlocked.handles.clock;
            let (vault, catalog) = (&unlocked.vault, &unlocked.catalog);
            store_access::keep(vault, catalog, clock, &way, (&store.url, credentials)).await?;
        }
    }
    let names: Vec<&str> = given.iter().map(|(which, _)| which.name()).collect();
    output.result(&json!({ "stores": names, "platform": platform }), || match platform {
        Some(platform) => format!(
            "The new credential works, reaches what is of {platform} alone, and is sealed: {}.",
            names.join(", ")
        ),
        None => format!("The new credential works and is sealed: {}.", names.join(", ")),
    })?;
    Ok(exit::DONE)
}
