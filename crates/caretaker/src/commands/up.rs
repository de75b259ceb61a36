//! `caretaker up`: the cell's processes, until they are told to end.

use std::convert::Infallible;
use std::time::Duration;

use ::trail::room::Level;
use domain::{Clock, Role};
use flows::FlowError;
use serde_json::{Map, Value, json};

use crate::arguments;
use crate::commands::sandbox::Signals;
use crate::home::{self, CellFile, Home};
use crate::names::Place;
use crate::output::{Output, exit};
use crate::public::Given;
use crate::roles::{CALLED, Hosts, Places, Up};

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

/// Who is where, as it was given.
fn hosts(words: &arguments::Up) -> Result<Hosts, FlowError> {
    let placed = |places: &[Place], fits: fn(&Role) -> bool, why: &str| {
        let mut all = Places::new();
        for Place { role, address } in places {
            if !fits(role) {
                return Err(FlowError::Input(format!("`{role}={address}`: {why}")));
            }
            if all.insert(role.clone(), *address).is_some() {
                return Err(FlowError::Input(format!("the {role} cannot be at two places")));
            }
        }
        Ok(all)
    };
    let at = placed(
        &words.at,
        |role| CALLED.contains(role),
        "other hosts look for the vault, the server and the monitor",
    )?;
    let runs_elsewhere = |role: &Role| matches!(role, Role::Worker(_) | Role::Server | Role::Monitor);
    let elsewhere = placed(
        &words.elsewhere,
        runs_elsewhere,
        "workers, the server and the monitor run elsewhere, and nobody else",
    )?;
    let is_found = |role: &&Role| at.contains_key(role) || elsewhere.contains_key(role);
    if let Some(missing) = CALLED.iter().find(|role| !is_found(role))
        && !(at.is_empty() && elsewhere.is_empty())
    {
        let why = format!(
            "who runs on another host calls the {missing} too: say where it is found, with `--at {missing}=IP:PORT`"
        );
        return Err(FlowError::Input(why));
    }
    if let Some(both) = at.keys().find(|role| elsewhere.contains_key(role)) {
        return Err(FlowError::Input(format!("the {both} cannot be here and elsewhere")));
    }
    if elsewhere.contains_key(&Role::Server) && words.listens.listen.is_some() {
        let why = "the public endpoint is where the server is: `--listen` goes with a server of this machine";
        return Err(FlowError::Input(why.to_owned()));
    }
    Ok(Hosts { at, elsewhere })
}

/// Warns of what this machine's kernel cannot keep processes from.
pub(super) fn warn_of_walls(missing: &[(Role, String)], output: &Output) {
    for (role, missing) in missing {
        output.warn(&format!("The {role}'s process is not kept from all that it does not need: {missing}"));
    }
}

/// Which processes run, for machines and for people.
pub(super) fn told(processes: &[(Role, u32)]) -> (Map<String, Value>, String) {
    let pids = processes.iter().map(|(role, pid)| (role.to_string(), (*pid).into())).collect();
    let running = processes.iter().map(|(role, pid)| format!("  {role:<8} {pid}\n")).collect();
    (pids, running)
}

pub(crate) async fn run(home: &Home, words: &arguments::Up, output: &Output) -> anyhow::Result<u8> {
    let (dir, hosts) = (home.dir()?, hosts(words)?);
    let public = Given::of(&words.listens, &CellFile::read(dir)?, dir)?;
    let handles = home::handles(dir)?;
    // Before anybody is told that it runs: whoever reads that may end it at once.
    let end = Signals::watch()?;
    let unseals = home.unseals()?;
    home.begin_unproven(&handles).await?;
    let up = Up::start(dir, (unseals, public), hosts, &handles).await?;
    warn_of_walls(&up.missing(), output);
    let (pids, running) = told(&up.processes().await);
    let mut told = json!({ "ready": true, "dir": dir, "processes": pids });
    if let (Some(Given { url, listen, .. }), Some(told)) = (up.public(), told.as_object_mut()) {
        told.insert("public".to_owned(), json!({ "url": url, "listen": listen }));
    }
    output.result(&told, || {
        let public = up.public().map(|Given { url, listen, .. }| format!("Public at {url}, listening on {listen}.\n"));
        format!(
            "The cell in {} runs:\n{running}{}Commands join it as they come. Ctrl-C ends it, once those that are under way have ended.",
            dir.display(),
            public.unwrap_or_default()
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
