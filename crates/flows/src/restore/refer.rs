//! Who refers to whom among the items of a restore.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use connectors::contract::{KindSpec, PlanAction, Restorable};
use connectors::tree;
use serde_json::Value;

use super::candidate::Candidate;

/// Ids that an item refers to, each with its kind; an empty kind: the id tells. A text may hold a list of ids.
pub(super) fn referred(spec: &'static KindSpec, payload: &Value) -> Vec<(String, &'static str)> {
    let mut ids = Vec::new();
    for reference in spec.references {
        for text in tree::select(payload, reference.pointer).into_iter().filter_map(Value::as_str) {
            match serde_json::from_str::<Vec<String>>(text) {
                Ok(list) => ids.extend(list.into_iter().map(|id| (id, reference.kind))),
                Err(_) => ids.push((text.to_owned(), reference.kind)),
            }
        }
    }
    ids
}

/// An id, or what a payload says, in short: two are the same by chance once in 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(u64);

/// The tag of an id.
pub(super) fn tag(id: &str) -> Tag {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    Tag(hasher.finish())
}

/// The tag of a whole payload.
pub(super) fn tag_of(payload: &Value) -> Tag {
    tag(&payload.to_string())
}

/// What an item refers to, and as what others may refer to it. Of payloads only this stays in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Refs {
    /// Ids of other items.
    pub(super) to: Vec<Tag>,
    /// Ids of its own parts.
    pub(super) parts: Vec<Tag>,
}

impl Refs {
    /// Those of an item. Its parts matter only where it may be made anew.
    pub(super) fn of(spec: &'static KindSpec, payload: &Value, made: bool) -> Self {
        let to = referred(spec, payload).iter().map(|(id, _)| tag(id)).collect();
        let mut own = Vec::new();
        if made {
            parts(spec, payload, &mut String::new(), &mut |id| own.push(tag(id)));
        }
        Self { to, parts: own }
    }
}

/// An item as others may refer to it, and it to them.
pub(super) struct Node<'a> {
    pub(super) id: Tag,
    pub(super) spec: &'static KindSpec,
    pub(super) refs: &'a Refs,
    /// Whether it is to be made, and so has no id yet.
    pub(super) made: bool,
}

/// For every item the others to be made that it refers to, by their own ids or by those of their parts.
pub(super) fn refers(nodes: &[Node<'_>]) -> Vec<Vec<usize>> {
    let mut owners: BTreeMap<Tag, usize> = BTreeMap::new();
    let made = || nodes.iter().enumerate().filter(|(_, node)| node.made);
    for (turn, node) in made() {
        for part in &node.refs.parts {
            owners.entry(*part).or_insert(turn);
        }
    }
    owners.extend(made().map(|(turn, node)| (node.id, turn)));
    let targets = |(turn, node): (usize, &Node<'_>)| {
        let found: BTreeSet<usize> = (node.refs.to.iter())
            .filter_map(|id| owners.get(id).copied())
            .filter(|other| *other != turn)
            .collect();
        found.into_iter().collect()
    };
    nodes.iter().enumerate().map(targets).collect()
}

/// Tells the ids of an item's parts: those that the kind's row does not know as another item's.
fn parts<'a>(spec: &KindSpec, value: &'a Value, at: &mut String, tell: &mut impl FnMut(&'a str)) {
    let stem = at.len();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                at.push('/');
                at.push_str(name);
                match field.as_str() {
                    Some(id) if name == "id" && !spec.references.iter().any(|one| one.pointer == at) => {
                        tell(id);
                    }
                    _ => parts(spec, field, at, tell),
                }
                at.truncate(stem);
            }
        }
        Value::Array(elements) => {
            at.push_str("/*");
            elements.iter().for_each(|element| parts(spec, element, at, tell));
            at.truncate(stem);
        }
        _ => {}
    }
}

/// The same items, those of one kind so that what is to be made comes before what refers to it; else as they were.
pub(super) fn in_order(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let nodes: Vec<Node<'_>> = candidates.iter().map(Candidate::node).collect();
    let mut refers = refers(&nodes);
    for (turn, others) in refers.iter_mut().enumerate() {
        let name = |turn: usize| nodes.get(turn).map(|node| node.spec.name);
        others.retain(|other| name(*other) == name(turn));
    }
    let order = depth_first(&refers);
    let mut left: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    order.into_iter().filter_map(|turn| left.get_mut(turn)?.take()).collect()
}

/// Turns, each after those that it refers to, as far as that is possible: a circle is cut where it is entered.
fn depth_first(refers: &[Vec<usize>]) -> Vec<usize> {
    let mut met = vec![false; refers.len()];
    let mut order = Vec::with_capacity(refers.len());
    for first in 0..refers.len() {
        // A turn, and how many of those that it refers to were gone through.
        let mut way = vec![(first, 0)];
        while let Some((turn, through)) = way.pop() {
            let known = met.get_mut(turn).is_none_or(|met| std::mem::replace(met, true));
            if through == 0 && known {
                continue;
            }
            match refers.get(turn).and_then(|others| others.get(through)) {
                Some(other) => {
                    way.push((turn, through + 1));
                    if !met.get(*other).copied().unwrap_or(true) {
                        way.push((*other, 0));
                    }
                }
                None => order.push(turn),
            }
        }
    }
    order
}

/// Whether the kind's natural key holds the id of another item.
pub(super) fn names_another(spec: &KindSpec) -> bool {
    spec.references.iter().any(|reference| spec.natural_key.contains(&reference.pointer))
}

/// Which kinds an id may be of, as far as ids like it were met before.
#[derive(Default)]
pub(super) struct KindsById(BTreeMap<String, &'static str>);

impl KindsById {
    /// Kinds to look in, of all that there are.
    pub(super) fn kinds(&self, id: &str, kind: &'static str, all: &'static [KindSpec]) -> Vec<&'static str> {
        let Some((family, _)) = id.rsplit_once('/') else {
            return if kind.is_empty() { Vec::new() } else { vec![kind] };
        };
        match (kind, self.0.get(family)) {
            ("", Some(kind)) => vec![kind],
            ("", None) => all.iter().map(|spec| spec.name).collect(),
            (kind, _) => vec![kind],
        }
    }

    pub(super) fn note(&mut self, id: &str, kind: &'static str) {
        if let Some((family, _)) = id.rsplit_once('/') {
            self.0.insert(family.to_owned(), kind);
        }
    }
}

/// Items that are gone and never made by themselves, with the id of the item to be written that brings each back:
/// two that refer to each other come into being together.
pub(super) fn followers(candidates: &[Candidate]) -> Vec<(usize, Box<str>)> {
    let gone: BTreeMap<Tag, usize> = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| {
            one.item.live_id.is_none()
                && matches!(one.spec.restore, Restorable::UpdateOnly(_))
                && matches!(one.item.plan.action, PlanAction::Cannot { .. })
        })
        .map(|(turn, one)| (tag(&one.item.id), turn))
        .collect();
    let mut found = Vec::new();
    if gone.is_empty() {
        return found;
    }
    for leader in candidates.iter().filter(|one| one.is_written()) {
        let own = tag(&leader.item.id);
        for id in &leader.refs.to {
            let Some(turn) = gone.get(id) else { continue };
            if candidates.get(*turn).is_some_and(|one| one.refs.to.contains(&own)) {
                found.push((*turn, leader.item.id.clone()));
            }
        }
    }
    found
}

/// Marks the items to be written that refer to something which is made only after them.
pub(super) fn mark_again(candidates: &mut [Candidate]) {
    let nodes: Vec<Node<'_>> = candidates.iter().map(Candidate::node).collect();
    let refers = refers(&nodes);
    for (turn, (one, others)) in candidates.iter_mut().zip(refers).enumerate() {
        // What comes back with another item is written in the second pass anyway.
        let first = one.is_written() && one.item.after.is_none();
        one.item.again = first && others.iter().any(|other| *other > turn);
    }
}

#[cfg(test)]
mod tests {
    use connectors::platforms::shopify;
    use serde_json::json;

    use super::*;

    fn check(items: &[(&str, Value, bool)], expected: &[Vec<usize>]) {
        let refs: Vec<Refs> = (items.iter())
            .map(|(kind, payload, made)| Refs::of(shopify::kind(kind).unwrap(), payload, *made))
            .collect();
        let nodes: Vec<Node<'_>> = (items.iter().zip(&refs))
            .map(|((kind, payload, made), refs)| Node {
                id: tag(payload["id"].as_str().unwrap()),
                spec: shopify::kind(kind).unwrap(),
                refs,
                made: *made,
            })
            .collect();
        assert_eq!(refers(&nodes), expected);
    }

    #[test]
    fn items_are_found_by_their_ids_and_by_those_of_their_parts() {
        let shoe = json!({"id": "product 1", "media": [{"id": "file 1"}],
            "variants": [{"id": "variant 1", "media": [{"id": "file 1"}], "inventoryItem": {"id": "stock 1"}}]});
        let sock = json!({"id": "product 2", "metafields": [{"id": "m", "value": "variant 1"}, {"id": "n", "value": "product 2"}]});
        let sale = json!({"id": "collection 1", "metafields": [{"id": "o", "value": "[\"product 2\",\"product 3\",\"x\"]"}]});
        check(
            &[
                ("file", json!({"id": "file 1"}), true),
                ("product", shoe, true),
                ("product", sock, true),
                ("product", json!({"id": "product 3"}), false),
                ("collection", sale, true),
            ],
            &[vec![], vec![0], vec![1], vec![], vec![2]],
        );
    }

    #[test]
    fn what_is_referred_to_comes_first_and_circles_end() {
        let check = |refers: &[Vec<usize>], expected: &[usize]| assert_eq!(depth_first(refers), expected);
        check(&[vec![], vec![], vec![]], &[0, 1, 2]);
        check(&[vec![2], vec![], vec![1]], &[1, 2, 0]);
        check(&[vec![1], vec![0], vec![0]], &[1, 0, 2]);
        check(&[vec![3, 1], vec![], vec![], vec![2]], &[2, 3, 1, 0]);
        let long: Vec<Vec<usize>> = (1..20_000).map(|next| vec![next]).chain([vec![]]).collect();
        assert_eq!(depth_first(&long).first(), Some(&19_999));
    }
}
