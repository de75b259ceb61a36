//! What the store's own import takes, out of an export and into another store.

use std::collections::BTreeMap;

use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::cell::{TestCell, text};
use crate::shop::Shop;

/// What an import must bring over, product by product.
fn products(shop: &Shop) -> BTreeMap<String, Value> {
    let dump = shop.running.dump();
    let get = |kind: &str, id: &Value| dump[kind][id.as_str().unwrap_or_default()].clone();
    let product = |product: &Value| {
        let options: Vec<Value> = list(&product["options"])
            .map(|option| {
                let values: Vec<&Value> = list(&option["optionValues"]).map(|value| &value["name"]).collect();
                json!([option["name"], values])
            })
            .collect();
        let variants: Vec<Value> = list(&product["variants"])
            .map(|id| {
                let variant = get("ProductVariant", id);
                let item = get("InventoryItem", &variant["inventoryItem"]);
                // A dump leaves out what holds its default.
                let or =
                    |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
                let yes = |value: &Value| or(value, json!(true));
                json!([
                    variant["values"],
                    variant["price"],
                    variant["compareAtPrice"],
                    variant["barcode"],
                    yes(&variant["taxable"]),
                    or(&variant["inventoryPolicy"], json!("DENY")),
                    item["sku"],
                    yes(&item["tracked"]),
                    yes(&item["requiresShipping"]),
                    grams(&item["weight"]),
                ])
            })
            .collect();
        let own = ["title", "vendor", "productType", "tags", "descriptionHtml", "status"];
        let own: Vec<&Value> = own.iter().map(|name| &product[*name]).collect();
        json!({ "own": own, "options": options, "variants": variants, "pictures": list(&product["media"]).count() })
    };
    let all = dump["Product"].as_object().cloned().unwrap_or_default();
    all.values().map(|one| (one["handle"].as_str().unwrap().to_owned(), product(one))).collect()
}

/// A weight in whole grams, whatever its unit.
fn grams(weight: &Value) -> Option<i64> {
    let factor = match weight["unit"].as_str()? {
        "KILOGRAMS" => 1000.0,
        "GRAMS" => 1.0,
        other => panic!("`{other}`"),
    };
    #[allow(clippy::cast_possible_truncation, reason = "weights of goods")]
    Some((weight["value"].as_f64()? * factor).round() as i64)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[test]
fn products_go_into_another_store_by_its_own_import() {
    let (cell, shop) = (
        TestCell::new(),
        Shop::open(Settings { products: 40, customers: 5, orders: 3, ..Settings::default() }),
    );
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let out = cell.path("out");
    let exported = cell.run(&["export", "shop", "--out", text(&out)]).succeeds();
    let rows = |name: &str| {
        let file = std::fs::read_to_string(out.join(name)).unwrap();
        let rows = csv::Reader::from_reader(file.as_bytes()).into_records().map(Result::unwrap).count();
        assert_eq!(exported["import_files"][name], rows, "{name}");
        rows
    };
    assert!(rows("products.csv") >= 40);
    assert_eq!(rows("customers.csv"), 5);
    assert!(rows("redirects.csv") > 0);

    let other = Shop::open(Settings { products: 0, customers: 0, orders: 0, ..Settings::default() });
    let loaded = other.running.load_csv(&std::fs::read(out.join("products.csv")).unwrap()).unwrap();
    assert_eq!(loaded, 40);
    let (there, here) = (products(&other), products(&shop));
    assert_eq!(here.len(), 40);
    for (handle, product) in &here {
        let found = there.get(handle).unwrap_or_else(|| panic!("`{handle}` did not come over"));
        assert_eq!(found, product, "{handle}");
    }
}

#[test]
fn the_map_of_ids_says_what_came_back_as_what() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let out = cell.path("before");
    cell.run(&["export", "shop", "--out", text(&out)]).succeeds();
    assert!(!out.join("id-map.csv").exists(), "nothing was restored yet");

    let gone = shop.products().remove(0);
    let before = shop.products();
    shop.delete_product(&gone);
    let plan = cell.path("plan.json");
    let words =
        ["restore", "plan", "shop", "--at", "1", "--kind", "product", "--id", &gone, "--out", text(&plan)];
    cell.run(&words).succeeds();
    let applied = cell.run(&["restore", "apply", text(&plan)]);
    assert!(matches!(applied.code, Some(0 | 3)), "{applied:?}");
    let new: Vec<String> = shop.products().into_iter().filter(|id| !before.contains(id)).collect();
    let [new] = &new[..] else { panic!("one product was made: {new:?}") };

    let out = cell.path("after");
    let exported = cell.run(&["export", "shop", "--out", text(&out)]).succeeds();
    let map = std::fs::read_to_string(out.join("id-map.csv")).unwrap();
    assert_eq!(exported["id_map"], map.lines().count() - 1);
    let line = format!("product,{gone},shop,{new},");
    assert!(map.lines().any(|found| found.starts_with(&line)), "`{line}` is not in\n{map}");
}
