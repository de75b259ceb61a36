//! Taking records from a file of JSON lines, as one snapshot.
//!
//! A file whose ids are in order streams straight into the store. One that is not is sorted first, through the
//! same sealed batches that a backup uses.
//!
//! Lines are read and hashed on a thread of their own. Most lines of a file that was read before are as they were:
//! their hashes say so, and then they are not even parsed.

use catalog::Connection;
use connectors::registry::FILES;
use domain::{Action, Kind, RecordMeta, Removal, SubjectId};
use repository::{KindOutcome, Mode, NewRecord, RepositoryError, Writer};
use serde_json::Value;

use crate::cell::Cell;
use crate::clearing;
use crate::error::{FlowError, Result};
use crate::report::{KindReport, RunReport};

mod guess;
pub(crate) mod line;
mod source;

use line::{COLUMNS, ParsedLine, Parser, as_part, read_part};
pub use source::Input;
use source::{HashedLine, Source};

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
    /// The lines.
    pub input: Input,
}

/// Counts bytes and records while it runs.
pub trait IngestProgress: Sync {
    /// So far: bytes read of how many (where known), records.
    fn advanced(&self, bytes: u64, of: Option<u64>, records: u64);
}

/// Reads the file into a new snapshot.
///
/// # Errors
/// A line that is not JSON, has no id, or repeats one: [`FlowError::Data`], which names the line; nothing is
/// then changed. [`FlowError::Input`] where the connection has a platform to read from, or where everything would go.
pub async fn ingest(cell: &Cell, ingest: &Ingest, progress: &dyn IngestProgress) -> Result<RunReport> {
    let started = cell.clock.monotonic();
    let scope = &ingest.connection.scope;
    if scope.platform.as_str() != FILES {
        return Err(FlowError::Input(format!(
            "`{0}` is a {1} connection: records come into it by `caretaker backup {0}`",
            scope.connection, scope.platform
        )));
    }
    let mut lease = cell.lease(scope).await?;
    let grant = cell.grant(scope, &[Action::Backup], "ingest").await?;
    let sorted = match ingest.input.is_file() {
        true => {
            let mut writer = cell.writer(scope, &grant, &mut lease).await?;
            match straight(cell, ingest, &mut writer, progress).await {
                Ok(done) => Some((writer, done)),
                Err(FlowError::Repository(RepositoryError::Unordered(_))) => {
                    clearing::abandon(writer).await;
                    None
                }
                Err(error) => {
                    clearing::abandon(writer).await;
                    return Err(error);
                }
            }
        }
        false => None,
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
                    clearing::abandon(writer).await;
                    clearing::delete(run).await;
                    return Err(error);
                }
            }
        }
    };
    if ingest.all && !ingest.may_remove_all && counts.seen == 0 && counts.removed > 0 {
        clearing::abandon(writer).await;
        if let Some(run) = run {
            clearing::delete(run).await;
        }
        return Err(FlowError::Input(format!(
            "there is no record in what was given, and with --all that would remove all {} of kind `{}`: \
             say --yes if that is meant",
            counts.removed, ingest.kind
        )));
    }
    let written = writer.commit().await?;
    let mut run_written = 0;
    if let Some(run) = run {
        run_written = run.bytes_written().await;
        clearing::delete(run).await;
    }
    clearing::release(cell, lease).await;
    let duration = cell.clock.monotonic().saturating_sub(started);
    Ok(RunReport {
        snapshot: written.head.name.number,
        head: written.head.name,
        complete: true,
        kinds: [(ingest.kind.clone(), counts)].into(),
        bytes_read,
        bytes_written: written.bytes_written + run_written,
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
            // If the parent has just this content under just this id, there is nothing new in it.
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
    finish(ingest, writer, source.bytes_read).await
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
    finish(ingest, writer, source.bytes_read).await
}

async fn finish(ingest: &Ingest, writer: &mut Writer, bytes_read: u64) -> Result<Done> {
    let outcome = KindOutcome { complete: true, listed: ingest.all, ..KindOutcome::default() };
    let counts = writer.end_kind(outcome).await?;
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
