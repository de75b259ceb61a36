//! Every question, asked for a tenant that has nothing: another tenant's things are not found, and stay.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{
    Catalog, CatalogError, CatalogErrorKind, KnownMedia, LeaseRequest, MediaSource, RestoreState, Snapshot,
    StepResult, StepState, Sweep,
};
use domain::{Id128, Kind, SnapshotNumber, TenantId};

use crate::cell::{Cell, connection, entry, head, restore, second, shop, tenant};

const SOURCE: MediaSource = MediaSource([1; 32]);

fn request() -> LeaseRequest {
    LeaseRequest { holder: Id128([1; 16]), seen_generation: 0, now: second(0), ttl: Duration::from_secs(60) }
}

fn step() -> StepResult {
    StepResult { step: "a".into(), state: StepState::Done, ledger: None }
}

fn snapshot() -> Snapshot {
    Snapshot { head: head(1, 1), taken_at: second(0), complete: true, counts: BTreeMap::new() }
}

fn media() -> [(MediaSource, KnownMedia); 1] {
    [(SOURCE, KnownMedia { name: "m".into(), size_bytes: 1 })]
}

/// Fills every table for one tenant.
async fn fill(catalog: &Catalog, t: &TenantId) {
    let id = restore(1).id;
    catalog.put_credential(t, &shop(), "token", b"sealed", second(0)).await.unwrap();
    catalog.advance_head(t, &shop(), None, &head(1, 1)).await.unwrap();
    catalog.acquire_lease(t, &shop(), request()).await.unwrap();
    catalog.put_snapshot(t, &shop(), &snapshot()).await.unwrap();
    catalog.add_restore(t, &restore(1)).await.unwrap();
    catalog.put_report(t, id, b"sealed").await.unwrap();
    catalog.intend(t, id, &["a"], second(0)).await.unwrap();
    catalog.record_ids(t, &[entry("1", "101", 1)]).await.unwrap();
    catalog.put_media(t, &shop(), &media()).await.unwrap();
    catalog.change_tags(t, &shop(), &["eu"], &[]).await.unwrap();
}

/// Everything that a tenant can read, as text.
async fn read(catalog: &Catalog, t: &TenantId) -> Vec<String> {
    let id = restore(1).id;
    let other = "other".parse().unwrap();
    let product = Kind::new("product").unwrap();
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
        shown(catalog.snapshots(t, &shop()).await),
        shown(catalog.restore(t, id).await),
        shown(catalog.restores(t, &shop()).await),
        shown(catalog.report(t, id).await),
        shown(catalog.steps(t, id).await),
        shown(catalog.ledger(t, &shop()).await),
        shown(catalog.new_ids(t, &shop(), &other).await),
        shown(catalog.origins(t, &other, &product, "101").await),
        shown(catalog.media(t, &shop(), SOURCE).await),
    ]
}

#[tokio::test]
async fn another_tenants_things_are_not_found_and_not_changed() {
    let cell = Cell::new().await;
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
    let sweep = Sweep { number: SnapshotNumber(1), at: second(0) };
    let lease = catalog.lease(&owner, &shop()).await.unwrap().unwrap();
    let stolen = catalog::Lease { tenant: s.clone(), ..lease };
    let states = (RestoreState::Applying, RestoreState::Done);
    let refused = [
        ("set_connection", catalog.set_connection(s, &shop(), "x", &settings).await),
        ("set_swept", catalog.set_swept(s, &shop(), sweep).await),
        ("change_tags", catalog.change_tags(s, &shop(), &["x"], &["eu"]).await),
        ("put_credential", catalog.put_credential(s, &shop(), "token", b"x", second(1)).await),
        ("advance_head to a first", catalog.advance_head(s, &shop(), None, &head(2, 1)).await),
        ("advance_head", catalog.advance_head(s, &shop(), Some(&head(1, 1)), &head(2, 1)).await),
        ("acquire_lease", catalog.acquire_lease(s, &shop(), request()).await.map(|_| ())),
        ("seize_lease", catalog.seize_lease(s, &shop(), request()).await.map(|_| ())),
        ("renew_lease", catalog.renew_lease(&stolen, second(1), Duration::from_secs(1)).await.map(|_| ())),
        ("raise_lease", catalog.raise_lease(&stolen, 9).await.map(|_| ())),
        ("release_lease", catalog.release_lease(&stolen).await),
        ("put_snapshot", catalog.put_snapshot(s, &shop(), &snapshot()).await),
        ("add_restore", catalog.add_restore(s, &restore(2)).await),
        ("move_restore", catalog.move_restore(s, id, states, second(1)).await),
        ("put_report", catalog.put_report(s, id, b"x").await),
        ("intend", catalog.intend(s, id, &["a"], second(1)).await),
        ("finish_steps", catalog.finish_steps(s, id, &[step()], second(1)).await),
        ("record_ids", catalog.record_ids(s, &[entry("1", "999", 1)]).await),
        ("put_media", catalog.put_media(s, &shop(), &media()).await),
    ];
    for (what, result) in refused {
        let kind = result.map_err(|error| error.kind());
        let expected: &[CatalogErrorKind] = match what {
            // These compare with what is there, and there is nothing.
            "advance_head" | "renew_lease" | "raise_lease" | "release_lease" => &[CatalogErrorKind::Conflict],
            _ => &[CatalogErrorKind::NotFound],
        };
        assert!(kind.is_err_and(|kind| expected.contains(&kind)), "{what}: {kind:?}");
    }
    // These forget what is not there.
    catalog.remove_credential(s, &shop(), "token").await.unwrap();
    catalog.remove_snapshots(s, &shop(), &[SnapshotNumber(1)]).await.unwrap();
    catalog.forget_media(s, &shop(), &["m"]).await.unwrap();
    assert_eq!(read(catalog, &owner).await, before);

    // The control: with a connection of its own, the same names are its own things.
    catalog.add_connection(&connection("t3", "shop")).await.unwrap();
    fill(catalog, &stranger).await;
    assert_eq!(read(catalog, &stranger).await.len(), before.len());
    assert_eq!(catalog.head(&stranger, &shop()).await.unwrap(), Some(head(1, 1)));
    assert_eq!(read(catalog, &owner).await, before);
}
