//! `caretaker init`: a new cell, or a running one again from its stores.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use catalog::Catalog;
use flows::store_access::{self, WhichStore};
use repository::Stores;
use serde_json::json;
use vault::system::{SystemClock, SystemRng};
use vault::{Argon2Cost, Handles, InitSettings, Passphrase, RecoveryKey, RecoverySetting, Vault};

use crate::arguments::{Common, Init};
use crate::commands::recover::NoCell;
use crate::home::{self, CellFile};
use crate::output::Output;
use crate::stores::{self, GivenStore};

pub(crate) async fn run(common: &Common, init: &Init, output: &Output) -> anyhow::Result<ExitCode> {
    let dir = home::dir(common)?;
    let passphrase = home::passphrase(common.passphrase_file.as_deref(), "A passphrase for the new cell")?;
    let recovery_passphrase = init.recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
    match (&init.from_store, &init.recovery_key_file, &init.recovery_key_out) {
        (Some(_), Some(key), _) => {
            let key = || RecoveryKey::read(key, recovery_passphrase.as_ref());
            again(common, init, dir, &passphrase, [key()?, key()?, key()?], output).await
        }
        (_, _, Some(out)) => {
            let recovery = RecoverySetting::New { file: out, passphrase: recovery_passphrase.as_ref() };
            let given = Given::new(init)?;
            if !Vault::path(dir).exists() {
                stores::are_empty(&given.make(dir).await?).await?;
            }
            let (vault, _) = make(common, init, dir, &passphrase, recovery, &given).await?;
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

/// The stores as they were given; `None`: in the cell's home.
struct Given {
    objects: Option<GivenStore>,
    keys: Option<GivenStore>,
}

impl Given {
    fn new(init: &Init) -> anyhow::Result<Self> {
        let given = |which, url: Option<&String>| {
            url.map(|url| stores::given(which, url, &init.credentials)).transpose()
        };
        Ok(Self {
            objects: given(WhichStore::Objects, init.store.as_ref().or(init.from_store.as_ref()))?,
            keys: given(WhichStore::Keys, init.keys_store.as_ref())?,
        })
    }

    fn cell_file(&self, init: &Init) -> CellFile {
        let url = |given: &Option<GivenStore>| given.as_ref().map(|given| given.url.clone());
        CellFile {
            format: 1,
            region: init.region.clone(),
            store: url(&self.objects),
            keys_store: url(&self.keys),
        }
    }

    /// The stores of a new cell: directories are made, buckets are tried out.
    async fn make(&self, dir: &Path) -> anyhow::Result<Stores> {
        let make = async |given: &Option<GivenStore>, embedded: &str| match given {
            Some(given) => given.make(&SystemRng).await,
            None => {
                let url = dir.join(embedded).display().to_string();
                Ok(repository::make_store(&url, &repository::StoreOptions::default())?)
            }
        };
        Ok(Stores { objects: make(&self.objects, "store").await?, keys: make(&self.keys, "keys").await? })
    }
}

/// Makes vault and catalog, and last what says that here is a cell.
async fn make(
    common: &Common,
    init: &Init,
    dir: &Path,
    passphrase: &Passphrase,
    recovery: RecoverySetting<'_>,
    given: &Given,
) -> anyhow::Result<(Vault, Handles)> {
    std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
    let handles = home::handles(dir)?;
    let settings = InitSettings { recovery, recipients: Vec::new(), cost: Argon2Cost::default() };
    let vault = Vault::init(dir, passphrase, settings, &handles)?;
    let catalog = Catalog::create(dir).await?;
    catalog.add_tenant(&common.tenant, handles.clock.now()).await?;
    for (which, given) in [(WhichStore::Objects, &given.objects), (WhichStore::Keys, &given.keys)] {
        let Some(GivenStore { url, options, .. }) = given else { continue };
        if let Some(credentials) = &options.credentials {
            let place = (&init.region, which);
            store_access::keep(&vault, &catalog, &*handles.clock, place, (url, credentials)).await?;
        }
    }
    given.cell_file(init).write(dir)?;
    Ok((vault, handles))
}

async fn again(
    common: &Common,
    init: &Init,
    dir: &Path,
    passphrase: &Passphrase,
    [recovery, tried, read]: [RecoveryKey; 3],
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let given = Given::new(init)?;
    if let (Some(objects), Some(keys)) = (&given.objects, &given.keys) {
        let stores = Stores { objects: objects.open()?, keys: keys.open()? };
        // A key that does not fit must not leave half a cell behind.
        let handles =
            Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(NoCell) };
        std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
        flows::recover::opens(&stores, tried, &handles).await?;
        objects.try_out(&stores.objects, &SystemRng).await?;
        keys.try_out(&stores.keys, &SystemRng).await?;
    }
    let known = RecoverySetting::Known(recovery.recipient().clone());
    let (_, handles) = make(common, init, dir, passphrase, known, &given).await?;
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
