//! A source's journal: its events, durable before anybody is answered, until the log has them.
//!
//! Events that are recorded at one time become durable together: one thread takes all that wait, writes them, and syncs once.
//! Several processes may write one journal; a lock on it orders them. It is kept in pieces, each called after its first
//! event's number, so that those that the log has can be deleted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use domain::{AuditError, AuditEvent, AuditSink, Clock, Timestamp};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::event::{self, Link, Place, Process, Source};
use crate::files::{self, Lock};
use crate::head::Folder;
use crate::tree::{Hash, leaf};

/// So many events wait at most; whoever has another waits with it.
const WAITING_MAX: usize = 1_024;
/// The last event of a piece is looked for in so many bytes at its end, and in all of it only where it does not begin there.
const TAIL_LEN: u64 = 1 << 17;
/// So many bytes of it are brought elsewhere at once at most.
const BROUGHT_LEN_MAX: usize = 256 << 10;
/// From this size on a journal goes on in another piece.
const SEGMENT_LEN: u64 = 4 << 20;

/// An event, and who waits for it to be durable.
type Waiting = (AuditEvent, Timestamp, Option<oneshot::Sender<Result<(), AuditError>>>);

/// Where one source's events go. Events that nobody waited for are durable once it is dropped.
#[derive(Debug)]
pub struct Journal {
    /// `None` only while it is being dropped.
    queue: Option<mpsc::Sender<Waiting>>,
    writer: Option<JoinHandle<()>>,
    /// Why an event that nobody waited for was lost. Nothing more is recorded then.
    lost: Arc<OnceLock<AuditError>>,
    clock: Arc<dyn Clock>,
}

impl Journal {
    /// Opens a source's journal in the trail's folder, for this process.
    ///
    /// # Errors
    /// When no thread can be had. What is wrong with the journal's files, whoever records first is told.
    pub fn open(folder: &Folder, source: Source, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let process = Process { id: std::process::id(), user: rustix::process::geteuid().as_raw() };
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let lost = Arc::new(OnceLock::new());
        let segments = Segments { folder: folder.journal(&source) };
        let writer = Writer { trail: folder.clone(), source, segments, process, lock: None, tail: None };
        let told = Arc::clone(&lost);
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(waiting, &told))?;
        Ok(Self { queue: Some(queue), writer: Some(writer), lost, clock })
    }

    async fn send(
        &self,
        event: AuditEvent,
        answer: Option<oneshot::Sender<Result<(), AuditError>>>,
    ) -> Result<(), AuditError> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        let stopped = || AuditError("the journal has stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send((event, self.clock.now(), answer)).await.map_err(|_| stopped())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // It has nothing to answer but to those who wait, and none does.
            let _ = writer.join();
        }
    }
}

impl AuditSink for Journal {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        async move {
            let (answer, durable) = oneshot::channel();
            self.send(event, Some(answer)).await?;
            durable.await.unwrap_or_else(|_| Err(AuditError("the journal has stopped".to_owned())))
        }
        .boxed()
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.send(event, None).boxed()
    }
}

/// The pieces of one source's journal.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    folder: PathBuf,
}

impl Segments {
    pub(crate) fn of(folder: &Folder, source: &Source) -> Self {
        Self { folder: folder.journal(source) }
    }

    /// The numbers after which they are called, in order.
    pub(crate) fn list(&self) -> io::Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut firsts = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok());
            firsts.extend(first);
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    pub(crate) fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.jsonl"))
    }

    /// Keeps writers out while it is held by a reader, and others while it is held by a writer.
    pub(crate) fn lock_file(&self) -> io::Result<File> {
        Lock::file(&self.folder.join("lock"))
    }
}

/// Where a journal ends.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    file: File,
    len: u64,
    last: Last,
}

/// What the next event is told after.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    hash: Option<Hash>,
    time: i64,
    /// The journal that held it is gone: the log alone knows it.
    gone: bool,
}

#[derive(Debug)]
struct Writer {
    trail: Folder,
    source: Source,
    segments: Segments,
    process: Process,
    lock: Option<File>,
    tail: Option<Tail>,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Waiting>, lost: &OnceLock<AuditError>) {
        let mut batch = Vec::new();
        while waiting.blocking_recv_many(&mut batch, WAITING_MAX) > 0 {
            let written = match lost.get() {
                Some(lost) => Err(lost.clone()),
                None => self.append(&batch).map_err(|error| {
                    AuditError(format!(
                        "the journal in `{}` cannot be used: {error}",
                        self.segments.folder.display()
                    ))
                }),
            };
            if let Err(error) = &written {
                // What is there now, whoever writes next looks anew.
                self.tail = None;
                if batch.iter().any(|(.., answer)| answer.is_none()) {
                    let _ = lost.set(error.clone());
                }
            }
            for (.., answer) in batch.drain(..) {
                // Whoever has gone away meanwhile needs no answer.
                let _ = answer.map(|answer| answer.send(written.clone()));
            }
        }
    }

    /// Writes events down, durably.
    fn append(&mut self, batch: &[Waiting]) -> io::Result<()> {
        let _lock = self.locked()?;
        let mut last = self.last()?;
        let first = last.number + 1;
        let mut lines = Vec::new();
        for (event, time, _) in batch {
            let clock_went_back = time.as_millisecond() < last.time;
            let place = Place {
                number: last.number + 1,
                previous: last.hash,
                clock_went_back,
                began_anew: last.gone,
            };
            let line = event::line(event, &self.source, &place, self.process, *time)?;
            let hash = Some(leaf(&line));
            last = Last { number: place.number, hash, time: time.as_millisecond(), gone: false };
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        self.put(first, &lines, last)
    }

    /// Keeps others out who would write.
    fn locked(&mut self) -> io::Result<Lock> {
        let file = match &self.lock {
            Some(file) => file.try_clone()?,
            None => self.lock.insert(self.segments.lock_file()?).try_clone()?,
        };
        Lock::alone(file)
    }

    /// Adds lines, durably, of which the first has that number.
    fn put(&mut self, first: u64, lines: &[u8], last: Last) -> io::Result<()> {
        let tail = match self.tail.take().filter(|tail| tail.len < SEGMENT_LEN) {
            Some(tail) => tail,
            None => begin(&self.segments, first, last)?,
        };
        self.tail = Some(write(tail, lines, last)?);
        Ok(())
    }

    /// The last event that is there, whoever wrote it. Leaves `tail` where it can be gone on with.
    fn last(&mut self) -> io::Result<Last> {
        let firsts = self.segments.list()?;
        let newest = firsts.last().map(|first| self.segments.path(*first));
        if let Some(tail) = &self.tail
            && Some(&tail.path) == newest.as_ref()
            && tail.file.metadata()?.len() == tail.len
        {
            return Ok(tail.last);
        }
        self.tail = None;
        let known = self.trail.read_head()?.sources.get(&self.source).cloned();
        for first in firsts.into_iter().rev() {
            let path = self.segments.path(first);
            if let Some(tail) = ended(&path)? {
                if let Some(known) = known.filter(|known| known.number > tail.last.number) {
                    return Err(io::Error::other(format!(
                        "it ends at event {}, and the log has {} of it, so it was put back from an older copy. Move the \
                         folder to another place; the trail will say that it began anew",
                        tail.last.number, known.number
                    )));
                }
                return Ok(self.tail.insert(tail).last);
            }
            // Its process died before it had an event.
            std::fs::remove_file(&path)?;
        }
        Ok(known.map_or(Last { number: 0, hash: None, time: i64::MIN, gone: false }, |known| Last {
            number: known.number,
            hash: Some(known.hash),
            time: known.time,
            gone: true,
        }))
    }
}

/// A journal that another host has written, or writes: brought from there to where the log is, in the order of its events. Two
/// things are for its own host alone: new events, and what it keeps until they are known to have arrived.
#[derive(Debug)]
pub struct Brought(Writer);

/// Why lines are not taken that were brought.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// The journal cannot be used.
    #[error("the journal of `{0}` cannot be used")]
    Files(Source, #[source] io::Error),
    /// They are not what that source writes.
    #[error("what was brought is no part of the journal of `{0}`")]
    Foreign(Source),
}

impl Brought {
    /// The journal of that source, in the trail's folder where the log is.
    #[must_use]
    pub fn new(folder: &Folder, source: Source) -> Self {
        let process = Process { id: std::process::id(), user: rustix::process::geteuid().as_raw() };
        let segments = Segments::of(folder, &source);
        Self(Writer { trail: folder.clone(), source, segments, process, lock: None, tail: None })
    }

    /// The number of the last event that is there, in the journal or in the log.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn reached(&mut self) -> Result<u64, BringError> {
        let source = self.0.source.clone();
        let reached = self.0.locked().and_then(|_lock| Ok(self.0.last()?.number));
        reached.map_err(|error| BringError::Files(source, error))
    }

    /// Adds whole lines, durably, each an event of that source. Those that are there already are passed over; where some are
    /// missing before one, that shows in the log. Answers the number of the last that is there then.
    ///
    /// # Errors
    /// [`BringError::Foreign`] where a line is no event of that source, or they are not in order: none is taken then.
    pub fn bring(&mut self, lines: &[u8]) -> Result<u64, BringError> {
        let source = self.0.source.clone();
        let files = |error| BringError::Files(source.clone(), error);
        let _lock = self.0.locked().map_err(files)?;
        let mut last = self.0.last().map_err(files)?;
        let (mut first, mut new, mut before) = (0, Vec::new(), None);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let foreign = || BringError::Foreign(source.clone());
            let link = line.strip_suffix(b"\n").and_then(|line| Link::read(line).ok()).ok_or_else(foreign)?;
            let follows = before.is_none_or(|before: u64| before.checked_add(1) == Some(link.id.number));
            if link.id.source != source || !follows || link.id.number == 0 {
                return Err(foreign());
            }
            before = Some(link.id.number);
            if link.id.number > last.number {
                first = if new.is_empty() { link.id.number } else { first };
                last = Last { number: link.id.number, hash: Some(link.hash), time: link.time, gone: false };
                new.extend_from_slice(line);
            }
        }
        if !new.is_empty() {
            self.0.put(first, &new, last).map_err(files)?;
        }
        Ok(last.number)
    }
}

/// A source's journal on the host that writes it, as it is brought to where the log is.
#[derive(Debug)]
pub struct Outgoing {
    segments: Segments,
    /// Where the last line ended that was read, and its event's number: whoever asks for what comes after that need not look for it.
    read: Option<Read>,
}

#[derive(Debug, Clone, Copy)]
struct Read {
    number: u64,
    piece: u64,
    end: u64,
}

impl Outgoing {
    /// The journal of that source, in the trail's folder of its host.
    #[must_use]
    pub fn new(folder: &Folder, source: &Source) -> Self {
        Self { segments: Segments::of(folder, source), read: None }
    }

    /// The whole lines of the events after that number, as many as are brought at once; none where there are none.
    ///
    /// # Errors
    /// When the journal cannot be read, and where it has not come so far: it was put back from an older copy, and what it tells from
    /// there on would be taken for what is known.
    pub fn after(&mut self, number: u64) -> io::Result<Vec<u8>> {
        // What is being written now is not durable yet.
        let _lock = Lock::shared(self.segments.lock_file()?)?;
        let firsts = self.segments.list()?;
        let known = self.read.filter(|read| read.number == number && firsts.contains(&read.piece));
        // Else it is looked for, in the piece in which the next event is or would be.
        let begun = firsts.iter().copied().take_while(|first| *first <= number.saturating_add(1)).last();
        let rewound = |last: u64| {
            let why = format!(
                "it ends at event {last}, and {number} of it were brought: it was put back from an older copy. Bring back the newer one"
            );
            io::Error::new(io::ErrorKind::InvalidData, why)
        };
        let (mut piece, mut offset) = match (known, begun.or(firsts.first().copied())) {
            (Some(read), _) => (read.piece, read.end),
            (None, Some(piece)) => (piece, 0),
            (None, None) if number > 0 => return Err(rewound(0)),
            (None, None) => return Ok(Vec::new()),
        };
        // A piece is begun after the event before the one that it is called after.
        let mut last = known.map_or(piece.saturating_sub(1), |known| known.number);
        let mut lines = Vec::new();
        loop {
            let mut file = File::open(self.segments.path(piece))?;
            file.seek(SeekFrom::Start(offset))?;
            for line in BufReader::new(file).split(b'\n') {
                let line = line?;
                offset =
                    offset.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX)).saturating_add(1);
                let Ok(link) = Link::read(&line) else { continue };
                last = last.max(link.id.number);
                if link.id.number <= number {
                    continue;
                }
                if lines.len() + line.len() >= BROUGHT_LEN_MAX {
                    return Ok(lines);
                }
                lines.extend_from_slice(&line);
                lines.push(b'\n');
                self.read = Some(Read { number: link.id.number, piece, end: offset });
            }
            match firsts.iter().find(|first| **first > piece) {
                Some(next) => (piece, offset) = (*next, 0),
                None if last < number => return Err(rewound(last)),
                None => return Ok(lines),
            }
        }
    }

    /// Deletes the pieces that hold no event after that number, but for the newest: it is gone on with. Whoever says that they
    /// have more than was read here deletes nothing by that.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn forget(&self, number: u64) -> io::Result<()> {
        let number = number.min(self.read.map_or(0, |read| read.number));
        let firsts = self.segments.list()?;
        for (first, next) in firsts.iter().zip(firsts.iter().skip(1)) {
            if *next <= number.saturating_add(1) {
                std::fs::remove_file(self.segments.path(*first))?;
            }
        }
        Ok(())
    }
}

/// A piece of a journal that begins with that number.
fn begin(segments: &Segments, first: u64, last: Last) -> io::Result<Tail> {
    let path = segments.path(first);
    let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path)?;
    files::sync_folder(&segments.folder)?;
    Ok(Tail { path, file, len: 0, last })
}

/// Adds lines, durably. Where that fails, none of them is there.
fn write(mut tail: Tail, lines: &[u8], last: Last) -> io::Result<Tail> {
    if let Err(error) = tail.file.write_all(lines).and_then(|()| tail.file.sync_data()) {
        // Where even this fails, the next who writes takes away what is not whole; whole events that nobody was
        // answered for do no harm.
        let _ = tail.file.set_len(tail.len);
        return Err(error);
    }
    Ok(Tail { len: tail.len + u64::try_from(lines.len()).unwrap_or(u64::MAX), last, ..tail })
}

/// The last whole line of a file, looked for from a place on, and where it ends. `None` where none begins behind that place.
fn last_line(file: &mut File, from: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(None) };
    bytes.truncate(end);
    let begin = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(before) => before + 1,
        None if from == 0 => 0,
        None => return Ok(None),
    };
    let end = from.saturating_add(u64::try_from(end).unwrap_or(u64::MAX)).saturating_add(1);
    Ok(Some((bytes.split_off(begin), end)))
}

/// Where a piece ends: behind its last whole line. What is behind that, its process died on: nobody was answered, and it
/// goes. `None` where there is no event in it.
fn ended(path: &Path) -> io::Result<Option<Tail>> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let len = file.metadata()?.len();
    let found = match last_line(&mut file, len.saturating_sub(TAIL_LEN))? {
        // It begins farther back.
        None => last_line(&mut file, 0)?,
        found => found,
    };
    let Some((line, len)) = found else { return Ok(None) };
    let link = Link::read(&line).map_err(|_| {
        let path = path.display();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the last line of `{path}` is no event: it is damaged"),
        )
    })?;
    if file.seek(SeekFrom::End(0))? > len {
        file.set_len(len)?;
        file.sync_data()?;
    }
    let last = Last { number: link.id.number, hash: Some(link.hash), time: link.time, gone: false };
    Ok(Some(Tail { path: path.to_path_buf(), file, len, last }))
}
