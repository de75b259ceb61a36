//! `caretaker init`: a new cell, or a running one again from its stores.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use catalog::Catalog;
use serde_json::json;
use vault::{Argon2Cost, Handles, InitSettings, Passphrase, RecoveryKey, RecoverySetting, Vault};

use crate::arguments::{Common, Init};
use crate::home::{self, CellFile};
use crate::output::Output;

pub(crate) async fn run(common: &Common, init: &Init, output: &Output) -> anyhow::Result<ExitCode> {
    let dir = home::dir(common)?;
    let passphrase = home::passphrase(common.passphrase_file.as_deref(), "A passphrase for the new cell")?;
    let recovery_passphrase = init.recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
    match (&init.from_store, &init.recovery_key_file, &init.recovery_key_out) {
        (Some(store), Some(key), _) => {
            let key = || RecoveryKey::read(key, recovery_passphrase.as_ref());
            again(common, init, store, dir, &passphrase, (key()?, key()?), output).await
        }
        (_, _, Some(out)) => {
            let recovery = RecoverySetting::New { file: out, passphrase: recovery_passphrase.as_ref() };
            let file = cell_file(init, init.store.clone());
            let (vault, _) = make(common, dir, &passphrase, recovery, &file).await?;
            let key =
                vault.recipients().first().map(vault::RecoveryRecipient::fingerprint).unwrap_or_default();
            let shown = out.display().to_string();
            output.result(
                &json!({ "dir": dir, "region": init.region, "recovery_key": shown, "recovery_key_fingerprint": key }),
                || {
                    format!(
                        "A new cell in {}, region {}.\n\
                         The recovery key {key} was written to {shown}, once. Keep it away from this machine:\n\
                         with it and the two stores everything can be read, without it and the passphrase nothing.\n",
                        dir.display(),
                        init.region,
                    )
                },
            )?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(flows::FlowError::Input(
            "say where the recovery key goes: --recovery-key-out FILE".to_owned(),
        )
        .into()),
    }
}

fn cell_file(init: &Init, store: Option<String>) -> CellFile {
    CellFile { format: 1, region: init.region.clone(), store, keys_store: init.keys_store.clone() }
}

async fn make(
    common: &Common,
    dir: &Path,
    passphrase: &Passphrase,
    recovery: RecoverySetting<'_>,
    file: &CellFile,
) -> anyhow::Result<(Vault, Handles)> {
    std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
    let handles = home::handles(dir)?;
    let settings = InitSettings { recovery, recipients: Vec::new(), cost: Argon2Cost::default() };
    let vault = Vault::init(dir, passphrase, settings, &handles)?;
    let catalog = Catalog::create(dir).await?;
    catalog.add_tenant(&common.tenant, handles.clock.now()).await?;
    file.stores(dir)?;
    file.write(dir)?;
    Ok((vault, handles))
}

async fn again(
    common: &Common,
    init: &Init,
    store: &str,
    dir: &Path,
    passphrase: &Passphrase,
    (recovery, read): (RecoveryKey, RecoveryKey),
    output: &Output,
) -> anyhow::Result<ExitCode> {
    home::open_existing_store(store)?;
    home::open_existing_store(init.keys_store.as_deref().unwrap_or_default())?;
    let known = RecoverySetting::Known(recovery.recipient().clone());
    let file = cell_file(init, Some(store.to_owned()));
    let (_, handles) = make(common, dir, passphrase, known, &file).await?;
    let cell = home::open(common).await?;
    let done = flows::set_up_again::set_up_again(&cell, &recovery, &handles, read).await?;
    output.result(&done, || {
        let mut text = String::new();
        for (name, snapshot) in &done.connections {
            text += &format!("{name}: up to snapshot {snapshot}\n");
        }
        text + &format!(
            "The cell in {} runs again; {} entries of the id ledger came back.\n\
             Give each store its credential again: `caretaker connect …` with the connection's name.",
            dir.display(),
            done.ledger
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
