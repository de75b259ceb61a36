//! A process that stands still for a minute (its machine was suspended) between asking for a key and using it: it asks
//! anew and goes on. What the vault refuses by then stays refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{
    Action, DataKey, DataKeys, Grant, Id128, KeyError, MediaRef, NewDataKey, RecordKey, Removal, Scope,
    SnapshotNumber,
};
use futures::future::BoxFuture;
use futures::stream;
use object_store::memory::InMemory;
use repository::{
    Depth, ErrorKind, Generation, KindOutcome, Lease, MediaStore, Mode, NewRecord, Repository,
    RepositoryError, Run, Writer,
};
use serde_json::json;

use crate::cell::{BEGIN, Cell, ManualClock, TINY, kind, scope};

type Result<T, E = RepositoryError> = std::result::Result<T, E>;

const MIB: usize = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn lease(counter: u64) -> Lease {
    Lease { generation: Generation { counter, lease: Id128([9; 16]) }, heads: None }
}

async fn store(media: &MediaStore, content: &[u8]) -> Result<MediaRef> {
    let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(content))]);
    let stored = media.store(pieces).await?.unwrap();
    let (name, size_bytes) = (stored.name, stored.size_bytes);
    Ok(MediaRef { pointer: "/image".into(), name, size_bytes, media_type: None })
}

/// Puts a record of the open kind, of a person where its id says so.
async fn put(cell: &Cell, writer: &mut Writer, id: &str, payload: &str, media: &[MediaRef]) -> Result<()> {
    let person = id.starts_with("person").then_some(id);
    let meta = domain::RecordMeta { media_refs: media.to_vec(), ..cell.meta(person) };
    let (payload, summary) = (payload.as_bytes(), serde_json::to_vec(&[id]).unwrap());
    writer.put(NewRecord { id, payload, canonical: None, meta: &meta, summary: &summary }).await.map(drop)
}

/// The lines of a run that is stored in three parts and gone on with once.
async fn fetch(repository: &Repository, grant: &Grant) -> Vec<String> {
    let product = kind("product");
    for part in 0..3 {
        let run = repository.run(grant, None, &json!({})).await.unwrap();
        run.begin(&product).await;
        for turn in 0..6 {
            // Each is a block of its own.
            let line = format!("{part} {turn} ").repeat(20_000).into_bytes();
            run.put(&product, format!("{turn}").into(), format!("{part}").into(), line).await.unwrap();
        }
        run.cursor(&product, json!(part)).await.unwrap();
        run.flush().await.unwrap();
    }
    let run = repository.run(grant, None, &json!({})).await.unwrap();
    let mut merged = run.merged().await.unwrap();
    let mut told = Vec::new();
    while let Some(item) = merged.next_item().await.unwrap() {
        told.extend(item.into_iter().map(|line| String::from_utf8(line.bytes).unwrap()));
    }
    run.delete().await.unwrap();
    told
}

/// Does everything that takes keys, and tells all that can be read in the end.
async fn story(cell: &Cell) -> Vec<String> {
    let repository = cell.repository("shop");
    let grant = async || cell.grant_for("shop", Action::ALL, DAY).await;
    let mut told = fetch(&repository, &grant().await).await;

    let sealer = repository.sealer(&grant().await, Action::Restore).await.unwrap();
    let sealed = sealer.seal(1, b"aside").await.unwrap();
    told.push(String::from_utf8(sealer.open(1, sealed).await.unwrap()).unwrap());

    let media = repository.media(&grant().await, Action::Backup).await.unwrap();
    let large: Vec<u8> = (0..=255).cycle().take(17 * MIB).collect();
    let images = [store(&media, &large).await.unwrap(), store(&media, b"small").await.unwrap()];

    for number in 1..=4_usize {
        let mut writer =
            repository.writer(&grant().await, lease(number as u64).generation, None).await.unwrap();
        for (kind_name, prefix) in [("customer", "person"), ("product", "thing")] {
            writer.begin_kind(&kind(kind_name), Mode::Sweep(Removal::Deleted), &["id"]).await.unwrap();
            for turn in 0..12 {
                let changed = if turn % 4 == 0 { 1 } else { number };
                let refs = images.get(turn).map(std::slice::from_ref).unwrap_or_default();
                let (id, payload) = (format!("{prefix}{turn:02}"), format!("{turn} as of {changed}"));
                put(cell, &mut writer, &id, &payload, refs).await.unwrap();
            }
            writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
        }
        writer.commit().await.unwrap();
    }
    let pruned = [1, 2].map(SnapshotNumber);
    repository.prune(&grant().await, &lease(5), &pruned).await.unwrap();
    let compacted = repository.compact(&grant().await, &lease(6)).await.unwrap();
    assert!(compacted.packs_dropped > 0, "personal records and others were copied");
    let gone = domain::SubjectId("person03".into());
    assert_eq!(repository.erase(&grant().await, &lease(7), &[gone]).await.unwrap().records, 1);
    repository.rebuild_index(&grant().await, &lease(8)).await.unwrap();

    let reader = repository.reader(&grant().await, Action::Read, None).await.unwrap();
    for number in reader.snapshots().await.unwrap().iter().map(|head| head.name.number) {
        for kind in ["customer", "product"].map(kind) {
            let mut scan = reader.scan(&kind, number, None).await.unwrap();
            while let Some(record) = scan.next().await.unwrap() {
                let payload = String::from_utf8(record.payload).unwrap();
                let media = images.iter().position(|image| record.meta.media_refs.contains(image));
                told.push(format!("{number} {} {} {payload} {media:?}", record.key, record.number));
            }
            let mut scan = reader.scan(&kind, number, None).await.unwrap();
            while let Some(row) = scan.next_summary().await.unwrap() {
                let cells = row.cells.map(|cells| String::from_utf8(cells).unwrap());
                told.push(format!("{number} {} {cells:?}", row.id));
            }
        }
    }
    for (image, expected) in images.iter().zip([&*large, b"small"]) {
        let mut content = Vec::new();
        let take = |piece: Bytes| {
            content.extend_from_slice(&piece);
            Ok(())
        };
        media.read(&image.name, take).await.unwrap();
        assert!(content == expected, "{} bytes", content.len());
    }
    let report = repository.verify(&grant().await, Depth::AllBytes, None, &|_| {}).await.unwrap();
    assert!(report.ok, "{report:?}");
    told.push(format!("{} records", report.records));
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_still_at_any_moment_goes_on_as_if_nothing_had_been() {
    let mut base = Cell::new().await;
    base.limits = TINY;
    let fresh = |seed| {
        base.clock.second.store(BEGIN, Ordering::SeqCst);
        base.over(Arc::new(InMemory::new()), Arc::new(InMemory::new()), seed)
    };
    let expected = story(&fresh(1)).await;
    assert!(expected.len() > 100, "{}", expected.len());
    assert_eq!(base.clock.second.load(Ordering::SeqCst), BEGIN, "the calm one");
    for seed in 1..=4 {
        let cell = fresh(seed);
        cell.clock.stand_still_by_chance(seed, 100);
        let told = story(&cell).await;
        assert!(told == expected, "seed {seed}");
        let stood = (base.clock.second.load(Ordering::SeqCst) - BEGIN) / ManualClock::STANDSTILL;
        assert!(stood > 10, "seed {seed}: {stood} times");
    }
}

/// A vault that may be told to refuse.
struct Revocable {
    vault: Arc<vault::Client>,
    revoked: AtomicBool,
    asked: AtomicU64,
}

impl Revocable {
    fn refusal(&self) -> Option<KeyError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.revoked.load(Ordering::SeqCst).then(|| KeyError::Refused("it was revoked".into()))
    }
}

impl DataKeys for Revocable {
    fn create<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<NewDataKey, KeyError>> {
        match self.refusal() {
            Some(refused) => Box::pin(async { Err(refused) }),
            None => self.vault.create(grant, scope),
        }
    }

    fn open<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Arc<dyn DataKey>, KeyError>> {
        match self.refusal() {
            Some(refused) => Box::pin(async { Err(refused) }),
            None => DataKeys::open(&*self.vault, grant, scope, wrapped),
        }
    }
}

/// Every kind of work, under way and holding keys that were opened for it.
struct UnderWay {
    writer: Writer,
    reader: repository::Reader,
    media: MediaStore,
    run: Run,
    sealer: repository::Sealer,
}

impl UnderWay {
    async fn begin(cell: &Cell, repository: &Repository, grant: &Grant) -> Self {
        let generation = cell.generation();
        let mut writer = repository.writer(grant, generation, None).await.unwrap();
        writer.begin_kind(&kind("customer"), Mode::Increment, &[]).await.unwrap();
        put(cell, &mut writer, "person01", "first", &[]).await.unwrap();
        let run = repository.run(grant, None, &json!({})).await.unwrap();
        run.begin(&kind("product")).await;
        let sealer = repository.sealer(grant, Action::Backup).await.unwrap();
        sealer.seal(1, b"aside").await.unwrap();
        let media = repository.media(grant, Action::Backup).await.unwrap();
        store(&media, b"first").await.unwrap();
        let reader = repository.reader(grant, Action::Read, None).await.unwrap();
        let key = RecordKey::new(kind("customer"), "person01").unwrap();
        reader.get(&key, SnapshotNumber(1)).await.unwrap();
        Self { writer, reader, media, run, sealer }
    }

    /// What becomes of each if it goes on now.
    async fn go_on(mut self, cell: &Cell) -> Vec<(&'static str, Result<()>)> {
        let key = RecordKey::new(kind("customer"), "person01").unwrap();
        let product = kind("product");
        let mut ended = vec![
            // It was opened so long ago that it is stored with the next line.
            ("progress", self.run.put(&product, "1".into(), "".into(), b"line".to_vec()).await),
            ("a person's record", put(cell, &mut self.writer, "person02", "second", &[]).await),
            ("a read", self.reader.get(&key, SnapshotNumber(1)).await.map(drop)),
            ("a medium", store(&self.media, b"second").await.map(drop)),
            ("a text put aside", self.sealer.seal(2, b"aside").await.map(drop)),
        ];
        let committed = async {
            self.writer.end_kind(KindOutcome::default()).await?;
            self.writer.commit().await.map(drop)
        };
        ended.push(("a snapshot", committed.await));
        ended
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vault_refuses_after_a_standstill_stays_refused() {
    #[derive(Debug, PartialEq)]
    enum Meanwhile {
        Nothing,
        Revoked,
        GrantEnded,
    }
    for meanwhile in [Meanwhile::Nothing, Meanwhile::Revoked, Meanwhile::GrantEnded] {
        let cell = Cell::new().await;
        cell.run("shop", "customer", Mode::Increment, &[("person01", "old")], Some("person01")).await;
        let (revoked, asked) = (AtomicBool::new(false), AtomicU64::new(0));
        let keys = Arc::new(Revocable { vault: cell.vault.clone(), revoked, asked });
        let repository =
            Repository::new(&cell.stores, scope("shop"), keys.clone(), cell.clock.clone(), cell.rng.clone());
        let grant = cell.grant_for("shop", Action::ALL, Duration::from_secs(600)).await;
        let work = UnderWay::begin(&cell, &repository, &grant).await;
        keys.revoked.store(meanwhile == Meanwhile::Revoked, Ordering::SeqCst);
        let seconds = if meanwhile == Meanwhile::GrantEnded { 601 } else { ManualClock::STANDSTILL };
        cell.clock.stand_still(seconds);
        let asked = keys.asked.load(Ordering::SeqCst);
        let ended = Box::pin(work.go_on(&cell)).await;
        let asked = keys.asked.load(Ordering::SeqCst) - asked;
        assert!(asked < 30, "{meanwhile:?}: a refusal is no reason to ask again: {asked} times");
        for (what, ended) in ended {
            // The control: without a refusal all of it goes on.
            let expected = (meanwhile != Meanwhile::Nothing).then_some(ErrorKind::Refused);
            assert_eq!(ended.map_err(|error| error.kind()).err(), expected, "{what}, {meanwhile:?}");
        }
        let grant = cell.grant("shop", Action::ALL).await;
        let reader = cell.repository("shop").reader(&grant, Action::Read, None).await.unwrap();
        let snapshots = reader.snapshots().await.unwrap().len();
        assert_eq!(snapshots, if meanwhile == Meanwhile::Nothing { 2 } else { 1 }, "{meanwhile:?}");
    }
}
