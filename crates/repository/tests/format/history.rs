//! A history that has something of everything, and what each of its snapshots must read as.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{Action, Gap, GapReason, Kind, MediaRef, RecordMeta, Removal, SubjectId, Timestamp};
use repository::{KindOutcome, Lease, Mode, NewRecord, Writer};
use serde_json::{Value, json};

use crate::fixture::Cell;

/// A record as the map keeps it.
#[derive(Debug, Clone)]
struct Kept {
    meta: RecordMeta,
    payload: Vec<u8>,
    summary: String,
    number: u64,
}

type Snapshot = BTreeMap<(String, String), Kept>;

/// How large the history is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Products of the first snapshot.
    pub(crate) products: usize,
    /// Snapshots in all; more than 8 make the indexes merge.
    pub(crate) snapshots: u64,
    /// Whether payloads and media fill whole blocks and chunks.
    pub(crate) large: bool,
}

/// What was written.
pub(crate) struct Written {
    /// One line for each record of each snapshot, as a reader must give it.
    pub(crate) lines: Vec<Value>,
    /// Name and content of each medium.
    pub(crate) media: Vec<(String, Vec<u8>)>,
    /// The name of the newest commit.
    pub(crate) head: String,
}

/// The name of a piece of state, and its two versions; the second one counts.
pub(crate) const STATE: (&str, [&[u8]; 2]) = ("ledger", [b"first", b"{\"old\":\"new\"}"]);

/// What an unfinished run was asked.
pub(crate) fn request() -> Value {
    json!({"full": true})
}

/// Leaves what is no snapshot: state, and a run that was interrupted.
pub(crate) async fn leave_unfinished(cell: &Cell) {
    let grant = cell.grant(&[Action::Backup]).await;
    for version in STATE.1 {
        cell.repository.put_state(&grant, Action::Backup, STATE.0, version).await.unwrap();
    }
    let head = cell.repository.head(&grant, Action::Backup).await.unwrap();
    let run = cell.repository.run(&grant, head.as_ref().map(|head| &head.name), &request()).await.unwrap();
    let product = Kind::new("product").unwrap();
    run.begin(&product).await;
    for (id, part, text) in [("2", "", "two"), ("1", "b", "part"), ("1", "", "one"), ("1", "", "one again")] {
        run.put(&product, id.into(), part.into(), text.as_bytes().to_vec()).await.unwrap();
    }
    run.cursor(&product, json!("page 2")).await.unwrap();
    run.put(&product, "3".into(), "".into(), b"behind the cursor".to_vec()).await.unwrap();
    run.flush().await.unwrap();
}

/// The run's lines that count, once it is resumed: id, part, text.
pub(crate) const RUN_LINES: [(&str, &str, &str); 3] =
    [("1", "", "one again"), ("1", "b", "part"), ("2", "", "two")];

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A line of a snapshot, as `tests/reader/read_store.py` prints it, with the snapshot's number in front.
pub(crate) fn line(
    snapshot: u64,
    key: (&str, &str),
    number: u64,
    meta: &RecordMeta,
    summary: &str,
    payload: &[u8],
) -> Value {
    let shared = RecordMeta { source_updated_at: None, ..meta.clone() };
    json!({
        "snapshot": snapshot, "kind": key.0, "id": key.1, "number": number, "meta": shared,
        "updated_micros": meta.source_updated_at.map(Timestamp::as_microsecond),
        "summary": summary, "payload": hex(payload),
    })
}

fn meta(cell: &Cell) -> RecordMeta {
    RecordMeta {
        observed_at: domain::Clock::now(&*cell.clock),
        source_updated_at: None,
        api_version: "2026-10".into(),
        selection_digest: "d1".into(),
        subjects: vec![],
        media_refs: vec![],
        gaps: vec![],
    }
}

fn kept(meta: RecordMeta, payload: impl Into<Vec<u8>>, summary: String) -> Kept {
    Kept { meta, payload: payload.into(), summary, number: 0 }
}

fn updated(meta: RecordMeta, micros: i64) -> RecordMeta {
    RecordMeta { source_updated_at: Some(Timestamp::from_microsecond(micros).unwrap()), ..meta }
}

/// Products: bytes of every kind, times before 1970, gaps, a reference to a medium.
fn products(cell: &Cell, size: Size, medium: &str) -> Vec<(String, Kept)> {
    let plain = meta(cell);
    let gap =
        Gap { what: "/metafields".into(), reason: GapReason::MissingScope, detail: "grant read_x".into() };
    let media_ref = MediaRef {
        pointer: "/image/url".into(),
        name: medium.into(),
        size_bytes: 20,
        media_type: Some("image/png".into()),
    };
    let mut products: Vec<(String, Kept)> = (0..size.products)
        .map(|turn| {
            let id = format!("gid://shop/Product/{turn:05}");
            let payload = format!("{{\"title\":\"Thing {turn}\",\"price\":\"{}.00\"}}", turn % 7 + 1);
            let micros = i64::try_from(turn).unwrap() * 1_000_003 - 2_000_000;
            (id, kept(updated(plain.clone(), micros), payload, format!("[\"Thing {turn}\"]")))
        })
        .collect();
    products.extend([
        ("0".into(), kept(plain.clone(), "", String::new())),
        (
            "a/../b \"é\u{1F9E6}\"".into(),
            kept(updated(plain.clone(), -1), [0, 255, 10, 13], "[\"bytes\"]".into()),
        ),
        ("gap".into(), kept(RecordMeta { gaps: vec![gap], ..plain.clone() }, "{}", String::new())),
        (
            "medium".into(),
            kept(RecordMeta { media_refs: vec![media_ref], ..plain.clone() }, "{\"image\":1}", "[1]".into()),
        ),
    ]);
    if size.large {
        let noise: Vec<u8> =
            (0..600_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        products.push(("long".repeat(4_000), kept(plain, noise, "[\"long\"]".into())));
    }
    products.sort_by(|a, b| a.0.cmp(&b.0));
    products
}

/// Customers, each sealed by itself; the first two share a person.
fn customers(cell: &Cell, size: Size) -> Vec<(String, Kept)> {
    let count = if size.large { 300 } else { 4 };
    (0..count)
        .map(|turn: usize| {
            let subject = SubjectId(format!("customer/{}", turn.max(1)).into());
            let meta = RecordMeta { subjects: vec![subject], ..meta(cell) };
            let filling = if size.large { "x".repeat(turn * 50) } else { String::new() };
            let payload = format!("{{\"email\":\"person{turn}@example.com\",\"note\":\"{filling}\"}}");
            let summary = if turn == 3 { String::new() } else { format!("[\"Person {turn}\"]") };
            (format!("{turn:05}"), kept(updated(meta, 5), payload, summary))
        })
        .collect()
}

async fn put(writer: &mut Writer, id: &str, record: &Kept) {
    let Kept { meta, payload, summary, .. } = record;
    let record = NewRecord { id, payload, canonical: None, meta, summary: summary.as_bytes() };
    writer.put(record).await.unwrap();
}

async fn sweep(
    writer: &mut Writer,
    state: &mut Snapshot,
    number: u64,
    kind: &str,
    records: &[(String, Kept)],
) {
    let before = std::mem::take(state);
    let (mut own, rest): (Snapshot, Snapshot) = before.into_iter().partition(|(key, _)| key.0 == kind);
    *state = rest;
    writer.begin_kind(&Kind::new(kind).unwrap(), Mode::Sweep(Removal::Deleted), &["title"]).await.unwrap();
    for (id, record) in records {
        put(writer, id, record).await;
        let key = (kind.to_owned(), id.clone());
        // A record whose payload is as it was keeps what was known of it then.
        let same = own.remove(&key).filter(|old| old.payload == record.payload);
        state.insert(key, same.unwrap_or_else(|| Kept { number, ..record.clone() }));
    }
    let cursor = Some(json!({"since": number}));
    let outcome = KindOutcome { complete: true, cursor, listed: true, ..KindOutcome::default() };
    writer.end_kind(outcome).await.unwrap();
}

fn note(lines: &mut Vec<Value>, number: u64, state: &Snapshot) {
    for ((kind, id), kept) in state {
        lines.push(line(number, (kind, id), kept.number, &kept.meta, &kept.summary, &kept.payload));
    }
}

/// Writes the history.
pub(crate) async fn write(cell: &Cell, size: Size) -> Written {
    let grant = cell.grant(&[Action::Backup]).await;
    let media_store = cell.repository.media(&grant, Action::Backup).await.unwrap();
    let mut contents = vec![b"twenty bytes of image".to_vec(), Vec::new()];
    if size.large {
        contents.extend([vec![7; 8 * 1024 * 1024], vec![9; 8 * 1024 * 1024 + 1]]);
    }
    let mut media = Vec::new();
    for content in contents {
        let pieces =
            content.chunks(1_000_000).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
        let stored =
            media_store.store(futures::stream::iter(pieces.collect::<Vec<_>>())).await.unwrap().unwrap();
        assert_eq!(stored.size_bytes, u64::try_from(content.len()).unwrap());
        media.push((stored.name, content));
    }

    let (mut state, mut lines, mut head) = (Snapshot::new(), Vec::new(), String::new());
    let mut records = products(cell, size, &media[0].0);
    for number in 1..=size.snapshots {
        cell.clock.tick();
        let mut writer = cell.repository.writer(&grant, cell.generation(number), None).await.unwrap();
        if number == 1 {
            let people = customers(cell, size);
            sweep(&mut writer, &mut state, number, "customer", &people).await;
        }
        if number == 3 {
            // An increment: one person's record changes, one is redacted, one leaves our scope.
            let customer = Kind::new("customer").unwrap();
            writer.begin_kind(&customer, Mode::Increment, &["title"]).await.unwrap();
            let key = ("customer".to_owned(), "00000".to_owned());
            let mut changed = state[&key].clone();
            changed.payload = b"{\"email\":\"new@example.com\"}".to_vec();
            changed.number = number;
            put(&mut writer, "00000", &changed).await;
            state.insert(key, changed);
            for (id, why) in [("00001", Removal::Redacted), ("00002", Removal::LeftScope)] {
                writer.remove(id, why).await.unwrap();
                state.remove(&("customer".to_owned(), id.to_owned()));
            }
            writer.end_kind(KindOutcome::default()).await.unwrap();
        }
        if number > 1 {
            // One product changes, one goes, one that went comes back.
            let turn = usize::try_from(number).unwrap() % records.len();
            let gone = records.remove(turn);
            records[turn / 2].1.payload = format!("{{\"changed\":{number}}}").into_bytes();
            records[turn / 2].1.meta = meta(cell);
            sweep(&mut writer, &mut state, number, "product", &records).await;
            records.insert(turn, gone);
        } else {
            sweep(&mut writer, &mut state, number, "product", &records).await;
        }
        head = writer.commit().await.unwrap().head.name.to_string();
        note(&mut lines, number, &state);
    }
    if let Some(erased) = erase(cell, size.snapshots + 1, &mut state).await {
        // A person who was erased is gone from every snapshot that there ever was.
        lines.retain(|line| line["meta"]["subjects"][0] != ERASED);
        note(&mut lines, size.snapshots + 1, &state);
        head = erased;
    }
    Written { lines, media, head }
}

const ERASED: &str = "customer/3";

/// Erases a person, where the history has one; answers the new head, which no longer shows their records.
async fn erase(cell: &Cell, number: u64, state: &mut Snapshot) -> Option<String> {
    state.contains_key(&("customer".to_owned(), "00003".to_owned())).then_some(())?;
    cell.clock.tick();
    let grant = cell.grant(&[Action::Erase, Action::Read]).await;
    let lease = Lease { generation: cell.generation(number), heads: None };
    let erased = cell.repository.erase(&grant, &lease, &[SubjectId(ERASED.into())]).await.unwrap();
    assert_eq!((erased.people, erased.records), (1, 1));
    state.remove(&("customer".to_owned(), "00003".to_owned()));
    let head = cell.repository.head(&grant, Action::Read).await.unwrap().unwrap();
    Some(head.name.to_string())
}
