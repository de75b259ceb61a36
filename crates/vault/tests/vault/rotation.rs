//! New keys in place of old ones.

use std::fs;

use domain::{Action, DataKeys as _, KeyError, Operation};
use vault::{
    Client, OperatorKey, Passphrase, Secret, SignedIn, Vault, VaultError, VaultErrorKind, sealed_by,
    wrapped_by,
};

use crate::cell::{Cell, HOUR, open, opened, other_scopes, passphrase, scope, seal};
use crate::way;

async fn alone(cell: &Cell) -> Result<Client, VaultError> {
    let opened = Vault::open_alone(&cell.home(), &passphrase(), &cell.handles).await;
    opened.map(|vault| way::to(vault, &cell.handles))
}

async fn signed_in(cell: &Cell, vault: &Client) -> SignedIn {
    vault.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.unwrap()
}

async fn grant(cell: &Cell, vault: &Client) -> domain::Grant {
    let own = scope("t", "c");
    let operator = signed_in(cell, vault).await;
    operator.grant(&own, Action::ALL, "test", HOUR).await.unwrap()
}

#[tokio::test]
async fn what_old_keys_have_wrapped_opens_until_they_are_retired_and_what_is_wrapped_anew_for_good() {
    let mut cell = Cell::new(90);
    let own = scope("t", "c");
    let made = cell.data_key(&cell.grant().await).await;
    let text = seal(&*made.key, b"text");
    let token = cell.vault.seal_credential(&own, "token", &Secret::from_text("shpat".into())).await.unwrap();
    let signs = way::newest_signs();
    let old_file = fs::read(Vault::path(&cell.home())).unwrap();

    let before = cell.grant().await;
    let versions = cell.operator().await.rotate(&passphrase()).await.unwrap();
    assert_eq!((versions.data.as_slice(), versions.newest()), (&[1, 2][..], (2, 2)));
    // The one that is open has them, and another one that is opened now. Grants of before hold in both.
    assert_eq!(cell.vault.key_versions().await.unwrap(), versions);
    assert_eq!(wrapped_by(&cell.vault.create(&before, &own).await.unwrap().wrapped), Ok(2));
    let vault = opened(&cell);
    assert!(vault.open(&before, &own, &made.wrapped).await.is_ok());
    assert_eq!(vault.key_versions().await.unwrap(), versions);
    assert_eq!(way::newest_signs(), signs);
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
    let refused = signed_in(&cell, &vault).await.retire(&passphrase()).await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Conflict, "{refused}");
    assert!(matches!(alone(&cell).await, Err(VaultError::InUse)));
    way::end(vault).await;
    // The one that was made first is open too.
    assert!(matches!(alone(&cell).await, Err(VaultError::InUse)));
    way::end(std::mem::replace(&mut cell.vault, Cell::new(93).vault)).await;
    let vault = alone(&cell).await.unwrap();
    assert_eq!(signed_in(&cell, &vault).await.retire(&passphrase()).await.unwrap().data, [2]);
    way::end(vault).await;

    let vault = opened(&cell);
    let leave = grant(&cell, &vault).await;
    assert!(matches!(vault.open(&before, &own, &wrapped).await, Err(KeyError::Refused(_))));
    let same = vault.open(&leave, &own, &wrapped).await.unwrap();
    assert_eq!((open(&*same, &text).unwrap(), same.id()), (b"text".to_vec(), made.key.id()));
    let secret = vault.open_credential(&leave, &own, "token", &sealed).await.unwrap();
    assert_eq!(secret.expose_secret(), b"shpat");
    assert_eq!(way::newest_signs(), signs, "the trail goes on under its keys");
    assert_eq!(vault.open(&leave, &own, &made.wrapped).await.err(), Some(KeyError::DoesNotOpen));
    way::end(vault).await;

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
    cell.operator().await.rotate(&passphrase()).await.unwrap();
    let vault = opened(&cell);
    let leave = grant(&cell, &vault).await;
    for other in other_scopes() {
        assert!(vault.rewrap(&leave, &other, &wrapped).await.is_err(), "{other:?}");
    }
    let operator = signed_in(&cell, &vault).await;
    let reads = operator.grant(&own, &[Action::Read], "test", HOUR).await.unwrap();
    assert!(matches!(vault.rewrap(&reads, &own, &wrapped).await, Err(KeyError::Refused(_))));
    assert!(vault.rewrap(&leave, &own, &wrapped).await.unwrap().is_some());
    assert_eq!(vault.rewrap(&leave, &own, b"none").await, Err(KeyError::DoesNotOpen));
}

#[tokio::test]
async fn a_rotation_that_is_refused_leaves_the_vault_as_it_was() {
    let cell = Cell::new(92);
    let before = fs::read(Vault::path(&cell.home())).unwrap();
    let wrong = Passphrase::new("another one".into()).unwrap();
    let refused = cell.operator().await.rotate(&wrong).await;
    assert_eq!(refused.unwrap_err().kind(), VaultErrorKind::Refused);
    assert_eq!(cell.audit.take().last().unwrap().operation, Operation::VaultRotate);
    assert_eq!(fs::read(Vault::path(&cell.home())).unwrap(), before);
    cell.operator().await.rotate(&passphrase()).await.unwrap();
    assert_ne!(fs::read(Vault::path(&cell.home())).unwrap(), before);
}
