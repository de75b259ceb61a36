//! Leases: whoever holds the machine's lock takes them over, and generations only rise.

use std::time::Duration;

use catalog::{Client, LEASE_TTL_MAX, Lease, LeaseRequest};
use domain::Id128;

use crate::backend::Backend;
use crate::cell::{Cell, says, second, shop, tenant};

const MINUTE: Duration = Duration::from_secs(60);

fn request(holder: u8, now: i64) -> LeaseRequest {
    LeaseRequest { holder: Id128([holder; 16]), seen_generation: 0, now: second(now), ttl: MINUTE }
}

async fn seize(catalog: &Client, request: LeaseRequest) -> Lease {
    catalog.seize_lease(&tenant("t"), &shop(), request).await.unwrap()
}

pub(crate) async fn a_lease_that_was_taken_over_is_lost_to_its_holder(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let (ours, theirs) = (&cell.catalog, cell.open_again().await);
    let held = seize(ours, request(1, 0)).await;
    assert_eq!((held.generation, held.expires_at), (1, second(60)));
    assert_eq!(ours.raise_lease(&held, 0).await.unwrap(), held);
    let taken = seize(&theirs, request(2, 1)).await;
    assert_eq!(taken.generation, 2);
    for lost in [ours.raise_lease(&held, 9).await.map(|_| ()), ours.release_lease(&held).await] {
        assert!(says(&lost.unwrap_err(), "stop writing"));
    }
    assert_eq!(ours.lease(&tenant("t"), &shop()).await.unwrap(), Some(taken));
}

pub(crate) async fn a_released_lease_is_free_and_its_generation_stays_used(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let first = seize(&cell.catalog, request(1, 0)).await;
    cell.catalog.release_lease(&first).await.unwrap();
    assert_eq!(cell.catalog.lease(&tenant("t"), &shop()).await.unwrap(), None);
    assert!(says(&cell.catalog.release_lease(&first).await.unwrap_err(), "stop writing"));
    assert_eq!(seize(&cell.catalog, request(1, 1)).await.generation, 2);
}

pub(crate) async fn a_generation_is_above_every_one_that_was_seen(backend: &Backend) {
    let cell = Cell::new(backend).await;
    // The catalog was lost, the store was not.
    let lease = seize(&cell.catalog, LeaseRequest { seen_generation: 7, ..request(1, 0) }).await;
    assert_eq!(lease.generation, 8);
    assert_eq!(cell.catalog.raise_lease(&lease, 5).await.unwrap().generation, 8);
    let raised = cell.catalog.raise_lease(&lease, 11).await.unwrap();
    assert_eq!(raised.generation, 12);
    cell.catalog.release_lease(&raised).await.unwrap();
    assert_eq!(
        seize(&cell.catalog, LeaseRequest { seen_generation: 3, ..request(2, 1) }).await.generation,
        13
    );
}

pub(crate) async fn a_lease_is_given_for_so_long_at_most(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let held = seize(&cell.catalog, LeaseRequest { ttl: 10 * LEASE_TTL_MAX, ..request(1, 0) }).await;
    assert_eq!(held.expires_at, second(0).checked_add(LEASE_TTL_MAX).unwrap());
}

pub(crate) async fn of_many_that_take_over_each_has_a_generation_of_its_own(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let mut racers = Vec::new();
    for holder in 1..=6 {
        let catalog = cell.open_again().await;
        racers.push(tokio::spawn(async move { seize(&catalog, request(holder, 0)).await.generation }));
    }
    let mut generations = Vec::new();
    for racer in racers {
        generations.push(racer.await.unwrap());
    }
    generations.sort_unstable();
    assert_eq!(generations, [1, 2, 3, 4, 5, 6]);
}
