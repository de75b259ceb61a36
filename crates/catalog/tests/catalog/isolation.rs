//! Every question, asked for a tenant that has nothing: another tenant's things are not found, and stay.

use std::time::Duration;

use catalog::{
    CatalogError, CatalogErrorKind, Client, LeaseRequest, RestoreState, StepResult, StepState, Task,
};
use domain::{Id128, TenantId};

use crate::backend::Backend;
use crate::cell::{Cell, connection, entry, head, restore, second, shop, tenant, words};
use crate::schedules::schedule;
use crate::webhooks::{hint, webhook};

fn request() -> LeaseRequest {
    LeaseRequest { holder: Id128([1; 16]), seen_generation: 0, now: second(0), ttl: Duration::from_secs(60) }
}

fn step() -> StepResult {
    StepResult { step: "a".into(), state: StepState::Done, ledger: None }
}

/// Fills every table for one tenant.
pub(crate) async fn fill(catalog: &Client, t: &TenantId) {
    let id = restore(1).id;
    catalog.put_credential(t, &shop(), "token", b"sealed", second(0)).await.unwrap();
    catalog.advance_head(t, &shop(), None, &head(1, 1)).await.unwrap();
    catalog.seize_lease(t, &shop(), request()).await.unwrap();
    catalog.add_restore(t, &restore(1)).await.unwrap();
    catalog.intend(t, id, &words(&["a"]), second(0)).await.unwrap();
    catalog.record_ids(t, &[entry("1", "101", 1)]).await.unwrap();
    catalog.change_tags(t, &shop(), &words(&["eu"]), &[]).await.unwrap();
    catalog.put_schedule(&schedule(t.as_str(), "shop", 0)).await.unwrap();
    catalog.put_webhook(&webhook(t.as_str(), "shop")).await.unwrap();
    catalog.hint(t, &shop(), &hint("one", 1)).await.unwrap();
}

/// Everything that a tenant can read, as text.
async fn read(catalog: &Client, t: &TenantId) -> Vec<String> {
    let id = restore(1).id;
    fn shown<T: std::fmt::Debug>(read: Result<T, CatalogError>) -> String {
        match read {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{:?}", error.kind()),
        }
    }
    vec![
        shown(catalog.connection(t, &shop()).await),
        shown(catalog.connections(t).await),
        shown(catalog.credential(t, &shop(), "token").await),
        shown(catalog.tags(t).await),
        shown(catalog.head(t, &shop()).await),
        shown(catalog.lease(t, &shop()).await),
        shown(catalog.restore(t, id).await),
        shown(catalog.restores(t, &shop()).await),
        shown(catalog.steps(t, id).await),
        shown(catalog.ledger(t, &shop()).await),
        shown(catalog.schedules(t, &shop()).await),
        shown(catalog.schedules_of_tenant(t).await),
        shown(catalog.webhook(t, &shop()).await),
    ]
}

pub(crate) async fn another_tenants_things_are_not_found_and_not_changed(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let catalog = &cell.catalog;
    let (owner, stranger) = (tenant("t"), tenant("t3"));
    catalog.add_tenant(&stranger, second(0)).await.unwrap();
    fill(catalog, &owner).await;
    let before = read(catalog, &owner).await;
    let sees_nothing = ["NotFound", "[]", "None", "{}"];
    for (at, seen) in read(catalog, &stranger).await.iter().enumerate() {
        assert!(sees_nothing.contains(&seen.as_str()), "question {at} answers {seen}");
        assert!(!sees_nothing.contains(&before[at].as_str()), "question {at} answers its owner nothing");
    }

    // Everything that writes, by the owner's names.
    let s = &stranger;
    let id = restore(1).id;
    let settings = serde_json::json!({});
    let lease = catalog.lease(&owner, &shop()).await.unwrap().unwrap();
    let stolen = catalog::Lease { tenant: s.clone(), ..lease };
    let states = (RestoreState::Applying, RestoreState::Done);
    let refused = [
        ("set_settings", catalog.set_settings(s, &shop(), &settings).await),
        ("change_tags", catalog.change_tags(s, &shop(), &words(&["x"]), &words(&["eu"])).await),
        ("put_credential", catalog.put_credential(s, &shop(), "token", b"x", second(1)).await),
        ("advance_head to a first", catalog.advance_head(s, &shop(), None, &head(2, 1)).await),
        ("advance_head", catalog.advance_head(s, &shop(), Some(&head(1, 1)), &head(2, 1)).await),
        ("seize_lease", catalog.seize_lease(s, &shop(), request()).await.map(|_| ())),
        ("raise_lease", catalog.raise_lease(&stolen, 9).await.map(|_| ())),
        ("release_lease", catalog.release_lease(&stolen).await),
        ("add_restore", catalog.add_restore(s, &restore(2)).await),
        ("move_restore", catalog.move_restore(s, id, states, second(1)).await),
        ("intend", catalog.intend(s, id, &words(&["a"]), second(1)).await),
        ("finish_steps", catalog.finish_steps(s, id, &[step()], second(1)).await),
        ("put_schedule", catalog.put_schedule(&schedule("t3", "shop", 0)).await),
        ("put_webhook", catalog.put_webhook(&webhook("t3", "shop")).await),
        ("hint", catalog.hint(s, &shop(), &hint("two", 1)).await.map(drop)),
        ("record_ids", catalog.record_ids(s, &[entry("1", "999", 1)]).await),
    ];
    for (what, result) in refused {
        let kind = result.map_err(|error| error.kind());
        let expected: &[CatalogErrorKind] = match what {
            // These compare with what is there, and there is nothing. Another process is told before that.
            "advance_head" | "raise_lease" | "release_lease" if !matches!(backend, Backend::Channel) => {
                &[CatalogErrorKind::Conflict]
            }
            _ => &[CatalogErrorKind::NotFound],
        };
        assert!(kind.is_err_and(|kind| expected.contains(&kind)), "{what}: {kind:?}");
    }
    // These say how much they changed: nothing, or that nothing is there.
    assert!(!catalog.remove_schedule(s, &shop(), Task::Backup).await.is_ok_and(|removed| removed.is_some()));
    assert!(!catalog.remove_webhook(s, &shop()).await.is_ok_and(|removed| removed));
    assert!(!catalog.pause_schedules(s, &shop()).await.is_ok_and(|paused| paused > 0));
    assert_eq!(read(catalog, &owner).await, before);

    // The control: with a connection of its own, the same names are its own things.
    for name in ["shop", "other"] {
        catalog.add_connection(&connection("t3", name)).await.unwrap();
    }
    fill(catalog, &stranger).await;
    assert_eq!(read(catalog, &stranger).await.len(), before.len());
    assert_eq!(catalog.head(&stranger, &shop()).await.unwrap(), Some(head(1, 1)));
    assert_eq!(read(catalog, &owner).await, before);
}
