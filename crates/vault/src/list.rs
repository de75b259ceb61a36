//! Lists beside the vault, of what it lets others do: under a MAC, by a key that follows from that of the grants' seals. A list says by
//! which key that is. To a vault that has retired its older keys one of before is as good as none, as its grants are, also where
//! it broke off before it had taken the list away.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cipher::{mac, mac_holds};
use crate::document::{self, Document};
use crate::encoding::{HexBytes, fields, to_hex};
use crate::error::VaultError;
use crate::secret::KeyBytes;
use crate::vault::Vault;

/// What the name of a key is a MAC over.
const NAME: &[u8] = b"name";

/// An entry of such a list.
pub(crate) trait Listed: Serialize + DeserializeOwned {
    /// What the list is, in words, for errors.
    const WHAT: &'static str;
    /// What its field `format` says, and what its MAC is over begins with.
    const FORMAT: &'static str;
    /// The name of its file.
    const FILE: &'static str;
    /// It has so many entries at most.
    const ENTRIES_MAX: usize;

    /// All that the entry says, in one spelling.
    fn canonical(&self) -> Vec<u8>;
}

/// The document.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: DeserializeOwned"))]
struct ListFile<T> {
    format: String,
    /// Which key the MAC is by.
    by: String,
    entries: Vec<T>,
    mac: HexBytes,
    checksum: HexBytes,
}

impl<T: Listed> Document for ListFile<T> {
    const WHAT: &'static str = T::WHAT;
    const FORMAT: &'static str = T::FORMAT;

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

/// What all entries say, in one spelling.
pub(crate) fn canonical<T: Listed>(entries: &[T]) -> Vec<u8> {
    let each: Vec<Vec<u8>> = entries.iter().map(Listed::canonical).collect();
    let each: Vec<&[u8]> = each.iter().map(Vec::as_slice).collect();
    fields(&[T::FORMAT.as_bytes(), &fields(&each)])
}

/// One of the lists of a vault.
pub(crate) struct List<'v, T>(&'v Vault, PhantomData<T>);

impl<T: Listed> List<'_, T> {
    fn path(&self) -> PathBuf {
        path::<T>(&self.0.dir)
    }

    /// The key of its MAC, and what that is called.
    fn key(&self) -> (KeyBytes, String) {
        let key = self.0.gate.lists_key();
        let name =
            mac(&key, NAME).first_chunk::<8>().map_or_else(Default::default, |name| to_hex(name).to_string());
        (key, name)
    }

    /// What is in it.
    ///
    /// # Errors
    /// Where its MAC does not hold, and when it cannot be read.
    pub(crate) fn read(&self) -> Result<Vec<T>, VaultError> {
        let path = self.path();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let (file, (key, by)) = (document::read::<ListFile<T>>(&path)?, self.key());
        if file.by != by {
            return Ok(Vec::new());
        }
        if mac_holds(&key, &canonical(&file.entries), file.mac.as_ref()) {
            return Ok(file.entries);
        }
        let problem = "someone changed it: its seal does not hold";
        Err(VaultError::Damaged { what: T::WHAT, path, problem })
    }

    /// Changes it, while nobody else does.
    ///
    /// # Errors
    /// As [`List::read`], those of `change`, and when it would have too many entries.
    pub(crate) fn change<A>(
        &self,
        change: impl FnOnce(&mut Vec<T>) -> Result<A, VaultError>,
    ) -> Result<A, VaultError> {
        let _changing = self.0.changing()?;
        let mut entries = self.read()?;
        let changed = change(&mut entries)?;
        if entries.len() > T::ENTRIES_MAX {
            return Err(VaultError::Full { what: T::WHAT, most: T::ENTRIES_MAX });
        }
        let (key, by) = self.key();
        let mac = mac(&key, &canonical(&entries)).as_slice().into();
        let file = ListFile { format: T::FORMAT.to_owned(), by, entries, mac, checksum: HexBytes::default() };
        document::replace(&self.path(), file)?;
        Ok(changed)
    }
}

fn path<T: Listed>(dir: &Path) -> PathBuf {
    dir.join("vault").join(T::FILE)
}

/// Takes a list away that is none to the next vault.
pub(crate) fn forget<T: Listed>(dir: &Path) -> Result<(), VaultError> {
    let path = path::<T>(dir);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(VaultError::Io { doing: "remove", path, source })
        }
        _ => Ok(()),
    }
}

impl Vault {
    /// One of its lists.
    pub(crate) fn list<T: Listed>(&self) -> List<'_, T> {
        List(self, PhantomData)
    }
}
