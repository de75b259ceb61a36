//! Snapshots, as a cache of what the commits say.

use std::collections::BTreeMap;

use catalog::{KindCount, Snapshot};
use domain::{Kind, SnapshotNumber};

use crate::cell::{Cell, head, second, shop, tenant};

fn snapshot(number: u64, records: u64) -> Snapshot {
    let count = KindCount { records, added: 1, changed: 2, removed: 3 };
    Snapshot {
        head: head(number, 1),
        taken_at: second(i64::try_from(number).unwrap()),
        complete: number.is_multiple_of(2),
        counts: BTreeMap::from([(Kind::new("product").unwrap(), count)]),
    }
}

#[tokio::test]
async fn snapshots_are_listed_in_order_replaced_and_forgotten() {
    let cell = Cell::new().await;
    let t = tenant("t");
    for number in [10, 9, 2] {
        cell.catalog.put_snapshot(&t, &shop(), &snapshot(number, number)).await.unwrap();
    }
    cell.catalog.put_snapshot(&t, &shop(), &snapshot(9, 90)).await.unwrap();
    let listed = cell.open_again().await.snapshots(&t, &shop()).await.unwrap();
    assert_eq!(listed, [snapshot(2, 2), snapshot(9, 90), snapshot(10, 10)]);

    let pruned = [SnapshotNumber(2), SnapshotNumber(10), SnapshotNumber(77)];
    cell.catalog.remove_snapshots(&t, &shop(), &pruned).await.unwrap();
    assert_eq!(cell.catalog.snapshots(&t, &shop()).await.unwrap(), [snapshot(9, 90)]);
}
