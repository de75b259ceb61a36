//! Leases: one holder at a time, taken over when they lapse, generations that only rise.

use std::time::Duration;

use catalog::{Catalog, CatalogError, LEASE_TTL_MAX, Lease, LeaseRequest};
use domain::Id128;

use crate::cell::{Cell, second, shop, tenant};

const MINUTE: Duration = Duration::from_secs(60);

fn request(holder: u8, now: i64) -> LeaseRequest {
    LeaseRequest { holder: Id128([holder; 16]), seen_generation: 0, now: second(now), ttl: MINUTE }
}

async fn acquire(catalog: &Catalog, request: LeaseRequest) -> Result<Lease, CatalogError> {
    catalog.acquire_lease(&tenant("t"), &shop(), request).await
}

#[tokio::test]
async fn a_held_lease_is_refused_until_it_lapses() {
    let cell = Cell::new().await;
    let (ours, theirs) = (&cell.catalog, cell.open_again().await);
    let held = acquire(ours, request(1, 0)).await.unwrap();
    assert_eq!((held.generation, held.expires_at), (1, second(60)));
    let refused = acquire(&theirs, request(2, 59)).await.unwrap_err();
    assert!(matches!(refused, CatalogError::LeaseHeld { until, .. } if until == second(60)), "{refused}");

    // The holder renews; only when it stops is the lease taken over, in the next generation.
    let held = ours.renew_lease(&held, second(50), MINUTE).await.unwrap();
    assert!(acquire(&theirs, request(2, 109)).await.is_err());
    let taken = acquire(&theirs, request(2, 110)).await.unwrap();
    assert_eq!(taken.generation, 2);
    for lost in [
        ours.renew_lease(&held, second(111), MINUTE).await.map(|_| ()),
        ours.raise_lease(&held, 9).await.map(|_| ()),
        ours.release_lease(&held).await,
    ] {
        assert!(matches!(lost, Err(CatalogError::LeaseLost(_))));
    }
    assert_eq!(ours.lease(&tenant("t"), &shop()).await.unwrap(), Some(taken));
}

#[tokio::test]
async fn a_released_lease_is_free_and_its_generation_stays_used() {
    let cell = Cell::new().await;
    let first = acquire(&cell.catalog, request(1, 0)).await.unwrap();
    cell.catalog.release_lease(&first).await.unwrap();
    assert_eq!(cell.catalog.lease(&tenant("t"), &shop()).await.unwrap(), None);
    assert!(matches!(cell.catalog.release_lease(&first).await, Err(CatalogError::LeaseLost(_))));
    let second = acquire(&cell.catalog, request(1, 1)).await.unwrap();
    assert_eq!(second.generation, 2);
}

#[tokio::test]
async fn a_lapsed_lease_that_nobody_took_is_renewed() {
    let cell = Cell::new().await;
    let held = acquire(&cell.catalog, request(1, 0)).await.unwrap();
    let renewed = cell.catalog.renew_lease(&held, second(1000), MINUTE).await.unwrap();
    assert_eq!((renewed.generation, renewed.expires_at), (1, second(1060)));
    assert!(acquire(&cell.catalog, request(2, 1001)).await.is_err());
}

#[tokio::test]
async fn a_generation_is_above_every_one_that_was_seen() {
    let cell = Cell::new().await;
    // The catalog was lost, the store was not.
    let lease = acquire(&cell.catalog, LeaseRequest { seen_generation: 7, ..request(1, 0) }).await.unwrap();
    assert_eq!(lease.generation, 8);
    assert_eq!(cell.catalog.raise_lease(&lease, 5).await.unwrap().generation, 8);
    let raised = cell.catalog.raise_lease(&lease, 11).await.unwrap();
    assert_eq!(raised.generation, 12);
    cell.catalog.release_lease(&raised).await.unwrap();
    let next = acquire(&cell.catalog, LeaseRequest { seen_generation: 3, ..request(2, 1) }).await.unwrap();
    assert_eq!(next.generation, 13);
}

#[tokio::test]
async fn a_dead_holders_lease_is_seized() {
    let cell = Cell::new().await;
    acquire(&cell.catalog, request(1, 0)).await.unwrap();
    assert!(acquire(&cell.catalog, request(2, 1)).await.is_err());
    let seized = cell.catalog.seize_lease(&tenant("t"), &shop(), request(2, 1)).await.unwrap();
    assert_eq!(seized.generation, 2);
    cell.catalog.renew_lease(&seized, second(2), MINUTE).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_wrong_blocks_nobody_for_longer_than_a_lease() {
    let cell = Cell::new().await;
    let longest = LeaseRequest { ttl: 10 * LEASE_TTL_MAX, ..request(1, 0) };
    let held = acquire(&cell.catalog, longest).await.unwrap();
    assert_eq!(held.expires_at, second(0).checked_add(LEASE_TTL_MAX).unwrap());
    // In time it is held to its very end; from a day before, no lease could end there.
    assert!(acquire(&cell.catalog, request(2, 0)).await.is_err());
    acquire(&cell.catalog, request(2, -86_400)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_take_over_one_wins() {
    let cell = Cell::new().await;
    for round in 0..10 {
        let mut racers = Vec::new();
        for holder in 1..=6 {
            let catalog = cell.open_again().await;
            racers.push(tokio::spawn(async move { acquire(&catalog, request(holder, round * 60)).await }));
        }
        let mut generations = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(lease) => generations.push(lease.generation),
                Err(error) => assert!(matches!(error, CatalogError::LeaseHeld { .. }), "{error}"),
            }
        }
        assert_eq!(generations, [u64::try_from(round).unwrap() + 1]);
    }
}
