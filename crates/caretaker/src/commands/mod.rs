//! One module per command.

mod backup;
mod connect;
mod connection;
mod demo;
mod diff;
mod doctor;
mod export;
mod host;
mod ingest;
mod init;
mod item;
mod kinds;
mod man;
mod many;
mod migrate;
mod on_host;
mod order;
mod person;
mod policy;
mod recover;
mod recovery;
mod restore;
mod sandbox;
mod schedule;
mod snapshot;
mod store;
mod tenant;
mod trail;
mod up;
mod vault;
mod verify;
mod webhook;

use std::process::ExitCode;

use ::trail::room::Level;

use crate::acts::act;
use crate::arguments::{Arguments, Command};
use crate::home::Home;
use crate::output::{Output, exit, exit_code};
use crate::roles;

/// Runs the command and answers its exit code. What it did is in the trail's log at the end.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<ExitCode> {
    let home = Home::new(&arguments.common, act(&arguments.command));
    let ended = Box::pin(command(&home, &arguments.command, output)).await;
    for (role, missing) in home.missing_walls().unwrap_or_default() {
        output.warn(&format!("The {role}'s process is kept less than it can be: {missing}"));
    }
    home.warn_of_room(Level::Enough, output);
    let code = ended.as_ref().map_or_else(exit_code, |code| *code);
    let ended = ended.map(ExitCode::from);
    let Err(error) = home.close(code).await else { return ended };
    if exit_code(&error) == exit::INTEGRITY {
        let code = output.fail(&error.context("the trail cannot be gone on with"));
        return ended.map(|_| ExitCode::from(code));
    }
    // All of it is durable, and the next command takes it.
    output.warn(&format!("The trail could not be brought up to date: {error:#}"));
    ended
}

async fn command(home: &Home, command: &Command, output: &Output) -> anyhow::Result<u8> {
    match command {
        Command::Init(init) => init::run(home, init, output).await,
        Command::Connect { one: Some(connect), .. } => connect::one(home, connect, output).await,
        Command::Connect { from: Some(file), .. } => connect::many(home, file, output).await,
        Command::Connect { one: None, from: None } => Err(connect::neither()),
        Command::Tenant(command) => tenant::run(home, command, output).await,
        Command::Connection(command) => connection::run(home, command, output).await,
        Command::Backup { names, full } => backup::run(home, names, *full, output).await,
        Command::Ingest(ingest) => Box::pin(ingest::run(home, ingest, output)).await,
        Command::Snapshot(command) => snapshot::run(home, command, output).await,
        Command::Store(command) => store::run(home, command, output).await,
        Command::Item(command) => item::run(home, command, output).await,
        Command::Diff { name, from, to, kind, full } => {
            diff::run(home, name, (from, to), (kind.as_ref(), *full), output).await
        }
        Command::Restore(command) => restore::run(home, command, output).await,
        Command::Verify { names, all_bytes, expect_head } => {
            verify::run(home, names, *all_bytes, expect_head.as_deref(), output).await
        }
        Command::Export { names, at, out } => export::run(home, names, at, out, output).await,
        Command::Recover(recover) => recover::run(recover, output).await,
        Command::Sandbox(command) => sandbox::run(command, output).await,
        Command::Demo(demo) => demo::run(home, demo, output).await,
        Command::Vault { command: Some(command) } => vault::run(home, command, output).await,
        Command::Vault { command: None } => Err(roles::misplaced::<roles::Keys>()),
        Command::Up(up) => up::run(home, up, output).await,
        Command::Worker(worker) => on_host::worker(home, worker, output).await,
        Command::Schedule(command) => schedule::run(home, command, output).await,
        Command::Webhook(command) => webhook::run(home, command, output).await,
        Command::Order(command) => order::run(home, command, output).await,
        Command::Host(command) => host::run(home, command, output).await,
        Command::Serve(joins) => on_host::serve(home, joins, output).await,
        Command::Sealer => Err(roles::misplaced_word(roles::SEALER)),
        Command::Monitor(joins) => on_host::monitor(home, joins, output).await,
        Command::Work => Err(roles::misplaced::<roles::Works>()),
        Command::Certify => Err(roles::misplaced::<roles::Certifies>()),
        Command::Person(command) => person::run(home, command, output).await,
        Command::Recovery(command) => recovery::run(command, output),
        Command::Trail(command) => trail::run(home, command, output).await,
        Command::Policy(command) => policy::run(home, command, output).await,
        Command::Doctor => doctor::run(home, output).await,
        Command::Migrate(words) => migrate::run(home, words, output).await,
        Command::Man { out } => man::run(out, output),
        Command::Kinds { platform } => kinds::run(platform.as_deref(), output),
    }
}
