//! A recovery key in shares, for people who trust each other only together.

use std::path::{Path, PathBuf};

use domain::{Id128, Ids as _, Rng};
use serde::{Deserialize, Serialize};

use crate::cipher::key_bytes;
use crate::document::{self, Document};
use crate::encoding::HexBytes;
use crate::error::VaultError;
use crate::private_file;
use crate::recipient::{RecipientOwner, RecipientPrivateKey, RecoveryRecipient};
use crate::recovery::RecoveryKey;
use crate::sharing;

#[derive(Serialize, Deserialize)]
pub(crate) struct RecoveryShareFile {
    format: String,
    /// For the person who finds the file years later.
    about: String,
    recipient: RecipientOwner,
    public: HexBytes,
    /// Which splitting it is of: shares of two do not fit together.
    split: Id128,
    needed: u8,
    of: u8,
    number: u8,
    share: HexBytes,
    checksum: HexBytes,
}

impl Document for RecoveryShareFile {
    const WHAT: &'static str = "share of a recovery key";
    const FORMAT: &'static str = "caretaker-recovery-share-1";

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

impl RecoveryShareFile {
    /// What shares of one splitting have in common.
    fn splitting(&self) -> (Id128, &HexBytes, u8) {
        (self.split, &self.public, self.needed)
    }
}

impl RecoveryKey {
    /// Splits the key into shares, each a new file of mode 0600 in `folder`, any `needed` of which give it back. Fewer tell
    /// nothing of it. Answers the files.
    ///
    /// # Errors
    /// [`VaultError::Shares`] unless 2 ≤ `needed` ≤ `count`; when a file exists already or cannot be written.
    pub fn split(
        &self,
        needed: u8,
        count: u8,
        folder: &Path,
        rng: &dyn Rng,
    ) -> Result<Vec<PathBuf>, VaultError> {
        if needed < 2 || needed > count {
            let why =
                format!("{needed} of {count} shares: at least 2 must be needed, and no more than there are");
            return Err(VaultError::Shares(why));
        }
        const FAILED: VaultError = VaultError::Crypto("a recovery key could not be split");
        let key = self.private.to_bytes().ok_or(FAILED)?;
        private_file::make_dir(folder)?;
        let split = rng.next_id();
        let recipient = self.recipient();
        let mut files = Vec::new();
        for (number, share) in sharing::split(&key, needed, count, rng) {
            let path = folder.join(format!("recovery-share-{number}-of-{count}"));
            let about = format!(
                "One of {count} shares of a recovery key; any {needed} of them give it back (`caretaker recovery join`), fewer tell \
                 nothing. Keep each with another person."
            );
            let file = RecoveryShareFile {
                format: RecoveryShareFile::FORMAT.into(),
                about,
                recipient: recipient.owner.clone(),
                public: recipient.public.clone(),
                split,
                needed,
                of: count,
                number,
                share: share.as_slice().into(),
                checksum: HexBytes::default(),
            };
            document::create(&path, file)?;
            files.push(path);
        }
        Ok(files)
    }

    /// Puts a key together again out of its shares.
    ///
    /// # Errors
    /// [`VaultError::Shares`] where they are of several keys or splittings, or too few; [`VaultError::Damaged`] where a file is
    /// damaged, or one of them was forged.
    pub fn join(files: &[PathBuf]) -> Result<Self, VaultError> {
        let mut shares = Vec::new();
        for path in files {
            shares.push((path, document::read::<RecoveryShareFile>(path)?));
        }
        let Some((first_path, first)) = shares.first() else {
            return Err(VaultError::Shares("no share was given".into()));
        };
        if let Some((path, _)) = shares.iter().find(|(_, share)| share.splitting() != first.splitting()) {
            let (path, first_path) = (path.display(), first_path.display());
            return Err(VaultError::Shares(format!("`{path}` and `{first_path}` are not of one splitting")));
        }
        let mut parts: Vec<sharing::Share> = Vec::new();
        for (path, share) in &shares {
            let damaged = |problem| VaultError::Damaged {
                what: RecoveryShareFile::WHAT,
                path: (*path).clone(),
                problem,
            };
            let bytes =
                key_bytes(share.share.as_ref()).ok_or_else(|| damaged("the share has a wrong length"))?;
            if share.number == 0 {
                return Err(damaged("no share has the number 0"));
            }
            // The same share twice is one.
            if parts.iter().all(|(number, _)| *number != share.number) {
                parts.push((share.number, bytes));
            }
        }
        let (given, needed) = (parts.len(), usize::from(first.needed));
        if given < needed {
            return Err(VaultError::Shares(format!(
                "{given} of the {needed} shares that are needed were given"
            )));
        }
        let claimed = RecoveryRecipient { owner: first.recipient.clone(), public: first.public.clone() };
        let private = RecipientPrivateKey::from_bytes(claimed.owner.clone(), &sharing::join(&parts))
            .filter(|private| private.recipient == claimed)
            .ok_or_else(|| VaultError::Damaged {
                what: RecoveryShareFile::WHAT,
                path: (*first_path).clone(),
                problem: "together with the others it does not give the key that it names: one of them was changed",
            })?;
        Ok(Self { private })
    }
}
