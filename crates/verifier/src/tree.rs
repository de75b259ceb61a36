//! The hashes of RFC 6962, section 2.1, and its proofs. They are checked as the section defines them, from the root down.

use sha2::{Digest as _, Sha256};

/// The hash of an entry, or of what is below a place in the tree.
pub type Hash = [u8; 32];

/// The hash of the tree without entries.
#[must_use]
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of an entry.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of two trees side by side.
#[must_use]
pub fn join(left: Hash, right: Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Where a tree of two or more entries is divided: the largest power of two that is smaller.
fn middle(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root that an entry and its audit path make: PATH of section 2.1.1, backwards. `None` where a tree of that size has
/// no such path.
#[must_use]
pub fn root_by_path(entry: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let Some((beside, below)) = path.split_last() else { return (size == 1).then_some(entry) };
    if size == 1 {
        return None;
    }
    let middle = middle(size);
    if index < middle {
        Some(join(root_by_path(entry, index, middle, below)?, *beside))
    } else {
        Some(join(*beside, root_by_path(entry, index - middle, size - middle, below)?))
    }
}

/// Whether the proof leads from a tree to a later one: PROOF of section 2.1.2. Every tree began without entries.
#[must_use]
pub fn grew((old, old_root): (u64, Hash), (new, new_root): (u64, Hash), proof: &[Hash]) -> bool {
    match old {
        0 => proof.is_empty() && old_root == empty(),
        _ => roots(old, new, Some(old_root), proof) == Some((old_root, new_root)),
    }
}

/// Both roots that a proof makes: SUBPROOF of section 2.1.2, backwards. `whole` is the old root as long as the part that is
/// looked at is all of the old tree.
fn roots(old: u64, new: u64, whole: Option<Hash>, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if old >= new {
        let own = match (whole, proof) {
            (Some(root), []) => root,
            (None, [root]) => *root,
            _ => return None,
        };
        return (old == new).then_some((own, own));
    }
    let (beside, below) = proof.split_last()?;
    let middle = middle(new);
    if old <= middle {
        let (old, new) = roots(old, middle, whole, below)?;
        Some((old, join(new, *beside)))
    } else {
        let (old, new) = roots(old - middle, new - middle, None, below)?;
        Some((join(*beside, old), join(*beside, new)))
    }
}

/// A tree that grows.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    /// The complete trees that it consists of, the largest first: one for each one in the binary size.
    complete: Vec<Hash>,
}

impl Tree {
    /// Adds an entry. Answers the complete trees that end with it, each the one before joined with its neighbour: the
    /// n-th has 2^n entries.
    pub fn add(&mut self, entry: Hash) -> Vec<Hash> {
        let (mut hash, mut made) = (entry, vec![entry]);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.complete.pop() {
                hash = join(left, hash);
                made.push(hash);
            }
        }
        self.complete.push(hash);
        self.size += 1;
        made
    }

    /// How many entries it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash over all of it.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.complete.iter().rev().copied().reduce(|right, left| join(left, right)).unwrap_or_else(empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MTH of section 2.1.
    fn root(entries: &[Hash]) -> Hash {
        match entries {
            [] => empty(),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(usize::try_from(middle(more.len() as u64)).unwrap());
                join(root(left), root(right))
            }
        }
    }

    /// PATH of section 2.1.1.
    fn path(index: usize, entries: &[Hash]) -> Vec<Hash> {
        if entries.len() == 1 {
            return Vec::new();
        }
        let (left, right) = entries.split_at(usize::try_from(middle(entries.len() as u64)).unwrap());
        let (mut path, beside) = match index.checked_sub(left.len()) {
            None => (path(index, left), root(right)),
            Some(index) => (path(index, right), root(left)),
        };
        path.push(beside);
        path
    }

    /// SUBPROOF of section 2.1.2.
    fn proof(old: usize, entries: &[Hash], whole: bool) -> Vec<Hash> {
        if old == entries.len() {
            return if whole { Vec::new() } else { vec![root(entries)] };
        }
        let (left, right) = entries.split_at(usize::try_from(middle(entries.len() as u64)).unwrap());
        let (mut made, beside) = match old.checked_sub(left.len()) {
            None | Some(0) => (proof(old, left, whole), root(right)),
            Some(old) => (proof(old, right, false), root(left)),
        };
        made.push(beside);
        made
    }

    fn entries(count: u64) -> Vec<Hash> {
        (0..count).map(|at| leaf(&at.to_be_bytes())).collect()
    }

    /// A proof that is longer by a hash somewhere, shorter by one, or has another one.
    fn spoiled(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        for at in 0..=proof.len() {
            let mut longer = proof.to_vec();
            longer.insert(at, empty());
            all.push(longer);
        }
        for at in 0..proof.len() {
            let (mut shorter, mut other) = (proof.to_vec(), proof.to_vec());
            shorter.remove(at);
            other[at][0] ^= 1;
            all.extend([shorter, other]);
        }
        all
    }

    #[test]
    fn a_growing_tree_has_the_roots_of_the_definition() {
        let all = entries(300);
        let mut tree = Tree::default();
        assert_eq!(tree.root(), empty());
        for (at, entry) in all.iter().enumerate() {
            for (height, made) in tree.add(*entry).into_iter().enumerate() {
                assert_eq!(made, root(&all[at + 1 - (1 << height)..=at]), "2^{height} entries up to {at}");
            }
            assert_eq!((tree.size(), tree.root()), (at as u64 + 1, root(&all[..=at])));
        }
    }

    #[test]
    fn each_entry_is_proven_at_its_place_and_nowhere_else() {
        let all = entries(34);
        for size in 1..=34_u64 {
            let tree = &all[..usize::try_from(size).unwrap()];
            for index in 0..size {
                let at = usize::try_from(index).unwrap();
                let path = path(at, tree);
                let led =
                    |entry, index, path: &[Hash]| root_by_path(entry, index, size, path) == Some(root(tree));
                assert!(led(all[at], index, &path), "{index} of {size}");
                assert!(!led(leaf(b"another"), index, &path), "{index} of {size}");
                assert!((0..=size).all(|other| other == index || !led(all[at], other, &path)));
                assert!(spoiled(&path).iter().all(|path| !led(all[at], index, path)), "{index} of {size}");
            }
        }
        assert_eq!(root_by_path(empty(), 0, 0, &[]), None);
        assert_eq!(root_by_path(empty(), u64::MAX - 1, u64::MAX, &[empty(); 5]), None);
    }

    #[test]
    fn each_tree_is_proven_to_have_grown_out_of_each_smaller_one_and_of_no_other() {
        let all = entries(34);
        let known = |size: usize| (size as u64, root(&all[..size]));
        for new in 1..=34 {
            for old in 1..=new {
                let proof = proof(old, &all[..new], true);
                assert!(grew(known(old), known(new), &proof), "{old} to {new}");
                let another = |(size, _): (u64, Hash)| (size, leaf(b"another"));
                assert!(!grew(another(known(old)), known(new), &proof), "{old} to {new}");
                assert!(!grew(known(old), another(known(new)), &proof), "{old} to {new}");
                assert!(spoiled(&proof).iter().all(|proof| !grew(known(old), known(new), proof)));
                assert!(old == new || !grew(known(new), known(old), &proof), "{new} to {old}");
            }
            assert!(grew(known(0), known(new), &[]) && !grew((0, root(&all)), known(new), &[]));
            assert!(!grew(known(0), known(new), &[empty()]));
        }
    }
}
