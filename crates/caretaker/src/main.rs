//! Caretaker: backs up online stores item by item, keeps every version, and puts any of them back.
//!
//! This crate is the command line and the wiring: it opens a cell and calls the flows.

mod acts;
mod arguments;
mod catalog_server;
mod cell_trail;
mod commands;
mod dumps;
mod files;
mod home;
mod log;
mod names;
mod output;
mod prover;
mod public;
mod roles;
mod stores;
mod walls;
mod works;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::output::Output;
use crate::roles::Control;

/// Work goes from thread to thread here, and the C library's allocator then keeps much more than is in use:
/// docs/decisions/0025. `.cargo/config.toml` says how it is set.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Where it fails, `doctor` says so: nobody is kept from a backup by it.
    let _ = dumps::refuse();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refused) => return ExitCode::from(Output::new(asks_for_json()).refuse(&refused)),
    };
    let output = Output::new(arguments.common.json);
    log::show(arguments.common.json);
    if let Ok(Some(control)) = Control::given() {
        match &arguments.command {
            Command::Vault { command: None } => return roles::main::<roles::Keys>(control),
            Command::Serve(_) => return roles::main::<roles::Serves>(control),
            Command::Sealer => return roles::sealer(control),
            Command::Monitor(_) => return roles::main::<roles::Monitors>(control),
            Command::Work => return roles::main::<roles::Works>(control),
            Command::Certify => return roles::main::<roles::Certifies>(control),
            _ => {}
        }
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return ExitCode::from(output.fail(&anyhow::Error::from(error).context("could not start")));
        }
    };
    let result = runtime.block_on(commands::run(&arguments, &output));
    // Blocking work that was begun (a read of standard input, say) must not keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => ExitCode::from(output.fail(&error)),
    }
}

/// Whether words that could not be understood ask for JSON all the same.
fn asks_for_json() -> bool {
    std::env::args_os().any(|word| word == "--json")
}
