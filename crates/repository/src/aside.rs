//! Texts that are put aside outside of the stores while a command goes on: sealed, so that whoever reads the disk of
//! this machine learns nothing from them.

use std::sync::Arc;

use domain::aad::ObjectAad;
use domain::{Action, Grant, ObjectPurpose, Salt};

use crate::connection::Repository;
use crate::error::Result;
use crate::keyring::ObjectKey;
use crate::object::{compress, decompress, opening};

/// What stands in the authenticated data of every text: it belongs to no object of the stores.
const AAD_NAME: &str = "aside";
/// zstd level: what is put aside is read once or twice.
const LEVEL: i32 = 1;

/// Seals texts for one command. Their key is known to nobody after it.
#[derive(Debug)]
pub struct Sealer {
    key: ObjectKey,
    aad: ObjectAad,
}

impl Repository {
    /// A sealer under a new key of this connection's.
    ///
    /// # Errors
    /// When the grant does not allow `action`, or no data key can be opened.
    pub async fn sealer(&self, grant: &Grant, action: Action) -> Result<Sealer> {
        let keyring = self.keyring(grant, action)?;
        let data_key = keyring.current().await?;
        let mut salt = Salt([0; 32]);
        self.rng.fill(&mut salt.0);
        let aad = ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, AAD_NAME);
        let key = ObjectKey::new(Arc::clone(&keyring), data_key, ObjectPurpose::Spool, salt);
        Ok(Sealer { key, aad })
    }
}

impl Sealer {
    /// The text, compressed and sealed. No two texts may have one number.
    ///
    /// # Errors
    /// When the key cannot be opened.
    pub async fn seal(&self, number: u64, plain: &[u8]) -> Result<Vec<u8>> {
        let mut text = compress(plain, LEVEL)?;
        self.key.seal(number, &self.aad.block(number, 0), &mut text).await?;
        Ok(text)
    }

    /// The text that was sealed under this number.
    ///
    /// # Errors
    /// When it is not what was sealed.
    pub async fn open(&self, number: u64, mut sealed: Vec<u8>) -> Result<Vec<u8>> {
        let opened = self.key.open(number, &self.aad.block(number, 0), &mut sealed).await;
        opened.map_err(|error| opening(AAD_NAME, error))?;
        decompress(AAD_NAME, &sealed)
    }
}
