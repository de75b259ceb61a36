//! A restore adds to lists and sets their elements back; it never takes away what the backup did not hold. One row for
//! each list: after the backup its owner takes an element out and puts another in, and the restore brings the one back
//! and leaves the other.

use serde_json::{Value, json};

use crate::enrich::{enrich, first};
use crate::round_trip::{full_shop, with_stock};
use crate::world::{World, left_to_do};

/// What its owner did to one list.
struct Row {
    what: &'static str,
    /// The mutations that take an element out and put another in.
    changes: Vec<(String, Value)>,
    /// The row of the practice store that shows it.
    shown_in: (&'static str, String),
    /// A text that stands in it while the element of the backup is there.
    of_backup: String,
    /// The same for the one that was put in since.
    since: String,
}

fn mutation(variables: &str, call: &str) -> String {
    format!("mutation({variables}) {{ {call} {{ userErrors {{ message }} }} }}")
}

fn one(call: &str, variables: &str, input: Value) -> Vec<(String, Value)> {
    vec![(mutation(variables, call), input)]
}

/// The first row of a table that fits.
fn find(dump: &Value, table: &str, fits: impl Fn(&Value) -> bool) -> (String, Value) {
    let rows = dump[table].as_object().unwrap();
    let found = rows.iter().find(|(_, row)| fits(row)).unwrap_or_else(|| panic!("no {table} fits"));
    (found.0.clone(), found.1.clone())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn tags(dump: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |what,
                   table: &'static str,
                   fits: fn(&Value) -> bool,
                   call: &str,
                   variables: &str,
                   input: fn(&str) -> Value| {
        let (id, row) = find(dump, table, fits);
        let of_backup = text(&row["tags"][0]);
        rows.push(Row {
            what,
            changes: one(call, variables, input(&id)),
            shown_in: (table, id),
            of_backup: format!("\"{of_backup}\""),
            since: "\"zz-since\"".to_owned(),
        });
    };
    let tagged = |row: &Value| row["tags"].as_array().is_some_and(|tags| !tags.is_empty());
    add(
        "tags of a product",
        "Product",
        tagged,
        "productUpdate(product: $p)",
        "$p: ProductUpdateInput!",
        |id| json!({"p": {"id": id, "tags": ["zz-since"]}}),
    );
    add(
        "tags of a customer",
        "Customer",
        tagged,
        "customerUpdate(input: $c)",
        "$c: CustomerInput!",
        |id| json!({"c": {"id": id, "tags": ["zz-since"]}}),
    );
    add(
        "tags of an article",
        "Article",
        tagged,
        "articleUpdate(id: $id, article: $a)",
        "$id: ID!, $a: ArticleUpdateInput!",
        |id| json!({"id": id, "a": {"tags": ["zz-since"]}}),
    );
    add(
        "tags of a draft order",
        "DraftOrder",
        tagged,
        "draftOrderUpdate(id: $id, input: $d)",
        "$id: ID!, $d: DraftOrderInput!",
        |id| json!({"id": id, "d": {"tags": ["zz-since"]}}),
    );
    rows
}

fn metafields(dump: &Value) -> Vec<Row> {
    let owners = [
        "Product",
        "ProductVariant",
        "Customer",
        "Collection",
        "Page",
        "Blog",
        "Article",
        "Location",
        "Order",
        "DraftOrder",
        "Shop",
        "DiscountCodeNode",
    ];
    let rows = owners.into_iter().map(|table| {
        let id = first(dump, table).unwrap();
        let gone = json!({"m": [{"ownerId": id, "namespace": "shelf", "key": "kept"}]});
        let new = json!({"m": [{"ownerId": id, "namespace": "shelf", "key": "since", "type": "single_line_text_field", "value": "x"}]});
        Row {
            what: "metafields",
            changes: vec![
                (mutation("$m: [MetafieldIdentifierInput!]!", "metafieldsDelete(metafields: $m)"), gone),
                (mutation("$m: [MetafieldsSetInput!]!", "metafieldsSet(metafields: $m)"), new),
            ],
            shown_in: (table, id),
            of_backup: "\"key\":\"kept\"".to_owned(),
            since: "\"key\":\"since\"".to_owned(),
        }
    });
    rows.collect()
}

fn parts_of_products(dump: &Value) -> Vec<Row> {
    let list = |row: &Value, name: &str| row[name].as_array().map_or(0, Vec::len);
    let (product, row) = find(dump, "Product", |row| list(row, "variants") > 1 && list(row, "options") == 1);
    let gone = text(&row["variants"][1]);
    let option = text(&row["options"][0]["name"]);
    let value = &dump["ProductVariant"][&gone]["values"][0];
    let variants = Row {
        what: "variants and values of options",
        changes: vec![
            (
                mutation("$p: ID!, $v: [ID!]!", "productVariantsBulkDelete(productId: $p, variantsIds: $v)"),
                json!({"p": product, "v": [gone]}),
            ),
            (
                mutation(
                    "$p: ID!, $v: [ProductVariantsBulkInput!]!",
                    "productVariantsBulkCreate(productId: $p, variants: $v)",
                ),
                json!({"p": product, "v": [{"price": "4321.00", "optionValues": [{"optionName": option, "name": "Since"}]}]}),
            ),
        ],
        shown_in: ("", product),
        of_backup: format!("\"values\":[{value}]"),
        since: "\"4321.00\"".to_owned(),
    };
    let (pictured, row) = find(dump, "Product", |row| list(row, "media") > 1);
    let (gone, new) = (text(&row["media"][0]), text(&row["media"][1]));
    let other =
        find(dump, "MediaImage", |image| image["url"].as_str().is_some_and(|url| url.contains("workshop"))).0;
    assert_ne!(other, new);
    let media = Row {
        what: "media of a product",
        changes: one(
            "fileUpdate(files: $f)",
            "$f: [FileUpdateInput!]!",
            json!({"f": [{"id": gone, "referencesToRemove": [pictured]}, {"id": other, "referencesToAdd": [pictured]}]}),
        ),
        shown_in: ("Product", pictured),
        of_backup: format!("\"{gone}\""),
        since: format!("\"{other}\""),
    };
    let publications: Vec<&String> = dump["Publication"].as_object().unwrap().keys().collect();
    let (published, row) = find(dump, "Product", |row| list(row, "publications") == 1);
    let gone = text(&row["publications"][0]["publication"]);
    let new = publications.iter().find(|id| ***id != gone).unwrap().to_string();
    let place = |id: &str| json!({"id": published, "i": [{"publicationId": id}]});
    let publishing = Row {
        what: "where a product is published",
        changes: vec![
            (
                mutation("$id: ID!, $i: [PublicationInput!]!", "publishableUnpublish(id: $id, input: $i)"),
                place(&gone),
            ),
            (
                mutation("$id: ID!, $i: [PublicationInput!]!", "publishablePublish(id: $id, input: $i)"),
                place(&new),
            ),
        ],
        shown_in: ("Product", published.clone()),
        of_backup: format!("\"{gone}\""),
        since: format!("\"{new}\""),
    };
    vec![variants, media, publishing]
}

fn of_collections(dump: &Value) -> Vec<Row> {
    let picks = |row: &Value| {
        row["sources"][0]["inclusion"]["selections"].as_array().map_or(0, Vec::len) > 1
            && row["sortOrder"] == "MANUAL"
    };
    let (id, row) = find(dump, "Collection", picks);
    let source = &row["sources"][0];
    let selections = source["inclusion"]["selections"].as_array().unwrap();
    let gone = text(&selections[0]["product"]);
    let new = find(dump, "Product", |product| {
        !row["sources"].to_string().contains(&text(&product["handle"])) && product["status"] == "ACTIVE"
    });
    let new = dump["Product"]
        .as_object()
        .unwrap()
        .keys()
        .find(|id| !row["sources"].to_string().contains(*id))
        .map_or(new.0, Clone::clone);
    let change = json!({"c": {"id": id, "sourcesToUpdate": [{"condition": {"id": source["id"], "inclusion": {
        "selectionsToRemove": [{"productId": gone}], "selectionsToAdd": [{"productId": new}]}}}]}});
    let picked = Row {
        what: "products picked for a collection",
        changes: one("collectionUpdate(collection: $c)", "$c: CollectionUpdateInput!", change),
        shown_in: ("Collection", id),
        of_backup: format!("\"{gone}\""),
        since: format!("\"{new}\""),
    };
    vec![picked]
}

fn the_rest(dump: &Value) -> Vec<Row> {
    let (menu, row) = find(dump, "Menu", |row| row["handle"] == "help");
    let entry = json!({"title": "Since", "type": "HTTP", "url": "https://since.example/", "items": []});
    let menus = Row {
        what: "entries of a menu",
        changes: one(
            "menuUpdate(id: $id, title: $t, items: $i)",
            "$id: ID!, $t: String!, $i: [MenuItemUpdateInput!]!",
            json!({"id": menu, "t": row["title"], "i": [entry]}),
        ),
        shown_in: ("Menu", menu),
        of_backup: format!("\"title\":{}", row["items"][0]["title"]),
        since: "\"title\":\"Since\"".to_owned(),
    };
    let (customer, row) =
        find(dump, "Customer", |row| row["addressesV2"].as_array().is_some_and(|all| all.len() > 1));
    let gone = &row["addressesV2"][1];
    let address = json!({"address1": "1 Since Street", "city": "Sampleton", "countryCode": "DE"});
    let addresses = Row {
        what: "addresses of a customer",
        changes: vec![
            (
                mutation("$c: ID!, $a: ID!", "customerAddressDelete(customerId: $c, addressId: $a)"),
                json!({"c": customer, "a": gone["id"]}),
            ),
            (
                mutation(
                    "$c: ID!, $a: MailingAddressInput!",
                    "customerAddressCreate(customerId: $c, address: $a)",
                ),
                json!({"c": customer, "a": address}),
            ),
        ],
        shown_in: ("Customer", customer),
        of_backup: gone["address1"].to_string(),
        since: "\"1 Since Street\"".to_owned(),
    };
    let (exempt, row) = find(dump, "Customer", |row| row["taxExemptions"].is_array());
    let exemptions = Row {
        what: "tax exemptions of a customer",
        changes: one(
            "customerUpdate(input: $c)",
            "$c: CustomerInput!",
            json!({"c": {"id": exempt, "taxExemptions": ["CA_STATUS_CARD_EXEMPTION"]}}),
        ),
        shown_in: ("Customer", exempt),
        of_backup: row["taxExemptions"][0].to_string(),
        since: "\"CA_STATUS_CARD_EXEMPTION\"".to_owned(),
    };
    let (discount, row) =
        find(dump, "DiscountCodeNode", |row| row["discount"]["codes"].as_array().unwrap().len() > 2);
    let gone = &row["discount"]["codes"][2];
    let codes = Row {
        what: "codes of a discount",
        changes: vec![
            (
                mutation("$d: ID!, $i: [ID!]!", "discountCodeRedeemCodeBulkDelete(discountId: $d, ids: $i)"),
                json!({"d": discount, "i": [gone["id"]]}),
            ),
            (
                mutation(
                    "$d: ID!, $c: [DiscountRedeemCodeInput!]!",
                    "discountRedeemCodeBulkAdd(discountId: $d, codes: $c)",
                ),
                json!({"d": discount, "c": [{"code": "SINCE"}]}),
            ),
        ],
        shown_in: ("DiscountCodeNode", discount),
        of_backup: gone["code"].to_string(),
        since: "\"SINCE\"".to_owned(),
    };
    let (draft, row) = find(dump, "DraftOrder", |row| row["lineItems"].as_array().unwrap().len() > 1);
    let line = json!({"title": "Since", "quantity": 1, "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"}});
    let lines = Row {
        what: "lines of a draft order",
        changes: one(
            "draftOrderUpdate(id: $id, input: $d)",
            "$id: ID!, $d: DraftOrderInput!",
            json!({"id": draft, "d": {"lineItems": [line]}}),
        ),
        shown_in: ("DraftOrder", draft),
        of_backup: row["lineItems"][0]["variant"].to_string(),
        since: "\"title\":\"Since\"".to_owned(),
    };
    let (kind, row) = find(dump, "MetaobjectDefinition", |row| row["type"] == "maker");
    let change = json!({"id": kind, "d": {"fieldDefinitions": [{"delete": {"key": "story"}},
        {"create": {"key": "since", "name": "Since", "type": "single_line_text_field"}}]}});
    assert!(row.to_string().contains("\"key\":\"story\""));
    let fields = Row {
        what: "fields of a metaobject definition",
        changes: one(
            "metaobjectDefinitionUpdate(id: $id, definition: $d)",
            "$id: ID!, $d: MetaobjectDefinitionUpdateInput!",
            change,
        ),
        shown_in: ("MetaobjectDefinition", kind),
        of_backup: "\"key\":\"story\"".to_owned(),
        since: "\"key\":\"since\"".to_owned(),
    };
    vec![menus, addresses, exemptions, codes, lines, fields]
}

/// What the store shows of it: for variants, all of the product's.
fn shown(dump: &Value, (table, id): &(&str, String)) -> String {
    if !table.is_empty() {
        return dump[*table][id].to_string();
    }
    let variants = dump["ProductVariant"].as_object().unwrap().values();
    variants.filter(|variant| variant["product"] == **id).map(Value::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_since_the_backup_survives_the_restore() {
    let mut world = World::new(6).await;
    world.open("shop", full_shop()).await;
    enrich(&world, "shop").await;
    let at = world.back_up("shop").await;
    let dump = world.dump("shop");
    let rows: Vec<Row> =
        [tags(&dump), metafields(&dump), parts_of_products(&dump), of_collections(&dump), the_rest(&dump)]
            .into_iter()
            .flatten()
            .collect();
    assert!(rows.len() > 24, "{}", rows.len());
    for row in &rows {
        assert!(shown(&dump, &row.shown_in).contains(&row.of_backup), "{}", row.what);
        for (document, variables) in &row.changes {
            world.owner("shop", document, variables.clone()).await;
        }
    }
    let changed = world.dump("shop");
    for Row { what, shown_in, of_backup, since, .. } in &rows {
        let shown = shown(&changed, shown_in);
        assert!(shown.contains(since) && !shown.contains(of_backup), "{what}: {shown}");
    }
    world.restore(&with_stock("shop", "shop", at)).await;
    let restored = world.dump("shop");
    let mut wrong = Vec::new();
    for Row { what, shown_in, of_backup, since, .. } in &rows {
        let shown = shown(&restored, shown_in);
        if !shown.contains(of_backup) {
            wrong.push(format!("{what} of {}: {of_backup} did not come back", shown_in.1));
        }
        if !shown.contains(since) {
            wrong.push(format!("{what} of {}: {since} was taken away", shown_in.1));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing is left to do: what was added is no difference.
    let plan = world.plan(&with_stock("shop", "shop", at)).await;
    let left = left_to_do(&plan);
    assert!(left.is_empty(), "{left:#?}");
    world.check_documents();
}
