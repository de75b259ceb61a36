//! `caretaker export`.

use std::path::Path;
use std::process::ExitCode;

use domain::{Action, ConnectionId};
use flows::export::{Sink, empty_folder};

use crate::arguments::Common;
use crate::commands::ingest::size;
use crate::home;
use crate::output::Output;

pub(crate) async fn run(
    common: &Common,
    name: &ConnectionId,
    at: &str,
    out: &Path,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let cell = home::open(common).await?;
    let reader = flows::read::open(&cell, &common.tenant, name, Action::Export, "export").await?;
    let head = flows::read::snapshot(&reader, at).await?;
    let scope = cell.connection(&common.tenant, name).await?.scope;
    let grant = cell.grant(&scope, &[Action::Export], "export media").await?;
    let media = cell.repository(&scope).media(&grant, Action::Export).await?;
    empty_folder(out)?;
    let exported = flows::export::export(&reader, &media, &head, Sink::Folder(out)).await?;
    output.result(&exported, || {
        let records: u64 = exported.records.values().sum();
        format!(
            "{records} records and {} media files, {}, in {}",
            exported.media,
            size(exported.bytes),
            out.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
