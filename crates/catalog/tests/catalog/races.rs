//! What many do at once, each over a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Client, LeaseRequest, RestoreState};
use domain::Id128;
use tokio::sync::Barrier;

use crate::backend::Backend;
use crate::cell::{Cell, connection, entry, head, restore, says, second, shop, tenant};

const RACERS: usize = 6;

fn request(holder: u8) -> LeaseRequest {
    LeaseRequest {
        holder: Id128([holder; 16]),
        seen_generation: 0,
        now: second(0),
        ttl: Duration::from_secs(60),
    }
}

/// Runs something on several catalogs that are opened anew, at once, and gives what came of each.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    cell: &Cell,
    run: impl Fn(usize, Client) -> F,
) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(RACERS));
    let mut racers = Vec::new();
    for number in 0..RACERS {
        let racer = run(number, cell.open_again().await);
        let barrier = Arc::clone(&barrier);
        racers.push(tokio::spawn(async move {
            barrier.wait().await;
            racer.await
        }));
    }
    let mut results = Vec::new();
    for racer in racers {
        results.push(racer.await.unwrap());
    }
    results
}

pub(crate) async fn who_takes_a_lease_over_finds_a_head_that_nobody_else_moves(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    let mut number = 0;
    for round in 0..20 {
        let held = cell.catalog.seize_lease(&t, &shop(), request(1)).await.unwrap();
        let (writer, heir) = (cell.open_again().await, cell.open_again().await);
        // Goes on until it is told that its lease is gone.
        let writing = tokio::spawn(async move {
            loop {
                let before = writer.head(&held.tenant, &held.connection).await.unwrap();
                let next = head(before.as_ref().map_or(1, |before| before.number.0 + 1), held.generation);
                match writer.advance_head_under(&held, before.as_ref(), &next).await {
                    Ok(()) => {}
                    Err(error) if says(&error, "has moved") => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        while cell.catalog.head(&t, &shop()).await.unwrap().is_none_or(|head| head.number.0 <= number) {
            tokio::task::yield_now().await;
        }
        let lease = heir.seize_lease(&t, &shop(), request(2)).await.unwrap();
        let found = heir.head(&t, &shop()).await.unwrap().unwrap();
        // Whatever the writer had under way has ended, or will find that it lost.
        tokio::task::yield_now().await;
        let next = head(found.number.0 + 1, lease.generation);
        heir.advance_head_under(&lease, Some(&found), &next).await.unwrap_or_else(|error| {
            panic!("round {round}: {error}");
        });
        writing.await.unwrap();
        number = next.number.0;
        assert_eq!(heir.head(&t, &shop()).await.unwrap(), Some(next));
    }
}

pub(crate) async fn of_many_that_move_one_restore_one_wins(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let id = restore(1).id;
    cell.catalog.add_restore(&tenant("t"), &restore(1)).await.unwrap();
    let ways = [
        (RestoreState::Applying, RestoreState::Incomplete),
        (RestoreState::Incomplete, RestoreState::Done),
        (RestoreState::Done, RestoreState::Undone),
    ];
    for way in ways {
        let results =
            race(
                &cell,
                |_, catalog| async move { catalog.move_restore(&tenant("t"), id, way, second(9)).await },
            )
            .await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{way:?}");
        for error in results.into_iter().filter_map(Result::err) {
            assert!(says(&error, &format!("is {}, not", way.1.as_str())), "{error}");
        }
    }
}

pub(crate) async fn a_ledger_that_many_write_has_each_item_once(backend: &Backend) {
    const ITEMS: u8 = 20;
    let cell = Cell::with_target(backend).await;
    let entries = || (0..ITEMS).map(|item| entry(&item.to_string(), &format!("1{item:02}"), 1));
    let results = race(&cell, |_, catalog| async move {
        catalog.record_ids(&tenant("t"), &entries().collect::<Vec<_>>()).await
    })
    .await;
    for result in results {
        result.unwrap();
    }
    let ledger = cell.catalog.ledger(&tenant("t"), &shop()).await.unwrap();
    assert_eq!(ledger, entries().collect::<Vec<_>>());
}

pub(crate) async fn of_many_that_add_one_name_one_wins(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let results = race(&cell, |_, catalog| async move {
        (
            catalog.add_tenant(&tenant("new"), second(1)).await,
            catalog.add_connection(&connection("t", "new")).await,
            catalog.add_restore(&tenant("t"), &restore(7)).await,
        )
    })
    .await;
    let mut added = [0; 3];
    for (one, two, three) in results {
        for (at, result) in [one, two, three].into_iter().enumerate() {
            match result {
                Ok(()) => added[at] += 1,
                Err(error) => assert!(says(&error, "already"), "{error}"),
            }
        }
    }
    assert_eq!(added, [1, 1, 1]);
}
