//! What Shopify's admin imports: products, customers and redirects as CSV, in the columns that it exports.
//!
//! Columns are tables; each says how its cell is made of one row's things. Metafields, markets and what only one
//! kind of shop has (Google's columns) are left out: an import leaves alone what has no column.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::import_file::ImportFile;

/// All files, in the order of their kinds.
pub static IMPORT_FILES: &[ImportFile] = &[
    ImportFile {
        name: "customers.csv",
        kind: "customer",
        columns: || names(CUSTOMER),
        needs: |_| Vec::new(),
        rows: |customer, _| vec![Customer::new(customer).cells()],
    },
    ImportFile {
        name: "products.csv",
        kind: "product",
        columns: || names(PRODUCT),
        needs: |product| inventory_items(product).map(|id| ("inventory_item", id.to_owned())).collect(),
        rows: product_rows,
    },
    ImportFile {
        name: "redirects.csv",
        kind: "redirect",
        columns: || names(REDIRECT),
        needs: |_| Vec::new(),
        rows: |redirect, _| vec![REDIRECT.iter().map(|(_, cell)| cell(redirect)).collect()],
    },
];

/// A column: its name, and how its cell is made.
type Column<Cell> = (&'static str, Cell);
type RedirectColumn = Column<fn(&Value) -> String>;
type CustomerColumn = Column<fn(&Customer<'_>) -> String>;
type ProductColumn = Column<fn(&ProductRow<'_>) -> String>;

fn names<Cell>(columns: &[Column<Cell>]) -> Vec<&'static str> {
    columns.iter().map(|(name, _)| *name).collect()
}

/// A value as a cell holds it; what is not there is empty.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn at(value: &Value, pointer: &str) -> String {
    text(value.pointer(pointer))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn joined(value: &Value, field: &str) -> String {
    list(value, field).filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn flag(set: bool, [yes, no]: [&str; 2]) -> String {
    (if set { yes } else { no }).to_owned()
}

const TRUE: [&str; 2] = ["true", "false"];
const YES: [&str; 2] = ["yes", "no"];

const REDIRECT: &[RedirectColumn] = &[
    ("Redirect from", |redirect| at(redirect, "/path")),
    ("Redirect to", |redirect| at(redirect, "/target")),
];

/// A customer, and the address that counts.
struct Customer<'a> {
    customer: &'a Value,
    address: &'a Value,
}

impl<'a> Customer<'a> {
    fn new(customer: &'a Value) -> Self {
        let default = customer.pointer("/defaultAddress/id");
        let address = list(customer, "addressesV2").find(|address| address.get("id") == default);
        Self { customer, address: address.unwrap_or(&Value::Null) }
    }

    fn cells(&self) -> Vec<String> {
        CUSTOMER.iter().map(|(_, cell)| cell(self)).collect()
    }

    fn subscribed(&self, pointer: &str) -> String {
        flag(self.customer.pointer(pointer).and_then(Value::as_str) == Some("SUBSCRIBED"), YES)
    }
}

const CUSTOMER: &[CustomerColumn] = &[
    ("First Name", |row| at(row.customer, "/firstName")),
    ("Last Name", |row| at(row.customer, "/lastName")),
    ("Email", |row| at(row.customer, "/defaultEmailAddress/emailAddress")),
    ("Accepts Email Marketing", |row| row.subscribed("/defaultEmailAddress/marketingState")),
    ("Default Address Company", |row| at(row.address, "/company")),
    ("Default Address Address1", |row| at(row.address, "/address1")),
    ("Default Address Address2", |row| at(row.address, "/address2")),
    ("Default Address City", |row| at(row.address, "/city")),
    ("Default Address Province Code", |row| at(row.address, "/provinceCode")),
    ("Default Address Country Code", |row| at(row.address, "/countryCodeV2")),
    ("Default Address Zip", |row| at(row.address, "/zip")),
    ("Default Address Phone", |row| at(row.address, "/phone")),
    ("Phone", |row| at(row.customer, "/defaultPhoneNumber/phoneNumber")),
    ("Accepts SMS Marketing", |row| row.subscribed("/defaultPhoneNumber/smsMarketingConsent/state")),
    ("Tags", |row| joined(row.customer, "tags")),
    ("Note", |row| at(row.customer, "/note")),
    ("Tax Exempt", |row| flag(row.customer.get("taxExempt") == Some(&Value::Bool(true)), YES)),
];

/// A product's options, as many as the import takes.
const OPTIONS_MAX: usize = 3;
/// Units of weight: as the API names them, as the import does, and in grams.
const WEIGHTS: &[(&str, &str, f64)] = &[
    ("GRAMS", "g", 1.0),
    ("KILOGRAMS", "kg", 1000.0),
    ("OUNCES", "oz", 28.349_523_125),
    ("POUNDS", "lb", 453.592_37),
];

/// One row: a variant, a picture, or both; the product's own cells stand in its first row only.
struct ProductRow<'a> {
    handle: &'a str,
    product: &'a Value,
    options: &'a [&'a Value],
    variant: &'a Value,
    item: &'a Value,
    /// The picture, with its place among the product's pictures.
    picture: Option<(usize, &'a Value)>,
    variant_picture: &'a Value,
}

impl ProductRow<'_> {
    fn of_product(&self, pointer: &str) -> String {
        at(self.product, pointer)
    }

    /// A cell that every variant has, whether the API told its value or not.
    fn of_variant(&self, cell: impl FnOnce(&Value) -> String) -> String {
        if self.variant.is_null() { String::new() } else { cell(self.variant) }
    }

    fn option_name(&self, turn: usize) -> String {
        if self.product.is_null() {
            String::new()
        } else {
            self.options.get(turn).map_or_else(String::new, |option| at(option, "/name"))
        }
    }

    fn option_value(&self, turn: usize) -> String {
        let Some(name) = self.options.get(turn).and_then(|option| option.get("name")) else {
            return String::new();
        };
        let value = list(self.variant, "selectedOptions").find(|option| option.get("name") == Some(name));
        text(value.and_then(|option| option.get("value")))
    }

    fn option_linked_to(&self, turn: usize) -> String {
        let linked = self.options.get(turn).and_then(|option| option.get("linkedMetafield"));
        match linked.filter(|linked| linked.is_object() && !self.product.is_null()) {
            Some(linked) => format!("product.metafields.{}.{}", at(linked, "/namespace"), at(linked, "/key")),
            None => String::new(),
        }
    }

    fn weight(&self) -> Option<(&'static str, f64)> {
        let weight = self.item.pointer("/measurement/weight")?;
        let unit = weight.get("unit")?.as_str()?;
        let (_, shown, grams) = WEIGHTS.iter().find(|(name, ..)| *name == unit)?;
        Some((shown, weight.get("value")?.as_f64()? * grams))
    }

    fn is(&self, of: &Value, field: &str) -> bool {
        of.get(field) == Some(&Value::Bool(true))
    }
}

const PRODUCT: &[ProductColumn] = &[
    ("Handle", |row| row.handle.to_owned()),
    ("Title", |row| row.of_product("/title")),
    ("Body (HTML)", |row| row.of_product("/descriptionHtml")),
    ("Vendor", |row| row.of_product("/vendor")),
    ("Product Category", |row| row.of_product("/category/fullName")),
    ("Type", |row| row.of_product("/productType")),
    ("Tags", |row| joined(row.product, "tags")),
    ("Published", |row| match row.product.get("publishedAt") {
        Some(at) => flag(!at.is_null(), TRUE),
        None => String::new(),
    }),
    ("Option1 Name", |row| row.option_name(0)),
    ("Option1 Value", |row| row.option_value(0)),
    ("Option1 Linked To", |row| row.option_linked_to(0)),
    ("Option2 Name", |row| row.option_name(1)),
    ("Option2 Value", |row| row.option_value(1)),
    ("Option2 Linked To", |row| row.option_linked_to(1)),
    ("Option3 Name", |row| row.option_name(2)),
    ("Option3 Value", |row| row.option_value(2)),
    ("Option3 Linked To", |row| row.option_linked_to(2)),
    ("Variant SKU", |row| at(row.item, "/sku")),
    ("Variant Grams", |row| row.weight().map_or_else(String::new, |(_, grams)| grams.to_string())),
    ("Variant Inventory Tracker", |row| flag(row.is(row.item, "tracked"), ["shopify", ""])),
    ("Variant Inventory Qty", |row| {
        if row.is(row.item, "tracked") { at(row.variant, "/inventoryQuantity") } else { String::new() }
    }),
    ("Variant Inventory Policy", |row| at(row.variant, "/inventoryPolicy").to_lowercase()),
    ("Variant Fulfillment Service", |row| row.of_variant(|_| "manual".to_owned())),
    ("Variant Price", |row| at(row.variant, "/price")),
    ("Variant Compare At Price", |row| at(row.variant, "/compareAtPrice")),
    ("Variant Requires Shipping", |row| at(row.item, "/requiresShipping")),
    ("Variant Taxable", |row| at(row.variant, "/taxable")),
    ("Variant Barcode", |row| at(row.variant, "/barcode")),
    ("Image Src", |row| row.picture.map_or_else(String::new, |(_, picture)| at(picture, "/image/url"))),
    ("Image Position", |row| row.picture.map_or_else(String::new, |(turn, _)| (turn + 1).to_string())),
    ("Image Alt Text", |row| row.picture.map_or_else(String::new, |(_, picture)| at(picture, "/alt"))),
    ("Gift Card", |row| row.of_product("/isGiftCard")),
    ("SEO Title", |row| row.of_product("/seo/title")),
    ("SEO Description", |row| row.of_product("/seo/description")),
    ("Variant Image", |row| at(row.variant_picture, "/image/url")),
    ("Variant Weight Unit", |row| row.weight().map_or_else(String::new, |(unit, _)| unit.to_owned())),
    ("Cost per item", |row| at(row.item, "/unitCost/amount")),
    ("Status", |row| row.of_product("/status").to_lowercase()),
];

fn inventory_items(product: &Value) -> impl Iterator<Item = &str> {
    list(product, "variants").filter_map(|variant| variant.pointer("/inventoryItem/id")?.as_str())
}

fn by_position<'a>(product: &'a Value, field: &str) -> Vec<&'a Value> {
    let mut sorted: Vec<&Value> = list(product, field).collect();
    sorted.sort_by_key(|one| one.get("position").and_then(Value::as_i64));
    sorted
}

fn product_rows(product: &Value, others: &BTreeMap<String, Value>) -> Vec<Vec<String>> {
    let handle = product.get("handle").and_then(Value::as_str).unwrap_or_default();
    let mut options = by_position(product, "options");
    options.truncate(OPTIONS_MAX);
    let variants = by_position(product, "variants");
    let pictures: Vec<&Value> =
        list(product, "media").filter(|one| one.pointer("/image/url").is_some()).collect();
    let count = variants.len().max(pictures.len()).max(1);
    let rows = (0..count).map(|turn| {
        let variant = variants.get(turn).copied().unwrap_or(&Value::Null);
        let item = variant.pointer("/inventoryItem/id").and_then(Value::as_str).and_then(|id| others.get(id));
        let own = variant.pointer("/media/0/id");
        let variant_picture = pictures.iter().find(|picture| own.is_some() && picture.get("id") == own);
        let row = ProductRow {
            handle,
            product: if turn == 0 { product } else { &Value::Null },
            options: &options,
            variant,
            item: item.unwrap_or(&Value::Null),
            picture: pictures.get(turn).map(|picture| (turn, *picture)),
            variant_picture: variant_picture.copied().unwrap_or(&Value::Null),
        };
        PRODUCT.iter().map(|(_, cell)| cell(&row)).collect()
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(file: &str, item: &Value, others: &BTreeMap<String, Value>, expected: &[&[(&str, &str)]]) {
        let file = IMPORT_FILES.iter().find(|one| one.name == file).unwrap();
        let columns = (file.columns)();
        let rows = (file.rows)(item, others);
        assert_eq!(rows.len(), expected.len(), "{rows:?}");
        for (row, expected) in rows.iter().zip(expected) {
            let filled: Vec<(&str, &str)> = columns
                .iter()
                .zip(row)
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(name, cell)| (*name, cell.as_str()))
                .collect();
            assert_eq!(filled, *expected);
        }
    }

    #[test]
    fn a_product_has_a_row_for_each_variant_and_for_each_further_picture() {
        let picture = |id: &str| json!({"id": id, "alt": format!("alt {id}"), "image": {"url": format!("https://cdn/{id}.png")}});
        let variant = |position: u8, size: &str| {
            json!({"position": position, "price": "9.90", "compareAtPrice": null, "taxable": true, "inventoryPolicy": "CONTINUE", "inventoryQuantity": 4,
                   "selectedOptions": [{"name": "Size", "value": size}], "inventoryItem": {"id": format!("item {size}")}, "media": []})
        };
        let mut second = variant(2, "L");
        second["media"] = json!([{"id": "b"}]);
        let product = json!({
            "handle": "shirt", "title": "Shirt, \"blue\"", "tags": ["a", "b"], "publishedAt": null, "status": "DRAFT", "isGiftCard": false,
            "options": [{"name": "Size", "position": 1, "linkedMetafield": {"namespace": "shopify", "key": "size"}}],
            "variants": [second, variant(1, "S")],
            "media": [picture("a"), {"id": "v", "alt": "a film"}, picture("b"), picture("c")],
        });
        let item = json!({"sku": "S-1", "tracked": true, "requiresShipping": true, "unitCost": {"amount": "3.00"},
                          "measurement": {"weight": {"unit": "KILOGRAMS", "value": 0.25}}});
        let others = BTreeMap::from([("item S".to_owned(), item)]);
        let needs = (IMPORT_FILES[1].needs)(&product);
        assert_eq!(needs, [("inventory_item", "item L".to_owned()), ("inventory_item", "item S".to_owned())]);
        check(
            "products.csv",
            &product,
            &others,
            &[
                &[
                    ("Handle", "shirt"),
                    ("Title", "Shirt, \"blue\""),
                    ("Tags", "a, b"),
                    ("Published", "false"),
                    ("Option1 Name", "Size"),
                    ("Option1 Value", "S"),
                    ("Option1 Linked To", "product.metafields.shopify.size"),
                    ("Variant SKU", "S-1"),
                    ("Variant Grams", "250"),
                    ("Variant Inventory Tracker", "shopify"),
                    ("Variant Inventory Qty", "4"),
                    ("Variant Inventory Policy", "continue"),
                    ("Variant Fulfillment Service", "manual"),
                    ("Variant Price", "9.90"),
                    ("Variant Requires Shipping", "true"),
                    ("Variant Taxable", "true"),
                    ("Image Src", "https://cdn/a.png"),
                    ("Image Position", "1"),
                    ("Image Alt Text", "alt a"),
                    ("Gift Card", "false"),
                    ("Variant Weight Unit", "kg"),
                    ("Cost per item", "3.00"),
                    ("Status", "draft"),
                ],
                &[
                    ("Handle", "shirt"),
                    ("Option1 Value", "L"),
                    ("Variant Inventory Policy", "continue"),
                    ("Variant Fulfillment Service", "manual"),
                    ("Variant Price", "9.90"),
                    ("Variant Taxable", "true"),
                    ("Image Src", "https://cdn/b.png"),
                    ("Image Position", "2"),
                    ("Image Alt Text", "alt b"),
                    ("Variant Image", "https://cdn/b.png"),
                ],
                &[
                    ("Handle", "shirt"),
                    ("Image Src", "https://cdn/c.png"),
                    ("Image Position", "3"),
                    ("Image Alt Text", "alt c"),
                ],
            ],
        );
    }

    #[test]
    fn a_customers_default_address_counts() {
        let customer = json!({
            "firstName": "A", "lastName": "B", "defaultAddress": {"id": "2"}, "taxExempt": false, "tags": ["x"],
            "defaultEmailAddress": {"emailAddress": "a@example.com", "marketingState": "SUBSCRIBED"}, "defaultPhoneNumber": null,
            "addressesV2": [{"id": "1", "city": "Here"}, {"id": "2", "city": "There", "countryCodeV2": "DE"}],
        });
        check(
            "customers.csv",
            &customer,
            &BTreeMap::new(),
            &[&[
                ("First Name", "A"),
                ("Last Name", "B"),
                ("Email", "a@example.com"),
                ("Accepts Email Marketing", "yes"),
                ("Default Address City", "There"),
                ("Default Address Country Code", "DE"),
                ("Accepts SMS Marketing", "no"),
                ("Tags", "x"),
                ("Tax Exempt", "no"),
            ]],
        );
    }

    #[test]
    fn a_redirect_is_from_and_to() {
        let redirect = json!({"path": "/old", "target": "https://example.com/new"});
        let expected: &[&[(&str, &str)]] =
            &[&[("Redirect from", "/old"), ("Redirect to", "https://example.com/new")]];
        check("redirects.csv", &redirect, &BTreeMap::new(), expected);
    }

    #[test]
    fn every_file_is_made_of_a_kind_that_there_is() {
        for file in IMPORT_FILES {
            assert!(super::super::kind(file.kind).is_some(), "{}", file.name);
        }
    }
}
