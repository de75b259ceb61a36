//! A cell in a temporary directory, and what the tests do with it.

use futures::FutureExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{Action, DataKey, DataKeys, Grant, NewDataKey, ObjectPurpose, Salt, Scope};
use vault::{
    Argon2Cost, Client, Handles, InitSettings, OperatorKey, Passphrase, RecoveryRecipient, RecoverySetting,
    SignedIn, Vault,
};

use crate::doubles::{ManualClock, RecordingAudit, SeededRng};
use crate::way;

pub(crate) const PASSPHRASE: &str = "seven warm stones under the bridge";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE.into()).unwrap()
}

pub(crate) fn scope(tenant: &str, connection: &str) -> Scope {
    Scope {
        tenant: tenant.parse().unwrap(),
        region: "eu".parse().unwrap(),
        platform: "shopify".parse().unwrap(),
        connection: connection.parse().unwrap(),
    }
}

/// Every scope that differs from `scope("t", "c")` in one field.
pub(crate) fn other_scopes() -> Vec<Scope> {
    let own = scope("t", "c");
    vec![
        Scope { tenant: "t2".parse().unwrap(), ..own.clone() },
        Scope { region: "us".parse().unwrap(), ..own.clone() },
        Scope { platform: "bigcommerce".parse().unwrap(), ..own.clone() },
        Scope { connection: "c2".parse().unwrap(), ..own },
    ]
}

pub(crate) struct Cell {
    dir: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) audit: Arc<RecordingAudit>,
    pub(crate) handles: Handles,
    /// To how many recovery keys data keys are wrapped.
    pub(crate) recipients: usize,
    pub(crate) vault: Client,
}

pub(crate) fn handles(seed: u64) -> (Arc<ManualClock>, Arc<RecordingAudit>, Handles) {
    let clock = Arc::new(ManualClock::new());
    let audit = Arc::new(RecordingAudit::default());
    let handles = Handles {
        clock: Arc::clone(&clock) as _,
        rng: Arc::new(SeededRng::new(seed)),
        audit: Arc::clone(&audit) as _,
    };
    (clock, audit, handles)
}

impl Cell {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_recipients(seed, vec![])
    }

    pub(crate) fn with_recipients(seed: u64, recipients: Vec<RecoveryRecipient>) -> Self {
        let (clock, audit, handles) = handles(seed);
        let dir = tempfile::tempdir().unwrap();
        let recovery = dir.path().join("recovery.key");
        let settings = InitSettings {
            recovery: RecoverySetting::New { file: &recovery, passphrase: None },
            recipients,
            cost: Argon2Cost::default(),
        };
        let vault = Vault::init(&dir.path().join("cell"), &passphrase(), settings, &handles)
            .now_or_never()
            .unwrap()
            .unwrap();
        let recipients = vault.recipients().len();
        let vault = way::to(vault, &handles);
        Self { dir, clock, audit, handles, recipients, vault }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("cell")
    }

    pub(crate) fn recovery_file(&self) -> PathBuf {
        self.dir.path().join("recovery.key")
    }

    pub(crate) async fn operator(&self) -> SignedIn {
        self.vault.sign_in(OperatorKey::read(&self.home()).unwrap()).await.unwrap()
    }

    pub(crate) async fn grant_for(&self, scope: &Scope, actions: &[Action], ttl: Duration) -> Grant {
        self.operator().await.grant(scope, actions, "test", ttl).await.unwrap()
    }

    /// A grant for everything with `scope("t", "c")`.
    pub(crate) async fn grant(&self) -> Grant {
        self.grant_for(&scope("t", "c"), Action::ALL, HOUR).await
    }

    pub(crate) async fn data_key(&self, grant: &Grant) -> NewDataKey {
        self.vault.create(grant, &scope("t", "c")).await.unwrap()
    }
}

/// The cell's vault, opened once more.
pub(crate) fn opened(cell: &Cell) -> Client {
    let vault = Vault::open(&cell.home(), &passphrase(), &cell.handles).now_or_never().unwrap();
    way::to(vault.unwrap(), &cell.handles)
}

/// Seals a text under an object key of the data key.
pub(crate) fn seal(key: &dyn DataKey, text: &[u8]) -> Vec<u8> {
    let mut sealed = text.to_vec();
    key.object_key(ObjectPurpose::Pack, &Salt([7; 32])).unwrap().seal(3, b"place", &mut sealed).unwrap();
    sealed
}

/// Opens what [`seal`] sealed.
pub(crate) fn open(key: &dyn DataKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut text = sealed.to_vec();
    key.object_key(ObjectPurpose::Pack, &Salt([7; 32])).unwrap().open(3, b"place", &mut text).ok()?;
    Some(text)
}

/// The bytes, each time with one bit of one byte flipped; every byte has its turn.
pub(crate) fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        (at, flipped)
    })
}
