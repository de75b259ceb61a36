//! The newest part of a log, on this machine: its right edge, and what is not published yet.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::builder::Objects;
use crate::files;
use crate::tile::{self, Level, Tile, WIDTH};
use crate::tree::HASH_LEN;

/// The log's objects below one folder.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    folder: PathBuf,
}

impl Local {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, tile: Tile) -> PathBuf {
        self.folder.join(tile.to_string())
    }

    /// Writes objects, durably.
    pub(crate) fn put(&self, objects: Objects) -> io::Result<()> {
        let files: Vec<_> = objects.into_iter().map(|(tile, bytes)| (self.path(tile), bytes)).collect();
        files::put(&files)
    }

    /// An object's bytes, also out of a wider one of its name. `None` where there is none.
    pub(crate) fn read(&self, wanted: Tile) -> io::Result<Option<Vec<u8>>> {
        if let Some(bytes) = files::read(&self.path(wanted))? {
            return Ok(Some(bytes));
        }
        let wider = self.widths(wanted)?.into_iter().filter(|width| *width > wanted.width);
        for width in wider {
            if let Some(bytes) = files::read(&self.path(Tile { width, ..wanted }))? {
                return Ok(narrowed(wanted, &bytes));
            }
        }
        Ok(None)
    }

    /// In which widths a tile is there.
    fn widths(&self, tile: Tile) -> io::Result<Vec<u16>> {
        let mut widths = Vec::new();
        let full = u16::try_from(WIDTH).unwrap_or(u16::MAX);
        if self.path(Tile { width: full, ..tile }).exists() {
            widths.push(full);
        }
        let partial = self.path(Tile { width: 1, ..tile });
        let entries = match partial.parent().map(std::fs::read_dir) {
            None => return Ok(widths),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(widths),
            Some(entries) => entries?,
        };
        for entry in entries {
            widths.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u16>().ok()));
        }
        Ok(widths)
    }

    /// Deletes what a log of that size, `kept` of whose entries are kept elsewhere too, does not need here: tiles that
    /// are not as wide as they have become, and full ones that are elsewhere. One full tile of each level stays on the
    /// left of the right edge: proofs that the log grew are made of these.
    pub(crate) fn trim(&self, size: u64, kept: u64) -> io::Result<()> {
        let levels = [(Level::Entries, "tile/entries".to_owned())]
            .into_iter()
            .chain((0..8).map(|level| (Level::Hashes(level), format!("tile/{level}"))));
        for (level, folder) in levels {
            let folder = self.folder.join(folder);
            let edge = tile::held(level, kept.min(size)) / WIDTH;
            let mut found = BTreeSet::new();
            tiles(&folder, 0, &mut found)?;
            for (index, width) in found {
                let wanted = Tile::within(level, index, size).map(|tile| tile.width);
                let narrow = Some(width) != wanted && index + 1 >= edge;
                if narrow || index + 1 < edge {
                    forget(&self.path(Tile { level, index, width }), &folder)?;
                }
            }
        }
        Ok(())
    }
}

/// The first part of a wider tile's bytes.
pub(crate) fn narrowed(wanted: Tile, wider: &[u8]) -> Option<Vec<u8>> {
    match wanted.level {
        Level::Hashes(_) => wider.get(..usize::from(wanted.width) * HASH_LEN).map(<[u8]>::to_vec),
        Level::Entries => {
            let entries = tile::entries(wider)?;
            let mut bytes = Vec::new();
            for entry in entries.get(..usize::from(wanted.width))? {
                tile::put_entry(&mut bytes, entry)?;
            }
            Some(bytes)
        }
    }
}

/// Finds tiles below a folder: their indexes and widths.
fn tiles(folder: &Path, above: u64, found: &mut BTreeSet<(u64, u16)>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let number = |digits: &str| digits.parse::<u64>().ok().map(|digits| above * 1_000 + digits);
        if let Some(index) = name.strip_prefix('x').and_then(number) {
            tiles(&entry.path(), index, found)?;
        } else if let Some(index) = name.strip_suffix(".p").and_then(number) {
            for partial in std::fs::read_dir(entry.path())? {
                let width = partial?.file_name().to_str().and_then(|name| name.parse::<u16>().ok());
                found.extend(width.map(|width| (index, width)));
            }
        } else {
            found.extend(number(name).map(|index| (index, 256)));
        }
    }
    Ok(())
}

/// Deletes a file, and the folders above it that this leaves empty, up to that one.
fn forget(path: &Path, top: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != top) {
        match std::fs::remove_dir(folder) {
            Ok(()) => {}
            // Others are in it still.
            Err(_) => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Log;

    #[test]
    fn what_is_trimmed_can_still_be_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::new(folder.path().to_path_buf());
        let mut log = Log::default();
        let mut kept = 0;
        for (turn, step) in [1, 254, 1, 1, 300, 256 * 5, 3].into_iter().enumerate() {
            let entries: Vec<_> = (log.size()..log.size() + step).map(|at| at.to_be_bytes()).collect();
            let objects = log.append(entries.iter().map(|entry| &entry[..])).unwrap();
            local.put(objects).unwrap();
            local.trim(log.size(), kept).unwrap();
            let resumed = Log::resume(log.size(), |tile| local.read(tile).unwrap()).unwrap();
            assert_eq!(resumed, log);
            // Whatever is published next is there.
            for level in [Level::Entries, Level::Hashes(0), Level::Hashes(1)] {
                for index in tile::held(level, kept) / WIDTH..=tile::held(level, log.size()) / WIDTH {
                    let Some(tile) = Tile::within(level, index, log.size()) else { continue };
                    assert!(local.read(tile).unwrap().is_some(), "{tile}");
                }
            }
            if turn % 2 == 1 {
                kept = log.size();
            }
        }
        let mut found = BTreeSet::new();
        local.trim(log.size(), log.size()).unwrap();
        tiles(&folder.path().join("tile/0"), 0, &mut found).unwrap();
        let (full, rest) = (log.size() / WIDTH, u16::try_from(log.size() % WIDTH).unwrap());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(full - 1, 256), (full, rest)]);
    }

    #[test]
    fn a_narrow_tile_is_the_beginning_of_a_wider_one() {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::new(folder.path().to_path_buf());
        let (mut log, mut narrow) = (Log::default(), Vec::new());
        for step in [3_u64, 5] {
            let entries: Vec<_> = (0..step).map(|at| at.to_be_bytes()).collect();
            let objects = log.append(entries.iter().map(|entry| &entry[..])).unwrap();
            narrow.push(objects.clone());
            local.put(objects).unwrap();
        }
        local.trim(8, 0).unwrap();
        for (tile, bytes) in &narrow[0] {
            assert!(!local.path(*tile).exists(), "{tile}");
            assert_eq!(local.read(*tile).unwrap().as_ref(), Some(bytes), "{tile}");
        }
        let none = Tile { level: Level::Hashes(0), index: 0, width: 9 };
        assert_eq!(local.read(none).unwrap(), None);
    }
}
