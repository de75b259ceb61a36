//! A reading through the contract, compared with the practice store's own tables: the same items are there, and fields
//! that both name the same way say the same. So the model does not rest on the connectors alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::look::Look;
use super::shops::Make;

/// Kinds and the tables in which their items stand.
const SHOPIFY: &[(&str, &[&str])] = &[
    ("product", &["Product"]),
    ("inventory_item", &["InventoryItem"]),
    ("collection", &["Collection"]),
    ("page", &["Page"]),
    ("blog", &["Blog"]),
    ("article", &["Article"]),
    ("comment", &["Comment"]),
    ("menu", &["Menu"]),
    ("redirect", &["UrlRedirect"]),
    ("script_tag", &["ScriptTag"]),
    ("segment", &["Segment"]),
    ("discount", &["DiscountCodeNode", "DiscountAutomaticNode"]),
    ("customer", &["Customer"]),
    ("order", &["Order"]),
    ("draft_order", &["DraftOrder"]),
    ("gift_card", &["GiftCard"]),
    ("location", &["Location"]),
    ("market", &["Market"]),
    ("price_list", &["PriceList"]),
    ("metaobject", &["Metaobject"]),
    ("metaobject_definition", &["MetaobjectDefinition"]),
    ("metafield_definition", &["MetafieldDefinition"]),
    ("policy", &["ShopPolicy"]),
    ("file", &["MediaImage", "GenericFile", "Video", "Model3d"]),
];

const BIGCOMMERCE: &[(&str, &[&str])] = &[
    ("product", &["product"]),
    ("brand", &["brand"]),
    ("category", &["category"]),
    ("customer", &["customer"]),
    ("customer_group", &["customer_group"]),
    ("customer_attribute", &["customer_attribute"]),
    ("subscriber", &["subscriber"]),
    ("wishlist", &["wishlist"]),
    ("coupon", &["coupon"]),
    ("gift_certificate", &["gift_certificate"]),
    ("banner", &["banner"]),
    ("promotion", &["promotion"]),
    ("page", &["page"]),
    ("blog_post", &["blog_post"]),
    ("redirect", &["redirect"]),
    ("script", &["script"]),
    ("widget", &["widget"]),
    ("price_list", &["price_list"]),
    ("location", &["location"]),
    ("tax_zone", &["tax_zone"]),
    ("tax_rate", &["tax_rate"]),
    ("currency", &["currency"]),
    ("channel", &["channel"]),
    ("site", &["site"]),
    ("shipping_zone", &["shipping_zone"]),
];

/// Fields that the platform shows in another way than it keeps them: kind (empty: all), field, why.
const SHOWN_OTHERWISE: &[(&str, &str, &str)] = &[
    ("customer", "numberOfOrders", "It is shown as a text."),
    ("policy", "url", "The store's own address stands before it."),
    ("file", "url", "The store's own address stands before it."),
    ("customer", "address_count", "It is counted."),
    ("customer", "attribute_count", "It is counted."),
];

/// Where the two differ, and how many fields were compared.
pub(crate) fn differences(make: Make, look: &Look, dump: &Value) -> (Vec<String>, u64) {
    let (tables, prefixed) = match make {
        Make::Shopify => (SHOPIFY, false),
        Make::BigCommerce => (BIGCOMMERCE, true),
    };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (kind, tables) in tables {
        let spec = make.kinds().iter().find(|spec| spec.name == *kind).unwrap();
        let mut unseen: BTreeSet<&str> =
            look.keys().filter(|(of, _)| of == kind).map(|(_, id)| &**id).collect();
        let rows = tables.iter().filter_map(|table| dump.get(table)?.as_object()).flatten();
        // What another app keeps for itself nobody else sees.
        for (id, row) in rows.filter(|(_, row)| row.get("_app").is_none()) {
            let is_number = id.parse::<u64>().is_ok();
            let id = if prefixed && is_number { format!("{kind}/{id}") } else { id.clone() };
            let Some(seen) = look.get(&(spec.name, id.as_str().into())) else {
                wrong.push(format!("{kind} {id} was not read"));
                continue;
            };
            unseen.remove(id.as_str());
            let payload: Value = serde_json::from_slice(&seen.payload).unwrap();
            for (field, kept) in row.as_object().unwrap() {
                let otherwise =
                    |(of, name, _): &(&str, &str, &str)| *name == field && (of.is_empty() || of == kind);
                let Some(shown) = payload.get(field) else { continue };
                if !is_plain(kept) || !is_plain(shown) || SHOWN_OTHERWISE.iter().any(otherwise) {
                    continue;
                }
                compared += 1;
                if kept != shown {
                    wrong.push(format!("{kind} {id} {field}: kept as {kept}, read as {shown}"));
                }
            }
        }
        wrong.extend(unseen.iter().map(|id| format!("{kind} {id} is not there")));
    }
    (wrong, compared)
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}
