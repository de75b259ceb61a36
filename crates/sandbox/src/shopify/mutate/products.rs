//! Products: made, changed, set as a whole, deleted.

use serde_json::{Map, Value as Json};

use super::refs::{Place, places};
use super::variants::{self, Wish};
use super::{
    As, Call, Copy, Errors, Outcome, Row, copy, list, media, metafields, options, refuse, settle_handle, text,
};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] =
    &[("productSet", set), ("productCreate", create), ("productUpdate", update), ("productDelete", delete)];

/// What is copied from an input as it stands.
const FIELDS: &[Copy] = &[
    ("category", "category", As::Ref),
    ("combinedListingRole", "combinedListingRole", As::Word),
    ("descriptionHtml", "descriptionHtml", As::Same),
    ("giftCard", "isGiftCard", As::Same),
    ("giftCardTemplateSuffix", "giftCardTemplateSuffix", As::Same),
    ("productType", "productType", As::Same),
    ("requiresSellingPlan", "requiresSellingPlan", As::Same),
    ("seo", "seo", As::Same),
    ("status", "status", As::Word),
    ("tags", "tags", As::Tags),
    ("templateSuffix", "templateSuffix", As::Same),
    ("title", "title", As::Same),
    ("vendor", "vendor", As::Same),
];

/// What an input may point to.
const REFERENCES: &[Place] = &[
    ("", "category", &[Kind::TaxonomyCategory]),
    ("", "collections", &[Kind::Collection]),
    ("", "collectionsToJoin", &[Kind::Collection]),
    ("", "collectionsToLeave", &[Kind::Collection]),
];

const TAGS_MAX: usize = 250;
const TITLE_MAX: usize = 255;

/// Checks and copies what all three mutations share.
fn apply(store: &Store, own: Option<Gid>, product: &mut Obj, input: &Map<String, Json>, errors: &mut Errors) {
    places(store, REFERENCES, input, &["product"], "INVALID_INPUT", errors);
    let old_title = product.str("title").map(str::to_owned);
    copy(product, input, FIELDS);
    let title = product.str("title").unwrap_or_default().to_owned();
    if title.trim().is_empty() {
        errors.add(&["title"], "Title can't be blank", "INVALID_INPUT");
    } else if title.chars().count() > TITLE_MAX {
        errors.add(
            &["title"],
            format!("Title is too long (maximum is {TITLE_MAX} characters)"),
            "INVALID_INPUT",
        );
    }
    if product.list("tags").len() > TAGS_MAX {
        errors.add(&["tags"], format!("Tags can't have more than {TAGS_MAX} entries"), "INVALID_INPUT");
    }
    if text(input, "handle").is_some() || old_title.is_none() {
        match settle_handle(store, Kind::Product, "", own, text(input, "handle"), &title) {
            Ok(handle) => product.set("handle", handle),
            Err(message) => errors.add(&["input", "handle"], message, "HANDLE_NOT_UNIQUE"),
        }
    }
    if product.get("status").is_none() {
        product.set("status", "ACTIVE");
    }
    for name in ["vendor", "productType", "descriptionHtml"] {
        if product.get(name).is_none() {
            product.set(name, "");
        }
    }
    if product.str("vendor") == Some("") && input.get("vendor").is_none() {
        product.set("vendor", "Practice");
    }
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("product").or_else(|| call.map("input")) else {
        return refuse(&["product"], "A product is needed.", "INVALID_INPUT");
    };
    let mut errors = Errors::default();
    let mut product = Obj::default();
    apply(store, None, &mut product, input, &mut errors);
    options::make(
        store,
        &mut product,
        list(input, "productOptions").unwrap_or_default(),
        &["product"],
        &mut errors,
    );
    metafields::merge(store, Kind::Product, &mut product, input, &["product"], &mut errors);
    media::check_files(store, call.list("media"), call, &["media"], &mut errors);
    if !errors.none() {
        return errors.payload(obj! { "shop": Val::Ref(store.shop) });
    }
    let gid = store.insert(Kind::Product, product);
    // One variant of the first value of each option.
    let values: Vec<Val> = first_values(store, gid);
    let variant = variants::make(store, gid, values, 1);
    store.edit_silently(gid, |product| product.set("variants", vec![variant]));
    media::attach(store, gid, call.list("media"), call);
    collections_to_join(store, gid, input);
    errors.payload(obj! { "product": gid })
}

fn first_values(store: &Store, product: Gid) -> Vec<Val> {
    let options = store.get(product).map(|product| product.list("options")).unwrap_or_default();
    options
        .iter()
        .filter_map(|option| option.as_obj()?.list("optionValues").first()?.as_obj()?.get("name").cloned())
        .collect()
}

fn collections_to_join(store: &mut Store, product: Gid, input: &Map<String, Json>) {
    let ids = |name: &str| -> Vec<Gid> {
        list(input, name).unwrap_or_default().iter().filter_map(|id| Gid::parse(id.as_str()?)).collect()
    };
    for collection in ids("collectionsToJoin") {
        super::collections::add_products(store, collection, &[product]);
    }
    for collection in ids("collectionsToLeave") {
        super::collections::remove_products(store, collection, &[product]);
    }
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("product").or_else(|| call.map("input")) else {
        return refuse(&["product"], "A product is needed.", "INVALID_INPUT");
    };
    let identified = call.map("identifier").and_then(|identifier| find(store, identifier));
    let gid = identified.or_else(|| text(input, "id").and_then(|id| store.find(Kind::Product, id)));
    let Some(gid) = gid else { return refuse(&["id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST") };
    let mut errors = Errors::default();
    let mut product = store.get(gid).map(|product| Obj::clone(product)).unwrap_or_default();
    apply(store, Some(gid), &mut product, input, &mut errors);
    metafields::merge(store, Kind::Product, &mut product, input, &["product"], &mut errors);
    media::check_files(store, call.list("media"), call, &["media"], &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = product);
    media::attach(store, gid, call.list("media"), call);
    collections_to_join(store, gid, input);
    errors.payload(obj! { "product": gid })
}

fn find(store: &Store, identifier: &Map<String, Json>) -> Option<Gid> {
    match (text(identifier, "id"), text(identifier, "handle")) {
        (Some(id), _) => store.find(Kind::Product, id),
        (None, Some(handle)) => store.by_key(Kind::Product, handle),
        (None, None) => None,
    }
}

fn set(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else {
        return refuse(&["input"], "An input is needed.", "INVALID_INPUT");
    };
    let identifier = call.map("identifier");
    let by_id = identifier.and_then(|identifier| text(identifier, "id")).or_else(|| text(input, "id"));
    let own = match (by_id, identifier) {
        (Some(id), _) => match store.find(Kind::Product, id) {
            Some(gid) => Some(gid),
            None => return refuse(&["input", "id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST"),
        },
        (None, Some(identifier)) => find(store, identifier),
        (None, None) => None,
    };
    let mut errors = Errors::default();
    let mut product =
        own.and_then(|gid| store.get(gid)).map(|product| Obj::clone(product)).unwrap_or_default();
    let mut input = input.clone();
    if own.is_none()
        && input.get("handle").is_none()
        && let Some(handle) = identifier.and_then(|identifier| identifier.get("handle"))
    {
        input.insert("handle".to_owned(), handle.clone());
    }
    apply(store, own, &mut product, &input, &mut errors);

    let given_options = list(&input, "productOptions");
    let given_variants = list(&input, "variants");
    if given_variants.is_some() && given_options.is_none() && own.is_none() {
        errors.add(
            &["input", "productOptions"],
            "Product options input is required when updating variants",
            "PRODUCT_OPTIONS_INPUT_MISSING",
        );
    }
    if given_options.is_some_and(|options| !options.is_empty()) && given_variants.is_none() && own.is_some() {
        errors.add(
            &["input", "variants"],
            "Variants input is required when updating product options",
            "VARIANTS_INPUT_MISSING",
        );
    }
    if let Some(given) = given_options {
        options::make(store, &mut product, given, &["input"], &mut errors);
    } else if own.is_none() {
        options::make(store, &mut product, &[], &["input"], &mut errors);
    }
    metafields::replace(store, Kind::Product, &mut product, &input, &["input"], &mut errors);
    let wishes: Option<Vec<Wish<'_>>> =
        given_variants.map(|given| variants::wishes(store, &product, own, given, call, &mut errors));
    media::check_files(
        store,
        list(&input, "files").unwrap_or_default(),
        call,
        &["input", "files"],
        &mut errors,
    );
    if !errors.none() {
        return errors.payload(obj! {});
    }

    let gid = match own {
        Some(gid) => {
            store.edit(gid, |old| *old = product);
            gid
        }
        None => store.insert(Kind::Product, product),
    };
    if let Some(files) = list(&input, "files") {
        media::set_files(store, gid, files, call);
    }
    match wishes {
        Some(wishes) => variants::set_all(store, gid, wishes, call, &mut errors),
        None if own.is_none() => {
            let values = first_values(store, gid);
            let variant = variants::make(store, gid, values, 1);
            store.edit_silently(gid, |product| product.set("variants", vec![variant]));
        }
        None => {}
    }
    if let Some(wanted) = list(&input, "collections") {
        let wanted: Vec<Gid> =
            wanted.iter().filter_map(|id| store.find(Kind::Collection, id.as_str()?)).collect();
        super::collections::set_memberships(store, gid, &wanted);
    }
    errors.payload(obj! { "product": gid })
}

/// Removes a product with its variants and their stock.
pub(super) fn remove(store: &mut Store, gid: Gid) {
    let own: Vec<Gid> = store
        .get(gid)
        .map(|product| product.list("variants").iter().filter_map(Val::as_gid).collect())
        .unwrap_or_default();
    for variant in own {
        variants::remove(store, variant);
    }
    super::collections::forget_product(store, gid);
    store.remove(gid);
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let gid =
        call.map("input").and_then(|input| text(input, "id")).and_then(|id| store.find(Kind::Product, id));
    let Some(gid) = gid else { return refuse(&["id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST") };
    remove(store, gid);
    Errors::default().payload(obj! { "deletedProductId": Val::Id(gid), "shop": Val::Ref(store.shop) })
}
