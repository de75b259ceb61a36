//! What is asked of a store below the record store: objects, ranges, lists, and what it promises.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, WriteMultipart};
use repository::{Promises, probe, refuses_destruction};

use crate::fixture::rng;
use crate::target::Target;

/// More than a page of any server's list has.
const MANY: usize = 1_100;

pub(crate) async fn keeps_the_promises_that_it_is_known_for(target: &Target) {
    let store = target.make("promises");
    let seen = probe(&store, &*rng(1)).await.unwrap();
    let create_if_absent = target.create_if_absent.unwrap_or(seen.create_if_absent);
    let known = Promises { create_if_absent, keeps_versions: target.keeps_versions };
    assert_eq!(seen, known, "{}", target.name);
    if target.has_url() {
        let (url, options) = target.url("promises");
        assert_eq!(
            refuses_destruction(&url, &options, &*rng(2)).await.unwrap(),
            target.locks,
            "{}",
            target.name
        );
    }
    // One after the other it is the same as all at once.
    let (path, create) =
        (Path::from("once"), || PutOptions { mode: PutMode::Create, ..PutOptions::default() });
    store.put_opts(&path, PutPayload::from_static(b"first"), create()).await.unwrap();
    let again = store.put_opts(&path, PutPayload::from_static(b"second"), create()).await;
    if target.create_if_absent != Some(false) {
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{}: {again:?}", target.name);
        assert_eq!(&store.get(&path).await.unwrap().bytes().await.unwrap()[..], b"first");
    }
}

pub(crate) async fn lists_everything_beyond_a_page(target: &Target) {
    let store = target.make("many");
    // Names that sort otherwise by number than by text, and one folder whose name begins like the other's.
    let names = (0..MANY).map(|turn| format!("t/a/commit/{}-{turn}", turn * 7919 % MANY));
    let mut names: Vec<String> = names.chain((0..5).map(|turn| format!("t/a/commit-other/{turn}"))).collect();
    let put = |name: String| {
        let store = &store;
        async move { store.put(&Path::from(name.as_str()), PutPayload::from(name.into_bytes())).await.map(drop) }
    };
    stream::iter(names.clone()).map(put).buffer_unordered(16).try_collect::<()>().await.unwrap();
    names.retain(|name| name.starts_with("t/a/commit/"));
    names.sort();
    let listed: Vec<_> = store.list(Some(&Path::from("t/a/commit"))).try_collect().await.unwrap();
    for meta in &listed {
        assert_eq!(meta.size, u64::try_from(meta.location.as_ref().len()).unwrap(), "{}", meta.location);
    }
    let mut listed: Vec<String> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
    if target.has_url() && target.name != "directory" {
        assert!(listed.is_sorted(), "{}: a bucket lists in order", target.name);
    }
    listed.sort();
    assert_eq!(listed, names, "{}", target.name);
    let none: Vec<_> = store.list(Some(&Path::from("t/b"))).try_collect().await.unwrap();
    assert!(none.is_empty(), "{}: {none:?}", target.name);
}

pub(crate) async fn reads_ranges(target: &Target) {
    let store = target.make("ranges");
    let path = Path::from("object");
    let bytes: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
    store.put(&path, bytes.clone().into()).await.unwrap();
    for (start, end) in [(0, 1), (0, 56), (1, 2), (4_095, 70_000), (99_999, 100_000), (0, 100_000)] {
        let read = store.get_range(&path, start..end).await.unwrap();
        let expected = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        assert!(read == expected, "{}: {start}..{end}", target.name);
    }
    assert_eq!(store.head(&path).await.unwrap().size, 100_000);
    // Past the end: an error, or what there is. The record store takes neither for the whole.
    let past = store.get_range(&path, 99_990..100_010).await;
    assert!(past.is_err() || past.unwrap().len() == 10, "{}", target.name);
    store.get_range(&path, 100_000..100_010).await.expect_err("nothing is there");
}

pub(crate) async fn tells_what_is_missing(target: &Target) {
    let store = target.make("missing");
    store.put(&Path::from("there"), PutPayload::from_static(b"x")).await.unwrap();
    let absent = Path::from("absent");
    assert!(matches!(store.get(&absent).await, Err(Error::NotFound { .. })), "{}", target.name);
    assert!(matches!(store.head(&absent).await, Err(Error::NotFound { .. })), "{}", target.name);
    assert!(matches!(store.get_range(&absent, 0..1).await, Err(Error::NotFound { .. })), "{}", target.name);
    // Deleting what is absent is no failure of ours: some stores say so, some do not.
    assert!(matches!(store.delete(&absent).await, Ok(()) | Err(Error::NotFound { .. })), "{}", target.name);
    store.delete(&Path::from("there")).await.unwrap();
    assert!(matches!(store.get(&Path::from("there")).await, Err(Error::NotFound { .. })), "{}", target.name);
}

pub(crate) async fn takes_large_objects_in_pieces(target: &Target) {
    let store = target.make("pieces");
    let (passing, path) = (Path::from("passing"), Path::from("m/1"));
    let bytes: Vec<u8> =
        (0..13_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    let mut writer =
        WriteMultipart::new_with_chunk_size(store.put_multipart(&passing).await.unwrap(), 6_000_000);
    bytes.chunks(1_000_000).for_each(|piece| writer.write(piece));
    writer.finish().await.unwrap();
    store.rename(&passing, &path).await.unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == bytes, "{}", target.name);
    assert!(matches!(store.head(&passing).await, Err(Error::NotFound { .. })), "{}", target.name);
    // What is given up is seen by nobody.
    let given_up = Path::from("given-up");
    let mut writer =
        WriteMultipart::new_with_chunk_size(store.put_multipart(&given_up).await.unwrap(), 6_000_000);
    writer.write(&bytes[..7_000_000]);
    writer.abort().await.unwrap();
    assert!(matches!(store.head(&given_up).await, Err(Error::NotFound { .. })), "{}", target.name);
}
