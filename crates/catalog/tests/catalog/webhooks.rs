//! What platforms tell: kept once, followed soon, and all of it where it is too much.

use std::collections::BTreeSet;

use catalog::{Catalog, Client, Ended, Hint, Outcome, Schedule, Taking, Task, Webhook};
use domain::{Id128, Platform, TenantId, Timestamp};

use crate::backend::Backend;
use crate::cell::{Cell, connection, second, shop, tenant};
use crate::schedules::schedule;

pub(crate) fn webhook(tenant_name: &str, name: &str) -> Webhook {
    let scope = connection(tenant_name, name).scope;
    let address = format!("{tenant_name}-{name}");
    Webhook {
        url: format!("https://cell.example/hooks/shopify/{address}"),
        tenant: scope.tenant,
        connection: scope.connection,
        platform: scope.platform,
        address,
        asked_at: None,
        failed: Vec::new(),
        heard_at: None,
    }
}

pub(crate) fn hint(event: &str, at: i64) -> Hint {
    Hint {
        event: event.to_owned(),
        topic: "products/update".to_owned(),
        kinds: vec!["product".to_owned()],
        items: vec!["gid://shopify/Product/1".to_owned()],
        told_at: Some(second(at - 1)),
        received_at: second(at),
        due_at: second(at + 2),
        apart_ms: 20_000,
    }
}

fn shopify() -> Platform {
    "shopify".parse().unwrap()
}

fn holder() -> Id128 {
    Id128([1; 16])
}

/// A cell whose one shop tells, and is due next at that second.
async fn telling(backend: &Backend, due: i64) -> (Cell, Client, TenantId) {
    let cell = Cell::new(backend).await;
    cell.catalog.put_schedule(&schedule("t", "shop", due)).await.unwrap();
    let worker = cell.worker().await;
    worker.put_webhook(&webhook("t", "shop")).await.unwrap();
    (cell, worker, tenant("t"))
}

async fn found(worker: &Client) -> Schedule {
    worker.schedules(&tenant("t"), &shop()).await.unwrap().remove(0)
}

/// What is taken at that second: nothing, everything, or these kinds.
async fn taken(worker: &Client, at: i64) -> Option<Option<BTreeSet<String>>> {
    let taking = Taking { holder: holder(), now: second(at), most: 9 };
    let mut due = worker.take_due(&shopify(), taking).await.unwrap().due;
    assert!(due.len() < 2);
    due.pop().map(|due| due.told)
}

async fn end(worker: &Client, at: i64, whole_at: i64, heard_until: Option<i64>) {
    let ended = Ended {
        holder: holder(),
        outcome: if heard_until.is_some() { Outcome::Done } else { Outcome::Unavailable },
        at: second(at),
        whole_at: second(whole_at),
        heard_until: heard_until.map(second),
        again_at: second(at + 5),
    };
    worker.end_due(&tenant("t"), &shop(), Task::Backup, ended).await.unwrap();
}

pub(crate) async fn where_a_platform_tells_is_kept_and_found_by_its_address(backend: &Backend) {
    let (cell, worker, t) = telling(backend, 1_000).await;
    assert_eq!(worker.webhook(&t, &shop()).await.unwrap(), Some(webhook("t", "shop")));
    assert_eq!(worker.webhook(&tenant("t2"), &shop()).await.unwrap(), None);
    let server = Catalog::open(cell.place.address()).await.unwrap();
    for (platform, address, expected) in [
        ("shopify", "t-shop", Some((t.clone(), shop()))),
        ("shopify", "t-sho", None),
        ("shopify", "", None),
        ("bigcommerce", "t-shop", None),
    ] {
        assert_eq!(server.told_at(&platform.parse().unwrap(), address).await.unwrap(), expected, "{address}");
    }

    // Asked once more: when something was heard last stays.
    assert!(worker.hint(&t, &shop(), &hint("one", 100)).await.unwrap());
    let failed = vec![("orders/create".to_owned(), "no scope".to_owned())];
    let asked = Webhook { asked_at: Some(second(200)), failed, ..webhook("t", "shop") };
    worker.put_webhook(&asked).await.unwrap();
    let kept = Webhook { heard_at: Some(second(100)), ..asked };
    assert_eq!(worker.webhook(&t, &shop()).await.unwrap(), Some(kept));

    assert!(worker.remove_webhook(&t, &shop()).await.unwrap());
    assert!(!worker.remove_webhook(&t, &shop()).await.unwrap());
    assert_eq!(server.told_at(&shopify(), "t-shop").await.unwrap(), None);
    worker.hint(&t, &shop(), &hint("two", 300)).await.unwrap_err();
}

pub(crate) async fn what_was_told_is_followed_soon_and_once(backend: &Backend) {
    let (_cell, worker, t) = telling(backend, 1_000).await;
    assert_eq!(taken(&worker, 100).await, None);
    assert!(worker.hint(&t, &shop(), &hint("one", 100)).await.unwrap());
    assert!(!worker.hint(&t, &shop(), &hint("one", 101)).await.unwrap(), "told twice");
    assert_eq!(worker.next_due(&shopify()).await.unwrap(), Some(second(102)));
    assert_eq!(taken(&worker, 101).await, None, "it settles");
    let product: BTreeSet<String> = ["product".to_owned()].into();
    assert_eq!(taken(&worker, 102).await, Some(Some(product.clone())));

    // What is told meanwhile is of another kind, and is left when this ends.
    let meanwhile = Hint { kinds: vec!["order".to_owned()], ..hint("two", 103) };
    assert!(worker.hint(&t, &shop(), &meanwhile).await.unwrap());
    end(&worker, 104, 1_000, Some(102)).await;
    let after = found(&worker).await;
    assert_eq!((after.due_at, after.whole_at), (second(109), second(1_000)));
    let order: BTreeSet<String> = ["order".to_owned()].into();
    assert_eq!(taken(&worker, 109).await, Some(Some(order.clone())));
    // Where it was not done, all of it is left, and it comes again.
    end(&worker, 110, 1_000, None).await;
    assert_eq!(found(&worker).await.due_at, second(115));
    assert_eq!(taken(&worker, 115).await, Some(Some(order)));
    end(&worker, 116, 1_000, Some(115)).await;
    assert_eq!(found(&worker).await.due_at, second(1_000));
    assert!(!worker.hint(&t, &shop(), &hint("one", 120)).await.unwrap(), "it is known for days");

    // Shortly after something was begun it waits, and never longer than until all is due.
    assert!(worker.hint(&t, &shop(), &hint("three", 120)).await.unwrap());
    assert_eq!(found(&worker).await.due_at, second(135));
    assert!(worker.hint(&t, &shop(), &hint("four", 995)).await.unwrap());
    assert_eq!(found(&worker).await.due_at, second(135), "it was due before");
    // All of it is due: that is not asked for kind by kind.
    assert_eq!(taken(&worker, 1_000).await, Some(None));
    end(&worker, 1_001, 2_000, Some(1_000)).await;
    assert_eq!(found(&worker).await.due_at, second(2_000));
}

pub(crate) async fn what_concerns_nothing_that_is_backed_up_makes_nothing_due(backend: &Backend) {
    let (_cell, worker, t) = telling(backend, 1_000).await;
    let other = Hint { kinds: Vec::new(), topic: "app/uninstalled".to_owned(), ..hint("one", 100) };
    assert!(worker.hint(&t, &shop(), &other).await.unwrap());
    assert!(!worker.hint(&t, &shop(), &other).await.unwrap());
    assert_eq!(worker.next_due(&shopify()).await.unwrap(), Some(second(1_000)));
    assert_eq!(worker.webhook(&t, &shop()).await.unwrap().unwrap().heard_at, Some(second(100)));
}

pub(crate) async fn where_too_much_is_told_all_of_it_is_due(backend: &Backend) {
    let (_cell, worker, t) = telling(backend, 1_000).await;
    for number in 0..1_000 {
        assert!(worker.hint(&t, &shop(), &hint(&format!("event {number}"), 100)).await.unwrap());
    }
    assert_eq!(found(&worker).await.whole_at, second(1_000));
    assert!(worker.hint(&t, &shop(), &hint("one more", 101)).await.unwrap());
    assert_eq!((found(&worker).await.due_at, found(&worker).await.whole_at), (second(101), second(101)));
    assert_eq!(taken(&worker, 101).await, Some(None));
    end(&worker, 110, 1_000, Some(101)).await;
    assert_eq!(found(&worker).await.due_at, second(1_000), "nothing is left");
    assert!(worker.hint(&t, &shop(), &hint("one more", 111)).await.unwrap(), "it was not kept");
}

/// So that a table of what was followed does not grow for ever.
pub(crate) async fn what_was_followed_long_ago_is_forgotten(backend: &Backend) {
    const DAY: i64 = 24 * 60 * 60;
    let (cell, worker, t) = telling(backend, 1_000).await;
    assert!(worker.hint(&t, &shop(), &hint("one", 100)).await.unwrap());
    for (at, is_new) in [(1_000, false), (2 * DAY, false), (4 * DAY, true)] {
        assert!(taken(&worker, at).await.is_some());
        end(&worker, at, at + DAY, Some(at)).await;
        let again = worker.hint(&t, &shop(), &hint("one", at + 1)).await.unwrap();
        assert_eq!(again, is_new, "after {at} s");
        let due: Timestamp = if is_new { second(at + 20) } else { second(at + DAY) };
        assert_eq!(found(&worker).await.due_at, due);
        worker.next_due(&shopify()).await.unwrap();
        // Due again for the next round.
        let again = Schedule {
            every_s: at.unsigned_abs(),
            due_at: second(at),
            whole_at: second(at),
            ..found(&worker).await
        };
        cell.catalog.put_schedule(&again).await.unwrap();
    }
}
