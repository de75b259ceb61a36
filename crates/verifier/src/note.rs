//! Signed notes (<https://c2sp.org/signed-note>), the checkpoints in them (<https://c2sp.org/tlog-checkpoint>), and what a
//! witness adds (<https://c2sp.org/tlog-cosignature>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::Refusal;
use crate::tree::Hash;

/// Longest note that is read, in bytes: sixteen signatures of any sort fit.
pub const NOTE_LEN_MAX: usize = 256 << 10;
/// Most signatures of a note.
const SIGNATURES_MAX: usize = 64;
/// Longest name of a key, in bytes.
const NAME_LEN_MAX: usize = 1 << 10;

/// What a key's signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This is the log.
    Log = 1,
    /// The log has been this at a time, and nothing before contradicts it.
    Witness = 4,
}

/// A text is not the verifier's half of a key, for that role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a key `name+number+base64` of that role")]
pub struct NoKey;

/// Whose signature counts.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    role: Role,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Key {
    /// Reads `name+number+base64`.
    ///
    /// # Errors
    /// [`NoKey`], also when its number is not the one that follows from the rest.
    pub fn read(text: &str, role: Role) -> Result<Self, NoKey> {
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(NoKey);
        let (name, id, coded) = (part()?, part()?, part()?);
        let coded = STANDARD.decode(coded).map_err(|_| NoKey)?;
        let digest = Sha256::new().chain_update(name).chain_update("\n").chain_update(&coded).finalize();
        let own = *digest.first_chunk::<4>().ok_or(NoKey)?;
        let digits: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
        let Some((kind, key)) = coded.split_first() else { return Err(NoKey) };
        if !is_name(name) || id != digits || *kind != role as u8 {
            return Err(NoKey);
        }
        let key = key.try_into().map_err(|_| NoKey)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| NoKey)?;
        Ok(Self { name: name.to_owned(), role, id: own, key })
    }

    /// Whether this is the signature of that text.
    fn made(&self, value: &[u8], text: &str) -> bool {
        let (signature, text) = match self.role {
            Role::Log => (value, text.to_owned()),
            Role::Witness => {
                let Some((seconds, signature)) = value.split_first_chunk() else { return false };
                let seconds = u64::from_be_bytes(*seconds);
                if i64::try_from(seconds).is_err() {
                    return false;
                }
                (signature, format!("cosignature/v1\ntime {seconds}\n{text}"))
            }
        };
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

fn is_name(name: &str) -> bool {
    let barred = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '+';
    (1..=NAME_LEN_MAX).contains(&name.len()) && !name.contains(barred)
}

/// A signed note. Its text counts for nothing before a signature was checked.
struct Note<'n> {
    text: &'n str,
    /// The names, and what each signed, behind its key's number.
    signatures: Vec<(&'n str, [u8; 4], Vec<u8>)>,
}

impl<'n> Note<'n> {
    fn read(bytes: &'n [u8]) -> Result<Self, Refusal> {
        if bytes.len() > NOTE_LEN_MAX || bytes.iter().any(|byte| *byte < b' ' && *byte != b'\n') {
            return Err(Refusal::NotANote);
        }
        let all = std::str::from_utf8(bytes).map_err(|_| Refusal::NotANote)?;
        let (text, lines) = all.rsplit_once("\n\n").ok_or(Refusal::NotANote)?;
        // The line's end before the empty line is the text's own.
        let text = all.get(..=text.len()).ok_or(Refusal::NotANote)?;
        let lines = lines.strip_suffix('\n').ok_or(Refusal::NotANote)?;
        let signatures: Vec<_> = lines.split('\n').take(SIGNATURES_MAX + 1).map(signature).collect();
        if signatures.len() > SIGNATURES_MAX {
            return Err(Refusal::NotANote);
        }
        let signatures = signatures.into_iter().collect::<Option<_>>().ok_or(Refusal::NotANote)?;
        Ok(Self { text, signatures })
    }

    /// Whether the key signed it: every signature that names the key must hold.
    fn is_signed_by(&self, key: &Key) -> Result<bool, Refusal> {
        let named = self.signatures.iter().filter(|(name, id, _)| *name == key.name && *id == key.id);
        let mut found = false;
        for (_, _, value) in named {
            if !key.made(value, self.text) {
                return Err(Refusal::Forged(key.name.clone()));
            }
            found = true;
        }
        Ok(found)
    }

    fn must_be_signed_by(&self, key: &Key) -> Result<(), Refusal> {
        if self.is_signed_by(key)? { Ok(()) } else { Err(Refusal::Unsigned(key.name.clone())) }
    }
}

/// A line of a note's lower part.
fn signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, value) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let value = STANDARD.decode(value).ok()?;
    let (id, value) = value.split_first_chunk()?;
    (is_name(name) && !value.is_empty()).then(|| (name, *id, value.to_vec()))
}

/// How long a log was at one time, and the hash over all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries it had.
    pub size: u64,
    /// The hash over all of them.
    pub root: Hash,
}

/// A number as all of these texts write it: decimal, without a zero before it.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits && (text == "0" || !text.starts_with('0')))
}

/// A hash as all of these texts write it.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn checkpoint(text: &str, origin: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let of_this_log = lines.next()? == origin;
    let checkpoint = Checkpoint { size: number(lines.next()?)?, root: hash(lines.next()?)? };
    (of_this_log && lines.all(|line| !line.is_empty())).then_some(checkpoint)
}

/// Whose signatures a checkpoint must bear.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The log's own. Its name is the log's.
    pub log: Key,
    /// The witness's, if one is asked for.
    pub witness: Option<Key>,
}

impl Keys {
    /// The checkpoint that log and witness have signed.
    ///
    /// # Errors
    /// When it is none of this log, a signature is missing, or one does not hold.
    pub fn open(&self, bytes: &[u8]) -> Result<Checkpoint, Refusal> {
        let note = Note::read(bytes)?;
        note.must_be_signed_by(&self.log)?;
        self.witness.iter().try_for_each(|witness| note.must_be_signed_by(witness))?;
        self.checkpoint(&note)
    }

    /// The checkpoint that somebody kept. The witness need not have signed it; if it says so, it must be true.
    ///
    /// # Errors
    /// When it is none of this log, the log's signature is missing, or one does not hold.
    pub fn open_kept(&self, bytes: &[u8]) -> Result<Checkpoint, Refusal> {
        let note = Note::read(bytes)?;
        note.must_be_signed_by(&self.log)?;
        self.witness.iter().try_for_each(|witness| note.is_signed_by(witness).map(|_| ()))?;
        self.checkpoint(&note)
    }

    fn checkpoint(&self, note: &Note) -> Result<Checkpoint, Refusal> {
        let origin = &self.log.name;
        checkpoint(note.text, origin).ok_or_else(|| Refusal::NotACheckpoint(origin.clone()))
    }
}

#[cfg(test)]
mod tests {
    use trail::note::{Scheme, Signer};

    use super::*;

    const TEXT: &str = "log.example\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn signer(name: &str, scheme: Scheme, seed: u8) -> Signer {
        Signer::from_seed(name, scheme, &[seed; 32]).unwrap()
    }

    fn log() -> Signer {
        signer("log.example", Scheme::Own, 1)
    }

    fn witness() -> Signer {
        signer("witness.example", Scheme::Cosignature, 2)
    }

    fn keys() -> Keys {
        let read = |signer: &Signer, role| Key::read(&signer.verifier().to_string(), role).unwrap();
        Keys { log: read(&log(), Role::Log), witness: Some(read(&witness(), Role::Witness)) }
    }

    fn signed(text: &str, seconds: u64) -> String {
        witness().add(&log().sign(text, 0).unwrap(), seconds).unwrap()
    }

    #[test]
    fn what_both_have_signed_counts_and_nothing_else_does() {
        let open = |note: &str| keys().open(note.as_bytes()).map(|checkpoint| checkpoint.size);
        let (own, both) = (log().sign(TEXT, 0).unwrap(), signed(TEXT, 1_700_000_000));
        assert_eq!(open(&both), Ok(5));
        let unknown = signer("somebody.example", Scheme::Own, 7).add(&both, 0).unwrap();
        assert_eq!(open(&unknown), Ok(5), "others may sign too");

        let unsigned = |name: &str| Err(Refusal::Unsigned(name.to_owned()));
        assert_eq!(open(&own), unsigned("witness.example"));
        assert_eq!(open(&witness().sign(TEXT, 9).unwrap()), unsigned("log.example"));
        let other = signer("log.example", Scheme::Own, 3).sign(TEXT, 0).unwrap();
        assert_eq!(open(&witness().add(&other, 9).unwrap()), unsigned("log.example"));
        let other = signer("witness.example", Scheme::Cosignature, 3).add(&own, 9).unwrap();
        assert_eq!(open(&other), unsigned("witness.example"));
        // The log's key as a witness's, and the other way round.
        let swapped = signer("witness.example", Scheme::Own, 2).add(&own, 9).unwrap();
        assert_eq!(open(&swapped), unsigned("witness.example"));
        let forged = Err(Refusal::Forged("witness.example".to_owned()));
        assert_eq!(open(&signed(TEXT, i64::MAX as u64 + 1)), forged, "no such time");
        assert_eq!(open(&signed(TEXT, i64::MAX as u64)), Ok(5));
        // A signature that holds does not help one that does not.
        let moved = signed(TEXT, 8).replace("\n5\n", "\n6\n");
        let lines = moved.lines().skip(4).collect::<Vec<_>>().join("\n");
        assert_eq!(open(&format!("{both}{lines}\n")), Ok(5), "the same signatures twice");
        assert_eq!(open(&moved), Err(Refusal::Forged("log.example".to_owned())));
        let stale: String = signed(&TEXT.replace("5", "6"), 8).lines().skip(5).collect();
        assert_eq!(open(&format!("{both}{stale}\n")), forged);
    }

    #[test]
    fn what_was_kept_needs_the_logs_own_signature() {
        let kept = |note: &str| keys().open_kept(note.as_bytes()).map(|checkpoint| checkpoint.size);
        assert_eq!(kept(&log().sign(TEXT, 0).unwrap()), Ok(5));
        assert_eq!(kept(&signed(TEXT, 8)), Ok(5));
        assert_eq!(kept(&witness().sign(TEXT, 8).unwrap()), Err(Refusal::Unsigned("log.example".to_owned())));
        let forged = signed(TEXT, u64::MAX);
        assert_eq!(kept(&forged), Err(Refusal::Forged("witness.example".to_owned())));
    }

    #[test]
    fn no_byte_of_a_note_can_be_changed_or_cut_off() {
        let note = signed(TEXT, 9).into_bytes();
        assert!(keys().open(&note).is_ok());
        for at in 0..note.len() {
            for bit in [1, 0x20, 0x80] {
                let mut other = note.clone();
                other[at] ^= bit;
                assert!(keys().open(&other).is_err(), "byte {at} of {}", String::from_utf8_lossy(&other));
            }
            assert!(keys().open(&note[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_no_checkpoint_of_the_log_is_refused_whoever_signed_it() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let open = |text: &str| keys().open(signed(text, 9).as_bytes()).map(|checkpoint| checkpoint.size);
        assert_eq!(open(TEXT), Ok(5));
        assert_eq!(open(&format!("log.example\n0\n{root}\nan extension\n")), Ok(0));
        assert_eq!(open(&format!("log.example\n{}\n{root}\n", u64::MAX)), Ok(u64::MAX));
        for wrong in [
            format!("another.example\n5\n{root}\n"),
            format!("log.example\n05\n{root}\n"),
            format!("log.example\n+5\n{root}\n"),
            format!("log.example\n18446744073709551616\n{root}\n"),
            format!("log.example\n\n{root}\n"),
            format!("log.example\n5\n{}\n", &root[..40]),
            format!("log.example\n5\n{}\n", root.replace('I', "J")),
            format!("log.example\n5\n{root}\n\nbehind an empty line\n"),
            "log.example\n5\n".to_owned(),
            "log.example\n".to_owned(),
        ] {
            assert_eq!(open(&wrong), Err(Refusal::NotACheckpoint("log.example".to_owned())), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let note = signed(TEXT, 9);
        let many = |count: usize| {
            let line = note.lines().last().unwrap();
            format!("{note}{}", format!("{line}\n").repeat(count - 2)).into_bytes()
        };
        assert!(keys().open(&many(SIGNATURES_MAX)).is_ok());
        let long = format!("{TEXT}{}\n", "x".repeat(NOTE_LEN_MAX));
        for wrong in [
            Vec::new(),
            TEXT.as_bytes().to_vec(),
            format!("{TEXT}\n").into_bytes(),
            format!("{note}\n").into_bytes(),
            format!("{note}\u{2014} two words AAAAAAA=\n").into_bytes(),
            format!("{note}\u{2014} nothing AAAAAA==\n").into_bytes(),
            format!("{note}- dash AAAAAAA=\n").into_bytes(),
            note.replacen("log", "log\t", 1).into_bytes(),
            [note.as_bytes(), b"\xff"].concat(),
            many(SIGNATURES_MAX + 1),
            signed(&long, 9).into_bytes(),
        ] {
            let shown = String::from_utf8_lossy(&wrong[..wrong.len().min(400)]).into_owned();
            assert_eq!(keys().open(&wrong), Err(Refusal::NotANote), "{shown}");
        }
    }

    #[test]
    fn what_is_no_key_of_that_role_is_refused() {
        let (own, cosigner) = (log().verifier().to_string(), witness().verifier().to_string());
        assert!(Key::read(&own, Role::Log).is_ok() && Key::read(&cosigner, Role::Witness).is_ok());
        let (name, rest) = own.split_once('+').unwrap();
        let (id, key) = rest.split_once('+').unwrap();
        for wrong in [
            String::new(),
            name.to_owned(),
            cosigner,
            format!("other+{id}+{key}"),
            format!("{name}+00000000+{key}"),
            format!("{name}+{}+{key}", id.to_uppercase() + " "),
            format!("{name}+{id}+{}", &key[..key.len() - 4]),
            format!("{name}+{id}+"),
            format!(" {own}"),
            format!("{own}\n"),
        ] {
            assert!(Key::read(&wrong, Role::Log).is_err(), "{wrong:?}");
        }
        assert!(Key::read(&own, Role::Witness).is_err());
    }
}
