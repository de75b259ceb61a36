//! The newest part of a log, wherever it lies: what is not published yet, and what the proofs are made of that it grew.

use std::fmt;
use std::io;

use crate::checkpoint::Checkpoint;
use crate::files::Lock;
use crate::head::Folder;
use crate::local::Local;
use crate::note::Verifier;
use crate::tile::Tile;

/// Whoever has that part.
pub trait NewestPart: Send + Sync + fmt::Debug {
    /// An object's bytes, also out of a wider one of its name. `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, tile: Tile) -> io::Result<Option<Vec<u8>>>;

    /// Hears that so many entries are published of the log which that key signs: what nobody needs for it any more goes.
    ///
    /// # Errors
    /// When that cannot be taken in.
    fn was_published(&self, size: u64, log: &Verifier) -> io::Result<()>;
}

impl NewestPart for Folder {
    fn read(&self, tile: Tile) -> io::Result<Option<Vec<u8>>> {
        Local::new(self.log()).read(tile)
    }

    fn was_published(&self, size: u64, log: &Verifier) -> io::Result<()> {
        let _lock = Lock::alone(Lock::file(&self.log().join("lock"))?)?;
        // Another process may have gone on meanwhile.
        let head = self.read_head()?;
        let newest = log.open(head.checkpoint.as_bytes()).ok();
        let newest = newest.and_then(|(text, _)| text.parse::<Checkpoint>().ok());
        newest.map_or(Ok(()), |newest| Local::new(self.log()).trim(newest.size, size))
    }
}
