//! What the practice stores themselves hold, compared once ids are mapped.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compare::{SET_BY_THE_PLATFORM, mapped, walk};

/// Fields of the stores' own tables that do not come back, and why.
pub(crate) const LOST: &[(&str, &str, &str)] = &[
    ("Comment", "", "Comments can be read but never written."),
    ("GiftCard", "", "A gift card is money, and is never made again."),
    ("MarketWebPresence", "domain", "A domain is connected by hand."),
    ("Order", "", "Orders are never placed again."),
    ("Customer", "amountSpent", "Orders are never placed again."),
    ("Customer", "numberOfOrders", "Orders are never placed again."),
    ("Customer", "lastOrder", "Orders are never placed again."),
    ("Customer", "lifetimeDuration", "The practice store words how long ago the customer came."),
    ("Customer", "state", "Passwords cannot be read: the customer must sign in anew."),
    ("DraftOrder", "name", "Shopify numbers draft orders itself."),
    ("GenericFile", "filename", "The practice store notes under which name a file was uploaded."),
    ("MediaImage", "filename", "The practice store notes under which name a file was uploaded."),
    ("Video", "filename", "The practice store notes under which name a file was uploaded."),
    ("MetafieldDefinition", "pinnedPosition", "Its place among the pinned ones cannot be set."),
    ("Blog", "feed", "Shopify has no way to set the address of a feed."),
    ("ShopLocale", "name", "Shopify names a language itself."),
    ("ShopPolicy", "title", "Shopify names a policy by its type."),
    ("Product", "publishedAt", "What is published again is published from that moment on."),
    ("Shop", "", "Settings of the shop can be read and not written."),
];

/// The same within one store, where orders, the shop and whatever was not deleted are what they were.
pub(crate) fn lost_here() -> Vec<(&'static str, &'static str, &'static str)> {
    let there = LOST.iter().filter(|(table, ..)| !matches!(*table, "Order" | "Shop")).copied();
    there
        .chain([
            ("Order", "lineItems", "The lines of an order still name the goods that were deleted."),
            ("Order", "fulfillments", "Nobody wrote them."),
        ])
        .collect()
}

/// What fields are when nothing is said.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("InventoryItem", "tracked", "true"),
    ("ProductVariant", "inventoryPolicy", "\"DENY\""),
    ("ProductVariant", "taxable", "true"),
];

/// Rows of a table: those whose id is known by it, the others as texts, with how often each occurs.
#[derive(Default)]
struct Table {
    known: BTreeMap<String, Value>,
    others: BTreeMap<String, usize>,
}

fn tables(
    dump: &Value,
    lost: &[(&str, &str, &str)],
    known: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for (name, rows) in dump.as_object().unwrap() {
        if lost.iter().any(|(of, field, _)| of == name && field.is_empty()) {
            continue;
        }
        let mut table = Table::default();
        for (id, row) in rows.as_object().unwrap() {
            let mut row = plain(row, known);
            let fields = row.as_object_mut().unwrap();
            lost.iter().filter(|(of, ..)| of == name).for_each(|(_, field, _)| drop(fields.remove(*field)));
            for (_, field, value) in DEFAULTS.iter().filter(|(of, ..)| of == name) {
                fields.entry(*field).or_insert(serde_json::from_str(value).unwrap());
            }
            if known(id) {
                table.known.insert(id.clone(), row);
            } else {
                *table.others.entry(sorted(&row)).or_default() += 1;
            }
        }
        tables.insert(name.clone(), table);
    }
    tables
}

/// A row without ids that nobody maps, dates that the platform sets, addresses, and what says nothing.
fn plain(value: &Value, known: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::String(id) if id.starts_with("gid://") && !id.contains(' ') && !known(id) => {
            let kind = id.rsplit_once('/').map_or(id.as_str(), |(kind, _)| kind);
            Value::from(format!("{kind}/?"))
        }
        Value::String(text) if text.starts_with("/cdn/") => Value::from("(address)"),
        Value::Array(elements) => elements.iter().map(|one| plain(one, known)).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, one)| {
                let set = SET_BY_THE_PLATFORM.iter().any(|(field, _)| field == name);
                // What is published again is published from that moment on.
                let published = name.as_str() == "publishDate";
                let silent = name.as_str() == "isActive" && **one == Value::Bool(true)
                    || match one {
                        Value::Null | Value::Bool(false) => true,
                        Value::Array(elements) => elements.is_empty(),
                        _ => false,
                    };
                !(set || published || silent)
            })
            .map(|(name, one)| (name.clone(), in_order(name, plain(one, known))))
            .filter(|(_, one)| !says_nothing(one))
            .collect(),
        other => other.clone(),
    }
}

/// Tags are sorted by name, and a metaobject's fields by its definition: how they are kept says nothing.
fn in_order(name: &str, value: Value) -> Value {
    match value {
        Value::Array(mut elements) if matches!(name, "tags" | "fields" | "translations") => {
            elements.sort_by_key(sorted);
            elements.into()
        }
        other => other,
    }
}

/// What is there when nobody said anything.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "0.00",
        Value::Object(fields) => {
            fields.is_empty() || fields.len() == 1 && fields.values().all(|one| one == "NOT_SUBSCRIBED")
        }
        _ => false,
    }
}

fn sorted(value: &Value) -> String {
    String::from_utf8(connectors::canonical::Rules::new(&[], &[]).canonical(&value.into())).unwrap()
}

/// Where the stores differ: rows of the same id field by field, and rows that are in one of them only.
pub(crate) fn differences(
    before: &Value,
    after: &Value,
    ids: &BTreeMap<String, String>,
    lost: &[(&str, &str, &str)],
) -> Vec<String> {
    let before = mapped(before, ids);
    let news: std::collections::BTreeSet<&str> = ids.values().map(String::as_str).collect();
    let same: std::collections::BTreeSet<&str> = both(&before, after);
    // Entries of menus get new ids with every write.
    let known = |id: &str| !id.contains("/MenuItem/") && (news.contains(id) || same.contains(id));
    let (before, after) = (tables(&before, lost, &known), tables(after, lost, &known));
    let mut found = Vec::new();
    let nothing = Table::default();
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (one, other) = (before.get(name).unwrap_or(&nothing), after.get(name).unwrap_or(&nothing));
        let ids: std::collections::BTreeSet<&String> = one.known.keys().chain(other.known.keys()).collect();
        for id in ids {
            match (one.known.get(id), other.known.get(id)) {
                (Some(a), Some(b)) => walk(&format!("{name} {id} "), a, b, &mut found),
                (Some(_), None) => found.push(format!("{name} {id} is missing")),
                _ => found.push(format!("{name} {id} is too much")),
            }
        }
        for (row, count) in &one.others {
            let there = other.others.get(row).copied().unwrap_or_default();
            found.extend((there..*count).map(|_| format!("{name} is missing: {row}")));
        }
        // A picture of a collection or an article that is uploaded again stands among the files, too.
        for (row, count) in other.others.iter().filter(|_| name != "MediaImage") {
            let there = one.others.get(row).copied().unwrap_or_default();
            found.extend((there..*count).map(|_| format!("{name} is too much: {row}")));
        }
    }
    found
}

/// Ids that stand in both.
fn both<'a>(before: &'a Value, after: &Value) -> std::collections::BTreeSet<&'a str> {
    let mut ids = std::collections::BTreeSet::new();
    for (table, rows) in before.as_object().unwrap() {
        let there = rows.as_object().unwrap().keys().filter(|id| after[table].get(id.as_str()).is_some());
        ids.extend(there.map(String::as_str));
    }
    ids
}
