//! A cell's home on this machine: what lies where, and how it is opened.
//!
//! `DIR/cell.json` says where the stores are; `DIR/store` and `DIR/keys` are the embedded ones, `DIR/vault` the
//! vault, `DIR/catalog.db` the catalog, `DIR/trail` the record of what was done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use catalog::Catalog;
use domain::{Clock, Region, Rng};
use flows::Cell;
use flows::store_access::{self, WhichStore};
use object_store::ObjectStore;
use repository::{StoreOptions, Stores};
use serde::{Deserialize, Serialize};
use vault::system::{SystemClock, SystemRng};
use vault::{Handles, OperatorKey, Passphrase, SignedIn, Vault};

use crate::arguments::Common;
use crate::audit::EventFile;
use crate::stores;

const CELL_FILE: &str = "cell.json";

/// What `init` decides for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CellFile {
    pub(crate) format: u8,
    pub(crate) region: Region,
    /// Where packs lie; `None`: in DIR/store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<String>,
    /// Where wrapped keys lie; `None`: in DIR/keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keys_store: Option<String>,
}

impl CellFile {
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let path = dir.join(CELL_FILE);
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, text + "\n").with_context(|| format!("could not write `{}`", path.display()))
    }

    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(CELL_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(flows::FlowError::NotFound(format!(
                    "there is no cell at `{}`: make one with `caretaker init --dir {}`",
                    dir.display(),
                    dir.display()
                ))
                .into());
            }
            Err(error) => return Err(error).with_context(|| format!("could not read `{}`", path.display())),
        };
        serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display()))
    }

    /// Where a store lies: as it was given, or in the cell's home.
    pub(crate) fn url(&self, which: WhichStore, dir: &Path) -> String {
        let (given, embedded) = match which {
            WhichStore::Objects => (&self.store, "store"),
            WhichStore::Keys => (&self.keys_store, "keys"),
        };
        given.clone().unwrap_or_else(|| dir.join(embedded).display().to_string())
    }
}

/// The cell's home, as given.
pub(crate) fn dir(common: &Common) -> anyhow::Result<&Path> {
    match &common.dir {
        Some(dir) => Ok(dir),
        None => Err(flows::FlowError::Input(
            "say which cell: with `--dir DIR`, or in the environment as CARETAKER_DIR".to_owned(),
        )
        .into()),
    }
}

/// The cell's passphrase, from the file or asked for.
pub(crate) fn passphrase(file: Option<&Path>, prompt: &str) -> anyhow::Result<Passphrase> {
    match file {
        Some(file) => Ok(Passphrase::read(file)?),
        None => {
            let text = rpassword::prompt_password(format!("{prompt}: "))
                .context("no passphrase: give `--passphrase-file FILE`, or run this on a terminal")?;
            Ok(Passphrase::new(text)?)
        }
    }
}

/// Time, chance and the record of this cell.
pub(crate) fn handles(dir: &Path) -> anyhow::Result<Handles> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let audit = EventFile::open(dir, Arc::clone(&clock))
        .with_context(|| format!("could not open the record of events in `{}`", dir.display()))?;
    Ok(Handles { clock, rng: Arc::new(SystemRng), audit: Arc::new(audit) })
}

/// A cell to which both factors were given, its stores not opened yet.
pub(crate) struct Unlocked {
    pub(crate) dir: PathBuf,
    pub(crate) file: CellFile,
    pub(crate) handles: Handles,
    pub(crate) vault: Arc<Vault>,
    pub(crate) operator: SignedIn,
    pub(crate) catalog: Catalog,
}

/// Opens vault and catalog.
pub(crate) async fn unlock(common: &Common) -> anyhow::Result<Unlocked> {
    let dir = dir(common)?;
    let file = CellFile::read(dir)?;
    let handles = handles(dir)?;
    let passphrase = passphrase(common.passphrase_file.as_deref(), "Passphrase of this cell")?;
    let vault = Arc::new(Vault::open(dir, &passphrase, &handles)?);
    let operator = vault.sign_in(&OperatorKey::read(dir)?).await?;
    let catalog = Catalog::open(dir).await?;
    Ok(Unlocked { dir: dir.to_path_buf(), file, handles, vault, operator, catalog })
}

impl Unlocked {
    async fn store(&self, which: WhichStore) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let url = self.file.url(which, &self.dir);
        let options = if stores::is_bucket(&url) {
            let place = (&self.file.region, which);
            store_access::open(&self.vault, &self.operator, &self.catalog, place, &url).await?
        } else {
            StoreOptions::default()
        };
        stores::open(&url, &options)
    }
}

/// Opens the cell: both factors, the catalog and the stores.
pub(crate) async fn open(common: &Common) -> anyhow::Result<Cell> {
    let unlocked = unlock(common).await?;
    let stores = Stores {
        objects: unlocked.store(WhichStore::Objects).await?,
        keys: unlocked.store(WhichStore::Keys).await?,
    };
    let Unlocked { dir, file, handles, vault, operator, catalog } = unlocked;
    let rng: Arc<dyn Rng> = Arc::clone(&handles.rng);
    let clock = Arc::clone(&handles.clock);
    Ok(Cell { dir, region: file.region, stores, vault, operator, catalog, clock, rng })
}
