//! `caretaker doctor`: what is wrong with this installation, and how to put it right.

use std::process::ExitCode;

use domain::Action;
use flows::store_access::WhichStore;
use serde::Serialize;
use serde_json::json;

use crate::arguments::Common;
use crate::home::{self, CellFile};
use crate::output::{Output, exit};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    ok: bool,
    /// What was found and, where it is wrong, what to do.
    detail: String,
}

fn finding(check: impl Into<String>, found: Result<String, String>) -> Finding {
    let ok = found.is_ok();
    let detail = found.unwrap_or_else(|wrong| wrong);
    Finding { check: check.into(), ok, detail }
}

fn sentence(error: &dyn std::error::Error) -> String {
    flows::error::with_causes(error)
}

pub(crate) async fn run(common: &Common, output: &Output) -> anyhow::Result<ExitCode> {
    let cell = home::open(common).await?;
    let mut findings = vec![finding(
        "vault",
        Ok("opens with the passphrase, and the operator key is the right one".to_owned()),
    )];
    findings.push(finding(
        "catalog",
        cell.catalog.check_integrity().await.map(|()| "sound".to_owned()).map_err(|error| sentence(&error)),
    ));
    for (name, store, may_keep_versions) in
        [("object store", &cell.stores.objects, true), ("key store", &cell.stores.keys, false)]
    {
        let probed = repository::probe(store, &*cell.rng).await;
        let found = probed.map_err(|error| sentence(&error)).and_then(|promises| {
            if promises.keeps_versions && !may_keep_versions {
                return Err("it keeps old versions, so a person's destroyed key could come back: \
                            use a bucket without versioning and without lock"
                    .to_owned());
            }
            let guard = if promises.create_if_absent {
                "refuses to overwrite, as a second guard"
            } else {
                "does not refuse to overwrite; nothing here depends on it"
            };
            Ok(format!("can be written, read and deleted; {guard}"))
        });
        findings.push(finding(name, found));
    }
    findings.push(finding("unfinished writes", unfinished_writes(&cell)));
    for connection in cell.catalog.connections(&common.tenant).await? {
        let name = &connection.scope.connection;
        findings.push(finding(format!("connection {name}"), connection_state(&cell, &connection).await));
    }
    let sound = findings.iter().all(|finding| finding.ok);
    output.result(&json!({ "sound": sound, "findings": findings }), || {
        findings
            .iter()
            .map(|finding| {
                let mark = if finding.ok { "ok   " } else { "WRONG" };
                format!("{mark} {}: {}\n", finding.check, finding.detail)
            })
            .collect()
    })?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

/// Deletes what commands that were killed have left in stores that are directories.
fn unfinished_writes(cell: &flows::Cell) -> Result<String, String> {
    let file = CellFile::read(&cell.dir).map_err(|error| format!("{error:#}"))?;
    let (mut files, mut bytes) = (0, 0);
    for which in [WhichStore::Objects, WhichStore::Keys] {
        let url = file.url(which, &cell.dir);
        let found = repository::delete_unfinished(&url, cell.clock.now(), repository::GRACE);
        let found = found.map_err(|error| sentence(&error))?;
        files += found.files;
        bytes += found.bytes;
    }
    if files == 0 {
        return Ok("none that are older than three days".to_owned());
    }
    Ok(format!("{files} files ({bytes} bytes) of commands that were killed over three days ago were deleted"))
}

/// Whether the newest snapshot can be read, and whether the platform still lets us in.
async fn connection_state(cell: &flows::Cell, connection: &catalog::Connection) -> Result<String, String> {
    let scope = &connection.scope;
    let actions = [Action::Read, Action::Backup];
    let grant = cell.grant(scope, &actions, "doctor").await.map_err(|error| sentence(&error))?;
    let known = cell.known_head(scope).await.map_err(|error| sentence(&error))?;
    let history = match cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await {
        Ok(reader) => {
            let taken_at = reader.head().commit.taken_at;
            format!("snapshot {} of {taken_at:.0}", reader.head().name.number)
        }
        Err(repository::RepositoryError::NotFound(_)) => "nothing was backed up yet".to_owned(),
        Err(error) => return Err(sentence(&error)),
    };
    if scope.platform.as_str() == "jsonl" {
        return Ok(history);
    }
    let store = flows::connect::open(cell, connection, &grant).await.map_err(|error| sentence(&error))?;
    let probe = store.probe().await.map_err(|error| {
        let again = format!("caretaker connect {} {} …", scope.platform, scope.connection);
        format!("{}; if the credential has ended, give a new one with `{again}`", sentence(&error))
    })?;
    let missing: Vec<&str> = probe.missing.iter().map(|missing| missing.scope.as_str()).collect();
    if missing.is_empty() {
        return Ok(format!("{history}; the store answers, all scopes are granted"));
    }
    Err(format!("{history}; these scopes are not granted: {}. Grant them to the app", missing.join(", ")))
}
