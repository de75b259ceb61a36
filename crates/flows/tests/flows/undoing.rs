//! Undoing a restore that changed, made and added, and undoing that undo: the store itself holds what it held.

use std::collections::BTreeMap;

use flows::restore::Selection;
use serde_json::{Value, json};

use crate::dump;
use crate::enrich::{enrich, first};
use crate::round_trip::{full_shop, with_stock};
use crate::world::{World, left_to_do, problems};

/// What an undo cannot make equal, beside the dates that the platform sets.
const NOT_UNDONE: &[(&str, &str, &str)] = &[
    ("Customer", "lifetimeDuration", "The practice store words how long ago the customer came."),
    ("Product", "publishedAt", "What is published again is published from that moment on."),
    ("MetafieldDefinition", "pinnedPosition", "Its place among the pinned ones cannot be set."),
    ("GenericFile", "filename", "The practice store notes under which name a file was uploaded."),
    ("MediaImage", "filename", "The practice store notes under which name a file was uploaded."),
];

/// What the undo of an undo cannot make equal, beside that: history names what was deleted.
const NOT_REDONE: &[(&str, &str, &str)] = &[
    ("Comment", "article", "A comment names the article that was deleted; nobody can write one anew."),
    ("Order", "lineItems", "The lines of an order name the goods that were deleted."),
];

fn find(dump: &Value, table: &str, fits: impl Fn(&Value) -> bool) -> (String, Value) {
    let rows = dump[table].as_object().unwrap();
    let found = rows.iter().find(|(_, row)| fits(row)).unwrap_or_else(|| panic!("no {table} fits"));
    (found.0.clone(), found.1.clone())
}

fn len(row: &Value, list: &str) -> usize {
    row[list].as_array().map_or(0, Vec::len)
}

/// A product that nothing refers to: what led to one that is gone leads nowhere, and cannot be set to that.
async fn lone_product(world: &World) -> String {
    let input = json!({"title": "Lone thing", "tags": ["lone"], "productOptions": [{"name": "Size", "values": [{"name": "S"}, {"name": "M"}]}],
        "variants": [{"optionValues": [{"optionName": "Size", "name": "S"}], "price": "5.00", "inventoryItem": {"cost": "2.00", "tracked": true}},
            {"optionValues": [{"optionName": "Size", "name": "M"}], "price": "6.00"}]});
    let call = "mutation($i: ProductSetInput!) { productSet(input: $i, synchronous: true) { product { id } userErrors { message } } }";
    let made = world.owner("shop", call, json!({"i": input})).await;
    made["productSet"]["product"]["id"].as_str().unwrap().to_owned()
}

/// Everything that a shop's owner may come to regret: things changed, taken out of lists, and deleted.
async fn spoil(world: &World, lone: &str) {
    let dump = world.dump("shop");
    let change = async |variables: &str, call: &str, input: Value| {
        let document = format!("mutation({variables}) {{ {call} {{ userErrors {{ message }} }} }}");
        world.owner("shop", &document, input).await;
    };
    // Changed, and added to.
    let (many, row) = find(&dump, "Product", |row| len(row, "variants") > 1 && len(row, "media") > 1);
    let update = json!({"p": {"id": many, "title": "Spoilt", "tags": ["since"], "seo": {"title": "x", "description": "y"}}});
    change("$p: ProductUpdateInput!", "productUpdate(product: $p)", update).await;
    let gone = json!({"p": many, "v": [row["variants"][1]]});
    change("$p: ID!, $v: [ID!]!", "productVariantsBulkDelete(productId: $p, variantsIds: $v)", gone).await;
    let off = json!({"f": [{"id": row["media"][0], "referencesToRemove": [many]}]});
    change("$f: [FileUpdateInput!]!", "fileUpdate(files: $f)", off).await;
    let prices = json!({"p": many, "v": [{"id": row["variants"][0], "price": "0.01"}]});
    change(
        "$p: ID!, $v: [ProductVariantsBulkInput!]!",
        "productVariantsBulkUpdate(productId: $p, variants: $v)",
        prices,
    )
    .await;
    let metafields: Vec<Value> = [
        "Product",
        "ProductVariant",
        "Collection",
        "Customer",
        "Order",
        "Page",
        "Location",
        "DiscountCodeNode",
        "Shop",
    ]
    .iter()
    .map(|table| json!({"ownerId": first(&dump, table).unwrap(), "namespace": "shelf", "key": "kept"}))
    .collect();
    change("$m: [MetafieldIdentifierInput!]!", "metafieldsDelete(metafields: $m)", json!({"m": metafields}))
        .await;
    let since = json!([{"ownerId": many, "namespace": "shelf", "key": "since", "type": "single_line_text_field", "value": "x"}]);
    change("$m: [MetafieldsSetInput!]!", "metafieldsSet(metafields: $m)", json!({"m": since})).await;
    let (published, row) = find(&dump, "Product", |row| len(row, "publications") == 2);
    let place = json!({"id": published, "i": [{"publicationId": row["publications"][1]["publication"]}]});
    change("$id: ID!, $i: [PublicationInput!]!", "publishableUnpublish(id: $id, input: $i)", place).await;
    let (picked, row) =
        find(&dump, "Collection", |row| len(&row["sources"][0]["inclusion"], "selections") > 1);
    let source = &row["sources"][0];
    let off = json!({"c": {"id": picked, "sourcesToUpdate": [{"condition": {"id": source["id"], "inclusion": {
        "selectionsToRemove": [{"productId": source["inclusion"]["selections"][0]["product"]}]}}}]}});
    change("$c: CollectionUpdateInput!", "collectionUpdate(collection: $c)", off).await;
    let (menu, row) = find(&dump, "Menu", |row| row["handle"] == "help");
    let entries = json!({"id": menu, "t": row["title"], "i": [{"title": "Since", "type": "HTTP", "url": "https://since.example/", "items": []}]});
    change(
        "$id: ID!, $t: String!, $i: [MenuItemUpdateInput!]!",
        "menuUpdate(id: $id, title: $t, items: $i)",
        entries,
    )
    .await;
    let (customer, row) = find(&dump, "Customer", |row| len(row, "addressesV2") > 1);
    let address = json!({"c": customer, "a": row["addressesV2"][1]["id"]});
    change("$c: ID!, $a: ID!", "customerAddressDelete(customerId: $c, addressId: $a)", address).await;
    let person = json!({"c": {"id": customer, "note": "spoilt", "tags": ["since"]}});
    change("$c: CustomerInput!", "customerUpdate(input: $c)", person).await;
    let (discount, row) = find(&dump, "DiscountCodeNode", |row| len(&row["discount"], "codes") > 2);
    let code = json!({"d": discount, "i": [row["discount"]["codes"][2]["id"]]});
    change("$d: ID!, $i: [ID!]!", "discountCodeRedeemCodeBulkDelete(discountId: $d, ids: $i)", code).await;
    let policy = json!({"p": {"type": "REFUND_POLICY", "body": "<p>Never.</p>"}});
    change("$p: ShopPolicyInput!", "shopPolicyUpdate(shopPolicy: $p)", policy).await;
    let order = json!({"o": {"id": first(&dump, "Order"), "note": "spoilt", "tags": ["since"]}});
    change("$o: OrderInput!", "orderUpdate(input: $o)", order).await;
    let (location, _) = find(&dump, "Location", |row| row["name"] == "Shop floor");
    change("$id: ID!", "locationLocalPickupDisable(locationId: $id)", json!({"id": location})).await;
    let edit = json!({"id": location, "i": {"address": {"city": "Spoilt"}}});
    change("$id: ID!, $i: LocationEditInput!", "locationEdit(id: $id, input: $i)", edit).await;
    let (item, row) = find(&dump, "InventoryItem", |row| len(row, "inventoryLevels") > 1);
    let number = item.rsplit('/').next().unwrap();
    let level = row["inventoryLevels"][1]["id"].as_str().unwrap();
    let level = json!({"l": format!("{level}?inventory_item_id={number}")});
    change("$l: ID!", "inventoryDeactivate(inventoryLevelId: $l)", level).await;
    let count = json!({"i": {"name": "available", "reason": "correction", "quantities": [{"inventoryItemId": item,
        "locationId": row["inventoryLevels"][0]["location"], "quantity": 999, "changeFromQuantity": null}]}, "k": "spoil"});
    change(
        "$i: InventorySetQuantitiesInput!, $k: String!",
        "inventorySetQuantities(input: $i) @idempotent(key: $k)",
        count,
    )
    .await;
    let (kind, _) = find(&dump, "MetaobjectDefinition", |row| row["type"] == "care_guide");
    let field =
        json!({"id": kind, "d": {"name": "Spoilt", "fieldDefinitions": [{"delete": {"key": "steps"}}]}});
    change(
        "$id: ID!, $d: MetaobjectDefinitionUpdateInput!",
        "metaobjectDefinitionUpdate(id: $id, definition: $d)",
        field,
    )
    .await;
    // Deleted.
    let (definition, _) = find(&dump, "MetafieldDefinition", |row| row["key"] == "care");
    change(
        "$id: ID!",
        "metafieldDefinitionDelete(id: $id, deleteAllAssociatedMetafields: true)",
        json!({"id": definition}),
    )
    .await;
    let (standard, _) = find(&dump, "MetafieldDefinition", |row| row["standardTemplate"].is_string());
    change(
        "$id: ID!",
        "metafieldDefinitionDelete(id: $id, deleteAllAssociatedMetafields: true)",
        json!({"id": standard}),
    )
    .await;
    change("$id: ID!", "productDelete(input: {id: $id})", json!({"id": lone})).await;
    let (file, _) = find(&dump, "GenericFile", |row| row["url"].as_str().unwrap().contains("conditions"));
    change("$id: ID!", "fileDelete(fileIds: [$id])", json!({"id": file})).await;
    change("$id: ID!", "articleDelete(id: $id)", json!({"id": first(&dump, "Article")})).await;
    change("$id: ID!", "urlRedirectDelete(id: $id)", json!({"id": first(&dump, "UrlRedirect")})).await;
    change("$id: ID!", "draftOrderDelete(input: {id: $id})", json!({"id": first(&dump, "DraftOrder")})).await;
    change(
        "$id: ID!",
        "discountAutomaticDelete(id: $id)",
        json!({"id": first(&dump, "DiscountAutomaticNode")}),
    )
    .await;
    change("$l: String!", "shopLocaleDisable(locale: $l)", json!({"l": "de"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_leaves_the_store_as_it_was_and_its_own_undo_as_it_was_restored() {
    let mut world = World::new(7).await;
    world.open("shop", full_shop()).await;
    enrich(&world, "shop").await;
    let lone = lone_product(&world).await;
    let at = world.back_up("shop").await;
    spoil(&world, &lone).await;
    let spoilt = world.dump("shop");
    let report = world.restore(&with_stock("shop", "shop", at)).await;
    assert!(
        report.created > 8 && report.updated > 12,
        "{} made, {} set back",
        report.created,
        report.updated
    );
    let restored = world.dump("shop");
    let kept = |dump: &Value| dump.to_string().matches("\"key\":\"kept\"").count();
    assert!(kept(&restored) > kept(&spoilt) + 8, "the restore adds metafields");

    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!(undone.deleted, report.created);
    let now = world.dump("shop");
    let nothing = BTreeMap::new();
    let found = dump::differences(&spoilt, &now, &nothing, NOT_UNDONE);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(kept(&now), kept(&spoilt), "what the restore added is gone, and nothing else");
    assert!(now.to_string().contains("\"key\":\"since\""), "what its owner added is there");

    let redone = world.undo(undone.restore).await.unwrap();
    assert!(redone.complete, "{:#?}", problems(&redone));
    let ids = world.ids("shop", "shop").await;
    let not_redone = [NOT_UNDONE, NOT_REDONE].concat();
    let found = dump::differences(&restored, &world.dump("shop"), &ids, &not_redone);
    assert!(found.is_empty(), "{found:#?}");
    // What was made twice over is still known by its first name.
    let plan = world.plan(&World::ask("shop", "shop", Selection::At(at))).await;
    let left = left_to_do(&plan);
    assert!(left.is_empty(), "{left:#?}");
    world.check_documents();
}
