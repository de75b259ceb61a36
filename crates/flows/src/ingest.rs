//! Taking records from a file of JSON lines, as one snapshot.
//!
//! A file whose ids are in order streams straight into the store. One that is not is sorted first, through the
//! same sealed batches that a backup uses.
//!
//! Lines are read and hashed on a thread of their own. Most lines of a file that was read before are as they were:
//! their hashes say so, and then they are not even parsed.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::Connection;
use domain::record::PAYLOAD_LEN_MAX;
use domain::{Action, ContentHash, Kind, RecordMeta, Removal, SubjectId};
use memchr::memmem;
use repository::{ContentHasher, KindOutcome, Mode, NewRecord, RepositoryError, Writer};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::picker::Picker;
use crate::report::{KindReport, RunReport};

/// Text is read in pieces of this many bytes: they stay in the processor's cache while they are gone through.
const CHUNK_LEN: usize = 512 * 1024;
/// Pieces that wait between reading and writing.
const CHUNKS_WAITING: usize = 4;
/// Fields that make a line of a list recognisable; the first that a record has is kept.
pub(crate) const SUMMARY_FIELDS: [&str; 4] = ["/title", "/name", "/handle", "/sku"];

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

pub(crate) struct ParsedLine {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) id: Box<str>,
    pub(crate) subject: Option<SubjectId>,
    pub(crate) summary: Vec<u8>,
    pub(crate) number: u64,
}

pub(crate) struct Chunk {
    pub(crate) text: Arc<Vec<u8>>,
    pub(crate) lines: Vec<ParsedLine>,
}

/// A line of which no more is known than its content's hash.
struct HashedLine {
    /// Where it stands in its chunk.
    place: Range<usize>,
    number: u64,
    hash: ContentHash,
    /// Where in the chunk its id may stand.
    guess: Option<Range<usize>>,
}

struct HashedChunk {
    text: Vec<u8>,
    lines: Vec<HashedLine>,
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
    let parser = Parser::of(ingest)?;
    let mut source = Source::hashed(ingest, writer.hasher())?;
    let shared = meta(cell, None);
    let mut records = 0;
    while let Some(chunk) = source.next().await? {
        for HashedLine { place, number, hash, guess } in chunk.lines {
            records += 1;
            let id = guess.and_then(|guess| std::str::from_utf8(chunk.text.get(guess)?).ok());
            // The guess may be wrong. But if the parent has just this content under just this id, then that is what
            // was found when the content was looked at.
            // Whose it is stands in the content too, but not where.
            if let Some(id) = id
                && ingest.subject.is_none()
                && writer.unchanged(id, hash, None).await?
            {
                continue;
            }
            let payload = chunk.text.get(place.clone()).unwrap_or_default();
            let ParsedLine { id, subject, summary, .. } = parser.line(payload, place.start, number)?;
            let own = subject
                .map(|subject| RecordMeta { subjects: std::iter::once(subject).collect(), ..shared.clone() });
            let meta = own.as_ref().unwrap_or(&shared);
            let record = NewRecord { id: &id, payload, canonical: None, meta, summary: &summary };
            writer.put_hashed(record, hash).await.map_err(|error| at_line(number, error))?;
        }
        source.give_back(chunk.text);
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
    let mut source = Source::parsed(ingest)?;
    let mut records = 0;
    while let Some(chunk) = source.next().await? {
        for line in chunk.lines {
            // Each line is a part of its own, so that two with one id meet and are told.
            let part = format!("{:012}", line.number).into();
            let payload = chunk.text.get(line.start..line.end).unwrap_or_default();
            let bytes = as_part(line.subject.as_ref(), &line.summary, payload);
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
        let (subject, summary, payload) = read_part(&line.bytes)
            .ok_or_else(|| FlowError::Integrity("a batch of this run makes no sense".to_owned()))?;
        let subject = subject.map(|subject| SubjectId(subject.into()));
        let meta = meta(cell, subject);
        writer.put(NewRecord { id: &line.id, payload, canonical: None, meta: &meta, summary }).await?;
    }
    finish(writer, source.bytes_read).await
}

/// A line as it stands in a batch: lengths of subject (empty where there is none) and summary, both, the payload.
fn as_part(subject: Option<&SubjectId>, summary: &[u8], payload: &[u8]) -> Vec<u8> {
    let subject = subject.map_or(&b""[..], |subject| subject.0.as_bytes());
    let mut bytes = Vec::with_capacity(8 + subject.len() + summary.len() + payload.len());
    for field in [subject, summary] {
        bytes.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    for field in [subject, summary, payload] {
        bytes.extend_from_slice(field);
    }
    bytes
}

/// Subject, summary and payload.
fn read_part(bytes: &[u8]) -> Option<(Option<&str>, &[u8], &[u8])> {
    let (subject_len, rest) = bytes.split_first_chunk::<4>()?;
    let (summary_len, rest) = rest.split_first_chunk::<4>()?;
    let len = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
    let (subject, rest) = rest.split_at_checked(len(subject_len)?)?;
    let (summary, payload) = rest.split_at_checked(len(summary_len)?)?;
    let subject = std::str::from_utf8(subject).ok()?;
    Some(((!subject.is_empty()).then_some(subject), summary, payload))
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

/// Reads lines on a thread of its own.
struct Source<T> {
    chunks: mpsc::Receiver<Result<(T, u64)>>,
    /// Memory of chunks that are done with goes back.
    spare: mpsc::Sender<Vec<u8>>,
    bytes_read: u64,
    len: Option<u64>,
}

/// What the reading thread has: input, how its failures are told, spare memory, and where chunks go, with the bytes
/// that were read up to there. Chunks go to nobody once the answer is `false`.
struct Reading<T> {
    input: Box<dyn Read + Send>,
    name: PathBuf,
    spare: mpsc::Receiver<Vec<u8>>,
    chunks: mpsc::Sender<Result<(T, u64)>>,
}

fn unreadable(path: &Path, source: std::io::Error) -> FlowError {
    FlowError::File { operation: "read", path: path.display().to_string(), source }
}

impl Source<Chunk> {
    /// Of lines that are checked.
    fn parsed(ingest: &Ingest) -> Result<Self> {
        let parser = Parser::of(ingest)?;
        Self::open(ingest, move |reading| {
            let Reading { input, name, chunks, .. } = reading;
            let failed = |source| unreadable(name, source);
            parser.run(input, &failed, |chunk, read| chunks.blocking_send(Ok((chunk, read))).is_ok())
        })
    }
}

impl Source<HashedChunk> {
    /// Of lines that are hashed.
    fn hashed(ingest: &Ingest, hasher: ContentHasher) -> Result<Self> {
        let guess = Guess::new(&ingest.id);
        Self::open(ingest, move |reading| {
            let Reading { input, name, spare, chunks } = reading;
            let failed = |source| unreadable(name, source);
            let mut cutter = Cutter::new(input, &failed);
            while let Some(text) = cutter.next(spare.try_recv().unwrap_or_default())? {
                let lines = cutter.lines(&text).map(|(place, number, line)| HashedLine {
                    guess: guess.find(line).map(|guess| place.start + guess.start..place.start + guess.end),
                    place,
                    number,
                    hash: hasher.hash(line),
                });
                let lines = lines.collect();
                if chunks.blocking_send(Ok((HashedChunk { text, lines }, cutter.bytes_read))).is_err() {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl<T: Send + 'static> Source<T> {
    fn open(
        ingest: &Ingest,
        read: impl FnOnce(&mut Reading<T>) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (input, len, name): (Box<dyn Read + Send>, Option<u64>, PathBuf) = match &ingest.file {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|source| unreadable(path, source))?;
                let len = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
                (Box::new(file), len, path.clone())
            }
            None => (Box::new(std::io::stdin()), None, PathBuf::from("-")),
        };
        let (send, chunks) = mpsc::channel(CHUNKS_WAITING);
        let (give_back, spare) = mpsc::channel(CHUNKS_WAITING);
        tokio::task::spawn_blocking(move || {
            let mut reading = Reading { input, name, spare, chunks: send };
            if let Err(error) = read(&mut reading) {
                // The receiver may be gone: then nobody needs the error.
                let _ = reading.chunks.blocking_send(Err(error));
            }
        });
        Ok(Self { chunks, spare: give_back, bytes_read: 0, len })
    }

    async fn next(&mut self) -> Result<Option<T>> {
        match self.chunks.recv().await.transpose()? {
            None => Ok(None),
            Some((chunk, read)) => {
                self.bytes_read = read;
                Ok(Some(chunk))
            }
        }
    }

    fn give_back(&self, memory: Vec<u8>) {
        // Where there is enough of it already, or nobody reads any more, it is freed.
        let _ = self.spare.try_send(memory);
    }
}

/// Reads text and cuts it behind lines' ends.
struct Cutter<'a, R> {
    input: R,
    failed: &'a dyn Fn(std::io::Error) -> FlowError,
    /// What was read behind the last line's end.
    rest: Vec<u8>,
    at_end: bool,
    bytes_read: u64,
    /// Lines that were counted.
    count: u64,
}

impl<'a, R: Read> Cutter<'a, R> {
    fn new(input: R, failed: &'a dyn Fn(std::io::Error) -> FlowError) -> Self {
        Self { input, failed, rest: Vec::new(), at_end: false, bytes_read: 0, count: 0 }
    }

    /// The next lines, in the memory that is given; `None` at the end.
    fn next(&mut self, mut text: Vec<u8>) -> Result<Option<Vec<u8>>> {
        text.clear();
        text.append(&mut self.rest);
        while !self.at_end {
            let before = text.len();
            self.fill(&mut text)?;
            if self.at_end {
                break;
            }
            // Only the new bytes can hold the last line's end.
            match memchr::memrchr(b'\n', text.get(before..).unwrap_or_default()) {
                Some(at) => {
                    self.rest.extend_from_slice(text.get(before + at + 1..).unwrap_or_default());
                    text.truncate(before + at + 1);
                    break;
                }
                None if text.len() <= PAYLOAD_LEN_MAX + 1 => {}
                None => {
                    return Err(FlowError::Data(format!(
                        "line {} is longer than {PAYLOAD_LEN_MAX} bytes (64 MiB), the most that is kept in one record",
                        self.count + 1
                    )));
                }
            }
        }
        Ok((!text.is_empty()).then_some(text))
    }

    /// Reads [`CHUNK_LEN`] bytes more, or fewer where the input ends.
    fn fill(&mut self, text: &mut Vec<u8>) -> Result<()> {
        let before = text.len();
        text.resize(before + CHUNK_LEN, 0);
        let mut len = before;
        while let Some(room) = text.get_mut(len..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => len += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err((self.failed)(error)),
            }
        }
        text.truncate(len);
        self.bytes_read += u64::try_from(len - before).unwrap_or_default();
        Ok(())
    }

    /// The lines of a text that are not blank: where each stands, its number, its bytes.
    fn lines<'t>(&mut self, text: &'t [u8]) -> impl Iterator<Item = (Range<usize>, u64, &'t [u8])> {
        let mut start = 0;
        let count = &mut self.count;
        let ends = memchr::memchr_iter(b'\n', text).chain(std::iter::once(text.len()));
        ends.filter_map(move |end| {
            let place = start..end;
            start = end + 1;
            let line = text.get(place.clone())?;
            // Behind the last line's end there is no line.
            *count += u64::from(end < text.len() || !line.is_empty());
            (!line.trim_ascii().is_empty()).then_some((place, *count, line))
        })
    }
}

/// Finds where a line's id may stand, without reading the line.
struct Guess {
    key: memmem::Finder<'static>,
}

impl Guess {
    /// By the last step of the pointer to the id.
    fn new(pointer: &str) -> Self {
        let step = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let key = Value::from(step).to_string();
        Self { key: memmem::Finder::new(key.as_bytes()).into_owned() }
    }

    /// A text without escapes, or the front of a number, behind the first key of that name.
    fn find(&self, line: &[u8]) -> Option<Range<usize>> {
        let behind_key = line.get(self.key.find(line)? + self.key.needle().len()..)?;
        let value = behind_key.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, len) = match value.strip_prefix(b"\"") {
            Some(text) => {
                let len = memchr::memchr2(b'"', b'\\', text)?;
                (text, (text.get(len) == Some(&b'"')).then_some(len)?)
            }
            None => {
                let digits = value.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-');
                (value, digits.count())
            }
        };
        let start = line.len() - value.len();
        (len > 0).then_some(start..start + len)
    }
}

pub(crate) struct Parser {
    picker: Picker,
    id: String,
    has_subject: bool,
    personal: bool,
    kind: Kind,
}

impl Parser {
    pub(crate) fn new(kind: &Kind, id: &str, subject: Option<&str>) -> Result<Self> {
        let mut pointers = vec![id];
        pointers.extend(SUMMARY_FIELDS);
        pointers.extend(subject);
        Ok(Self {
            picker: Picker::new(&pointers).map_err(|error| FlowError::Input(error.to_string()))?,
            id: id.to_owned(),
            has_subject: subject.is_some(),
            personal: is_personal(kind),
            kind: kind.clone(),
        })
    }

    fn of(ingest: &Ingest) -> Result<Self> {
        Self::new(&ingest.kind, &ingest.id, ingest.subject.as_deref())
    }

    pub(crate) fn run(
        &self,
        input: impl Read,
        failed: &dyn Fn(std::io::Error) -> FlowError,
        mut send: impl FnMut(Chunk, u64) -> bool,
    ) -> Result<()> {
        let mut cutter = Cutter::new(input, failed);
        while let Some(text) = cutter.next(Vec::new())? {
            let lines = cutter.lines(&text).map(|(place, number, line)| self.line(line, place.start, number));
            let lines: Vec<ParsedLine> = lines.collect::<Result<_>>()?;
            if !lines.is_empty() && !send(Chunk { text: Arc::new(text), lines }, cutter.bytes_read) {
                break;
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_text_or_digits_behind_the_first_key_of_that_name() {
        let check = |pointer: &str, line: &str, expected: Option<&str>| {
            let found = Guess::new(pointer).find(line.as_bytes());
            assert_eq!(found.map(|place| &line[place]), expected, "{pointer} in {line}");
        };
        check("/id", r#"{"id":7,"a":1}"#, Some("7"));
        check("/id", r#"{"a":"id", "id" : "x y"}"#, None);
        check("/id", r#"{"a":1, "id" : "x y"}"#, Some("x y"));
        check("/a/id", r#"{"a":{"id":-12.5}}"#, Some("-12"));
        check("/a~1b", r#"{"a/b":"c"}"#, Some("c"));
        check("/a\"b", r#"{"a\"b":"c"}"#, Some("c"));
        check("/id", r#"{"id":"with \" escape"}"#, None);
        check("/id", r#"{"id":"#, None);
        check("/id", r#"{"id":"unended"#, None);
        check("/id", r#"{"id":null}"#, None);
        check("/id", r#"{"id":""}"#, None);
        check("/id", "", None);
    }

    /// Gives at most so many bytes at a time, as a pipe does.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            let len = self.1.min(room.len());
            self.0.read(&mut room[..len])
        }
    }

    #[test]
    fn lines_are_cut_and_counted_wherever_pieces_end() {
        let mut file = Vec::new();
        for turn in 0..3_000 {
            file.extend_from_slice("x".repeat(turn * 37 % 1_000).as_bytes());
            file.push(b'\n');
        }
        file.extend_from_slice(&vec![b'y'; 2 * CHUNK_LEN + 5]);
        file.extend_from_slice(b"\n  \nlast");
        let expected: Vec<(u64, Vec<u8>)> = (1..)
            .zip(file.split(|byte| *byte == b'\n').map(<[u8]>::to_vec))
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .collect();
        for len in [usize::MAX, 4_096, 65_537] {
            let failed = |source| unreadable(Path::new("-"), source);
            let mut cutter = Cutter::new(Drops(&file, len), &failed);
            let (mut found, mut memory) = (Vec::new(), Vec::new());
            while let Some(text) = cutter.next(memory).unwrap() {
                for (place, number, line) in cutter.lines(&text) {
                    assert_eq!(&text[place], line);
                    found.push((number, line.to_vec()));
                }
                memory = text;
            }
            assert!(found == expected, "{} of {} lines", found.len(), expected.len());
            assert_eq!(cutter.bytes_read, u64::try_from(file.len()).unwrap());
        }
    }

    #[test]
    fn a_line_is_read_from_its_batch_as_it_was_put() {
        for (subject, summary, payload) in
            [(None, "", ""), (Some("customer/é"), "[1]", "{}"), (None, "x", "yz")]
        {
            let id = subject.map(|subject| SubjectId(subject.into()));
            let bytes = as_part(id.as_ref(), summary.as_bytes(), payload.as_bytes());
            assert_eq!(read_part(&bytes), Some((subject, summary.as_bytes(), payload.as_bytes())));
        }
        assert_eq!(read_part(&[0, 0, 0, 9, 0, 0, 0, 0, 1]), None);
        assert_eq!(read_part(b"short"), None);
    }
}
