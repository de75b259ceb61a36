//! Secrets in memory: wiped when dropped, never printed.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

pub(crate) use crate::arena::KeyBytes;
use crate::error::VaultError;

/// Longest passphrase or pasted secret that is read from a file, in bytes. More is surely the wrong file.
const SECRET_FILE_LEN_MAX: usize = 64 * 1024;
/// One byte more tells that there is more.
const SECRET_FILE_READ_MAX: u64 = 64 * 1024 + 1;

/// A secret text or byte string: a token, a client secret, a passphrase.
///
/// It has no `Debug`, no `Display` and no `Clone`, and its bytes are wiped when it is dropped.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes a text over.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self::new(text.into_bytes())
    }

    /// Reads a secret from a file, without the line end that editors put behind it.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, is empty, or is larger than a secret can be (64 KiB).
    pub fn read(path: &Path) -> Result<Self, VaultError> {
        Self::read_all(File::open(path).map_err(|source| VaultError::no_secret(path, source))?, path)
    }

    fn read_all(file: File, path: &Path) -> Result<Self, VaultError> {
        let failed = |source| VaultError::Io { doing: "read", path: path.into(), source };
        // All at once: a list that grows leaves copies behind. And no more than that: a device never ends.
        let mut bytes = Vec::with_capacity(SECRET_FILE_LEN_MAX + 2);
        file.take(SECRET_FILE_READ_MAX).read_to_end(&mut bytes).map_err(failed)?;
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        if end == 0 || bytes.len() > SECRET_FILE_LEN_MAX {
            let problem =
                if end == 0 { "the file is empty" } else { "the file is larger than any secret" }.to_owned();
            bytes.zeroize();
            return Err(VaultError::Unusable { what: "secret file", path: path.into(), problem });
        }
        bytes.truncate(end);
        Ok(Self::new(bytes))
    }

    /// The bytes. Each call is a place where the secret is in use; do not copy them further than needed.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, where they are UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// What a person types to unseal a vault or a recovery key.
pub struct Passphrase(Secret);

impl Passphrase {
    /// Takes a typed passphrase over.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(text: String) -> Result<Self, VaultError> {
        Self::from_secret(Secret::from_text(text))
    }

    /// Reads a passphrase from a file; a line end behind it does not count.
    ///
    /// # Errors
    /// As [`Secret::read`].
    pub fn read(path: &Path) -> Result<Self, VaultError> {
        Secret::read(path).map(Self)
    }

    /// Reads a passphrase from a file, or a pipe, that another process has opened.
    ///
    /// # Errors
    /// As [`Secret::read`], by that name.
    pub fn read_from(file: File, named: &Path) -> Result<Self, VaultError> {
        Secret::read_all(file, named).map(Self)
    }

    /// Writes it for another process, which opens a vault with it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, file: &mut File) -> io::Result<()> {
        file.write_all(self.expose_secret())
    }

    /// Takes over a passphrase that somebody else took in.
    pub(crate) fn from_secret(secret: Secret) -> Result<Self, VaultError> {
        if secret.expose_secret().is_empty() { Err(VaultError::EmptyPassphrase) } else { Ok(Self(secret)) }
    }

    pub(crate) fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], expected: Option<&[u8]>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        let read = Secret::read(&path).ok();
        assert_eq!(read.as_ref().map(Secret::expose_secret), expected);
    }

    #[test]
    fn a_file_is_read_without_its_line_end() {
        check(b"token\n", Some(b"token"));
        check(b"token\r\n", Some(b"token"));
        check(b" to ken ", Some(b" to ken "));
        check(b"", None);
        check(b"\n\n", None);
        check(&vec![b'a'; SECRET_FILE_LEN_MAX + 1], None);
        check(&vec![b'a'; SECRET_FILE_LEN_MAX], Some(&vec![b'a'; SECRET_FILE_LEN_MAX]));
    }

    #[test]
    fn a_file_that_never_ends_is_refused_by_name() {
        let error = Secret::read(Path::new("/dev/zero")).err().unwrap();
        assert!(matches!(&error, VaultError::Unusable { path, .. } if path == Path::new("/dev/zero")));
    }
}
