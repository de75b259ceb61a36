//! Tiles: a log's hashes and entries, 256 at a time, under names that never change their bytes. See
//! <https://c2sp.org/tlog-tiles>.

use std::fmt;

use crate::tree::{Hash, Node, complete};

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u64 = 256;
/// Levels of the tree in one level of tiles.
const HEIGHT: u8 = 8;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Entries themselves.
    Entries,
    /// Hashes of subtrees of 256^level entries.
    Hashes(u8),
}

/// A tile's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub level: Level,
    /// Its place among those of its level.
    pub index: u64,
    /// How many it holds, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tile of that level and index in a tree of that size. `None` where the tree does not reach so far.
    #[must_use]
    pub fn within(level: Level, index: u64, size: u64) -> Option<Self> {
        let width = held(level, size).checked_sub(index.checked_mul(WIDTH)?)?.min(WIDTH);
        (width > 0).then_some(Self { level, index, width: u16::try_from(width).ok()? })
    }

    /// The tile that has what a node's hash is made of, in a tree of that size.
    #[must_use]
    pub fn of(node: Node, size: u64) -> Option<Self> {
        let (level, first, _) = place(node)?;
        Self::within(Level::Hashes(level), first / WIDTH, size)
    }
}

/// How many elements all tiles of a level hold, in a tree of that size.
pub(crate) fn held(level: Level, size: u64) -> u64 {
    match level {
        Level::Entries => size,
        Level::Hashes(level) => size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0),
    }
}

/// The level of tiles at which a node is found, the first of the hashes that it is made of, and how many these are.
fn place(node: Node) -> Option<(u8, u64, u64)> {
    let below = node.level % HEIGHT;
    Some((node.level / HEIGHT, node.index.checked_mul(1 << below)?, 1 << below))
}

/// The hash of a node, from its [`Tile::of`]'s hashes. `None` where the tile does not reach so far.
#[must_use]
pub fn node_hash(node: Node, tile: &[Hash]) -> Option<Hash> {
    let (_, first, count) = place(node)?;
    let from = usize::try_from(first % WIDTH).ok()?;
    Some(complete(tile.get(from..from + usize::try_from(count).ok()?)?))
}

/// Its name below the log's own: `tile/0/x001/234.p/56`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Entries => write!(f, "tile/entries")?,
            Level::Hashes(level) => write!(f, "tile/{level}")?,
        }
        let digits = self.index.to_string();
        let filled = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let groups = filled.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group));
        let count = filled.len() / 3;
        for (at, group) in groups.enumerate() {
            write!(f, "/{}{group}", if at + 1 < count { "x" } else { "" })?;
        }
        if u64::from(self.width) < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// The bytes of a tile of hashes.
#[must_use]
pub fn to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes in a tile's bytes. `None` where these are of no whole number.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks();
    rest.is_empty().then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// Appends an entry to a bundle's bytes. `None` where it is longer than 65,535 bytes, which no bundle holds.
#[must_use]
pub fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Option<()> {
    bundle.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
    bundle.extend_from_slice(entry);
    Some(())
}

/// The entries in a bundle's bytes. `None` where these end within one.
#[must_use]
pub fn entries(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (len, rest) = bundle.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        entries.push(entry);
        bundle = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_specification_has_them() {
        let name = |level, index, width| Tile { level, index, width }.to_string();
        assert_eq!(name(Level::Hashes(0), 0, 256), "tile/0/000");
        assert_eq!(name(Level::Hashes(3), 1_234_067, 256), "tile/3/x001/x234/067");
        assert_eq!(name(Level::Hashes(1), 5, 17), "tile/1/005.p/17");
        assert_eq!(name(Level::Entries, 1_000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn a_tree_has_tiles_as_wide_as_it_reaches() {
        let width = |level, index, size| Tile::within(level, index, size).map(|tile| tile.width);
        for level in [Level::Entries, Level::Hashes(0)] {
            assert_eq!(width(level, 0, 0), None);
            assert_eq!((width(level, 0, 1), width(level, 0, 256)), (Some(1), Some(256)));
            assert_eq!((width(level, 1, 256), width(level, 1, 257)), (None, Some(1)));
        }
        assert_eq!((width(Level::Hashes(1), 0, 255), width(Level::Hashes(1), 0, 70_000)), (None, Some(256)));
        assert_eq!(width(Level::Hashes(1), 1, 70_000), Some(17));
        assert_eq!(width(Level::Hashes(9), 0, u64::MAX), None);
        assert_eq!(width(Level::Hashes(0), u64::MAX, u64::MAX), None);
    }

    #[test]
    fn bundles_hold_entries_of_up_to_65535_bytes() {
        let mut bundle = Vec::new();
        let long = vec![7; 65_535];
        for entry in [&b"one"[..], b"", &long] {
            put_entry(&mut bundle, entry).unwrap();
        }
        assert_eq!(entries(&bundle), Some(vec![&b"one"[..], b"", &long]));
        assert_eq!(entries(&bundle[..bundle.len() - 1]), None);
        assert_eq!(entries(&[0]), None);
        assert_eq!(entries(&[]), Some(Vec::new()));
        assert_eq!(put_entry(&mut Vec::new(), &vec![0; 65_536]), None);
    }
}
