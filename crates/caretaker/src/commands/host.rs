//! `caretaker host`: the machines on which workers run that are not the vault's.

use std::path::Path;
use std::time::Duration;

use domain::{Id128, Role};
use flows::FlowError;
use serde_json::json;

use crate::arguments::HostCommand;
use crate::home::{CellFile, Home};
use crate::output::{Output, exit};
use crate::roles::Invitation;

pub(crate) async fn run(home: &Home, command: &HostCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        HostCommand::Invite { role, out, minutes } => invite(home, &role.0, (out, *minutes), output).await,
        HostCommand::List => list(home, output).await,
        HostCommand::Remove { id } => remove(home, *id, output).await,
    }
}

async fn invite(
    home: &Home,
    role: &Role,
    (out, minutes): (&Path, u64),
    output: &Output,
) -> anyhow::Result<u8> {
    if out.exists() {
        let why = format!("`{}` exists already, and is not written over: name another file", out.display());
        return Err(FlowError::Input(why).into());
    }
    let unlocked = home.unlock().await?;
    let Some(places) = home.places()? else {
        let why = "the cell does not run: a host joins one that does, given where it is found, with `caretaker up --at …`";
        return Err(FlowError::Conflict(why.to_owned()).into());
    };
    let settings = CellFile::read(home.dir()?)?;
    let valid = Duration::from_secs(minutes.saturating_mul(60));
    let secret = unlocked.operator.invite_host(role, valid).await?;
    let (cell, authority) = (unlocked.vault.id(), home.authority()?);
    Invitation::new((cell, role), (home.dir()?, &settings), (&authority, places), &secret)?.write(out)?;
    output.result(&json!({ "role": role.to_string(), "file": out, "minutes": minutes }), || {
        let word = match role {
            Role::Worker(platform) => format!("worker --platform {platform}"),
            Role::Monitor => "monitor".to_owned(),
            _ => "serve".to_owned(),
        };
        format!(
            "`{}` lets one machine join, within {minutes} minutes. Bring it there, and give there:\n\n  caretaker {word} \
             --dir DIR --join FILE --listen IP:PORT\n\nThen have the cell find it: `caretaker up … --elsewhere {role}=IP:PORT`.",
            out.display()
        )
    })?;
    Ok(exit::DONE)
}

async fn list(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let hosts = home.unlock().await?.vault.hosts().await?;
    let rows: Vec<_> = hosts
        .iter()
        .map(|host| json!({ "id": host.id, "role": host.role, "joined_at": host.joined_at, "key": host.key }))
        .collect();
    output.result(&json!({ "hosts": rows }), || match hosts.as_slice() {
        [] => "All processes run where the vault does.".to_owned(),
        hosts => {
            let row =
                |host: &vault::Host| format!("{}  {:<18} joined {}", host.id, host.role, host.joined_at);
            hosts.iter().map(row).collect::<Vec<_>>().join("\n")
        }
    })?;
    Ok(exit::DONE)
}

async fn remove(home: &Home, id: Id128, output: &Output) -> anyhow::Result<u8> {
    let removed = home.unlock().await?.operator.remove_host(id).await?;
    output.result(&json!({ "id": removed.id, "role": removed.role }), || {
        format!(
            "The host {id} gets no certificate any more. Its {} may go on with the one that it has, for half an hour at most.",
            removed.role
        )
    })?;
    Ok(exit::DONE)
}
