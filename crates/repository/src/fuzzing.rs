//! Entry points for fuzzing: each parser of outside bytes, and what must hold of whatever it is given. Each answers
//! whether the bytes were accepted.
//!
//! Most of these parsers stand behind a seal, where only who has the key can reach them. Here the text behind the
//! seal is what is fuzzed: it is compressed and sealed with a key of the test, [`glass`], and read as any object is.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

mod glass;
#[cfg(test)]
mod replay;

use domain::{Action, Id128, Kind, ObjectPurpose, RecordKey, Salt, SnapshotNumber, Timestamp};
use serde_json::{Value, json};

use self::glass::{World, scope, sealed};
use crate::block::{self, BlockBuilder};
use crate::commit::{Commit, CommitName, Generation, sha256_hex};
use crate::encoding::{Bytes, put_count};
use crate::entries::{self, Layout};
use crate::footer::{Footer, ObjectRef, TRAILER_LEN, TRAILER_MAGIC};
use crate::media::MEDIA;
use crate::object::{self, Decompressor, FORMAT, HEADER_LEN, PLAIN_LEN_MAX, compress, decompress, header};
use crate::open_store::{Location, locate};
use crate::reader::container_record;
use crate::runs::{Checkpoint, put_line, read_lines};
use crate::segment::{Region, Segment, name_of, purpose_of, read_trailer};
use crate::state::STATE;
use crate::subjects::{Table, read_name, table_name};
use crate::verify::Depth;
use crate::view::{Component, Part};

/// So many of a thing that the input counts are looked at.
const LOOKED_AT: usize = 64;
const LEVEL: i32 = 1;

const PURPOSES: [ObjectPurpose; 8] = [
    ObjectPurpose::Pack,
    ObjectPurpose::Index,
    ObjectPurpose::Commit,
    ObjectPurpose::Media,
    ObjectPurpose::SubjectTable,
    ObjectPurpose::Checkpoint,
    ObjectPurpose::State,
    ObjectPurpose::Spool,
];

/// Takes counted pieces until the bytes end; the rest is the last one.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = Bytes(bytes);
    let mut found = Vec::new();
    while !rest.is_empty() && found.len() < LOOKED_AT {
        let before = rest;
        let piece = rest.count().and_then(|len| rest.take(len));
        found.push(piece.unwrap_or(before.0));
        if piece.is_none() {
            break;
        }
    }
    found
}

/// What stands in clear around every sealed object: its header, its trailer; and a compressed text.
pub fn object_frame(bytes: &[u8]) -> bool {
    let mut accepted = false;
    for purpose in PURPOSES {
        if let Ok((data_key, salt)) = object::read_header("object", bytes, purpose) {
            accepted = true;
            assert_eq!(bytes.get(..HEADER_LEN), Some(&*header(purpose, data_key, &salt)), "one spelling");
        }
    }
    if let Ok(len) = read_trailer("object", bytes) {
        accepted = true;
        let len = u32::try_from(len).expect("a footer's length has 32 bits");
        assert_eq!(bytes.get(..TRAILER_LEN), Some(&*[&len.to_be_bytes()[..], TRAILER_MAGIC].concat()));
    }
    let plain = decompress("object", bytes);
    let mut decompressor = Decompressor::new();
    assert_eq!(plain.as_deref().ok(), decompressor.decompress("object", bytes).ok(), "two ways, one text");
    if let Ok(plain) = plain {
        accepted = true;
        assert!(plain.len() <= PLAIN_LEN_MAX);
        let packed = compress(&plain, LEVEL).expect("a text is compressed");
        assert_eq!(decompress("object", &packed).expect("what was compressed is read"), plain);
    }
    accepted
}

/// The text of a block of records; that of one person's record; and the table of a container.
pub fn record_block(bytes: &[u8]) -> bool {
    if let Some(record) = block::read_personal(bytes) {
        let text = block::personal_text(&record.meta, record.payload);
        assert_eq!(block::read_personal(&text), Some(record), "what is written is read");
    }
    let (table, texts) = bytes.split_at(bytes.len() / 2);
    for turn in 0..LOOKED_AT {
        if let Some(sealed) = container_record(table, texts, turn) {
            assert!(sealed.len() <= texts.len());
        }
    }
    let Some((records, _)) = block::media_refs(bytes) else {
        (0..4).for_each(|turn| drop(block::read_one(bytes, turn)));
        return block::read_personal(bytes).is_some();
    };
    assert_eq!(block::read_one(bytes, records), None, "no record behind the last one");
    let mut builder = BlockBuilder::default();
    let mut read = Vec::new();
    for turn in 0..records.min(LOOKED_AT) {
        let record = block::read_one(bytes, turn).expect("every record of a block that makes sense");
        builder.push(&record.meta, record.payload);
        read.push(record);
    }
    let again = builder.finish();
    let again = again.plain();
    for (turn, record) in read.iter().enumerate() {
        assert_eq!(block::read_one(again, turn).as_ref(), Some(record), "what is written is read");
    }
    true
}

/// The text of a block of entries: layout, then the counted part that is compressed, then the raw part.
pub fn entry_block(bytes: &[u8]) -> bool {
    let Some((layout, text)) = bytes.split_first() else { return false };
    let layout = if layout & 1 == 0 { Layout::Pack } else { Layout::Index };
    let mut rest = Bytes(text);
    let Some(packed) = rest.count().and_then(|len| rest.take(len)) else { return false };
    for first in [0, 7, u32::MAX - 1] {
        let Some(read) = entries::decode(packed, rest.0, layout, 5, first) else { continue };
        assert!(read.len() <= entries::ENTRIES_MAX);
        let written = entries::encode(&read, layout);
        assert_eq!((&*written.packed, &*written.raw), (packed, rest.0), "one spelling");
    }
    entries::decode(packed, rest.0, layout, 5, 0).is_some()
}

/// A pack or a merged index: layout, counted footer, then the texts of its blocks, counted, in the footer's order:
/// data blocks, entry blocks (two pieces each), summaries. Their sealed lengths are put into the footer.
pub fn segment(bytes: &[u8]) -> bool {
    let Some((layout, rest)) = bytes.split_first() else { return false };
    let layout = if layout & 1 == 0 { Layout::Pack } else { Layout::Index };
    let pieces = pieces(rest);
    let Some((footer_text, texts)) = pieces.split_first() else { return false };
    if let Ok(footer) = Footer::read("object", footer_text) {
        assert_eq!(Footer::read("object", &footer.to_bytes()).ok(), Some(footer), "what is written is read");
    }
    let mut footer_text = footer_text.to_vec();
    let mut body = Vec::new();
    if let Ok(mut footer) = serde_json::from_slice::<Footer>(&footer_text) {
        fill(&mut footer, texts, &mut body);
        footer_text = footer.to_bytes();
    }
    let id = Id128([1; 16]);
    let text = sealed(compress(&footer_text, LEVEL).expect("a text is compressed"));
    let mut whole = header(purpose_of(layout), glass::DATA_KEY, &Salt([2; 32]));
    whole.append(&mut body);
    whole.extend_from_slice(&text);
    whole.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    whole.extend_from_slice(TRAILER_MAGIC);
    let len = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let object = ObjectRef { id, size: len(&whole), tail: len(&text).saturating_add(len(&[0; TRAILER_LEN])) };

    let world = World::new();
    world.put_object(&name_of(layout, &object), whole);
    world.run(async {
        let keyring = world.repository.keyring(&world.grant, Action::Read).expect("a grant");
        let opened = Segment::open(&keyring, &world.repository.objects, layout, &object).await;
        let Ok(segment) = opened else { return false };
        look_through(&segment).await;
        let footer = &segment.footer;
        let kind = |turn: u16| footer.kinds.get(usize::from(turn)).cloned().expect("the footer was checked");
        let first = footer.entries.first().expect("the footer was checked");
        let first = RecordKey { kind: kind(first.kind), id: first.id.clone() };
        let part = Part { object: object.clone(), first, last: footer.last.clone() };
        let count = footer.entries.iter().map(|block| u64::from(block.entries)).sum();
        let component = Component { layout, from: 1, to: 1, entries: count, parts: vec![part] };
        read_through(&world, commit_of(&footer.kinds, &component)).await;
        true
    })
}

/// Seals the texts of a segment's blocks and tells the footer how long they are.
fn fill(footer: &mut Footer, texts: &[&[u8]], body: &mut Vec<u8>) {
    let mut texts = texts.iter().copied();
    let mut add = |text: Vec<u8>| {
        let text = sealed(text);
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        body.extend_from_slice(&text);
        len
    };
    let packed = |text: &[u8]| compress(text, LEVEL).expect("a text is compressed");
    for block in footer.data.iter_mut().take(LOOKED_AT) {
        let text = texts.next().unwrap_or_default();
        // A container's table is not compressed, and what follows it is sealed by itself.
        block.len = if block.table == 0 { add(packed(text)) } else { add(text.to_vec()) };
    }
    for block in footer.entries.iter_mut().take(LOOKED_AT) {
        let (columns, raw) = (packed(texts.next().unwrap_or_default()), texts.next().unwrap_or_default());
        let mut text = Vec::new();
        put_count(&mut text, columns.len());
        text.extend_from_slice(&columns);
        text.extend_from_slice(raw);
        block.len = add(text);
    }
    for block in footer.entries.iter_mut().take(LOOKED_AT) {
        block.summaries = match texts.next() {
            Some(text) if block.summaries > 0 => add(packed(text)),
            _ => 0,
        };
    }
}

/// Every question that is asked of one object.
async fn look_through(segment: &Segment) {
    let footer = &segment.footer;
    for index in 0..footer.entries.len().min(LOOKED_AT) {
        if let Ok(entries) = segment.entries(index, 1).await {
            assert!(entries.len() <= entries::ENTRIES_MAX);
        }
        drop(segment.summaries(index).await);
    }
    for index in 0..footer.data.len().min(LOOKED_AT) {
        if let Ok(plain) = segment.data(index).await {
            drop(block::media_refs(&plain));
        }
    }
    for ordinal in [0, 1, 7, u32::MAX] {
        if let Ok((index, turn)) = segment.place(ordinal) {
            assert!(footer.data.get(index).is_some_and(|block| turn < block.records));
        }
        let _ = segment.summary_place(ordinal);
    }
    for region in [Region::Data, Region::Entries, Region::Summaries] {
        drop(segment.ordinals(region));
        for piece in segment.pieces(region) {
            drop(segment.read_piece(region, &piece).await);
        }
    }
    let _ = footer.block_for(&footer.last.kind, &footer.last.id);
    let _ = footer.records();
}

/// The first commit, of these kinds and this component.
fn commit_of(kinds: &[Kind], component: &Component) -> Commit {
    let now = Timestamp::UNIX_EPOCH;
    let state = json!({ "captured_at": now, "complete": true, "records": 0, "columns": ["title"] });
    let kinds: serde_json::Map<_, _> = kinds.iter().map(|kind| (kind.to_string(), state.clone())).collect();
    let commit = json!({
        "format": FORMAT, "scope": scope(), "number": 1, "generation": { "counter": 1, "lease": Id128([3; 16]) },
        "role": "snapshot", "taken_at": now, "complete": true, "ancestors": [], "kinds": kinds,
        "components": [component],
    });
    serde_json::from_value(commit).expect("a commit")
}

/// Puts a commit into the store as its newest.
fn put_commit(world: &World, number: SnapshotNumber, generation: Generation, plain: &[u8]) -> CommitName {
    let mut whole = header(ObjectPurpose::Commit, glass::DATA_KEY, &Salt([2; 32]));
    whole.append(&mut sealed(compress(plain, LEVEL).expect("a text is compressed")));
    let name = CommitName { number, generation, hash: sha256_hex(&whole) };
    world.put_object(&format!("{}/{name}", crate::commit::COMMITS), whole);
    name
}

/// Every question that is asked of a history.
async fn read_through(world: &World, commit: Commit) {
    let plain = serde_json::to_vec(&commit).expect("a commit is written");
    put_commit(world, commit.number, commit.generation, &plain);
    ask(world, &commit).await;
}

async fn ask(world: &World, commit: &Commit) {
    let World { repository, grant, .. } = world;
    if let Ok(reader) = repository.reader(grant, Action::Read, None).await {
        let number = commit.number;
        for kind in commit.kinds.keys().take(LOOKED_AT) {
            if let Ok(mut scan) = reader.scan(kind, number, None).await {
                while let Ok(Some(record)) = scan.next().await {
                    drop(reader.history(&record.key).await);
                    drop(reader.get(&record.key, number).await);
                }
            }
            if let Ok(mut scan) = reader.scan(kind, number, Some("a")).await {
                while let Ok(Some(_)) = scan.next_summary().await {}
            }
        }
        drop(reader.snapshots().await);
        drop(reader.at_number(SnapshotNumber(1)).await);
        drop(reader.at_number(SnapshotNumber(u64::MAX)).await);
        drop(reader.at_time(Timestamp::MIN).await);
        drop(reader.at_time(Timestamp::MAX).await);
    }
    drop(repository.verify(grant, Depth::AllBytes, None, &|_| {}).await);
    let generation = Generation { counter: commit.generation.counter, lease: Id128([0xff; 16]) };
    if let Ok(writer) = repository.writer(grant, generation, None).await {
        drop(writer.commit().await);
    }
}

/// The text of a commit; and a commit's name.
pub fn commit(bytes: &[u8]) -> bool {
    if let Some(name) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<CommitName>().ok()) {
        assert_eq!(name.to_string().as_bytes(), bytes, "one spelling");
        return true;
    }
    let Ok(parsed) = serde_json::from_slice::<Commit>(bytes) else { return false };
    let text = serde_json::to_vec(&parsed).expect("a commit is written");
    assert_eq!(serde_json::from_slice::<Commit>(&text).expect("what is written is read"), parsed);
    for number in [0, 1, 2, u64::MAX] {
        let _ = parsed.is_pruned(SnapshotNumber(number));
    }
    let world = World::new();
    let name = put_commit(&world, parsed.number, parsed.generation, bytes);
    world.run(async {
        let keyring = world.repository.keyring(&world.grant, Action::Read).expect("a grant");
        let read = crate::commit::read(&keyring, &world.repository.objects, &name).await;
        if let Ok(read) = &read {
            assert_eq!(read, &parsed);
        }
        ask(&world, &parsed).await;
        read.is_ok()
    })
}

/// The text of a block of an unfinished run's lines.
pub fn run_lines(bytes: &[u8]) -> bool {
    let Some(lines) = read_lines(bytes) else { return false };
    let mut again = Vec::new();
    lines.iter().for_each(|line| put_line(&mut again, line));
    assert_eq!(again, bytes, "one spelling");
    true
}

/// The text of a checkpoint, counted, and the texts of the blocks of its batches: the run goes on from there.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let pieces = pieces(bytes);
    let Some((text, blocks)) = pieces.split_first() else { return false };
    let Ok(mut checkpoint) = serde_json::from_slice::<Checkpoint>(text) else { return false };
    let world = World::new();
    let mut blocks = blocks.iter().copied();
    for batch in checkpoint.batches.iter_mut().take(LOOKED_AT) {
        let mut whole = header(ObjectPurpose::Spool, glass::DATA_KEY, &Salt([2; 32]));
        for len in batch.blocks.iter_mut().take(LOOKED_AT) {
            let Some(text) = blocks.next() else { break };
            let mut text = sealed(compress(text, LEVEL).expect("a text is compressed"));
            *len = u64::try_from(text.len()).unwrap_or(u64::MAX);
            whole.append(&mut text);
        }
        world.put_key(&batch.name, whole);
    }
    let text = serde_json::to_vec(&checkpoint).expect("a checkpoint is written");
    world.put_whole_key(
        ObjectPurpose::Checkpoint,
        &format!("run/{}/checkpoint-000000000001", Id128([4; 16])),
        &text,
    );
    world.run(async {
        let (parent, request) = (checkpoint.parent.as_ref(), &checkpoint.request);
        let run = world.repository.run(&world.grant, parent, request).await.expect("a run goes on or begins");
        let known = run.kinds().await;
        let resumed = known == checkpoint.kinds;
        let kind = Kind::new("product").expect("a name");
        run.begin(&kind).await;
        run.put(&kind, "id".into(), "".into(), b"{}".to_vec()).await.expect("a line is taken");
        run.cursor(&kind, Value::Null).await.expect("a cursor is taken");
        for kind in known.keys().take(LOOKED_AT) {
            run.begin(kind).await;
            run.put(kind, "id".into(), "".into(), b"{}".to_vec()).await.expect("a line is taken");
            run.restart(kind).await;
        }
        run.flush().await.expect("what was put is stored");
        if let Ok(mut merged) = run.merged().await {
            while let Ok(Some(item)) = merged.next_item().await {
                let first = item.first().expect("an item has a line");
                assert!(item.iter().all(|line| line.kind == first.kind && line.id == first.id));
            }
        }
        drop(run.delete().await);
        resumed
    })
}

/// The text of a table of people's keys; and the name of such a table.
pub fn key_table(bytes: &[u8]) -> bool {
    if let Some((bucket, counter, lease)) = std::str::from_utf8(bytes).ok().and_then(read_name) {
        assert_eq!(table_name(bucket, counter, lease).as_bytes(), bytes, "one spelling");
        let world = World::new();
        world.put_whole_key(
            ObjectPurpose::SubjectTable,
            &table_name(bucket, counter, lease),
            &Table::default().to_bytes(),
        );
        world.run(async {
            let records = world.repository.writer(&world.grant, glass::GENERATION, None).await;
            if let Ok(mut writer) = records {
                drop(glass::put_person(&mut writer, bucket).await);
                drop(writer.commit().await);
            }
        });
        return true;
    }
    let Some(table) = Table::read(bytes) else { return false };
    assert_eq!(table.to_bytes(), bytes, "one spelling");
    true
}

/// A medium: what stands behind its header.
pub fn media_object(bytes: &[u8]) -> bool {
    let name =
        glass::media_name(bytes.get(..bytes.len().saturating_sub(domain::keys::TAG_LEN)).unwrap_or_default());
    let place = format!("{MEDIA}/{}/{name}", name.get(..2).unwrap_or_default());
    let whole = [&*header(ObjectPurpose::Media, glass::DATA_KEY, &Salt([2; 32])), bytes].concat();
    [whole, bytes.to_vec()].into_iter().any(|object| {
        let world = World::new();
        world.put_object(&place, object);
        world.run(async {
            let store = world.repository.media(&world.grant, Action::Read).await.expect("a grant");
            let mut content = Vec::new();
            let read = store.read(&name, |chunk| {
                content.extend_from_slice(&chunk);
                Ok(())
            });
            let whole = read.await.is_ok();
            assert!(!whole || glass::media_name(&content) == name, "the name is that of the content");
            whole
        })
    })
}

/// A piece of state: the name of its object on the first line, then its text.
pub fn state(bytes: &[u8]) -> bool {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (name, text) = bytes.split_at(at);
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let world = World::new();
    world.put_whole_key(ObjectPurpose::State, &format!("{STATE}/ledger/{name}"), text);
    world.run(async {
        let World { repository, grant, .. } = &world;
        let read = repository.state(grant, Action::Read, "ledger").await;
        if let Ok(Some(read)) = &read {
            assert_eq!(read, text);
        }
        if repository.put_state(grant, Action::Backup, "ledger", b"new").await.is_ok() {
            let newest = repository.state(grant, Action::Read, "ledger").await;
            assert_eq!(newest.expect("what was written is read").as_deref(), Some(&b"new"[..]));
        }
        matches!(read, Ok(Some(_)))
    })
}

/// The address of a store. No refusal repeats what may be a password.
pub fn store_address(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let with_password = text.replacen("://", "://user:hunter2@", 1);
    if with_password != text
        && let Err(error) = locate(&with_password)
    {
        assert!(text.contains("hunter2") || !error.to_string().contains("hunter2"), "{error}");
    }
    for server in ["http", "https"] {
        let text = format!("s3://bucket?endpoint={server}://user:hunter2@{text}");
        match locate(&text) {
            Ok(location) => assert!(!format!("{location:?}").contains("user:hunter2@"), "{location:?}"),
            Err(error) => assert!(!error.to_string().contains("user:hunter2@"), "{error}"),
        }
    }
    match locate(text) {
        Ok(Location::Bucket { bucket, prefix, .. }) => {
            assert!(!bucket.is_empty() && !bucket.contains('/'));
            assert!(!prefix.starts_with('/') && !prefix.ends_with('/'));
            true
        }
        Ok(Location::Directory(path)) => path.is_absolute() || !text.contains("://"),
        Err(_) => false,
    }
}
