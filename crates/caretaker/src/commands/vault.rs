//! `caretaker vault`: the vault's keys, and new ones in their place.

use std::sync::Arc;

use flows::FlowError;
use flows::rewrap::{rewrap, survey};
use serde_json::json;

use crate::arguments::VaultCommand;
use crate::home::Home;
use crate::output::{Output, exit};
use crate::roles::{Unseals, Wants};

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
    }
}

async fn status(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let cell = home.open().await?;
    let versions = cell.vault.key_versions().await?;
    let wrapped = survey(&cell).await?;
    let answer = json!({ "versions": { "data_keys": versions.data, "credentials": versions.credentials }, "wrapped": wrapped });
    output.result(&answer, || {
        let mut text = String::new();
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
    let passphrase = Arc::new(home.passphrase()?);
    let unlocked = home.unlock_with(Unseals::Typed(Arc::clone(&passphrase)), Wants::Own).await?;
    let versions = unlocked.operator.rotate(&passphrase).await?;
    let (data, credentials) = versions.newest();
    output.result(&json!({ "data_keys": data, "credentials": credentials }), || {
        format!(
            "From now on keys of version {data} wrap what is new. `caretaker vault rewrap` wraps the rest by them, and\n\
             `caretaker vault retire` ends the old ones."
        )
    })?;
    Ok(exit::DONE)
}

async fn retire(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let passphrase = Arc::new(home.passphrase()?);
    // While others have the vault open, they may still wrap by keys that it had when they opened it.
    let cell = home.open_alone(Unseals::Typed(Arc::clone(&passphrase))).await?;
    let older = survey(&cell).await?.older_than(cell.vault.key_versions().await?.newest());
    if older > 0 {
        let why = format!(
            "{older} keys and credentials are wrapped by older keys still: `caretaker vault rewrap` first"
        );
        return Err(FlowError::Conflict(why).into());
    }
    let (data, credentials) = cell.operator.retire(&passphrase).await?.newest();
    output.result(&json!({ "data_keys": data, "credentials": credentials }), || {
        format!(
            "The vault has keys of version {data} alone. Copies of its file from before open nothing that is in the stores now.\n\
             Whoever copied wrapped keys before can still open those with them."
        )
    })?;
    Ok(exit::DONE)
}
