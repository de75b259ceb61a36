//! `caretaker worker`, `caretaker serve` and `caretaker monitor`: a process on a machine that is not the vault's, until it is told to end.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Role};
use flows::{ErrorKind, FlowError};
use serde_json::json;
use vault::system::SystemClock;

use crate::arguments;
use crate::commands::sandbox::Signals;
use crate::commands::up;
use crate::home::Home;
use crate::output::{self, Output, exit};
use crate::roles::{self, HostFile, OnHost};

/// A cell that cannot be reached is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// The worker of a platform.
pub(crate) async fn worker(home: &Home, words: &arguments::Worker, output: &Output) -> anyhow::Result<u8> {
    let role = Role::Worker(words.platform.clone());
    run(home, &role, (&words.joins, &words.reaching), output).await
}

/// The server.
pub(crate) async fn serve(home: &Home, joins: &arguments::Joins, output: &Output) -> anyhow::Result<u8> {
    named::<roles::Serves>(home, &Role::Server, joins, output).await
}

/// The monitor.
pub(crate) async fn monitor(home: &Home, joins: &arguments::Joins, output: &Output) -> anyhow::Result<u8> {
    named::<roles::Monitors>(home, &Role::Monitor, joins, output).await
}

/// A process that nobody starts by its word on the vault's machine.
async fn named<J: roles::Job>(
    home: &Home,
    role: &Role,
    joins: &arguments::Joins,
    output: &Output,
) -> anyhow::Result<u8> {
    if joins.join.is_none() && !home.dir().is_ok_and(roles::is_host) {
        return Err(roles::misplaced::<J>());
    }
    run(home, role, (joins, &[]), output).await
}

async fn run(
    home: &Home,
    role: &Role,
    (joins, reaching): (&arguments::Joins, &[u16]),
    output: &Output,
) -> anyhow::Result<u8> {
    let (dir, clock): (_, Arc<dyn Clock>) = (home.dir()?, Arc::new(SystemClock));
    let end = Signals::watch()?;
    if let (Some(invitation), Some(listen)) = (&joins.join, joins.listen) {
        roles::join_cell(dir, (invitation, role), listen, &clock).await?;
    }
    let host = HostFile::read(dir)?;
    let own = host.role()?;
    if own != *role {
        return Err(FlowError::Input(format!("this host is there for the {own}, not for the {role}")).into());
    }
    let ended = end.wait();
    tokio::pin!(ended);
    let on_host = tokio::select! {
        on_host = start(home, reaching, &*clock, output) => on_host?,
        () = &mut ended => return Ok(exit::DONE),
    };
    up::warn_of_walls(&on_host.missing(), output);
    let (pids, running) = up::told(&on_host.processes().await);
    let listen = host.listen();
    output.result(&json!({ "ready": true, "dir": dir, "listen": listen, "processes": pids }), || {
        format!("This host works for its cell:\n{running}It is found at {listen}. Ctrl-C ends it.")
    })?;
    ended.await;
    Ok(exit::DONE)
}

/// Starts it, as often as it takes until the vault can be reached: a machine may be up before another is.
async fn start(home: &Home, reaching: &[u16], clock: &dyn Clock, output: &Output) -> anyhow::Result<OnHost> {
    let mut told = false;
    loop {
        match OnHost::start(home.dir()?, reaching).await {
            Err(error) if output::kind(&error) == ErrorKind::Unavailable => {
                if !std::mem::replace(&mut told, true) {
                    output.warn(&format!("{error:#}; it is tried again until it can be"));
                }
                clock.sleep(AGAIN).await;
            }
            started => return started,
        }
    }
}
