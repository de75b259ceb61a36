//! What the owner of a Shopify store does of a day.

use serde_json::{Value, json};

/// Something that is done to a row of one of the store's tables, or that makes a row.
pub(crate) struct Deed {
    /// What it does, in words.
    pub(crate) name: &'static str,
    /// The table whose row it is done to; empty where it makes one.
    pub(crate) table: &'static str,
    /// The mutation.
    pub(crate) document: &'static str,
    /// Its variables for a row, and a number that is another one every time; none where the row must stay as it is.
    pub(crate) variables: fn(&str, &Value, u64) -> Option<Value>,
    /// Whether the row is gone after it.
    pub(crate) deletes: bool,
}

/// Few texts, so that things become what they were before.
fn text(what: &str, turn: u64) -> String {
    format!("{what} {}", turn % 4)
}

macro_rules! mutation {
    ($vars:literal, $call:literal) => {
        concat!("mutation(", $vars, ") { ", $call, " { userErrors { message } } }")
    };
}

const fn edit(
    name: &'static str,
    table: &'static str,
    document: &'static str,
    variables: fn(&str, &Value, u64) -> Option<Value>,
) -> Deed {
    Deed { name, table, document, variables, deletes: false }
}

const fn make(
    name: &'static str,
    document: &'static str,
    variables: fn(&str, &Value, u64) -> Option<Value>,
) -> Deed {
    Deed { name, table: "", document, variables, deletes: false }
}

const fn delete(
    name: &'static str,
    table: &'static str,
    document: &'static str,
    variables: fn(&str, &Value, u64) -> Option<Value>,
) -> Deed {
    Deed { name, table, document, variables, deletes: true }
}

fn id(id: &str, _: &Value, _: u64) -> Option<Value> {
    Some(json!({ "id": id }))
}

fn metafield(owner: &str, turn: u64) -> Option<Value> {
    let value = text("kept", turn);
    let one = json!({"ownerId": owner, "namespace": "shelf", "key": "note", "type": "single_line_text_field", "value": value});
    Some(json!({ "metafields": [one] }))
}

const METAFIELDS: &str =
    mutation!("$metafields: [MetafieldsSetInput!]!", "metafieldsSet(metafields: $metafields)");

/// All of them.
pub(crate) const DEEDS: &[Deed] = &[
    edit(
        "retitles a product",
        "Product",
        mutation!("$product: ProductUpdateInput!", "productUpdate(product: $product)"),
        |id, _, turn| Some(json!({"product": {"id": id, "title": text("Shoe", turn)}})),
    ),
    edit(
        "describes and tags a product",
        "Product",
        mutation!("$product: ProductUpdateInput!", "productUpdate(product: $product)"),
        |id, _, turn| {
            let tags = json!([text("tag", turn), "kept"]);
            Some(
                json!({"product": {"id": id, "descriptionHtml": text("<p>Words", turn) + "</p>", "tags": tags}}),
            )
        },
    ),
    edit(
        "prices a variant",
        "ProductVariant",
        mutation!(
            "$product: ID!, $variants: [ProductVariantsBulkInput!]!",
            "productVariantsBulkUpdate(productId: $product, variants: $variants)"
        ),
        |id, row, turn| {
            let price = format!("{}.50", 3 + turn % 5);
            Some(json!({"product": row.get("product")?, "variants": [{"id": id, "price": price}]}))
        },
    ),
    edit("notes something on a product", "Product", METAFIELDS, |id, _, turn| metafield(id, turn)),
    edit("notes something on a variant", "ProductVariant", METAFIELDS, |id, _, turn| metafield(id, turn)),
    edit("notes something on a customer", "Customer", METAFIELDS, |id, _, turn| metafield(id, turn)),
    edit("notes something on an order", "Order", METAFIELDS, |id, _, turn| metafield(id, turn)),
    edit("notes something on a page", "Page", METAFIELDS, |id, _, turn| metafield(id, turn)),
    edit("notes something on the shop", "Shop", METAFIELDS, |id, _, turn| metafield(id, turn)),
    edit(
        "takes a note off a product",
        "Product",
        mutation!("$metafields: [MetafieldIdentifierInput!]!", "metafieldsDelete(metafields: $metafields)"),
        |id, _, _| Some(json!({"metafields": [{"ownerId": id, "namespace": "shelf", "key": "note"}]})),
    ),
    make(
        "makes a product",
        mutation!("$product: ProductCreateInput!", "productCreate(product: $product)"),
        |_, _, turn| Some(json!({"product": {"title": format!("New {turn}"), "tags": ["new"]}})),
    ),
    delete("deletes a product", "Product", mutation!("$id: ID!", "productDelete(input: {id: $id})"), id),
    edit(
        "changes the cost of an inventory item",
        "InventoryItem",
        mutation!("$id: ID!, $input: InventoryItemInput!", "inventoryItemUpdate(id: $id, input: $input)"),
        |id, _, turn| Some(json!({"id": id, "input": {"cost": format!("{}.25", 1 + turn % 4)}})),
    ),
    edit(
        "retitles a collection",
        "Collection",
        mutation!("$input: CollectionInput!", "collectionUpdate(input: $input)"),
        |id, _, turn| Some(json!({"input": {"id": id, "title": text("Aisle", turn)}})),
    ),
    delete(
        "deletes a collection",
        "Collection",
        mutation!("$id: ID!", "collectionDelete(input: {id: $id})"),
        id,
    ),
    make(
        "makes a collection",
        mutation!("$collection: CollectionCreateInput!", "collectionCreate(collection: $collection)"),
        |_, _, turn| Some(json!({"collection": {"title": format!("Aisle of {turn}")}})),
    ),
    make("makes a page", mutation!("$page: PageCreateInput!", "pageCreate(page: $page)"), |_, _, turn| {
        Some(json!({"page": {"title": format!("Page {turn}"), "body": "<p>new</p>"}}))
    }),
    edit(
        "rewrites a page",
        "Page",
        mutation!("$id: ID!, $page: PageUpdateInput!", "pageUpdate(id: $id, page: $page)"),
        |id, _, turn| Some(json!({"id": id, "page": {"body": text("<p>Words", turn) + "</p>"}})),
    ),
    delete("deletes a page", "Page", mutation!("$id: ID!", "pageDelete(id: $id)"), id),
    edit(
        "retitles a blog",
        "Blog",
        mutation!("$id: ID!, $blog: BlogUpdateInput!", "blogUpdate(id: $id, blog: $blog)"),
        |id, _, turn| Some(json!({"id": id, "blog": {"title": text("News", turn)}})),
    ),
    edit(
        "retitles an article",
        "Article",
        mutation!("$id: ID!, $article: ArticleUpdateInput!", "articleUpdate(id: $id, article: $article)"),
        |id, _, turn| Some(json!({"id": id, "article": {"title": text("Story", turn)}})),
    ),
    delete("deletes an article", "Article", mutation!("$id: ID!", "articleDelete(id: $id)"), id),
    edit(
        "notes something of a customer",
        "Customer",
        mutation!("$input: CustomerInput!", "customerUpdate(input: $input)"),
        |id, _, turn| Some(json!({"input": {"id": id, "note": text("Calls", turn)}})),
    ),
    make(
        "meets a customer",
        mutation!("$input: CustomerInput!", "customerCreate(input: $input)"),
        |_, _, turn| {
            let email = format!("new{turn}@example.com");
            Some(json!({"input": {"email": email, "firstName": "Ann", "lastName": format!("No {turn}")}}))
        },
    ),
    delete(
        "deletes a customer",
        "Customer",
        mutation!("$id: ID!", "customerDelete(input: {id: $id})"),
        // Whoever has bought something cannot be deleted.
        |of, row, turn| if row.get("lastOrder").is_none() { id(of, row, turn) } else { None },
    ),
    edit(
        "notes something of an order",
        "Order",
        mutation!("$input: OrderInput!", "orderUpdate(input: $input)"),
        |id, _, turn| Some(json!({"input": {"id": id, "note": text("Wait", turn)}})),
    ),
    make(
        "drafts an order",
        mutation!("$input: DraftOrderInput!", "draftOrderCreate(input: $input)"),
        |_, _, turn| {
            let line = json!({"title": "Engraving", "quantity": 1 + turn % 3,
                "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"}});
            Some(json!({"input": {"email": format!("bob{turn}@example.com"), "lineItems": [line]}}))
        },
    ),
    edit(
        "notes something of a draft",
        "DraftOrder",
        mutation!("$id: ID!, $input: DraftOrderInput!", "draftOrderUpdate(id: $id, input: $input)"),
        |id, row, turn| {
            let open = row.get("status").is_none_or(|status| status == "OPEN");
            open.then(|| json!({"id": id, "input": {"note": text("Soon", turn)}}))
        },
    ),
    delete("deletes a draft", "DraftOrder", mutation!("$id: ID!", "draftOrderDelete(input: {id: $id})"), id),
    make(
        "makes a redirect",
        mutation!("$redirect: UrlRedirectInput!", "urlRedirectCreate(urlRedirect: $redirect)"),
        |_, _, turn| Some(json!({"redirect": {"path": format!("/old-{turn}"), "target": "/"}})),
    ),
    edit(
        "leads a redirect elsewhere",
        "UrlRedirect",
        mutation!(
            "$id: ID!, $redirect: UrlRedirectInput!",
            "urlRedirectUpdate(id: $id, urlRedirect: $redirect)"
        ),
        |id, _, turn| Some(json!({"id": id, "redirect": {"target": format!("/to-{}", turn % 4)}})),
    ),
    delete("deletes a redirect", "UrlRedirect", mutation!("$id: ID!", "urlRedirectDelete(id: $id)"), id),
    make(
        "makes a script tag",
        mutation!("$input: ScriptTagInput!", "scriptTagCreate(input: $input)"),
        |_, _, turn| Some(json!({"input": {"src": format!("https://scripts.example.com/{turn}.js")}})),
    ),
    delete("deletes a script tag", "ScriptTag", mutation!("$id: ID!", "scriptTagDelete(id: $id)"), id),
    edit(
        "renames a segment",
        "Segment",
        mutation!("$id: ID!, $name: String!", "segmentUpdate(id: $id, name: $name)"),
        |id, _, turn| Some(json!({"id": id, "name": format!("Segment {turn}")})),
    ),
    edit(
        "rewrites a policy",
        "ShopPolicy",
        mutation!("$policy: ShopPolicyInput!", "shopPolicyUpdate(shopPolicy: $policy)"),
        |_, row, turn| {
            Some(json!({"policy": {"type": row.get("type")?, "body": text("<p>So be it", turn) + "</p>"}}))
        },
    ),
    edit(
        "renames a location",
        "Location",
        mutation!("$id: ID!, $input: LocationEditInput!", "locationEdit(id: $id, input: $input)"),
        |id, _, turn| Some(json!({"id": id, "input": {"name": format!("Place {turn}")}})),
    ),
    edit(
        "describes a file",
        "MediaImage",
        mutation!("$files: [FileUpdateInput!]!", "fileUpdate(files: $files)"),
        |id, _, turn| Some(json!({"files": [{"id": id, "alt": text("Picture", turn)}]})),
    ),
    delete("deletes a file", "MediaImage", mutation!("$id: ID!", "fileDelete(fileIds: [$id])"), id),
    edit(
        "renames a market",
        "Market",
        mutation!("$id: ID!, $input: MarketUpdateInput!", "marketUpdate(id: $id, input: $input)"),
        |id, _, turn| Some(json!({"id": id, "input": {"name": format!("Market {turn}")}})),
    ),
    edit(
        "renames a price list",
        "PriceList",
        mutation!("$id: ID!, $input: PriceListUpdateInput!", "priceListUpdate(id: $id, input: $input)"),
        |id, _, turn| Some(json!({"id": id, "input": {"name": format!("Prices {turn}")}})),
    ),
    delete(
        "deletes a discount code",
        "DiscountCodeNode",
        mutation!("$id: ID!", "discountCodeDelete(id: $id)"),
        id,
    ),
    edit(
        "ends a discount",
        "DiscountAutomaticNode",
        mutation!("$id: ID!", "discountAutomaticDeactivate(id: $id)"),
        id,
    ),
    delete("deletes an entry", "Metaobject", mutation!("$id: ID!", "metaobjectDelete(id: $id)"), id),
];
