//! Proofs as texts, for those who keep them: that an event is in the log (<https://c2sp.org/tlog-proof>), and that the log
//! grew out of what it was (as <https://c2sp.org/tlog-witness> is asked).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tile::{self, Tile};
use crate::tree::{self, Hash, Runs};

/// The tiles that a proof is made of, in a tree of that size.
#[must_use]
pub fn tiles(runs: &Runs, size: u64) -> Vec<Tile> {
    let mut tiles: Vec<_> = runs.iter().flatten().filter_map(|node| Tile::of(*node, size)).collect();
    tiles.sort_unstable();
    tiles.dedup();
    tiles
}

/// A proof's hashes. `None` where a tile is missing or too short.
pub fn hashes(runs: Runs, size: u64, mut read: impl FnMut(Tile) -> Option<Vec<u8>>) -> Option<Vec<Hash>> {
    let mut hash = |node| {
        let tile = tile::from_bytes(&read(Tile::of(node, size)?)?)?;
        tile::node_hash(node, &tile)
    };
    let mut fold =
        |run: Vec<_>| Some(tree::fold(&run.into_iter().map(&mut hash).collect::<Option<Vec<_>>>()?));
    runs.into_iter().map(&mut fold).collect()
}

fn lines(hashes: &[Hash]) -> String {
    hashes.iter().fold(String::new(), |mut lines, hash| {
        // A text takes whatever is written to it.
        let _ = writeln!(lines, "{}", STANDARD.encode(hash.0));
        lines
    })
}

/// That the entry at `index` is in the log of that checkpoint. With it goes the entry, so that nothing else is needed.
#[must_use]
pub fn included(index: u64, entry: &[u8], proof: &[Hash], checkpoint: &str) -> String {
    let (entry, proof) = (STANDARD.encode(entry), lines(proof));
    format!("c2sp.org/tlog-proof@v1\nextra {entry}\nindex {index}\n{proof}\n{checkpoint}")
}

/// That the log of that checkpoint began with the `old` entries that an earlier one told of.
#[must_use]
pub fn grown(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    format!("old {old}\n{}\n{checkpoint}", lines(proof))
}
