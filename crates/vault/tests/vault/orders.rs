//! Standing orders: work goes on when its grant has ended, for what was ordered and no longer than that.

use std::fs;
use std::time::Duration;

use domain::{Action, DataKeys as _, KeyError, Operation, Outcome, Scope};
use vault::{ORDER_TTL_MAX, ORDERED, ORDERED_GRANT_TTL, Secret, VaultErrorKind};

use crate::cell::{Cell, HOUR, other_scopes, passphrase, scope};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn work_outlasts_its_grant_while_its_order_stands() {
    let cell = Cell::new(130);
    let own = scope("t", "c");
    let operator = cell.operator().await;
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    let token = cell.vault.seal_credential(&own, "token", &Secret::from_text("shpat".into())).await.unwrap();
    let grant = cell.grant_for(&own, &[Action::Backup, Action::Read], ORDERED_GRANT_TTL).await;
    let order = operator.order(&own, &[Action::Backup], "backup", DAY).await.unwrap();
    let working = cell.vault.on_orders(vec![order.clone()]);
    cell.audit.take();
    for hour in 0..20 {
        working.open(&grant, &own, &wrapped).await.unwrap();
        working.open_credential(&grant, &own, "token", &token).await.unwrap();
        let ended = cell.vault.open(&grant, &own, &wrapped).await;
        assert_eq!(ended.is_err(), hour > 0, "without the order it ends");
        cell.clock.advance(HOUR);
    }
    let renewed = cell.audit.take().into_iter().filter(|event| event.operation == Operation::OrderRenew);
    let renewed: Vec<_> = renewed.map(|event| (event.outcome, event.principal.0)).collect();
    assert_eq!(renewed, vec![(Outcome::Done, "cell-operator".to_owned()); 19]);
    // Another connection's keys are as far away as ever.
    for other in other_scopes() {
        assert!(working.open(&grant, &other, &wrapped).await.is_err(), "{other:?}");
    }
    // Its time is over.
    cell.clock.advance(DAY);
    assert!(matches!(working.open(&grant, &own, &wrapped).await, Err(KeyError::Refused(_))));
    assert_eq!(cell.vault.orders().await.unwrap(), []);
}

#[tokio::test]
async fn an_order_that_was_ended_gives_nothing_more() {
    let cell = Cell::new(131);
    let own = scope("t", "c");
    let operator = cell.operator().await;
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    let grant = cell.grant_for(&own, &[Action::Backup], ORDERED_GRANT_TTL).await;
    let order = operator.order(&own, &[Action::Backup], "backup", DAY).await.unwrap();
    assert_eq!(cell.vault.orders().await.unwrap(), std::slice::from_ref(&order));
    // What was given on it ends within the hour.
    let working = cell.vault.on_orders(vec![order.clone()]);
    cell.clock.advance(HOUR);
    working.open(&grant, &own, &wrapped).await.unwrap();
    assert_eq!(operator.end_order(order.id).await.unwrap(), order);
    assert_eq!(cell.vault.orders().await.unwrap(), []);
    assert_eq!(operator.end_order(order.id).await.unwrap_err().kind(), VaultErrorKind::NotFound);
    working.open(&grant, &own, &wrapped).await.unwrap();
    cell.clock.advance(HOUR);
    assert!(matches!(working.open(&grant, &own, &wrapped).await, Err(KeyError::Refused(_))));
    let refused = cell
        .audit
        .take()
        .into_iter()
        .find(|event| event.operation == Operation::OrderRenew && event.outcome == Outcome::Refused);
    assert_eq!(refused.unwrap().principal.0, "unproven");
}

#[tokio::test]
async fn nobody_orders_what_takes_records_out() {
    let cell = Cell::new(132);
    let (own, operator) = (scope("t", "c"), cell.operator().await);
    for action in Action::ALL {
        let given = operator.order(&own, &[*action], "test", DAY).await;
        assert_eq!(given.is_ok(), ORDERED.contains(action), "{action}");
        let with = operator.order(&own, &[Action::Backup, *action], "test", DAY).await;
        assert_eq!(with.is_ok(), ORDERED.contains(action), "{action}");
    }
    for reads in [Action::Read, Action::Export, Action::Connect, Action::Erase] {
        assert!(!ORDERED.contains(&reads));
    }
    // Into a store of the cell it is got, and nothing else.
    let store = Scope::of_store(&own.region, "object-store").unwrap();
    for action in Action::ALL {
        let given = operator.order(&store, &[*action], "test", DAY).await;
        assert_eq!(given.is_ok(), *action == Action::Connect, "{action}");
    }
    let refused =
        async |actions: &[Action], ttl| operator.order(&own, actions, "test", ttl).await.unwrap_err().kind();
    assert_eq!(refused(&[], DAY).await, VaultErrorKind::Refused);
    assert_eq!(refused(&[Action::Backup], Duration::ZERO).await, VaultErrorKind::Refused);
    assert_eq!(refused(&[Action::Backup], ORDER_TTL_MAX + DAY).await, VaultErrorKind::Refused);
    assert!(operator.order(&own, &[Action::Backup], "test", ORDER_TTL_MAX).await.is_ok());
}

#[tokio::test]
async fn a_list_of_orders_that_somebody_put_back_or_changed_gives_nothing() {
    let mut cell = Cell::new(133);
    let own = scope("t", "c");
    let operator = cell.operator().await;
    let order = operator.order(&own, &[Action::Backup], "backup", DAY).await.unwrap();
    let list = cell.home().join("vault/orders.json");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace("backup", "verify")).unwrap();
    let refused = cell.vault.orders().await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Damaged, "{refused}");
    fs::write(&list, &text).unwrap();
    assert_eq!(cell.vault.orders().await.unwrap(), [order]);
    // A vault that has retired its older keys believes none of before, also where it is put back.
    operator.rotate(&passphrase()).await.unwrap();
    drop(operator);
    crate::way::end(std::mem::replace(&mut cell.vault, Cell::new(134).vault)).await;
    let vault = vault::Vault::open_alone(&cell.home(), &passphrase(), &cell.handles).await.unwrap();
    let client = vault::Client::of(vault.into());
    let operator = client.sign_in(vault::OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    operator.retire(&passphrase()).await.unwrap();
    drop((client, operator));
    let client = crate::cell::opened(&cell);
    assert_eq!(client.orders().await.unwrap(), []);
    fs::write(&list, &text).unwrap();
    assert_eq!(client.orders().await.unwrap(), []);
    let operator = client.sign_in(vault::OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    let order = operator.order(&own, &[Action::Backup], "backup", DAY).await.unwrap();
    assert_eq!(client.orders().await.unwrap(), [order], "and it is in nobody's way");
}
