//! One module per command.

mod backup;
mod connection;
mod demo;
mod diff;
mod doctor;
mod export;
mod ingest;
mod init;
mod item;
mod kinds;
mod man;
mod many;
mod migrate;
mod recover;
mod restore;
mod sandbox;
mod snapshot;
mod store;
mod tenant;
mod verify;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::output::Output;

/// Runs the command and answers its exit code.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Init(init) => init::run(common, init, output).await,
        Command::Connect(connect) => connection::connect(common, connect, output).await,
        Command::Tenant(command) => tenant::run(common, command, output).await,
        Command::Connection(command) => connection::run(common, command, output).await,
        Command::Backup { names, full } => backup::run(common, names, *full, output).await,
        Command::Ingest(ingest) => Box::pin(ingest::run(common, ingest, output)).await,
        Command::Snapshot(command) => snapshot::run(common, command, output).await,
        Command::Store(command) => store::run(common, command, output).await,
        Command::Item(command) => item::run(common, command, output).await,
        Command::Diff { name, from, to, kind, full } => {
            diff::run(common, name, (from, to), (kind.as_ref(), *full), output).await
        }
        Command::Restore(command) => restore::run(common, command, output).await,
        Command::Verify { names, all_bytes, expect_head } => {
            verify::run(common, names, *all_bytes, expect_head.as_deref(), output).await
        }
        Command::Export { names, at, out } => export::run(common, names, at, out, output).await,
        Command::Recover(recover) => recover::run(recover, output).await,
        Command::Sandbox(command) => sandbox::run(command, output).await,
        Command::Demo(demo) => demo::run(common, demo, output).await,
        Command::Doctor => doctor::run(common, output).await,
        Command::Migrate { check } => migrate::run(common, *check, output).await,
        Command::Man { out } => man::run(out, output),
        Command::Kinds { platform } => kinds::run(platform.as_deref(), output),
    }
}
