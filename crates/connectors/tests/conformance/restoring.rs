//! Putting back: what differs and nothing else, once and not twice, whatever broke off on the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use connectors::contract::{
    Applied, Fault, IdMap, Journal as _, KindSpec, Lookup, PlanAction, Restorable, RestoreOptions, Store,
};
use serde_json::Value;

use super::journal::{Cut, Memory};
use super::kept::{Elsewhere, Kept, elsewhere, restore, spelled};
use super::reading::are_the_same;
use super::{HOUR, Practised, Size, ledger, live, open, payload, plain, whole};

/// A plain item as a backup has it.
async fn kept<P: Practised>(store: &dyn Store) -> Kept {
    let row = plain::<P>();
    let items = whole::<P>(store, &[row.name]).await.items(store);
    Kept::new(store, row, items.values().next().unwrap()).await
}

impl Kept {
    /// What is there now, by the id that it has now.
    async fn now(&self, store: &dyn Store, ids: &IdMap) -> Value {
        let item = live(store, self.row, Lookup::Id(ids.resolve(&self.id))).await;
        payload(self.row, &item.unwrap_or_else(|| panic!("{} is not there", self.id)))
    }

    /// Nothing is left to do.
    fn is_back(&self, store: &dyn Store, now: &Value, ids: &IdMap, when: &str) {
        let plan = self.plan(store, Some(now), ids);
        assert_eq!(plan.action, PlanAction::Skip, "{when}: {}", spelled(&plan));
    }

    /// It came back, once: there are as many as there were before it was deleted.
    async fn is_back_once<P: Practised>(
        &self,
        practice: &P,
        store: &dyn Store,
        (applied, count): (&Applied, usize),
        when: &str,
    ) -> IdMap {
        practice.pass(HOUR);
        assert_eq!(applied.problems, Vec::<String>::new(), "{when}");
        assert!(!applied.possibly_twice, "{when}");
        let ids = ledger(&applied.ids);
        assert_ne!(ids.resolve(&self.id), self.id, "{when}: what was deleted has a new id");
        self.is_back(store, &self.now(store, &ids).await, &ids, when);
        assert_eq!(whole::<P>(store, &[self.row.name]).await.items(store).len(), count, "{when}");
        ids
    }
}

pub(crate) async fn nothing_is_restored_where_nothing_changed<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let items = whole::<P>(store.as_ref(), &[]).await.items(store.as_ref());
    let (ids, options) = (IdMap::of_one_store(), RestoreOptions::default());
    for ((kind, id), item) in &items {
        let row = P::KINDS.iter().find(|row| row.name == kind).unwrap();
        let wanted = payload(row, item);
        let plan = store.plan(row, &wanted, Some(&wanted), &ids, &options);
        match plan.action {
            PlanAction::Skip => {
                assert!(plan.fields.is_empty() && plan.requests == 0, "{kind} {id}: {plan:?}");
            }
            PlanAction::Cannot { ref why } => assert!(!why.is_empty(), "{kind} {id}"),
            other => panic!("{kind} {id}: {other:?} {:#?}", plan.fields),
        }
        assert_eq!(store.pair(row, &wanted, &wanted, &ids), [], "{kind} {id}");
    }
    let is_restorable = |row: &&KindSpec| !matches!(row.restore, Restorable::Never(_));
    assert!(P::KINDS.iter().any(|row| is_restorable(&row)));
}

pub(crate) async fn what_was_changed_is_set_back_and_nothing_else<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    let store = open(&practice);
    let kept = kept::<P>(store.as_ref()).await;
    let ids = IdMap::of_one_store();
    practice.edit(&kept.id, "spoilt").await;
    let spoilt = kept.now(store.as_ref(), &ids).await;
    let plan = kept.plan(store.as_ref(), Some(&spoilt), &ids);
    assert_eq!(plan.action, PlanAction::Update);
    let [change] = &*plan.fields else { panic!("{:#?}", plan.fields) };
    assert_eq!(change.path, P::PLAIN.text);
    assert_eq!((&change.from, Some(&change.to)), (&"spoilt".into(), kept.wanted.pointer(P::PLAIN.text)));
    assert!(plan.requests > 0);
    // Who asks for another field alone leaves this one as it is.
    let only = RestoreOptions { fields: vec![P::PLAIN.other.to_owned()], ..RestoreOptions::default() };
    let other = store.plan(kept.row, &kept.wanted, Some(&spoilt), &ids, &only);
    assert_eq!((other.action, other.fields.len()), (PlanAction::Skip, 0));
    assert_eq!(kept.plan(store.as_ref(), None, &ids).action, PlanAction::Create);

    let applied = kept.write(store.as_ref(), Some(&spoilt), &ids, &Memory::default()).await.unwrap();
    assert_eq!((applied.problems.len(), applied.possibly_twice), (0, false), "{applied:?}");
    practice.pass(HOUR);
    let back = kept.now(store.as_ref(), &ids).await;
    assert_eq!(back.pointer(P::PLAIN.text), kept.wanted.pointer(P::PLAIN.text));
    kept.is_back(store.as_ref(), &back, &ids, "set back");
    // Once it is as it was, nothing is sent.
    let before = store.usage().requests;
    let applied = kept.write(store.as_ref(), Some(&back), &ids, &Memory::default()).await.unwrap();
    assert_eq!((applied.problems.len(), store.usage().requests - before), (0, 0), "{applied:?}");
}

pub(crate) async fn what_was_deleted_comes_back_once<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    let store = open(&practice);
    let kept = kept::<P>(store.as_ref()).await;
    let count = whole::<P>(store.as_ref(), &[kept.row.name]).await.items(store.as_ref()).len();
    let (ids, journal) = (IdMap::of_one_store(), Memory::default());
    let found = live(store.as_ref(), kept.row, Lookup::Natural(&kept.wanted)).await;
    assert_eq!(found.map(|item| item.id.to_string()).as_deref(), Some(kept.id.as_str()));
    practice.remove(&kept.id).await;
    assert_eq!(live(store.as_ref(), kept.row, Lookup::Id(&kept.id)).await, None);
    assert_eq!(live(store.as_ref(), kept.row, Lookup::Natural(&kept.wanted)).await, None);
    let applied = kept.write(store.as_ref(), None, &ids, &journal).await.unwrap();
    let now = kept.is_back_once(&practice, store.as_ref(), (&applied, count), "the first time").await;
    let found = live(store.as_ref(), kept.row, Lookup::Natural(&kept.wanted)).await.unwrap();
    assert_eq!(&*found.id, now.resolve(&kept.id), "it is found by what people know it by");
    // Applied again by the same journal, as by a run that does not know how far the last one was.
    let again = kept.write(store.as_ref(), None, &ids, &journal).await.unwrap();
    kept.is_back_once(&practice, store.as_ref(), (&again, count), "the second time").await;
    // An undo takes it away; twice is once.
    for _ in 0..2 {
        store.delete(kept.row, now.resolve(&kept.id)).await.unwrap();
        assert_eq!(live(store.as_ref(), kept.row, Lookup::Id(now.resolve(&kept.id))).await, None);
    }
}

/// Everything, and what it refers to: each leads to its neighbours there.
pub(crate) async fn everything_comes_back_in_an_empty_store<P: Practised>() {
    let Elsewhere { from, to, kept, mut ids } = elsewhere::<P>().await;
    let store = open(&to);
    let mut kinds = BTreeSet::new();
    let (mut count, mut refused) = (0, 0);
    for one in kept.iter().filter(|one| one.comes_back()) {
        let Some((_, now)) = one.there(store.as_ref(), &ids).await else {
            let action = one.plan(store.as_ref(), None, &ids).action;
            assert!(matches!(action, PlanAction::Cannot { .. }), "{} {}: {action:?}", one.row.name, one.id);
            refused += usize::from(one.row.restore == Restorable::Yes);
            continue;
        };
        let plan = one.plan(store.as_ref(), Some(&now), &ids);
        assert_eq!(plan.action, PlanAction::Skip, "{} {}: {}", one.row.name, one.id, spelled(&plan));
        kinds.insert(one.row.name);
        count += 1;
    }
    let mut made = P::KINDS.iter().filter(|row| row.restore == Restorable::Yes).map(|row| row.name);
    assert!(made.all(|kind| kinds.contains(kind)), "{kinds:?}");
    assert!(count > kinds.len(), "{count}");
    assert_eq!(refused, P::REFUSED);
    let source = whole::<P>(open(&from).as_ref(), &[]).await.items(store.as_ref());
    assert!(kept.iter().all(|one| source.contains_key(&(one.row.name.to_owned(), one.id.clone()))));
    P::look_through(&from, &to);
    // Once more is as if nothing had been asked for: nothing is made, and nothing changes.
    let before = whole::<P>(store.as_ref(), &[]).await.items(store.as_ref());
    assert_eq!(restore(store.as_ref(), &kept, &mut ids).await, Vec::<String>::new());
    let after = whole::<P>(store.as_ref(), &[]).await.items(store.as_ref());
    are_the_same(&after, &before, "restored once more");
}

/// The step that makes an item, by the name that all platforms give it.
const CREATE: &str = "create";

/// More notes, and more requests, than the restore of any plain item makes.
const MOST: u32 = 60;

/// Deletes an item, has a restore of it broken off, goes on, and looks: for each n, until there is no n-th any more.
async fn broken_off<P: Practised>(
    attempt: impl AsyncFn(&P, &dyn Store, &Kept, &IdMap, &Arc<Memory>, u32) -> Option<Result<Applied, Fault>>,
) {
    let practice = P::start_with(Size::Few).await;
    let store = open(&practice);
    let kept = kept::<P>(store.as_ref()).await;
    let count = whole::<P>(store.as_ref(), &[kept.row.name]).await.items(store.as_ref()).len();
    practice.remove(&kept.id).await;
    let ids = IdMap::of_one_store();
    for n in 1..MOST {
        let journal = Arc::new(Memory::default());
        let Some(first) = attempt(&practice, store.as_ref(), &kept, &ids, &journal, n).await else {
            assert!(n > 1, "nothing was broken off");
            return;
        };
        let applied = match first {
            Ok(applied) => applied,
            Err(_) => kept.write(store.as_ref(), None, &ids, journal.as_ref()).await.unwrap(),
        };
        let when = format!("broken off at {n}");
        let now = kept.is_back_once(&practice, store.as_ref(), (&applied, count), &when).await;
        assert!(!journal.is_in_doubt(CREATE), "{when}: {:?}", journal.steps());
        store.delete(kept.row, now.resolve(&kept.id)).await.unwrap();
        practice.pass(HOUR);
    }
    panic!("it never ended");
}

pub(crate) async fn a_restore_cut_off_at_any_note_makes_nothing_twice<P: Practised>() {
    for durable in [false, true] {
        broken_off::<P>(async |_, store, kept, ids, journal, n| {
            let cut = Cut::new(Arc::clone(journal), n, durable);
            let applied = kept.write(store, None, ids, &cut).await;
            if !cut.was_reached() {
                // It went through: there is no n-th note.
                assert!(applied.is_ok());
                return None;
            }
            assert!(matches!(applied, Err(Fault::Spool(_))), "{applied:?}");
            Some(applied)
        })
        .await;
    }
}

pub(crate) async fn no_answer_that_is_lost_makes_anything_twice<P: Practised>() {
    broken_off::<P>(async |practice, store, kept, ids, journal, n| {
        let before = practice.received();
        practice.set_faults(&P::lost(n));
        let applied = kept.write(store, None, ids, journal.as_ref()).await;
        practice.set_faults("");
        if practice.received() - before < u64::from(n) { None } else { Some(applied) }
    })
    .await;
}
