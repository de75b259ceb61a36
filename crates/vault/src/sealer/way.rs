//! How a token or a service is reached, in one line, which names files for what is secret.
//!
//! `pkcs11:token=…;object=…?module-path=…&pin-source=file:…` is a PKCS#11 URI (RFC 7512), of which these words are known, and
//! `serial` and `id`. `kms:KEY?region=…&endpoint=…&credentials-file=…&ca-file=…` is our own, in the same spelling.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use domain::{Clock, Region};

use super::kms::{Kms, KmsWay};
use super::token::{Token, TokenWay};
use super::{Ask, OutsideKey, SealError, Seals};
use crate::error::VaultError;
use crate::private_file;
use crate::root_seal::SealedBy;
use crate::secret::Secret;

/// What the file is that lists the ways, for errors.
const WHAT: &str = "way to the root key's seal";

/// The way to a token or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealWay {
    text: String,
    goal: Goal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Token(TokenWay),
    Kms(KmsWay),
}

impl fmt::Display for SealWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes `%41` for `A`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?].map(char::from);
            if !digits.iter().all(char::is_ascii_hexdigit) {
                return None;
            }
            let digits: String = digits.iter().collect();
            bytes.push(u8::from_str_radix(&digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// A text that fits on a line.
fn text_of(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// The words of a way, each of which is taken once.
pub(super) struct Words(Vec<(String, Vec<u8>)>);

impl Words {
    fn read(text: &str, between: char) -> Result<Self, String> {
        let mut words = Vec::new();
        for part in text.split(between).filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("`{part}` is not `name=value`"))?;
            let value = decoded(value).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| {
                format!("the value of `{name}` is empty, or has a `%` in it that means nothing")
            })?;
            if words.iter().any(|(other, _)| other == name) {
                return Err(format!("`{name}` is said twice"));
            }
            words.push((name.to_owned(), value));
        }
        Ok(Self(words))
    }

    pub(super) fn take_bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(bytes) = self.take_bytes(name) else { return Ok(None) };
        text_of(bytes).map(Some).ok_or_else(|| format!("the value of `{name}` is no text"))
    }

    pub(super) fn need(&mut self, name: &str) -> Result<String, String> {
        self.take(name)?.ok_or_else(|| format!("`{name}=…` is missing"))
    }

    /// A file, by a path that means the same wherever a process runs.
    pub(super) fn take_file(&mut self, name: &str) -> Result<Option<PathBuf>, String> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        let path = PathBuf::from(text);
        if path.is_absolute() {
            Ok(Some(path))
        } else {
            Err(format!("`{name}` must be a whole path, from `/` on"))
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.0.first() {
            Some((name, _)) if name == "pin-value" => {
                Err("`pin-value` would put the PIN where others read it: name a file, `pin-source=file:…`"
                    .to_owned())
            }
            Some((name, _)) => Err(format!("`{name}` is not known here")),
            None => Ok(()),
        }
    }
}

impl FromStr for SealWay {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let goal = Goal::read(text).map_err(|why| VaultError::SealWay { way: text.to_owned(), why })?;
        Ok(Self { text: text.to_owned(), goal })
    }
}

impl Goal {
    fn read(text: &str) -> Result<Self, String> {
        const KINDS: &str =
            "it is neither `pkcs11:token=…;object=…?module-path=…` nor `kms:KEY?credentials-file=…`";
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err("it has a space in it, which is spelled `%20`".to_owned());
        }
        let (kind, rest) = text.split_once(':').ok_or(KINDS)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut query = Words::read(query, '&')?;
        let goal = match kind {
            "pkcs11" => {
                let mut path = Words::read(path, ';')?;
                let goal = Self::Token(TokenWay::read(&mut path, &mut query)?);
                path.end()?;
                goal
            }
            "kms" => {
                let key =
                    decoded(path).and_then(text_of).filter(|key| !key.is_empty()).ok_or("it names no key")?;
                Self::Kms(KmsWay::read(key, &mut query)?)
            }
            _ => return Err(KINDS.to_owned()),
        };
        query.end()?;
        Ok(goal)
    }
}

impl SealWay {
    /// Where the ways of the cell at `dir` are listed, a line each.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("root-seal")
    }

    /// Lists ways for commands to come. Where there are several, the vault's file says to which key one must lead. None: a
    /// passphrase seals it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(dir: &Path, ways: &[&Self]) -> Result<(), VaultError> {
        let path = Self::path(dir);
        let text: String = ways.iter().map(|way| format!("{way}\n")).collect();
        if !text.is_empty() {
            return private_file::replace(&path, text.as_bytes());
        }
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(VaultError::Io { doing: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// All ways that are listed for the cell at `dir`. None, where there is no such file.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood, or others than its owner get at it: whoever can write it says which
    /// program is loaded.
    pub fn list(dir: &Path) -> Result<Vec<Self>, VaultError> {
        let path = Self::path(dir);
        if !path.exists() {
            return Ok(Vec::new());
        }
        private_file::refuse_exposed(WHAT, &path)?;
        let text = Secret::read(&path)?;
        let unusable = |problem: String| VaultError::Unusable { what: WHAT, path: path.clone(), problem };
        let text = text.expose_text().ok_or_else(|| unusable("it is no text".to_owned()))?;
        text.lines()
            .map(|line| line.parse().map_err(|error: VaultError| unusable(error.to_string())))
            .collect()
    }

    /// The way to what has sealed the vault of the cell at `dir`.
    ///
    /// # Errors
    /// As [`SealWay::list`], and when no way is listed that leads there.
    pub fn to(dir: &Path, by: &SealedBy) -> Result<Self, VaultError> {
        let way = Self::list(dir)?.into_iter().find(|way| way.leads_to(by));
        way.ok_or_else(|| VaultError::Unusable {
            what: WHAT,
            path: Self::path(dir),
            problem: format!(
                "the root key is sealed by {by}, and no line there leads to it: write that line"
            ),
        })
    }

    /// Whether it leads to that key, as far as its words tell.
    #[must_use]
    pub fn leads_to(&self, by: &SealedBy) -> bool {
        match (&self.goal, by) {
            (Goal::Token(way), SealedBy::Pkcs11 { token, key }) => way.leads_to(token, key),
            (Goal::Kms(way), SealedBy::Kms { key }) => way.leads_to(key),
            _ => false,
        }
    }

    /// Whether a person must type something before it can be gone.
    #[must_use]
    pub fn asks(&self) -> bool {
        match &self.goal {
            Goal::Token(way) => way.pin_file.is_none(),
            Goal::Kms(_) => false,
        }
    }

    pub(super) fn open(
        &self,
        region: &Region,
        clock: &Arc<dyn Clock>,
        ask: Ask<'_>,
    ) -> Result<Box<dyn Seals>, SealError> {
        Ok(match &self.goal {
            Goal::Token(way) => Box::new(Token::open(way, region, ask)?),
            Goal::Kms(way) => Box::new(Kms::open(way, region, Arc::clone(clock))?),
        })
    }
}

/// What a sealer that was led astray says.
pub(super) fn another(by: &OutsideKey) -> SealError {
    SealError::usage(format!("the root key is sealed by {}, to which this does not lead", SealedBy::from(by)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        match (text.parse::<SealWay>(), expected) {
            (Ok(way), Ok(())) => assert_eq!(way.to_string(), text),
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn a_way_is_read_as_it_is_written_and_says_nothing_secret() {
        check("pkcs11:token=a;object=b?module-path=/lib/m.so", Ok(()));
        check(
            "pkcs11:token=a%20b;object=b;serial=1;id=%01%02?module-path=/lib/m.so&pin-source=file:/etc/pin",
            Ok(()),
        );
        check("pkcs11:token=a;object=b", Err("module-path"));
        check("pkcs11:object=b?module-path=/lib/m.so", Err("token"));
        check("pkcs11:token=a;object=b?module-path=m.so", Err("whole path"));
        check("pkcs11:token=a;object=b?module-path=/lib/m.so&pin-value=1234", Err("name a file"));
        check("pkcs11:token=a;object=b?module-path=/lib/m.so&pin-source=1234", Err("file:"));
        check("pkcs11:token=a;token=b;object=c?module-path=/lib/m.so", Err("twice"));
        check("pkcs11:token=a;object=b;slot-id=1?module-path=/lib/m.so", Err("slot-id"));
        check("kms:alias/a?region=eu-central-1&credentials-file=/c", Ok(()));
        check("kms:arn:aws:kms:eu-central-1:1:key/2?credentials-file=/c", Ok(()));
        check("kms:a?credentials-file=/c", Err("region"));
        check("kms:a?region=eu-central-1", Err("credentials-file"));
        check("kms:a?region=x&credentials-file=/c&endpoint=http://127.0.0.1", Err("https"));
        check("kms:a?region=x&credentials-file=/c&endpoint=https://u:p@h", Err("password"));
        check("kms:?region=x&credentials-file=/c", Err("no key"));
        check("a passphrase", Err("space"));
        check("passphrase", Err("neither"));
    }

    #[test]
    fn a_way_leads_to_the_key_that_it_names() {
        let token: SealWay = "pkcs11:token=a;object=b?module-path=/lib/m.so".parse().unwrap();
        let by = |token: &str, key: &str| SealedBy::Pkcs11 { token: token.into(), key: key.into() };
        assert!(token.leads_to(&by("a", "b")) && token.asks());
        assert!(!token.leads_to(&by("a", "c")) && !token.leads_to(&by("c", "b")));
        let arn = "arn:aws:kms:eu-central-1:1:key/2";
        let kms = |key: &str| {
            format!("kms:{key}?region=eu-central-1&credentials-file=/c").parse::<SealWay>().unwrap()
        };
        let by = SealedBy::Kms { key: arn.into() };
        assert!(kms(arn).leads_to(&by) && kms("2").leads_to(&by) && kms("alias/x").leads_to(&by));
        assert!(!kms("3").leads_to(&by) && !kms("arn:aws:kms:eu-central-1:1:key/3").leads_to(&by));
        assert!(!token.leads_to(&by) && !token.leads_to(&SealedBy::Passphrase));
    }

    #[test]
    fn ways_are_listed_in_a_file_that_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(SealWay::list(dir.path()).unwrap(), []);
        let way =
            |token: &str| format!("pkcs11:token={token};object=b?module-path=/m").parse::<SealWay>().unwrap();
        SealWay::write(dir.path(), &[&way("a"), &way("c")]).unwrap();
        assert_eq!(SealWay::list(dir.path()).unwrap(), [way("a"), way("c")]);
        let by = |token: &str| SealedBy::Pkcs11 { token: token.into(), key: "b".into() };
        assert_eq!(SealWay::to(dir.path(), &by("c")).unwrap(), way("c"));
        assert!(SealWay::to(dir.path(), &by("d")).unwrap_err().to_string().contains("token `d`"));
        std::fs::set_permissions(SealWay::path(dir.path()), std::fs::Permissions::from_mode(0o622)).unwrap();
        assert!(matches!(SealWay::list(dir.path()), Err(VaultError::Unusable { .. })));
    }
}
