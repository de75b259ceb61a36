//! A backup in a process of its own, through the library and on a clock that runs fast.
//!
//! The product makes its progress durable every 30 seconds. On a clock that runs 300 times as fast that is every
//! tenth of a second, so that a small store shows what a large one would.

use futures::FutureExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use connectors::contract::Progress;
use domain::{Clock, Kind, Timestamp, Unrecorded};
use flows::backup::{Backup, BackupProgress, backup};
use flows::{Cell, Leave, RunReport};
use futures::future::BoxFuture;
use object_store::local::LocalFileSystem;
use repository::Stores;
use vault::system::{SystemClock, SystemRng};
use vault::{Client, Handles, OperatorKey, Passphrase, Vault};

use crate::cell::{PASSPHRASE, TestCell};
use crate::shop::Shop;

const TIMES: u32 = 300;
/// Names the cell's home in the child's environment.
const HOME: &str = "CARETAKER_TEST_HOME";

#[derive(Debug)]
struct HastyClock;

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() * TIMES
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

struct Quiet;

impl BackupProgress for Quiet {
    fn fetching(&self, _: &Progress<'_>) {}
    fn writing(&self, _: &Kind, _: u64) {}
}

async fn back_up(home: &Path) -> RunReport {
    let handles =
        Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(Unrecorded) };
    let passphrase = Passphrase::new(PASSPHRASE.to_owned()).unwrap();
    let vault = Vault::open(home, &passphrase, &handles).now_or_never().unwrap().unwrap();
    let vault = Client::of(Arc::new(vault));
    let operator = vault.sign_in(OperatorKey::read(home).unwrap()).await.unwrap();
    let store =
        |name: &str| Arc::new(LocalFileSystem::new_with_prefix(home.join(name)).unwrap().with_fsync(true));
    let cell = Cell {
        dir: home.to_path_buf(),
        region: "local".parse().unwrap(),
        stores: Stores { objects: store("store"), keys: store("keys") },
        vault,
        leave: Leave::SignedIn(operator.into()),
        catalog: Catalog::open(home).await.unwrap().into(),
        clock: Arc::new(HastyClock),
        rng: Arc::new(SystemRng),
        audit: handles.audit,
    };
    let connection = cell.connection(&"default".parse().unwrap(), &"shop".parse().unwrap()).await.unwrap();
    backup(&cell, &Backup { connection, full: false }, &Quiet).await.unwrap()
}

/// A hasty backup of `shop`, in a process that can be killed.
pub(crate) fn start(cell: &TestCell) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hasty::a_hasty_backup_is_whole", "--nocapture"])
        .env(HOME, cell.home())
        .env("TMPDIR", cell.temp())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// By itself a test like the others; as a child, of the cell that the parent names.
#[test]
fn a_hasty_backup_is_whole() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(home) = std::env::var_os(HOME) {
        assert!(runtime.block_on(back_up(Path::new(&home))).complete);
        return;
    }
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    let report = runtime.block_on(back_up(&cell.home()));
    assert!(report.complete);
    assert_eq!(report.kinds.iter().find(|(kind, _)| kind.as_str() == "product").unwrap().1.seen, 8);
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
}
