//! A recovery key in shares: enough of them are the key, and fewer, foreign or changed ones are nothing.

use std::fs;
use std::path::PathBuf;

use vault::system::SystemRng;
use vault::{Passphrase, RecipientOwner, RecoveryKey, VaultError, VaultErrorKind};

/// A new recovery key, split among five of whom three are needed.
struct Split {
    folder: tempfile::TempDir,
    key: RecoveryKey,
    shares: Vec<PathBuf>,
}

impl Split {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recovery.key");
        RecoveryKey::create(&file, None, RecipientOwner::Cell, &SystemRng).unwrap();
        let key = RecoveryKey::read(&file, None).unwrap();
        let shares = key.split(3, 5, &folder.path().join("shares"), &SystemRng).unwrap();
        Self { folder, key, shares }
    }

    fn of(&self, numbers: &[usize]) -> Vec<PathBuf> {
        numbers.iter().map(|number| self.shares[number - 1].clone()).collect()
    }
}

fn refused(shares: &[PathBuf]) -> VaultError {
    RecoveryKey::join(shares).err().unwrap()
}

#[test]
fn three_of_five_are_the_key_whichever_they_are() {
    use std::os::unix::fs::PermissionsExt as _;
    let split = Split::new();
    let names: Vec<_> =
        split.shares.iter().map(|share| share.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names, (1..=5).map(|number| format!("recovery-share-{number}-of-5")).collect::<Vec<_>>());
    for share in &split.shares {
        assert_eq!(fs::metadata(share).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for numbers in [&[1, 2, 3][..], &[5, 1, 4], &[2, 4, 5], &[1, 2, 3, 4, 5], &[3, 3, 1, 2]] {
        let joined = RecoveryKey::join(&split.of(numbers)).unwrap();
        assert!(joined.recipient() == split.key.recipient(), "{numbers:?}");
        // It is the whole key again: written, and read like the first.
        let (file, passphrase) =
            (split.folder.path().join("again"), Passphrase::new("of its own".into()).unwrap());
        joined.write(&file, Some(&passphrase), &SystemRng).unwrap();
        let again = RecoveryKey::read(&file, Some(&passphrase)).unwrap();
        assert!(again.recipient() == split.key.recipient());
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn too_few_foreign_and_changed_shares_are_told_apart() {
    let (split, other) = (Split::new(), Split::new());
    let usage = |shares: &[PathBuf], word: &str| {
        let error = refused(shares);
        assert_eq!(error.kind(), VaultErrorKind::Usage, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    usage(&[], "no share");
    usage(&split.of(&[1, 2]), "2 of the 3");
    usage(&split.of(&[1, 2, 2]), "2 of the 3");
    usage(&[split.of(&[1, 2]), other.of(&[3])].concat(), "not of one splitting");
    // Nor do those of another splitting of the same key fit.
    let again = split.key.split(3, 5, &split.folder.path().join("again"), &SystemRng).unwrap();
    usage(&[split.of(&[1, 2]), vec![again[2].clone()]].concat(), "not of one splitting");

    // Every byte of a share counts.
    let text = fs::read(&split.shares[0]).unwrap();
    for (at, flipped) in crate::cell::flips(&text) {
        fs::write(&split.shares[0], flipped).unwrap();
        let error = refused(&split.of(&[1, 2, 3]));
        let kind = error.kind();
        assert!(matches!(kind, VaultErrorKind::Damaged | VaultErrorKind::Failed), "byte {at}: {error}");
    }
    fs::write(&split.shares[0], text).unwrap();
    RecoveryKey::join(&split.of(&[1, 2, 3])).unwrap();
}

#[test]
fn a_key_is_split_into_no_fewer_than_two_and_over_nothing() {
    let split = Split::new();
    let out = split.folder.path().join("none");
    for (needed, count) in [(0, 3), (1, 3), (4, 3), (2, 0)] {
        let error = split.key.split(needed, count, &out, &SystemRng).unwrap_err();
        assert!(matches!(error, VaultError::Shares(_)), "{needed} of {count}: {error}");
    }
    assert!(!out.exists());
    let taken = split.key.split(3, 5, &split.folder.path().join("shares"), &SystemRng).unwrap_err();
    assert!(matches!(taken, VaultError::Exists { .. }), "{taken}");
    RecoveryKey::join(&split.of(&[1, 2, 3])).unwrap();
}
