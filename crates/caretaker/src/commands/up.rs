//! `caretaker up`: the cell's processes, until they are told to end.

use std::convert::Infallible;
use std::time::Duration;

use ::trail::room::Level;
use domain::Clock;
use serde_json::{Value, json};

use crate::commands::sandbox::Signals;
use crate::home::{self, CellFile, Home};
use crate::output::{Output, exit};
use crate::roles::Up;

/// So often it is looked how much room there is for the trail.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Warns each time that there is less room for the trail.
async fn look_after_room(home: &Home, clock: &dyn Clock, output: &Output) -> Infallible {
    let mut level = Level::Enough;
    loop {
        level = home.warn_of_room(level, output);
        clock.sleep(LOOK_EVERY).await;
    }
}

pub(crate) async fn run(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let dir = home.dir()?;
    CellFile::read(dir)?;
    let handles = home::handles(dir)?;
    // Before anybody is told that it runs: whoever reads that may end it at once.
    let end = Signals::watch()?;
    let unseals = home.unseals()?;
    home.begin_unproven(&handles).await?;
    let up = Up::start(dir, unseals, &handles).await?;
    for (role, missing) in up.missing() {
        output.warn(&format!("The {role}'s process is not kept from all that it does not need: {missing}"));
    }
    let processes = up.processes().await;
    let pids: serde_json::Map<String, Value> =
        processes.iter().map(|(role, pid)| (role.to_string(), (*pid).into())).collect();
    output.result(&json!({ "ready": true, "dir": dir, "processes": pids }), || {
        let running: String = processes.iter().map(|(role, pid)| format!("  {role:<8} {pid}\n")).collect();
        format!(
            "The cell in {} runs:\n{running}Commands join it as they come. Ctrl-C ends it, once those that are under way have ended.",
            dir.display()
        )
    })?;
    tokio::select! {
        () = end.wait() => {}
        never = look_after_room(home, &*handles.clock, output) => match never {},
    }
    let at_once = Signals::watch()?;
    output.say("The cell ends: commands that are under way have half a minute. Ctrl-C ends it at once.");
    up.end(at_once.wait()).await;
    Ok(exit::DONE)
}
