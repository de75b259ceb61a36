//! Reads a file on a thread of its own, in chunks of whole lines: hashed, or parsed.

use std::fs::File;
use std::io::{Read, Seek as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ContentHash;
use domain::record::PAYLOAD_LEN_MAX;
use repository::ContentHasher;
use tokio::sync::mpsc;

use super::Ingest;
use super::guess::Guess;
use super::line::{ParsedLine, Parser};
use crate::error::{FlowError, Result};

/// Text is read in pieces of this many bytes: they stay in the processor's cache while they are gone through.
const CHUNK_LEN: usize = 512 * 1024;
/// Pieces that wait between reading and writing.
const CHUNKS_WAITING: usize = 4;
pub(crate) struct Chunk {
    pub(crate) text: Arc<Vec<u8>>,
    pub(crate) lines: Vec<ParsedLine>,
}

/// A line of which no more is known than its content's hash.
pub(super) struct HashedLine {
    /// Where it stands in its chunk.
    pub(super) place: Range<usize>,
    pub(super) number: u64,
    pub(super) hash: ContentHash,
    /// Where in the chunk its id may stand.
    pub(super) guess: Option<Range<usize>>,
}

pub(super) struct HashedChunk {
    pub(super) text: Vec<u8>,
    pub(super) lines: Vec<HashedLine>,
}

/// Lines to read: a file, which is read again from where it stood as often as it takes, or something that is read once.
#[derive(Debug, Clone)]
pub struct Input {
    input: Arc<File>,
    name: PathBuf,
    /// Of a file: where it stood, and how long it is from there.
    stood: Option<(u64, u64)>,
}

impl Input {
    /// Takes a file, or whatever else can be read, as it stands; `name` is for errors.
    #[must_use]
    pub fn new(mut input: File, name: PathBuf) -> Self {
        let len = input.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
        let stood = len.and_then(|len| {
            let at = input.stream_position().ok()?;
            Some((at, len.saturating_sub(at)))
        });
        Self { input: Arc::new(input), name, stood }
    }

    pub(super) fn is_file(&self) -> bool {
        self.stood.is_some()
    }

    fn len(&self) -> Option<u64> {
        self.stood.map(|(_, len)| len)
    }

    /// Reads it from its beginning.
    fn begin(&self) -> Begun {
        Begun { input: Arc::clone(&self.input), at: self.stood.map(|(at, _)| at) }
    }
}

/// An input as somebody reads it. Of a file each has a place of their own: whoever read it before may not have ended yet.
struct Begun {
    input: Arc<File>,
    /// Where, in a file.
    at: Option<u64>,
}

impl Read for Begun {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let Some(at) = &mut self.at else { return (&*self.input).read(room) };
        let read = self.input.read_at(room, *at)?;
        *at += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}

/// Reads lines on a thread of its own.
pub(super) struct Source<T> {
    chunks: mpsc::Receiver<Result<(T, u64)>>,
    /// Memory of chunks that are done with goes back.
    spare: mpsc::Sender<Vec<u8>>,
    pub(super) bytes_read: u64,
    pub(super) len: Option<u64>,
}

/// What the reading thread has: input, how its failures are told, spare memory, and where chunks go, with the bytes
/// that were read up to there. Chunks go to nobody once the answer is `false`.
struct Reading<T> {
    input: Begun,
    name: PathBuf,
    spare: mpsc::Receiver<Vec<u8>>,
    chunks: mpsc::Sender<Result<(T, u64)>>,
}

fn unreadable(path: &Path, source: std::io::Error) -> FlowError {
    FlowError::File { operation: "read", path: path.display().to_string(), source }
}

impl Source<Chunk> {
    /// Of lines that are checked.
    pub(super) fn parsed(ingest: &Ingest) -> Result<Self> {
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
    pub(super) fn hashed(ingest: &Ingest, hasher: ContentHasher) -> Result<Self> {
        let guess = Guess::new(&ingest.id);
        Self::open(ingest, move |reading| {
            let Reading { input, name, spare, chunks } = reading;
            let failed = |source| unreadable(name, source);
            let mut cutter = Cutter::new(input, &failed);
            while let Some(text) = cutter.next(spare.try_recv().unwrap_or_default())? {
                let lines = cutter.lines(&text).map(|(place, number, line)| HashedLine {
                    guess: guess
                        .as_ref()
                        .and_then(|guess| guess.find(line))
                        .map(|guess| place.start + guess.start..place.start + guess.end),
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
        let (input, len, name) = (ingest.input.begin(), ingest.input.len(), ingest.input.name.clone());
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

    pub(super) async fn next(&mut self) -> Result<Option<T>> {
        match self.chunks.recv().await.transpose()? {
            None => Ok(None),
            Some((chunk, read)) => {
                self.bytes_read = read;
                Ok(Some(chunk))
            }
        }
    }

    pub(super) fn give_back(&self, memory: Vec<u8>) {
        // Where there is enough of it already, or nobody reads any more, it is freed.
        let _ = self.spare.try_send(memory);
    }
}

/// Reads text and cuts it behind lines' ends.
pub(super) struct Cutter<'a, R> {
    input: R,
    failed: &'a dyn Fn(std::io::Error) -> FlowError,
    /// What was read behind the last line's end.
    rest: Vec<u8>,
    at_end: bool,
    pub(super) bytes_read: u64,
    /// Lines that were counted.
    count: u64,
}

impl<'a, R: Read> Cutter<'a, R> {
    pub(super) fn new(input: R, failed: &'a dyn Fn(std::io::Error) -> FlowError) -> Self {
        Self { input, failed, rest: Vec::new(), at_end: false, bytes_read: 0, count: 0 }
    }

    /// The next lines, in the memory that is given; `None` at the end.
    pub(super) fn next(&mut self, mut text: Vec<u8>) -> Result<Option<Vec<u8>>> {
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
    pub(super) fn lines<'t>(
        &mut self,
        text: &'t [u8],
    ) -> impl Iterator<Item = (Range<usize>, u64, &'t [u8])> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most so many bytes at a time, as a pipe does.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            let len = self.1.min(room.len());
            self.0.read(&mut room[..len])
        }
    }

    #[test]
    fn two_who_read_one_file_do_not_move_each_other() {
        use std::io::Write as _;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"not of it, and all of it").unwrap();
        file.seek(std::io::SeekFrom::Start(14)).unwrap();
        let input = Input::new(file, PathBuf::from("-"));
        assert_eq!((input.is_file(), input.len()), (true, Some(10)));
        let (mut one, mut other) = (input.begin(), input.begin());
        let mut first = [0; 3];
        one.read_exact(&mut first).unwrap();
        for begun in [&mut other, &mut input.begin()] {
            let mut text = String::new();
            begun.read_to_string(&mut text).unwrap();
            assert_eq!(text, " all of it");
        }
        let mut rest = String::new();
        one.read_to_string(&mut rest).unwrap();
        assert_eq!((&first, rest.as_str()), (b" al", "l of it"));
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
}
