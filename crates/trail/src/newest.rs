//! The newest part of a log, wherever it lies: what is not published yet, and what the proofs are made of that it grew.

use std::fmt;
use std::io;

use crate::head::Folder;
use crate::local::Local;
use crate::tile::Tile;

/// Whoever has that part.
pub trait NewestPart: Send + Sync + fmt::Debug {
    /// An object's bytes, also out of a wider one of its name. `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, tile: Tile) -> io::Result<Option<Vec<u8>>>;
}

impl NewestPart for Folder {
    fn read(&self, tile: Tile) -> io::Result<Option<Vec<u8>>> {
        Local::new(self.log()).read(tile)
    }
}
