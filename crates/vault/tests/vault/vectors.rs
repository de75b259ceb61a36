//! Golden vectors: what was written once opens for ever, and is written the same way today.
//!
//! `expected.json` was computed from the other files by `../vectors/derive.py`, which shares no code with the
//! vault: Python's hmac and hashlib, and the AES, X25519 and Argon2id of its `cryptography` package.

use futures::FutureExt as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use domain::{DataKey, DataKeys, Grant, HashPurpose, ObjectPurpose, Salt, SubjectTag, WrappedSubjectKey};
use vault::{OperatorKey, RecoveryKey, RecoveryKeys, Secret, Vault};

use crate::cell::{Cell, HOUR, handles, passphrase, scope};
use crate::way;

const SEED: u64 = 0x5eed;
const TOKEN: &[u8] = b"shpat_vector";

fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A cell's home with the vectors' files, private as they were.
fn home() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_owned();
    fs::create_dir(home.join("vault")).unwrap();
    for (name, path) in [
        ("vault.json", Vault::path(&home)),
        ("operator.key", OperatorKey::path(&home)),
        ("recovery.key", home.join("recovery.key")),
    ] {
        fs::write(&path, vector(name)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    (dir, home)
}

/// What the key derives, sealed and hashed, against what Python computed.
fn check_derived(key: &dyn DataKey) {
    let expected: serde_json::Value = serde_json::from_slice(&vector("expected.json")).unwrap();
    let text = |name: &str| expected[name].as_str().unwrap().to_owned();
    let salt = Salt([7; 32]);
    assert_eq!(key.id().to_string(), text("kid"));

    let purposes = [
        ("pack", ObjectPurpose::Pack),
        ("index", ObjectPurpose::Index),
        ("commit", ObjectPurpose::Commit),
        ("media", ObjectPurpose::Media),
        ("subject-table", ObjectPurpose::SubjectTable),
        ("checkpoint", ObjectPurpose::Checkpoint),
        ("state", ObjectPurpose::State),
        ("spool", ObjectPurpose::Spool),
    ];
    for (name, purpose) in purposes {
        let mut sealed = b"text".to_vec();
        key.object_key(purpose, &salt).unwrap().seal(258, b"place", &mut sealed).unwrap();
        assert_eq!(hex(&sealed), expected["objects"][name], "{name}");
    }

    let purposes = [
        ("content-hash", HashPurpose::Content),
        ("media-name", HashPurpose::MediaName),
        ("subject-tag", HashPurpose::Subject),
    ];
    for (name, purpose) in purposes {
        let hash = key.keyed_hash(purpose).unwrap().hash(&[b"con", b"tent"]);
        assert_eq!(hex(&hash), expected["hashes"][name], "{name}");
    }

    let subject = SubjectTag([0x11; 16]);
    let wrapped: Vec<u8> = text("subject_key_wrapped")
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let wrapped = WrappedSubjectKey(wrapped.try_into().unwrap());
    let mut sealed = b"record".to_vec();
    key.record_key(&subject, &wrapped, &salt, 772).unwrap().seal(0, b"place", &mut sealed).unwrap();
    assert_eq!(hex(&sealed), text("record"));
}

#[tokio::test]
async fn the_vectors_open() {
    let (_dir, home) = home();
    let (_, _, handles) = handles(0);
    let vault = Vault::open(&home, &passphrase(), &handles).now_or_never().unwrap().unwrap();
    let vault = way::to(vault, &handles);
    vault.sign_in(OperatorKey::read(&home).unwrap()).await.unwrap();
    let grant: Grant = serde_json::from_slice(&vector("grant.json")).unwrap();
    let own = scope("t", "c");

    check_derived(&*vault.open(&grant, &own, &vector("data-key.json")).await.unwrap());
    let token = vault.open_credential(&grant, &own, "token", &vector("credential.json")).await.unwrap();
    assert_eq!(token.expose_secret(), TOKEN);

    let key = RecoveryKey::read(&home.join("recovery.key"), None).unwrap();
    let keys = RecoveryKeys::new(key, &handles).unwrap();
    let grant = keys.grant(&own, HOUR);
    check_derived(&*keys.open(&grant, &own, &vector("data-key.json")).await.unwrap());
}

#[tokio::test]
async fn the_same_chance_writes_the_vectors_again() {
    let cell = Cell::new(SEED);
    let grant = cell.grant().await;
    let wrapped = cell.data_key(&grant).await.wrapped;
    let token =
        cell.vault.seal_credential(&scope("t", "c"), "token", &Secret::new(TOKEN.to_vec())).await.unwrap();
    let written = [
        ("vault.json", fs::read(Vault::path(&cell.home())).unwrap()),
        ("operator.key", fs::read(OperatorKey::path(&cell.home())).unwrap()),
        ("recovery.key", fs::read(cell.recovery_file()).unwrap()),
        ("data-key.json", wrapped),
        ("credential.json", token),
        ("grant.json", serde_json::to_vec(&grant).unwrap()),
    ];
    for (name, bytes) in written {
        assert_eq!(String::from_utf8(bytes), String::from_utf8(vector(name)), "{name}");
    }
}
