//! Reading: whole, in pieces, in increments, and by looking.

use std::collections::{BTreeMap, BTreeSet};

use connectors::contract::{Changes, Fault, Item, KindRequest, Lookup, Store};

use super::{HOUR, Practised, Size, fetch, live, open, payload, plain, requests, whole};
use crate::spool::{Memory, Told};

type Items = BTreeMap<(String, String), Item>;

fn ids(items: &Items) -> BTreeSet<String> {
    items.keys().map(|(_, id)| id.clone()).collect()
}

fn of_kind(items: &Items, kind: &str) -> Items {
    items.iter().filter(|((of, _), _)| of == kind).map(|(key, item)| (key.clone(), item.clone())).collect()
}

pub(crate) fn are_the_same(items: &Items, expected: &Items, when: &str) {
    assert_eq!(items.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{when}");
    for (key, item) in items {
        assert_eq!(item, &expected[key], "{when}: {key:?}");
    }
}

pub(crate) async fn every_kind_is_read_whole_and_twice_the_same<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    assert!(store.kinds().iter().map(|row| row.name).eq(P::KINDS.iter().map(|row| row.name)));
    let first = whole::<P>(store.as_ref(), &[]).await;
    let items = first.items(store.as_ref());
    for row in P::KINDS {
        let end = first.end(row.name);
        assert!(end.complete && end.swept && end.next.is_some(), "{}: {:?}", row.name, end.gaps);
        assert!(!of_kind(&items, row.name).is_empty(), "the practice store has no {}", row.plural);
    }
    assert_eq!(items.len(), ids(&items).len(), "no two items share an id, whatever their kinds");
    for ((kind, id), item) in &items {
        let row = P::KINDS.iter().find(|row| row.name == kind).unwrap();
        assert_eq!(item.summary.len(), row.summary.len(), "{kind}");
        assert_eq!(item.subjects.is_empty(), row.subject.is_none(), "{kind} {id}");
        assert!(payload(row, item).is_object() && !item.canonical.is_empty(), "{kind} {id}");
    }
    let again = whole::<P>(open(&practice).as_ref(), &[]).await.items(store.as_ref());
    are_the_same(&again, &items, "the second time");
}

pub(crate) async fn lines_make_the_same_items_in_whatever_order_they_come<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let read = whole::<P>(store.as_ref(), &[]).await;
    let expected = read.items(store.as_ref());
    let told = read.told();
    assert!(told.iter().any(|told| matches!(told, Told::Line(line) if !line.part.is_empty())));
    // A line that is cut off makes no item.
    for row in P::KINDS {
        let line = told.iter().find_map(|told| match told {
            Told::Line(line) if line.kind.as_str() == row.name && line.part.is_empty() => Some(line.clone()),
            _ => None,
        });
        let mut line = line.unwrap();
        assert!(store.assemble(row, &line.id, &[line.clone()]).unwrap().is_some(), "{}", row.name);
        line.bytes.pop();
        let cut = store.assemble(row, &line.id, &[line.clone()]);
        assert!(matches!(cut, Err(Fault::Malformed(_))), "{}: {cut:?}", row.name);
    }
    let mut reversed = told.clone();
    reversed.reverse();
    are_the_same(&Memory::with(reversed).items(store.as_ref()), &expected, "reversed");
    // Every line far away from its neighbours.
    let mut scattered: Vec<(usize, Told)> = told.into_iter().enumerate().collect();
    scattered.sort_by_key(|(at, _)| (at % 7, *at));
    let scattered = scattered.into_iter().map(|(_, told)| told).collect();
    are_the_same(&Memory::with(scattered).items(store.as_ref()), &expected, "scattered");
}

fn is_line_of(told: &Told, kind: &str) -> bool {
    matches!(told, Told::Line(line) if line.kind.as_str() == kind)
}

/// Once as after a crash right behind each cursor, and once with all lines durable that came behind it: both happen.
pub(crate) async fn a_run_resumes_at_every_cursor<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let read = whole::<P>(store.as_ref(), &[]).await;
    let expected = read.items(store.as_ref());
    let told = read.told();
    let mut resumed = 0;
    for (at, cut) in told.iter().enumerate() {
        let Told::Cursor(kind, cursor) = cut else { continue };
        let own = of_kind(&expected, kind);
        let row = P::KINDS.iter().find(|row| row.name == kind).unwrap();
        let is_own = |told: &&Told| is_line_of(told, kind);
        let behind = told[at..].iter().take_while(|told| !matches!(told, Told::End(_)));
        let behind = behind.filter(is_own).count();
        for more in BTreeSet::from([0, behind / 2]) {
            let lines = told[..=at].iter().filter(is_own).chain(told[at..].iter().filter(is_own).take(more));
            let spool = Memory::with(lines.cloned().collect());
            let request = KindRequest { kind: row, since: None, resume: Some(cursor.clone()) };
            store.fetch(vec![request], &spool).await.unwrap();
            let when = format!("{kind} at {cursor} and {more} lines");
            assert!(spool.end(kind).swept && spool.end(kind).complete, "{when}");
            assert_eq!(spool.end(kind).gaps.len(), 0, "{when}");
            are_the_same(&spool.items(store.as_ref()), &own, &when);
            resumed += 1;
        }
    }
    assert!(resumed > P::KINDS.len(), "{resumed}");
    // Without a cursor a kind is read anew, whatever lines of it there are.
    for row in P::KINDS {
        let own = of_kind(&expected, row.name);
        let mut lines: Vec<Told> = told.iter().filter(|told| is_line_of(told, row.name)).cloned().collect();
        lines.truncate(lines.len() / 2);
        let spool = Memory::with(lines);
        store.fetch(requests::<P>(&[row.name], None), &spool).await.unwrap();
        are_the_same(&spool.items(store.as_ref()), &own, row.name);
    }
}

/// What an increment says is gone, of what was there before.
fn gone(read: &Memory, store: &dyn Store, kind: &str, before: &BTreeSet<String>) -> BTreeSet<String> {
    let of = |told: Vec<(String, String)>| -> BTreeSet<String> {
        told.into_iter().filter(|(of, _)| of == kind).map(|(_, id)| id).collect()
    };
    // What is told to be removed may be told again, as it may have been before.
    let mut gone: BTreeSet<String> = of(read.removed()).intersection(before).cloned().collect();
    if read.end(kind).swept {
        let (there, present) = (ids(&of_kind(&read.items(store), kind)), of(read.present()));
        gone.extend(before.iter().filter(|id| !there.contains(*id) && !present.contains(*id)).cloned());
    }
    gone
}

pub(crate) async fn a_store_that_rests_has_no_changes<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    practice.pass(HOUR);
    let first = whole::<P>(store.as_ref(), &[]).await;
    let before = first.items(store.as_ref());
    practice.pass(HOUR);
    let idle = fetch(store.as_ref(), requests::<P>(&[], Some(&first))).await.unwrap();
    for row in P::KINDS {
        let end = idle.end(row.name);
        assert!(end.complete && end.next.is_some(), "{}: {:?}", row.name, end.gaps);
        let before = ids(&of_kind(&before, row.name));
        assert_eq!(gone(&idle, store.as_ref(), row.name, &before), BTreeSet::new(), "{}", row.name);
    }
    for (key, item) in &idle.items(store.as_ref()) {
        assert_eq!(item.canonical, before[key].canonical, "{key:?}");
    }
    assert!(idle.lines() < first.lines(), "{} lines of {}", idle.lines(), first.lines());
}

pub(crate) async fn an_increment_holds_what_changed_and_knows_what_is_gone<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let row = plain::<P>();
    assert_eq!(row.changes, Changes::UpdatedSince, "{}: the plain kind is one with increments", row.name);
    practice.pass(HOUR);
    let first = whole::<P>(store.as_ref(), &[row.name]).await;
    let all: Vec<String> = ids(&first.items(store.as_ref())).into_iter().collect();
    practice.pass(HOUR);
    practice.edit(&all[0], "changed since").await;
    practice.remove(&all[1]).await;
    let second = fetch(store.as_ref(), requests::<P>(&[row.name], Some(&first))).await.unwrap();
    let end = second.end(row.name);
    assert!(end.complete && end.next.is_some(), "{:?}", end.gaps);
    let items = second.items(store.as_ref());
    assert!(items.len() * 2 < all.len(), "only what changed is read: {} of {}", items.len(), all.len());
    let (before, removed) = (all.iter().cloned().collect(), BTreeSet::from([all[1].clone()]));
    assert_eq!(gone(&second, store.as_ref(), row.name, &before), removed);
    let changed = &items[&(row.name.to_owned(), all[0].clone())];
    assert_eq!(payload(row, changed).pointer(P::PLAIN.text).unwrap(), "changed since");
    // What an increment reads of an item is all of it, as a whole reading has it; and that finds the deletion, too.
    let whole = whole::<P>(store.as_ref(), &[row.name]).await;
    let expected = whole.items(store.as_ref());
    for (key, item) in &items {
        assert_eq!(item, &expected[key], "{key:?}");
    }
    assert!(whole.end(row.name).swept);
    let left: BTreeSet<String> = all.iter().filter(|id| **id != all[1]).cloned().collect();
    assert_eq!(ids(&expected), left);
    // The next one starts where this one ended.
    practice.pass(HOUR);
    let third = fetch(store.as_ref(), requests::<P>(&[row.name], Some(&second))).await.unwrap();
    assert_eq!(gone(&third, store.as_ref(), row.name, &left), BTreeSet::new());
    assert!(third.items(store.as_ref()).iter().all(|(key, item)| item.canonical == expected[key].canonical));
}

pub(crate) async fn what_is_live_is_what_a_reading_gives<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let read = whole::<P>(store.as_ref(), &[]).await.items(store.as_ref());
    for row in P::KINDS {
        // In the order asked, which is not that of the reading, and with gaps where there is nothing.
        let expected: Vec<Item> = of_kind(&read, row.name).into_values().rev().collect();
        let lookups: Vec<Lookup<'_>> = expected.iter().map(|item| Lookup::Id(&item.id)).collect();
        let found = store.live(row, &lookups).await.unwrap();
        assert_eq!(found.len(), expected.len(), "{}", row.name);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.as_ref(), Some(expected), "{} {}", row.name, expected.id);
        }
    }
    let row = plain::<P>();
    let all = of_kind(&read, row.name);
    let mut all = all.keys().map(|(_, id)| id);
    let (one, other) = (all.next().unwrap(), all.next().unwrap());
    practice.remove(one).await;
    let found = store.live(row, &[Lookup::Id(one), Lookup::Id(other)]).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some(), "{found:?}");
    assert_eq!(live(store.as_ref(), row, Lookup::Id(one)).await, None);
}
