//! Media of every size, swapped ones, and what a crash leaves behind.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use domain::Action;
use futures::stream;
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use repository::{ErrorKind, MediaBatch, MediaStore, RepositoryError, StoreOptions, StoredMedia, make_store};

use crate::cell::{BEGIN, Cell, objects};
use crate::faulty::{Fault, Plan};
use crate::history::{Step, World};

const MIB: usize = 1024 * 1024;

async fn media(cell: &Cell) -> MediaStore {
    let grant = cell.grant("shop", &[Action::Backup]).await;
    cell.repository("shop").media(&grant, Action::Backup).await.unwrap()
}

/// Bytes that differ from place to place.
fn content(len: usize) -> Vec<u8> {
    let mut line: Vec<u8> = (0..=255).cycle().take(999).collect();
    let mut content = Vec::with_capacity(len + line.len());
    while content.len() < len {
        content.extend_from_slice(&line);
        line.rotate_left(7);
    }
    content.truncate(len);
    content
}

async fn store(media: &MediaStore, content: &[u8]) -> Result<StoredMedia, RepositoryError> {
    let pieces: Vec<_> =
        content.chunks(100_000).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    Ok(media.store(stream::iter(pieces)).await?.unwrap())
}

async fn read(media: &MediaStore, name: &str) -> Result<Vec<u8>, RepositoryError> {
    let mut found = Vec::new();
    media
        .read(name, |piece| {
            found.extend_from_slice(&piece);
            Ok(())
        })
        .await?;
    Ok(found)
}

#[tokio::test]
async fn media_of_every_size_come_back_as_they_were() {
    let cell = Cell::new().await;
    let media = media(&cell).await;
    for len in [0, 1, 8 * MIB, 8 * MIB + 1, 20 * MIB] {
        let content = content(len);
        let stored = store(&media, &content).await.unwrap();
        assert_eq!(stored.size_bytes, u64::try_from(len).unwrap());
        assert!(stored.bytes_written > stored.size_bytes);
        assert!(read(&media, &stored.name).await.unwrap() == content, "{len} bytes");
        let again = store(&media, &content).await.unwrap();
        assert_eq!((again.name, again.bytes_written), (stored.name, 0), "the same bytes are stored once");
    }
    let left = objects(&*cell.stores.objects).await;
    assert_eq!(left.len(), 5, "nothing passing is left");
    let begin = content(64);
    assert!(left.iter().all(|(_, bytes)| bytes.get(56..120) != Some(&begin[..])), "sealed");
}

#[tokio::test]
async fn a_medium_that_was_swapped_cut_or_lengthened_is_found() {
    let (objects_store, keys) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    let cell = Cell::with_stores(objects_store.clone(), keys).await;
    let media = media(&cell).await;
    let one = store(&media, &content(8 * MIB + 7)).await.unwrap();
    let two = store(&media, &content(8 * MIB + 9)).await.unwrap();
    let stored = objects(&*objects_store).await;
    let of = |name: &str| stored.iter().find(|(path, _)| path.as_ref().ends_with(name)).unwrap().clone();
    let ((path, bytes), (_, other)) = (of(&one.name), of(&two.name));
    let mut longer = bytes.clone();
    longer.push(0);
    let chunk = 8 * MIB + 16;
    let mut turned = bytes[..56].to_vec();
    turned.extend_from_slice(&bytes[56 + chunk..]);
    turned.extend_from_slice(&bytes[56..56 + chunk]);
    for changed in [
        other,
        bytes[..bytes.len() - 1].to_vec(),
        bytes[..56 + chunk].to_vec(),
        bytes[..10].to_vec(),
        longer,
        turned,
    ] {
        objects_store.put(&path, changed.into()).await.unwrap();
        assert_eq!(read(&media, &one.name).await.unwrap_err().kind(), ErrorKind::Integrity);
    }
    objects_store.delete(&path).await.unwrap();
    assert_eq!(read(&media, &one.name).await.unwrap_err().kind(), ErrorKind::Integrity);
    objects_store.put(&path, bytes.into()).await.unwrap();
    assert!(read(&media, &one.name).await.unwrap() == content(8 * MIB + 7));
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_nothing() {
    let cell = Cell::new().await;
    let media = media(&cell).await;
    let pieces = vec![Ok(Bytes::from(content(9 * MIB))), Err(std::io::Error::other("cut"))];
    let error = media.store(stream::iter(pieces)).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cut");
    assert!(objects(&*cell.stores.objects).await.is_empty());
}

#[tokio::test]
async fn a_crash_leaves_a_whole_medium_or_what_is_collected() {
    let base = Cell::new().await;
    let large = content(8 * MIB + 1);
    let undisturbed = Plan::new([]);
    let world = World::new(&base, &undisturbed, 1);
    store(&media(&world.cell).await, &large).await.unwrap();
    let writes = undisturbed.writes();
    assert!(writes >= 4, "a key, an upload in pieces, and its name");
    let mut passing = 0;
    for turn in 1..=writes {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            base.clock.second.store(BEGIN, Ordering::SeqCst);
            let plan = Plan::new([(turn, fault)]);
            let mut world = World::new(&base, &plan, 2);
            let grant = world.cell.grant("shop", &[Action::Backup]).await;
            let first = match world.repository().media(&grant, Action::Backup).await {
                Ok(media) => store(&media, &large).await.map(drop),
                Err(error) => Err(error),
            };
            assert!(first.is_err());
            world.reopen(&Plan::new([]));
            let left = world.read_all_names().await;
            passing += left.iter().filter(|name| name.contains("/media/passing-")).count();
            let media = media(&world.cell).await;
            let stored = store(&media, &large).await.unwrap();
            assert!(read(&media, &stored.name).await.unwrap() == large);
            for step in [Step::Sweep(&[("1", "x")]), Step::Collect, Step::Wait(80), Step::Collect] {
                world.run(&step).await.unwrap();
            }
            let left = world.read_all_names().await;
            assert!(!left.iter().any(|name| name.contains("/media/")), "{left:?}");
        }
    }
    assert!(passing > 0, "some crash left a passing object behind");
}

async fn store_in(media: &MediaStore, batch: &MediaBatch, content: &[u8]) -> StoredMedia {
    let pieces = [Ok::<_, std::io::Error>(Bytes::copy_from_slice(content))];
    media.store_in(batch, stream::iter(pieces)).await.unwrap().unwrap()
}

/// Names of all files below a folder.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

#[tokio::test]
async fn media_of_a_batch_are_there_once_it_has_settled_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let directory = make_store(dir.path().to_str().unwrap(), &StoreOptions::default()).unwrap();
    let cell = Cell::with_stores(directory, Arc::new(InMemory::new())).await;
    let media = media(&cell).await;
    let batch = MediaBatch::default();
    let contents: Vec<Vec<u8>> = (1..=40).map(|turn| content(turn * 100)).collect();
    let mut stored = Vec::new();
    for content in &contents {
        stored.push(store_in(&media, &batch, content).await);
    }
    let twin = store_in(&media, &batch, &contents[7]).await;
    assert_eq!((&twin.name, twin.bytes_written), (&stored[7].name, 0), "the same bytes are stored once");
    assert_eq!(batch.len(), 40);
    assert!(objects(&*cell.stores.objects).await.is_empty());
    assert!(files(dir.path()).iter().all(|name| name.contains('#')), "none has its name yet");

    media.settle(&batch).await.unwrap();
    for (content, stored) in contents.iter().zip(&stored) {
        assert!(read(&media, &stored.name).await.unwrap() == *content);
    }
    let mut names = files(dir.path());
    names.sort();
    let mut expected: Vec<String> = stored.iter().map(|stored| stored.name.clone()).collect();
    expected.sort();
    assert_eq!(names, expected, "nothing is left beside them");
    let again = store_in(&media, &MediaBatch::default(), &contents[3]).await;
    assert_eq!(again.bytes_written, 0);
}

#[tokio::test]
async fn a_batch_that_never_settled_is_stored_anew() {
    let dir = tempfile::tempdir().unwrap();
    let directory = make_store(dir.path().to_str().unwrap(), &StoreOptions::default()).unwrap();
    let cell = Cell::with_stores(directory, Arc::new(InMemory::new())).await;
    let media = media(&cell).await;
    let lost = store_in(&media, &MediaBatch::default(), &content(5000)).await;
    // What was written aside may have been cut by a power loss.
    let aside =
        dir.path().join("t/jsonl/default/shop/media").join(&lost.name[..2]).join(format!("{}#0", lost.name));
    std::fs::write(&aside, b"cut").unwrap();
    let batch = MediaBatch::default();
    let stored = store_in(&media, &batch, &content(5000)).await;
    assert!(stored.name == lost.name && stored.bytes_written > 5000);
    media.settle(&batch).await.unwrap();
    assert!(read(&media, &stored.name).await.unwrap() == content(5000));
}

#[tokio::test]
async fn the_same_bytes_in_two_batches_at_one_time_disturb_neither() {
    let dir = tempfile::tempdir().unwrap();
    let directory = make_store(dir.path().to_str().unwrap(), &StoreOptions::default()).unwrap();
    let cell = Cell::with_stores(directory, Arc::new(InMemory::new())).await;
    let media = media(&cell).await;
    // The first is still on its way to the disk while the second is gathered, as in a large backup.
    let (first, second) = (MediaBatch::default(), MediaBatch::default());
    let stored = store_in(&media, &first, &content(5000)).await;
    let twin = store_in(&media, &second, &content(5000)).await;
    assert_eq!(stored.name, twin.name);
    media.settle(&first).await.unwrap();
    media.settle(&second).await.unwrap();
    assert!(read(&media, &stored.name).await.unwrap() == content(5000));
    assert_eq!(files(dir.path()), [stored.name], "nothing is left beside it");
}
