//! The catalog made, migrated, opened, and not as it was written.

use catalog::{Catalog, CatalogError, CatalogErrorKind, SchemaState};

use crate::backend::{Backend, Place};
use crate::cell::{Cell, connection, open, second, shop, tenant};

pub(crate) async fn a_catalog_is_made_once(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let error = Catalog::create(cell.place.owners_address()).await.unwrap_err();
    assert!(matches!(error, CatalogError::Exists { .. }), "{error}");
    assert_eq!(cell.catalog.tenants().await.unwrap().len(), 2);
}

pub(crate) async fn a_catalog_that_is_not_there_is_not_made_by_opening_it(backend: &Backend) {
    let place = Place::new(backend).await;
    for _ in 0..2 {
        for error in [
            Catalog::open(place.nowhere()).await.map(|_| ()).unwrap_err(),
            Catalog::migrate(place.nowhere()).await.map(|_| ()).unwrap_err(),
            Catalog::schema(place.nowhere()).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, CatalogError::Missing(_)), "{error}");
            assert_eq!(error.kind(), CatalogErrorKind::NotFound);
        }
    }
}

/// A place as it is before the first migration: an empty file, an empty database.
async fn empty(backend: &Backend) -> Place {
    let place = Place::new(backend).await;
    if let Place::Directory(dir) = &place {
        std::fs::create_dir(Catalog::folder(dir.path())).unwrap();
        std::fs::write(Catalog::path(dir.path()), b"").unwrap();
    }
    place
}

pub(crate) async fn an_empty_catalog_is_migrated_once(backend: &Backend) {
    let place = empty(backend).await;
    let error = Catalog::open(place.address()).await.unwrap_err();
    assert!(matches!(error, CatalogError::SchemaOlder { found: 0, .. }), "{error}");

    let SchemaState { found, known } = Catalog::schema(place.address()).await.unwrap();
    assert!(found == 0 && known > 0);
    // Two at once: each finds the work done, or does it.
    let (one, other) =
        tokio::join!(Catalog::migrate(place.owners_address()), Catalog::migrate(place.owners_address()));
    assert_eq!(one.unwrap().known, known);
    assert_eq!(other.unwrap().known, known);
    assert_eq!(place.migrate().await, SchemaState { found: known, known });
    let catalog = open(place.address()).await;
    catalog.add_tenant(&tenant("t"), second(0)).await.unwrap();

    assert_eq!(place.migrate().await, SchemaState { found: known, known });
    assert_eq!(catalog.tenants().await.unwrap(), [tenant("t")]);
}

pub(crate) async fn a_catalog_of_the_first_schema_is_migrated_with_what_it_holds(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let known = Catalog::schema(cell.place.address()).await.unwrap().known;
    let mut behind = cell.behind().await;
    for undo in [
        "DROP TABLE connection_tag",
        "DROP TABLE store_credential",
        "DROP TABLE hint",
        "DROP TABLE webhook",
        "DROP TABLE schedule",
        "DELETE FROM schema_version WHERE version > 1",
    ] {
        behind.execute(undo).await;
    }
    let error = Catalog::open(cell.place.address()).await.unwrap_err();
    assert!(matches!(error, CatalogError::SchemaOlder { found: 1, .. }), "{error}");
    assert_eq!(cell.place.migrate().await, SchemaState { found: 1, known });
    let catalog = cell.open_again().await;
    assert_eq!(catalog.connections(&tenant("t")).await.unwrap().len(), 1);
    catalog.put_store_credential("key-store", b"sealed", second(1)).await.unwrap();
    assert!(catalog.tags(&tenant("t")).await.unwrap().is_empty());
    assert!(catalog.schedules_of_tenant(&tenant("t")).await.unwrap().is_empty());
}

pub(crate) async fn a_newer_schema_is_left_alone(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let known = Catalog::schema(cell.place.address()).await.unwrap().known;
    cell.behind().await.execute("INSERT INTO schema_version (version) VALUES (1000)").await;
    for error in [
        Catalog::open(cell.place.address()).await.map(|_| ()).unwrap_err(),
        Catalog::migrate(cell.place.owners_address()).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(
            matches!(error, CatalogError::SchemaNewer { found: 1000, known: k } if k == known),
            "{error}"
        );
    }
}

pub(crate) async fn a_value_that_cannot_be_is_called_damaged(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let mut behind = cell.behind().await;
    for change in [
        "UPDATE connection SET platform = 'NOT A NAME' WHERE tenant = 't'",
        "UPDATE connection SET platform = 'shopify', settings = '{' WHERE tenant = 't'",
        "UPDATE connection SET settings = '{}', created_at = 'yesterday' WHERE tenant = 't'",
    ] {
        behind.execute(change).await;
        let error = cell.catalog.connection(&tenant("t"), &shop()).await.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Damaged, "{change}: {error}");
    }
    // The control: the other tenant's row is as it was.
    let other = cell.catalog.connection(&tenant("t2"), &shop()).await.unwrap();
    assert_eq!(other, connection("t2", "shop"));
}

pub(crate) async fn a_table_that_is_gone_is_called_damaged(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let mut behind = cell.behind().await;
    behind.execute("ALTER TABLE head RENAME TO elsewhere").await;
    let error = cell.catalog.head(&tenant("t"), &shop()).await.unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::Damaged, "{error}");
    behind.execute("ALTER TABLE elsewhere RENAME TO head").await;
    assert_eq!(cell.catalog.head(&tenant("t"), &shop()).await.unwrap(), None);
}
