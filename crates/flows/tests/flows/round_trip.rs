//! Back up, destroy, put back, back up again: equal once ids are mapped, by what we read, by what the stores hold, and
//! by the bytes that they serve.

use std::collections::{BTreeMap, BTreeSet};

use connectors::contract::{KindSpec, Restorable, RestoreOptions};
use connectors::platforms::shopify::KINDS;
use domain::SnapshotNumber;
use flows::restore::{Ask, Selection};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::compare::{Compared, compare};
use crate::dump;
use crate::enrich::enrich;
use crate::world::{World, problems};

pub(crate) fn full_shop() -> Settings {
    Settings { seed: 11, products: 12, customers: 6, orders: 6, ..Settings::default() }
}

/// Everything, with stock.
pub(crate) fn with_stock(from: &str, to: &str, at: SnapshotNumber) -> Ask {
    let options = RestoreOptions { stock: true, ..RestoreOptions::default() };
    Ask { options, ..World::ask(from, to, Selection::At(at)) }
}

/// A whole store, restored into an empty one, and both backed up.
pub(crate) async fn into_an_empty_store() -> (World, Compared, (SnapshotNumber, SnapshotNumber)) {
    let mut world = World::new(1).await;
    world.open("from", full_shop()).await;
    world.open("to", Settings::empty()).await;
    enrich(&world, "from").await;
    let first = world.back_up("from").await;
    let plan = world.plan(&with_stock("from", "to", first)).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    let second = world.back_up("to").await;
    let ids = world.ids("from", "to").await;
    let (before, after) = (world.records("from", first).await, world.records("to", second).await);
    let compared = compare(&before, &after, &ids);
    (world, compared, (first, second))
}

/// Bytes that are not there again, or are others.
fn other_bytes(before: &Digests, after: &Digests, ids: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for ((kind, id, pointer), digest) in before {
        let now = ids.get(id).unwrap_or(id);
        match after.get(&(kind.clone(), now.clone(), pointer.clone())) {
            Some(other) if other == digest => {}
            Some(_) => found.push(format!("{kind} {id} {pointer}: other bytes")),
            None => found.push(format!("{kind} {id} {pointer}: no bytes")),
        }
    }
    found
}

/// Digests by kind, id and pointer.
type Digests = BTreeMap<(String, String, String), String>;

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_in_an_empty_store() {
    let (world, compared, (first, second)) = into_an_empty_store().await;
    assert!(compared.differences.is_empty(), "{:#?}", shown(&compared.differences));
    let ids = world.ids("from", "to").await;
    let found = dump::differences(&world.dump("from"), &world.dump("to"), &ids, dump::LOST);
    assert!(found.is_empty(), "{:#?}", shown(&found));
    assert!(compared.shares.values().map(|share| share.items).sum::<u64>() > 100);
    let (before, after) = (world.bytes("from", first).await, world.bytes("to", second).await);
    assert_eq!(other_bytes(&before, &after, &ids), Vec::<String>::new());
    for kind in ["file", "product", "collection", "article"] {
        assert!(before.keys().any(|(of, ..)| of == kind), "no bytes of any {kind} were compared");
    }
    let digests: BTreeSet<&String> = before.values().collect();
    assert!(digests.len() > 40, "{} different files", digests.len());
    world.check_documents();
}

/// The first of them, cut short.
fn shown(all: &[String]) -> Vec<String> {
    let cut = |one: &String| one.chars().take(300).collect();
    std::iter::once(format!("{} in all", all.len())).chain(all.iter().take(80).map(cut)).collect()
}

/// How the items of one kind are destroyed before they are put back.
enum Destroy {
    /// Each row of these tables of the practice store is deleted by the platform's own mutation.
    Delete(&'static [(&'static str, &'static str)]),
    /// They go with items of this kind, which was destroyed before; their table.
    With(&'static str, &'static str),
    /// They cannot be deleted; what can be written of them is spoilt. The reason, and the mutation with its variables
    /// for a row, or none where the row must stay as it is.
    Spoil(&'static str, &'static [Spoiling]),
}

/// Table, mutation, variables.
type Spoiling = (&'static str, &'static str, fn(&str, &Value) -> Option<Value>);

macro_rules! delete {
    ($id:literal: $kind:literal, $call:literal) => {
        concat!("mutation($", $id, ": ", $kind, ") { ", $call, " { userErrors { message } } }")
    };
    ($call:literal) => {
        concat!("mutation($id: ID!) { ", $call, " { userErrors { message } } }")
    };
}

const UNTRANSLATE: &str = "mutation($id: ID!, $keys: [String!]!) { translationsRemove(resourceId: $id, translationKeys: $keys, locales: [\"de\"]) { userErrors { message } } }";

/// The keys of a row's translations.
fn untranslated(id: &str, row: &Value) -> Option<Value> {
    let keys: Vec<&Value> = row["translations"].as_array()?.iter().map(|one| &one["key"]).collect();
    Some(json!({"id": id, "keys": keys}))
}

/// A row for every kind, in the order of destruction.
const DESTROY: &[(&str, Destroy)] = &[
    (
        "discount",
        Destroy::Delete(&[
            ("DiscountCodeNode", delete!("discountCodeDelete(id: $id)")),
            ("DiscountAutomaticNode", delete!("discountAutomaticDelete(id: $id)")),
        ]),
    ),
    (
        "translation",
        Destroy::Spoil(
            "They stand with what they translate.",
            &[
                ("Product", UNTRANSLATE, |id, row| untranslated(id, row)),
                ("Collection", UNTRANSLATE, |id, row| untranslated(id, row)),
                ("Page", UNTRANSLATE, |id, row| untranslated(id, row)),
                ("Metaobject", UNTRANSLATE, |id, row| untranslated(id, row)),
            ],
        ),
    ),
    ("catalog", Destroy::Delete(&[("MarketCatalog", delete!("catalogDelete(id: $id)"))])),
    ("price_list", Destroy::Delete(&[("PriceList", delete!("priceListDelete(id: $id)"))])),
    (
        "market",
        Destroy::Spoil(
            "The primary market cannot be deleted.",
            &[
                (
                    "Market",
                    "mutation($id: ID!, $input: MarketUpdateInput!) { marketUpdate(id: $id, input: $input) { userErrors { message } } }",
                    |id, market| {
                        market["primary"].as_bool().map(|_| json!({"id": id, "input": {"name": "Spoilt"}}))
                    },
                ),
                ("Market", delete!("marketDelete(id: $id)"), |id, market| {
                    market["primary"].is_null().then(|| json!({"id": id}))
                }),
            ],
        ),
    ),
    (
        "web_presence",
        Destroy::Spoil(
            "That of the primary domain cannot be deleted.",
            &[("MarketWebPresence", delete!("webPresenceDelete(id: $id)"), |id, presence| {
                presence["domain"].is_null().then(|| json!({"id": id}))
            })],
        ),
    ),
    ("segment", Destroy::Delete(&[("Segment", delete!("segmentDelete(id: $id)"))])),
    ("script_tag", Destroy::Delete(&[("ScriptTag", delete!("scriptTagDelete(id: $id)"))])),
    ("draft_order", Destroy::Delete(&[("DraftOrder", delete!("draftOrderDelete(input: {id: $id})"))])),
    (
        "menu",
        Destroy::Spoil(
            "The two menus that themes are built on cannot be deleted.",
            &[
                (
                    "Menu",
                    "mutation($id: ID!, $title: String!, $items: [MenuItemUpdateInput!]!) { menuUpdate(id: $id, title: $title, items: $items) { userErrors { message } } }",
                    |id, menu| {
                        menu["isDefault"]
                            .as_bool()?
                            .then(|| json!({"id": id, "title": "Spoilt", "items": []}))
                    },
                ),
                ("Menu", delete!("menuDelete(id: $id)"), |id, menu| {
                    (menu["isDefault"] != true).then(|| json!({"id": id}))
                }),
            ],
        ),
    ),
    ("redirect", Destroy::Delete(&[("UrlRedirect", delete!("urlRedirectDelete(id: $id)"))])),
    ("article", Destroy::Delete(&[("Article", delete!("articleDelete(id: $id)"))])),
    ("blog", Destroy::Delete(&[("Blog", delete!("blogDelete(id: $id)"))])),
    ("page", Destroy::Delete(&[("Page", delete!("pageDelete(id: $id)"))])),
    ("collection", Destroy::Delete(&[("Collection", delete!("collectionDelete(input: {id: $id})"))])),
    ("product", Destroy::Delete(&[("Product", delete!("productDelete(input: {id: $id})"))])),
    ("inventory_item", Destroy::With("product", "InventoryItem")),
    ("metaobject", Destroy::Delete(&[("Metaobject", delete!("metaobjectDelete(id: $id)"))])),
    (
        "metaobject_definition",
        Destroy::Delete(&[("MetaobjectDefinition", delete!("metaobjectDefinitionDelete(id: $id)"))]),
    ),
    (
        "metafield_definition",
        Destroy::Delete(&[(
            "MetafieldDefinition",
            delete!("metafieldDefinitionDelete(id: $id, deleteAllAssociatedMetafields: true)"),
        )]),
    ),
    (
        "file",
        Destroy::Delete(&[
            ("MediaImage", delete!("fileDelete(fileIds: [$id])")),
            ("GenericFile", delete!("fileDelete(fileIds: [$id])")),
            ("Video", delete!("fileDelete(fileIds: [$id])")),
            ("Model3d", delete!("fileDelete(fileIds: [$id])")),
        ]),
    ),
    (
        "customer",
        Destroy::Spoil(
            "Whoever has bought something cannot be deleted.",
            &[
                (
                    "Customer",
                    "mutation($input: CustomerInput!) { customerUpdate(input: $input) { userErrors { message } } }",
                    |id, customer| {
                        customer.get("lastOrder")?;
                        Some(
                            json!({"input": {"id": id, "firstName": "Spoilt", "note": "spoilt", "taxExempt": true, "taxExemptions": []}}),
                        )
                    },
                ),
                ("Customer", delete!("customerDelete(input: {id: $id})"), |id, customer| {
                    customer.get("lastOrder").is_none().then(|| json!({"id": id}))
                }),
            ],
        ),
    ),
    (
        "order",
        Destroy::Spoil(
            "An order that is gone is never placed again.",
            &[(
                "Order",
                "mutation($input: OrderInput!) { orderUpdate(input: $input) { userErrors { message } } }",
                |id, _| {
                    Some(json!({"input": {"id": id, "note": "spoilt", "poNumber": "spoilt", "tags": []}}))
                },
            )],
        ),
    ),
    (
        "location",
        Destroy::Spoil(
            "One location must be open.",
            &[
                (
                    "Location",
                    "mutation($id: ID!, $input: LocationEditInput!) { locationEdit(id: $id, input: $input) { userErrors { message } } }",
                    |id, location| {
                        (location["isPrimary"] == true).then(
                            || json!({"id": id, "input": {"name": "Spoilt", "address": {"city": "Spoilt"}}}),
                        )
                    },
                ),
                (
                    "Location",
                    "mutation($id: ID!, $key: String!) { locationDeactivate(locationId: $id) @idempotent(key: $key) { locationDeactivateUserErrors { message } } }",
                    |id, location| (location["isPrimary"] != true).then(|| json!({"id": id, "key": id})),
                ),
                (
                    "Location",
                    "mutation($id: ID!) { locationDelete(locationId: $id) { locationDeleteUserErrors { message } } }",
                    |id, location| (location["isPrimary"] != true).then(|| json!({"id": id})),
                ),
            ],
        ),
    ),
    (
        "locale",
        Destroy::Spoil(
            "The main language cannot be disabled.",
            &[(
                "ShopLocale",
                "mutation($locale: String!) { shopLocaleDisable(locale: $locale) { userErrors { message } } }",
                |_, locale| (locale["primary"] != true).then(|| json!({"locale": locale["locale"]})),
            )],
        ),
    ),
    (
        "policy",
        Destroy::Spoil(
            "There is one of each type; it can only be emptied.",
            &[(
                "ShopPolicy",
                "mutation($policy: ShopPolicyInput!) { shopPolicyUpdate(shopPolicy: $policy) { userErrors { message } } }",
                |_, policy| Some(json!({"policy": {"type": policy["type"], "body": ""}})),
            )],
        ),
    ),
    (
        "publication",
        Destroy::Spoil(
            "A sales channel comes with its app, and nothing else can make one.",
            &[(
                "Publication",
                "mutation($id: ID!, $input: PublicationUpdateInput!) { publicationUpdate(id: $id, input: $input) { userErrors { message } } }",
                |id, publication| {
                    let auto = publication["autoPublish"] == true;
                    Some(json!({"id": id, "input": {"autoPublish": !auto}}))
                },
            )],
        ),
    ),
    (
        "shop",
        Destroy::Spoil(
            "There is only one, and nothing but its metafields can be written.",
            &[(
                "Shop",
                "mutation($metafields: [MetafieldIdentifierInput!]!) { metafieldsDelete(metafields: $metafields) { userErrors { message } } }",
                |id, _| Some(json!({"metafields": [{"ownerId": id, "namespace": "shelf", "key": "kept"}]})),
            )],
        ),
    ),
];

#[test]
fn every_kind_is_destroyed_in_the_round_trip() {
    let named: Vec<&str> = DESTROY.iter().map(|(kind, _)| *kind).collect();
    // What is kept for reading alone does not come back.
    let comes_back = |spec: &&KindSpec| !matches!(spec.restore, Restorable::Never(_));
    let kinds: Vec<&str> = KINDS.iter().filter(comes_back).map(|spec| spec.name).collect();
    let missing: Vec<&&str> = kinds.iter().filter(|kind| !named.contains(kind)).collect();
    assert!(missing.is_empty(), "neither destroyed nor with a reason: {missing:?}");
    let unique: BTreeSet<&&str> = named.iter().collect();
    assert_eq!((unique.len(), named.len()), (kinds.len(), kinds.len()));
}

/// Destroys all that can be; answers how many rows of each kind.
async fn destroy(world: &World, name: &str) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (kind, how) in DESTROY {
        let dump = world.dump(name);
        let rows = |table: &str| -> Vec<(String, Value)> {
            dump[table].as_object().into_iter().flatten().map(|(id, row)| (id.clone(), row.clone())).collect()
        };
        let mut count = 0;
        match how {
            Destroy::Delete(tables) => {
                for (table, document) in *tables {
                    for (id, _) in rows(table) {
                        world.owner(name, document, json!({"id": id})).await;
                        count += 1;
                    }
                    assert!(world.dump(name)[*table].is_null(), "{kind}: some of {table} are left");
                }
            }
            Destroy::With(other, table) => {
                assert!(counts[other] > 0 && dump[*table].is_null(), "{kind}");
            }
            Destroy::Spoil(reason, ways) => {
                assert!(reason.ends_with('.'));
                for (table, document, variables) in *ways {
                    for (id, row) in rows(table) {
                        if let Some(variables) = variables(&id, &row) {
                            world.owner(name, document, variables).await;
                            count += 1;
                        }
                    }
                }
            }
        }
        counts.insert(*kind, count);
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_in_the_same_store() {
    let mut world = World::new(4).await;
    world.open("shop", full_shop()).await;
    enrich(&world, "shop").await;
    let first = world.back_up("shop").await;
    let whole = world.dump("shop");
    let bytes = world.bytes("shop", first).await;
    let destroyed = destroy(&world, "shop").await;
    for (kind, count) in &destroyed {
        assert!(*count > 0 || *kind == "inventory_item", "nothing of {kind} was destroyed");
    }
    let files = whole["MediaImage"].as_object().unwrap().len();
    assert!(files > 30 && destroyed["file"] >= files + 4, "{destroyed:?}");
    world.restore(&with_stock("shop", "shop", first)).await;
    let second = world.back_up("shop").await;
    let ids = world.ids("shop", "shop").await;
    let (before, after) = (world.records("shop", first).await, world.records("shop", second).await);
    let compared = compare(&before, &after, &ids);
    assert!(compared.differences.is_empty(), "{:#?}", shown(&compared.differences));
    let found = dump::differences(&whole, &world.dump("shop"), &ids, &dump::lost_here());
    assert!(found.is_empty(), "{:#?}", shown(&found));
    let after = world.bytes("shop", second).await;
    assert_eq!(other_bytes(&bytes, &after, &ids), Vec::<String>::new());
    world.check_documents();
}
