//! `caretaker init`: a new cell.

use std::process::ExitCode;

use anyhow::Context as _;
use catalog::Catalog;
use serde_json::json;
use vault::{Argon2Cost, InitSettings, Passphrase, RecoverySetting, Vault};

use crate::arguments::{Common, Init};
use crate::home::{self, CellFile};
use crate::output::Output;

pub(crate) async fn run(common: &Common, init: &Init, output: &Output) -> anyhow::Result<ExitCode> {
    let dir = home::dir(common)?;
    let passphrase = home::passphrase(common.passphrase_file.as_deref(), "A passphrase for the new cell")?;
    let recovery_passphrase = init.recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
    std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
    let handles = home::handles(dir)?;
    let settings = InitSettings {
        recovery: RecoverySetting::New {
            file: &init.recovery_key_out,
            passphrase: recovery_passphrase.as_ref(),
        },
        recipients: Vec::new(),
        cost: Argon2Cost::default(),
    };
    let vault = Vault::init(dir, &passphrase, settings, &handles)?;
    let catalog = Catalog::create(dir).await?;
    catalog.add_tenant(&common.tenant, handles.clock.now()).await?;
    let file = CellFile {
        format: 1,
        region: init.region.clone(),
        store: init.store.clone(),
        keys_store: init.keys_store.clone(),
    };
    file.stores(dir)?;
    file.write(dir)?;
    let fingerprint =
        vault.recipients().first().map(vault::RecoveryRecipient::fingerprint).unwrap_or_default();
    let key = init.recovery_key_out.display().to_string();
    output.result(
        &json!({ "dir": dir, "region": init.region, "recovery_key": key, "recovery_key_fingerprint": fingerprint }),
        || {
            format!(
                "A new cell in {}, region {}.\n\
                 The recovery key {fingerprint} was written to {key}, once. Keep it away from this machine:\n\
                 with it and the two stores everything can be read, without it and the passphrase nothing.\n",
                dir.display(),
                init.region,
            )
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
