//! Workers and platforms: what one of them gets of the other's, behind each wall by itself, with the others down.

use std::path::PathBuf;
use std::sync::Arc;

use access::Guard;
use domain::{About, Action, Asked, DataKeys as _, Decides as _, Operation, Principal, Scope};
use domain::{AuditSink, GrantFacts, Id128, Role, ServiceId, Unrecorded};
use rustix::io::Errno;
use tokio::runtime::Runtime;
use vault::system::{SystemClock, SystemRng};
use vault::{Client, Handles, OperatorKey, Passphrase, Vault};

use crate::bigcommerce::Bigcommerce;
use crate::cell::TestCell;
use crate::served::{All, Here};
use crate::shop::Shop;
use crate::walls::lists;

/// The platforms, each with the connection that the cell has of it.
const PLATFORMS: [(&str, &str); 3] = [("jsonl", "files"), ("shopify", "shop"), ("bigcommerce", "store")];

/// A cell with a connection of each platform, backed up.
fn cell() -> TestCell {
    let (cell, shop, store) = (TestCell::with_jsonl("files"), Shop::tiny(), Bigcommerce::small());
    cell.ingest("files", "thing", "{\"id\":\"1\"}\n").succeeds();
    shop.connect(&cell, "shop").succeeds();
    store.connect(&cell, "store");
    cell.run(&["backup", "--all"]).succeeds();
    cell
}

pub(crate) fn scope(platform: &str, name: &str) -> Scope {
    Scope {
        tenant: "default".parse().unwrap(),
        region: "local".parse().unwrap(),
        platform: platform.parse().unwrap(),
        connection: name.parse().unwrap(),
    }
}

fn worker(platform: &str) -> Role {
    Role::Worker(platform.parse().unwrap())
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Each worker with each platform: it gets what is of its own, and nothing of the other.
fn each(wall: &str, mut gets: impl FnMut(&str, (&str, &str)) -> bool) {
    for (own, _) in PLATFORMS {
        for (platform, name) in PLATFORMS {
            let got = gets(own, (platform, name));
            assert_eq!(got, own == platform, "{wall}: the worker of {own}, with a connection of {platform}");
        }
    }
}

#[test]
fn the_policies_alone_keep_each_worker_to_its_platform() {
    let guard = Guard::built_in("local".parse().unwrap()).unwrap();
    let principal = Principal("cell-operator".into());
    // Whatever the grant: it is taken for a good one.
    let grant = Some(GrantFacts { principal: &principal, genuine: true, covers: true, live: true });
    let allowed = |own: &str, operation, about: About<'_>, grant| {
        let service = ServiceId { cell: Id128([7; 16]), role: worker(own) };
        guard.process(&Asked { service: &service, operation, about, grant }).allowed
    };
    each("policies at the vault", |own, (platform, name)| {
        allowed(own, Operation::DataKeyOpen, About::DataKey(&scope(platform, name)), grant)
    });
    for operation in [Operation::CatalogConnectionRead, Operation::CatalogHeadAdvance] {
        each("policies at the server", |own, (platform, name)| {
            allowed(own, operation, About::Connection(&scope(platform, name)), None)
        });
    }
    each("policies at the server", |own, (platform, name)| {
        allowed(own, Operation::CatalogCredentialRead, About::Credential(&scope(platform, name)), None)
    });
}

#[test]
fn what_keys_are_bound_to_keeps_each_worker_to_its_platform() {
    let cell = cell();
    let mut opened = runtime().block_on(opened_as_ones_own(&cell)).into_iter();
    each("keys", |_, _| opened.next().unwrap());
}

/// Whether each worker opens each connection's data key, as of the worker's own platform.
async fn opened_as_ones_own(cell: &TestCell) -> Vec<bool> {
    let audit: Arc<dyn AuditSink> = Arc::new(Unrecorded);
    let handles = Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit };
    let text = std::fs::read_to_string(cell.passphrase()).unwrap();
    let passphrase = Passphrase::new(text.trim_end().to_owned()).unwrap();
    let vault = Vault::open(&cell.home(), &passphrase, &handles).await.unwrap();
    // No policies are asked by whoever has the vault in its own process.
    let vault = Client::of(Arc::new(vault));
    let operator = vault.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    let mut opened = Vec::new();
    for (own, _) in PLATFORMS {
        for (platform, name) in PLATFORMS {
            // It says that the key is of its own platform, and somebody has given it a grant for that.
            let pretended = scope(own, name);
            let ttl = vault::GRANT_TTL_MAX;
            let grant = operator.grant(&pretended, &[Action::Read], "test", ttl).await.unwrap();
            let folder =
                cell.home().join("keys/t").join(platform).join("default").join(name).join("data-key");
            let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
            let wrapped = std::fs::read(file).unwrap();
            opened.push(vault.open(&grant, &pretended, &wrapped).await.is_ok());
        }
    }
    opened
}

#[test]
fn the_catalog_alone_keeps_each_worker_to_its_platform() {
    let cell = cell();
    let mut found = runtime().block_on(found_in_the_catalog(&cell)).into_iter();
    each("catalog", |_, _| found.next().unwrap());
}

/// Whether each worker is told of each connection, where policies permit all.
async fn found_in_the_catalog(cell: &TestCell) -> Vec<bool> {
    let here = Here::of(cell).await;
    let mut found = Vec::new();
    for (own, _) in PLATFORMS {
        let catalog = here.over(Some(Arc::new(All)), &worker(own));
        for (platform, name) in PLATFORMS {
            let Scope { tenant, connection, .. } = scope(platform, name);
            found.push(catalog.connection(&tenant, &connection).await.is_ok());
        }
    }
    found
}

#[test]
fn the_kernel_alone_keeps_each_worker_to_its_platform() {
    let cell = cell();
    for part in ["store/t", "keys/t", "lock"] {
        let folder = |platform: &str| -> PathBuf { cell.home().join(part).join(platform) };
        let folders = PLATFORMS.map(|(platform, _)| folder(platform));
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
        }
        let listed = PLATFORMS.map(|(own, _)| lists(&cell, own, &folders));
        let mut refused = listed.iter().flatten();
        each(part, |_, _| match refused.next().unwrap() {
            None => true,
            Some(error) => {
                assert_eq!(*error, Errno::ACCESS.raw_os_error());
                false
            }
        });
    }
}
