//! Two stores in directories, a vault, and a recovery key: all that the format tests stand on.

use futures::FutureExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Action, Clock, Grant, Id128, Rng, Scope, Timestamp, Unrecorded};
use futures::future::BoxFuture;
use repository::{Generation, Repository, StoreOptions, Stores, make_store, open_store};
use vault::{
    Argon2Cost, Client, Handles, InitSettings, OperatorKey, Passphrase, RecoveryKey, RecoveryKeys,
    RecoverySetting, SignedIn, Vault,
};

/// What seals the recovery key where it is sealed.
pub(crate) const PASSPHRASE: &str = "four grey geese on the frozen pond";

#[derive(Debug)]
pub(crate) struct SteppingClock(AtomicI64);

impl SteppingClock {
    pub(crate) fn tick(&self) {
        self.0.fetch_add(60, Ordering::SeqCst);
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
    // It stands still, so that no key ends while a test runs.
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// SplitMix64: the same seed writes the same bytes.
#[derive(Debug)]
pub(crate) struct SeededRng(AtomicU64);

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let step = 0x9e37_79b9_7f4a_7c15;
            let mut z = self.0.fetch_add(step, Ordering::SeqCst).wrapping_add(step);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

pub(crate) fn scope() -> Scope {
    Scope {
        tenant: "default".parse().unwrap(),
        region: "eu".parse().unwrap(),
        platform: "jsonl".parse().unwrap(),
        connection: "shop".parse().unwrap(),
    }
}

pub(crate) fn rng(seed: u64) -> Arc<SeededRng> {
    Arc::new(SeededRng(AtomicU64::new(seed)))
}

fn handles(seed: u64) -> (Arc<SteppingClock>, Arc<SeededRng>, Handles) {
    let clock = Arc::new(SteppingClock(AtomicI64::new(1_800_000_000)));
    let rng = rng(seed);
    let handles =
        Handles { clock: Arc::clone(&clock) as _, rng: Arc::clone(&rng) as _, audit: Arc::new(Unrecorded) };
    (clock, rng, handles)
}

/// The files of a store: what a reader is given.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) store: PathBuf,
    pub(crate) keys: PathBuf,
    pub(crate) recovery_key: PathBuf,
    /// The vault's home.
    pub(crate) cell: PathBuf,
}

impl Places {
    pub(crate) fn below(dir: &Path) -> Self {
        Self {
            store: dir.join("store"),
            keys: dir.join("keys"),
            recovery_key: dir.join("recovery.key"),
            cell: dir.join("cell"),
        }
    }

    fn open(&self) -> Stores {
        let open = |path: &Path| open_store(path.to_str().unwrap(), &StoreOptions::default()).unwrap();
        Stores { objects: open(&self.store), keys: open(&self.keys) }
    }

    /// Reads with the recovery key alone.
    pub(crate) fn reading(&self, passphrase: Option<&str>) -> (Repository, Grant) {
        let (clock, rng, handles) = handles(1);
        let passphrase = passphrase.map(|text| Passphrase::new(text.into()).unwrap());
        let key = RecoveryKey::read(&self.recovery_key, passphrase.as_ref()).unwrap();
        let keys = RecoveryKeys::new(key, &handles).unwrap();
        let grant = keys.grant(&scope(), Duration::from_secs(3600));
        (Repository::new(&self.open(), scope(), Arc::new(keys), clock, rng), grant)
    }
}

fn own_passphrase() -> Passphrase {
    Passphrase::new("the vault's own".into()).unwrap()
}

/// A cell that writes.
pub(crate) struct Cell {
    pub(crate) repository: Repository,
    pub(crate) clock: Arc<SteppingClock>,
    rng: Arc<SeededRng>,
    operator: SignedIn,
}

impl Cell {
    /// Makes the stores and the recovery key, which `passphrase` seals.
    pub(crate) async fn make(places: &Places, seed: u64, passphrase: Option<&str>) -> Self {
        for path in [&places.store, &places.keys] {
            make_store(path.to_str().unwrap(), &StoreOptions::default()).unwrap();
        }
        let (clock, rng, handles) = handles(seed);
        let sealing = passphrase.map(|text| Passphrase::new(text.into()).unwrap());
        let recovery = RecoverySetting::New { file: &places.recovery_key, passphrase: sealing.as_ref() };
        let settings = InitSettings { recovery, recipients: vec![], cost: Argon2Cost::default() };
        let vault =
            Vault::init(&places.cell, &own_passphrase(), settings, &handles).now_or_never().unwrap().unwrap();
        Self::with(&places.open(), &places.cell, vault, clock, rng).await
    }

    /// Opens what [`Cell::make`] made.
    pub(crate) async fn open(places: &Places, seed: u64) -> Self {
        let (clock, rng, handles) = handles(seed);
        let vault = Vault::open(&places.cell, &own_passphrase(), &handles).now_or_never().unwrap().unwrap();
        Self::with(&places.open(), &places.cell, vault, clock, rng).await
    }

    /// A cell on any stores; its vault lives as long as this process.
    pub(crate) async fn on(stores: Stores, seed: u64) -> Self {
        let (clock, rng, handles) = handles(seed);
        let home = tempfile::tempdir().unwrap();
        let recovery = RecoverySetting::New { file: &home.path().join("recovery.key"), passphrase: None };
        let settings = InitSettings { recovery, recipients: vec![], cost: Argon2Cost::default() };
        let cell = home.path().join("cell");
        let vault =
            Vault::init(&cell, &own_passphrase(), settings, &handles).now_or_never().unwrap().unwrap();
        Self::with(&stores, &cell, vault, clock, rng).await
    }

    async fn with(
        stores: &Stores,
        home: &Path,
        vault: Vault,
        clock: Arc<SteppingClock>,
        rng: Arc<SeededRng>,
    ) -> Self {
        let vault = Arc::new(Client::of(Arc::new(vault)));
        let operator = vault.sign_in(OperatorKey::read(home).unwrap()).await.unwrap();
        let repository =
            Repository::new(stores, scope(), vault, Arc::clone(&clock) as _, Arc::clone(&rng) as _);
        Self { repository, clock, rng, operator }
    }

    pub(crate) async fn grant(&self, actions: &[Action]) -> Grant {
        let hour = Duration::from_secs(3600);
        self.operator.grant(&scope(), actions, "a test", hour).await.unwrap()
    }

    pub(crate) fn generation(&self, counter: u64) -> Generation {
        let mut lease = [0; 16];
        self.rng.fill(&mut lease);
        Generation { counter, lease: Id128(lease) }
    }
}
