//! Two who write to one connection at the same time. The store's promises differ; the outcome may not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::{Action, SnapshotNumber};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join};
use repository::{CommitName, Depth, ErrorKind, Generation, Heads, Lease, Result, Written};

use crate::fixture::Cell;
use crate::histories::{fill, read, stores};
use crate::target::Target;

/// A catalog's part: the newest lease and the acknowledged head.
#[derive(Default)]
struct Catalog(Mutex<(Option<Generation>, Option<CommitName>)>);

impl Heads for Catalog {
    fn current(&self) -> BoxFuture<'_, Result<Option<CommitName>>> {
        let head = self.0.lock().unwrap().1.clone();
        async move { Ok(head) }.boxed()
    }

    fn holds(&self, lease: Generation) -> BoxFuture<'_, Result<bool>> {
        let holds = self.0.lock().unwrap().0 == Some(lease);
        async move { Ok(holds) }.boxed()
    }

    fn advance<'a>(
        &'a self,
        lease: Generation,
        expected: Option<&'a CommitName>,
        new: &'a CommitName,
    ) -> BoxFuture<'a, Result<bool>> {
        let mut row = self.0.lock().unwrap();
        let fits = row.0 == Some(lease) && row.1.as_ref() == expected;
        if fits {
            row.1 = Some(new.clone());
        }
        async move { Ok(fits) }.boxed()
    }
}

/// Takes a lease: whoever held one before holds it no more.
fn lease(cell: &Cell, catalog: &Arc<Catalog>, counter: u64) -> Lease {
    let generation = cell.generation(counter);
    catalog.0.lock().unwrap().0 = Some(generation);
    Lease { generation, heads: Some(Arc::clone(catalog) as _) }
}

fn records(who: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("1".to_owned(), format!("by {who}"))])
}

async fn write(cell: &Cell, lease: &Lease, who: &str) -> Result<Written> {
    let grant = cell.grant(&[Action::Backup]).await;
    let mut writer = cell.repository.begin(&grant, lease).await?;
    fill(cell, &mut writer, "customer", &records(who)).await;
    fill(cell, &mut writer, "product", &records(who)).await;
    writer.commit().await
}

async fn check_whole(cell: &Cell, target: &Target) {
    let grant = cell.grant(&[Action::Verify]).await;
    let report = cell.repository.verify(&grant, Depth::AllBytes, None, &|_| {}).await.unwrap();
    assert!(report.ok, "{}: {report:?}", target.name);
}

/// Both begin from the same head and commit at the same time, the one with a lease that was taken from it.
pub(crate) async fn of_rivals_exactly_one_is_acknowledged(target: &Target) {
    let cell = Cell::on(stores(target, "rivals"), 31).await;
    let catalog = Arc::new(Catalog::default());
    let mut acknowledged = vec![(SnapshotNumber(1), "nobody")];
    write(&cell, &lease(&cell, &catalog, 1), "nobody").await.unwrap();
    for round in 1..=3 {
        let (first, second) = (lease(&cell, &catalog, 2 * round), lease(&cell, &catalog, 2 * round + 1));
        let (a, b) =
            Box::pin(join(write(&cell, &first, "the first"), write(&cell, &second, "the second"))).await;
        for (who, outcome) in [("the first", a), ("the second", b)] {
            match outcome {
                Ok(written) => acknowledged.push((written.head.name.number, who)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{}: {error}", target.name),
            }
        }
        // Where both lost, each to the other, the next one writes what is due.
        let next = lease(&cell, &catalog, 2 * round + 2);
        if write(&cell, &next, "the next").await.is_ok_and(|written| {
            acknowledged.push((written.head.name.number, "the next"));
            true
        }) {
            continue;
        }
        panic!("{}: nobody can write any more", target.name);
    }
    let mut numbers: Vec<_> = acknowledged.iter().map(|(number, _)| *number).collect();
    numbers.dedup();
    assert_eq!(
        numbers.len(),
        acknowledged.len(),
        "{}: two rivals were acknowledged: {acknowledged:?}",
        target.name
    );
    for (number, who) in acknowledged {
        for kind in ["customer", "product"] {
            assert_eq!(
                read(&cell.repository, &cell, kind, number).await,
                records(who),
                "{} {number}",
                target.name
            );
        }
    }
    check_whole(&cell, target).await;
}

/// A sleeper wakes up after its lease was taken and its successor has written.
pub(crate) async fn a_late_writer_is_superseded_and_nothing_acknowledged_is_lost(target: &Target) {
    let cell = Cell::on(stores(target, "sleeper"), 32).await;
    let catalog = Arc::new(Catalog::default());
    write(&cell, &lease(&cell, &catalog, 1), "nobody").await.unwrap();

    let sleeper = lease(&cell, &catalog, 2);
    let grant = cell.grant(&[Action::Backup]).await;
    let mut asleep = cell.repository.begin(&grant, &sleeper).await.unwrap();
    fill(&cell, &mut asleep, "product", &records("the sleeper")).await;

    let successor = lease(&cell, &catalog, 3);
    let written = write(&cell, &successor, "the successor").await.unwrap();
    let error = asleep.commit().await.expect_err("the sleeper's commit was acknowledged");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}: {error}", target.name);

    assert_eq!(catalog.0.lock().unwrap().1.as_ref(), Some(&written.head.name));
    let read = read(&cell.repository, &cell, "product", written.head.name.number).await;
    assert_eq!(read, records("the successor"), "{}", target.name);
    check_whole(&cell, target).await;
}
