//! Verifying finds whatever was changed, goes on behind it, and names exactly what is hit.

use std::sync::Arc;

use bytes::Bytes;
use domain::aad::ObjectAad;
use domain::{Action, DataKeys as _, MediaRef, ObjectPurpose, Removal, Salt};
use futures::stream;
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use repository::{
    CommitName, DamagedRecord, Depth, ErrorKind, KindOutcome, Lease, Mode, NewRecord, RepositoryError,
    VerifyReport,
};

use crate::cell::{Cell, kind, objects, scope};

struct Shop {
    cell: Cell,
    store: Arc<InMemory>,
    keys: Arc<InMemory>,
}

impl Shop {
    async fn new() -> Self {
        let (store, keys) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
        let cell = Cell::with_stores(store.clone(), keys.clone()).await;
        Self { cell, store, keys }
    }

    async fn verify(
        &self,
        depth: Depth,
        known: Option<&CommitName>,
    ) -> Result<VerifyReport, RepositoryError> {
        let grant = self.cell.grant("shop", &[Action::Verify]).await;
        self.cell.repository("shop").verify(&grant, depth, known, &|_| {}).await
    }

    async fn all_bytes(&self) -> VerifyReport {
        self.verify(Depth::AllBytes, None).await.unwrap()
    }

    async fn store_media(&self, content: &[u8]) -> MediaRef {
        let grant = self.cell.grant("shop", &[Action::Backup]).await;
        let media = self.cell.repository("shop").media(&grant, Action::Backup).await.unwrap();
        let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(content))]);
        let stored = media.store(pieces).await.unwrap().unwrap();
        MediaRef {
            pointer: "/image".into(),
            name: stored.name,
            size_bytes: stored.size_bytes,
            media_type: None,
        }
    }

    async fn put_with_media(&self, id: &str, media: MediaRef) {
        let grant = self.cell.grant("shop", &[Action::Backup]).await;
        let mut writer =
            self.cell.repository("shop").writer(&grant, self.cell.generation(), None).await.unwrap();
        writer.begin_kind(&kind("file"), Mode::Increment, &[]).await.unwrap();
        let meta = domain::RecordMeta { media_refs: vec![media], ..self.cell.meta(None) };
        writer
            .put(NewRecord { id, payload: b"{}", canonical: None, meta: &meta, summary: b"" })
            .await
            .unwrap();
        writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
        writer.commit().await.unwrap();
    }

    async fn change(&self, path: &Path, change: impl Fn(&mut Vec<u8>)) {
        for store in [&self.store, &self.keys] {
            if let Ok(found) = store.get(path).await {
                let mut bytes = found.bytes().await.unwrap().to_vec();
                change(&mut bytes);
                store.put(path, bytes.into()).await.unwrap();
            }
        }
    }

    async fn folder(&self, name: &str) -> Vec<(Path, Vec<u8>)> {
        let all = objects(&*self.store).await;
        all.into_iter()
            .filter(|(path, _)| path.parts().nth(4).is_some_and(|part| part.as_ref() == name))
            .collect()
    }
}

fn record(kind_name: &str, id: &str, snapshot: u64) -> DamagedRecord {
    DamagedRecord { kind: kind(kind_name), id: id.into(), snapshot: domain::SnapshotNumber(snapshot) }
}

async fn small_shop() -> Shop {
    let shop = Shop::new().await;
    shop.cell.sweep("shop", "product", &[("1", "one"), ("2", "two")]).await;
    let persons = [("c", "a person"), ("d", "a person's order")];
    shop.cell.run("shop", "customer", Mode::Increment, &persons, Some("customer/c")).await;
    shop.cell.run("shop", "product", Mode::Sweep(Removal::Deleted), &[("1", "eins")], None).await;
    shop
}

#[tokio::test]
async fn a_whole_store_verifies() {
    let shop = small_shop().await;
    let media = shop.store_media(b"a picture").await;
    shop.put_with_media("f", media).await;
    for depth in [Depth::Structure, Depth::AllBytes] {
        let report = shop.verify(depth, None).await.unwrap();
        assert_eq!(report.damaged_objects, []);
        assert!(report.ok, "{report:?}");
        assert_eq!(report.records, 6);
        let head = report.head.unwrap();
        assert_eq!(head.number.0, 4);
        assert!(shop.verify(depth, Some(&head)).await.unwrap().ok);
    }
}

#[tokio::test]
async fn an_empty_connection_is_not_found() {
    let shop = Shop::new().await;
    let error = shop.verify(Depth::Structure, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn verifying_needs_its_own_grant() {
    let shop = small_shop().await;
    let grant = shop.cell.grant("shop", &[Action::Read]).await;
    let error =
        shop.cell.repository("shop").verify(&grant, Depth::Structure, None, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn every_flipped_byte_is_found_and_the_rest_is_still_looked_at() {
    let shop = small_shop().await;
    let media = shop.store_media(b"a picture").await;
    shop.put_with_media("f", media).await;
    let whole = shop.all_bytes().await;
    assert!(whole.ok);
    let mut flipped = 0;
    for store in [&shop.store, &shop.keys] {
        for (path, bytes) in objects(&**store).await {
            for at in 0..bytes.len() {
                shop.change(&path, |bytes| bytes[at] ^= 1 << (at % 8)).await;
                let report = shop.all_bytes().await;
                assert!(!report.ok, "byte {at} of {path} was flipped and nobody noticed");
                let named = report.damaged_objects.iter().any(|object| object.object == path.as_ref());
                let media = path.as_ref().contains("/media/");
                assert!(
                    named || (media && !report.missing_objects.is_empty()),
                    "byte {at} of {path}: {report:?}"
                );
                if path.as_ref().contains("/pack/") {
                    assert_eq!(report.head, whole.head, "the head is whole");
                    assert!(report.damaged.len() < 6, "other packs are not hit: {report:?}");
                }
                flipped += 1;
                store.put(&path, bytes.clone().into()).await.unwrap();
            }
        }
    }
    assert!(flipped > 2_000, "{flipped} bytes");
    assert_eq!(shop.all_bytes().await, whole, "put back, all is well");
}

/// The offset of the first data block in every pack.
const HEADER_LEN: usize = 56;

#[tokio::test]
async fn exactly_the_records_of_a_damaged_block_are_named() {
    let mut shop = Shop::new().await;
    shop.cell.limits.block_len = 256 * 1024;
    let large = "x".repeat(300_000);
    let records = [("1", "a"), ("2", large.as_str()), ("3", "b"), ("4", large.as_str())];
    shop.cell.sweep("shop", "product", &records).await;
    let (path, bytes) = shop.folder("pack").await.remove(0);
    // Blocks close once they are full: 1 and 2 share the first one.
    shop.change(&path, |bytes| bytes[HEADER_LEN] ^= 1).await;
    let report = shop.all_bytes().await;
    assert_eq!(report.damaged, [record("product", "1", 1), record("product", "2", 1)]);
    assert_eq!(report.damaged_objects.len(), 1);
    assert!(shop.verify(Depth::Structure, None).await.unwrap().ok, "blocks are not looked at there");
    shop.store.put(&path, bytes.into()).await.unwrap();
    assert!(shop.all_bytes().await.ok);
}

#[tokio::test]
async fn one_damaged_record_of_a_person_is_named_alone() {
    let shop = small_shop().await;
    let packs = shop.folder("pack").await;
    let mut alone = 0;
    for (path, bytes) in packs {
        for at in HEADER_LEN..bytes.len() {
            shop.change(&path, |bytes| bytes[at] ^= 1).await;
            let report = shop.all_bytes().await;
            if report.damaged == [record("customer", "d", 2)] {
                alone += 1;
            }
            shop.store.put(&path, bytes.clone().into()).await.unwrap();
        }
    }
    assert!(alone > 16, "{alone} bytes hit that record alone");
}

#[tokio::test]
async fn a_missing_pack_hits_the_records_that_only_it_holds() {
    let shop = Shop::new().await;
    for turn in 0..12 {
        shop.cell.run("shop", "product", Mode::Increment, &[(&turn.to_string(), "x")], None).await;
    }
    let mut listed = 0;
    for (path, bytes) in shop.folder("pack").await {
        shop.store.delete(&path).await.unwrap();
        let report = shop.verify(Depth::Structure, None).await.unwrap();
        assert!(!report.ok);
        assert_eq!(report.missing_objects, [path.to_string()]);
        match &report.damaged[..] {
            // A merged index still tells what the pack held; else the commit tells between which keys it lies.
            [hit] => {
                assert_eq!(hit.snapshot.0, hit.id.parse::<u64>().unwrap() + 1);
                listed += 1;
            }
            [] => assert!(report.damaged_objects[0].detail.contains("entries from product"), "{report:?}"),
            more => panic!("{more:?}"),
        }
        shop.store.put(&path, bytes.into()).await.unwrap();
    }
    assert!(listed > 4, "{listed} of 12 packs stand in a merged index");
    assert!(shop.verify(Depth::Structure, None).await.unwrap().ok);
}

#[tokio::test]
async fn a_cut_pack_is_damaged_and_not_missing() {
    let shop = small_shop().await;
    for (path, bytes) in shop.folder("pack").await {
        for len in [0, 10, bytes.len() / 2, bytes.len() - 1] {
            shop.store.put(&path, bytes[..len].to_vec().into()).await.unwrap();
            let report = shop.verify(Depth::Structure, None).await.unwrap();
            assert!(!report.ok);
            assert_eq!(report.missing_objects, [] as [String; 0]);
            assert!(report.damaged_objects.iter().all(|object| object.object == path.as_ref()), "{report:?}");
        }
        shop.store.put(&path, bytes.into()).await.unwrap();
    }
}

#[tokio::test]
async fn records_whose_medium_is_gone_or_changed_are_named() {
    let shop = Shop::new().await;
    let (first, second) = (shop.store_media(b"one").await, shop.store_media(b"two").await);
    shop.put_with_media("f", first.clone()).await;
    shop.put_with_media("g", second).await;
    let media = shop.folder("media").await;
    let (path, bytes) = media.iter().find(|(path, _)| path.as_ref().ends_with(&first.name)).unwrap();
    let other = media.iter().find(|(other, _)| other != path).unwrap();
    shop.store.put(path, other.1.clone().into()).await.unwrap();
    assert_eq!(shop.all_bytes().await.damaged, [record("file", "f", 1)], "swapped");
    shop.store.delete(path).await.unwrap();
    let report = shop.all_bytes().await;
    assert_eq!(
        (report.damaged, report.missing_objects),
        (vec![record("file", "f", 1)], vec![path.to_string()])
    );
    shop.store.put(path, bytes.clone().into()).await.unwrap();
    assert!(shop.all_bytes().await.ok);
}

/// Changes the text of a block.
type Forge = fn(&mut Vec<u8>);

/// Opens the one block of entries of a merged index, changes what it says, and puts it back.
async fn forge_index(shop: &Shop, forge: Forge) {
    let (path, mut bytes) = shop.folder("index").await.remove(0);
    let grant = shop.cell.grant("shop", &[Action::Verify]).await;
    let (_, wrapped) = shop.cell.repository("shop").wrapped_keys().await.unwrap().remove(0);
    let data_key = shop.cell.vault.open(&grant, &scope("shop"), &wrapped).await.unwrap();
    let salt = Salt(bytes[24..HEADER_LEN].try_into().unwrap());
    let key = data_key.object_key(ObjectPurpose::Index, &salt).unwrap();
    let object = format!("index/{}", path.filename().unwrap());
    let aad = ObjectAad::new(&scope("shop").tenant, &scope("shop").connection, &object);
    let footer_at = bytes.len()
        - 8
        - usize::try_from(u32::from_be_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()))
            .unwrap();
    let mut block = bytes[HEADER_LEN..footer_at].to_vec();
    key.open(0, &aad.block(0, 0), &mut block).unwrap();
    let packed_len = usize::from(block[0]);
    assert!(packed_len < 128, "one byte of length");
    let mut packed = zstd::bulk::decompress(&block[1..=packed_len], 10_000).unwrap();
    forge(&mut packed);
    let packed = zstd::bulk::compress(&packed, 3).unwrap();
    assert_eq!(packed.len(), packed_len, "it takes the same place");
    block[1..=packed_len].copy_from_slice(&packed);
    key.seal(0, &aad.block(0, 0), &mut block).unwrap();
    bytes[HEADER_LEN..footer_at].copy_from_slice(&block);
    shop.store.put(&path, bytes.into()).await.unwrap();
}

#[tokio::test]
async fn an_index_that_names_another_record_of_a_pack_is_told() {
    let shop = Shop::new().await;
    shop.cell.sweep("shop", "product", &[("1", "one"), ("2", "two"), ("3", "three")]).await;
    let grant = shop.cell.grant("shop", Action::ALL).await;
    let lease = Lease { generation: shop.cell.generation(), heads: None };
    shop.cell.repository("shop").compact(&grant, &lease).await.unwrap();
    let whole = shop.folder("index").await;
    // Ordinals come last; snapshots' numbers, then packs, before them.
    let forgeries: [(Forge, &[&str]); 3] = [
        (
            |text| {
                let len = text.len();
                text.swap(len - 3, len - 2);
            },
            &["1", "2"],
        ),
        (|text| *text.last_mut().unwrap() = 9, &["3"]),
        (
            |text| {
                let len = text.len();
                text[len - 9] = 2;
            },
            &["1"],
        ),
    ];
    for (forge, hit) in forgeries {
        forge_index(&shop, forge).await;
        for depth in [Depth::Structure, Depth::AllBytes] {
            let report = shop.verify(depth, None).await.unwrap();
            assert!(!report.ok);
            let ids: Vec<&str> = report.damaged.iter().map(|record| &*record.id).collect();
            assert_eq!(ids, hit, "{report:?}");
            assert!(report.damaged_objects.iter().any(|object| object.object == whole[0].0.as_ref()));
        }
        shop.store.put(&whole[0].0, whole[0].1.clone().into()).await.unwrap();
        assert!(shop.all_bytes().await.ok, "put back");
    }
}

#[tokio::test]
async fn every_record_of_a_person_whose_table_is_gone_is_named() {
    let shop = small_shop().await;
    let tables: Vec<_> = objects(&*shop.keys)
        .await
        .into_iter()
        .filter(|(path, _)| path.as_ref().contains("/subjects/"))
        .collect();
    assert_eq!(tables.len(), 1);
    shop.keys.delete(&tables[0].0).await.unwrap();
    for depth in [Depth::Structure, Depth::AllBytes] {
        let report = shop.verify(depth, None).await.unwrap();
        assert_eq!(report.damaged, [record("customer", "c", 2), record("customer", "d", 2)]);
    }
    shop.keys.put(&tables[0].0, tables[0].1.clone().into()).await.unwrap();
    assert!(shop.all_bytes().await.ok);
}

#[tokio::test]
async fn a_store_that_was_rolled_back_is_reported() {
    let shop = small_shop().await;
    let known = shop.all_bytes().await.head.unwrap();
    let (newest, bytes) = shop.folder("commit").await.pop().unwrap();
    shop.store.delete(&newest).await.unwrap();
    let report = shop.verify(Depth::Structure, Some(&known)).await.unwrap();
    assert!(!report.ok);
    assert_eq!(report.head.unwrap().number.0, 2);
    assert!(report.damaged_objects[0].detail.contains("rolled back"), "{:?}", report.damaged_objects);
    shop.store.put(&newest, bytes.into()).await.unwrap();
    assert!(shop.verify(Depth::Structure, Some(&known)).await.unwrap().ok);
}

#[tokio::test]
async fn a_hole_in_the_chain_of_commits_is_reported_and_what_is_behind_it_looked_at() {
    let shop = Shop::new().await;
    for turn in 0..9 {
        shop.cell.sweep("shop", "product", &[("1", &turn.to_string())]).await;
    }
    for (path, bytes) in shop.folder("commit").await.into_iter().take(8) {
        shop.store.delete(&path).await.unwrap();
        let report = shop.verify(Depth::Structure, None).await.unwrap();
        assert_eq!(report.missing_objects, [path.to_string()]);
        shop.store.put(&path, bytes.into()).await.unwrap();
    }
    assert!(shop.verify(Depth::Structure, None).await.unwrap().ok);
}

#[tokio::test]
async fn progress_comes_to_its_end() {
    let shop = small_shop().await;
    let grant = shop.cell.grant("shop", &[Action::Verify]).await;
    let seen = std::sync::Mutex::new(Vec::new());
    let note = |progress| seen.lock().unwrap().push(progress);
    shop.cell.repository("shop").verify(&grant, Depth::AllBytes, None, &note).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3, "one pack each");
    assert!(seen.is_sorted_by_key(|progress| progress.bytes_done));
    assert_eq!(seen[2].bytes_done, seen[2].bytes);
}
