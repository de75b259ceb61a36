//! What the platform's descriptions say, held against what the store takes and answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use sandbox::bigcommerce::{Field, Operation, Settings, check_answer, facts};
use serde_json::Value;
use support::bigcommerce::Shop;

/// What the store answers although the descriptions do not have it: where they leave out what their own words or
/// other places name. End of the path, end of the field.
const SHOWN_ANYWAY: &[(&str, &str)] = &[
    ("/orders", "consignments"), // an object only when `consignment_structure` asks for one
    ("/orders/{order_id}", "consignments"),
    ("/fees", ""),                             // described as one fee
    ("/blog/tags", ""),                        // described as a list of lists
    ("", "owner_client_id"),                   // of metafields, described in some places
    ("/metafields", "meta.cursor_pagination"), // its parameters are described
    ("/variants/{variant_id}/metafields", "meta.pagination"),
    ("/channels/{channel_id}/metafields", ""), // described as one metafield
    ("/channels/{channel_id}/metafields/{metafield_id}", ""),
    ("/store/metafields", "id"), // described as texts
    ("/store/metafields/{metafieldId}", "id"),
    ("", "images.image_file"), // described for new and primary images
    ("/images", "data.image_file"),
    ("/images/{image_id}", "data.image_file"),
    ("/products", "data.options.name"),
    ("/products/{product_id}", "data.options.name"),
    ("", "data.reviews"), // words of `include`
    ("", "data.variants"),
    ("", "data.segment_ids"),
    ("", "data.shopper_profile_id"),
    ("/variants", "map_price"),
    ("/variants/{variant_id}", "map_price"),
    ("/catalog/variants", "data.calculated_weight"), // described below products
    ("/catalog/variants", "data.gtin"),
    ("/catalog/variants", "data.image_url"),
    ("/catalog/variants", "data.mpn"),
    ("/bulk-pricing-rules", "data"), // described as one rule
    ("/sites", "meta.pagination"),   // described as empty
    ("/listings", "meta.pagination"),
    ("/customs-information", "meta.pagination.total_pages"),
    ("/routes", "meta.pagination.total_pages"),
];

/// Reads that the store does not serve, and why.
const NOT_SERVED: &[(&str, &str)] = &[
    ("/v2/customers", "V3 has them"),
    ("/v2/customers/count", "V3 has them"),
    ("/v2/customers/{customer_id}", "V3 has them"),
    ("/v2/customers/{customer_id}/addresses", "V3 has them"),
    ("/v2/customers/{customer_id}/addresses/count", "V3 has them"),
    ("/v2/customers/{customer_id}/addresses/{customer_address_id}", "V3 has them"),
    (
        "/v2/orders/{order_id}/shipping_addresses/{shipping_address_id}/shipping_quotes",
        "what a carrier said once",
    ),
    (
        "/v2/orders/{order_id}/consignments/shipping/{shipping_consignment_id}/shipping_quotes",
        "what a carrier said once",
    ),
    ("/v2/pages", "V3 has them"),
    ("/v2/pages/{id}", "V3 has them"),
    ("/v2/redirects", "V3 has them"),
    ("/v2/redirects/count", "V3 has them"),
    ("/v2/redirects/{id}", "V3 has them"),
    ("/v3/abandoned-carts/{token}", "carts are passing"),
    ("/v3/hooks/admin", "of the owner, not of an app"),
    ("/v3/sites/certificates", "no secrets"),
    ("/v3/sites/{site_id}/certificate", "no secrets"),
    ("/v3/storefront/redirects/imex/jobs", "the list does the same"),
    ("/v3/storefront/redirects/imex/export/{uuid}/download", "the list does the same"),
    ("/v3/storefront/redirects/imex/export/{uuid}/events", "the list does the same"),
    ("/v3/storefront/redirects/imex/import/{uuid}/events", "the list does the same"),
];

/// Lists that are empty at first or have less than two things.
const THIN: &[&str] = &[
    "/v3/customers/{customerId}/stored-instruments",
    "/v3/hooks",
    "/v3/hooks/{webhook_id}",
    "/v3/promotions/codes",
    "/v3/tax/products/properties", // asked for one product
    "/v3/themes/jobs/{job_id}",
];

/// How many things of one list are asked for what belongs to them.
const PARENTS_MAX: usize = 14;

/// The ids of a list's things.
fn ids(list: &Value, part: &str) -> Vec<String> {
    let list = if list.is_array() { list } else { &list["data"] };
    if part == "{currency_code}" {
        let list = list.as_array().into_iter().flatten();
        return list.map(|item| item["currency"].as_str().unwrap().to_owned()).collect();
    }
    let names = ["id", "uuid", "category_id", "listing_id", "type_id", "variant_id"];
    let id = |item: &Value| {
        names
            .iter()
            .find_map(|name| item.get(*name))
            .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
    };
    list.as_array().into_iter().flatten().filter_map(id).collect()
}

/// Addresses that fit a template, with ids that are there.
async fn addresses(shop: &Shop, template: &str, lists: &mut BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = vec![String::new()];
    for part in template.split('/').skip(1) {
        let mut next = Vec::new();
        for base in &found {
            if !part.starts_with('{') {
                next.push(format!("{base}/{part}"));
                continue;
            }
            if !lists.contains_key(base) {
                // Some paths have no list of their own.
                let list = match base.as_str() {
                    "/v3/orders" => "/v2/orders",
                    "/v3/themes/custom-templates" => "/v3/themes",
                    base if base.ends_with("/settings/channels") => "/v3/channels",
                    base => base,
                };
                let limit = if facts()
                    .find("GET", list)
                    .is_ok_and(|(operation, _)| operation.parameter("limit").is_some())
                {
                    "?limit=100"
                } else {
                    ""
                };
                let got = shop.get(&format!("{list}{limit}")).await;
                lists.insert(base.clone(), ids(&got.body, part));
            }
            next.extend(lists[base].iter().take(PARENTS_MAX).map(|id| format!("{base}/{id}")));
        }
        found = next;
    }
    found
}

#[tokio::test]
async fn every_read_is_answered_as_it_is_described() {
    let shop = Shop::start(Settings { products: 24, customers: 8, orders: 14, ..Settings::default() }).await;
    let mut lists = BTreeMap::new();
    let mut wrong: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut unserved, mut thin) = (Vec::new(), Vec::new());
    for operation in facts().operations.iter().filter(|operation| operation.method == "GET") {
        let mut addresses = addresses(&shop, operation.path, &mut lists).await;
        if let Some(include) = operation
            .parameter("include")
            .and_then(|include| include.fact.list.as_ref())
            .and_then(|(item, _)| item.text.clone())
        {
            for address in &mut addresses {
                address.push_str(&format!("?include={}", include.words.join(",")));
            }
        }
        let required: Vec<String> = operation
            .query
            .iter()
            .filter(|field| needed(operation, field))
            .map(|field| match field.name.as_str() {
                "template_file" => "template_file=pages/home".to_owned(),
                "code" => "code=WELCOME-1".to_owned(),
                "channel_id" => "channel_id=1".to_owned(),
                "channel_id:in" => "channel_id:in=1".to_owned(),
                "product_id:in" => format!(
                    "product_id:in={}",
                    lists.get("/v3/catalog/products").map_or("1".to_owned(), |ids| ids.join(","))
                ),
                name => panic!("{name} of {}", operation.path),
            })
            .collect();
        if !required.is_empty() {
            for address in &mut addresses {
                address.push(if address.contains('?') { '&' } else { '?' });
                address.push_str(&required.join("&"));
            }
        }
        let mut all = 0;
        let (mut listed, mut answered) = (false, 0);
        for address in &addresses {
            let got = shop.get(address).await;
            match got.status {
                501 => {
                    unserved.push(operation.path);
                    break;
                }
                204 | 404 => continue,
                200 => {}
                status => panic!("{address}: {status} {:#}", got.body),
            }
            answered += 1;
            let list = if got.body.is_array() { &got.body } else { &got.body["data"] };
            if let Some(list) = list.as_array() {
                listed = true;
                all += list.len();
            }
            let path = address.split('?').next().unwrap();
            for violation in check_answer("GET", path, 200, &got.body).err().unwrap_or_default() {
                let field: Vec<&str> =
                    violation.field.split('.').filter(|part| part.parse::<usize>().is_err()).collect();
                let field = field.join(".");
                let anyway = |(path, known): &&(&str, &str)| {
                    operation.path.ends_with(path)
                        && (field.ends_with(known) || field.starts_with(&format!("{known}.")))
                };
                if !SHOWN_ANYWAY.iter().any(|known| anyway(&known)) {
                    wrong
                        .entry(operation.path.to_owned())
                        .or_default()
                        .insert(format!("{field}: {}", violation.what));
                }
            }
        }
        if listed && all < 2 || answered == 0 && unserved.last() != Some(&operation.path) {
            thin.push(operation.path);
        }
    }
    let known: Vec<&str> = NOT_SERVED.iter().map(|(path, _)| *path).collect();
    unserved.extend(thin.iter().filter(|path| known.contains(path)));
    thin.retain(|path| !known.contains(path) && !THIN.contains(path));
    unserved.retain(|path| !known.contains(path));
    assert_eq!(unserved, Vec::<&str>::new(), "not served");
    assert_eq!(thin, Vec::<&str>::new(), "less than two");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_filter_and_order_of_a_list_is_served() {
    let shop = Shop::start(Settings { products: 12, customers: 6, orders: 8, ..Settings::default() }).await;
    let mut lists = BTreeMap::new();
    let mut wrong = Vec::new();
    for operation in facts().operations.iter().filter(|operation| operation.method == "GET") {
        let required: Vec<String> = operation
            .query
            .iter()
            .filter(|field| needed(operation, field))
            .map(|field| format!("{}={}", field.name, sample(&field.name, &field.fact)))
            .collect();
        let Some(address) = addresses(&shop, operation.path, &mut lists).await.into_iter().next() else {
            continue;
        };
        for field in operation.query.iter().filter(|field| {
            !matches!(
                field.name.as_str(),
                "after" | "before" | "exclude_fields" | "include_fields" | "include"
            )
        }) {
            let words = field.fact.text.as_ref().map(|text| text.words.clone()).unwrap_or_default();
            let values = if words.is_empty() { vec![sample(&field.name, &field.fact)] } else { words };
            for value in values {
                let mut query = required.clone();
                query.retain(|part| !part.starts_with(&format!("{}=", field.name)));
                query.push(format!("{}={value}", field.name));
                let got = shop.get(&format!("{address}?{}", query.join("&"))).await;
                let served = matches!(got.status, 200 | 204 | 404 | 501);
                if !served {
                    wrong.push(format!(
                        "{} {}={value}: {} {}",
                        operation.path, field.name, got.status, got.body["title"]
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Parameters that must be given, also where only words say so.
fn needed(operation: &Operation, field: &Field) -> bool {
    field.required
        || operation.path.ends_with("/page-widgets") && field.name == "template_file"
        || operation.path.ends_with("/configurations") && field.name == "channel_id:in"
}

/// A value that a parameter may have.
fn sample(name: &str, fact: &sandbox::bigcommerce::Fact) -> String {
    if let Some((item, _)) = &fact.list {
        return sample(name, item);
    }
    if let Some(text) = &fact.text {
        let date = name.contains("date") || name.contains("created") || name.contains("modified");
        return text.words.first().cloned().unwrap_or_else(|| match name {
            "template_file" => "pages/home".to_owned(),
            "sort" => "id".to_owned(),
            _ if date => "2026-01-01T00:00:00Z".to_owned(),
            _ => "x".to_owned(),
        });
    }
    let number = fact.integer.as_ref().or(fact.number.as_ref());
    match number.map(|number| number.words.first().cloned()) {
        Some(word) => word.unwrap_or_else(|| "1".to_owned()),
        None => "true".to_owned(),
    }
}

/// The table is what the script makes of the official files today, where they are at hand.
#[test]
fn the_table_is_what_the_descriptions_say() {
    let Ok(specs) = std::env::var("BIGCOMMERCE_SPECS") else {
        println!("not compared: BIGCOMMERCE_SPECS names no folder of official descriptions");
        return;
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = |command: &mut std::process::Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let python = output(
        std::process::Command::new(root.join("scripts/python-tools"))
            .arg(root.join(".cache/python-yaml"))
            .arg("pyyaml"),
    );
    let made = output(
        std::process::Command::new(python.trim()).arg(root.join("scripts/bigcommerce-facts")).arg(specs),
    );
    let kept = std::fs::read_to_string(root.join("crates/sandbox/src/bigcommerce/facts.txt")).unwrap();
    assert!(made == kept, "the descriptions have changed: run scripts/bigcommerce-facts");
}
