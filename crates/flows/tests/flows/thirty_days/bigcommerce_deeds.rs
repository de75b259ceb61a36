//! What the owner of a BigCommerce store does of a day.

use serde_json::{Value, json};

/// Something that is done to a row of one of the store's tables, or that makes a row.
pub(crate) struct Deed {
    /// What it does, in words.
    pub(crate) name: &'static str,
    /// The table whose row it is done to; empty where it makes one.
    pub(crate) table: &'static str,
    /// The method of the request.
    pub(crate) method: &'static str,
    /// Path and body for a row, and a number that is another one every time; none where the row must stay as it is.
    pub(crate) request: fn(&str, &Value, u64) -> Option<(String, Value)>,
    /// Whether the row is gone after it.
    pub(crate) deletes: bool,
}

/// Few texts, so that things become what they were before.
fn text(what: &str, turn: u64) -> String {
    format!("{what} {}", turn % 4)
}

const fn edit(
    name: &'static str,
    table: &'static str,
    request: fn(&str, &Value, u64) -> Option<(String, Value)>,
) -> Deed {
    Deed { name, table, method: "PUT", request, deletes: false }
}

const fn make(name: &'static str, request: fn(&str, &Value, u64) -> Option<(String, Value)>) -> Deed {
    Deed { name, table: "", method: "POST", request, deletes: false }
}

const fn add(
    name: &'static str,
    table: &'static str,
    request: fn(&str, &Value, u64) -> Option<(String, Value)>,
) -> Deed {
    Deed { name, table, method: "POST", request, deletes: false }
}

const fn delete(
    name: &'static str,
    table: &'static str,
    request: fn(&str, &Value, u64) -> Option<(String, Value)>,
) -> Deed {
    Deed { name, table, method: "DELETE", request, deletes: true }
}

fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| Value::from(id), Value::from)
}

/// A row's own fields, which must be given again, and what becomes of it.
fn again(row: &Value, fields: &[&str], mut changes: Value) -> Option<Value> {
    let all = changes.as_object_mut()?;
    for field in fields {
        all.insert((*field).to_owned(), row.get(field)?.clone());
    }
    Some(changes)
}

fn note(turn: u64) -> Value {
    json!({"namespace": "care", "key": format!("note-{turn}"), "value": "cold", "permission_set": "write"})
}

/// All of them.
pub(crate) const DEEDS: &[Deed] = &[
    edit("prices a product", "product", |id, _, turn| {
        Some((format!("v3/catalog/products/{id}"), json!({"price": 3 + turn % 5})))
    }),
    edit("describes a product", "product", |id, _, turn| {
        Some((format!("v3/catalog/products/{id}"), json!({"description": text("<p>Words", turn) + "</p>"})))
    }),
    make("makes a product", |_, _, turn| {
        let product = json!({"name": format!("New {turn}"), "type": "physical", "weight": 1, "price": 3});
        Some(("v3/catalog/products".to_owned(), product))
    }),
    delete("deletes a product", "product", |id, _, _| {
        Some((format!("v3/catalog/products/{id}"), Value::Null))
    }),
    add("notes something on a product", "product", |id, _, turn| {
        Some((format!("v3/catalog/products/{id}/metafields"), note(turn)))
    }),
    add("adds a field to a product", "product", |id, _, turn| {
        let field = json!({"name": format!("Care {turn}"), "value": "by hand"});
        Some((format!("v3/catalog/products/{id}/custom-fields"), field))
    }),
    edit("prices a variant", "variant", |id, row, turn| {
        let product = row.get("product_id").or_else(|| row.get("_parent"))?;
        Some((format!("v3/catalog/products/{product}/variants/{id}"), json!({"price": 4 + turn % 5})))
    }),
    make("makes a brand", |_, _, turn| {
        Some(("v3/catalog/brands".to_owned(), json!({"name": format!("Brand {turn}")})))
    }),
    edit("titles a brand", "brand", |id, row, turn| {
        let body = again(row, &["name"], json!({"page_title": text("Makers", turn)}))?;
        Some((format!("v3/catalog/brands/{id}"), body))
    }),
    delete("deletes a brand", "brand", |id, _, _| Some((format!("v3/catalog/brands/{id}"), Value::Null))),
    edit("titles a category", "category", |id, _, turn| {
        let one = json!({"category_id": number(id), "page_title": text("Aisle", turn)});
        Some(("v3/catalog/trees/categories".to_owned(), json!([one])))
    }),
    edit("notes something of a customer", "customer", |id, _, turn| {
        let one = json!({"id": number(id), "notes": text("Calls", turn)});
        Some(("v3/customers".to_owned(), json!([one])))
    }),
    make("meets a customer", |_, _, turn| {
        let one = json!({"email": format!("new{turn}@example.com"), "first_name": "Ann", "last_name": format!("No {turn}")});
        Some(("v3/customers".to_owned(), json!([one])))
    }),
    add("notes something on a customer", "customer", |id, _, turn| {
        Some((format!("v3/customers/{id}/metafields"), note(turn)))
    }),
    delete("deletes a customer", "customer", |id, row, _| {
        // An order of somebody who is not there can be edited no more.
        let has_bought_nothing = row.get("email")?.as_str()?.starts_with("new");
        has_bought_nothing.then(|| (format!("v3/customers?id:in={id}"), Value::Null))
    }),
    add("makes a wish list", "customer", |id, _, turn| {
        let list = json!({"customer_id": number(id), "name": format!("Wishes {turn}"), "is_public": false, "items": []});
        Some(("v3/wishlists".to_owned(), list))
    }),
    make("meets a subscriber", |_, _, turn| {
        let one = json!({"email": format!("reader{turn}@example.com"), "first_name": "Ed", "source": "site", "channel_id": 1});
        Some(("v3/customers/subscribers".to_owned(), one))
    }),
    edit("renames a subscriber", "subscriber", |id, _, turn| {
        Some((format!("v3/customers/subscribers/{id}"), json!({"first_name": text("Ed", turn)})))
    }),
    delete("deletes a subscriber", "subscriber", |id, _, _| {
        Some((format!("v3/customers/subscribers/{id}"), Value::Null))
    }),
    edit("renames a group", "customer_group", |id, _, turn| {
        Some((format!("v2/customer_groups/{id}"), json!({"name": format!("Group {turn}")})))
    }),
    delete("deletes a wish list", "wishlist", |id, _, _| Some((format!("v3/wishlists/{id}"), Value::Null))),
    make("makes a coupon", |_, _, turn| {
        let coupon = json!({"name": format!("Coupon {turn}"), "code": format!("CODE{turn}"), "type": "per_total_discount",
            "amount": "5", "applies_to": {"entity": "categories", "ids": [0]}});
        Some(("v2/coupons".to_owned(), coupon))
    }),
    edit("changes a coupon", "coupon", |id, row, turn| {
        // What it applies to may be gone, and would be refused.
        if row.pointer("/applies_to/entity")? != "categories" {
            return None;
        }
        let amount = json!({"amount": format!("{}", 2 + turn % 4)});
        let body = again(row, &["applies_to", "code", "name", "type"], amount)?;
        Some((format!("v2/coupons/{id}"), body))
    }),
    delete("deletes a coupon", "coupon", |id, _, _| Some((format!("v2/coupons/{id}"), Value::Null))),
    edit("rewrites a banner", "banner", |id, row, turn| {
        let content = json!({"content": text("<p>Sale", turn) + "</p>"});
        let body = again(row, &["date_type", "location", "name", "page"], content)?;
        Some((format!("v2/banners/{id}"), body))
    }),
    edit("renames a promotion", "promotion", |id, _, turn| {
        Some((format!("v3/promotions/{id}"), json!({"name": format!("Sale {turn}")})))
    }),
    make("makes a page", |_, _, turn| {
        let page = json!({"name": format!("Page {turn}"), "type": "page", "body": "<p>new</p>"});
        Some(("v3/content/pages".to_owned(), page))
    }),
    edit("rewrites a page", "page", |id, row, turn| {
        let written = row.get("type").is_some_and(|of| of == "page");
        let body = json!({"type": "page", "body": text("<p>Words", turn) + "</p>"});
        written.then(|| (format!("v3/content/pages/{id}"), body))
    }),
    delete("deletes a page", "page", |id, row, _| {
        let written = row.get("type").is_some_and(|of| of == "page");
        written.then(|| (format!("v3/content/pages/{id}"), Value::Null))
    }),
    make("writes a post", |_, _, turn| {
        Some(("v2/blog/posts".to_owned(), json!({"title": format!("Post {turn}"), "body": "<p>new</p>"})))
    }),
    edit("rewrites a post", "blog_post", |id, row, turn| {
        let body = again(row, &["title"], json!({"body": text("<p>Words", turn) + "</p>"}))?;
        Some((format!("v2/blog/posts/{id}"), body))
    }),
    delete("deletes a post", "blog_post", |id, _, _| Some((format!("v2/blog/posts/{id}"), Value::Null))),
    edit("leads a redirect elsewhere", "redirect", |_, row, turn| {
        let to = json!({"type": "url", "url": format!("/to-{}", turn % 4)});
        let one = json!({"from_path": row.get("from_path")?, "site_id": row.get("site_id")?, "to": to});
        Some(("v3/storefront/redirects".to_owned(), json!([one])))
    }),
    delete("deletes a redirect", "redirect", |id, _, _| {
        Some((format!("v3/storefront/redirects?id:in={id}"), Value::Null))
    }),
    edit("notes something of an order", "order", |id, _, turn| {
        Some((format!("v2/orders/{id}"), json!({"staff_notes": text("Wait", turn)})))
    }),
    edit("ships an order", "order", |id, _, turn| {
        Some((format!("v2/orders/{id}"), json!({"status_id": 9 + turn % 3})))
    }),
    edit("renames a price list", "price_list", |id, _, turn| {
        Some((format!("v3/pricelists/{id}"), json!({"name": format!("Prices {turn}")})))
    }),
    edit("renames a location", "location", |id, _, turn| {
        let one = json!({"id": number(id), "label": format!("Place {turn}")});
        Some(("v3/inventory/locations".to_owned(), json!([one])))
    }),
    edit("renames a tax zone", "tax_zone", |id, _, turn| {
        let one = json!({"id": number(id), "name": format!("Zone {turn}")});
        Some(("v3/tax/zones".to_owned(), json!([one])))
    }),
    edit("renames a script", "script", |id, row, turn| {
        // Another app's are its own.
        row.get("_app")
            .is_none()
            .then(|| (format!("v3/content/scripts/{id}"), json!({"name": text("Script", turn)})))
    }),
    add("routes something", "site", |id, _, turn| {
        let route = json!({"type": "product", "matching": format!("{turn}"), "route": "/products/{slug}"});
        Some((format!("v3/sites/{id}/routes"), route))
    }),
    make("notes something on the store", |_, _, turn| {
        Some(("v3/store/metafields".to_owned(), json!([note(turn)])))
    }),
];
