//! Taking records from a file of JSON lines, as one snapshot.
//!
//! A file whose ids are in order streams straight into the store. One that is not is sorted first, through the
//! same sealed batches that a backup uses.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::Connection;
use domain::record::PAYLOAD_LEN_MAX;
use domain::{Action, Kind, RecordMeta, Removal, SubjectId};
use repository::{Change, KindOutcome, Mode, NewRecord, RepositoryError, Writer};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::picker::Picker;
use crate::report::{KindReport, RunReport};

/// Text is read in pieces of this many bytes.
const CHUNK_LEN: usize = 2 * 1024 * 1024;
/// Pieces that wait between reading and writing.
const CHUNKS_WAITING: usize = 2;
/// Fields that make a line of a list recognisable; the first that a record has is kept.
const SUMMARY_FIELDS: [&str; 4] = ["/title", "/name", "/handle", "/sku"];

/// What to ingest.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Into which connection.
    pub connection: Connection,
    /// The records' kind.
    pub kind: Kind,
    /// Where a record's id stands.
    pub id: String,
    /// Where the id of the person stands whose data it is.
    pub subject: Option<String>,
    /// These are all there are: what is absent was removed.
    pub all: bool,
    /// Do so even where that is everything: an empty file is more often a mistake.
    pub may_remove_all: bool,
    /// The file; `None` reads standard input.
    pub file: Option<PathBuf>,
}

/// Counts bytes and records while it runs.
pub trait IngestProgress: Sync {
    /// So far: bytes read of how many (where known), records.
    fn advanced(&self, bytes: u64, of: Option<u64>, records: u64);
}

struct ParsedLine {
    start: usize,
    end: usize,
    id: Box<str>,
    subject: Option<SubjectId>,
    summary: Vec<u8>,
    number: u64,
}

struct Chunk {
    text: Arc<Vec<u8>>,
    lines: Vec<ParsedLine>,
}

/// Whether records of a kind are a person's, on any platform that we know.
fn is_personal(kind: &Kind) -> bool {
    let mut kinds = connectors::registry::PLATFORMS.iter().flat_map(|platform| platform.kinds);
    kinds.any(|spec| spec.name == kind.as_str() && spec.subject.is_some())
}

/// Reads the file into a new snapshot.
///
/// # Errors
/// A line that is not JSON, has no id, or repeats one: [`FlowError::Data`], which names the line; nothing is
/// then changed.
pub async fn ingest(cell: &Cell, ingest: &Ingest, progress: &dyn IngestProgress) -> Result<RunReport> {
    let started = cell.clock.monotonic();
    let scope = &ingest.connection.scope;
    let mut lease = cell.lease(scope).await?;
    let grant = cell.grant(scope, &[Action::Backup], "ingest").await?;
    let sorted = match &ingest.file {
        Some(_) => {
            let mut writer = cell.writer(scope, &grant, &mut lease).await?;
            match straight(cell, ingest, &mut writer, progress).await {
                Ok(done) => Some((writer, done)),
                Err(FlowError::Repository(RepositoryError::Unordered(_))) => {
                    writer.abandon().await?;
                    None
                }
                Err(error) => {
                    writer.abandon().await?;
                    return Err(error);
                }
            }
        }
        None => None,
    };
    let (writer, (counts, bytes_read), run) = match sorted {
        Some((writer, done)) => (writer, done, None),
        None => {
            let mut writer = cell.writer(scope, &grant, &mut lease).await?;
            let parent = writer.parent().map(|head| head.name.clone());
            // A file is read anew after a crash, so every ingest is a run of its own.
            let request = Value::from(lease.generation().lease.to_string());
            let run = cell.repository(scope).run(&grant, parent.as_ref(), &request).await?;
            match through_batches(cell, ingest, &run, &mut writer, progress).await {
                Ok(done) => (writer, done, Some(run)),
                Err(error) => {
                    writer.abandon().await?;
                    run.delete().await?;
                    return Err(error);
                }
            }
        }
    };
    if ingest.all && !ingest.may_remove_all && counts.seen == 0 && counts.removed > 0 {
        writer.abandon().await?;
        if let Some(run) = run {
            run.delete().await?;
        }
        return Err(FlowError::Input(format!(
            "there is no record in what was given, and with --all that would remove all {} of kind `{}`: \
             say --yes if that is meant",
            counts.removed, ingest.kind
        )));
    }
    let written = writer.commit().await?;
    if let Some(run) = run {
        run.delete().await?;
    }
    cell.release(lease).await?;
    let duration = cell.clock.monotonic().saturating_sub(started);
    Ok(RunReport {
        snapshot: written.head.name.number,
        head: written.head.name,
        complete: true,
        kinds: [(ingest.kind.clone(), counts)].into(),
        bytes_read,
        bytes_written: written.bytes_written,
        requests: 0,
        throttled: 0,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    })
}

fn mode(ingest: &Ingest) -> Mode {
    if ingest.all { Mode::Sweep(Removal::Deleted) } else { Mode::Increment }
}

fn meta(cell: &Cell, subject: Option<SubjectId>) -> RecordMeta {
    RecordMeta {
        observed_at: cell.clock.now(),
        source_updated_at: None,
        api_version: String::new(),
        selection_digest: String::new(),
        subjects: subject.into_iter().collect(),
        media_refs: Vec::new(),
        gaps: Vec::new(),
    }
}

/// The one column of a list of such records.
const COLUMNS: [&str; 1] = ["title"];

type Done = (KindReport, u64);

/// Straight into the store, as long as ids are in order.
async fn straight(
    cell: &Cell,
    ingest: &Ingest,
    writer: &mut Writer,
    progress: &dyn IngestProgress,
) -> Result<Done> {
    writer.begin_kind(&ingest.kind, mode(ingest), &COLUMNS).await?;
    let mut source = Source::open(ingest)?;
    let shared = meta(cell, None);
    let mut records = 0;
    while let Some(chunk) = source.next().await? {
        for line in &chunk.lines {
            let own = line
                .subject
                .is_some()
                .then(|| RecordMeta { subjects: line.subject.iter().cloned().collect(), ..shared.clone() });
            let record = NewRecord {
                id: &line.id,
                payload: chunk.text.get(line.start..line.end).unwrap_or_default(),
                canonical: None,
                meta: own.as_ref().unwrap_or(&shared),
                summary: &line.summary,
            };
            let change = writer.put(record).await.map_err(|error| at_line(line.number, error))?;
            debug_assert!(matches!(change, Change::Added | Change::Changed | Change::Unchanged));
            records += 1;
        }
        progress.advanced(source.bytes_read, source.len, records);
    }
    finish(writer, source.bytes_read).await
}

/// Through sorted batches.
async fn through_batches(
    cell: &Cell,
    ingest: &Ingest,
    run: &repository::Run,
    writer: &mut Writer,
    progress: &dyn IngestProgress,
) -> Result<Done> {
    run.begin(&ingest.kind).await;
    let mut source = Source::open(ingest)?;
    let mut records = 0;
    while let Some(chunk) = source.next().await? {
        for line in chunk.lines {
            // Each line is a part of its own, so that two with one id meet and are told.
            let part = format!("{:020}", line.number).into();
            let mut bytes = serde_json::to_vec(&(line.subject, &line.summary)).unwrap_or_default();
            let head_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
            bytes.splice(0..0, head_len);
            bytes.extend_from_slice(chunk.text.get(line.start..line.end).unwrap_or_default());
            run.put(&ingest.kind, line.id, part, bytes).await?;
            records += 1;
        }
        progress.advanced(source.bytes_read, source.len, records);
    }
    writer.begin_kind(&ingest.kind, mode(ingest), &COLUMNS).await?;
    let mut merged = run.merged().await?;
    while let Some(lines) = merged.next_item().await? {
        let [line] = &lines[..] else {
            let numbers: Vec<&str> = lines.iter().map(|line| line.part.trim_start_matches('0')).collect();
            let id = lines.first().map_or("", |line| &line.id);
            return Err(FlowError::Data(format!(
                "{} `{id}` occurs more than once: in lines {}",
                ingest.kind,
                numbers.join(" and ")
            )));
        };
        let damaged = || FlowError::Integrity("a batch of this run makes no sense".to_owned());
        let (head_len, rest) = line.bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let head_len = usize::try_from(u32::from_be_bytes(*head_len)).unwrap_or(usize::MAX);
        let (head, payload) = rest.split_at_checked(head_len).ok_or_else(damaged)?;
        let (subject, summary): (Option<SubjectId>, Vec<u8>) =
            serde_json::from_slice(head).map_err(|_| damaged())?;
        let meta = meta(cell, subject);
        writer
            .put(NewRecord { id: &line.id, payload, canonical: None, meta: &meta, summary: &summary })
            .await?;
    }
    finish(writer, source.bytes_read).await
}

async fn finish(writer: &mut Writer, bytes_read: u64) -> Result<Done> {
    let counts = writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await?;
    let mut report = KindReport::default();
    report.add(counts);
    Ok((report, bytes_read))
}

fn at_line(number: u64, error: RepositoryError) -> FlowError {
    match error {
        RepositoryError::Input(text) => FlowError::Data(format!("line {number}: {text}")),
        RepositoryError::Name(error) => FlowError::Data(format!("line {number}: {error}")),
        other => FlowError::Repository(other),
    }
}

/// Reads and checks lines on a thread of its own.
struct Source {
    chunks: mpsc::Receiver<Result<(Chunk, u64)>>,
    bytes_read: u64,
    len: Option<u64>,
}

impl Source {
    fn open(ingest: &Ingest) -> Result<Self> {
        let named = |path: &Path, source| FlowError::File {
            operation: "read",
            path: path.display().to_string(),
            source,
        };
        let (input, len, name): (Box<dyn Read + Send>, Option<u64>, PathBuf) = match &ingest.file {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|source| named(path, source))?;
                let len = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
                (Box::new(file), len, path.clone())
            }
            None => (Box::new(std::io::stdin()), None, PathBuf::from("-")),
        };
        let parser = Parser::new(ingest)?;
        let (send, chunks) = mpsc::channel(CHUNKS_WAITING);
        tokio::task::spawn_blocking(move || {
            let failed = |source| named(&name, source);
            if let Err(error) =
                parser.run(input, &failed, |chunk, read| send.blocking_send(Ok((chunk, read))).is_ok())
            {
                // The receiver may be gone: then nobody needs the error.
                let _ = send.blocking_send(Err(error));
            }
        });
        Ok(Self { chunks, bytes_read: 0, len })
    }

    async fn next(&mut self) -> Result<Option<Chunk>> {
        match self.chunks.recv().await.transpose()? {
            None => Ok(None),
            Some((chunk, read)) => {
                self.bytes_read = read;
                Ok(Some(chunk))
            }
        }
    }
}

struct Parser {
    picker: Picker,
    id: String,
    has_subject: bool,
    personal: bool,
    kind: Kind,
}

impl Parser {
    fn new(ingest: &Ingest) -> Result<Self> {
        let mut pointers = vec![ingest.id.as_str()];
        pointers.extend(SUMMARY_FIELDS);
        pointers.extend(ingest.subject.as_deref());
        Ok(Self {
            picker: Picker::new(&pointers).map_err(|error| FlowError::Input(error.to_string()))?,
            id: ingest.id.clone(),
            has_subject: ingest.subject.is_some(),
            personal: is_personal(&ingest.kind),
            kind: ingest.kind.clone(),
        })
    }

    fn run(
        &self,
        mut input: impl Read,
        failed: &dyn Fn(std::io::Error) -> FlowError,
        mut send: impl FnMut(Chunk, u64) -> bool,
    ) -> Result<()> {
        let mut rest: Vec<u8> = Vec::new();
        let (mut number, mut bytes_read) = (0_u64, 0_u64);
        loop {
            let mut text = std::mem::take(&mut rest);
            let before = text.len();
            text.reserve(CHUNK_LEN);
            let read = (&mut input).take(CHUNK_LEN as u64).read_to_end(&mut text).map_err(failed)?;
            bytes_read += u64::try_from(read).unwrap_or_default();
            let at_end = read == 0;
            if !at_end {
                // Only the new bytes can hold the last line's end.
                let tail = text.get(before..).unwrap_or_default();
                match memchr::memrchr(b'\n', tail) {
                    Some(at) => rest = text.split_off(before + at + 1),
                    None if text.len() <= PAYLOAD_LEN_MAX + 1 => {
                        rest = text;
                        continue;
                    }
                    None => {
                        return Err(FlowError::Data(format!(
                            "line {} is longer than {PAYLOAD_LEN_MAX} bytes (64 MiB), the most that is kept in one record",
                            number + 1
                        )));
                    }
                }
            }
            let lines = self.lines(&text, &mut number)?;
            if !lines.is_empty() && !send(Chunk { text: Arc::new(text), lines }, bytes_read) {
                return Ok(());
            }
            if at_end {
                return Ok(());
            }
        }
    }

    fn lines(&self, text: &[u8], number: &mut u64) -> Result<Vec<ParsedLine>> {
        let mut lines = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let rest = text.get(start..).unwrap_or_default();
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            *number += 1;
            let line = rest.get(..len).unwrap_or_default();
            if !line.trim_ascii().is_empty() {
                lines.push(self.line(line, start, *number)?);
            }
            start += len + 1;
        }
        Ok(lines)
    }

    fn line(&self, line: &[u8], start: usize, number: u64) -> Result<ParsedLine> {
        let text = std::str::from_utf8(line).map_err(|error| {
            FlowError::Data(format!(
                "line {number} is not UTF-8 from its byte {} on",
                error.valid_up_to() + 1
            ))
        })?;
        let picked = self
            .picker
            .pick(text)
            .map_err(|error| FlowError::Data(format!("line {number} is not one JSON value: {error}")))?;
        let mut picked = picked.into_iter();
        let id = picked.next().flatten().as_ref().and_then(scalar);
        let id = id.ok_or_else(|| {
            FlowError::Data(format!(
                "line {number} has no id at `{}`: text is expected there, or a whole number of at most 64 bits",
                self.id
            ))
        })?;
        let cells: Vec<Value> =
            picked.by_ref().take(SUMMARY_FIELDS.len()).flatten().take(COLUMNS.len()).collect();
        let summary =
            if cells.is_empty() { Vec::new() } else { serde_json::to_vec(&cells).unwrap_or_default() };
        let named = match picked.next().flatten().filter(|value| self.has_subject && !value.is_null()) {
            None => None,
            Some(value) => Some(scalar(&value).ok_or_else(|| {
                FlowError::Data(format!(
                    "line {number} names its person by neither text nor a whole number of at most 64 bits"
                ))
            })?),
        };
        let subject = match named {
            Some(person) => Some(SubjectId(format!("customer/{person}").into())),
            // A record that names nobody is its own subject.
            None if self.personal || self.has_subject => {
                Some(SubjectId(format!("{}/{id}", self.kind).into()))
            }
            None => None,
        };
        Ok(ParsedLine { start, end: start + line.len(), id, subject, summary, number })
    }
}

/// Text, or a whole number. Others were rounded when they were read: two of them could look like one.
fn scalar(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string().into()),
        _ => None,
    }
}
