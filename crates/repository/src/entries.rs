//! Blocks of index entries: which versions of which records exist, and where they stand.
//!
//! The same block serves packs (where an entry's place is its turn) and merged indexes (where each entry
//! names its snapshot, its pack and its ordinal there). Columns are stored one after the other, because like
//! compresses well with like; the hashes, which do not compress, follow uncompressed.

use domain::{ContentHash, Removal, SubjectTag};

use crate::encoding::{Bytes, put_count, put_number};

/// An entry block is full at this many entries …
pub(crate) const ENTRIES_MAX: usize = 2048;
/// … or at this many bytes of ids.
pub(crate) const ID_BYTES_MAX: usize = 64 * 1024;

const STATE_MASK: u8 = 0b0000_0011;
const HAS_SUBJECT: u8 = 0b0000_0100;

/// Whether a block belongs to a pack or to a merged index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Layout {
    /// Entries stand in the order of the pack's records.
    #[serde(rename = "packs")]
    Pack,
    /// Entries name snapshot, pack and ordinal.
    #[serde(rename = "index")]
    Index,
}

/// Where a present version stands: which of the index's packs, and its ordinal there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) pack: u32,
    pub(crate) ordinal: u32,
}

/// What a version says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Present { hash: ContentHash, place: Place },
    Removed(Removal),
}

/// One version of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Index into the object's list of kinds.
    pub(crate) kind: u16,
    pub(crate) id: Box<str>,
    /// The snapshot that brought it.
    pub(crate) number: u64,
    pub(crate) state: State,
    /// Under whose key it is sealed; `None` where it is sealed with its block.
    pub(crate) subject: Option<SubjectTag>,
}

fn state_bits(state: State) -> u8 {
    match state {
        State::Present { .. } => 0,
        State::Removed(Removal::Deleted) => 1,
        State::Removed(Removal::Redacted) => 2,
        State::Removed(Removal::LeftScope) => 3,
    }
}

/// A block's bytes before sealing: the part to compress, and the part that is kept as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) packed: Vec<u8>,
    pub(crate) raw: Vec<u8>,
}

/// Writes entries, which must be in order, as columns.
pub(crate) fn encode(entries: &[Entry], layout: Layout) -> Columns {
    let mut out = Columns::default();
    put_count(&mut out.packed, entries.len());
    for run in entries.chunk_by(|a, b| a.kind == b.kind) {
        put_number(&mut out.packed, run.first().map_or(0, |entry| u64::from(entry.kind)));
        put_count(&mut out.packed, run.len());
    }
    let mut previous: &[u8] = &[];
    for entry in entries {
        let id = entry.id.as_bytes();
        let shared = previous.iter().zip(id).take_while(|(a, b)| a == b).count();
        put_count(&mut out.packed, shared);
        put_count(&mut out.packed, id.len() - shared);
        out.packed.extend(id.iter().skip(shared));
        previous = id;
    }
    for entry in entries {
        out.packed.push(state_bits(entry.state) | if entry.subject.is_some() { HAS_SUBJECT } else { 0 });
    }
    if layout == Layout::Index {
        entries.iter().for_each(|entry| put_number(&mut out.packed, entry.number));
        for entry in entries {
            if let State::Present { place, .. } = entry.state {
                put_number(&mut out.packed, u64::from(place.pack));
            }
        }
        for entry in entries {
            if let State::Present { place, .. } = entry.state {
                put_number(&mut out.packed, u64::from(place.ordinal));
            }
        }
    }
    for entry in entries {
        if let State::Present { hash, .. } = entry.state {
            out.raw.extend_from_slice(&hash.0);
        }
    }
    for tag in entries.iter().filter_map(|entry| entry.subject) {
        out.raw.extend_from_slice(&tag.0);
    }
    out
}

/// Reads a block. `None` where the bytes make no sense.
///
/// `number` and `first_ordinal` complete the entries of a pack.
pub(crate) fn decode(
    packed: &[u8],
    raw: &[u8],
    layout: Layout,
    number: u64,
    first_ordinal: u32,
) -> Option<Vec<Entry>> {
    let mut bytes = Bytes(packed);
    let count = bytes.count().filter(|count| *count <= ENTRIES_MAX)?;
    let mut kinds = Vec::with_capacity(count);
    while kinds.len() < count {
        let kind = u16::try_from(bytes.number()?).ok().filter(|kind| kinds.last() != Some(kind))?;
        let run = bytes.count().filter(|run| *run > 0 && *run <= count - kinds.len())?;
        kinds.extend(std::iter::repeat_n(kind, run));
    }
    let mut ids: Vec<Box<str>> = Vec::with_capacity(count);
    let mut id = Vec::new();
    for _ in 0..count {
        let shared = bytes.count().filter(|shared| *shared <= id.len())?;
        let suffix = bytes.count()?;
        let rest = bytes.take(suffix)?;
        // One spelling: what is shared is not written again.
        if rest.first().is_some_and(|first| id.get(shared) == Some(first)) {
            return None;
        }
        id.truncate(shared);
        id.extend_from_slice(rest);
        ids.push(std::str::from_utf8(&id).ok()?.into());
    }
    let flags = bytes.take(count)?.to_vec();
    let present = flags.iter().filter(|flag| **flag & STATE_MASK == 0).count();
    let read = |bytes: &mut Bytes<'_>, n: usize| (0..n).map(|_| bytes.number()).collect::<Option<Vec<u64>>>();
    let (numbers, places) = match layout {
        Layout::Pack => {
            let places = (0..u32::try_from(present).ok()?)
                .map(|turn| Some(Place { pack: 0, ordinal: first_ordinal.checked_add(turn)? }));
            (vec![number; count], places.collect::<Option<Vec<_>>>()?)
        }
        Layout::Index => {
            let numbers = read(&mut bytes, count)?;
            let packs = read(&mut bytes, present)?;
            let ordinals = read(&mut bytes, present)?;
            let places = packs.into_iter().zip(ordinals).map(|(pack, ordinal)| {
                Some(Place { pack: u32::try_from(pack).ok()?, ordinal: u32::try_from(ordinal).ok()? })
            });
            (numbers, places.collect::<Option<Vec<_>>>()?)
        }
    };
    if !bytes.is_empty() {
        return None;
    }
    let mut raw = Bytes(raw);
    let mut present_states = Vec::with_capacity(present);
    for place in places {
        present_states.push(State::Present { hash: ContentHash(raw.array()?), place });
    }
    let mut present_states = present_states.into_iter();
    let mut entries = Vec::with_capacity(count);
    for (((kind, id), flag), number) in kinds.into_iter().zip(ids).zip(flags).zip(numbers) {
        let state = match flag & STATE_MASK {
            0 => present_states.next()?,
            1 => State::Removed(Removal::Deleted),
            2 => State::Removed(Removal::Redacted),
            _ => State::Removed(Removal::LeftScope),
        };
        let subject = match flag & !STATE_MASK {
            0 => None,
            HAS_SUBJECT => Some(SubjectTag(raw.array()?)),
            _ => return None,
        };
        entries.push(Entry { kind, id, number, state, subject });
    }
    raw.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let state = prop_oneof![
            (any::<[u8; 16]>(), any::<u32>(), any::<u32>()).prop_map(|(hash, pack, ordinal)| {
                State::Present { hash: ContentHash(hash), place: Place { pack, ordinal } }
            }),
            Just(State::Removed(Removal::Deleted)),
            Just(State::Removed(Removal::Redacted)),
            Just(State::Removed(Removal::LeftScope)),
        ];
        let id = prop_oneof!["[a-c/é]{1,6}", "gid://shopify/Product/[0-9]{1,13}"];
        (0_u16..4, id, any::<u64>(), state, proptest::option::of(any::<[u8; 16]>())).prop_map(
            |(kind, id, number, state, tag)| Entry {
                kind,
                id: id.into(),
                number,
                state,
                subject: tag.map(SubjectTag),
            },
        )
    }

    proptest! {
        #[test]
        fn index_blocks_round_trip(entries in proptest::collection::vec(entry(), 0..80)) {
            let columns = encode(&entries, Layout::Index);
            prop_assert_eq!(decode(&columns.packed, &columns.raw, Layout::Index, 0, 0), Some(entries));
        }

        #[test]
        fn any_bytes_are_read_or_refused(packed: Vec<u8>, raw: Vec<u8>) {
            for layout in [Layout::Pack, Layout::Index] {
                if let Some(entries) = decode(&packed, &raw, layout, 1, 0) {
                    prop_assert!(entries.len() <= ENTRIES_MAX);
                }
            }
        }
    }

    #[test]
    fn pack_blocks_take_number_and_ordinals_from_their_place() {
        let hash = ContentHash([7; 16]);
        let entries = vec![
            Entry {
                kind: 0,
                id: "a".into(),
                number: 9,
                state: State::Present { hash, place: Place { pack: 0, ordinal: 5 } },
                subject: None,
            },
            Entry {
                kind: 0,
                id: "b".into(),
                number: 9,
                state: State::Removed(Removal::Deleted),
                subject: None,
            },
            Entry {
                kind: 1,
                id: "a".into(),
                number: 9,
                state: State::Present { hash, place: Place { pack: 0, ordinal: 6 } },
                subject: Some(SubjectTag([1; 16])),
            },
        ];
        let columns = encode(&entries, Layout::Pack);
        assert_eq!(decode(&columns.packed, &columns.raw, Layout::Pack, 9, 5), Some(entries));
    }
}
