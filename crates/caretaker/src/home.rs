//! A cell's home on this machine: what lies where, and how it is opened.
//!
//! `DIR/cell.json` says where the stores are; `DIR/store` and `DIR/keys` are the embedded ones, `DIR/vault` the
//! vault, `DIR/catalog.db` the catalog, `DIR/trail` the record of what was done.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use catalog::Catalog;
use domain::{Clock, Region, Rng};
use flows::Cell;
use object_store::ObjectStore;
use repository::{StoreOptions, Stores};
use serde::{Deserialize, Serialize};
use vault::system::{SystemClock, SystemRng};
use vault::{Handles, OperatorKey, Passphrase, Vault};

use crate::arguments::Common;
use crate::audit::EventFile;

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

    pub(crate) fn stores(&self, dir: &Path) -> anyhow::Result<Stores> {
        Ok(Stores {
            objects: store_at(self.store.as_deref(), &dir.join("store"))?,
            keys: store_at(self.keys_store.as_deref(), &dir.join("keys"))?,
        })
    }
}

fn store_at(url: Option<&str>, embedded: &Path) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let embedded = embedded.display().to_string();
    Ok(repository::make_store(url.unwrap_or(&embedded), &StoreOptions::default())?)
}

/// Opens a store that must be there already.
pub(crate) fn open_existing_store(url: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let folder = url.strip_prefix("file://").or_else(|| (!url.contains("://")).then_some(url));
    if folder.is_some_and(|folder| !Path::new(folder).is_dir()) {
        return Err(flows::FlowError::NotFound(format!("there is no store at `{url}`")).into());
    }
    Ok(repository::open_store(url, &StoreOptions::default())?)
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

/// Opens the cell: both factors, the stores and the catalog.
pub(crate) async fn open(common: &Common) -> anyhow::Result<Cell> {
    let dir = dir(common)?;
    let file = CellFile::read(dir)?;
    let stores = file.stores(dir)?;
    let handles = handles(dir)?;
    let passphrase = passphrase(common.passphrase_file.as_deref(), "Passphrase of this cell")?;
    let vault = Arc::new(Vault::open(dir, &passphrase, &handles)?);
    let operator = vault.sign_in(&OperatorKey::read(dir)?).await?;
    let catalog = Catalog::open(dir).await?;
    let rng: Arc<dyn Rng> = Arc::clone(&handles.rng);
    let clock = Arc::clone(&handles.clock);
    Ok(Cell { dir: dir.to_path_buf(), region: file.region, stores, vault, operator, catalog, clock, rng })
}
