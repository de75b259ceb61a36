//! Readings that break off half way: what is left of them is whole items, or a run that can go on.

use std::time::Duration;

use connectors::contract::{Fault, KindRequest, Store};
use connectors::platforms::shopify::{KINDS, kind};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};
use crate::spool::{Memory, Told};

const DELETE_PRODUCT: &str = "mutation($id: ID!) { productDelete(input: {id: $id}) { deletedProductId } }";

/// What a resumed run finds of a kind: its lines up to the last cursor, and that cursor.
fn durable(told: &[Told], name: &str) -> (Memory, Option<Value>) {
    let last = told.iter().enumerate().rev().find_map(|(at, told)| match told {
        Told::Cursor(kind, cursor) if kind == name => Some((at, cursor.clone())),
        _ => None,
    });
    let Some((at, cursor)) = last else { return (Memory::default(), None) };
    let own =
        told[..=at].iter().filter(|told| matches!(told, Told::Line(line) if line.kind.as_str() == name));
    (Memory::with(own.cloned().collect()), Some(cursor))
}

async fn resume(store: &dyn Store, name: &str, spool: &Memory, resume: Option<Value>) -> Result<(), Fault> {
    let row = KINDS.iter().find(|row| row.name == name).unwrap();
    store.fetch(vec![KindRequest { kind: row, since: None, resume }], spool).await
}

/// The cursor at which all bulk operations of a kind are in the spool, and what the spool held there.
async fn after_bulk(store: &dyn Store, name: &str) -> (Vec<Told>, Value) {
    let told = fetch(store, requests(&[name], None)).await.unwrap().told();
    let all = kind(name).unwrap();
    let at = told.iter().position(|told| {
        let Told::Cursor(of, cursor) = told else { return false };
        let operations = if all.name == "product" { 4 } else { 1 };
        of == name
            && cursor["bulk"].as_object().is_some_and(|parts| {
                parts.len() == operations && parts.values().all(|part| part["done"] == true)
            })
    });
    let at = at.expect("a cursor behind all operations");
    let Told::Cursor(_, cursor) = &told[at] else { panic!("a cursor") };
    let lines = told[..at].iter().filter(|told| matches!(told, Told::Line(_)));
    (lines.cloned().collect(), cursor.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_bulk_operations_alone_leaves_whole_items() {
    let practice = Practice::start(Settings { products: 12, orders: 8, ..Settings::default() }).await;
    let store = practice.open();
    let names = ["product", "order", "customer"];
    let expected = fetch(store.as_ref(), requests(&names, None)).await.unwrap().items(store.as_ref());
    let all = ["502:bulkOperation@1+", "502:bulkOperation@4+", "502:bulkOperation@7+", "502:nodes@1+"];
    for faults in all {
        practice.faults(faults);
        let fetched = fetch(store.as_ref(), requests(&names, None)).await.unwrap();
        for name in names {
            let end = fetched.end(name);
            assert!(end.swept && end.complete, "{faults}: {name} {:?}", end.gaps);
        }
        assert!(fetched.items(store.as_ref()) == expected, "{faults}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_goes_away_ends_the_run_which_goes_on_later() {
    let practice = Practice::start(Settings { products: 25, ..Settings::default() }).await;
    let store = practice.open();
    let expected = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap().items(store.as_ref());
    let mut resumed = 0;
    for from in [3, 6, 9, 12, 15, 18] {
        practice.faults(&format!("502@{from}+"));
        let spool = Memory::default();
        let ended = store.fetch(requests(&["product"], None), &spool).await;
        practice.faults("");
        let Err(fault) = ended else { continue };
        assert!(matches!(fault, Fault::Unavailable(_)), "{from}: {fault}");
        assert!(!spool.told().iter().any(|told| matches!(told, Told::End(_))), "{from}");
        let (spool, cursor) = durable(&spool.told(), "product");
        let started = practice.running.stats().bulk_operations;
        let known = cursor.as_ref().and_then(|cursor| cursor["bulk"].as_object()).map_or(0, |of| of.len());
        resume(store.as_ref(), "product", &spool, cursor.clone()).await.unwrap();
        assert!(spool.end("product").swept, "{from}");
        assert!(spool.items(store.as_ref()) == expected, "{from}: {cursor:?}");
        if cursor.is_some_and(|cursor| cursor.get("bulk").is_some()) {
            let anew = practice.running.stats().bulk_operations - started;
            assert_eq!(anew, 4 - known as u64, "{from}: an operation that is known is not run again");
            resumed += 1;
        }
    }
    assert!(resumed > 0, "an outage while bulk operations are under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_refused_leaves_nothing_of_the_others() {
    let practice = Practice::start(Settings { products: 12, ..Settings::default() }).await;
    let store = practice.open();
    let (lines, mut cursor) = after_bulk(store.as_ref(), "product").await;
    assert!(cursor["bulk"].as_object_mut().unwrap().remove("variant_media").is_some());
    let spool = Memory::with(lines);
    let (_, gone) = spool.items(store.as_ref()).into_keys().next().unwrap();
    practice.send(DELETE_PRODUCT, json!({"id": gone})).await;
    let expected = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap().items(store.as_ref());
    practice.faults("bulk-denied:productVariants@1");
    resume(store.as_ref(), "product", &spool, Some(cursor)).await.unwrap();
    assert!(spool.end("product").swept);
    assert_eq!(
        spool.items(store.as_ref()).into_keys().collect::<Vec<_>>(),
        expected.into_keys().collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_leaves_our_scope_during_a_pause_keeps_no_part_of_it() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let told = fetch(store.as_ref(), requests(&["customer"], None)).await.unwrap().told();
    let (spool, cursor) = durable(&told, "customer");
    assert!(spool.lines() > 0);
    practice.running.set_access(&["read_products"], true);
    resume(store.as_ref(), "customer", &spool, cursor).await.unwrap();
    assert!(spool.end("customer").left_scope);
    assert_eq!(spool.lines(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_operation_saw_does_not_stay() {
    for (name, delete) in [
        ("customer", "mutation($id: ID!) { customerDelete(input: {id: $id}) { deletedCustomerId } }"),
        ("product", DELETE_PRODUCT),
    ] {
        let practice =
            Practice::start(Settings { products: 8, customers: 8, orders: 0, ..Settings::default() }).await;
        let hurried = practice.open_hurried();
        let told = fetch(hurried.as_ref(), requests(&[name], None)).await.unwrap().told();
        // A cursor in the middle of a result, by when most items were there.
        let middle = told.iter().rposition(|told| {
            let Told::Cursor(_, cursor) = told else { return false };
            let part = &cursor["bulk"]["items"];
            part["done"] == false && part["lines"].as_u64() > Some(6)
        });
        let at = middle.expect("a cursor in the middle");
        let (spool, cursor) = durable(&told[..=at], name);
        let ids: Vec<String> = spool
            .told()
            .iter()
            .filter_map(|told| match told {
                Told::Line(line) if line.part.is_empty() => Some(line.id.to_string()),
                _ => None,
            })
            .collect();
        let gone = ids.first().expect("an item in the first half").clone();
        practice.send(delete, json!({"id": gone})).await;
        // Results are kept for seven days.
        practice.clock.shift(Duration::from_secs(8 * 86_400));
        let before = practice.running.stats().bulk_operations;
        resume(hurried.as_ref(), name, &spool, cursor).await.unwrap();
        assert!(spool.end(name).swept, "{name}");
        let expected =
            fetch(hurried.as_ref(), requests(&[name], None)).await.unwrap().items(hurried.as_ref());
        assert!(!expected.keys().any(|(_, id)| *id == gone));
        assert!(practice.running.stats().bulk_operations > before, "{name}: by operations, not by pages");
        let kept: Vec<_> = spool.items(hurried.as_ref()).into_keys().collect();
        assert_eq!(kept, expected.into_keys().collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_another_operations_cursor_made_durable_do_not_stay_either() {
    let practice = Practice::start(Settings { products: 8, ..Settings::default() }).await;
    let store = practice.open();
    let (lines, mut cursor) = after_bulk(store.as_ref(), "product").await;
    let spool = Memory::with(lines);
    let (_, gone) = spool.items(store.as_ref()).into_keys().next().unwrap();
    practice.send(DELETE_PRODUCT, json!({"id": gone})).await;
    // Its lines are there, since another operation's cursor came after them; its own cursor is where it began.
    let items = cursor["bulk"]["items"].as_object_mut().unwrap();
    items.retain(|name, _| name == "operation");
    assert_eq!(items.len(), 1);
    practice.clock.shift(Duration::from_secs(8 * 86_400));
    resume(store.as_ref(), "product", &spool, Some(cursor)).await.unwrap();
    let end = spool.end("product");
    assert!(end.swept && end.complete, "{:?}", end.gaps);
    let expected = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap().items(store.as_ref());
    let kept: Vec<_> = spool.items(store.as_ref()).into_keys().collect();
    assert_eq!(kept, expected.into_keys().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_during_bulk_operations_is_resumed_in_its_own_order() {
    const RETITLE: &str = "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { message } } }";
    let practice = Practice::start(Settings { products: 24, ..Settings::default() }).await;
    let store = practice.open();
    let (lines, cursor) = after_bulk(store.as_ref(), "product").await;
    let mut ids: Vec<String> =
        Memory::with(lines.clone()).items(store.as_ref()).into_keys().map(|(_, id)| id).collect();
    // Their order by time of change is none by id.
    ids.sort_by_key(|id| id.bytes().rev().collect::<Vec<u8>>());
    for id in &ids {
        practice.clock.shift(Duration::from_secs(2));
        practice.send(RETITLE, json!({"product": {"id": id, "title": format!("New {id}")}})).await;
    }
    let expected = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap().items(store.as_ref());
    let whole = Memory::with(lines);
    resume(store.as_ref(), "product", &whole, Some(cursor)).await.unwrap();
    assert!(whole.items(store.as_ref()) == expected);
    let told = whole.told();
    let pages: Vec<usize> = told
        .iter()
        .enumerate()
        .filter(|(_, told)| matches!(told, Told::Cursor(_, cursor) if cursor.get("pages").is_some()))
        .map(|(at, _)| at)
        .collect();
    assert!(pages.len() >= 3, "{}", pages.len());
    for at in pages {
        let (spool, cursor) = durable(&told[..=at], "product");
        resume(store.as_ref(), "product", &spool, cursor.clone()).await.unwrap();
        assert!(spool.end("product").swept);
        assert!(spool.items(store.as_ref()) == expected, "{cursor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_was_refused_is_still_missing_after_a_pause() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let name = "metafield_definition";
    let told = fetch(store.as_ref(), requests(&[name], None)).await.unwrap().told();
    let (spool, cursor) = durable(&told, name);
    resume(store.as_ref(), name, &spool, cursor.clone()).await.unwrap();
    assert!(spool.end(name).swept, "nothing was refused");
    let mut cursor = cursor.unwrap();
    cursor["pages"]["refused"] = json!({"ORDER": "not for this app"});
    resume(store.as_ref(), name, &spool, Some(cursor)).await.unwrap();
    let end = spool.end(name);
    assert!(!end.swept && !end.complete, "{:?}", end.gaps);
    assert_eq!(end.gaps[0].what, "metafield_definition of ORDER");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_version_begins_anew() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let told = fetch(store.as_ref(), requests(&["page"], None)).await.unwrap().told();
    let (spool, cursor) = durable(&told, "page");
    let expected = spool.items(store.as_ref());
    let mut older = cursor.unwrap();
    assert!(older["pages"].as_object_mut().unwrap().remove("by_change").is_some());
    let stale = Memory::with(
        told.iter()
            .filter_map(|told| match told {
                Told::Line(line) => {
                    let line =
                        connectors::contract::Line { id: "gid://shopify/Page/1".into(), ..line.clone() };
                    Some(Told::Line(line))
                }
                _ => None,
            })
            .collect(),
    );
    resume(store.as_ref(), "page", &stale, Some(older)).await.unwrap();
    assert!(stale.end("page").swept);
    assert!(stale.items(store.as_ref()) == expected);
}
