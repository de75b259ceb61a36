//! What is personal in events of the trail: sealed to a key of the month. Nobody but the vault opens it, and nobody at all once the
//! month's key is destroyed; the events stay, and so does every proof of them.
//!
//! The private halves lie beside the vault in a file of their own, each wrapped by the newest key that wraps data keys. The
//! public halves are nobody's secret: whoever records seals by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use domain::{AuditEvent, Id128, KeyError, Operation, Outcome, Personal, Principal, Rng, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{aead_key, open_key, seal_random};
use crate::document::{self, Document, fingerprint};
use crate::encoding::{HexBytes, fields};
use crate::error::VaultError;
use crate::public_key::{PrivateKey, SealedTo, seal_to};
use crate::ring::Ring;
use crate::vault::Vault;

/// HPKE's `info` begins with this; the key's name follows. Part of the format.
const INFO: &str = "caretaker/v1/trail-personal/";
/// The label of the keys that wrap the private halves. Part of the format.
const LABEL: &[u8] = b"kek/trail-personal";
/// So many bytes stand before what is sealed: from them follows the key of this one text. Part of the format.
const ENC_LEN: usize = 32;
/// A text is filled up with spaces to a multiple of this, so that its length tells little.
const PADDED: usize = 64;
/// No text is longer, in bytes.
const TEXT_LEN_MAX: usize = 2_048;
/// So many parts are opened at once at most.
pub const OPENED_MAX: usize = 1_000;
/// So many keys there are at most: one each month, of a hundred years.
const KEYS_MAX: usize = 1_200;

const MACHINE: VaultError = VaultError::Crypto("a key of what is personal could not be used");

/// A month, in UTC: `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(String);

/// It is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no month: a year and a month make one, such as `2026-11`")]
pub struct MonthError(String);

impl Month {
    /// In which a time is.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self(time.strftime("%Y-%m").to_string())
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let fits = text.split_once('-').is_some_and(|(year, month)| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let number = month.parse().is_ok_and(|month: u8| (1..=12).contains(&month));
            year.len() == 4 && month.len() == 2 && digits(year) && digits(month) && number
        });
        if fits { Ok(Self(text.to_owned())) } else { Err(MonthError(text.to_owned())) }
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;

    fn try_from(text: String) -> Result<Self, MonthError> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.0
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has become of a part that was to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// It was opened.
    Text(String),
    /// Its key is not there: it was destroyed, or is of another vault.
    NoKey,
    /// It is not what was sealed to that key.
    Damaged,
}

/// Which keys are gone, and which are there, by their months.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Those that were destroyed just now.
    pub destroyed: Vec<Month>,
    /// Those that are left.
    pub kept: Vec<Month>,
    /// The file in which they were.
    pub place: PathBuf,
}

/// A key to which is sealed, as anybody may know it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PublicPersonalKey {
    name: String,
    public: HexBytes,
}

impl PublicPersonalKey {
    /// Seals a text that an event of that vault's trail is to have.
    pub(crate) fn seal(&self, vault: Id128, text: &str, rng: &dyn Rng) -> Result<Personal, KeyError> {
        let text = text.get(..text.floor_char_boundary(TEXT_LEN_MAX)).unwrap_or_default();
        let mut padded = Zeroizing::new(text.to_owned());
        padded.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(PADDED) - text.len()));
        let aad = associated(vault, &self.name);
        let SealedTo { enc, sealed } =
            seal_to(self.public.as_ref(), &info(&self.name), &aad, padded.as_bytes(), rng)?;
        Ok(Personal { key: self.name.clone(), sealed: [enc.as_ref(), sealed.as_ref()].concat() })
    }
}

fn info(name: &str) -> String {
    format!("{INFO}{name}")
}

fn associated(vault: Id128, name: &str) -> Vec<u8> {
    fields(&[&vault.0, name.as_bytes()])
}

/// A month's key.
#[derive(Serialize, Deserialize)]
struct MonthKey {
    month: Month,
    public: HexBytes,
    /// The version of the key that wraps the private half.
    version: u64,
    sealed: HexBytes,
}

impl MonthKey {
    fn new(month: Month, vault: Id128, ring: &Ring, rng: &dyn Rng) -> Result<Self, KeyError> {
        let private = PrivateKey::generate(rng);
        let unsealed = Self { month, public: private.public(), version: 0, sealed: HexBytes::default() };
        unsealed.wrapped(&private, vault, ring, rng)
    }

    /// Its name on the trail: a month may have had another before.
    fn name(&self) -> String {
        let print = fingerprint(self.public.as_ref());
        format!("{}.{}", self.month, print.get(..8).unwrap_or_default())
    }

    fn public(&self) -> PublicPersonalKey {
        PublicPersonalKey { name: self.name(), public: self.public.clone() }
    }

    /// Wrapped by the newest version.
    fn wrapped(
        self,
        private: &PrivateKey,
        vault: Id128,
        ring: &Ring,
        rng: &dyn Rng,
    ) -> Result<Self, KeyError> {
        let (version, key) = ring.newest_own(LABEL)?;
        let bytes = private.to_bytes().ok_or(KeyError::DoesNotOpen)?;
        let sealed = seal_random(&aead_key(&key)?, rng, &self.bound(vault, version), bytes.as_slice())?;
        Ok(Self { version, sealed: sealed.into(), ..self })
    }

    fn bound(&self, vault: Id128, version: u64) -> Vec<u8> {
        fields(&[&vault.0, self.name().as_bytes(), &version.to_be_bytes()])
    }

    fn private(&self, vault: Id128, ring: &Ring) -> Result<PrivateKey, KeyError> {
        let key = ring.version_own(self.version, LABEL)?;
        let bytes = open_key(&aead_key(&key)?, &self.bound(vault, self.version), self.sealed.as_ref())?;
        PrivateKey::from_bytes(&bytes).ok_or(KeyError::DoesNotOpen)
    }
}

/// The document. Each key is sealed by itself, so nobody else can have put one there; that one was taken away shows in nothing: it
/// is what an erasure does.
#[derive(Serialize, Deserialize)]
pub(crate) struct MonthKeys {
    format: String,
    keys: Vec<MonthKey>,
    checksum: HexBytes,
}

impl Document for MonthKeys {
    const WHAT: &'static str = "file of the keys of what is personal on the trail";
    const FORMAT: &'static str = "caretaker-trail-keys-1";

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

impl MonthKeys {
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join("vault").join("trail-keys.json")
    }

    pub(crate) fn read(dir: &Path) -> Result<Self, VaultError> {
        let path = Self::path(dir);
        if path.exists() {
            return document::read(&path);
        }
        Ok(Self { format: Self::FORMAT.to_owned(), keys: Vec::new(), checksum: HexBytes::default() })
    }

    fn write(self, dir: &Path) -> Result<(), VaultError> {
        document::replace(&Self::path(dir), self)
    }

    /// Has all of them wrapped by the ring's newest version, and its older ones forgotten.
    ///
    /// # Errors
    /// Where one does not open, and when the file cannot be written.
    pub(crate) fn wrap_anew(dir: &Path, vault: Id128, ring: &Ring, rng: &dyn Rng) -> Result<(), VaultError> {
        let Self { format, keys, checksum } = Self::read(dir)?;
        if keys.is_empty() {
            return Ok(());
        }
        let wrap = |key: MonthKey| {
            let private = key.private(vault, ring)?;
            key.wrapped(&private, vault, ring, rng)
        };
        let keys = keys.into_iter().map(wrap).collect::<Result<_, KeyError>>().map_err(|_| {
            let problem = "a key in it does not open";
            VaultError::Damaged { what: Self::WHAT, path: Self::path(dir), problem }
        })?;
        Self { format, keys, checksum }.write(dir)
    }
}

impl Vault {
    /// The key of this month: the one that there is, or another from now on.
    pub(crate) async fn personal_key(&self) -> Result<PublicPersonalKey, VaultError> {
        let month = Month::of(self.gate.handles().clock.now());
        let known =
            |keys: &[MonthKey]| keys.iter().rev().find(|key| key.month == month).map(MonthKey::public);
        if let Some(known) = known(&MonthKeys::read(&self.dir)?.keys) {
            return Ok(known);
        }
        self.record_personal("service/vault", Operation::TrailKeyCreate, month.to_string()).await?;
        let _changing = self.changing()?;
        let mut file = MonthKeys::read(&self.dir)?;
        // Somebody else may have been first.
        if let Some(known) = known(&file.keys) {
            return Ok(known);
        }
        if file.keys.len() >= KEYS_MAX {
            return Err(VaultError::Full { what: MonthKeys::WHAT, most: KEYS_MAX });
        }
        let rng = &*self.gate.handles().rng;
        let key = MonthKey::new(month, self.id(), &self.rings().data, rng).map_err(|_| MACHINE)?;
        let public = key.public();
        file.keys.push(key);
        file.write(&self.dir)?;
        Ok(public)
    }

    /// Opens parts of events for somebody who has signed in, each by itself.
    pub(crate) async fn open_personal(
        &self,
        person: &Principal,
        parts: &[(String, HexBytes)],
    ) -> Result<Vec<Opened>, VaultError> {
        if parts.len() > OPENED_MAX {
            return Err(VaultError::Full { what: "question", most: OPENED_MAX });
        }
        let detail = format!("{} parts", parts.len());
        self.record_personal(&person.0, Operation::TrailOpen, detail).await?;
        let rings = self.rings();
        let keys = MonthKeys::read(&self.dir)?.keys.into_iter();
        let keys: BTreeMap<String, Result<PrivateKey, KeyError>> =
            keys.map(|key| (key.name(), key.private(self.id(), &rings.data))).collect();
        let open = |name: &str, private: &PrivateKey, sealed: &[u8]| {
            let (enc, sealed) = sealed.split_at_checked(ENC_LEN)?;
            let part = SealedTo { enc: enc.into(), sealed: sealed.into() };
            let text = private.open(&info(name), &associated(self.id(), name), &part).ok()?;
            Some(std::str::from_utf8(&text).ok()?.trim_end().to_owned())
        };
        let opened = |(name, sealed): &(String, HexBytes)| {
            let Some(key) = keys.get(name) else { return Opened::NoKey };
            let text = key.as_ref().ok().and_then(|key| open(name, key, sealed.as_ref()));
            text.map_or(Opened::Damaged, Opened::Text)
        };
        Ok(parts.iter().map(opened).collect())
    }

    /// Destroys the keys of all months before one, for somebody who has signed in.
    pub(crate) async fn erase_personal(
        &self,
        person: &Principal,
        before: &Month,
    ) -> Result<Erased, VaultError> {
        let detail = format!("the keys of all months before {before}");
        // First: what is gone must be on record.
        self.record_personal(&person.0, Operation::TrailErase, detail).await?;
        let _changing = self.changing()?;
        let mut file = MonthKeys::read(&self.dir)?;
        let (gone, kept): (Vec<_>, Vec<_>) = file.keys.into_iter().partition(|key| key.month < *before);
        let months = |keys: &[MonthKey]| keys.iter().map(|key| key.month.clone()).collect::<Vec<_>>();
        let erased =
            Erased { destroyed: months(&gone), kept: months(&kept), place: MonthKeys::path(&self.dir) };
        file.keys = kept;
        if !gone.is_empty() {
            file.write(&self.dir)?;
        }
        Ok(erased)
    }

    async fn record_personal(
        &self,
        who: &str,
        operation: Operation,
        detail: String,
    ) -> Result<(), VaultError> {
        let event = AuditEvent::new(Principal(who.to_owned()), operation, "trail".into(), Outcome::Done);
        Ok(self.gate.handles().audit.record(event.with_detail(detail)).await?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_one_spelling() {
        for good in ["2026-11", "1999-01", "9999-12"] {
            assert_eq!(good.parse::<Month>().unwrap().to_string(), good);
        }
        for wrong in [
            "",
            "2026",
            "2026-1",
            "2026-13",
            "2026-00",
            "26-11",
            "2026-11-01",
            "2026_11",
            "+026-11",
            "2026-+1",
        ] {
            assert_eq!(wrong.parse::<Month>(), Err(MonthError(wrong.to_owned())));
        }
        assert_eq!(Month::of(Timestamp::UNIX_EPOCH).to_string(), "1970-01");
        assert!("2026-09".parse::<Month>().unwrap() < "2026-10".parse().unwrap());
    }
}
