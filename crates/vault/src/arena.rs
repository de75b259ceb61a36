//! Where keys lie in memory: in pages of their own, which the kernel never writes to swap, to a dump, or into a process that is
//! forked; and each key is wiped when it is done with.
//!
//! Libraries make copies of a key for as long as they work with it, and parsed documents hold some until they are read: those are
//! not here. SECURITY.md says which.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use memmap2::{Advice, MmapMut};
use zeroize::Zeroize as _;

/// Length of a key, in bytes.
const KEY_LEN: usize = 32;
/// So many bytes are taken from the system at once: a thousand keys. Some systems let a process lock no more than 64 KiB.
const PIECE_LEN: usize = 32 * 1024;

type Place = &'static mut [u8; KEY_LEN];

/// The places that no key has now, and what the system would not do for those that there are.
struct Arena {
    free: Vec<Place>,
    problem: Option<String>,
}

static ARENA: Mutex<Arena> = Mutex::new(Arena { free: Vec::new(), problem: None });

impl Arena {
    fn take(&mut self) -> Place {
        loop {
            match self.free.pop() {
                Some(place) => return place,
                None => self.grow(),
            }
        }
    }

    fn grow(&mut self) {
        // They stay for as long as the process lives: places are given back to the arena, not to the system.
        match MmapMut::map_anon(PIECE_LEN) {
            Ok(piece) => {
                let done = [
                    ("locked", piece.lock()),
                    ("kept out of dumps", piece.advise(Advice::DontDump)),
                    ("kept from forked processes", piece.advise(Advice::DontFork)),
                ];
                for (what, done) in done {
                    if let Err(error) = done {
                        self.problem
                            .get_or_insert(format!("the memory of keys could not be {what}: {error}"));
                    }
                }
                let piece: &'static mut MmapMut = Box::leak(Box::new(piece));
                let (places, _) = piece.as_chunks_mut::<KEY_LEN>();
                self.free.extend(places.iter_mut());
            }
            Err(error) => {
                self.problem.get_or_insert(format!("keys have no memory of their own: {error}"));
                self.free.push(Box::leak(Box::new([0; KEY_LEN])));
            }
        }
    }
}

fn with_arena<T>(act: impl FnOnce(&mut Arena) -> T) -> T {
    act(&mut ARENA.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether this process's keys lie in memory that is locked and kept out of dumps.
///
/// # Errors
/// Says what the system would not do, and how to let it.
pub fn keys_are_locked() -> Result<(), String> {
    // One is made, so that there is something to look at.
    drop(KeyBytes::default());
    with_arena(|arena| match &arena.problem {
        None => Ok(()),
        Some(problem) => Err(format!(
            "{problem}; they may be written to swap: let the process lock memory (`ulimit -l`, or `LimitMEMLOCK=` of its unit), or \
             have no swap that is not encrypted"
        )),
    })
}

/// A key's 32 bytes, in the arena.
pub(crate) struct KeyBytes(
    // `None` only while it is dropped.
    Option<Place>,
);

impl KeyBytes {
    /// Takes bytes over. They are wiped where they were.
    pub(crate) fn new(mut bytes: [u8; KEY_LEN]) -> Self {
        let mut key = Self::default();
        *key = bytes;
        bytes.zeroize();
        key
    }
}

impl Default for KeyBytes {
    /// Zeros, to be filled.
    fn default() -> Self {
        Self(Some(with_arena(Arena::take)))
    }
}

impl Clone for KeyBytes {
    fn clone(&self) -> Self {
        let mut key = Self::default();
        key.copy_from_slice(self.as_slice());
        key
    }
}

impl Deref for KeyBytes {
    type Target = [u8; KEY_LEN];

    fn deref(&self) -> &[u8; KEY_LEN] {
        self.0.as_deref().unwrap_or(&[0; KEY_LEN])
    }
}

impl DerefMut for KeyBytes {
    fn deref_mut(&mut self) -> &mut [u8; KEY_LEN] {
        self.0.get_or_insert_with(|| with_arena(Arena::take))
    }
}

impl PartialEq for KeyBytes {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.as_slice(), other.as_slice()).is_ok()
    }
}

#[cfg(test)]
impl std::fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            place.zeroize();
            with_arena(|arena| arena.free.push(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of the memory in which an address lies.
    fn flags(address: usize) -> Vec<String> {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_ours = false;
        for line in smaps.lines() {
            let range = line.split(' ').next().unwrap().split_once('-');
            let range = range.and_then(|(from, to)| {
                let number = |text| usize::from_str_radix(text, 16).ok();
                Some(number(from)?..number(to)?)
            });
            if let Some(range) = range {
                is_ours = range.contains(&address);
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| is_ours) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no memory has that address")
    }

    #[test]
    fn keys_lie_in_memory_that_is_locked_and_kept_out_of_dumps_and_forks() {
        let key = KeyBytes::new([7; KEY_LEN]);
        keys_are_locked().unwrap();
        let own = flags(key.as_ptr() as usize);
        let heap = Box::new([7_u8; KEY_LEN]);
        let others = flags(heap.as_ptr() as usize);
        for flag in ["lo", "dd", "dc"] {
            assert!(own.iter().any(|own| own == flag), "{flag} in {own:?}");
            assert!(!others.iter().any(|other| other == flag), "{flag} in {others:?}");
        }
    }

    #[test]
    fn a_place_is_wiped_and_given_again() {
        let mut arena = Arena { free: Vec::new(), problem: None };
        let count = PIECE_LEN / KEY_LEN;
        let places: Vec<Place> = (0..=count).map(|_| arena.take()).collect();
        assert_eq!(arena.free.len(), count - 1, "a second piece was taken, and no more");
        drop(places);

        // Of many that are given back and taken again, some are the same.
        let first: Vec<KeyBytes> = (0..64).map(|_| KeyBytes::new([9; KEY_LEN])).collect();
        let copy = first[0].clone();
        assert!(copy == first[0] && copy.as_ptr() != first[0].as_ptr());
        drop((first, copy));
        let again: Vec<KeyBytes> = (0..2 * count).map(|_| KeyBytes::default()).collect();
        assert!(again.iter().all(|key| **key == [0; KEY_LEN]));
    }
}
