//! Hosts: who gets in, once, and who stays in.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{Id128, Operation, Outcome, Role, SigningKey as _};
use vault::{Client, HostKey, INVITATION_TTL_MAX, OperatorKey, SignedIn, Vault, VaultError, VaultErrorKind};

use crate::cell::{Cell, HOUR, passphrase};
use crate::doubles::SeededRng;

fn worker() -> Role {
    "worker/shopify".parse().unwrap()
}

async fn opened(cell: &Cell) -> (Arc<Vault>, SignedIn) {
    let vault = Arc::new(Vault::open(&cell.home(), &passphrase(), &cell.handles).await.unwrap());
    let operator = Client::of(Arc::clone(&vault)).sign_in(OperatorKey::read(&cell.home()).unwrap()).await;
    (vault, operator.unwrap())
}

fn list(cell: &Cell) -> PathBuf {
    cell.home().join("vault/hosts.json")
}

#[tokio::test]
async fn a_host_joins_by_an_invitation_and_is_known_by_its_key_until_it_is_taken_out() {
    let cell = Cell::new(120);
    let (vault, operator) = opened(&cell).await;
    let secret = operator.invite_host(&worker(), HOUR).await.unwrap();
    assert!(matches!(vault.join_host(b"another", [1; 32]).await, Err(VaultError::Invitation)));
    let host = vault.join_host(secret.expose_secret(), [1; 32]).await.unwrap();
    assert_eq!(host.role, "worker/shopify");
    let again = vault.join_host(secret.expose_secret(), [2; 32]).await;
    assert!(matches!(again, Err(VaultError::Invitation)), "it is good once");

    assert_eq!(vault.host_of([1; 32]).await.unwrap(), host);
    assert!(matches!(vault.host_of([2; 32]).await, Err(VaultError::UnknownHost)));
    let refused = cell.audit.take().into_iter().filter(|event| event.outcome == Outcome::Refused);
    let refused: Vec<_> = refused.map(|event| (event.operation, event.principal.0)).collect();
    let unproven = |operation| (operation, "unproven".to_owned());
    assert_eq!(
        refused,
        [unproven(Operation::HostJoin), unproven(Operation::HostJoin), unproven(Operation::CertificateIssue)]
    );
    // A vault that is opened later knows it too, also after a rotation, and no invitation of before.
    let waiting = operator.invite_host(&worker(), HOUR).await.unwrap();
    operator.rotate(&passphrase()).await.unwrap();
    let (later, operator) = opened(&cell).await;
    assert_eq!(later.host_of([1; 32]).await.unwrap(), host);
    assert!(matches!(later.join_host(waiting.expose_secret(), [3; 32]).await, Err(VaultError::Invitation)));

    let client = Client::of(Arc::clone(&later));
    assert_eq!(client.hosts().await.unwrap(), std::slice::from_ref(&host));
    let refused = operator.remove_host(Id128([9; 16])).await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::NotFound);
    assert_eq!(operator.remove_host(host.id).await.unwrap(), host);
    assert_eq!(client.hosts().await.unwrap(), []);
    for vault in [&vault, &later] {
        assert!(matches!(vault.host_of([1; 32]).await, Err(VaultError::UnknownHost)));
    }
}

#[tokio::test]
async fn an_invitation_ends_and_is_for_workers_for_a_while() {
    let cell = Cell::new(121);
    let (vault, operator) = opened(&cell).await;
    let late = operator.invite_host(&worker(), HOUR).await.unwrap();
    cell.clock.advance(HOUR);
    assert!(matches!(vault.join_host(late.expose_secret(), [1; 32]).await, Err(VaultError::Invitation)));
    for (role, ttl) in [
        (Role::Vault, HOUR),
        (Role::Command, HOUR),
        (Role::Certifier, HOUR),
        (worker(), Duration::ZERO),
        (worker(), INVITATION_TTL_MAX + Duration::from_secs(1)),
    ] {
        let refused = operator.invite_host(&role, ttl).await.err().unwrap();
        assert_eq!(refused.kind(), VaultErrorKind::Usage, "{role} {ttl:?}");
    }
    assert!(operator.invite_host(&Role::Server, HOUR).await.is_ok());
    assert!(operator.invite_host(&worker(), INVITATION_TTL_MAX).await.is_ok());
}

#[tokio::test]
async fn a_list_of_hosts_that_somebody_wrote_counts_for_nothing() {
    let cell = Cell::new(122);
    let (vault, operator) = opened(&cell).await;
    for key in [1, 2] {
        let secret = operator.invite_host(&worker(), HOUR).await.unwrap();
        vault.join_host(secret.expose_secret(), [key; 32]).await.unwrap();
    }
    let text = fs::read_to_string(list(&cell)).unwrap();
    // Another key in the place of one, with the checksum that fits: what is written there, anybody can compute.
    let forged = text.replace(&"01".repeat(32), &"03".repeat(32));
    assert_ne!(forged, text);
    fs::write(list(&cell), with_its_checksum(&forged)).unwrap();
    for key in [1, 2, 3] {
        let refused = vault.host_of([key; 32]).await.unwrap_err();
        assert_eq!(refused.kind(), VaultErrorKind::Damaged, "{refused}");
    }
    fs::write(list(&cell), with_its_checksum(&text)).unwrap();
    assert!(vault.host_of([1; 32]).await.is_ok(), "the same without a change");
    // That of another vault.
    let other = Cell::new(123);
    let (foreign, foreign_operator) = opened(&other).await;
    fs::copy(list(&cell), list(&other)).unwrap();
    assert!(matches!(foreign.host_of([1; 32]).await, Err(VaultError::UnknownHost)));
    // Also where it says that it is by that one's key.
    let by = |text: &str| {
        let at = text.find("\"by\": \"").unwrap() + "\"by\": \"".len();
        text[at..at + 16].to_owned()
    };
    let secret = foreign_operator.invite_host(&worker(), HOUR).await.unwrap();
    foreign.join_host(secret.expose_secret(), [9; 32]).await.unwrap();
    let theirs = fs::read_to_string(list(&other)).unwrap();
    fs::write(list(&other), with_its_checksum(&text.replace(&by(&text), &by(&theirs)))).unwrap();
    assert_eq!(foreign.host_of([1; 32]).await.unwrap_err().kind(), VaultErrorKind::Damaged);
}

/// A document with the checksum that its text has: SHA-256 of it with an empty one.
fn with_its_checksum(text: &str) -> String {
    let at = text.find("\"checksum\": \"").unwrap() + "\"checksum\": \"".len();
    let end = at + text[at..].find('"').unwrap();
    let empty = format!("{}{}", &text[..at], &text[end..]);
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, empty.as_bytes());
    let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{sum}{}", &text[..at], &text[end..])
}

#[tokio::test]
async fn a_vault_that_retires_its_older_keys_knows_no_host_any_more() {
    let mut cell = Cell::new(124);
    crate::way::end(std::mem::replace(&mut cell.vault, Cell::new(125).vault)).await;
    let vault = Arc::new(Vault::open_alone(&cell.home(), &passphrase(), &cell.handles).await.unwrap());
    let operator =
        Client::of(Arc::clone(&vault)).sign_in(OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    let secret = operator.invite_host(&worker(), HOUR).await.unwrap();
    vault.join_host(secret.expose_secret(), [1; 32]).await.unwrap();
    operator.rotate(&passphrase()).await.unwrap();
    operator.retire(&passphrase()).await.unwrap();
    drop((vault, operator));
    let (vault, _) = opened(&cell).await;
    assert!(matches!(vault.host_of([1; 32]).await, Err(VaultError::UnknownHost)));
    assert!(!list(&cell).exists());
}

#[test]
fn a_hosts_key_is_its_owners_and_made_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, rng) = (folder.path().join("host/host.key"), SeededRng::new(1));
    let made = HostKey::create(&path, &rng).unwrap();
    assert_eq!(HostKey::read(&path).unwrap().public(), made.public());
    assert!(matches!(HostKey::create(&path, &rng), Err(VaultError::Exists { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(HostKey::read(&path).is_err(), "others can read it");
    // An operator's key is none.
    let cell = Cell::new(126);
    assert!(HostKey::read(&OperatorKey::path(&cell.home())).is_err());
}
