//! Key files are JSON documents in one spelling, with a checksum.
//!
//! The checksum (SHA-256) tells damage from a wrong passphrase; it protects against nobody. What must not be
//! changed by somebody is under a MAC or an AEAD besides.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::cipher::sha256;
use crate::encoding::{HexBytes, to_hex};
use crate::error::VaultError;
use crate::private_file;

/// A document with its kind, its format's name and a place for its checksum.
pub(crate) trait Document: Serialize + DeserializeOwned {
    /// What it is, in words, for errors.
    const WHAT: &'static str;
    /// What its field `format` says.
    const FORMAT: &'static str;

    /// The field `checksum`.
    fn checksum(&mut self) -> &mut HexBytes;
}

/// The document's text: indented JSON and a line end.
pub(crate) fn to_text<T: Serialize>(document: &T) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer_pretty(&mut *text, document)
        .map_err(|_| VaultError::Crypto("a document could not be written as JSON"))?;
    text.push(b'\n');
    Ok(text)
}

pub(crate) fn checksum_of<D: Document>(document: &mut D) -> Result<HexBytes, VaultError> {
    let kept = std::mem::take(document.checksum());
    let sum = sha256(&to_text(document)?);
    *document.checksum() = kept;
    Ok(HexBytes::from(sum.as_slice()))
}

/// Writes a new document file.
pub(crate) fn create<D: Document>(path: &Path, mut document: D) -> Result<(), VaultError> {
    let sum = checksum_of(&mut document)?;
    *document.checksum() = sum;
    private_file::create(D::WHAT, path, &to_text(&document)?)
}

/// Writes a document file in place of the one that is there.
pub(crate) fn replace<D: Document>(path: &Path, mut document: D) -> Result<(), VaultError> {
    let sum = checksum_of(&mut document)?;
    *document.checksum() = sum;
    private_file::replace(path, &to_text(&document)?)
}

/// Reads a document file, and refuses one whose bytes are not exactly as they were written.
pub(crate) fn read<D: Document>(path: &Path) -> Result<D, VaultError> {
    parse(&private_file::read(D::WHAT, path)?, path)
}

/// Reads a document's text; the path is named in errors.
pub(crate) fn parse<D: Document>(text: &[u8], path: &Path) -> Result<D, VaultError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: String,
    }
    let damaged = |problem| VaultError::Damaged { what: D::WHAT, path: path.into(), problem };
    let named: Option<Format> = serde_json::from_slice(text).ok();
    let (family, _) = D::FORMAT.rsplit_once('-').unwrap_or((D::FORMAT, ""));
    let of_family = |format: &str| {
        let version = format.strip_prefix(family).and_then(|rest| rest.strip_prefix('-'));
        version.is_some_and(|version| !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()))
    };
    match named {
        Some(Format { format }) if format == D::FORMAT => {}
        Some(Format { format }) if of_family(&format) => {
            return Err(VaultError::UnknownFormat { what: D::WHAT, path: path.into(), format });
        }
        Some(_) => return Err(damaged("it names another format")),
        None => return Err(damaged("it is not a JSON document of this format")),
    }
    let mut document: D = serde_json::from_slice(text).map_err(|_| damaged("a field is missing or wrong"))?;
    if to_text(&document)?.as_slice() != text {
        return Err(damaged("it is not spelled as it was written"));
    }
    let sum = checksum_of(&mut document)?;
    if *document.checksum() != sum {
        return Err(damaged("the checksum differs"));
    }
    Ok(document)
}

/// A short name of a public key: the first 16 bytes of its SHA-256, in hexadecimal.
pub(crate) fn fingerprint(public: &[u8]) -> String {
    to_hex(sha256(public).first_chunk::<16>().map_or(&[], |head| head.as_slice())).to_string()
}
