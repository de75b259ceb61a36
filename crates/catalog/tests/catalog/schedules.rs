//! Schedules: what is due is taken once, of each tenant in turn, and how it ended says when it is due again.

use catalog::{Client, Ended, Outcome, Schedule, Taking, Task};
use domain::{Id128, Platform};

use crate::backend::Backend;
use crate::cell::{Cell, connection, second, shop, tenant};

pub(crate) fn schedule(tenant_name: &str, name: &str, due: i64) -> Schedule {
    let scope = connection(tenant_name, name).scope;
    Schedule {
        tenant: scope.tenant,
        connection: scope.connection,
        platform: scope.platform,
        task: Task::Backup,
        every_s: 3_600,
        offset_s: 5,
        orders: serde_json::json!(["an order"]),
        paused: false,
        due_at: second(due),
        whole_at: second(due),
        taken_by: None,
        started_at: None,
        ended_at: None,
        outcome: None,
        failures: 0,
    }
}

fn shopify() -> Platform {
    "shopify".parse().unwrap()
}

fn taking(holder: u8, now: i64, most: u32) -> Taking {
    Taking { holder: Id128([holder; 16]), now: second(now), most }
}

async fn taken(worker: &Client, holder: u8, now: i64, most: u32) -> Vec<String> {
    let taken = worker.take_due(&shopify(), taking(holder, now, most)).await.unwrap();
    let due = taken.due.iter().map(|due| &due.schedule);
    due.map(|one| format!("{}/{}", one.tenant, one.connection)).collect()
}

fn ended(outcome: Outcome, at: i64) -> Ended {
    let (at, whole_at) = (second(at), second(at + 100));
    Ended { holder: Id128([1; 16]), outcome, at, whole_at, heard_until: None, again_at: at }
}

pub(crate) async fn a_schedule_is_kept_and_what_is_known_of_it_stays_when_it_is_set_again(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let (catalog, worker, t) = (&cell.catalog, cell.worker().await, tenant("t"));
    let first = schedule("t", "shop", 0);
    catalog.put_schedule(&first).await.unwrap();
    catalog.put_schedule(&Schedule { task: Task::Verify, every_s: 60, ..first.clone() }).await.unwrap();
    let listed = catalog.schedules(&t, &shop()).await.unwrap();
    assert_eq!(listed, [first.clone(), Schedule { task: Task::Verify, every_s: 60, ..first.clone() }]);
    assert_eq!(catalog.schedules_of_tenant(&t).await.unwrap(), listed);
    assert_eq!(taken(&worker, 1, 10, 1).await, ["t/shop"]);
    worker.end_due(&t, &shop(), Task::Backup, ended(Outcome::Failed, 20)).await.unwrap();

    // The same time once more: when it is due, and how it ended, stays.
    let again = Schedule { orders: serde_json::json!(["another"]), offset_s: 9, ..schedule("t", "shop", 7) };
    catalog.put_schedule(&again).await.unwrap();
    let known = Schedule {
        orders: again.orders.clone(),
        due_at: second(120),
        whole_at: second(120),
        started_at: Some(second(10)),
        ended_at: Some(second(20)),
        outcome: Some(Outcome::Failed),
        failures: 1,
        ..first.clone()
    };
    assert_eq!(catalog.schedules(&t, &shop()).await.unwrap()[0], known);
    // Another time: it begins with that.
    catalog.put_schedule(&Schedule { every_s: 60, ..again.clone() }).await.unwrap();
    let now = Schedule { every_s: 60, offset_s: 9, due_at: second(7), whole_at: second(7), ..known };
    assert_eq!(catalog.schedules(&t, &shop()).await.unwrap()[0], now);

    assert_eq!(catalog.remove_schedule(&t, &shop(), Task::Backup).await.unwrap(), Some(now));
    assert_eq!(catalog.remove_schedule(&t, &shop(), Task::Backup).await.unwrap(), None);
    assert_eq!(catalog.schedules(&t, &shop()).await.unwrap().len(), 1);
}

pub(crate) async fn what_is_due_is_taken_by_one(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let (catalog, worker, t) = (&cell.catalog, cell.worker().await, tenant("t"));
    assert_eq!(worker.next_due(&shopify()).await.unwrap(), None);
    catalog.put_schedule(&schedule("t", "shop", 100)).await.unwrap();
    assert_eq!(worker.next_due(&shopify()).await.unwrap(), Some(second(100)));
    assert_eq!(taken(&worker, 1, 99, 9).await, [""; 0], "before its time");
    let mut racers = Vec::new();
    for holder in 1..=6 {
        let worker = cell.worker().await;
        racers.push(tokio::spawn(async move { taken(&worker, holder, 100, 9).await.len() }));
    }
    let mut all = 0;
    for racer in racers {
        all += racer.await.unwrap();
    }
    assert_eq!(all, 1);
    assert_eq!(worker.next_due(&shopify()).await.unwrap(), None, "somebody is at it");

    // Whoever has not taken it ends nothing.
    let holder = catalog.schedules(&t, &shop()).await.unwrap()[0].taken_by.unwrap();
    let end = |holder, outcome, at| Ended { holder, ..ended(outcome, at) };
    worker.end_due(&t, &shop(), Task::Backup, end(Id128([9; 16]), Outcome::Done, 110)).await.unwrap();
    assert_eq!(catalog.schedules(&t, &shop()).await.unwrap()[0].taken_by, Some(holder));
    for (failures, at) in [(1, 110), (2, 300)] {
        let holder = catalog.schedules(&t, &shop()).await.unwrap()[0].taken_by.unwrap();
        worker.end_due(&t, &shop(), Task::Backup, end(holder, Outcome::Unavailable, at)).await.unwrap();
        let found = catalog.schedules(&t, &shop()).await.unwrap().remove(0);
        assert_eq!((found.taken_by, found.failures, found.due_at), (None, failures, second(at + 100)));
        assert_eq!(taken(&worker, 1, at + 100, 9).await, ["t/shop"]);
    }
    worker.end_due(&t, &shop(), Task::Backup, ended(Outcome::Incomplete, 500)).await.unwrap();
    assert_eq!(catalog.schedules(&t, &shop()).await.unwrap()[0].failures, 0, "it was done");
}

pub(crate) async fn tenants_take_turns_however_much_one_has(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let (catalog, worker) = (&cell.catalog, cell.worker().await);
    for name in ["a", "b", "c", "d"] {
        catalog.add_connection(&connection("t", name)).await.unwrap();
        catalog.put_schedule(&schedule("t", name, 1)).await.unwrap();
    }
    catalog.put_schedule(&schedule("t2", "shop", 50)).await.unwrap();
    assert_eq!(taken(&worker, 1, 60, 2).await, ["t/a", "t2/shop"], "whoever came last has a turn too");
    assert_eq!(taken(&worker, 1, 60, 1).await, ["t/b"]);
    // Of the one two are under way, of the other one.
    catalog.add_connection(&connection("t2", "other")).await.unwrap();
    catalog.put_schedule(&schedule("t2", "other", 60)).await.unwrap();
    assert_eq!(taken(&worker, 1, 60, 1).await, ["t2/other"]);
    assert_eq!(taken(&worker, 1, 60, 9).await, ["t/c", "t/d"]);
}

pub(crate) async fn what_is_paused_waits_and_what_a_dead_worker_had_is_given_back(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let (catalog, worker, t) = (&cell.catalog, cell.worker().await, tenant("t"));
    let own = schedule("t", "shop", 0);
    catalog.put_schedule(&own).await.unwrap();
    catalog.put_schedule(&schedule("t2", "shop", 0)).await.unwrap();
    assert_eq!(catalog.pause_schedules(&t, &shop()).await.unwrap(), 1);
    assert_eq!(taken(&worker, 1, 10, 9).await, ["t2/shop"]);
    assert_eq!(worker.next_due(&shopify()).await.unwrap(), None);
    catalog.put_schedule(&own).await.unwrap();
    assert_eq!(taken(&worker, 1, 10, 9).await, ["t/shop"]);

    assert_eq!(worker.give_back(&shopify(), Id128([1; 16])).await.unwrap(), 0, "it has these itself");
    assert_eq!(worker.give_back(&shopify(), Id128([2; 16])).await.unwrap(), 2);
    assert_eq!(taken(&worker, 2, 10, 9).await.len(), 2);
}

pub(crate) async fn a_worker_takes_what_is_of_its_platform_and_what_it_needs_comes_along(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let (catalog, worker) = (&cell.catalog, cell.worker().await);
    let mut files = connection("t", "files");
    files.scope.platform = "jsonl".parse().unwrap();
    catalog.add_connection(&files).await.unwrap();
    let of_files = Schedule { platform: files.scope.platform.clone(), ..schedule("t", "files", 0) };
    catalog.put_schedule(&of_files).await.unwrap();
    for name in ["object-store", "object-store_shopify", "object-store_jsonl"] {
        catalog.put_store_credential(name, name.as_bytes(), second(0)).await.unwrap();
    }
    let nothing = worker.take_due(&shopify(), taking(1, 10, 9)).await.unwrap();
    assert_eq!((nothing.due.len(), nothing.stores.len()), (0, 0));
    catalog.put_schedule(&schedule("t", "shop", 0)).await.unwrap();
    let taken = worker.take_due(&shopify(), taking(1, 10, 9)).await.unwrap();
    assert_eq!(taken.due.len(), 1);
    let named: Vec<&str> = taken.stores.keys().map(String::as_str).collect();
    assert_eq!(named, ["object-store", "object-store_shopify"]);
}
