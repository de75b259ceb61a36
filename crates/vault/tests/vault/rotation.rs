//! New keys in place of old ones.

use std::fs;
use std::sync::Arc;

use domain::{Action, DataKeys as _, KeyError, Operation};
use futures::FutureExt as _;
use vault::{OperatorKey, Passphrase, Secret, Vault, VaultError, sealed_by, wrapped_by};

use crate::cell::{Cell, HOUR, open, other_scopes, passphrase, scope, seal};

fn opened(cell: &Cell) -> Arc<Vault> {
    Arc::new(Vault::open(&cell.home(), &passphrase(), &cell.handles).now_or_never().unwrap().unwrap())
}

async fn alone(cell: &Cell) -> Result<Vault, VaultError> {
    Vault::open_alone(&cell.home(), &passphrase(), &cell.handles).await
}

async fn grant(cell: &Cell, vault: &Arc<Vault>) -> domain::Grant {
    let own = scope("t", "c");
    let operator = vault.sign_in(&OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    operator.grant(&own.tenant, &own.connection, Action::ALL, "test", HOUR).await.unwrap()
}

#[tokio::test]
async fn what_old_keys_have_wrapped_opens_until_they_are_retired_and_what_is_wrapped_anew_for_good() {
    let mut cell = Cell::new(90);
    let own = scope("t", "c");
    let made = cell.data_key(&cell.grant().await).await;
    let text = seal(&*made.key, b"text");
    let token = cell.vault.seal_credential(&own, "token", &Secret::from_text("shpat".into())).await.unwrap();
    let signs = cell.vault.trail_keys().log.public();
    let old_file = fs::read(Vault::path(&cell.home())).unwrap();

    let versions = Vault::rotate(&cell.home(), &passphrase(), &cell.handles).await.unwrap();
    assert_eq!((versions.data.as_slice(), versions.newest()), (&[1, 2][..], (2, 2)));
    let vault = opened(&cell);
    assert_eq!((vault.key_versions(), vault.trail_keys().log.public()), (versions, signs));
    let leave = grant(&cell, &vault).await;
    let old = vault.open(&leave, &own, &made.wrapped).await.unwrap();
    assert_eq!(open(&*old, &text).unwrap(), b"text");
    let new = vault.create(&leave, &own).await.unwrap().wrapped;
    assert_eq!((wrapped_by(&made.wrapped), wrapped_by(&new)), (Ok(1), Ok(2)));

    let wrapped = vault.rewrap(&leave, &own, &made.wrapped).await.unwrap().unwrap();
    assert_eq!((wrapped_by(&wrapped), vault.rewrap(&leave, &own, &wrapped).await), (Ok(2), Ok(None)));
    let sealed = vault.rewrap_credential(&leave, &own, "token", &token).await.unwrap().unwrap();
    assert_eq!((sealed_by(&token), sealed_by(&sealed)), (Ok(1), Ok(2)));
    assert_eq!(vault.rewrap_credential(&leave, &own, "token", &sealed).await, Ok(None));

    // Whoever has a vault open keeps all others from forgetting.
    assert!(matches!(vault.retire(&cell.home(), &passphrase()).await, Err(VaultError::InUse)));
    assert!(matches!(alone(&cell).await, Err(VaultError::InUse)));
    drop(vault);
    // The one that was made first is open too.
    assert!(matches!(alone(&cell).await, Err(VaultError::InUse)));
    cell.vault = Arc::clone(&Cell::new(93).vault);
    let vault = alone(&cell).await.unwrap();
    assert_eq!(vault.retire(&cell.home(), &passphrase()).await.unwrap().data, [2]);
    drop(vault);

    let vault = opened(&cell);
    let leave = grant(&cell, &vault).await;
    let same = vault.open(&leave, &own, &wrapped).await.unwrap();
    assert_eq!((open(&*same, &text).unwrap(), same.id()), (b"text".to_vec(), made.key.id()));
    let secret = vault.open_credential(&leave, &own, "token", &sealed).await.unwrap();
    assert_eq!(secret.expose_secret(), b"shpat");
    assert_eq!(vault.trail_keys().log.public(), signs, "the trail goes on under its keys");
    assert_eq!(vault.open(&leave, &own, &made.wrapped).await.err(), Some(KeyError::DoesNotOpen));
    drop(vault);

    // The file of before opens with the passphrase still, and nothing of what is there now.
    fs::write(Vault::path(&cell.home()), old_file).unwrap();
    let thief = opened(&cell);
    let leave = grant(&cell, &thief).await;
    assert_eq!(thief.open(&leave, &own, &wrapped).await.err(), Some(KeyError::DoesNotOpen));
    let refused = thief.open_credential(&leave, &own, "token", &sealed).await;
    assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
    assert!(
        thief.open(&leave, &own, &made.wrapped).await.is_ok(),
        "a copy of the old wrapping is another matter"
    );
}

#[tokio::test]
async fn nothing_is_wrapped_anew_for_another_place_or_without_leave() {
    let cell = Cell::new(91);
    let own = scope("t", "c");
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    Vault::rotate(&cell.home(), &passphrase(), &cell.handles).await.unwrap();
    let vault = opened(&cell);
    let leave = grant(&cell, &vault).await;
    for other in other_scopes() {
        assert!(vault.rewrap(&leave, &other, &wrapped).await.is_err(), "{other:?}");
    }
    let operator = vault.sign_in(&OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    let reads = operator.grant(&own.tenant, &own.connection, &[Action::Read], "test", HOUR).await.unwrap();
    assert!(matches!(vault.rewrap(&reads, &own, &wrapped).await, Err(KeyError::Refused(_))));
    assert!(vault.rewrap(&leave, &own, &wrapped).await.unwrap().is_some());
    assert_eq!(vault.rewrap(&leave, &own, b"none").await, Err(KeyError::DoesNotOpen));
}

#[tokio::test]
async fn a_rotation_that_is_refused_leaves_the_vault_as_it_was() {
    let cell = Cell::new(92);
    let before = fs::read(Vault::path(&cell.home())).unwrap();
    let wrong = Passphrase::new("another one".into()).unwrap();
    let refused = Vault::rotate(&cell.home(), &wrong, &cell.handles).await;
    assert!(matches!(refused, Err(VaultError::WrongPassphrase { .. })));
    assert_eq!(cell.audit.take().last().unwrap().operation, Operation::VaultRotate);
    assert_eq!(fs::read(Vault::path(&cell.home())).unwrap(), before);
    Vault::rotate(&cell.home(), &passphrase(), &cell.handles).await.unwrap();
    assert_ne!(fs::read(Vault::path(&cell.home())).unwrap(), before);
}
