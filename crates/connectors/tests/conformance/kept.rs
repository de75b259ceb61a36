//! Items as a backup has them, and putting them back as whoever has only the contract does.

use std::collections::BTreeSet;

use connectors::contract::{
    Applied, Fault, IdMap, Item, ItemPlan, ItemWrite, Journal, KindSpec, Lookup, PlanAction, Reference,
    Restorable, RestoreOptions, Store,
};
use futures::TryStreamExt as _;
use serde_json::Value;

use super::journal::{Memory, Stored};
use super::{Practised, live, payload, whole};

/// An item of a backup, with its bytes.
pub(crate) struct Kept {
    pub(crate) row: &'static KindSpec,
    pub(crate) id: String,
    pub(crate) wanted: Value,
    pub(crate) media: Stored,
}

impl Kept {
    pub(crate) async fn new(store: &dyn Store, row: &'static KindSpec, item: &Item) -> Self {
        let mut media = Stored::default();
        for source in &item.media {
            let body = store.media(source).await.unwrap();
            let bytes: Vec<bytes::Bytes> = body.bytes.try_collect().await.unwrap();
            media.0.insert(source.pointer.clone(), bytes.concat());
        }
        Self { row, id: item.id.to_string(), wanted: payload(row, item), media }
    }

    pub(crate) async fn write(
        &self,
        store: &dyn Store,
        live: Option<&Value>,
        ids: &IdMap,
        journal: &dyn Journal,
    ) -> Result<Applied, Fault> {
        let options = &RestoreOptions::default();
        let Self { row: kind, id, wanted, media } = self;
        let (kind, former) = (*kind, None);
        store.apply(ItemWrite { kind, id, wanted, live, former, options, ids, media, journal }).await
    }

    pub(crate) fn plan(&self, store: &dyn Store, live: Option<&Value>, ids: &IdMap) -> ItemPlan {
        store.plan(self.row, &self.wanted, live, ids, &RestoreOptions::default())
    }

    /// What is there in its place, by the id that it has now, or by what people know it by.
    pub(crate) async fn there(&self, store: &dyn Store, ids: &IdMap) -> Option<(String, Value)> {
        let found = |item: Item| (item.id.to_string(), payload(self.row, &item));
        if (ids.knows(&self.id) || ids.is_of_one_store())
            && let Some(item) = live(store, self.row, Lookup::Id(ids.resolve(&self.id))).await
        {
            return Some(found(item));
        }
        live(store, self.row, Lookup::Natural(&renamed(&self.wanted, ids))).await.map(found)
    }

    pub(crate) fn comes_back(&self) -> bool {
        !matches!(self.row.restore, Restorable::Never(_))
    }

    /// The one of its kind that it stands below. Lists name neighbours, which the second round sets.
    fn parents(&self) -> impl Iterator<Item = &str> {
        let own =
            |reference: &&Reference| reference.kind == self.row.name && !reference.pointer.contains('*');
        let own = self.row.references.iter().filter(own);
        let named = own.filter_map(|reference| self.wanted.pointer(reference.pointer)?.as_str());
        named.filter(|id| *id != self.id)
    }
}

/// All items of a store with their bytes, in the order of restore: what others refer to comes first.
pub(crate) async fn backup<P: Practised>(store: &dyn Store) -> Vec<Kept> {
    let items = whole::<P>(store, &[]).await.items(store);
    let mut kept = Vec::new();
    for row in P::KINDS {
        let mut own = Vec::new();
        for (_, item) in items.iter().filter(|((of, _), _)| of == row.name) {
            own.push(Kept::new(store, row, item).await);
        }
        // Parents before their children; what stands in a ring comes last, in whichever order.
        let mut rest = own;
        while !rest.is_empty() {
            let waits = |one: &Kept| one.parents().any(|id| rest.iter().any(|other| other.id == id));
            let waiting: BTreeSet<String> =
                rest.iter().filter(|one| waits(one)).map(|one| one.id.clone()).collect();
            let is_ring = waiting.len() == rest.len();
            let (later, now) = rest.into_iter().partition(|one| !is_ring && waiting.contains(&one.id));
            kept.extend::<Vec<Kept>>(now);
            rest = later;
        }
    }
    kept
}

/// A value with the ids that are known now.
pub(crate) fn renamed(value: &Value, ids: &IdMap) -> Value {
    match value {
        Value::String(id) => ids.resolve(id).into(),
        Value::Array(list) => list.iter().map(|one| renamed(one, ids)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, one)| (name.clone(), renamed(one, ids))).collect(),
        other => other.clone(),
    }
}

/// What a plan would change, short enough to read.
pub(crate) fn spelled(plan: &ItemPlan) -> String {
    let changes = plan.fields.iter();
    changes.map(|one| format!("{}\n  from {}\n  to   {}\n", one.path, one.from, one.to)).collect()
}

/// Puts everything back that can be. Twice: the second time for references that led nowhere at first.
pub(crate) async fn restore(store: &dyn Store, kept: &[Kept], ids: &mut IdMap) -> Vec<String> {
    let mut problems = Vec::new();
    for round in 1..=2 {
        for one in kept.iter().filter(|one| one.comes_back()) {
            let found = one.there(store, ids).await;
            if let Some((id, now)) = &found {
                let pairs = store.pair(one.row, &one.wanted, now, ids);
                pairs.iter().for_each(|(old, new)| ids.insert(old, new));
                ids.insert(&one.id, id);
            }
            if found.is_none() && matches!(one.row.restore, Restorable::UpdateOnly(_)) {
                continue;
            }
            let now = found.as_ref().map(|(_, now)| now);
            if matches!(one.plan(store, now, ids).action, PlanAction::Skip | PlanAction::Cannot { .. }) {
                continue;
            }
            let applied = one.write(store, now, ids, &Memory::default()).await;
            let applied = applied.unwrap_or_else(|fault| panic!("{} {}: {fault}", one.row.name, one.id));
            applied.ids.iter().for_each(|(old, new)| ids.insert(old, new));
            // What is not there yet may be refused at first.
            let told = applied.problems.iter().filter(|_| round == 2);
            problems.extend(told.map(|why| format!("{} {}: {why}", one.row.name, one.id)));
        }
    }
    problems
}

/// What was put from a store of every kind into an empty one.
pub(crate) struct Elsewhere<P> {
    pub(crate) from: P,
    pub(crate) to: P,
    pub(crate) kept: Vec<Kept>,
    pub(crate) ids: IdMap,
}

pub(crate) async fn elsewhere<P: Practised>() -> Elsewhere<P> {
    let (from, to) = (P::start_with(super::Size::Whole).await, P::start_with(super::Size::Empty).await);
    let kept = backup::<P>(super::open(&from).as_ref()).await;
    let mut ids = IdMap::default();
    let problems = restore(super::open(&to).as_ref(), &kept, &mut ids).await;
    assert_eq!(problems, Vec::<String>::new());
    Elsewhere { from, to, kept, ids }
}
