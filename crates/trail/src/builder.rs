//! Growing a log: which objects new entries make.

use std::collections::BTreeMap;

use crate::tile::{self, Level, Tile, WIDTH};
use crate::tree::{self, Hash, peaks};

/// Why a log cannot grow, or cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// An entry is too long for a bundle.
    #[error("an entry of {0} bytes is too long for the trail: at most 65,535")]
    TooLong(usize),
    /// No log has more than 2^64 − 1 entries.
    #[error("the trail is full")]
    Full,
    /// An object is not what the log needs there.
    #[error("the trail's `{0}` is missing or damaged")]
    Damaged(String),
}

/// Levels of tiles that a log of 2^64 entries has.
const LEVELS: usize = 8;

/// A log's right edge: all that is needed to make it grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    size: u64,
    /// The entries of the bundle that is not full, as its bytes.
    bundle: Vec<u8>,
    /// The hashes of the tile that is not full, by level.
    edge: [Vec<Hash>; LEVELS],
}

/// Objects to write. Those of full tiles never change again; others have names of their own for each width.
pub type Objects = BTreeMap<Tile, Vec<u8>>;

impl Log {
    /// The tiles that are needed to go on with a log of that size; see [`Log::resume`].
    #[must_use]
    pub fn edge_of(size: u64) -> Vec<Tile> {
        let levels = (0..8).map(Level::Hashes).chain([Level::Entries]);
        levels.filter_map(|level| Tile::within(level, tile::held(level, size) / WIDTH, size)).collect()
    }

    /// Goes on with a log of that size. `read` gives the bytes of [`Log::edge_of`] its size.
    ///
    /// # Errors
    /// When an object is missing or has not the length that it must have. Whether the log is the right one, its
    /// [`Log::root`] tells.
    pub fn resume(size: u64, mut read: impl FnMut(Tile) -> Option<Vec<u8>>) -> Result<Self, LogError> {
        let mut log = Self { size, ..Self::default() };
        for tile in Self::edge_of(size) {
            let damaged = || LogError::Damaged(tile.to_string());
            let bytes = read(tile).ok_or_else(damaged)?;
            match tile.level {
                Level::Entries => {
                    // The lowest hashes were read before; what is gone on with must be what they are of.
                    let [hashes, ..] = &log.edge;
                    let whole = tile::entries(&bytes).is_some_and(|entries| {
                        entries.len() == hashes.len()
                            && entries.iter().zip(hashes).all(|(entry, hash)| tree::leaf(entry) == *hash)
                    });
                    log.bundle = if whole { bytes } else { return Err(damaged()) };
                }
                Level::Hashes(level) => {
                    let hashes =
                        tile::from_bytes(&bytes).filter(|hashes| hashes.len() == usize::from(tile.width));
                    let edge = log.edge.get_mut(usize::from(level)).ok_or_else(damaged)?;
                    *edge = hashes.ok_or_else(damaged)?;
                }
            }
        }
        Ok(log)
    }

    /// How many entries it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash over all of it.
    #[must_use]
    pub fn root(&self) -> Hash {
        let hash = |node: tree::Node| {
            let level = self.edge.get(usize::from(node.level / 8)).map_or(&[][..], Vec::as_slice);
            tile::node_hash(node, level)
        };
        // What is complete at the right edge is in the tiles that are not full.
        tree::fold(&peaks(self.size).into_iter().filter_map(hash).collect::<Vec<_>>())
    }

    /// Adds entries, and tells the objects that this makes: each full tile, and of those that are not full the widest.
    /// They are to be durable before a checkpoint tells of them.
    ///
    /// # Errors
    /// When an entry is too long, or the log full. The log has none of these entries then.
    pub fn append<'e>(&mut self, entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Objects, LogError> {
        let (mut grown, mut objects) = (self.clone(), Objects::new());
        for entry in entries {
            grown.push(entry, &mut objects)?;
        }
        if grown.size > self.size {
            for (level, hashes) in grown.edge.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()) {
                let level = Level::Hashes(u8::try_from(level).unwrap_or(u8::MAX));
                objects.extend(grown.last(level).map(|tile| (tile, tile::to_bytes(hashes))));
            }
            if !grown.bundle.is_empty() {
                objects.extend(grown.last(Level::Entries).map(|tile| (tile, grown.bundle.clone())));
            }
        }
        *self = grown;
        Ok(objects)
    }

    /// The tile of that level that is not full.
    fn last(&self, level: Level) -> Option<Tile> {
        Self::edge_of(self.size).into_iter().find(|tile| tile.level == level)
    }

    fn push(&mut self, entry: &[u8], objects: &mut Objects) -> Result<(), LogError> {
        tile::put_entry(&mut self.bundle, entry).ok_or(LogError::TooLong(entry.len()))?;
        for (tile, hashes) in self.grow(tree::leaf(entry))? {
            objects.insert(tile, tile::to_bytes(&hashes));
        }
        if self.size.is_multiple_of(WIDTH) {
            let bundle = Tile { level: Level::Entries, index: self.size / WIDTH - 1, width: 256 };
            objects.insert(bundle, std::mem::take(&mut self.bundle));
        }
        Ok(())
    }

    /// Adds an entry of which only the hash is known. Answers the tiles that this made full.
    pub(crate) fn grow(&mut self, leaf: Hash) -> Result<Vec<(Tile, Vec<Hash>)>, LogError> {
        self.size = self.size.checked_add(1).ok_or(LogError::Full)?;
        let (mut hash, mut held, mut full) = (leaf, self.size, Vec::new());
        for (level, hashes) in (0..).zip(&mut self.edge) {
            hashes.push(hash);
            if !held.is_multiple_of(WIDTH) {
                break;
            }
            let hashes = std::mem::take(hashes);
            hash = tree::complete(&hashes);
            full.push((Tile { level: Level::Hashes(level), index: held / WIDTH - 1, width: 256 }, hashes));
            held /= WIDTH;
        }
        Ok(full)
    }

    /// The tiles of hashes that are not full.
    pub(crate) fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        let edge = Self::edge_of(self.size).into_iter();
        edge.filter_map(|tile| match tile.level {
            Level::Hashes(level) => Some((tile, self.edge.get(usize::from(level))?.as_slice())),
            Level::Entries => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tree::{consistency, fold, inclusion, is_consistent, is_included, leaf};

    fn entry(at: u64) -> Vec<u8> {
        vec![u8::try_from(at % 251).unwrap(); usize::try_from(at % 7).unwrap()]
            .into_iter()
            .chain(at.to_be_bytes())
            .collect()
    }

    /// A log, and all objects that were ever written.
    #[derive(Default)]
    struct Written {
        log: Log,
        objects: HashMap<String, Vec<u8>>,
    }

    impl Written {
        fn grow(&mut self, count: u64) {
            let entries: Vec<_> = (self.log.size()..self.log.size() + count).map(entry).collect();
            let objects = self.log.append(entries.iter().map(Vec::as_slice)).unwrap();
            for (tile, bytes) in objects {
                let before = self.objects.insert(tile.to_string(), bytes.clone());
                assert!(before.is_none_or(|before| before == bytes), "{tile} is written over");
            }
        }

        fn hashes(&self, runs: tree::Runs, size: u64) -> Vec<Hash> {
            let hash = |node: tree::Node| {
                let tile = Tile::of(node, size).unwrap();
                let bytes =
                    self.objects.get(&tile.to_string()).unwrap_or_else(|| panic!("{tile} is missing"));
                tile::node_hash(node, &tile::from_bytes(bytes).unwrap()).unwrap()
            };
            runs.into_iter().map(|run| fold(&run.into_iter().map(hash).collect::<Vec<_>>())).collect()
        }
    }

    /// The root of the first entries, from nothing but these.
    fn plain_root(size: u64) -> Hash {
        let mut row: Vec<Hash> = (0..size).map(|at| leaf(&entry(at))).collect();
        // The last of an odd row stands for itself, one level higher.
        while row.len() > 1 {
            row = row.chunks(2).map(fold).collect();
        }
        fold(&row)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn a_log_that_grows_in_any_steps_is_the_same(steps in prop::collection::vec(0_u64..700, 1..8)) {
            let mut written = Written::default();
            let mut known = vec![(0, tree::empty())];
            for step in steps {
                written.grow(step);
                let (size, root) = (written.log.size(), written.log.root());
                prop_assert_eq!(root, plain_root(size));
                let resumed = Log::resume(size, |tile| written.objects.get(&tile.to_string()).cloned()).unwrap();
                prop_assert_eq!(&resumed, &written.log);
                for (old, old_root) in &known {
                    let proof = consistency(*old, size).map(|runs| written.hashes(runs, size)).unwrap_or_default();
                    prop_assert!(is_consistent((*old, *old_root), (size, root), &proof), "{} to {}", old, size);
                }
                for index in [0, size / 3, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
                    let proof = written.hashes(inclusion(index, size).unwrap(), size);
                    prop_assert!(is_included(leaf(&entry(index)), index, size, root, &proof), "{} in {}", index, size);
                }
                known.push((size, root));
            }
        }
    }

    #[test]
    fn a_log_of_several_levels_of_tiles_is_proven_too() {
        let mut written = Written::default();
        for step in [65_535, 1, 1, 5_000] {
            written.grow(step);
            assert_eq!(written.log.root(), plain_root(written.log.size()), "{}", written.log.size());
        }
        let (size, root) = (written.log.size(), written.log.root());
        for index in [0, 255, 256, 65_535, 65_536, size - 1] {
            let proof = written.hashes(inclusion(index, size).unwrap(), size);
            assert!(is_included(leaf(&entry(index)), index, size, root, &proof), "{index}");
        }
        assert!(written.objects.contains_key("tile/2/000.p/1"));
    }

    #[test]
    fn an_edge_that_is_not_whole_is_named() {
        let mut written = Written::default();
        written.grow(300);
        let damaged = |what: &str, bytes: Option<&[u8]>| {
            let read = |tile: Tile| {
                let own = written.objects.get(&tile.to_string()).cloned();
                if tile.to_string() == what { bytes.map(<[u8]>::to_vec) } else { own }
            };
            Log::resume(300, read)
        };
        for what in ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"] {
            for bytes in [None, Some(&b"short"[..]), Some(&[])] {
                assert_eq!(damaged(what, bytes), Err(LogError::Damaged(what.to_owned())), "{bytes:?}");
            }
        }
        assert!(damaged("nothing", None).is_ok());
    }

    #[test]
    fn what_is_too_long_leaves_the_log_as_it_was() {
        let mut log = Log::default();
        log.append([&b"one"[..]]).unwrap();
        let before = log.clone();
        let long = vec![0; 65_536];
        assert_eq!(log.append([&b"two"[..], &long]), Err(LogError::TooLong(65_536)));
        assert_eq!(log, before);
        assert!(log.append([]).unwrap().is_empty(), "nothing new makes no objects");
    }
}
