//! Payloads that a restore puts aside while it goes on: in a file of this machine that has no name, sealed.
//!
//! What orders a restore (who refers to whom) fits into memory; what the items hold need not.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Action, Ids as _, Scope};
use repository::Sealer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// Where payloads are put aside.
pub(super) struct Shelf {
    file: File,
    sealer: Sealer,
    /// Where the next text goes.
    end: AtomicU64,
    /// How many texts were sealed: each under a number of its own.
    sealed: AtomicU64,
}

/// Where a payload lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shelved {
    at: u64,
    len: usize,
    number: u64,
}

impl Shelf {
    pub(super) async fn new(cell: &Cell, scope: &Scope) -> Result<Self> {
        let grant = cell.grant(scope, &[Action::Restore], "put aside what a restore looks at").await?;
        let sealer = cell.repository(scope).sealer(&grant, Action::Restore).await?;
        let folder = crate::cell::scratch(&cell.dir, &scope.platform);
        let path = folder.join(format!("restore-{}", cell.rng.next_id()));
        let file = unnamed(&folder, &path).map_err(|source| FlowError::File {
            operation: "make",
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self { file, sealer, end: AtomicU64::new(0), sealed: AtomicU64::new(0) })
    }

    pub(super) async fn put(&self, payload: &impl Serialize) -> Result<Shelved> {
        let text = serde_json::to_vec(payload)
            .map_err(|error| FlowError::Input(format!("a payload cannot be written as JSON: {error}")))?;
        let number = self.sealed.fetch_add(1, Ordering::Relaxed);
        let sealed = self.sealer.seal(number, &text).await?;
        let len = sealed.len();
        let at = self.end.fetch_add(u64::try_from(len).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.file.write_all_at(&sealed, at).map_err(|source| failed("write", source))?;
        Ok(Shelved { at, len, number })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, place: Shelved) -> Result<T> {
        let mut sealed = vec![0; place.len];
        self.file.read_exact_at(&mut sealed, place.at).map_err(|source| failed("read", source))?;
        let text = self.sealer.open(place.number, sealed).await?;
        serde_json::from_slice(&text)
            .map_err(|error| FlowError::Integrity(format!("what was put aside is not JSON: {error}")))
    }
}

/// A file that goes away with the command, however that ends.
fn unnamed(folder: &Path, path: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    match std::fs::remove_file(path) {
        // Another command took it for that of one that was killed.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(file),
    }
}

fn failed(operation: &'static str, source: std::io::Error) -> FlowError {
    FlowError::File { operation, path: "what a restore put aside".to_owned(), source }
}
