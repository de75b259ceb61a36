//! `caretaker worker`: a platform's worker on a machine that is not the vault's, until it is told to end.

use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use flows::{ErrorKind, FlowError};
use serde_json::{Value, json};
use vault::system::SystemClock;

use crate::arguments;
use crate::commands::sandbox::Signals;
use crate::home::Home;
use crate::output::{self, Output, exit};
use crate::roles::{self, FarWorker, HostFile};

/// A cell that cannot be reached is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(home: &Home, words: &arguments::Worker, output: &Output) -> anyhow::Result<u8> {
    let (dir, clock): (_, Arc<dyn Clock>) = (home.dir()?, Arc::new(SystemClock));
    let end = Signals::watch()?;
    if let (Some(invitation), Some(listen)) = (&words.join, words.listen) {
        roles::join_cell(dir, (invitation, &words.platform), listen, &clock).await?;
    }
    let host = HostFile::read(dir)?;
    if host.platform()? != words.platform {
        let why =
            format!("this host is there for the worker of `{}`: give `--platform {0}`", host.platform()?);
        return Err(FlowError::Input(why).into());
    }
    let ended = end.wait();
    tokio::pin!(ended);
    let worker = tokio::select! {
        worker = start(home, words, &*clock, output) => worker?,
        () = &mut ended => return Ok(exit::DONE),
    };
    for (role, missing) in worker.missing() {
        output.warn(&format!("The {role}'s process is not kept from all that it does not need: {missing}"));
    }
    let processes = worker.processes().await;
    let pids: serde_json::Map<String, Value> =
        processes.iter().map(|(role, pid)| (role.to_string(), (*pid).into())).collect();
    let listen = host.listen();
    output.result(&json!({ "ready": true, "dir": dir, "listen": listen, "processes": pids }), || {
        let running: String = processes.iter().map(|(role, pid)| format!("  {role:<8} {pid}\n")).collect();
        format!("This host works for its cell:\n{running}It is found at {listen}. Ctrl-C ends it.")
    })?;
    ended.await;
    Ok(exit::DONE)
}

/// Starts it, as often as it takes until the vault can be reached: a machine may be up before another is.
async fn start(
    home: &Home,
    words: &arguments::Worker,
    clock: &dyn Clock,
    output: &Output,
) -> anyhow::Result<FarWorker> {
    let mut told = false;
    loop {
        match FarWorker::start(home.dir()?, &words.reaching).await {
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
