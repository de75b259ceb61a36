//! `caretaker vault`: the vault's keys, and new ones in their place.

use std::path::Path;
use std::sync::Arc;

use flows::FlowError;
use flows::rewrap::{rewrap, survey};
use serde_json::json;
use vault::SealWay;

use crate::arguments::VaultCommand;
use crate::home::{self, CellFile, Home};
use crate::output::{Output, exit};
use crate::roles::{Outside, Unseals, Wants};

pub(crate) async fn run(home: &Home, command: &VaultCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        VaultCommand::Status => status(home, output).await,
        VaultCommand::Rotate => rotate(home, output).await,
        VaultCommand::Rewrap => {
            let cell = home.open().await?;
            let told = |done, of| output.progress("wrapping anew", done, Some(of), "");
            let done = rewrap(&cell, &told).await?;
            output.clear();
            output.result(&done, || {
                format!(
                    "{} data keys and {} credentials were wrapped by the newest keys.",
                    done.data_keys, done.credentials
                )
            })?;
            Ok(exit::DONE)
        }
        VaultCommand::Retire => retire(home, output).await,
        VaultCommand::Seal { to, new_passphrase_file } => {
            seal(home, to, new_passphrase_file.as_deref(), output).await
        }
    }
}

async fn status(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let cell = home.open().await?;
    let (versions, sealed_by) = (cell.vault.key_versions().await?, cell.vault.sealed_by().await?);
    let wrapped = survey(&cell).await?;
    let answer = json!({
        "sealed_by": sealed_by,
        "versions": { "data_keys": versions.data, "credentials": versions.credentials },
        "wrapped": wrapped,
    });
    output.result(&answer, || {
        let mut text = format!("the root key is sealed by {sealed_by}\n");
        let rows = [
            ("data keys", &versions.data, &wrapped.data_keys),
            ("credentials", &versions.credentials, &wrapped.credentials),
        ];
        for (what, versions, wrapped) in rows {
            for version in versions {
                text += &format!(
                    "version {version}: {} {what}\n",
                    wrapped.get(version).copied().unwrap_or_default()
                );
            }
        }
        text.trim_end().to_owned()
    })?;
    Ok(exit::DONE)
}

async fn rotate(home: &Home, output: &Output) -> anyhow::Result<u8> {
    // Whoever asks for it signs in first: the passphrase alone is not enough.
    let (unseals, passphrase) = home.seals()?;
    let unlocked = home.unlock_with(unseals, Wants::Any).await?;
    let versions = unlocked.operator.rotate(passphrase.as_deref()).await?;
    let (data, credentials) = versions.newest();
    output.result(&json!({ "data_keys": data, "credentials": credentials }), || {
        format!(
            "From now on keys of version {data} wrap what is new. `caretaker vault rewrap` wraps the rest by them, and\n\
             `caretaker vault retire` ends the old ones."
        )
    })?;
    Ok(exit::DONE)
}

/// What there is to do after older keys were retired, where a server has the catalog.
const NEW_AUTHORITY: &str = "\nThe cell has a new authority, whose certificate the next command writes to its `authority.pem`: PostgreSQL needs that.";

async fn retire(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let (unseals, passphrase) = home.seals()?;
    let dir = home.dir()?;
    let on_a_server = CellFile::read(dir)?.catalog.is_some();
    // While others have the vault open, they may still wrap by keys that it had when they opened it. And no work goes on that
    // began with what is retired too: grants and certificates. PostgreSQL does not know the authority yet that comes after it, so that
    // a cell which runs could not go on.
    let wants = if on_a_server { Wants::Alone } else { Wants::Quiet };
    let unlocked = home.unlock_with(unseals, wants).await?;
    let operator = Arc::clone(&unlocked.operator);
    let cell = home.with_stores(unlocked).await?;
    let older = survey(&cell).await?.older_than(cell.vault.key_versions().await?.newest());
    if older > 0 {
        let why = format!(
            "{older} keys and credentials are wrapped by older keys still: `caretaker vault rewrap` first"
        );
        return Err(FlowError::Conflict(why).into());
    }
    let (data, credentials) = operator.retire(passphrase.as_deref()).await?.newest();
    output.result(&json!({ "data_keys": data, "credentials": credentials }), || {
        format!(
            "The vault has keys of version {data} alone. Copies of its file from before open nothing that is in the stores now.\n\
             Whoever copied wrapped keys before can still open those with them.{}",
            if on_a_server { NEW_AUTHORITY } else { "" }
        )
    })?;
    Ok(exit::DONE)
}

/// What a seal is called that is none outside.
const PASSPHRASE: &str = "passphrase";

async fn seal(home: &Home, to: &str, file: Option<&Path>, output: &Output) -> anyhow::Result<u8> {
    // Alone: whoever else has the vault open, or runs the cell, knows it by what seals it now.
    let dir = home.dir()?;
    let region = CellFile::read(dir)?.region;
    let sealed_by = if to == PASSPHRASE {
        let (unseals, passphrase) = home.seals()?;
        let next = home::new_passphrase(file, "A new passphrase for this cell")?;
        let unlocked = home.unlock_with(unseals, Wants::Alone).await?;
        let sealed_by = unlocked.operator.reseal(passphrase.as_deref(), &next).await?;
        SealWay::write(dir, &[])?;
        sealed_by
    } else {
        if file.is_some() {
            return Err(FlowError::Input(format!("a new passphrase goes with `--to {PASSPHRASE}`")).into());
        }
        let way: SealWay = to.parse()?;
        let (unseals, passphrase) = home.seals()?;
        let unseals = Unseals::Anew(Box::new(unseals), Outside { way: way.clone().into(), region });
        let unlocked = home.unlock_with(unseals, Wants::Alone).await?;
        // INVARIANT (a way to the seal): both ways are listed while either may be the one.
        let before = SealWay::list(dir)?;
        let others = before.iter().filter(|other| **other != way);
        SealWay::write(dir, &std::iter::once(&way).chain(others).collect::<Vec<_>>())?;
        let sealed_by = unlocked.operator.reseal(passphrase.as_deref(), None).await?;
        SealWay::write(dir, &[&way])?;
        sealed_by
    };
    output.result(&json!({ "sealed_by": sealed_by }), || {
        format!(
            "The root key is new, and sealed by {sealed_by}. Copies of the vault's file from before open as they did, and what they\n\
             open is the same: `caretaker vault rotate`, `rewrap` and `retire` end that."
        )
    })?;
    Ok(exit::DONE)
}
