//! The embedded catalog's file: private, durable, damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use catalog::{Catalog, CatalogErrorKind};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::backend::{Backend, Place};
use crate::cell::{Cell, open, shop, tenant};

fn home(cell: &Cell) -> PathBuf {
    let Place::Directory(dir) = &cell.place else { panic!("not embedded") };
    dir.path().to_owned()
}

async fn behind(home: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(Catalog::path(home));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn a_catalog_is_private_and_durable() {
    let cell = Cell::new(&Backend::Embedded).await;
    let home = home(&cell);
    let files: Vec<_> = fs::read_dir(Catalog::folder(&home)).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 2, "the file and its write-ahead log");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    let folder = fs::metadata(Catalog::folder(&home)).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut behind(&home).await).await.unwrap();
    assert_eq!(mode, "wal");

    // Closed or not, what was written is there for the next process.
    let again = cell.open_again().await;
    assert_eq!(again.tenants().await.unwrap(), [tenant("t"), tenant("t2")]);
    again.check_integrity().await.unwrap();
}

#[tokio::test]
async fn opening_makes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Catalog::open(dir.path()).await.is_err());
    assert!(Catalog::migrate(dir.path()).await.is_err());
    assert!(Catalog::schema(dir.path()).await.is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    Catalog::create(dir.path()).await.unwrap();
    assert!(Catalog::path(dir.path()).exists());
}

#[tokio::test]
async fn a_damaged_file_is_called_damaged() {
    let cell = Cell::new(&Backend::Embedded).await;
    let home = home(&cell);
    let path = Catalog::path(&home);
    // What stands in the write-ahead log alone would be there still.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut behind(&home).await).await.unwrap();
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
            Ok(catalog) => {
                catalog::Client::from(catalog).connection(&tenant("t"), &shop()).await.unwrap_err()
            }
        };
        assert_eq!(error.kind(), CatalogErrorKind::Damaged, "{what}: {error}");
    }
    fs::write(&path, &kept).unwrap();
    open(&home).await.connection(&tenant("t"), &shop()).await.unwrap();
}
