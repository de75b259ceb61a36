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
mod migrate;
mod recover;
mod restore;
mod sandbox;
mod snapshot;
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
        Command::Connection(command) => connection::run(common, command, output).await,
        Command::Backup { name, full } => backup::run(common, name, *full, output).await,
        Command::Ingest(ingest) => ingest::run(common, ingest, output).await,
        Command::Snapshot(command) => snapshot::run(common, command, output).await,
        Command::Item(command) => item::run(common, command, output).await,
        Command::Diff { name, from, to, kind } => {
            diff::run(common, name, (from, to), kind.as_ref(), output).await
        }
        Command::Restore(command) => restore::run(common, command, output).await,
        Command::Verify { name, all_bytes, expect_head } => {
            verify::run(common, name, *all_bytes, expect_head.as_deref(), output).await
        }
        Command::Export { name, at, out } => export::run(common, name, at, out, output).await,
        Command::Recover(recover) => recover::run(recover, output).await,
        Command::Sandbox(command) => sandbox::run(command, output).await,
        Command::Demo(demo) => demo::run(common, demo, output).await,
        Command::Doctor => doctor::run(common, output).await,
        Command::Migrate { check } => migrate::run(common, *check, output).await,
        Command::Kinds { platform } => kinds::run(platform.as_deref(), output),
    }
}
