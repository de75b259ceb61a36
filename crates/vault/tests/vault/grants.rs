//! Grants: who gets one, and what a changed one is worth.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Action, DataKeys, Grant, GrantId, KeyError, Outcome, Principal};
use vault::{GRANT_TTL_MAX, OperatorKey, VaultErrorKind};

use crate::cell::{Cell, HOUR, other_scopes, scope};

#[tokio::test]
async fn only_this_vaults_operator_key_signs_in() {
    let (own, other) = (Cell::new(20), Cell::new(21));
    own.audit.take();
    let refused = own.vault.sign_in(OperatorKey::read(&other.home()).unwrap()).await;
    assert_eq!(refused.err().unwrap().kind(), VaultErrorKind::Refused);
    let event = own.audit.take().pop().unwrap();
    assert_eq!((event.operation, event.outcome), (domain::Operation::SignIn, Outcome::Refused));

    let operator = own.operator().await;
    assert_eq!(operator.principal().0, vault::CELL_OPERATOR);
    assert_eq!(own.audit.take().pop().unwrap().outcome, Outcome::Done);
}

#[tokio::test]
async fn a_grant_with_any_field_changed_opens_nothing() {
    let cell = Cell::new(22);
    let scope = scope("t", "c");
    let grant = cell.grant_for(&scope, &[Action::Backup], HOUR).await;
    let wrapped = cell.data_key(&grant).await.wrapped;

    type Change = (&'static str, fn(&mut Grant));
    let changes: [Change; 11] = [
        ("id", |grant| grant.id = GrantId::from(domain::Id128([1; 16]))),
        ("principal", |grant| grant.principal = Principal("someone".into())),
        ("tenant", |grant| grant.scope.tenant = "t2".parse().unwrap()),
        ("region", |grant| grant.scope.region = "us-2".parse().unwrap()),
        ("platform", |grant| grant.scope.platform = "jsonl".parse().unwrap()),
        ("connection", |grant| grant.scope.connection = "c2".parse().unwrap()),
        ("actions", |grant| grant.actions.push(Action::Restore)),
        ("no action", |grant| grant.actions.clear()),
        ("purpose", |grant| grant.purpose.push('x')),
        ("expires_at", |grant| grant.expires_at = grant.expires_at.checked_add(HOUR).unwrap()),
        ("seal", |grant| grant.seal[31] ^= 1),
    ];
    for (field, change) in changes {
        let mut forged = grant.clone();
        change(&mut forged);
        let asked = *forged.scope.clone();
        cell.audit.take();
        assert!(
            matches!(cell.vault.open(&forged, &asked, &wrapped).await, Err(KeyError::Refused(_))),
            "{field}"
        );
        assert!(matches!(cell.vault.create(&forged, &asked).await, Err(KeyError::Refused(_))), "{field}");
        let sealed = cell.vault.seal_credential(&asked, "token", &vault::Secret::new(vec![1])).await.unwrap();
        let refused = cell.vault.open_credential(&forged, &asked, "token", &sealed).await;
        assert!(matches!(refused, Err(KeyError::Refused(_))), "{field}");
        for event in
            cell.audit.take().iter().filter(|event| event.operation != domain::Operation::CredentialSeal)
        {
            // Whom a forged grant names has not asked.
            assert_eq!(
                (event.outcome, event.principal.0.as_str()),
                (Outcome::Refused, "unproven"),
                "{field}"
            );
        }
    }
    cell.vault.open(&grant, &scope, &wrapped).await.unwrap();
    assert_eq!(cell.audit.take().pop().unwrap().principal.0, vault::CELL_OPERATOR);
}

#[tokio::test]
async fn a_grant_of_another_vault_opens_nothing() {
    let (own, other) = (Cell::new(23), Cell::new(24));
    let wrapped = own.data_key(&own.grant().await).await.wrapped;
    let foreign = other.grant().await;
    assert!(matches!(own.vault.open(&foreign, &scope("t", "c"), &wrapped).await, Err(KeyError::Refused(_))));
}

#[tokio::test]
async fn a_grant_serves_its_connection_its_actions_and_its_time() {
    let cell = Cell::new(25);
    let own = scope("t", "c");
    let grant = cell.grant_for(&own, &[Action::Read], HOUR).await;
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    cell.vault.open(&grant, &own, &wrapped).await.unwrap();

    // A reader makes no key and opens no credential.
    assert!(matches!(cell.vault.create(&grant, &own).await, Err(KeyError::Refused(_))));
    let sealed = cell.vault.seal_credential(&own, "token", &vault::Secret::new(vec![1])).await.unwrap();
    let refused = cell.vault.open_credential(&grant, &own, "token", &sealed).await;
    assert!(matches!(refused, Err(KeyError::Refused(_))));

    for other in other_scopes() {
        assert!(cell.vault.open(&grant, &other, &wrapped).await.is_err(), "{other:?}");
    }

    cell.clock.advance(HOUR - Duration::from_secs(1));
    cell.vault.open(&grant, &own, &wrapped).await.unwrap();
    cell.clock.advance(Duration::from_secs(1));
    assert!(matches!(cell.vault.open(&grant, &own, &wrapped).await, Err(KeyError::Refused(_))));
}

#[tokio::test]
async fn grants_name_an_action_and_end() {
    let cell = Cell::new(26);
    let operator = cell.operator().await;
    let own = scope("t", "c");
    let ask = async |actions: &[Action], ttl| operator.grant(&own, actions, "test", ttl).await.is_ok();
    assert!(ask(&[Action::Read], GRANT_TTL_MAX).await);
    assert!(!ask(&[Action::Read], GRANT_TTL_MAX + Duration::from_secs(1)).await);
    assert!(!ask(&[], HOUR).await);
}

#[tokio::test]
async fn without_a_record_there_is_no_answer() {
    let cell = Cell::new(27);
    let own = scope("t", "c");
    let grant = cell.grant().await;
    let wrapped = cell.data_key(&grant).await.wrapped;
    let secret = vault::Secret::new(b"token".to_vec());
    let sealed = cell.vault.seal_credential(&own, "token", &secret).await.unwrap();
    let operator = cell.operator().await;
    let key = || OperatorKey::read(&cell.home()).unwrap();

    let answers = async || {
        [
            cell.vault.open(&grant, &own, &wrapped).await.is_ok(),
            cell.vault.create(&grant, &own).await.is_ok(),
            cell.vault.create_next(&grant, &own, &wrapped).await.is_ok(),
            cell.vault.open_credential(&grant, &own, "token", &sealed).await.is_ok(),
            cell.vault.seal_credential(&own, "token", &secret).await.is_ok(),
            cell.vault.sign_in(key()).await.is_ok(),
            operator.grant(&own, &[Action::Read], "test", HOUR).await.is_ok(),
        ]
    };
    cell.audit.failing.store(true, Ordering::SeqCst);
    assert_eq!(answers().await, [false; 7]);
    cell.audit.failing.store(false, Ordering::SeqCst);
    cell.audit.take();
    assert_eq!(answers().await, [true; 7]);
    let operations: Vec<_> = cell.audit.take().iter().map(|event| event.operation.as_str()).collect();
    assert_eq!(
        operations,
        [
            "data_key.open",
            "data_key.create",
            "data_key.create_next",
            "credential.open",
            "credential.seal",
            "sign_in",
            "grant.give"
        ]
    );
}
