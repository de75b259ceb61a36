//! Which packs a history has, and which snapshot each belongs to.
//!
//! A pack carries its own entries, but not its snapshot's number. That is told by the chain of commits: every
//! snapshot's own commit names its packs one by one, and a compaction's commit names the packs that it copied
//! together and the ones that it dropped. What remains is exactly what the index must be made of.

use std::collections::{BTreeMap, HashSet};

use domain::{Id128, RecordKey};

use crate::commit::{Commit, Head};
use crate::entries::Layout;
use crate::segment::Segment;
use crate::view::{Component, Part};

/// A pack that some commit names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPack {
    /// The snapshot that it belongs to.
    pub(crate) number: u64,
    pub(crate) part: Part,
}

/// The packs of a history, by its commits.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    named: BTreeMap<Id128, NamedPack>,
    dropped: HashSet<Id128>,
}

impl Packs {
    pub(crate) fn of(chain: &[Head]) -> Self {
        let mut packs = Self::default();
        chain.iter().for_each(|head| packs.add(&head.commit));
        packs
    }

    /// Takes in what a commit of the chain says. Commits may come in any order, and must all come.
    pub(crate) fn add(&mut self, commit: &Commit) {
        let own = commit.components.iter().filter(|component| component.layout == Layout::Pack);
        for component in own.chain(&commit.copied) {
            let number = component.from;
            let named = component.parts.iter().map(|part| {
                let pack = NamedPack { number, part: part.clone() };
                (part.object.id, pack)
            });
            self.named.extend(named);
        }
        self.dropped.extend(&commit.dropped);
    }

    /// The number of a pack: its own, or that of the packs that it was copied from.
    pub(crate) fn number_of(&self, segment: &Segment) -> Option<u64> {
        let origins = segment.footer.packs.iter().map(|origin| &origin.id);
        std::iter::once(&segment.id).chain(origins).find_map(|id| self.named.get(id)).map(|pack| pack.number)
    }

    /// Whether a compaction has put everything that still counts of it elsewhere.
    pub(crate) fn is_dropped(&self, id: &Id128) -> bool {
        self.dropped.contains(id)
    }

    /// The packs that hold what the history consists of, in order of their ids.
    pub(crate) fn current(&self) -> impl Iterator<Item = &NamedPack> {
        self.named.iter().filter(|(id, _)| !self.dropped.contains(id)).map(|(_, pack)| pack)
    }
}

/// A pack as a part of a component. `None` for one without entries, of which there is none.
pub(crate) fn part_of(segment: &Segment) -> Option<Part> {
    let block = segment.footer.entries.first()?;
    let kind = segment.footer.kinds.get(usize::from(block.kind))?.clone();
    let first = RecordKey { kind, id: block.id.clone() };
    Some(Part { object: segment.object(), first, last: segment.footer.last.clone() })
}

/// Packs of one snapshot as components whose parts do not overlap: copies lie around packs that were not copied.
pub(crate) fn without_overlap(number: u64, mut parts: Vec<Part>) -> Vec<Component> {
    parts.sort_by(|a, b| a.first.cmp(&b.first));
    let mut components: Vec<Component> = Vec::new();
    for part in parts {
        let fits =
            |component: &&mut Component| component.parts.last().is_none_or(|last| last.last < part.first);
        match components.iter_mut().find(fits) {
            Some(component) => component.parts.push(part),
            None => components.push(Component {
                layout: Layout::Pack,
                from: number,
                to: number,
                entries: 0,
                parts: vec![part],
            }),
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use domain::Kind;

    use super::*;
    use crate::footer::ObjectRef;

    #[test]
    fn packs_that_overlap_come_into_different_components() {
        let kind = Kind::new("product").unwrap();
        let key = |id: &str| RecordKey::new(kind.clone(), id).unwrap();
        let object = ObjectRef { id: Id128([0; 16]), size: 0, tail: 0 };
        let part = |first, last| Part { object: object.clone(), first: key(first), last: key(last) };
        let components =
            without_overlap(7, vec![part("c", "d"), part("a", "b"), part("a", "d"), part("e", "e")]);
        let shape: Vec<Vec<&str>> =
            components.iter().map(|c| c.parts.iter().map(|part| &*part.first.id).collect()).collect();
        assert_eq!(shape, [vec!["a", "c", "e"], vec!["a"]]);
        let numbers: HashMap<_, _> = components.iter().map(|c| (c.from, c.to)).collect();
        assert_eq!(numbers, HashMap::from([(7, 7)]));
    }
}
