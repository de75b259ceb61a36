//! The entry points in ordinary tests.

use std::collections::BTreeMap;

use corpus::Target;
use domain::{
    ContentHash, Gap, GapReason, MediaRef, RecordMeta, Removal, SubjectId, SubjectTag, WrappedSubjectKey,
};

use super::*;
use crate::entries::{Entry, Place, State};
use crate::footer::{DataBlock, EntryBlock};

const TARGETS: &[Target] = &[
    Target { name: "object_frame", run: object_frame, seeds: frames, mutations: 1_000 },
    Target { name: "record_block", run: record_block, seeds: record_blocks, mutations: 1_500 },
    Target { name: "entry_block", run: entry_block, seeds: entry_blocks, mutations: 3_000 },
    Target { name: "segment", run: segment, seeds: segments, mutations: 800 },
    Target { name: "commit", run: commit, seeds: commits, mutations: 800 },
    Target { name: "run_lines", run: run_lines, seeds: lines, mutations: 3_000 },
    Target { name: "checkpoint", run: checkpoint, seeds: checkpoints, mutations: 800 },
    Target { name: "key_table", run: key_table, seeds: key_tables, mutations: 2_000 },
    Target { name: "media_object", run: media_object, seeds: media, mutations: 800 },
    Target { name: "state", run: state, seeds: states, mutations: 800 },
    Target { name: "store_address", run: store_address, seeds: addresses, mutations: 3_000 },
];

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}

fn counted(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        put_count(&mut out, piece.len());
        out.extend_from_slice(piece);
    }
    out
}

fn meta(subject: Option<&str>) -> RecordMeta {
    RecordMeta {
        observed_at: Timestamp::UNIX_EPOCH,
        source_updated_at: Some(Timestamp::from_microsecond(-1).unwrap()),
        api_version: "2026-10".into(),
        selection_digest: "00ff".into(),
        subjects: subject.map(|subject| SubjectId(subject.into())).into_iter().collect(),
        media_refs: vec![MediaRef {
            pointer: "/image/url".into(),
            name: glass::media_name(b"image"),
            size_bytes: 5,
            media_type: Some("image/png".into()),
        }],
        gaps: vec![Gap { what: "/phone".into(), reason: GapReason::Redacted, detail: "hidden".into() }],
    }
}

fn block_text(records: usize) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for turn in 0..records {
        let plain = RecordMeta { media_refs: vec![], gaps: vec![], source_updated_at: None, ..meta(None) };
        let payload = format!("{{\"id\":{turn},\"title\":\"Tea\"}}");
        builder.push(&plain, payload.as_bytes());
    }
    builder.finish().plain().to_vec()
}

fn frames() -> Vec<Vec<u8>> {
    let trailer = [&7_u32.to_be_bytes()[..], TRAILER_MAGIC].concat();
    let mut seeds: Vec<_> =
        PURPOSES.iter().take(3).map(|purpose| header(*purpose, glass::DATA_KEY, &Salt([2; 32]))).collect();
    seeds.extend([trailer, compress(b"", LEVEL).unwrap(), compress(&[b'a'; 3_000], LEVEL).unwrap()]);
    seeds
}

fn record_blocks() -> Vec<Vec<u8>> {
    let mut with_media = BlockBuilder::default();
    with_media.push(&meta(None), b"{}");
    with_media.push(&meta(Some("customer/1")), b"{\"a\":1}");
    vec![
        block_text(1),
        block_text(4),
        with_media.finish().plain().to_vec(),
        block::personal_text(&meta(Some("customer/1")), b"{}"),
    ]
}

fn entry(id: &str, ordinal: u32, subject: bool) -> Entry {
    let place = Place { pack: 0, ordinal };
    Entry {
        kind: 0,
        id: id.into(),
        number: 5,
        state: State::Present { hash: ContentHash([7; 16]), place },
        subject: subject.then_some(SubjectTag([8; 16])),
    }
}

fn some_entries() -> Vec<Entry> {
    let removed = Entry {
        kind: 1,
        state: State::Removed(Removal::Deleted),
        ..entry("gid://shopify/Order/9", 0, false)
    };
    vec![entry("gid://shopify/Product/1", 0, false), entry("gid://shopify/Product/12", 1, true), removed]
}

fn entry_blocks() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (first, layout) in [(0_u8, Layout::Pack), (1, Layout::Index)] {
        for list in [vec![], vec![entry("a", 0, false)], some_entries()] {
            let columns = entries::encode(&list, layout);
            let mut text = vec![first];
            put_count(&mut text, columns.packed.len());
            text.extend_from_slice(&columns.packed);
            text.extend_from_slice(&columns.raw);
            seeds.push(text);
        }
    }
    seeds
}

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

/// A pack of common records, one with a container, and a merged index.
fn segments() -> Vec<Vec<u8>> {
    let block =
        |entries, summaries| EntryBlock { len: 0, entries, ordinal: 0, kind: 0, id: "a".into(), summaries };
    let last = |id: &str| RecordKey::new(kind("product"), id).unwrap();
    let columns = |list: &[Entry], layout| {
        let columns = entries::encode(list, layout);
        [columns.packed, columns.raw]
    };
    let footer = |data: DataBlock, block: EntryBlock, id: &str, packs| {
        Footer { kinds: vec![kind("product")], data: vec![data], entries: vec![block], last: last(id), packs }
            .to_bytes()
    };
    let two = [entry("a", 0, false), entry("b", 1, false)];
    let common = DataBlock { len: 0, records: 2, table: 0 };
    let [packed, raw] = columns(&two, Layout::Pack);
    let summaries = counted(&[b"[\"Tea\"]".to_vec(), b"[null]".to_vec()]);
    let pack = [footer(common, block(2, 1), "b", vec![]), block_text(2), packed, raw, summaries];

    // A table is sealed like everything, then the records follow, each sealed by itself.
    let person = sealed(compress(&block::personal_text(&meta(Some("customer/1")), b"{}"), LEVEL).unwrap());
    let mut table = Vec::new();
    put_count(&mut table, 1);
    put_count(&mut table, person.len());
    let table = sealed(table);
    let table_len = u32::try_from(table.len()).unwrap();
    let [packed, raw] = columns(&[entry("a", 0, true)], Layout::Pack);
    let container = DataBlock { len: 0, records: 1, table: table_len };
    let personal = [footer(container, block(1, 0), "a", vec![]), [table, person].concat(), packed, raw];

    let [packed, raw] = columns(&two, Layout::Index);
    let packs = vec![ObjectRef { id: Id128([6; 16]), size: 100, tail: 20 }];
    let merged = Footer {
        kinds: vec![kind("product")],
        data: vec![],
        entries: vec![block(2, 0)],
        last: last("b"),
        packs,
    };
    let index = [merged.to_bytes(), packed, raw];
    vec![
        [&[0][..], &counted(&pack)].concat(),
        [&[0][..], &counted(&personal)].concat(),
        [&[1][..], &counted(&index)].concat(),
    ]
}

fn commits() -> Vec<Vec<u8>> {
    let key = |id: &str| RecordKey::new(kind("product"), id).unwrap();
    let object = ObjectRef { id: Id128([1; 16]), size: 100, tail: 20 };
    let part = Part { object, first: key("a"), last: key("b") };
    let component = Component { layout: Layout::Pack, from: 1, to: 1, entries: 2, parts: vec![part] };
    let first = commit_of(&[kind("product")], &component);
    let name = CommitName { number: first.number, generation: first.generation, hash: sha256_hex(b"") };
    let empty = Commit { components: vec![], kinds: BTreeMap::new(), ..first.clone() };
    let mut full = Commit { buckets: vec![0, 255], pruned: vec![(1, 1)], ..first.clone() };
    for state in full.kinds.values_mut() {
        state.cursor = Some(json!({ "since": "2026-11-25T00:00:00Z" }));
        state.swept_at = Some(Timestamp::UNIX_EPOCH);
        state.gaps = meta(None).gaps;
    }
    let mut seeds: Vec<_> =
        [first, empty, full].iter().map(|commit| serde_json::to_vec(commit).unwrap()).collect();
    seeds.push(name.to_string().into_bytes());
    seeds
}

fn line(id: &str, sequence: u64) -> Vec<u8> {
    let mut text = counted(&[b"product".to_vec(), id.into(), b"variants/1".to_vec()]);
    crate::encoding::put_number(&mut text, sequence);
    text.extend(counted(&[b"{\"id\":1}".to_vec()]));
    text
}

fn lines() -> Vec<Vec<u8>> {
    vec![vec![], line("a", 1), [line("a", 1), line("b", 300)].concat()]
}

fn checkpoints() -> Vec<Vec<u8>> {
    let name = format!("run/{}/batch-000000000001-{}", Id128([4; 16]), Id128([5; 16]));
    let checkpoint = |batches: Value| {
        let product = json!({ "cursor": { "after": "x" }, "end": null, "spans": [[1, 300]], "settled": 300 });
        let whole = json!({
            "parent": null, "request": "r", "sequence": 300, "kinds": { "product": product }, "batches": batches,
        });
        whole.to_string().into_bytes()
    };
    let batch = checkpoint(json!([{ "name": name, "blocks": [0, 0] }]));
    vec![
        counted(&[checkpoint(json!([]))]),
        counted(&[batch, [line("a", 1), line("b", 2)].concat(), line("c", 3)]),
    ]
}

fn key_tables() -> Vec<Vec<u8>> {
    let mut table = Table::default();
    let empty = table.to_bytes();
    for byte in 0..3 {
        table.keys.insert(SubjectTag([byte; 16]), WrappedSubjectKey([byte; 60]));
    }
    table.destroyed.insert(SubjectTag([9; 16]));
    vec![empty, table.to_bytes(), table_name(0xcb, 7, Id128([3; 16])).into_bytes()]
}

fn media() -> Vec<Vec<u8>> {
    vec![sealed(vec![]), sealed(b"an image".to_vec())]
}

fn states() -> Vec<Vec<u8>> {
    let name = |turn: u64| format!("{turn:020}-{}", Id128([5; 16]));
    let candidates = json!({ "made_at": Timestamp::UNIX_EPOCH, "objects": [] });
    vec![format!("{}\n[]", name(0)).into_bytes(), format!("{}\n{candidates}", name(7)).into_bytes()]
}

fn addresses() -> Vec<Vec<u8>> {
    let texts = [
        "backups/shop",
        "/srv/backups",
        "file:///srv/backups",
        "s3://bucket/a/prefix",
        "s3://bucket/prefix?endpoint=https://s3.example:8443&region=eu-central-1",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
