//! Somebody changes the stores: never wrong data, always an integrity error.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Action, Removal};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use repository::{ErrorKind, Mode, RepositoryError};

use crate::cell::{Cell, kind, objects};

type Contents = BTreeMap<(String, String), Vec<u8>>;

/// Everything that can be read of a connection at its newest snapshot.
async fn read_all(cell: &Cell, connection: &str) -> Result<Contents, RepositoryError> {
    let grant = cell.grant(connection, &[Action::Read]).await;
    let reader = cell.repository(connection).reader(&grant, Action::Read, None).await?;
    let mut contents = Contents::new();
    for number in reader.snapshots().await?.iter().map(|head| head.name.number) {
        for kind_name in ["customer", "product"] {
            let mut scan = reader.scan(&kind(kind_name), number, None).await?;
            while let Some(record) = scan.next().await? {
                contents.insert((format!("{number} {kind_name}"), record.key.id.to_string()), record.payload);
            }
            let mut rows = reader.scan(&kind(kind_name), number, None).await?;
            while let Some(row) = rows.next_summary().await? {
                contents.insert(
                    (format!("{number} {kind_name} row"), row.id.to_string()),
                    row.cells.unwrap_or_default(),
                );
            }
        }
    }
    Ok(contents)
}

async fn small_cell() -> (Cell, Arc<InMemory>, Arc<InMemory>) {
    let (store, keys) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    let cell = Cell::with_stores(store.clone(), keys.clone()).await;
    for connection in ["shop", "twin"] {
        cell.sweep(connection, "product", &[("1", "one"), ("2", "two")]).await;
        let increment = Mode::Increment;
        cell.run(connection, "customer", increment, &[("c", "a person")], Some("customer/c")).await;
        cell.run(connection, "product", Mode::Sweep(Removal::Deleted), &[("1", "eins")], None).await;
    }
    (cell, store, keys)
}

#[tokio::test]
async fn no_flipped_byte_goes_unnoticed() {
    let (cell, store, keys) = small_cell().await;
    let expected = read_all(&cell, "shop").await.unwrap();
    assert_eq!(expected.len(), 14, "both kinds at three snapshots, each with its row");
    let mut flipped = 0;
    for store in [&store, &keys] {
        for (path, bytes) in objects(store)
            .await
            .into_iter()
            .filter(|(path, _)| path.as_ref().starts_with("t/jsonl/default/shop"))
        {
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                store.put(&path, changed.into()).await.unwrap();
                match read_all(&cell, "shop").await {
                    Ok(_) => panic!("byte {at} of {path} was flipped and nobody noticed"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Integrity, "byte {at} of {path}: {error:?}");
                    }
                }
                flipped += 1;
            }
            store.put(&path, bytes.into()).await.unwrap();
        }
    }
    assert!(flipped > 2_000, "{flipped} bytes");
    assert_eq!(read_all(&cell, "shop").await.unwrap(), expected, "put back, everything reads again");
}

#[tokio::test]
async fn no_missing_or_cut_object_goes_unnoticed() {
    let (cell, store, keys) = small_cell().await;
    let head = {
        let grant = cell.grant("shop", &[Action::Read]).await;
        cell.repository("shop").head(&grant, Action::Read).await.unwrap().unwrap().name
    };
    for store in [&store, &keys] {
        for (path, bytes) in objects(store)
            .await
            .into_iter()
            .filter(|(path, _)| path.as_ref().starts_with("t/jsonl/default/shop"))
        {
            for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                store.put(&path, bytes[..len].to_vec().into()).await.unwrap();
                let error = read_all(&cell, "shop").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Integrity, "{path} cut to {len}: {error:?}");
            }
            store.delete(&path).await.unwrap();
            let grant = cell.grant("shop", &[Action::Read]).await;
            let known = cell.repository("shop").reader(&grant, Action::Read, Some(&head)).await.map(drop);
            let read = read_all(&cell, "shop").await.map(drop);
            let error = known.and(read).expect_err("an object is gone and nobody noticed");
            assert_eq!(error.kind(), ErrorKind::Integrity, "{path} deleted: {error:?}");
            store.put(&path, bytes.into()).await.unwrap();
        }
    }
    read_all(&cell, "shop").await.unwrap();
}

#[tokio::test]
async fn no_intact_object_of_another_connection_is_taken() {
    let (cell, store, keys) = small_cell().await;
    let folder = |path: &Path| path.parts().nth(4).map(|part| part.as_ref().to_owned());
    for store in [&store, &keys] {
        let all = objects(store).await;
        for (path, bytes) in all.iter().filter(|(path, _)| path.as_ref().starts_with("t/jsonl/default/shop"))
        {
            let twins = all.iter().filter(|(twin, _)| {
                twin.as_ref().starts_with("t/jsonl/default/twin") && folder(twin) == folder(path)
            });
            let mut tried = 0;
            for (_, foreign) in twins {
                store.put(path, foreign.clone().into()).await.unwrap();
                let error = read_all(&cell, "shop").await.expect_err("a foreign object was taken");
                assert_eq!(error.kind(), ErrorKind::Integrity, "{path}: {error:?}");
                tried += 1;
            }
            assert!(tried > 0, "{path} has a counterpart");
            store.put(path, bytes.clone().into()).await.unwrap();
        }
    }
    read_all(&cell, "shop").await.unwrap();
}

#[tokio::test]
async fn no_object_of_another_place_in_the_same_connection_is_taken() {
    let (cell, store, keys) = small_cell().await;
    let folder = |path: &Path| path.parts().nth(4).map(|part| part.as_ref().to_owned());
    for store in [&store, &keys] {
        let all = objects(store).await;
        let own: Vec<_> =
            all.iter().filter(|(path, _)| path.as_ref().starts_with("t/jsonl/default/shop")).collect();
        for (path, bytes) in &own {
            for (other, moved) in
                own.iter().filter(|(other, _)| other != path && folder(other) == folder(path))
            {
                store.put(path, moved.clone().into()).await.unwrap();
                let error = read_all(&cell, "shop").await.expect_err("a moved object was taken");
                assert_eq!(error.kind(), ErrorKind::Integrity, "{other} at {path}: {error:?}");
            }
            store.put(path, bytes.clone().into()).await.unwrap();
        }
    }
    read_all(&cell, "shop").await.unwrap();
}

#[tokio::test]
async fn an_older_list_of_snapshots_put_back_is_found() {
    let (cell, store, _) = small_cell().await;
    let before = objects(&store).await;
    let written = cell.sweep("shop", "product", &[("1", "one"), ("3", "three")]).await;
    let known = written.head.name;
    for (path, _) in objects(&store).await {
        if !before.iter().any(|(old, _)| *old == path) {
            store.delete(&path).await.unwrap();
        }
    }
    let grant = cell.grant("shop", &[Action::Read, Action::Backup]).await;
    let repository = cell.repository("shop");
    let error = repository.reader(&grant, Action::Read, Some(&known)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains("rolled back"), "{error}");
    let error = repository.writer(&grant, cell.generation(), Some(&known)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Integrity, "a backup does not build on it either");
    assert!(
        repository.reader(&grant, Action::Read, None).await.is_ok(),
        "with the store alone it cannot be told"
    );
}
