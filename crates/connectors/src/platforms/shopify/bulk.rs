//! Reads a kind by bulk operations: starts them, waits for them, and takes their results only when whole.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::record::PAYLOAD_LEN_MAX;
use domain::{Kind, Timestamp};
use futures::StreamExt as _;
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use url::Url;

use super::Shopify;
use super::assemble::DETAILS;
use super::documents::{BULK_CANCEL, BULK_RUN, BULK_STATE, KindDocuments};
use super::outlook::{By, Outlook};
use super::reading::{Bulk, BulkText};
use super::route::Router;
use crate::contract::{Fault, Line, Progress, Spool, Store as _};
use crate::engine::retry::TRIES_MAX;

/// Bulk operations that run at once, over all kinds: the platform's own limit.
pub(super) const AT_ONCE: usize = 5;
/// A cursor stands at least this often.
const CURSOR_BYTES: u64 = 8 * 1024 * 1024;
/// And at least this often.
const CURSOR_TIME: Duration = Duration::from_secs(15);
/// First and longest wait between two looks at a running operation.
const LOOK_FIRST: Duration = Duration::from_millis(200);
const LOOK_LONGEST: Duration = Duration::from_secs(3);
/// An operation that counts nothing for so long is given up.
const STANDSTILL_MAX: Duration = Duration::from_secs(30 * 60);
/// How often an operation is asked for while others of the same app are in the way.
const STARTS_MAX: u32 = 40;
/// How often an operation is tried, and how often all of a kind's, before the kind is read page by page.
const OPERATIONS_MAX: u32 = 2;
/// Details are read for so many items at once.
const DETAILS_AT_ONCE: usize = 25;

/// How far one operation is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The operation on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// Bytes of its result that are in the spool.
    #[serde(default)]
    offset: u64,
    /// Lines among them.
    #[serde(default)]
    lines: u64,
    /// Roots among them.
    #[serde(default)]
    roots: u64,
    /// The whole result is in the spool.
    #[serde(default)]
    done: bool,
    /// Something of it is there that was taken in this run, also where no cursor could stand behind it yet.
    #[serde(skip)]
    taken: bool,
}

/// How far all operations of a kind are, by name: the cursor of a resumed run.
pub(super) type Parts = BTreeMap<String, Part>;

/// The parts of a run that was interrupted. Lines of an operation may be there that its own cursor does not tell of:
/// what is durable goes up to the last cursor of any operation of the kind.
pub(super) fn resumed(mut parts: Parts) -> Parts {
    parts.values_mut().for_each(|part| part.taken = part.operation.is_some());
    parts
}

/// Why an operation's result is not to be had.
enum Failure {
    /// Another operation may do better. Nothing of this one is in the spool.
    Broken(String),
    /// Another operation may do better, once what this one left in the spool is forgotten.
    Torn {
        /// The operation's name within the kind.
        name: &'static str,
        /// What happened to it.
        why: String,
    },
    /// No operation will.
    Fault(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads one kind.
pub(super) struct Reader<'a> {
    pub(super) shop: &'a Shopify,
    pub(super) kind: Kind,
    pub(super) set: &'static KindDocuments,
    pub(super) spool: &'a dyn Spool,
    pub(super) slots: &'a Semaphore,
    pub(super) outlook: &'a Outlook,
    /// How many items there are, where the platform told.
    pub(super) total: Option<u64>,
    /// When the run began, on the platform's clock: part of every cursor.
    pub(super) started: Timestamp,
    /// How far the operations are; the lock also keeps cursors in their order.
    pub(super) parts: Mutex<Parts>,
}

/// How a kind was read.
pub(super) enum Read {
    /// Everything is in the spool.
    Whole,
    /// The operations failed: it is to be read page by page.
    Failed(String),
}

/// What is being done with an operation.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The platform makes its result.
    Made,
    /// We take it.
    Taken,
}

/// What the platform says of an operation.
struct State {
    status: String,
    error: String,
    objects: u64,
    roots: u64,
    size: u64,
    url: Option<String>,
}

impl Reader<'_> {
    /// Runs all operations of the kind. What it leaves in the spool is worth something only if it answers
    /// [`Read::Whole`], or the run is resumed.
    pub(super) async fn read(&self) -> Result<Read, Fault> {
        let mut tries = 0;
        loop {
            let all = self.set.reading.bulk.iter().zip(&self.set.bulks);
            match try_join_all(all.map(|(bulk, text)| self.one(bulk, &text.text))).await {
                Ok(_) => return Ok(Read::Whole),
                Err(Failure::Broken(why)) => return Ok(Read::Failed(why)),
                Err(Failure::Fault(fault)) => return Err(fault),
                Err(Failure::Torn { name, why }) => {
                    tracing::warn!(kind = %self.kind, operation = name, %why, "bulk operation broke off");
                    tries += 1;
                    if tries >= OPERATIONS_MAX {
                        return Ok(Read::Failed(why));
                    }
                    self.forget(name).await?;
                }
            }
        }
    }

    /// Begins anew: an item that is gone by now, or a part of one, must not stay because a broken operation saw it. The
    /// spool cannot forget one operation's lines alone; the others' results are still there to be taken again.
    async fn forget(&self, broken: &str) -> Result<(), Fault> {
        self.spool.restart(self.kind.clone()).await?;
        let mut parts = self.parts.lock().await;
        parts.remove(broken);
        for part in parts.values_mut() {
            *part = Part { operation: part.operation.take(), ..Part::default() };
        }
        let cursor = self.cursor_of(&parts);
        Ok(self.spool.page_end(self.kind.clone(), cursor).await?)
    }

    async fn one(&self, bulk: &'static Bulk, query: &str) -> Result<(), Failure> {
        let mut part = self.parts.lock().await.get(bulk.name).cloned().unwrap_or_default();
        let mut tries = 0;
        while !part.done {
            let slot = self.slots.acquire().await;
            let result = self.run(bulk, query, &mut part).await;
            drop(slot);
            match result {
                Ok(()) => {}
                Err(Failure::Broken(why)) if part.taken || part.lines > 0 => {
                    return Err(Failure::Torn { name: bulk.name, why });
                }
                Err(Failure::Broken(why)) => {
                    tracing::warn!(kind = %self.kind, operation = bulk.name, %why, "bulk operation not usable");
                    tries += 1;
                    if tries >= OPERATIONS_MAX {
                        return Err(Failure::Broken(why));
                    }
                    part = Part::default();
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// One operation, from its start or from where it is.
    async fn run(&self, bulk: &'static Bulk, query: &str, part: &mut Part) -> Result<(), Failure> {
        let operation = match &part.operation {
            Some(operation) => operation.clone(),
            None => {
                let operation = self.start(bulk, query).await?;
                part.operation = Some(operation.clone());
                self.cursor(bulk, part).await?;
                operation
            }
        };
        let state = self.finished(bulk, &operation).await?;
        self.outlook.ended(&self.reading(bulk, Stage::Made));
        match state.status.as_str() {
            "COMPLETED" => {}
            "FAILED" if state.error == "ACCESS_DENIED" => {
                return Err(Fault::Forbidden("the bulk operation was denied access".to_owned()).into());
            }
            // What such an operation left is no backup, whatever its partial result holds.
            status => {
                return Err(Failure::Broken(
                    format!("it ended as {status} {}", state.error).trim_end().to_owned(),
                ));
            }
        }
        match &state.url {
            None if state.objects == 0 => {}
            None => return Err(Failure::Broken("its result has no address".to_owned())),
            Some(url) => self.take(bulk, part, url, &state).await?,
        }
        let whole = part.lines == state.objects
            && part.roots == state.roots
            && (state.url.is_none() || part.offset == state.size);
        if !whole {
            return Err(Failure::Broken(format!(
                "its result is not whole: {} of {} lines, {} of {} roots, {} of {} bytes",
                part.lines, state.objects, part.roots, state.roots, part.offset, state.size
            )));
        }
        part.done = true;
        self.cursor(bulk, part).await?;
        Ok(())
    }

    async fn start(&self, bulk: &Bulk, query: &str) -> Result<String, Failure> {
        let mut tries = 0;
        loop {
            let variables = json!({ "query": query, "groupObjects": bulk.grouped });
            // Reading twice does no harm: an operation whose start was lost is left to itself.
            let data = self.shop.query(BULK_RUN, variables).await?;
            let answer = data.get("bulkOperationRunQuery").cloned().unwrap_or_default();
            if let Some(id) = answer.pointer("/bulkOperation/id").and_then(Value::as_str) {
                return Ok(id.to_owned());
            }
            let error = |key: &str| {
                answer.pointer(&format!("/userErrors/0/{key}")).and_then(Value::as_str).unwrap_or_default()
            };
            match error("code") {
                "OPERATION_IN_PROGRESS" | "LIMIT_REACHED" if tries < STARTS_MAX => {
                    tries += 1;
                    self.shop.client.back_off(tries).await;
                }
                code => {
                    return Err(Failure::Broken(format!("it did not start: {code} {}", error("message"))));
                }
            }
        }
    }

    async fn finished(&self, bulk: &Bulk, operation: &str) -> Result<State, Failure> {
        let mut wait = LOOK_FIRST;
        let clock = self.shop.client.clock();
        let mut moved = (0, clock.monotonic());
        loop {
            let data = self.shop.query(BULK_STATE, json!({ "id": operation })).await?;
            let Some(found) = data.get("bulkOperation").filter(|found| found.is_object()) else {
                return Err(Failure::Broken("the platform does not know it any more".to_owned()));
            };
            let text = |key: &str| found.get(key).and_then(Value::as_str).map(str::to_owned);
            let status = text("status").unwrap_or_default();
            if !matches!(status.as_str(), "CREATED" | "RUNNING" | "CANCELING") {
                return Ok(State {
                    status,
                    error: text("errorCode").unwrap_or_default(),
                    objects: count(found, "objectCount"),
                    roots: count(found, "rootObjectCount"),
                    size: count(found, "fileSize"),
                    url: text("url"),
                });
            }
            let objects = count(found, "objectCount");
            if objects != moved.0 {
                moved = (objects, clock.monotonic());
            } else if clock.monotonic().saturating_sub(moved.1) > STANDSTILL_MAX {
                // Its place is free for another then; where that fails, the platform ends it some day.
                let _ = self.shop.query(BULK_CANCEL, json!({ "id": operation })).await;
                return Err(Failure::Broken("it stands still".to_owned()));
            }
            let total = self.total.filter(|_| matches!(bulk.text, BulkText::Items(..) | BulkText::Only(_)));
            self.progress(bulk, Stage::Made, (count(found, "rootObjectCount"), total));
            clock.sleep(wait).await;
            wait = (wait * 5 / 4).min(LOOK_LONGEST);
        }
    }

    fn reading(&self, bulk: &Bulk, stage: Stage) -> String {
        format!("{} {} {stage:?}", self.kind, bulk.name)
    }

    fn progress(&self, bulk: &Bulk, stage: Stage, (items, total): (u64, Option<u64>)) {
        let name = self.reading(bulk, stage);
        let now = self.shop.client.clock().monotonic();
        let used = (self.shop.pace(), self.shop.usage());
        let remaining = self.outlook.told(&name, (By::Bulk, items, total), now, used);
        self.spool.progress(Progress { kind: self.kind.as_str(), items, total, remaining });
    }

    /// Takes the result from where the part is; a download that breaks off goes on at the last whole line.
    async fn take(
        &self,
        bulk: &'static Bulk,
        part: &mut Part,
        url: &str,
        state: &State,
    ) -> Result<(), Failure> {
        let mut tries = 0;
        while part.offset < state.size {
            let before = part.offset;
            let why = match self.download(bulk, part, url, state).await {
                Ok(()) if part.offset >= state.size => break,
                Ok(()) => "its result ends too early".to_owned(),
                Err(Download::Cut(why)) => why,
                Err(Download::Failure(failure)) => return Err(failure),
            };
            tries = if part.offset > before { 0 } else { tries + 1 };
            if tries >= 2 {
                return Err(Failure::Broken(why));
            }
            self.shop.client.back_off(tries + 1).await;
        }
        Ok(())
    }

    async fn download(
        &self,
        bulk: &'static Bulk,
        part: &mut Part,
        url: &str,
        state: &State,
    ) -> Result<(), Download> {
        let url = result_url(url)?;
        let mut skip = part.offset;
        let mut tries = 0;
        let answer = loop {
            let mut request = self.shop.client.https().get_file(&url, "/{result}", "bulk result");
            if part.offset > 0 {
                request = request.range_from(part.offset);
            }
            self.shop.client.count_request();
            let why = match request.send().await {
                Ok(answer) if answer.status() == StatusCode::PARTIAL_CONTENT => {
                    skip = 0;
                    break answer;
                }
                Ok(answer) if answer.status().is_success() => break answer,
                Ok(answer) => {
                    let status = answer.status();
                    answer.leave().await?;
                    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
                        return Err(Failure::Broken(format!("its result is gone: {status}")).into());
                    }
                    format!("its result's server answered {status}")
                }
                Err(Fault::Unavailable(why)) => why,
                Err(fault) => return Err(fault.into()),
            };
            if tries >= TRIES_MAX {
                return Err(Download::Cut(why));
            }
            tries += 1;
            self.shop.client.back_off(tries).await;
        };
        let mut lines = Lines::new(self, bulk, part, state.roots);
        let mut stream = answer.stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|fault| match fault {
                Fault::Unavailable(why) => Download::Cut(why),
                fault => fault.into(),
            })?;
            self.shop.client.count_bytes(chunk.len());
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            lines.add(chunk.get(skipped..).unwrap_or_default()).await?;
        }
        lines.end(state.size).await
    }

    /// Says how far all operations are.
    async fn cursor(&self, bulk: &Bulk, part: &Part) -> Result<(), Fault> {
        let mut parts = self.parts.lock().await;
        parts.insert(bulk.name.to_owned(), part.clone());
        let cursor = self.cursor_of(&parts);
        Ok(self.spool.page_end(self.kind.clone(), cursor).await?)
    }

    fn cursor_of(&self, parts: &Parts) -> Value {
        json!({ "started": self.started, "bulk": parts })
    }
}

/// The address of a result. It is signed, so an error names its host alone.
fn result_url(text: &str) -> Result<Url, Failure> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => Ok(url),
        Ok(url) => Err(Failure::Broken(format!(
            "its result lies at `{}`, and not behind HTTPS",
            url.host_str().unwrap_or_default()
        ))),
        Err(error) => Err(Failure::Broken(format!("its result's address is none: {error}"))),
    }
}

enum Download {
    /// It can go on from the last whole line.
    Cut(String),
    Failure(Failure),
}

impl From<Failure> for Download {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Fault> for Download {
    fn from(fault: Fault) -> Self {
        Self::Failure(Failure::Fault(fault))
    }
}

/// Cuts a result into lines and puts them into the spool.
struct Lines<'a, 'b> {
    reader: &'a Reader<'b>,
    bulk: &'static Bulk,
    part: &'a mut Part,
    router: Router,
    /// The beginning of a line whose end did not come yet.
    open: Vec<u8>,
    /// How far the lines are that were put, which may be ahead of where a cursor may stand.
    at: Part,
    cursor_offset: u64,
    cursor_time: Duration,
    detailed: Vec<String>,
    total: u64,
}

impl<'a, 'b> Lines<'a, 'b> {
    fn new(reader: &'a Reader<'b>, bulk: &'static Bulk, part: &'a mut Part, total: u64) -> Self {
        Self {
            router: Router::new(reader.kind.clone(), reader.set, bulk),
            open: Vec::new(),
            at: part.clone(),
            cursor_offset: part.offset,
            cursor_time: reader.shop.client.clock().monotonic(),
            detailed: Vec::new(),
            reader,
            bulk,
            part,
            total,
        }
    }

    async fn add(&mut self, mut bytes: &[u8]) -> Result<(), Download> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at_checked(end + 1).unwrap_or((bytes, &[]));
            if self.open.is_empty() {
                self.line(line).await?;
            } else {
                self.open.extend_from_slice(line);
                let whole = std::mem::take(&mut self.open);
                self.line(&whole).await?;
            }
            bytes = rest;
        }
        self.open.extend_from_slice(bytes);
        if self.open.len() > PAYLOAD_LEN_MAX {
            return Err(Failure::Broken("a line is longer than is kept".to_owned()).into());
        }
        Ok(())
    }

    /// Takes a line with its end.
    async fn line(&mut self, line: &[u8]) -> Result<(), Download> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let len = line.len() as u64;
        if text.is_empty() {
            self.at.offset += len;
            return Ok(());
        }
        let routed = self.router.route(text).map_err(|error| Failure::Broken(error.to_string()))?;
        // Where children follow their parent, a resumed run must begin with a parent.
        if routed.root || !self.bulk.grouped {
            self.may_stand().await?;
        }
        if let Some(line) = routed.line {
            if routed.detailed {
                self.detailed.push(line.id.to_string());
            }
            (self.at.taken, self.part.taken) = (true, true);
            self.reader.spool.put(line).await.map_err(Fault::from)?;
        }
        self.at.offset += len;
        self.at.lines += 1;
        self.at.roots += u64::from(routed.root);
        if self.detailed.len() >= DETAILS_AT_ONCE {
            self.details().await?;
        }
        Ok(())
    }

    /// A cursor may stand before the line at hand; where one is due, it does.
    async fn may_stand(&mut self) -> Result<(), Download> {
        if self.detailed.is_empty() {
            self.part.clone_from(&self.at);
        }
        let now = self.reader.shop.client.clock().monotonic();
        let due = self.at.offset - self.cursor_offset >= CURSOR_BYTES
            || now.saturating_sub(self.cursor_time) >= CURSOR_TIME;
        if !due {
            return Ok(());
        }
        self.details().await?;
        self.part.clone_from(&self.at);
        self.reader.cursor(self.bulk, self.part).await?;
        self.reader.progress(self.bulk, Stage::Taken, (self.at.roots, Some(self.total)));
        self.cursor_offset = self.at.offset;
        self.cursor_time = now;
        Ok(())
    }

    /// Reads what the operation could not.
    async fn details(&mut self) -> Result<(), Download> {
        let ids = std::mem::take(&mut self.detailed);
        for node in self.reader.shop.details(self.reader.set, &ids).await? {
            // An item that was deleted meanwhile has no details.
            let Some(id) = node.get("id").and_then(Value::as_str) else { continue };
            let line = Line {
                kind: self.reader.kind.clone(),
                id: id.into(),
                part: DETAILS.into(),
                bytes: node.to_string().into_bytes(),
            };
            self.reader.spool.put(line).await.map_err(Fault::from)?;
        }
        Ok(())
    }

    /// The download ended; the last line may have no end of its own.
    async fn end(&mut self, size: u64) -> Result<(), Download> {
        if !self.open.is_empty() && self.at.offset + self.open.len() as u64 == size {
            let last = std::mem::take(&mut self.open);
            self.line(&last).await?;
        }
        self.details().await?;
        if self.at.offset == size || !self.bulk.grouped {
            self.part.clone_from(&self.at);
        }
        self.reader.progress(self.bulk, Stage::Taken, (self.at.roots, Some(self.total)));
        Ok(())
    }
}

/// A count, which the API writes as text.
fn count(found: &Value, key: &str) -> u64 {
    match found.get(key) {
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        Some(number) => number.as_u64().unwrap_or(0),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_behind_https_is_told_without_its_signature() {
        let check = |text: &str, host: Option<&str>| match result_url(text) {
            Ok(url) => assert_eq!(url.as_str(), text),
            Err(Failure::Broken(why)) => {
                assert!(!why.contains("secret") && host.is_some_and(|host| why.contains(host)), "{why}");
            }
            Err(_) => panic!("another operation may do better"),
        };
        check("https://files.example/bulk.jsonl?signature=secret", None);
        check("http://files.example/bulk.jsonl?signature=secret", Some("files.example"));
        check("ftp://user:secret@files.example/bulk.jsonl", Some("files.example"));
        check("//files.example/bulk.jsonl?signature=secret", Some("address"));
    }
}
