//! A cell that is set up again, in front of a key store to which somebody else could write.

use futures::FutureExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::Catalog;
use domain::{Action, DataKeys as _, Scope};
use flows::{Cell, Leave};
use object_store::ObjectStoreExt as _;
use sandbox::shopify::Settings;
use vault::{
    Argon2Cost, Client, Handles, InitSettings, OperatorKey, Passphrase, RecoveryKey, RecoverySetting,
    SignedIn, Vault,
};

use crate::doubles::SeededRng;
use crate::world::{World, tenant};
use domain::Unrecorded;

fn handles(world: &World, seed: u64) -> Handles {
    Handles {
        clock: Arc::clone(&world.clock) as _,
        rng: Arc::new(SeededRng::new(seed)),
        audit: Arc::new(Unrecorded),
    }
}

fn recovery(world: &World) -> RecoveryKey {
    RecoveryKey::read(&world.cell.dir.parent().unwrap().join("recovery.key"), None).unwrap()
}

/// A vault whose recovery key is the first cell's: its public half is all that this takes.
async fn vault(world: &World, home: &Path, handles: &Handles) -> (Client, SignedIn) {
    let passphrase = Passphrase::new("ten grey herons on one leg".into()).unwrap();
    let settings = InitSettings {
        recovery: RecoverySetting::Known(recovery(world).recipient().clone()),
        recipients: Vec::new(),
        cost: Argon2Cost::default(),
    };
    let vault = Vault::init(home, &passphrase, settings, handles).now_or_never().unwrap().unwrap();
    let vault = Client::of(Arc::new(vault));
    let operator = vault.sign_in(OperatorKey::read(home).unwrap()).await.unwrap();
    (vault, operator)
}

/// The wrapped keys of the connection, by their ids.
fn wrapped(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&file).unwrap()))
        .collect()
}

async fn writes_under(cell: &Cell, scope: &Scope) -> String {
    let mut lease = cell.lease(scope).await.unwrap();
    let grant = cell.grant(scope, &[Action::Backup], "test").await.unwrap();
    let name = cell.writer(scope, &grant, &mut lease).await.unwrap().commit().await.unwrap().head.name;
    cell.release(lease).await.unwrap();
    let path = format!("{}/commit/{name}", repository::place(scope));
    let bytes = cell.stores.objects.get(&path.as_str().into()).await.unwrap().bytes().await.unwrap();
    bytes[8..24].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_data_key_is_neither_adopted_nor_used() {
    let mut world = World::new(4).await;
    world.open("shop", Settings::empty()).await;
    world.back_up("shop").await;
    let scope = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap().scope;
    let folder: PathBuf = world.cell.dir.join("keys/t/shopify/default/shop/data-key");
    let own = wrapped(&folder);
    assert_eq!(own.len(), 1);

    // Somebody makes a data key that the recovery key opens too, and puts it where the cell's own is: it is the newest.
    let apart = tempfile::tempdir().unwrap();
    let theirs = handles(&world, 66);
    let (forger, operator) = vault(&world, &apart.path().join("forger"), &theirs).await;
    let ttl = vault::GRANT_TTL_MAX;
    let actions = [Action::Backup];
    let grant = operator.grant(&scope, &actions, "forge", ttl).await.unwrap();
    let forged = forger.create(&grant, &scope).await.unwrap();
    std::fs::write(folder.join(forged.key.id().to_string()), &forged.wrapped).unwrap();
    assert_eq!(writes_under(&world.cell, &scope).await, own[0].0, "the running cell minds its own");

    let anew = handles(&world, 77);
    let home = apart.path().join("anew");
    let (vault, operator) = vault(&world, &home, &anew).await;
    let catalog = catalog::Client::from(Catalog::create(&home).await.unwrap());
    let (stores, region) = (world.cell.stores.clone(), world.cell.region.clone());
    let Handles { clock, rng, audit } = anew.clone();
    let leave = Leave::SignedIn(operator.into());
    let cell = Cell { dir: home, region, stores, vault, leave, catalog, clock, rng, audit };
    let read = recovery(&world);
    flows::set_up_again::set_up_again(&cell, &recovery(&world), &anew, read).await.unwrap();
    for (id, bytes) in wrapped(&folder) {
        let was = own.iter().find(|(own, _)| *own == id).map_or(&forged.wrapped, |(_, was)| was);
        assert_eq!(bytes == *was, id != own[0].0, "only one's own is wrapped anew");
    }
    assert_eq!(writes_under(&cell, &scope).await, own[0].0);
}
