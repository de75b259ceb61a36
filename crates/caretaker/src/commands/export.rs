//! `caretaker export`.

use std::path::Path;

use catalog::Connection;
use flows::export::Folder;

use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Names;
use crate::output::{Output, exit};
use crate::works::{Aids, Export, Session};

pub(crate) async fn run(
    home: &Home,
    names: &Names,
    at: &str,
    out: &Path,
    output: &Output,
) -> anyhow::Result<u8> {
    let one_alone = names.name.is_some();
    each(
        home,
        names,
        output,
        |_| true,
        async |session, connection| {
            let name = &connection.scope.connection;
            // Of several, those that were never backed up are no reason to fail.
            if !one_alone && !is_backed_up(session, &connection).await? {
                output.say(&format!("`{name}` was never backed up: there is nothing to export."));
                return Ok(exit::DONE);
            }
            let out = if one_alone { out.to_path_buf() } else { out.join(name.as_str()) };
            one(session, &connection, (at, &out), output).await
        },
    )
    .await
}

async fn is_backed_up(session: &Session<'_>, connection: &Connection) -> anyhow::Result<bool> {
    let scope = &connection.scope;
    Ok(session.catalog.head(&scope.tenant, &scope.connection).await?.is_some())
}

async fn one(
    session: &Session<'_>,
    connection: &Connection,
    (at, out): (&str, &Path),
    output: &Output,
) -> anyhow::Result<u8> {
    let name = &connection.scope.connection;
    let files = Folder::empty(out)?;
    let aids = Aids { files: Some(&files), ..Aids::default() };
    let exported = session.work_with(connection, Export { at: at.to_owned() }, aids, output).await?;
    files.settle()?;
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
