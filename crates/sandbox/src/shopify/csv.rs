//! Product CSV files as the platform's admin exports them.

use std::collections::HashMap;

use super::files::FILES;
use super::mutate::variants::{apply_item, make, set_level};
use super::store::{Store, handleize};
use super::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

/// Why a CSV file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// It is no CSV, or a row has the wrong number of fields.
    #[error("the file cannot be read as CSV")]
    Read(#[source] ::csv::Error),
    /// A column is missing that every product export has.
    #[error("the file has no column `{0}`: a product export has one")]
    Column(&'static str),
}

struct Row<'a> {
    columns: &'a HashMap<String, usize>,
    record: ::csv::StringRecord,
}

impl Row<'_> {
    fn get(&self, name: &str) -> &str {
        self.columns.get(name).and_then(|at| self.record.get(*at)).unwrap_or_default().trim()
    }

    fn money(&self, name: &str) -> Option<i64> {
        parse_decimal(&serde_json::Value::from(self.get(name)))
    }
}

/// Adds the products of a file and says how many they are. Rows of one product share its handle; an image that is
/// named by an address gets bytes of our own, since nothing is fetched.
pub(crate) fn load(store: &mut Store, bytes: &[u8]) -> Result<usize, CsvError> {
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let columns: HashMap<String, usize> = reader
        .headers()
        .map_err(CsvError::Read)?
        .iter()
        .enumerate()
        .map(|(at, name)| (name.trim_start_matches('\u{feff}').trim().to_owned(), at))
        .collect();
    for needed in ["Handle", "Title"] {
        if !columns.contains_key(needed) {
            return Err(CsvError::Column(needed));
        }
    }
    let mut groups: Vec<(String, Vec<Row<'_>>)> = Vec::new();
    for record in reader.records() {
        let row = Row { columns: &columns, record: record.map_err(CsvError::Read)? };
        let handle = row.get("Handle").to_owned();
        match groups.last_mut() {
            Some((known, rows)) if *known == handle || handle.is_empty() => rows.push(row),
            _ => groups.push((handle, vec![row])),
        }
    }
    let count = groups.len();
    for (handle, rows) in groups {
        product(store, &handle, &rows);
    }
    Ok(count)
}

fn product(store: &mut Store, handle: &str, rows: &[Row<'_>]) {
    let Some(first) = rows.first() else { return };
    let now = store.now;
    let title = first.get("Title");
    let names: Vec<&str> = ["Option1 Name", "Option2 Name", "Option3 Name"]
        .iter()
        .map(|name| first.get(name))
        .filter(|name| !name.is_empty())
        .collect();
    let names = if names.is_empty() { vec!["Title"] } else { names };
    let mut tags: Vec<&str> =
        first.get("Tags").split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    tags.sort_unstable();
    tags.dedup();
    let published = !first.get("Published").eq_ignore_ascii_case("false");
    let status = match first.get("Status").to_lowercase().as_str() {
        "draft" => "DRAFT",
        "archived" => "ARCHIVED",
        _ => "ACTIVE",
    };
    let handle = store.free_handle(Kind::Product, "", if handle.is_empty() { title } else { handle });
    let mut product = obj! {
        "title": Val::text(title), "handle": handle.as_str().to_owned(), "descriptionHtml": Val::text(first.get("Body (HTML)")), "vendor": Val::text(first.get("Vendor")),
        "productType": Val::text(first.get("Type")), "tags": Val::texts(tags), "status": status,
        "isGiftCard": first.get("Gift Card").eq_ignore_ascii_case("true"),
    };
    if !first.get("SEO Title").is_empty() || !first.get("SEO Description").is_empty() {
        product.set("seo", obj! { "title": Val::text(first.get("SEO Title")), "description": Val::text(first.get("SEO Description")) });
    }
    if published && let Some(online) = store.gids(Kind::Publication).next() {
        product.set(
            "publications",
            vec![Val::from(obj! { "publication": online, "publishDate": Val::Time(now) })],
        );
        product.set("publishedAt", Val::Time(now));
    }
    let gid = store.insert(Kind::Product, product);
    let mut options: Vec<(String, Vec<String>)> =
        names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    let mut variants: Vec<Gid> = Vec::new();
    let mut media: Vec<Gid> = Vec::new();
    for row in rows {
        if !row.get("Image Src").is_empty() {
            media.push(picture(store, row));
        }
        if row.get("Variant Price").is_empty() {
            continue;
        }
        let values: Vec<String> = (1..=options.len())
            .map(|number| row.get(&format!("Option{number} Value")))
            .map(|value| if value.is_empty() { "Default Title".to_owned() } else { value.to_owned() })
            .collect();
        for ((_, known), value) in options.iter_mut().zip(&values) {
            if !known.contains(value) {
                known.push(value.clone());
            }
        }
        variants.push(variant(store, gid, row, values, variants.len() + 1));
    }
    let options: Vec<Val> = options
        .into_iter()
        .enumerate()
        .map(|(at, (name, values))| {
            let values: Vec<Val> = values.into_iter().map(|value| Val::from(obj! { "id": Val::Id(store.mint(Kind::ProductOptionValue)), "name": Val::text(value) })).collect();
            Val::from(obj! { "id": Val::Id(store.mint(Kind::ProductOption)), "name": Val::text(name), "position": at + 1, "optionValues": values })
        })
        .collect();
    store.edit_silently(gid, |product| {
        product.set("options", options);
        product.set("variants", variants);
        product.set("media", media);
    });
}

fn picture(store: &mut Store, row: &Row<'_>) -> Gid {
    let source = row.get("Image Src");
    let name = source.split('?').next().unwrap_or(source).rsplit('/').next().unwrap_or("image");
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let number = store.mint(Kind::ImageSource).number();
    let path = format!("{FILES}{}-{number}.png", handleize(stem));
    let size = super::files::generated(&path, store.seed).len();
    let side = i64::from(crate::png::SIDE);
    let alt = row.get("Image Alt Text");
    store.insert(
        Kind::MediaImage,
        obj! { "url": Val::text(path), "alt": (!alt.is_empty()).then(|| Val::text(alt)), "mimeType": "image/png", "width": side, "height": side, "originalFileSize": size },
    )
}

fn variant(store: &mut Store, product: Gid, row: &Row<'_>, values: Vec<String>, position: usize) -> Gid {
    let gid = make(store, product, values.into_iter().map(Val::text).collect(), position);
    let text = |name: &str| (!row.get(name).is_empty()).then(|| Val::text(row.get(name)));
    store.edit_silently(gid, |variant: &mut Obj| {
        variant.set("price", row.money("Variant Price").map(Val::Cents));
        variant.set("compareAtPrice", row.money("Variant Compare At Price").map(Val::Cents));
        variant.set("barcode", text("Variant Barcode"));
        variant.set("taxable", !row.get("Variant Taxable").eq_ignore_ascii_case("false"));
        variant.set(
            "inventoryPolicy",
            if row.get("Variant Inventory Policy") == "continue" { "CONTINUE" } else { "DENY" },
        );
    });
    let Some(item) = store.get(gid).and_then(|variant| variant.gid("inventoryItem")) else { return gid };
    let mut input = serde_json::json!({
        "tracked": !row.get("Variant Inventory Tracker").is_empty(), "requiresShipping": !row.get("Variant Requires Shipping").eq_ignore_ascii_case("false"),
    });
    if let (Ok(grams), Some(map)) = (row.get("Variant Grams").parse::<f64>(), input.as_object_mut()) {
        map.insert(
            "measurement".to_owned(),
            serde_json::json!({ "weight": { "unit": "GRAMS", "value": grams } }),
        );
    }
    if let (false, Some(map)) = (row.get("Variant SKU").is_empty(), input.as_object_mut()) {
        map.insert("sku".to_owned(), serde_json::Value::from(row.get("Variant SKU")));
    }
    if let Some(map) = input.as_object() {
        apply_item(store, item, map);
    }
    let quantity = row.get("Variant Inventory Qty").parse().unwrap_or(0);
    let location = store.gids(Kind::Location).next();
    if let Some(location) = location {
        set_level(store, item, location, "available", quantity);
    }
    gid
}
