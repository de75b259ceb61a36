//! A small cell for tests: in-memory stores, a vault in a temporary directory, a clock that stands still.

use futures::FutureExt as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Action, Clock, Grant, Id128, Kind, Removal, Rng, Scope, Timestamp, Unrecorded};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use repository::{Generation, KindOutcome, Limits, Mode, NewRecord, Repository, Stores, Written};
use vault::{
    Argon2Cost, Client, Handles, InitSettings, OperatorKey, Passphrase, RecoverySetting, SignedIn, Vault,
};

#[derive(Debug, Default)]
pub struct ManualClock {
    pub second: AtomicI64,
    /// By chance, once in so many looks at it, the process has stood still just before.
    standstills: Mutex<Option<(SeededRng, u64)>>,
}

impl ManualClock {
    /// So many seconds a process stands still: longer than an opened key serves.
    pub const STANDSTILL: i64 = 61;

    pub fn stand_still(&self, seconds: i64) {
        self.second.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn stand_still_by_chance(&self, seed: u64, one_in: u64) {
        *self.standstills.lock().unwrap() = Some((SeededRng::new(seed), one_in));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.second.load(Ordering::SeqCst)).unwrap()
    }
    fn monotonic(&self) -> Duration {
        if let Some((rng, one_in)) = &*self.standstills.lock().unwrap() {
            let mut chance = [0; 8];
            rng.fill(&mut chance);
            if u64::from_le_bytes(chance).is_multiple_of(*one_in) {
                self.stand_still(Self::STANDSTILL);
            }
        }
        Duration::from_secs(u64::try_from(self.second.load(Ordering::SeqCst).max(0)).unwrap())
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// SplitMix64: any seed will do, and the same seed gives the same run.
#[derive(Debug)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z =
                self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

pub struct Cell {
    pub stores: Stores,
    pub clock: Arc<ManualClock>,
    pub rng: Arc<SeededRng>,
    pub vault: Arc<Client>,
    pub limits: Limits,
    operator: Arc<SignedIn>,
    _home: Arc<tempfile::TempDir>,
}

/// Limits under which some ten records make several blocks, packs and parts of an index.
pub const TINY: Limits = Limits {
    block_len: 1,
    container_len: 1,
    pack_len: 100,
    block_entries: 4,
    index_entries: 5,
    index_len: 32 * 1024 * 1024,
};

/// The second at which every cell's clock begins.
pub const BEGIN: i64 = 1_800_000_000;

pub fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

pub fn scope(connection: &str) -> Scope {
    Scope {
        tenant: "default".parse().unwrap(),
        region: "eu".parse().unwrap(),
        platform: "jsonl".parse().unwrap(),
        connection: connection.parse().unwrap(),
    }
}

/// Everything in a store.
pub async fn objects(store: &dyn ObjectStore) -> Vec<(Path, Vec<u8>)> {
    let mut found = Vec::new();
    for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
        found.push((meta.location, bytes.to_vec()));
    }
    found.sort();
    found
}

impl Cell {
    pub async fn new() -> Self {
        Self::with_stores(Arc::new(InMemory::new()), Arc::new(InMemory::new())).await
    }

    pub async fn with_stores(objects: Arc<dyn ObjectStore>, keys: Arc<dyn ObjectStore>) -> Self {
        let home = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(ManualClock { second: AtomicI64::new(BEGIN), ..ManualClock::default() });
        let rng = Arc::new(SeededRng::new(7));
        let handles = Handles { clock: clock.clone(), rng: rng.clone(), audit: Arc::new(Unrecorded) };
        let recovery = RecoverySetting::New { file: &home.path().join("recovery.key"), passphrase: None };
        let settings = InitSettings { recovery, recipients: vec![], cost: Argon2Cost::default() };
        let passphrase = Passphrase::new("a passphrase for tests".into()).unwrap();
        let dir = home.path().join("cell");
        let vault = Vault::init(&dir, &passphrase, settings, &handles).now_or_never().unwrap().unwrap();
        let vault = Arc::new(Client::of(Arc::new(vault)));
        let operator = vault.sign_in(OperatorKey::read(&dir).unwrap()).await.unwrap();
        let operator = Arc::new(operator);
        let (stores, limits) = (Stores { objects, keys }, Limits::default());
        Self { stores, clock, rng, vault, limits, operator, _home: home }
    }

    /// The same vault and clock over other stores, with a source of chance of its own.
    pub fn over(&self, objects: Arc<dyn ObjectStore>, keys: Arc<dyn ObjectStore>, seed: u64) -> Self {
        Self {
            stores: Stores { objects, keys },
            clock: self.clock.clone(),
            rng: Arc::new(SeededRng::new(seed)),
            vault: self.vault.clone(),
            limits: self.limits,
            operator: self.operator.clone(),
            _home: self._home.clone(),
        }
    }

    pub fn repository(&self, connection: &str) -> Repository {
        Repository::new(
            &self.stores,
            scope(connection),
            self.vault.clone(),
            self.clock.clone(),
            self.rng.clone(),
        )
        .with_limits(self.limits)
    }

    pub async fn grant(&self, connection: &str, actions: &[Action]) -> Grant {
        self.grant_for(connection, actions, Duration::from_secs(600)).await
    }

    pub async fn grant_for(&self, connection: &str, actions: &[Action], ttl: Duration) -> Grant {
        let scope = scope(connection);
        self.operator.grant(&scope, actions, "a test", ttl).await.unwrap()
    }

    pub fn generation(&self) -> Generation {
        let mut lease = [0; 16];
        self.rng.fill(&mut lease);
        Generation { counter: 1, lease: Id128(lease) }
    }

    pub fn tick(&self) {
        self.clock.second.fetch_add(60, Ordering::SeqCst);
    }

    /// Writes one snapshot in which `records` (id, payload) of a kind are all there are.
    pub async fn sweep(&self, connection: &str, kind_name: &str, records: &[(&str, &str)]) -> Written {
        self.run(connection, kind_name, Mode::Sweep(Removal::Deleted), records, None).await
    }

    pub async fn run(
        &self,
        connection: &str,
        kind_name: &str,
        mode: Mode,
        records: &[(&str, &str)],
        subject: Option<&str>,
    ) -> Written {
        self.tick();
        let grant = self.grant(connection, &[Action::Backup]).await;
        let mut writer = self.repository(connection).writer(&grant, self.generation(), None).await.unwrap();
        writer.begin_kind(&kind(kind_name), mode, &["title"]).await.unwrap();
        for (id, payload) in records {
            let meta = self.meta(subject);
            let summary = format!("[\"{id}\"]");
            let record = NewRecord {
                id,
                payload: payload.as_bytes(),
                canonical: None,
                meta: &meta,
                summary: summary.as_bytes(),
            };
            writer.put(record).await.unwrap();
        }
        writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
        writer.commit().await.unwrap()
    }

    pub fn meta(&self, subject: Option<&str>) -> domain::RecordMeta {
        domain::RecordMeta {
            observed_at: self.clock.now(),
            source_updated_at: None,
            api_version: String::new(),
            selection_digest: String::new(),
            subjects: subject.map(|subject| domain::SubjectId(subject.into())).into_iter().collect(),
            media_refs: vec![],
            gaps: vec![],
        }
    }
}
