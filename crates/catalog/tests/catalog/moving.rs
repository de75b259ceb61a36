//! From the file in which a cell's catalog is made into a server's database.

use std::path::Path;

use catalog::{
    Catalog, CatalogAddress, CatalogError, Client, LeaseRequest, RestoreState, StepResult, StepState,
};
use domain::Id128;

use crate::backend::{Backend, Place, SERVICE};
use crate::cell::{Cell, connection, entry, head, open, restore, second, shop, tenant, words};

/// A cell's embedded catalog with something in every table, for two tenants.
async fn full() -> (Client, Place) {
    let Cell { catalog, place, .. } = Cell::with_target(&Backend::Embedded).await;
    let t = tenant("t");
    catalog.change_tags(&t, &shop(), &words(&["a", "b"]), &[]).await.unwrap();
    catalog.put_credential(&t, &shop(), "token", &[0, 255, 7], second(1)).await.unwrap();
    catalog.put_store_credential("objects", &[1, 2], second(2)).await.unwrap();
    let request = LeaseRequest {
        holder: Id128([3; 16]),
        seen_generation: 4,
        now: second(3),
        ttl: std::time::Duration::from_secs(60),
    };
    let lease = catalog.seize_lease(&t, &shop(), request).await.unwrap();
    catalog.advance_head_under(&lease, None, &head(1, lease.generation)).await.unwrap();
    catalog.add_restore(&t, &restore(1)).await.unwrap();
    // Its id comes before that of the one which it undoes.
    let undo = catalog::Restore { undo_of: Some(Id128([1; 16])), created_at: second(9), ..restore(0) };
    catalog.add_restore(&t, &undo).await.unwrap();
    catalog.intend(&t, Id128([1; 16]), &words(&["s1", "s2"]), second(4)).await.unwrap();
    let done = StepResult { step: "s1".into(), state: StepState::Done, ledger: Some(entry("1", "11", 1)) };
    catalog.finish_steps(&t, Id128([1; 16]), &[done], second(5)).await.unwrap();
    catalog.record_ids(&t, &[entry("2", "12", 1), entry("0", "10", 1)]).await.unwrap();
    // All of it is in the one file.
    place.behind().await.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    (catalog, place)
}

fn dir(place: &Place) -> &Path {
    let Place::Directory(dir) = place else { panic!("not embedded") };
    dir.path()
}

/// All that a catalog answers.
async fn told(catalog: &Client) -> Vec<String> {
    let mut told = vec![format!("{:?}", catalog.store_credential("objects").await.unwrap())];
    for t in catalog.tenants().await.unwrap() {
        told.push(format!("{t} {:?}", catalog.tags(&t).await.unwrap()));
        for connection in catalog.connections(&t).await.unwrap() {
            let name = &connection.scope.connection;
            told.push(format!("{connection:?}"));
            told.push(format!("{:?}", catalog.head(&t, name).await.unwrap()));
            told.push(format!("{:?}", catalog.lease(&t, name).await.unwrap()));
            told.push(format!("{:?}", catalog.credential(&t, name, "token").await.ok()));
            told.push(format!("{:?}", catalog.ledger(&t, name).await.unwrap()));
            for restore in catalog.restores(&t, name).await.unwrap() {
                told.push(format!("{restore:?} {:?}", catalog.steps(&t, restore.id).await.unwrap()));
            }
        }
    }
    told
}

/// Makes the tables, moves a catalog there, and lets the role in that uses it.
async fn move_in(dir: &Path, place: &Place) -> Result<(), CatalogError> {
    Catalog::migrate(place.owners_address()).await?;
    Catalog::move_to(dir, place.owners_address()).await?;
    let CatalogAddress::Server(owner, credential) = place.owners_address() else { panic!("not a server") };
    Catalog::admit(&owner.clone().with_user(SERVICE).unwrap(), (&owner, &credential)).await
}

#[tokio::test]
async fn all_that_was_in_the_file_is_in_the_database_and_the_file_is_gone() {
    let Some(backend) = Backend::postgres() else { return };
    let (catalog, home) = full().await;
    let (dir, place) = (dir(&home), Place::new(&backend).await);
    let before = told(&catalog).await;
    assert!(before.len() > 12 && before.iter().any(|line| line.contains("Done")), "{before:#?}");
    drop(catalog);

    assert!(Catalog::is_embedded(dir));
    move_in(dir, &place).await.unwrap();
    assert!(!Catalog::is_embedded(dir));
    assert_eq!(std::fs::read_dir(Catalog::folder(dir)).unwrap().count(), 0);
    let moved = open(place.address()).await;
    assert_eq!(told(&moved).await, before);

    // It is used from then on: generations go on, steps end, ids follow.
    let t = tenant("t");
    moved
        .move_restore(&t, Id128([1; 16]), (RestoreState::Applying, RestoreState::Done), second(9))
        .await
        .unwrap();
    moved.record_ids(&t, &[entry("7", "17", 1)]).await.unwrap();
    assert_eq!(moved.ledger(&t, &shop()).await.unwrap().len(), 4);
    backend.done();
}

#[tokio::test]
async fn what_was_moved_and_not_taken_away_yet_is_moved_once() {
    let Some(backend) = Backend::postgres() else { return };
    let (catalog, home) = full().await;
    let (dir, place) = (dir(&home), Place::new(&backend).await);
    let before = told(&catalog).await;
    drop(catalog);
    let copy = std::fs::read(Catalog::path(dir)).unwrap();
    move_in(dir, &place).await.unwrap();
    std::fs::write(Catalog::path(dir), &copy).unwrap();
    move_in(dir, &place).await.unwrap();
    assert!(!Catalog::is_embedded(dir));
    let moved = open(place.address()).await;
    assert_eq!(told(&moved).await, before);

    // Once it is another one, the file is left alone, and the database too.
    moved.add_connection(&connection("t2", "newer")).await.unwrap();
    let now = told(&moved).await;
    std::fs::write(Catalog::path(dir), &copy).unwrap();
    let refused = move_in(dir, &place).await.unwrap_err();
    assert!(matches!(refused, CatalogError::Exists { .. }), "{refused}");
    assert!(Catalog::is_embedded(dir));
    assert_eq!(told(&moved).await, now);
    backend.done();
}

#[tokio::test]
async fn a_role_that_is_not_there_is_let_in_nowhere() {
    let Some(backend) = Backend::postgres() else { return };
    let place = Place::new(&backend).await;
    Catalog::migrate(place.owners_address()).await.unwrap();
    let CatalogAddress::Server(owner, credential) = place.owners_address() else { panic!("not a server") };
    let admit = async |role: &str| {
        let address = owner.clone().with_user(role).unwrap();
        Catalog::admit(&address, (&owner, &credential)).await
    };
    let refused = admit("no-such-role").await.unwrap_err();
    assert!(refused.to_string().contains("there is no role `no-such-role`"), "{refused}");
    let unready = Catalog::open(place.address()).await.unwrap_err();
    assert!(!matches!(unready, CatalogError::SchemaOlder { .. }), "{unready}");
    admit(SERVICE).await.unwrap();
    open(place.address()).await;
    backend.done();
}
