//! Signed notes: a text, and below it the signatures of those who vouch for it. See <https://c2sp.org/signed-note> and, for
//! those that say when, <https://c2sp.org/tlog-cosignature>.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{KeyError, SigningKey};

/// Longest note that is read, in bytes.
const NOTE_LEN_MAX: usize = 1_000_000;
/// Most signatures that are looked at.
const SIGNATURES_MAX: usize = 100;
const KEY_LEN: usize = 32;
const SIGNATURE_LEN: usize = 64;
const BEGINNING: &str = "\u{2014} ";

/// What a signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// That its signer made the text.
    Own,
    /// That its signer saw the text at a time, and nothing before that contradicts it.
    Cosignature,
}

impl Scheme {
    fn code(self) -> u8 {
        match self {
            Self::Own => 1,
            Self::Cosignature => 4,
        }
    }
}

/// Why a note counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note.
    #[error("it is not a signed note")]
    Malformed,
    /// It lacks a signature of the key that was asked for.
    #[error("it bears no signature of that key")]
    Unsigned,
    /// A signature under the key's name and hash is not of the key.
    #[error("its signature does not hold")]
    Forged,
    /// A key cannot be read, or its name is none.
    #[error("it is not a key of a signed note")]
    Key,
}

/// Whose signature counts: a name and a public key.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    scheme: Scheme,
    key: [u8; KEY_LEN],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `name+hash+key`, as others read it.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash: String = self.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "{}+{hash}+{}", self.name, STANDARD.encode(self.coded()))
    }
}

impl std::str::FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let coded = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let (code, key) = coded.split_first().ok_or(NoteError::Key)?;
        let scheme = [Scheme::Own, Scheme::Cosignature].into_iter().find(|scheme| scheme.code() == *code);
        let key = key.try_into().map_err(|_| NoteError::Key)?;
        let verifier = Self::new(name, scheme.ok_or(NoteError::Key)?, key)?;
        // The hash in it must be the one that it has.
        if verifier.to_string() == text { Ok(verifier) } else { Err(NoteError::Key) }
    }
}

impl Verifier {
    /// Whoever has that name and key.
    ///
    /// # Errors
    /// [`NoteError::Key`] for a name that is empty, or has a space or a plus in it, and for bytes that are no key.
    pub fn new(name: &str, scheme: Scheme, key: [u8; KEY_LEN]) -> Result<Self, NoteError> {
        if !is_name(name) || ParsedPublicKey::new(&ED25519, key).is_err() {
            return Err(NoteError::Key);
        }
        Ok(Self { name: name.to_owned(), scheme, key })
    }

    /// Its name: for a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn coded(&self) -> Vec<u8> {
        [&[self.scheme.code()][..], &self.key].concat()
    }

    /// What tells keys of one name apart.
    fn hash(&self) -> [u8; 4] {
        let mut context = Context::new(&SHA256);
        context.update(self.name.as_bytes());
        context.update(b"\n");
        context.update(&self.coded());
        let mut hash = [0; 4];
        hash.copy_from_slice(context.finish().as_ref().get(..4).unwrap_or(&[0; 4]));
        hash
    }

    /// The text of the note that this key vouches for, and when it did, in seconds since 1970: for a cosignature.
    ///
    /// # Errors
    /// When it is no note, or does not bear this key's signature, or one that does not hold.
    pub fn open<'n>(&self, note: &'n [u8]) -> Result<(&'n str, Option<u64>), NoteError> {
        let (text, signatures) = split(note)?;
        let mut time = None;
        let mut found = false;
        for signature in signatures {
            let (name, value) = signature?;
            let Some(signature) = value.strip_prefix(&self.hash()).filter(|_| name == self.name) else {
                continue;
            };
            let (seconds, signature) = match self.scheme {
                Scheme::Own => (None, signature),
                Scheme::Cosignature => {
                    let (seconds, signature) = signature.split_first_chunk().ok_or(NoteError::Forged)?;
                    let seconds = u64::from_be_bytes(*seconds);
                    if i64::try_from(seconds).is_err() {
                        return Err(NoteError::Forged);
                    }
                    (Some(seconds), signature)
                }
            };
            let key = ParsedPublicKey::new(&ED25519, self.key).map_err(|_| NoteError::Key)?;
            let signed = signed(text, seconds);
            if signature.len() != SIGNATURE_LEN || key.verify_sig(signed.as_bytes(), signature).is_err() {
                return Err(NoteError::Forged);
            }
            // Of several the last counts.
            (found, time) = (true, time.max(seconds));
        }
        if found { Ok((text, time)) } else { Err(NoteError::Unsigned) }
    }
}

/// Whether signers may be called so.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|letter| letter.is_whitespace() || letter == '+')
}

/// What is signed of a text.
fn signed(text: &str, seconds: Option<u64>) -> String {
    match seconds {
        None => text.to_owned(),
        Some(seconds) => format!("cosignature/v1\ntime {seconds}\n{text}"),
    }
}

type Signature<'n> = Result<(&'n str, Vec<u8>), NoteError>;

/// The text of a note, and who signed with what.
fn split(note: &[u8]) -> Result<(&str, impl Iterator<Item = Signature<'_>>), NoteError> {
    let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed)?;
    let control = |letter: char| letter < ' ' && letter != '\n';
    if note.len() > NOTE_LEN_MAX || note.contains(control) {
        return Err(NoteError::Malformed);
    }
    let at = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, signatures) = note.split_at(at + 1);
    let lines = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    let lines = lines.ok_or(NoteError::Malformed)?;
    if lines.split('\n').count() > SIGNATURES_MAX {
        return Err(NoteError::Malformed);
    }
    let signature = |line| {
        let (name, value) = str::strip_prefix(line, BEGINNING)
            .and_then(|line| line.split_once(' '))
            .ok_or(NoteError::Malformed)?;
        let value = STANDARD.decode(value).map_err(|_| NoteError::Malformed)?;
        if is_name(name) && value.len() >= 5 { Ok((name, value)) } else { Err(NoteError::Malformed) }
    };
    Ok((text, lines.split('\n').map(signature)))
}

/// Who signs. Its key is nowhere to be seen.
pub struct Signer {
    verifier: Verifier,
    key: Arc<dyn SigningKey>,
}

/// A key pair that follows from a seed.
struct Pair(Ed25519KeyPair);

impl SigningKey for Pair {
    fn public(&self) -> [u8; KEY_LEN] {
        self.0.public_key().as_ref().try_into().unwrap_or([0; KEY_LEN])
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], KeyError> {
        let failed = || KeyError::Unavailable("Ed25519 could not sign".to_owned());
        let signature = self.0.try_sign(message).map_err(|_| failed())?;
        signature.as_ref().try_into().map_err(|_| failed())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

impl Signer {
    /// A signer of that name, with that key.
    ///
    /// # Errors
    /// [`NoteError::Key`] as for [`Verifier::new`].
    pub fn new(name: &str, scheme: Scheme, key: Arc<dyn SigningKey>) -> Result<Self, NoteError> {
        Ok(Self { verifier: Verifier::new(name, scheme, key.public())?, key })
    }

    /// A signer of that name, with the key that follows from these 32 bytes.
    ///
    /// # Errors
    /// [`NoteError::Key`] as for [`Verifier::new`].
    pub fn from_seed(name: &str, scheme: Scheme, seed: &[u8; KEY_LEN]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key)?;
        Self::new(name, scheme, Arc::new(Pair(pair)))
    }

    /// Whose signatures these are.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A note with this text and this signature alone. The text ends with a line's end.
    ///
    /// # Errors
    /// [`NoteError::Key`] when its key cannot be reached.
    pub fn sign(&self, text: &str, now_seconds: u64) -> Result<String, NoteError> {
        Ok(format!("{text}\n{}", self.line(text, now_seconds)?))
    }

    /// The note with this signature below the others.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when it is no note, and as for [`Self::sign`].
    pub fn add(&self, note: &str, now_seconds: u64) -> Result<String, NoteError> {
        let (text, _) = split(note.as_bytes())?;
        Ok(format!("{note}{}", self.line(text, now_seconds)?))
    }

    fn line(&self, text: &str, now_seconds: u64) -> Result<String, NoteError> {
        let seconds = (self.verifier.scheme == Scheme::Cosignature).then_some(now_seconds);
        let signature = self.key.sign(signed(text, seconds).as_bytes()).map_err(|_| NoteError::Key)?;
        let seconds = seconds.map(u64::to_be_bytes);
        let value = [&self.verifier.hash()[..], seconds.as_ref().map_or(&[], |bytes| &bytes[..]), &signature];
        Ok(format!("{BEGINNING}{} {}\n", self.verifier.name, STANDARD.encode(value.concat())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "trail.example/1\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn signers() -> (Signer, Signer) {
        let own = Signer::from_seed("trail.example/1", Scheme::Own, &[1; 32]).unwrap();
        (own, Signer::from_seed("vault.example/1", Scheme::Cosignature, &[2; 32]).unwrap())
    }

    #[test]
    fn a_note_is_opened_by_each_who_signed_it() {
        let (own, vault) = signers();
        let note = vault.add(&own.sign(TEXT, 7).unwrap(), 1_700_000_000).unwrap();
        assert_eq!(own.verifier().open(note.as_bytes()), Ok((TEXT, None)));
        assert_eq!(vault.verifier().open(note.as_bytes()), Ok((TEXT, Some(1_700_000_000))));
        let other = Signer::from_seed("trail.example/1", Scheme::Own, &[3; 32]).unwrap();
        assert_eq!(
            other.verifier().open(note.as_bytes()),
            Err(NoteError::Unsigned),
            "another key of that name"
        );
        for verifier in [own.verifier(), vault.verifier()] {
            assert_eq!(verifier.to_string().parse::<Verifier>().as_ref(), Ok(verifier));
        }
    }

    #[test]
    fn no_byte_of_a_note_can_be_changed() {
        let (own, vault) = signers();
        let note = vault.add(&own.sign(TEXT, 0).unwrap(), 9).unwrap();
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let opened = [own.verifier().open(&bytes), vault.verifier().open(&bytes)];
            assert!(opened.iter().any(Result::is_err), "byte {at} of {note}");
            assert!(opened.iter().all(|opened| opened.is_err() || opened.unwrap().0 == TEXT), "byte {at}");
        }
        for end in 0..note.len() {
            assert!(vault.verifier().open(&note.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (own, _) = signers();
        let text = own.verifier().to_string();
        for wrong in
            ["", "a+b", "a+00000000+AAAA", &text.replace("+", "-"), &text.replacen("trail", "rail", 1)]
        {
            assert_eq!(wrong.parse::<Verifier>(), Err(NoteError::Key), "{wrong}");
        }
        for name in ["", "two words", "a+b"] {
            assert_eq!(Signer::from_seed(name, Scheme::Own, &[1; 32]).unwrap_err(), NoteError::Key, "{name}");
        }
    }
}
