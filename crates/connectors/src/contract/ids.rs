//! Old ids and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A layer is laid into the one below once that is no more than so many times as large.
const LAYERS_RATIO: usize = 4;
/// So many names one after the other are followed. Longer is only a ring, which no restore makes.
const NAMES_MAX: usize = 1_000;

/// Old ids and what became of them: the ledger of one source and target, kept for ever.
///
/// A copy costs next to nothing and stays as it is, so that items which are written at the same time can each hold
/// what was known when they began. The entries lie in layers, each much larger than the next, the newest on top.
#[derive(Debug, Clone, Default)]
pub struct IdMap {
    layers: Vec<Arc<Layer>>,
    one_store: bool,
}

type Layer = BTreeMap<Arc<str>, Arc<str>>;

impl IdMap {
    /// The ledger of a store that is its own target: what was made anew is backed up under its new id, may be lost under
    /// that, and be made anew again. So names are followed to the last one. Of two stores an old id and a new one may be
    /// the same and mean different things; there nothing is followed.
    #[must_use]
    pub fn of_one_store() -> Self {
        Self { one_store: true, ..Self::default() }
    }

    /// Whether old and new ids are names in one store.
    #[must_use]
    pub fn is_of_one_store(&self) -> bool {
        self.one_store
    }

    /// Notes that `old` is now `new`.
    pub fn insert(&mut self, old: &str, new: &str) {
        let mut top = Arc::new(Layer::from([(Arc::from(old), Arc::from(new))]));
        while let Some(below) = self.layers.pop() {
            if below.len() > LAYERS_RATIO * top.len() {
                self.layers.push(below);
                break;
            }
            let mut both = below;
            Arc::make_mut(&mut both).extend(top.iter().map(|(old, new)| (Arc::clone(old), Arc::clone(new))));
            top = both;
        }
        self.layers.push(top);
    }

    /// What `old` is called now: itself where nothing else is known.
    #[must_use]
    pub fn resolve<'a>(&'a self, old: &'a str) -> &'a str {
        let Some(next) = self.find(old) else { return old };
        if !self.one_store {
            return next;
        }
        let mut name = next;
        for _ in 0..NAMES_MAX {
            match self.find(name) {
                Some(new) if new != name => name = new,
                _ => return name,
            }
        }
        // A ring tells nothing.
        next
    }

    /// Whether `old` has a new id.
    #[must_use]
    pub fn knows(&self, old: &str) -> bool {
        self.find(old).is_some()
    }

    /// All pairs, old and new.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.layers.iter().enumerate().flat_map(|(at, layer)| {
            let above = self.layers.get(at + 1..).unwrap_or_default();
            let newest = layer.iter().filter(|(old, _)| !above.iter().any(|one| one.contains_key(*old)));
            newest.map(|(old, new)| (&**old, &**new))
        })
    }

    fn find(&self, old: &str) -> Option<&str> {
        self.layers.iter().rev().find_map(|layer| layer.get(old)).map(|new| &**new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut ids: IdMap, pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
        pairs.iter().for_each(|(old, new)| ids.insert(old, new));
        for (old, now) in expected {
            assert_eq!(ids.resolve(old), *now, "{pairs:?}: {old}");
        }
    }

    #[test]
    fn in_one_store_names_are_followed_to_the_last_one() {
        let twice = [("a", "b"), ("b", "c")];
        check(IdMap::of_one_store(), &twice, &[("a", "c"), ("b", "c"), ("c", "c"), ("d", "d")]);
        check(IdMap::of_one_store(), &[("b", "c"), ("a", "b")], &[("a", "c")]);
        check(IdMap::of_one_store(), &[("a", "a")], &[("a", "a")]);
        // Rings end, wherever one enters them.
        let ring = [("a", "b"), ("b", "c"), ("c", "b")];
        check(IdMap::of_one_store(), &ring, &[("a", "b"), ("b", "c"), ("c", "b")]);
        // In another store `b` is somebody else.
        check(IdMap::default(), &twice, &[("a", "b"), ("b", "c")]);
    }

    #[test]
    fn later_names_win_and_copies_stay_as_they_were() {
        let mut ids = IdMap::default();
        let mut copies = Vec::new();
        let mut plain: BTreeMap<String, String> = BTreeMap::new();
        for turn in 0..2_000_u32 {
            let (old, new) = (format!("old {}", turn * 7 % 600), format!("new {turn}"));
            ids.insert(&old, &new);
            plain.insert(old, new);
            if turn % 250 == 0 {
                copies.push((ids.clone(), plain.clone()));
            }
        }
        copies.push((ids.clone(), plain));
        for (copy, plain) in &copies {
            for number in 0..700 {
                let old = format!("old {number}");
                assert_eq!(copy.resolve(&old), plain.get(&old).map_or(old.as_str(), String::as_str));
                assert_eq!(copy.knows(&old), plain.contains_key(&old));
            }
            let all: BTreeMap<String, String> =
                copy.iter().map(|(old, new)| (old.to_owned(), new.to_owned())).collect();
            assert_eq!((&all, copy.iter().count()), (plain, plain.len()));
        }
        assert!(ids.layers.len() < 8, "{} layers", ids.layers.len());
    }
}
