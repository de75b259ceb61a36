//! The vault's file, the operator key and the recovery key, whole and otherwise.

use futures::FutureExt as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aws_lc_rs::digest;
use vault::{
    Argon2Cost, InitSettings, OperatorKey, Passphrase, RecoveryKey, RecoverySetting, Vault, VaultError,
    VaultErrorKind,
};

use crate::cell::{Cell, flips, handles, passphrase};

fn open(cell: &Cell) -> Result<Vault, VaultError> {
    Vault::open(&cell.home(), &passphrase(), &cell.handles).now_or_never().unwrap()
}

/// Puts a text in place of another, and the right checksum with it: what someone would do, not what chance does.
fn forge(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    let sum_at = text.rfind("\"checksum\": \"").unwrap() + 13;
    let unsummed = format!("{}\"\n}}\n", &text[..sum_at]).replace(from, to);
    let sum: String = digest::digest(&digest::SHA256, unsummed.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    fs::write(path, format!("{}{sum}\"\n}}\n", &unsummed[..unsummed.len() - 4])).unwrap();
}

#[test]
fn a_vault_opens_again_with_its_passphrase() {
    let cell = Cell::new(1);
    open(&cell).unwrap();
    for path in [Vault::path(&cell.home()), OperatorKey::path(&cell.home()), cell.recovery_file()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn each_way_not_to_open_has_its_own_error() {
    let cell = Cell::new(2);
    let path = Vault::path(&cell.home());
    let kept = fs::read(&path).unwrap();

    let wrong = Passphrase::new("another".into()).unwrap();
    let error = Vault::open(&cell.home(), &wrong, &cell.handles).now_or_never().unwrap().err().unwrap();
    assert!(matches!(error, VaultError::WrongPassphrase { .. }), "{error}");
    assert_eq!(error.kind(), VaultErrorKind::Refused);

    let error = Vault::open(&cell.home().join("elsewhere"), &passphrase(), &cell.handles)
        .now_or_never()
        .unwrap()
        .err()
        .unwrap();
    assert!(matches!(error, VaultError::Missing { .. }), "{error}");

    fs::write(&path, &kept[..kept.len() / 2]).unwrap();
    let error = open(&cell).err().unwrap();
    assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
    assert_eq!(error.kind(), VaultErrorKind::Damaged);

    for (from, to) in [("\"memory_kib\": 65536", "\"memory_kib\": 65535"), ("\"passes\": 3", "\"passes\": 2")]
    {
        fs::write(&path, &kept).unwrap();
        forge(&path, from, to);
        let error = open(&cell).err().unwrap();
        assert!(matches!(error, VaultError::WeakParameters { .. }), "{error}");
    }

    fs::write(&path, &kept).unwrap();
    forge(&path, "caretaker-vault-1", "caretaker-vault-2");
    let error = open(&cell).err().unwrap();
    assert!(matches!(error, VaultError::UnknownFormat { .. }), "{error}");

    fs::write(&path, &kept).unwrap();
    open(&cell).unwrap();
}

#[test]
fn a_flip_of_any_byte_of_a_key_file_is_noticed() {
    let cell = Cell::new(3);
    let path = Vault::path(&cell.home());
    let kept = fs::read(&path).unwrap();
    for (at, flipped) in flips(&kept) {
        fs::write(&path, &flipped).unwrap();
        let error = open(&cell).err().unwrap_or_else(|| panic!("byte {at}"));
        assert!(
            matches!(error, VaultError::Damaged { .. } | VaultError::UnknownFormat { .. }),
            "{at}: {error}"
        );
    }
    fs::write(&path, &kept).unwrap();
    open(&cell).unwrap();

    let path = OperatorKey::path(&cell.home());
    let kept = fs::read(&path).unwrap();
    for (at, flipped) in flips(&kept) {
        fs::write(&path, &flipped).unwrap();
        assert!(OperatorKey::read(&cell.home()).is_err(), "byte {at}");
    }
    fs::write(&path, &kept).unwrap();
    OperatorKey::read(&cell.home()).unwrap();

    let path = cell.recovery_file();
    let kept = fs::read(&path).unwrap();
    for (at, flipped) in flips(&kept) {
        fs::write(&path, &flipped).unwrap();
        assert!(RecoveryKey::read(&path, None).is_err(), "byte {at}");
    }
    fs::write(&path, &kept).unwrap();
    RecoveryKey::read(&path, None).unwrap();
}

#[test]
fn a_file_that_someone_changed_with_its_checksum_is_refused() {
    let cell = Cell::new(4);
    let path = Vault::path(&cell.home());
    let kept = fs::read(&path).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let text = |pointer: &str| document.pointer(pointer).unwrap().as_str().unwrap();

    // Another recovery key, another operator, a key of one hierarchy in the other's place.
    let changes = [
        (text("/recipients/0/public"), "11".repeat(32)),
        (text("/operator"), "22".repeat(32)),
        (text("/data/0/sealed"), text("/credentials/0/sealed").to_owned()),
        (text("/created_at"), "2020-01-01T00:00:00Z".to_owned()),
    ];
    for (from, to) in changes {
        fs::write(&path, &kept).unwrap();
        forge(&path, from, &to);
        let error = open(&cell).err().unwrap();
        assert!(error.to_string().contains("someone changed it"), "{from}: {error}");
    }

    // The control: the same forging without a change is accepted.
    fs::write(&path, &kept).unwrap();
    forge(&path, text("/operator"), text("/operator"));
    assert_eq!(fs::read(&path).unwrap(), kept);
    open(&cell).unwrap();
}

#[test]
fn nothing_is_written_over() {
    let (_, _, handles) = handles(5);
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("cell");
    let recovery = dir.path().join("recovery.key");
    let init = |cost| {
        let recovery = RecoverySetting::New { file: &recovery, passphrase: None };
        Vault::init(&home, &passphrase(), InitSettings { recovery, recipients: vec![], cost }, &handles)
            .now_or_never()
            .unwrap()
    };

    // Too little work is refused, and leaves the place as if nothing had been tried.
    let weak = Argon2Cost { memory_kib: 1024, ..Argon2Cost::default() };
    assert!(matches!(init(weak), Err(VaultError::WeakParameters { .. })));
    assert!(!recovery.exists() && !OperatorKey::path(&home).exists());

    // A recovery key that is there stays.
    fs::write(&recovery, "someone's key").unwrap();
    assert!(matches!(init(Argon2Cost::default()), Err(VaultError::Exists { .. })));
    assert_eq!(fs::read_to_string(&recovery).unwrap(), "someone's key");
    fs::remove_file(&recovery).unwrap();

    init(Argon2Cost::default()).unwrap();
    let kept = fs::read(Vault::path(&home)).unwrap();
    fs::remove_file(&recovery).unwrap();
    assert!(matches!(init(Argon2Cost::default()), Err(VaultError::Exists { .. })));
    assert_eq!(fs::read(Vault::path(&home)).unwrap(), kept);
}

#[test]
fn an_operator_key_that_others_can_read_is_refused() {
    let cell = Cell::new(6);
    OperatorKey::read(&cell.home()).unwrap();
    fs::set_permissions(OperatorKey::path(&cell.home()), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(OperatorKey::read(&cell.home()), Err(VaultError::Unusable { .. })));
    fs::remove_file(OperatorKey::path(&cell.home())).unwrap();
    assert!(matches!(OperatorKey::read(&cell.home()), Err(VaultError::Missing { .. })));
}

#[test]
fn opening_a_vault_is_recorded_also_when_it_fails() {
    let cell = Cell::new(7);
    assert_eq!(cell.audit.take().last().unwrap().operation, domain::Operation::VaultInit);
    let wrong = Passphrase::new("another".into()).unwrap();
    assert!(Vault::open(&cell.home(), &wrong, &cell.handles).now_or_never().unwrap().is_err());
    let event = cell.audit.take().pop().unwrap();
    assert_eq!((event.operation, event.outcome), (domain::Operation::VaultOpen, domain::Outcome::Refused));

    cell.audit.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(open(&cell), Err(VaultError::Audit(_))));
    cell.audit.failing.store(false, std::sync::atomic::Ordering::SeqCst);
    open(&cell).unwrap();
}
