//! Merkle trees as RFC 6962 has them: hashes, and proofs that an entry is in a tree and that a tree grew out of another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Bytes of a hash.
pub const HASH_LEN: usize = 32;

/// The hash of an entry, or of two hashes below it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; HASH_LEN]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// In small hexadecimal digits.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a hash: 64 small hexadecimal digits")]
pub struct NoHash;

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |digit: u8| (digit as char).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let hash = bytes.filter(|_| rest.is_empty()).and_then(|bytes| bytes.try_into().ok());
        hash.map(Self).ok_or(NoHash)
    }
}

impl TryFrom<String> for Hash {
    type Error = NoHash;

    fn try_from(text: String) -> Result<Self, NoHash> {
        text.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

fn hashed(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = Hash([0; HASH_LEN]);
    hash.0.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of the tree without entries: that of no bytes.
#[must_use]
pub fn empty() -> Hash {
    hashed(&[])
}

/// The hash of an entry.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    hashed(&[&[0], entry])
}

/// The hash of two subtrees side by side.
#[must_use]
pub fn join(left: Hash, right: Hash) -> Hash {
    hashed(&[&[1], &left.0, &right.0])
}

/// A complete subtree: the 2^level entries from index · 2^level on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its height; 0 is an entry.
    pub level: u8,
    /// Its place among those of its height.
    pub index: u64,
}

/// The complete subtrees that a run of entries consists of, from left to right.
fn cover(from: u64, to: u64) -> Vec<Node> {
    let (mut at, mut nodes) = (from, Vec::new());
    while at < to {
        let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
        let level = aligned.min((to - at).ilog2());
        nodes.push(Node { level: u8::try_from(level).unwrap_or(u8::MAX), index: at >> level });
        at += 1 << level;
    }
    nodes
}

/// The complete subtrees of a tree of that size, from left to right: [`fold`] makes its hash of theirs.
#[must_use]
pub fn peaks(size: u64) -> Vec<Node> {
    cover(0, size)
}

/// The hash of a run of entries, from those of the complete subtrees that it consists of.
#[must_use]
pub fn fold(hashes: &[Hash]) -> Hash {
    let joined = hashes.iter().rev().copied().reduce(|right, left| join(left, right));
    joined.unwrap_or_else(empty)
}

/// The hash of a complete subtree, from those of all its subtrees of one height: a power of two of them.
pub(crate) fn complete(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).map(fold).collect();
    }
    fold(&row)
}

/// The largest power of two below `n`, for `n` of two or more.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// A proof: one hash for each of these runs, each the [`fold`] of its subtrees'.
pub type Runs = Vec<Vec<Node>>;

/// Which hashes prove that the entry at `index` is in the tree of that size. `None` where it is not.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Option<Runs> {
    if index >= size {
        return None;
    }
    let (mut from, mut to, mut runs) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            runs.push(cover(middle, to));
            to = middle;
        } else {
            runs.push(cover(from, middle));
            from = middle;
        }
    }
    runs.reverse();
    Some(runs)
}

/// Which hashes prove that the tree of `new` entries begins with that of `old`. `None` where it is smaller, or `old` is
/// 0: of that nothing is to be proven.
#[must_use]
pub fn consistency(old: u64, new: u64) -> Option<Runs> {
    if old == 0 || old > new {
        return None;
    }
    let (mut from, mut to, mut runs) = (0, new, Vec::new());
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            runs.push(cover(middle, to));
            to = middle;
        } else {
            runs.push(cover(from, middle));
            from = middle;
        }
    }
    if from > 0 {
        runs.push(cover(from, to));
    }
    runs.reverse();
    Some(runs)
}

/// Whether the proof shows that an entry of that hash is at `index` in the tree of that size and root. As in RFC 9162,
/// section 2.1.3.2.
#[must_use]
pub fn is_included(entry: Hash, index: u64, size: u64, root: Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, entry);
    for other in proof {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = join(*other, hash);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            hash = join(hash, *other);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && hash == root
}

/// Whether the proof shows that the tree of `new` entries begins with that of `old`. As in RFC 9162, section 2.1.4.2.
#[must_use]
pub fn is_consistent((old, old_root): (u64, Hash), (new, new_root): (u64, Hash), proof: &[Hash]) -> bool {
    if old == 0 || old >= new {
        return proof.is_empty()
            && (if old == 0 { old_root == empty() } else { old == new && old_root == new_root });
    }
    let mut rest = proof.iter().copied();
    let first = if old.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let (mut of_old, mut of_new) = (first, first);
    for other in rest {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            of_old = join(other, of_old);
            of_new = join(other, of_new);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            of_new = join(of_new, other);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && of_old == old_root && of_new == new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition in RFC 6962, section 2.1, read word by word.
    fn by_definition(entries: &[Hash]) -> Hash {
        match entries {
            [] => empty(),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(usize::try_from(split(more.len() as u64)).unwrap());
                join(by_definition(left), by_definition(right))
            }
        }
    }

    fn entries(count: u64) -> Vec<Hash> {
        (0..count).map(|at| leaf(&at.to_be_bytes())).collect()
    }

    fn hash_of(entries: &[Hash], node: Node) -> Hash {
        let width = 1 << node.level;
        let from = usize::try_from(node.index).unwrap() * width;
        by_definition(&entries[from..from + width])
    }

    fn proof(entries: &[Hash], runs: Runs) -> Vec<Hash> {
        let run = |nodes: Vec<Node>| {
            fold(&nodes.into_iter().map(|node| hash_of(entries, node)).collect::<Vec<_>>())
        };
        runs.into_iter().map(run).collect()
    }

    #[test]
    fn hashes_are_those_that_others_publish() {
        // Test vectors of Certificate Transparency's reference trees.
        let vectors = [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ];
        let leaves = [leaf(b""), leaf(b"\0")];
        for (size, expected) in vectors {
            assert_eq!(format!("{:?}", fold(&leaves[..size])), expected);
        }
    }

    #[test]
    fn every_entry_of_every_small_tree_is_proven_and_nothing_else() {
        let all = entries(70);
        for size in 0..=70_u64 {
            let tree = &all[..usize::try_from(size).unwrap()];
            let root = by_definition(tree);
            let nodes: Vec<Hash> = peaks(size).into_iter().map(|node| hash_of(tree, node)).collect();
            assert_eq!(fold(&nodes), root, "{size}");
            assert_eq!(inclusion(size, size), None);
            for index in 0..size {
                let entry = all[usize::try_from(index).unwrap()];
                let proof = proof(tree, inclusion(index, size).unwrap());
                assert!(is_included(entry, index, size, root, &proof), "{index} in {size}");
                assert!(!is_included(leaf(b"another"), index, size, root, &proof));
                assert!(!is_included(entry, index, size, leaf(b"another"), &proof));
                assert!(
                    index == 0 || !is_included(entry, index - 1, size, root, &proof),
                    "{index} in {size}"
                );
                let longer = [proof.as_slice(), &[root]].concat();
                assert!(!is_included(entry, index, size, root, &longer));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!is_included(entry, index, size, root, shorter));
                }
            }
        }
    }

    #[test]
    fn every_small_tree_is_proven_to_grow_out_of_every_smaller_one_and_no_other() {
        let all = entries(40);
        let root = |size: u64| by_definition(&all[..usize::try_from(size).unwrap()]);
        for new in 1..=40_u64 {
            assert_eq!(consistency(new + 1, new), None);
            for old in 1..=new {
                let proof = proof(&all, consistency(old, new).unwrap());
                let check = |old_root, new_root, proof: &[Hash]| {
                    is_consistent((old, old_root), (new, new_root), proof)
                };
                assert!(check(root(old), root(new), &proof), "{old} to {new}");
                assert!(!check(leaf(b"another"), root(new), &proof), "{old} to {new}");
                assert!(!check(root(old), leaf(b"another"), &proof), "{old} to {new}");
                assert!(!check(root(old), root(new), &[proof.as_slice(), &[root(1)]].concat()));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!check(root(old), root(new), shorter), "{old} to {new}");
                }
            }
        }
        assert!(is_consistent((0, empty()), (3, root(3)), &[]));
        assert!(!is_consistent((0, root(1)), (3, root(3)), &[]));
        assert!(!is_consistent((3, root(3)), (2, root(2)), &[]));
    }
}
