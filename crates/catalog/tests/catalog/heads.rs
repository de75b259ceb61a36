//! Heads advance by compare-and-swap, whoever races for them.

use std::process::{Command, Stdio};

use catalog::{CatalogErrorKind, LeaseRequest};

use crate::backend::{Backend, Place};
use crate::cell::{Cell, head, open, says, shop, tenant};

pub(crate) async fn a_head_advances_from_the_expected_one_only(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    let advance = async |expected: Option<_>, new| {
        cell.catalog.advance_head(&t, &shop(), expected.as_ref(), &new).await
    };
    assert_eq!(cell.catalog.head(&t, &shop()).await.unwrap(), None);
    assert!(says(&advance(Some(head(1, 1)), head(2, 1)).await.unwrap_err(), "has moved"));
    advance(None, head(1, 1)).await.unwrap();
    assert!(says(&advance(None, head(1, 1)).await.unwrap_err(), "has moved"));

    // Each field of the expected head counts.
    for wrong in [head(2, 1), head(1, 2), catalog::Head { commit: "x".into(), ..head(1, 1) }] {
        let error = advance(Some(wrong), head(9, 9)).await.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Conflict);
        assert!(says(&error, "has moved"), "{error}");
    }
    advance(Some(head(1, 1)), head(2, 1)).await.unwrap();
    // The same number in a higher generation supersedes; nothing goes back.
    advance(Some(head(2, 1)), head(2, 3)).await.unwrap();
    for back in [head(2, 3), head(2, 2), head(1, 9)] {
        let error = advance(Some(head(2, 3)), back).await.unwrap_err();
        assert!(says(&error, "heads only advance"), "{error}");
    }
    assert_eq!(cell.open_again().await.head(&t, &shop()).await.unwrap(), Some(head(2, 3)));
}

pub(crate) async fn of_many_threads_that_advance_one_head_one_wins(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    for round in 0..10 {
        let expected = (round > 0).then(|| head(round, 1));
        let mut racers = Vec::new();
        for _ in 0..6 {
            let (catalog, t, expected) = (cell.open_again().await, t.clone(), expected.clone());
            racers.push(tokio::spawn(async move {
                catalog.advance_head(&t, &shop(), expected.as_ref(), &head(round + 1, 1)).await
            }));
        }
        let mut won = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert!(says(&error, "has moved"), "{error}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
}

/// What a racing process advances; it exits with 0 when it won and with this when it lost.
const LOST: i32 = 77;
const RACE: &str = "CATALOG_TEST_RACE";
const ROUNDS: u64 = 5;

pub(crate) async fn of_many_processes_that_advance_one_head_one_wins(backend: &Backend) {
    if let Ok(told) = std::env::var(RACE) {
        // This is one of the racing processes: the test started itself again.
        let catalog = open(Place::of(backend, &told)).await;
        let before = catalog.head(&tenant("t2"), &shop()).await.unwrap();
        let expected = before.as_ref().map_or(head(1, 1), |before| head(before.number.0 + 1, 1));
        let raced = catalog.advance_head(&tenant("t"), &shop(), before.as_ref(), &expected).await;
        std::process::exit(match raced {
            Ok(()) => 0,
            Err(error) if says(&error, "has moved") => LOST,
            Err(error) => panic!("{error}"),
        });
    }

    let test = match backend {
        Backend::Embedded | Backend::Channel => {
            "here::embedded::heads::of_many_processes_that_advance_one_head_one_wins"
        }
        Backend::Postgres(_) => "here::postgres::heads::of_many_processes_that_advance_one_head_one_wins",
    };
    let cell = Cell::new(backend).await;
    for round in 0..ROUNDS {
        let racers: Vec<_> = (0..4)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", test])
                    .env(RACE, cell.place.told())
                    .stdout(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let codes: Vec<_> = racers.into_iter().map(|mut racer| racer.wait().unwrap().code()).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | LOST))), "{codes:?}");
        let now = head(round + 1, 1);
        assert_eq!(cell.catalog.head(&tenant("t"), &shop()).await.unwrap(), Some(now.clone()));
        // The other tenant's head tells the next racers what to expect: all of them the same.
        let before = (round > 0).then(|| head(round, 1));
        cell.catalog.advance_head(&tenant("t2"), &shop(), before.as_ref(), &now).await.unwrap();
    }
}

pub(crate) async fn a_head_moves_under_the_newest_lease_only(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let request = |holder| LeaseRequest {
        holder: domain::Id128([holder; 16]),
        seen_generation: 0,
        now: domain::Timestamp::UNIX_EPOCH,
        ttl: std::time::Duration::from_secs(60),
    };
    let sleeper = cell.catalog.seize_lease(&tenant("t"), &shop(), request(1)).await.unwrap();
    let holder = cell.catalog.seize_lease(&tenant("t"), &shop(), request(2)).await.unwrap();
    let late = cell.catalog.advance_head_under(&sleeper, None, &head(1, 1)).await.unwrap_err();
    assert_eq!(late.kind(), CatalogErrorKind::Conflict);
    cell.catalog.advance_head_under(&holder, None, &head(1, 2)).await.unwrap();
    let late = cell.catalog.advance_head_under(&sleeper, Some(&head(1, 2)), &head(2, 2)).await.unwrap_err();
    assert_eq!(late.kind(), CatalogErrorKind::Conflict);
    cell.catalog.advance_head_under(&holder, Some(&head(1, 2)), &head(2, 2)).await.unwrap();
}
