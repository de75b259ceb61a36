//! `caretaker export`.

use std::path::Path;

use domain::{Action, Scope};
use flows::export::{Sink, Source, empty_folder};
use flows::{Cell, ErrorKind};
use repository::Reader;

use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Names;
use crate::output::{Output, exit};

pub(crate) async fn run(
    home: &Home,
    names: &Names,
    at: &str,
    out: &Path,
    output: &Output,
) -> anyhow::Result<u8> {
    each(
        home,
        names,
        output,
        |_| true,
        async |cell, connection| {
            let scope = &connection.scope;
            let (tenant, name) = (&scope.tenant, &scope.connection);
            let reader = match flows::read::open(cell, tenant, name, Action::Export, "export").await {
                // Of several, those that were never backed up are no reason to fail.
                Err(error) if names.name.is_none() && error.kind() == ErrorKind::NotFound => {
                    output.say(&format!("`{name}` was never backed up: there is nothing to export."));
                    return Ok(exit::DONE);
                }
                other => other?,
            };
            let out = if names.name.is_some() { out.to_path_buf() } else { out.join(name.as_str()) };
            one(cell, scope, &reader, at, &out, output).await
        },
    )
    .await
}

async fn one(
    cell: &Cell,
    scope: &Scope,
    reader: &Reader,
    at: &str,
    out: &Path,
    output: &Output,
) -> anyhow::Result<u8> {
    let name = &scope.connection;
    let head = flows::read::snapshot(reader, at).await?;
    let grant = cell.grant(scope, &[Action::Export], "export").await?;
    let source = Source {
        repository: &cell.repository(scope),
        grant: &grant,
        action: Action::Export,
        platform: &scope.platform,
        reader,
        head: &head,
    };
    empty_folder(out)?;
    let told = |what: &str, done: u64| output.progress(&format!("exporting {what}"), done, None, "");
    let exported = flows::export::export(&source, Sink::Folder(out), &told).await?;
    output.result(&exported, || {
        let records: u64 = exported.records.values().sum();
        let mut text = format!(
            "Snapshot {}: {records} records and {} media files, {}, in {}",
            exported.snapshot,
            exported.media,
            size(exported.bytes),
            out.display()
        );
        for (file, rows) in &exported.import_files {
            text += &format!("\n{file}: {rows} rows, as the store's own import takes them");
        }
        if let Some(lines) = exported.id_map {
            text +=
                &format!("\nid-map.csv: {lines} items that were restored, and the ids that they have now");
        }
        if !exported.complete {
            text += &format!(
                "\nNot whole: what could not be read for that snapshot is not here either; `caretaker connection \
                 coverage {name}` names it."
            );
        }
        text
    })?;
    Ok(if exported.complete { exit::DONE } else { exit::INCOMPLETE })
}
