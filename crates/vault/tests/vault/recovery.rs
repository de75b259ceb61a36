//! The recovery key opens every data key, makes none, and opens no credential.

use futures::FutureExt as _;
use std::fs;

use domain::{Action, DataKeys, KeyError};
use vault::{
    Argon2Cost, InitSettings, Passphrase, RecipientOwner, RecoveryKey, RecoveryKeys, RecoverySetting, Secret,
    Vault, VaultError,
};

use crate::cell::{Cell, HOUR, flips, handles, open, other_scopes, passphrase, scope, seal};
use crate::way;

fn recovery(cell: &Cell) -> RecoveryKeys {
    RecoveryKeys::new(RecoveryKey::read(&cell.recovery_file(), None).unwrap(), &cell.handles).unwrap()
}

#[tokio::test]
async fn it_opens_data_keys_without_the_vault() {
    let cell = Cell::new(80);
    let own = scope("t", "c");
    let made = cell.data_key(&cell.grant().await).await;
    let sealed = seal(&*made.key, b"text");
    fs::remove_dir_all(cell.home()).unwrap();

    let keys = recovery(&cell);
    let grant = keys.grant(&own, HOUR);
    let opened = keys.open(&grant, &own, &made.wrapped).await.unwrap();
    assert_eq!(open(&*opened, &sealed).unwrap(), b"text");
    assert_eq!(opened.id(), made.key.id());
    cell.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(opened.keyed_hash(domain::HashPurpose::Content).err(), Some(KeyError::Expired));
}

#[tokio::test]
async fn it_refuses_what_was_changed_or_moved() {
    let cell = Cell::new(81);
    let own = scope("t", "c");
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    let keys = recovery(&cell);
    let grant = keys.grant(&own, HOUR);
    for (at, flipped) in flips(&wrapped) {
        assert!(keys.open(&grant, &own, &flipped).await.is_err(), "byte {at}");
    }
    for other in other_scopes() {
        let grant = keys.grant(&other, HOUR);
        let mut document: serde_json::Value = serde_json::from_slice(&wrapped).unwrap();
        document["scope"] = serde_json::to_value(&other).unwrap();
        for moved in [wrapped.clone(), serde_json::to_vec(&document).unwrap()] {
            assert_eq!(keys.open(&grant, &other, &moved).await.err(), Some(KeyError::DoesNotOpen));
        }
    }
    keys.open(&grant, &own, &wrapped).await.unwrap();
}

#[tokio::test]
async fn it_makes_no_key_and_its_grants_are_worth_nothing_to_the_vault() {
    let cell = Cell::new(82);
    let own = scope("t", "c");
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    let keys = recovery(&cell);
    let grant = keys.grant(&own, HOUR);
    assert!(matches!(keys.create(&grant, &own).await, Err(KeyError::Refused(_))));
    assert!(matches!(cell.vault.open(&grant, &own, &wrapped).await, Err(KeyError::Refused(_))));
    // Nor are the vault's worth anything here, and a changed one is refused.
    assert!(matches!(keys.open(&cell.grant().await, &own, &wrapped).await, Err(KeyError::Refused(_))));
    let mut longer = grant.clone();
    longer.actions = Action::ALL.to_vec();
    assert!(matches!(keys.open(&longer, &own, &wrapped).await, Err(KeyError::Refused(_))));
    keys.open(&grant, &own, &wrapped).await.unwrap();
}

#[tokio::test]
async fn it_opens_no_credential() {
    // A cell that is set up again from the recovery key has everything that the key opens, and the catalog.
    let lost = Cell::new(83);
    let own = scope("t", "c");
    let old = lost.data_key(&lost.grant().await).await;
    let sealed_text = seal(&*old.key, b"text");
    let token = lost.vault.seal_credential(&own, "token", &Secret::new(b"token".to_vec())).await.unwrap();
    let key = RecoveryKey::read(&lost.recovery_file(), None).unwrap();

    let (_, _, handles) = handles(84);
    let dir = tempfile::tempdir().unwrap();
    let settings = InitSettings {
        recovery: RecoverySetting::Known(key.recipient().clone()),
        recipients: vec![],
        cost: Argon2Cost::default(),
    };
    let made = Vault::init(dir.path(), &passphrase(), settings, &handles).now_or_never().unwrap();
    let vault = way::to(made.unwrap(), &handles);
    let operator = vault.sign_in(vault::OperatorKey::read(dir.path()).unwrap()).await.unwrap();
    let grant = operator.grant(&own, Action::ALL, "test", HOUR).await.unwrap();

    let adopted = vault.adopt(&grant, &own, &old.wrapped, &key).await.unwrap();
    let opened = vault.open(&grant, &own, &adopted).await.unwrap();
    assert_eq!(opened.id(), old.key.id());
    assert_eq!(open(&*opened, &sealed_text).unwrap(), b"text");
    // The old wrapping still needs the recovery key, and the new one opens by it too.
    assert_eq!(vault.open(&grant, &own, &old.wrapped).await.err(), Some(KeyError::DoesNotOpen));
    let keys = recovery(&lost);
    let offline = keys.grant(&own, HOUR);
    keys.open(&offline, &own, &adopted).await.unwrap();

    let refused = vault.open_credential(&grant, &own, "token", &token).await;
    assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
    let again = vault.seal_credential(&own, "token", &Secret::new(b"token".to_vec())).await.unwrap();
    vault.open_credential(&grant, &own, "token", &again).await.unwrap();
}

#[tokio::test]
async fn a_tenants_own_recovery_key_opens_that_tenants_keys_alone() {
    let (_, _, handles) = handles(85);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tenant.key");
    let owner = RecipientOwner::Tenant("t".parse().unwrap());
    let recipient = RecoveryKey::create(&file, None, owner, &*handles.rng).unwrap();
    let cell = Cell::with_recipients(86, vec![recipient.clone()]);
    assert_eq!(cell.recipients, 2);

    let tenants = RecoveryKeys::new(RecoveryKey::read(&file, None).unwrap(), &cell.handles).unwrap();
    let cells = recovery(&cell);
    for (scope, opens) in [(scope("t", "c"), true), (scope("t2", "c"), false)] {
        let grant = cell.grant_for(&scope, Action::ALL, HOUR).await;
        let wrapped = cell.vault.create(&grant, &scope).await.unwrap().wrapped;
        for (keys, opens) in [(&tenants, opens), (&cells, true)] {
            let grant = keys.grant(&scope, HOUR);
            assert_eq!(keys.open(&grant, &scope, &wrapped).await.is_ok(), opens, "{scope:?}");
        }
    }

    // The same key twice is a mistake.
    let settings = InitSettings {
        recovery: RecoverySetting::Known(recipient.clone()),
        recipients: vec![recipient],
        cost: Argon2Cost::default(),
    };
    let twice =
        Vault::init(&dir.path().join("cell"), &passphrase(), settings, &handles).now_or_never().unwrap();
    assert!(matches!(twice, Err(VaultError::Recipient(_))));
}

#[test]
fn a_sealed_recovery_key_needs_its_passphrase() {
    let (_, _, handles) = handles(87);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recovery.key");
    let right = Passphrase::new("kept in the safe".into()).unwrap();
    let recipient = RecoveryKey::create(&file, Some(&right), RecipientOwner::Cell, &*handles.rng).unwrap();
    assert!(matches!(RecoveryKey::read(&file, None), Err(VaultError::PassphraseNeeded { .. })));
    let wrong = Passphrase::new("kept elsewhere".into()).unwrap();
    assert!(matches!(RecoveryKey::read(&file, Some(&wrong)), Err(VaultError::WrongPassphrase { .. })));
    let read = RecoveryKey::read(&file, Some(&right)).unwrap();
    assert!(read.recipient() == &recipient);
    assert!(!fs::read_to_string(&file).unwrap().contains("clear"));
}
