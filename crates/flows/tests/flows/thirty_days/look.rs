//! What a store holds at a moment, read whole through the contract of connectors: by a connection of its own, without
//! spool, snapshot before, cursor or repository. So what increments, resumed runs and the record store made of a store
//! is compared with a reading that knows nothing of them. What the contract itself might overlook is found by
//! [`super::raw`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Mutex;

use connectors::contract::{Item, KindEnd, KindRequest, KindSpec, Line, Progress, Spool, SpoolError, Store};
use domain::{Kind, Removal, SubjectId, Timestamp};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

/// Digests of bytes, by pointer.
pub(crate) type Files = BTreeMap<String, Box<str>>;
/// Digests of bytes by their addresses. A changed address means changed bytes, and what stood at one that leads nowhere
/// any more is what the snapshot before has.
#[derive(Default)]
pub(crate) struct Known(HashMap<String, Box<str>>);

/// Kind and id.
pub(crate) type Key = (&'static str, Box<str>);
/// All items of a store.
pub(crate) type Look = BTreeMap<Key, Seen>;

/// One item.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// As the record store keeps it.
    pub(crate) payload: Vec<u8>,
    /// What counts for "changed or not".
    pub(crate) canonical: Vec<u8>,
    /// The newest time at which the platform says that it, or a part that is told by itself, changed.
    pub(crate) told_at: Option<Timestamp>,
    /// Whose it is.
    pub(crate) subject: Option<SubjectId>,
    /// Its files: the pointer to each, and the digest of its bytes.
    pub(crate) files: Files,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "told at {:?}: {}", self.told_at, String::from_utf8_lossy(&self.payload))
    }
}

/// Parts that tell by themselves when they changed, where the item's own time does not move by that.
const TOLD_BY_THEMSELVES: &[&str] = &["metafields", "variant_metafields"];

impl Seen {
    fn of(item: Item, files: Files) -> Self {
        let payload: Value = serde_json::from_slice(&item.payload).unwrap();
        let parts = TOLD_BY_THEMSELVES.iter().filter_map(|field| payload.get(*field)?.as_array()).flatten();
        let told = parts.filter_map(|part| part.get("date_modified")?.as_str()?.parse::<Timestamp>().ok());
        Self {
            told_at: told.chain(item.source_updated_at).max(),
            subject: item.subjects.into_iter().next(),
            files,
            payload: item.payload,
            canonical: item.canonical,
        }
    }
}

/// Reads all of a store, with all files.
pub(crate) async fn look(store: &dyn Store, known: &mut Known) -> Look {
    let all = store.kinds().iter().map(|kind| KindRequest { kind, since: None, resume: None });
    let memory = Memory::default();
    store.fetch(all.collect(), &memory).await.unwrap();
    let mut look = Look::new();
    for ((kind, id), lines) in memory.0.into_inner().unwrap() {
        let spec: &'static KindSpec = store.kinds().iter().find(|row| row.name == kind).unwrap();
        let lines: Vec<Line> = lines.into_values().collect();
        let Some(item) = store.assemble(spec, &id, &lines).unwrap() else { continue };
        let files = files(store, &item, known).await;
        look.insert((spec.name, id), Seen::of(item, files));
    }
    look
}

async fn files(store: &dyn Store, item: &Item, known: &mut Known) -> Files {
    let mut files = Files::new();
    for source in &item.media {
        // The address of an upload is signed anew on every reading.
        let is_signed = source.pointer.ends_with("originalSource/url");
        let address = if is_signed { source.url.split('?').next().unwrap() } else { &source.url };
        let digest = match known.0.get(address) {
            Some(digest) => digest.clone(),
            None => {
                let body = store.media(source).await.unwrap();
                let bytes: Vec<bytes::Bytes> = body.bytes.try_collect().await.unwrap();
                repository::sha256_hex(&bytes.concat())
            }
        };
        known.0.insert(address.to_owned(), digest.clone());
        files.insert(source.pointer.clone(), digest);
    }
    files
}

/// Lines by kind and id, and by part.
type Lines = BTreeMap<(String, Box<str>), BTreeMap<Box<str>, Line>>;

/// A spool that is nothing but a map.
#[derive(Default)]
struct Memory(Mutex<Lines>);

impl Spool for Memory {
    fn put(&self, line: Line) -> BoxFuture<'_, Result<(), SpoolError>> {
        let key = (line.kind.to_string(), line.id.clone());
        self.0.lock().unwrap().entry(key).or_default().insert(line.part.clone(), line);
        Box::pin(async { Ok(()) })
    }

    fn removed(&self, _: Kind, id: Box<str>, _: Removal) -> BoxFuture<'_, Result<(), SpoolError>> {
        panic!("{id}: whoever reads everything is told of no removal")
    }

    fn present(&self, _: Kind, id: Box<str>) -> BoxFuture<'_, Result<(), SpoolError>> {
        panic!("{id}: whoever reads everything reads what is there")
    }

    fn page_end(&self, _: Kind, _: Value) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async { Ok(()) })
    }

    fn restart(&self, kind: Kind) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.0.lock().unwrap().retain(|(of, _), _| *of != kind.as_str());
        Box::pin(async { Ok(()) })
    }

    fn kind_end(&self, end: KindEnd) -> BoxFuture<'_, Result<(), SpoolError>> {
        assert!(end.complete && end.gaps.is_empty(), "the model must know all: {end:?}");
        Box::pin(async { Ok(()) })
    }

    fn progress(&self, _: Progress<'_>) {}
}
