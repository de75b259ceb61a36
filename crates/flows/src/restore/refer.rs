//! Who refers to whom among the items of a restore.

use std::collections::{BTreeMap, BTreeSet};

use connectors::canonical;
use connectors::contract::{KindSpec, PlanAction, Restorable};
use serde_json::Value;

use super::plan::Candidate;

/// Ids that an item refers to, each with its kind; an empty kind: the id tells. A text may hold a list of ids.
pub(super) fn referred(spec: &'static KindSpec, payload: &Value) -> Vec<(String, &'static str)> {
    let mut ids = Vec::new();
    for reference in spec.references {
        for text in canonical::select(payload, reference.pointer).into_iter().filter_map(Value::as_str) {
            match serde_json::from_str::<Vec<String>>(text) {
                Ok(list) => ids.extend(list.into_iter().map(|id| (id, reference.kind))),
                Err(_) => ids.push((text.to_owned(), reference.kind)),
            }
        }
    }
    ids
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
    let gone: BTreeMap<&str, usize> = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| {
            one.live.is_none()
                && matches!(one.spec.restore, Restorable::UpdateOnly(_))
                && matches!(one.item.plan.action, PlanAction::Cannot { .. })
        })
        .map(|(turn, one)| (&*one.item.id, turn))
        .collect();
    let mut found = Vec::new();
    if gone.is_empty() {
        return found;
    }
    for leader in candidates.iter().filter(|one| one.is_written()) {
        for (id, _) in referred(leader.spec, &leader.wanted) {
            let Some(turn) = gone.get(id.as_str()) else { continue };
            let back = candidates.get(*turn).is_some_and(|one| {
                referred(one.spec, &one.wanted).iter().any(|(id, _)| **id == *leader.item.id)
            });
            if back {
                found.push((*turn, leader.item.id.clone()));
            }
        }
    }
    found
}

/// Marks the items to be written that refer to something which is made only after them.
pub(super) fn mark_again(candidates: &mut [Candidate]) {
    let mut still_to_be_made: BTreeSet<Box<str>> = candidates
        .iter()
        .filter(|one| one.item.plan.action == PlanAction::Create)
        .map(|one| one.item.id.clone())
        .collect();
    for one in candidates.iter_mut().filter(|one| one.is_written()) {
        still_to_be_made.remove(&one.item.id);
        one.item.again =
            referred(one.spec, &one.wanted).iter().any(|(id, _)| still_to_be_made.contains(id.as_str()));
    }
}
