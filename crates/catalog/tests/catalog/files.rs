//! The catalog's file: made, migrated, opened, damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use catalog::{Catalog, CatalogError, CatalogErrorKind, SchemaState};

use crate::cell::{Cell, connection, second, shop, tenant};

#[tokio::test]
async fn a_catalog_is_private_and_durable() {
    let cell = Cell::new().await;
    let files: Vec<_> = fs::read_dir(cell.home()).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 2, "the file and its write-ahead log");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    let mut database = cell.behind().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut database).await.unwrap();
    assert_eq!(mode, "wal");

    // Closed or not, what was written is there for the next process.
    let again = cell.open_again().await;
    assert_eq!(again.tenants().await.unwrap(), [tenant("t"), tenant("t2")]);
    again.check_integrity().await.unwrap();
}

#[tokio::test]
async fn a_catalog_is_made_once() {
    let cell = Cell::new().await;
    let error = Catalog::create(cell.home()).await.unwrap_err();
    assert!(matches!(error, CatalogError::Exists { .. }), "{error}");
    assert_eq!(cell.catalog.tenants().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_catalog_that_is_not_there_is_not_made_by_opening_it() {
    let dir = tempfile::tempdir().unwrap();
    for error in [
        Catalog::open(dir.path()).await.map(|_| ()).unwrap_err(),
        Catalog::migrate(dir.path()).await.map(|_| ()).unwrap_err(),
        Catalog::schema(dir.path()).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, CatalogError::Missing(_)), "{error}");
        assert_eq!(error.kind(), CatalogErrorKind::NotFound);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_empty_catalog_is_migrated_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(Catalog::path(dir.path()), b"").unwrap();
    let error = Catalog::open(dir.path()).await.unwrap_err();
    assert!(matches!(error, CatalogError::SchemaOlder { found: 0, .. }), "{error}");

    let SchemaState { found, known } = Catalog::schema(dir.path()).await.unwrap();
    assert!(found == 0 && known > 0);
    // Two at once: each finds the work done, or does it.
    let (one, other) = tokio::join!(Catalog::migrate(dir.path()), Catalog::migrate(dir.path()));
    assert_eq!(one.unwrap().known, known);
    assert_eq!(other.unwrap().known, known);
    let catalog = Catalog::open(dir.path()).await.unwrap();
    catalog.add_tenant(&tenant("t"), second(0)).await.unwrap();

    assert_eq!(Catalog::migrate(dir.path()).await.unwrap(), SchemaState { found: known, known });
    assert_eq!(catalog.tenants().await.unwrap(), [tenant("t")]);
}

#[tokio::test]
async fn a_catalog_of_the_first_schema_is_migrated_with_what_it_holds() {
    let cell = Cell::new().await;
    let known = Catalog::schema(cell.home()).await.unwrap().known;
    let mut database = cell.behind().await;
    for undo in [
        "DROP TABLE connection_tag",
        "DROP TABLE store_credential",
        "DELETE FROM schema_version WHERE version > 1",
    ] {
        sqlx::query(undo).execute(&mut database).await.unwrap();
    }
    let error = Catalog::open(cell.home()).await.unwrap_err();
    assert!(matches!(error, CatalogError::SchemaOlder { found: 1, .. }), "{error}");
    assert_eq!(Catalog::migrate(cell.home()).await.unwrap(), SchemaState { found: 1, known });
    let catalog = cell.open_again().await;
    assert_eq!(catalog.connections(&tenant("t")).await.unwrap().len(), 1);
    catalog.put_store_credential("key-store", b"sealed", second(1)).await.unwrap();
    assert!(catalog.tags(&tenant("t")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let cell = Cell::new().await;
    let known = Catalog::schema(cell.home()).await.unwrap().known;
    let mut database = cell.behind().await;
    sqlx::query("INSERT INTO schema_version (version) VALUES (1000)").execute(&mut database).await.unwrap();
    for error in [
        Catalog::open(cell.home()).await.map(|_| ()).unwrap_err(),
        Catalog::migrate(cell.home()).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(
            matches!(error, CatalogError::SchemaNewer { found: 1000, known: k } if k == known),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_file_is_called_damaged() {
    let cell = Cell::new().await;
    let home = cell.home().to_owned();
    let path = Catalog::path(&home);
    // What stands in the write-ahead log alone would be there still.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut cell.behind().await).await.unwrap();
    let kept = fs::read(&path).unwrap();
    let damage: [(&str, Vec<u8>); 3] = [
        ("another file", b"this was never a database".repeat(300)),
        (
            "a flipped header",
            kept.iter().enumerate().map(|(at, b)| if at == 3 { b ^ 1 } else { *b }).collect(),
        ),
        ("cut off", kept[..4096].to_vec()),
    ];
    for (what, bytes) in damage {
        fs::write(&path, bytes).unwrap();
        let opened = Catalog::open(&home).await;
        let error = match opened {
            Err(error) => error,
            Ok(catalog) => catalog.connection(&tenant("t"), &shop()).await.unwrap_err(),
        };
        assert_eq!(error.kind(), CatalogErrorKind::Damaged, "{what}: {error}");
    }
    fs::write(&path, &kept).unwrap();
    Catalog::open(&home).await.unwrap().connection(&tenant("t"), &shop()).await.unwrap();
}

#[tokio::test]
async fn a_value_that_cannot_be_is_called_damaged() {
    let cell = Cell::new().await;
    let mut database = cell.behind().await;
    for change in [
        "UPDATE connection SET platform = 'NOT A NAME' WHERE tenant = 't'",
        "UPDATE connection SET platform = 'shopify', settings = '{' WHERE tenant = 't'",
        "UPDATE connection SET settings = '{}', created_at = 'yesterday' WHERE tenant = 't'",
    ] {
        sqlx::query(change).execute(&mut database).await.unwrap();
        let error = cell.catalog.connection(&tenant("t"), &shop()).await.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Damaged, "{change}: {error}");
    }
    // The control: the other tenant's row is as it was.
    let other = cell.catalog.connection(&tenant("t2"), &shop()).await.unwrap();
    assert_eq!(other, connection("t2", "shop"));
}
