//! A file that is lent to a worker on another host. No descriptor gets there, so it is sent, piece by piece, and comes out of a
//! socket at which the work reads as it would read the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock, Id128, RoleName};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use transport::{Call, CallError, Channel, Routes};

use super::desk::{Bench, LENT_MAX};

/// So many bytes are sent at once.
const PIECE_LEN: usize = 1 << 20;
/// So long it is waited that the work reads on, before whoever sends is told how much was taken.
const ROOM_MAX: Duration = Duration::from_secs(10);
/// It is looked so often.
const ROOM_EVERY: Duration = Duration::from_millis(5);
/// A piece that was not answered is sent again so often.
const AGAIN_MAX: u32 = 5;

/// A piece of a file that is lent under that name: those bytes (base64), before which come `at` others. Where there are none, all has
/// come. The answer is how many bytes were taken by now.
#[derive(Serialize, Deserialize)]
struct Piece {
    name: Id128,
    at: u64,
    bytes: String,
}

/// Why it was not taken.
#[derive(Debug, Serialize, Deserialize)]
struct NotTaken(String);

impl Call for Piece {
    const NAME: &'static str = "work.lend";
    const CALLERS: &'static [RoleName] = super::CALLERS;
    type Answer = u64;
    type Refusal = NotTaken;
}

fn not_taken(why: &dyn std::fmt::Display) -> NotTaken {
    NotTaken(why.to_string())
}

/// A file that comes.
///
/// At its other end is whoever reads. A file that broke off must not look like one that has ended: in this end waits a byte from the
/// other one, and an end that is closed with something unread is an error there (unix(7): ECONNRESET).
struct Coming {
    /// `None` once all of it has come.
    end: Option<UnixStream>,
    taken: u64,
}

impl Coming {
    /// Begins, with the end at which it is read.
    fn begin() -> io::Result<(Self, OwnedFd)> {
        let (own, mut theirs) = UnixStream::pair()?;
        theirs.write_all(b".")?;
        own.set_nonblocking(true)?;
        Ok((Self { end: Some(own), taken: 0 }, theirs.into()))
    }

    /// All of it has come.
    fn end(&mut self) -> io::Result<()> {
        if let Some(mut end) = self.end.take() {
            end.read_exact(&mut [0])?;
        }
        Ok(())
    }

    /// Takes bytes before which come `at` others, as many as get on within the time.
    async fn take(&mut self, at: u64, bytes: &[u8], clock: &dyn Clock) -> Result<u64, NotTaken> {
        // Whose answer was lost is sent once more.
        let known = self.taken.checked_sub(at).ok_or_else(|| not_taken(&"a piece before it is missing"))?;
        let mut rest = bytes.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
        let give_up = clock.monotonic().saturating_add(ROOM_MAX);
        while !rest.is_empty() && clock.monotonic() < give_up {
            let Some(end) = &mut self.end else { return Err(not_taken(&"it has ended before")) };
            match end.write(rest) {
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.taken = self.taken.saturating_add(u64::try_from(written).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => clock.sleep(ROOM_EVERY).await,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(not_taken(&error)),
            }
        }
        Ok(self.taken)
    }
}

type Shared = Arc<tokio::sync::Mutex<Coming>>;

/// All that come to one worker.
#[derive(Default)]
pub(crate) struct Comings(Mutex<VecDeque<(Id128, Shared)>>);

impl Comings {
    fn files(&self) -> MutexGuard<'_, VecDeque<(Id128, Shared)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: Id128) -> Option<Shared> {
        self.files().iter().find(|(own, _)| *own == name).map(|(_, coming)| Arc::clone(coming))
    }

    /// Nobody reads it any more.
    pub(super) fn forget(&self, name: Id128) {
        self.files().retain(|(own, _)| *own != name);
    }

    /// Begins to take one. Answers the end at which it is read.
    fn begin(&self, name: Id128) -> io::Result<OwnedFd> {
        let (coming, theirs) = Coming::begin()?;
        let mut files = self.files();
        if files.len() >= LENT_MAX {
            files.pop_front();
        }
        files.push_back((name, Arc::new(tokio::sync::Mutex::new(coming))));
        Ok(theirs)
    }
}

async fn take(bench: Bench, Piece { name, at, bytes }: Piece) -> Result<u64, NotTaken> {
    let bytes = STANDARD.decode(bytes).map_err(|error| not_taken(&error))?;
    if at == 0 && bench.comings().find(name).is_none() {
        bench.lent().put(name, bench.comings().begin(name).map_err(|error| not_taken(&error))?);
    }
    let gone = || not_taken(&"nobody reads it any more");
    let coming = bench.comings().find(name).ok_or_else(gone)?;
    let mut coming = coming.lock().await;
    if bytes.is_empty() && at == coming.taken {
        coming.end().map_err(|error| not_taken(&error))?;
    }
    coming.take(at, &bytes, &*bench.clock()).await
}

/// Takes what is lent from other hosts.
pub(super) fn answering(routes: Routes, bench: &Bench) -> Routes {
    let bench = bench.clone();
    routes.answering(move |_, piece: Piece| take(bench.clone(), piece))
}

/// Reads a piece of a file: of one that can be read again, from that place on.
fn read(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let is_file = file.metadata()?.is_file();
    let mut piece = vec![0; PIECE_LEN];
    let read = if is_file { file.read_at(&mut piece, at)? } else { (&*file).read(&mut piece)? };
    piece.truncate(read);
    Ok(piece)
}

/// Sends a file to a worker, under that name, until all of it has been taken.
pub(super) async fn send(channel: &Channel, name: Id128, file: &File) -> Result<(), CallError> {
    let unreadable = |why: &dyn std::fmt::Display| CallError::Misunderstood {
        to: channel.to().clone(),
        why: format!("what is lent to it cannot be read: {why}"),
    };
    let mut at = 0;
    loop {
        let file = file.try_clone().map_err(|error| unreadable(&error))?;
        let piece = spawn_blocking(move || read(&file, at)).await.map_err(|error| unreadable(&error))?;
        let piece = piece.map_err(|error| unreadable(&error))?;
        let end = at.saturating_add(u64::try_from(piece.len()).unwrap_or_default());
        let (mut taken, mut tried) = (at, 0);
        loop {
            let done =
                usize::try_from(taken - at).ok().and_then(|done| piece.get(done..)).unwrap_or_default();
            match channel.call(&Piece { name, at: taken, bytes: STANDARD.encode(done) }).await {
                Ok(Ok(now)) if now >= taken && now <= end => (taken, tried) = (now, 0),
                Ok(Ok(_)) => return Err(unreadable(&"it takes more than there is")),
                // The work has ended, and says itself how.
                Ok(Err(NotTaken(why))) => {
                    tracing::debug!("{why}");
                    return Ok(());
                }
                Err(CallError::Unreachable { .. }) if tried < AGAIN_MAX => tried += 1,
                Err(error) => return Err(error),
            }
            if taken == end {
                break;
            }
        }
        if piece.is_empty() {
            return Ok(());
        }
        at = end;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use vault::system::SystemClock;

    use super::*;

    fn read_all(end: OwnedFd) -> (Vec<u8>, io::Result<usize>) {
        let mut text = Vec::new();
        let ended = File::from(end).read_to_end(&mut text);
        (text, ended)
    }

    #[tokio::test]
    async fn what_is_sent_is_read_and_what_is_sent_twice_is_read_once() {
        let (mut coming, end) = Coming::begin().unwrap();
        assert_eq!(coming.take(0, b"one ", &SystemClock).await.unwrap(), 4);
        assert_eq!(coming.take(0, b"one two ", &SystemClock).await.unwrap(), 8);
        assert_eq!(coming.take(4, b"two ", &SystemClock).await.unwrap(), 8);
        assert!(coming.take(9, b"four", &SystemClock).await.is_err(), "one is missing");
        coming.end().unwrap();
        assert!(coming.take(8, b"more", &SystemClock).await.is_err(), "it has ended");
        let (text, ended) = read_all(end);
        assert_eq!((text.as_slice(), ended.unwrap()), (&b"one two "[..], 8));
    }

    #[tokio::test]
    async fn what_broke_off_does_not_look_whole() {
        let (mut coming, end) = Coming::begin().unwrap();
        coming.take(0, b"half of it", &SystemClock).await.unwrap();
        drop(coming);
        let (text, ended) = read_all(end);
        assert_eq!(text, b"half of it");
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn whoever_lends_many_fills_no_memory() {
        let comings = Comings::default();
        let ends: Vec<_> = (0..=u8::MAX).map(|name| comings.begin(Id128([name; 16])).unwrap()).collect();
        assert_eq!((comings.files().len(), ends.len()), (LENT_MAX, 256));
        assert!(comings.find(Id128([0; 16])).is_none() && comings.find(Id128([255; 16])).is_some());
        comings.forget(Id128([255; 16]));
        assert!(comings.find(Id128([255; 16])).is_none());
    }
}
