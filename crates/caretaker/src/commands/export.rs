//! `caretaker export`.

use std::path::Path;
use std::process::ExitCode;

use domain::{Action, Scope};
use flows::Cell;
use flows::export::{Sink, Source, empty_folder};

use crate::arguments::Common;
use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::names::Names;
use crate::output::{Output, exit};

pub(crate) async fn run(
    common: &Common,
    names: &Names,
    at: &str,
    out: &Path,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    each(
        common,
        names,
        output,
        |_| true,
        async |cell, connection| {
            let folder = match names.name {
                Some(_) => out.to_path_buf(),
                None => out.join(connection.scope.connection.as_str()),
            };
            one(cell, &connection.scope, at, &folder, output).await?;
            Ok(exit::DONE)
        },
    )
    .await
}

async fn one(cell: &Cell, scope: &Scope, at: &str, out: &Path, output: &Output) -> anyhow::Result<()> {
    let (tenant, name) = (&scope.tenant, &scope.connection);
    let reader = flows::read::open(cell, tenant, name, Action::Export, "export").await?;
    let head = flows::read::snapshot(&reader, at).await?;
    let grant = cell.grant(scope, &[Action::Export], "export").await?;
    let source = Source {
        repository: &cell.repository(scope),
        grant: &grant,
        action: Action::Export,
        platform: &scope.platform,
        reader: &reader,
        head: &head,
    };
    empty_folder(out)?;
    let exported = flows::export::export(&source, Sink::Folder(out)).await?;
    output.result(&exported, || {
        let records: u64 = exported.records.values().sum();
        let mut text = format!(
            "{records} records and {} media files, {}, in {}",
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
        text
    })
}
