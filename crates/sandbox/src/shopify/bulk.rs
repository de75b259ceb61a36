//! Bulk operations: a list read whole, one object a line, kept compressed in memory.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use futures::Stream;
use serde_json::{Map, Value as Json};

use super::exec::Exec;
use super::fault::FaultKind;
use super::graphql::{advance, context, parse};
use super::node::{UNAPPROVED, refusal};
use super::plan::{Field, Request, Selection, node_field};
use super::running::{Shop, lock};
use super::schema::Shape;
use super::seed::Dice;
use super::store::{Change, Verb};
use super::value::{Gid, Obj, Val};
use super::viewer::Viewer;
use super::{fields, webhook};

/// How many bulk operations of one type may run at once.
pub(crate) const CONCURRENT_MAX: usize = 5;
/// How many connections a bulk query may have, and how deep they may be nested.
const CONNECTIONS_MAX: usize = 5;
const DEPTH_MAX: usize = 2;
/// How long a result can be fetched, in seconds.
const RESULT_TTL: i64 = 7 * 86_400;
/// How many root objects are read under one lock.
const ROOTS_PER_STEP: usize = 100;
/// How many lines are shuffled among each other.
const LINES_PER_CHUNK: usize = 20_000;

/// The results that can be fetched, by the name in their address.
#[derive(Debug, Default)]
pub(crate) struct Results {
    by_name: HashMap<String, (i64, Arc<Blob>)>,
}

impl Results {
    pub(crate) fn get(&self, name: &str, now: i64) -> Option<Arc<Blob>> {
        self.by_name.get(name).filter(|(expires, _)| now < *expires).map(|(_, blob)| Arc::clone(blob))
    }

    pub(crate) fn add(&mut self, name: String, blob: Blob, now: i64) {
        self.by_name.retain(|_, (expires, _)| now < *expires);
        self.by_name.insert(name, (now + RESULT_TTL, Arc::new(blob)));
    }
}

/// Bytes in compressed chunks.
#[derive(Debug, Default)]
pub(crate) struct Blob {
    /// Where each chunk begins, and its zstd frame.
    chunks: Vec<(u64, Vec<u8>)>,
    len: u64,
}

impl Blob {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // Compression into memory has no reason to fail; should it, the length will not match the lines.
        if let Ok(frame) = zstd::bulk::compress(bytes, 1) {
            self.chunks.push((self.len, frame));
            self.len += bytes.len() as u64;
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn chunk(&self, index: usize) -> Option<(u64, Bytes)> {
        let (start, frame) = self.chunks.get(index)?;
        let end = self.chunks.get(index + 1).map_or(self.len, |(start, _)| *start);
        let len = usize::try_from(end - start).ok()?;
        let bytes = zstd::bulk::decompress(frame, len).ok()?;
        Some((*start, Bytes::from(bytes)))
    }

    /// The bytes from `from` to `to`; at `cut` the stream breaks.
    pub(crate) fn stream(
        self: Arc<Self>,
        from: u64,
        to: u64,
        cut: Option<u64>,
    ) -> impl Stream<Item = std::io::Result<Bytes>> {
        let end = cut.unwrap_or(to);
        let first = self.chunks.partition_point(|(start, _)| *start <= from).saturating_sub(1);
        futures::stream::unfold((self, first, from), move |(blob, index, at)| async move {
            if at >= end {
                let broken = cut.is_some() && index != usize::MAX;
                // What was given so far must leave before the connection ends.
                tokio::task::yield_now().await;
                // One error ends the stream; the mark keeps it from being given twice.
                return broken.then(|| {
                    (Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), (blob, usize::MAX, at))
                });
            }
            let (start, bytes) = blob.chunk(index)?;
            let skip = usize::try_from(at - start).ok()?;
            let take = usize::try_from((end - start).min(bytes.len() as u64)).ok()?;
            let part = bytes.slice(skip..take);
            let next = start + take as u64;
            Some((Ok(part), (blob, index + 1, next)))
        })
    }
}

/// Why a query cannot run in bulk.
pub(crate) fn refuse(shop: &Shop, viewer: &Viewer, query: &str) -> Option<String> {
    let document = match parse(shop, query) {
        Ok(document) => document,
        Err(refusal) => return Some(format!("Invalid bulk query: {refusal}")),
    };
    let variables = Map::new();
    let Ok(operation) = document.operations.get(None) else {
        return Some("Invalid bulk query: exactly one operation is needed.".to_owned());
    };
    if !operation.is_query() {
        return Some("Invalid bulk query: it must be a query.".to_owned());
    }
    let root = Selection::new(
        Request { document: &document, variables: &variables, viewer },
        vec![&operation.selection_set],
    );
    let [field] = root.fields("QueryRoot") else {
        return Some("Invalid bulk query: exactly one top-level field is allowed.".to_owned());
    };
    let Shape::Connection(item) = field.shape else {
        return Some("Invalid bulk query: the top-level field must be a connection.".to_owned());
    };
    let mut count = 1;
    if let Some(reason) = connection(field, item, 0, &mut count) {
        return Some(reason);
    }
    (count > CONNECTIONS_MAX)
        .then(|| format!("Bulk queries cannot contain more than {CONNECTIONS_MAX} connections."))
}

/// A connection is read through its edges; below it others may hang, by their objects' ids.
fn connection(field: &Field<'_>, item: &str, depth: usize, count: &mut usize) -> Option<String> {
    let parts = field.sub.fields(field.type_name);
    if parts.iter().any(|part| part.name == "nodes") {
        return Some(format!(
            "Invalid bulk query: the connection '{}' must be selected by edges and node, not by nodes.",
            field.name
        ));
    }
    let Some(inner) = node_field(field) else {
        return Some(format!("Invalid bulk query: '{}' must select edges and node.", field.name));
    };
    for type_name in super::schema::object_types(item) {
        let before = *count;
        if let Some(reason) = walk(&inner.sub, type_name, depth, count, false) {
            return Some(reason);
        }
        let plain_id = |field: &Field<'_>| field.name == "id" && field.key == "id";
        if *count > before && !inner.sub.fields(type_name).iter().any(plain_id) {
            return Some("The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of 'ID' return type.".to_owned());
        }
    }
    None
}

fn walk(
    selection: &Selection<'_>,
    type_name: &'static str,
    depth: usize,
    count: &mut usize,
    in_list: bool,
) -> Option<String> {
    for field in selection.fields(type_name) {
        match field.shape {
            Shape::Leaf => {}
            Shape::Connection(item) => {
                if in_list {
                    return Some("Queries that contain a connection field within a list field are not currently supported.".to_owned());
                }
                if depth >= DEPTH_MAX {
                    return Some(format!(
                        "Bulk queries cannot nest connections deeper than {DEPTH_MAX} levels."
                    ));
                }
                *count += 1;
                if let Some(reason) = connection(field, item, depth + 1, count) {
                    return Some(reason);
                }
            }
            Shape::Object | Shape::List => {
                for type_name in super::schema::object_types(field.type_name) {
                    if let Some(reason) =
                        walk(&field.sub, type_name, depth, count, in_list || field.shape == Shape::List)
                    {
                        return Some(reason);
                    }
                }
            }
        }
    }
    None
}

/// Runs a bulk operation in the background.
pub(crate) fn spawn(shop: &Arc<Shop>, gid: Gid) {
    shop.counters.bulk_operations.fetch_add(1, Ordering::Relaxed);
    let shop = Arc::clone(shop);
    tokio::spawn(async move {
        shop.clock.sleep(shop.job_time).await;
        let inner = Arc::clone(&shop);
        let ended = tokio::task::spawn_blocking(move || {
            if operation_type(&inner, gid) == "MUTATION" {
                super::mutate::bulk::run(&inner, gid);
            } else {
                run(&inner, gid);
            }
        })
        .await;
        if let Err(error) = ended {
            tracing::error!(%gid, %error, "a bulk operation broke off");
            finish(&shop, gid, Ended { error: Some("INTERNAL_SERVER_ERROR"), ..Ended::default() });
        }
        webhook::deliver(&shop, vec![Change { gid, verb: Verb::Update, was: None, stocked: None }]);
    });
}

fn operation_type(shop: &Shop, gid: Gid) -> &'static str {
    let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
    match store.get(gid).and_then(|operation| operation.str("type")) {
        Some("MUTATION") => "MUTATION",
        _ => "QUERY",
    }
}

/// How an operation ended.
#[derive(Default)]
pub(crate) struct Ended {
    pub(crate) blob: Blob,
    pub(crate) objects: i64,
    pub(crate) roots: i64,
    pub(crate) error: Option<&'static str>,
}

/// Sets an operation's state, unless it was cancelled meanwhile.
pub(crate) fn start(shop: &Shop, gid: Gid) -> Option<Obj> {
    let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
    if store.get(gid)?.str("status") != Some("CREATED") {
        return None;
    }
    store.edit_silently(gid, |operation| operation.set("status", "RUNNING"));
    store.get(gid).map(|operation| Obj::clone(operation))
}

/// Writes down the end of an operation and publishes its file.
pub(crate) fn finish(shop: &Shop, gid: Gid, ended: Ended) {
    let now = shop.clock.now().as_second();
    let name = format!("{}.jsonl", crate::secret::fresh(&shop.rng, "bulk-"));
    let url = (ended.blob.len() > 0).then(|| Val::text(format!("{}/bulk/{name}", shop.base_url)));
    let len = i64::try_from(ended.blob.len()).unwrap_or(i64::MAX);
    if ended.blob.len() > 0 {
        lock(&shop.results).add(name, ended.blob, now);
    }
    let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
    let cancelled = store.get(gid).is_some_and(|operation| operation.str("status") == Some("CANCELING"));
    store.edit_silently(gid, |operation| {
        operation.set("objectCount", ended.objects);
        operation.set("rootObjectCount", ended.roots);
        operation.set("completedAt", Val::Time(now));
        match (ended.error, cancelled) {
            (Some(error), _) => {
                operation.set("status", "FAILED");
                operation.set("errorCode", error);
                operation.set("partialDataUrl", url);
            }
            (None, true) => {
                operation.set("status", "CANCELED");
                operation.set("partialDataUrl", url);
            }
            (None, false) => {
                operation.set("status", "COMPLETED");
                operation.set("fileSize", len);
                operation.set("url", url);
            }
        }
    });
}

/// Whether the operation was asked to stop.
pub(crate) fn stopping(shop: &Shop, gid: Gid) -> bool {
    let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
    store.get(gid).is_none_or(|operation| operation.str("status") == Some("CANCELING"))
}

fn run(shop: &Arc<Shop>, gid: Gid) {
    let Some(operation) = start(shop, gid) else { return };
    let query = operation.str("query").unwrap_or_default();
    let grouped = operation.flag("groupObjects").unwrap_or(false);
    let Ok(document) = parse(shop, query) else { return };
    let Ok(parsed) = document.operations.get(None) else { return };
    let viewer = shop.viewer();
    let variables = Map::new();
    let root = Selection::new(
        Request { document: &document, variables: &variables, viewer: &viewer },
        vec![&parsed.selection_set],
    );
    let [field] = root.fields("QueryRoot") else { return };
    let (Shape::Connection(item), Some(inner)) = (field.shape, node_field(field)) else { return };
    let faults =
        [FaultKind::BulkFailed, FaultKind::BulkDenied, FaultKind::BulkTruncated, FaultKind::BulkStuck];
    let fault = lock(&shop.faults).hit(&[field.name], &faults);
    if fault == Some(FaultKind::BulkStuck) {
        let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
        store.edit_silently(gid, |operation| operation.set("stuck", true));
        return;
    }

    advance(shop);
    let mut ended = Ended::default();
    if refusal(field.name, field.access).is_some() || fault == Some(FaultKind::BulkDenied) {
        finish(shop, gid, Ended { error: Some("ACCESS_DENIED"), ..ended });
        return;
    }
    let roots = {
        let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
        let scan = fields::scan(field);
        context(shop, &store, &viewer).view(|view| scan.gids(view))
    };
    let stop_after = match fault {
        Some(FaultKind::BulkFailed) => roots.len() / 2,
        _ => usize::MAX,
    };
    let mut dice = Dice::new(gid.number());
    let mut lines: Vec<String> = Vec::new();
    for (step, chunk) in roots.chunks(ROOTS_PER_STEP).enumerate() {
        if stopping(shop, gid) {
            break;
        }
        let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
        let ctx = context(shop, &store, &viewer);
        for (at, root) in chunk.iter().enumerate() {
            if step * ROOTS_PER_STEP + at >= stop_after {
                ended.error = Some("INTERNAL_SERVER_ERROR");
                break;
            }
            match Exec::new(&ctx).run_bulk(*root, item, &inner.sub) {
                Ok(mut found) => {
                    ended.roots += i64::try_from(found.roots).unwrap_or(0);
                    lines.append(&mut found.lines);
                }
                Err(errors) => {
                    let text = |error: &Json, at: &str| {
                        error.pointer(at).and_then(Json::as_str).unwrap_or_default().to_owned()
                    };
                    let denied = errors.iter().any(|error| {
                        text(error, "/extensions/code") == "ACCESS_DENIED"
                            || text(error, "/message").starts_with(UNAPPROVED)
                    });
                    ended.error = Some(if denied { "ACCESS_DENIED" } else { "INTERNAL_SERVER_ERROR" });
                }
            }
        }
        drop(store);
        if lines.len() >= LINES_PER_CHUNK {
            flush(&mut ended, &mut lines, grouped, &mut dice);
        }
        if ended.error.is_some() {
            break;
        }
    }
    if fault == Some(FaultKind::BulkTruncated) {
        // The last line is cut in its middle; the counts still speak of the whole.
        let last = lines.pop().unwrap_or_default();
        let counted = ended.objects + i64::try_from(lines.len()).unwrap_or(0) + 1;
        flush(&mut ended, &mut lines, true, &mut dice);
        let half = last.char_indices().nth(last.chars().count() / 2).map_or(0, |(at, _)| at);
        ended.blob.push(last.get(..half).unwrap_or_default().as_bytes());
        ended.objects = counted;
        let cut = last.len() - half + 1;
        finish(shop, gid, ended);
        let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
        store.edit_silently(gid, |operation| {
            let size = operation.int("fileSize").unwrap_or(0) + i64::try_from(cut).unwrap_or(0);
            operation.set("fileSize", size);
        });
        return;
    }
    flush(&mut ended, &mut lines, grouped, &mut dice);
    finish(shop, gid, ended);
}

/// Moves lines into the file: in any order, unless they are to stay with their parents.
fn flush(ended: &mut Ended, lines: &mut Vec<String>, grouped: bool, dice: &mut Dice) {
    if !grouped {
        dice.shuffle(lines);
    }
    ended.objects += i64::try_from(lines.len()).unwrap_or(0);
    let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines.drain(..) {
        text.push_str(&line);
        text.push('\n');
    }
    ended.blob.push(text.as_bytes());
}
