//! Products with their options, variants and media.
//!
//! A product that is there is changed field by field: whatever the backup does not know stays. Only one that is
//! gone is made by `productSet`, which would delete what it is not told of; then there is nothing to delete.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::links;
use super::part::{self, Key, Named, Part};
use super::picture;
use super::place;
use super::publish;
use super::step::{Born, Call, PER_CALL, Step, Wait, Work, variables};
use crate::digest::digest;

static SET: Call = Call::new("productSet", include_str!("../documents/write/productSet.graphql"), 10);
static UPDATE: Call =
    Call::new("productUpdate", include_str!("../documents/write/productUpdate.graphql"), 10);
static OPTION_UPDATE: Call =
    Call::new("productOptionUpdate", include_str!("../documents/write/productOptionUpdate.graphql"), 10);
static OPTIONS_CREATE: Call =
    Call::new("productOptionsCreate", include_str!("../documents/write/productOptionsCreate.graphql"), 10);
static VARIANTS_CREATE: Call = Call::new(
    "productVariantsBulkCreate",
    include_str!("../documents/write/productVariantsBulkCreate.graphql"),
    10,
)
.of_many("variants");
static VARIANTS_UPDATE: Call = Call::new(
    "productVariantsBulkUpdate",
    include_str!("../documents/write/productVariantsBulkUpdate.graphql"),
    10,
)
.of_many("variants");
static VARIANTS_REORDER: Call = Call::new(
    "productVariantsBulkReorder",
    include_str!("../documents/write/productVariantsBulkReorder.graphql"),
    10,
)
.of_many("positions");
static VARIANTS_DELETE: Call = Call::new(
    "productVariantsBulkDelete",
    include_str!("../documents/write/productVariantsBulkDelete.graphql"),
    10,
);
static OPTIONS_DELETE: Call =
    Call::new("productOptionsDelete", include_str!("../documents/write/productOptionsDelete.graphql"), 10);
static VARIANT_MEDIA_DETACH: Call = Call::new(
    "productVariantDetachMedia",
    include_str!("../documents/write/productVariantDetachMedia.graphql"),
    10,
)
.of_many("variantMedia");
static MEDIA_REORDER: Call =
    Call::new("productReorderMedia", include_str!("../documents/write/productReorderMedia.graphql"), 10)
        .waiting_for(Wait::Job);
static MEDIA_ALT: Call =
    Call::new("fileUpdate", include_str!("../documents/write/fileUpdate.graphql"), 10).of_many("files");

const FIELDS: &[Field] = &[
    same("title", Form::Plain),
    same("handle", Form::Plain),
    same("descriptionHtml", Form::Plain),
    same("status", Form::Plain),
    same("vendor", Form::Text),
    same("productType", Form::Text),
    same("tags", Form::Set),
    same("templateSuffix", Form::Text),
    same("giftCardTemplateSuffix", Form::Text),
    same("seo", Form::Made(seo)),
    same("requiresSellingPlan", Form::Plain),
    moved("category/id", "category", Form::Plain),
    moved("isGiftCard", "giftCard", Form::Plain).at_birth(),
    same("combinedListingRole", Form::Plain).at_birth(),
];

const VARIANT_FIELDS: &[Field] = &[
    same("price", Form::Number),
    same("compareAtPrice", Form::Number),
    same("barcode", Form::Text),
    moved("sku", "inventoryItem/sku", Form::Text),
    same("taxable", Form::Plain),
    same("inventoryPolicy", Form::Plain),
    same("requiresComponents", Form::Plain),
    same("showUnitPrice", Form::Plain),
    same("unitPriceMeasurement", Form::Made(unit_price_measurement)),
    moved("media", "mediaId", Form::Made(first_id)).later(),
];

static OPTION_VALUE: Part = Part { at: "optionValues", key: Named(part::by_name), parts: &[] };
static OPTION: Part = Part {
    at: "options",
    key: Named(part::by_name),
    parts: &[Part { at: OPTION_VALUE.at, key: OPTION_VALUE.key, parts: OPTION_VALUE.parts }],
};
static MEDIUM: Part =
    Part { at: "media", key: Key::Same { same: picture::same_medium, closer: same_alt }, parts: &[] };
static VARIANT: Part = Part {
    at: "variants",
    key: Named(by_selected_options),
    parts: &[
        Part { at: "inventoryItem", key: Named(part::by_id), parts: &[] },
        Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] },
    ],
};

/// Parts of a product.
pub(super) static PARTS: &[Part] = &[
    Part { at: OPTION.at, key: OPTION.key, parts: OPTION.parts },
    Part { at: VARIANT.at, key: VARIANT.key, parts: VARIANT.parts },
    Part { at: MEDIUM.at, key: MEDIUM.key, parts: MEDIUM.parts },
    Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] },
];

/// By namespace and key, as metafields are known.
pub(super) fn by_namespace_and_key(metafield: &Value, _: usize) -> Option<String> {
    Some(format!("{}.{}", place::text(metafield, "namespace")?, place::text(metafield, "key")?))
}

/// The search-engine texts, both at once: one of them alone would clear the other.
pub(super) fn seo(seo: &Value) -> Value {
    json!({"title": place::at(seo, "title"), "description": place::at(seo, "description")})
}

fn by_selected_options(variant: &Value, _: usize) -> Option<String> {
    let mut options: Vec<String> = place::list(variant, "selectedOptions")
        .iter()
        .filter_map(|option| {
            Some(format!("{}={}", place::text(option, "name")?, place::text(option, "value")?))
        })
        .collect();
    options.sort_unstable();
    (!options.is_empty()).then(|| options.join("\n"))
}

/// Whether a variant has the options that another one has. An option that was added to the product since stays.
fn has_options(live: &Value, wanted: &Value) -> bool {
    let pair = |option: &Value| {
        let text = |at| place::text(option, at).map(str::to_owned);
        (text("name"), text("value"))
    };
    let there: Vec<_> = place::list(live, "selectedOptions").iter().map(pair).collect();
    place::list(wanted, "selectedOptions").iter().all(|option| there.contains(&pair(option)))
}

fn same_alt(wanted: &Value, live: &Value) -> bool {
    place::text(wanted, "alt") == place::text(live, "alt")
}

/// The file's name in an address, without its query.
pub(super) fn file_name(url: &str) -> Option<&str> {
    url.split(['?', '#']).next()?.rsplit('/').next().filter(|name| !name.is_empty())
}

fn first_id(media: &Value) -> Value {
    media.as_array().and_then(|media| media.first()).and_then(place::id_of).map_or(Value::Null, links::id)
}

fn unit_price_measurement(measurement: &Value) -> Value {
    if measurement.is_null() {
        return Value::Null;
    }
    Value::Object(place::pick(
        measurement,
        &["quantityUnit", "quantityValue", "referenceUnit", "referenceValue"],
    ))
}

/// Draws up a product.
pub(super) fn draft(draft: &mut Draft<'_>) {
    match draft.live {
        None => birth(draft),
        Some(live) => change(draft, live),
    }
    let (wanted, live, former) = (draft.wanted, draft.live, draft.former);
    draft.metafields(&draft.me(), "", wanted, live, former);
    for (variant, live) in variants(draft) {
        let id = place::id_of(variant).unwrap_or_default();
        let path = format!("/variants/[{id}]");
        let formers = former.map_or(&[][..], |former| place::list(former, "variants"));
        let was =
            part::matched(std::slice::from_ref(variant), formers, Named(by_selected_options), &draft.links);
        let former = was.into_iter().next().and_then(|(_, former)| former);
        if live.is_some() || draft.is_birth() || crate::compare::draft::touches(&draft.options.fields, &path)
        {
            draft.metafields(&links::id(id), &path, variant, live, former);
        }
    }
    draft.set_metafields();
    publish::publications(draft);
}

fn variants<'a>(draft: &Draft<'a>) -> Vec<(&'a Value, Option<&'a Value>)> {
    let live = draft.live.map_or(&[][..], |live| place::list(live, "variants"));
    part::matched(place::list(draft.wanted, "variants"), live, Named(by_selected_options), &draft.links)
}

fn birth(draft: &mut Draft<'_>) {
    let wanted = draft.wanted;
    let mut input = draft.fields(FIELDS, "", wanted, None);
    let all = place::list(wanted, "variants");
    let (first, rest) = all.split_at(all.len().min(PER_CALL));
    let options: Vec<Value> =
        place::list(wanted, "options").iter().map(|option| option_input(option, first)).collect();
    if !options.is_empty() {
        input.insert("productOptions".to_owned(), Value::Array(options));
        let variants = first.iter().map(|variant| Value::Object(variant_input(draft, variant))).collect();
        input.insert("variants".to_owned(), variants);
    }
    let input = variables([
        ("input", Value::Object(input)),
        ("variants", json!(first.len().max(1))),
        ("publications", publish::known(wanted)),
    ]);
    draft.step(Step::birth(&SET, "product", input));
    make_variants(draft, rest);
    let media = place::list(wanted, "media");
    put_media(draft, media.iter().cloned().enumerate().collect());
    // Those that exist still are attached, and come before those that are uploaded.
    if media.len() > 1 {
        reorder_media(draft, media);
    }
    picture_variants(draft, all);
    losses(draft);
}

/// Gives variants that were just made their pictures.
fn picture_variants(draft: &mut Draft<'_>, variants: &[Value]) {
    let pictured: Vec<Value> = variants
        .iter()
        .filter_map(|variant| {
            let media = Some(first_id(variant.get("media")?)).filter(|media| !media.is_null())?;
            Some(json!({"id": links::id(place::id_of(variant)?), "mediaId": media}))
        })
        .collect();
    update_variants(draft, "the variants' pictures", &pictured);
}

fn losses(draft: &mut Draft<'_>) {
    draft.losses.push("The product comes back with a new id: apps, reports and old orders that know the former one do not find it.".to_owned());
    if !place::list(draft.wanted, "media").is_empty() {
        draft.losses.push("Its pictures and videos come back under new addresses.".to_owned());
    }
    if !draft.options.stock {
        draft
            .losses
            .push("Its stock comes back as nothing: quantities are only set when asked for.".to_owned());
    }
}

fn change(draft: &mut Draft<'_>, live: &Value) {
    let wanted = draft.wanted;
    let mut input = draft.fields(FIELDS, "", wanted, Some(live));
    if !input.is_empty() {
        input.insert("id".to_owned(), draft.me());
        draft.call(&UPDATE, "the product's own fields", variables([("product", Value::Object(input))]));
    }
    change_options(draft, live);
    change_media(draft, live);
    change_variants(draft);
    take_away(draft, live);
}

/// Takes away what the state had that is taken back: media, variants, values of options, options.
fn take_away(draft: &mut Draft<'_>, live: &Value) {
    let gone = |draft: &mut Draft<'_>, part: &Part| -> Vec<String> {
        let mut ids = Vec::new();
        for one in draft.surplus(part) {
            let Some(id) = place::id_of(one) else { continue };
            if draft.change(format!("/{}/[{id}]", part.at), one, &Value::Null) {
                ids.push(id.to_owned());
            }
        }
        ids
    };
    let media = gone(draft, &MEDIUM);
    if !media.is_empty() {
        let files: Vec<Value> =
            media.iter().map(|id| json!({"id": id, "referencesToRemove": [draft.me()]})).collect();
        draft.call(&MEDIA_ALT, "taking away media", variables([("files", Value::Array(files))]));
    }
    let variants = gone(draft, &VARIANT);
    for chunk in variants.chunks(PER_CALL) {
        let input = variables([("productId", draft.me()), ("variantsIds", json!(chunk))]);
        draft.call(&VARIANTS_DELETE, "taking away variants", input);
    }
    let former = draft.former.map_or(&[][..], |former| place::list(former, OPTION.at));
    let options = part::matched(
        place::list(draft.wanted, OPTION.at),
        place::list(live, OPTION.at),
        OPTION.key,
        &draft.links,
    );
    for (option, live) in options {
        let Some(live) = live else { continue };
        let was = part::matched(std::slice::from_ref(live), former, OPTION.key, &draft.links);
        let values =
            |of: Option<&'_ Value>| of.map_or(&[][..], |of| place::list(of, OPTION_VALUE.at)).to_vec();
        let (wanted, there) = (values(Some(option)), values(Some(live)));
        let former = values(was.into_iter().next().and_then(|(_, former)| former));
        let mut ids = Vec::new();
        for value in part::surplus(&wanted, &there, &former, OPTION_VALUE.key, &draft.links.clone()) {
            let path = format!("/options/[{}]/optionValues", place::id_of(live).unwrap_or_default());
            if draft.change(path, value, &Value::Null) {
                ids.extend(place::id_of(value));
            }
        }
        if let Some(id) = place::id_of(live).filter(|_| !ids.is_empty()) {
            let input = variables([
                ("productId", draft.me()),
                ("option", json!({"id": id})),
                ("optionValuesToDelete", json!(ids)),
            ]);
            draft.call(&OPTION_UPDATE, "taking away values of an option", input);
        }
    }
    let options = gone(draft, &OPTION);
    if !options.is_empty() {
        let input = variables([("productId", draft.me()), ("options", json!(options))]);
        draft.call(&OPTIONS_DELETE, "taking away options", input);
    }
}

fn change_options(draft: &mut Draft<'_>, live: &Value) {
    let mut missing = Vec::new();
    let options = part::matched(
        place::list(draft.wanted, "options"),
        place::list(live, "options"),
        OPTION.key,
        &draft.links,
    );
    for (option, live) in options {
        let Some(id) = place::id_of(option) else { continue };
        let path = format!("/options/[{id}]");
        let Some(live) = live else {
            if draft.change(path, &Value::Null, option) {
                missing.push(option_input(option, &[]));
            }
            continue;
        };
        const OPTION_FIELDS: &[Field] = &[same("name", Form::Plain), same("position", Form::Number)];
        let mut input = draft.fields(OPTION_FIELDS, &path, option, Some(live));
        let (mut add, mut rename) = (Vec::new(), Vec::new());
        let values = part::matched(
            place::list(option, "optionValues"),
            place::list(live, "optionValues"),
            Named(part::by_name),
            &draft.links,
        );
        for (value, live) in values {
            let Some(id) = place::id_of(value) else { continue };
            let path = format!("{path}/optionValues/[{id}]");
            match live {
                None if draft.change(path.clone(), &Value::Null, value) => add.push(value_input(value)),
                Some(live) if place::text(live, "name") != place::text(value, "name") => {
                    let (from, to) = (place::at(live, "name"), place::at(value, "name"));
                    let (from, to) = (from.unwrap_or(&Value::Null), to.unwrap_or(&Value::Null));
                    if draft.change(format!("{path}/name"), from, to) {
                        let mut input = value_input(value);
                        place::put(&mut input, "id", links::id(id));
                        rename.push(input);
                    }
                }
                _ => {}
            }
        }
        if input.is_empty() && add.is_empty() && rename.is_empty() {
            continue;
        }
        input.insert("id".to_owned(), links::id(id));
        let objects =
            |list: Vec<Map<String, Value>>| Value::Array(list.into_iter().map(Value::Object).collect());
        let later = add.split_off(add.len().min(PER_CALL));
        let adds = !add.is_empty();
        let input = variables([
            ("productId", draft.me()),
            ("option", Value::Object(input)),
            ("optionValuesToAdd", objects(add)),
            ("optionValuesToUpdate", objects(rename)),
        ]);
        draft.step(Step { once: adds, ..Step::new(&OPTION_UPDATE, "an option", input) });
        for chunk in later.chunks(PER_CALL) {
            let input = variables([
                ("productId", draft.me()),
                ("option", json!({"id": links::id(id)})),
                ("optionValuesToAdd", objects(chunk.to_vec())),
            ]);
            draft.step(Step { once: true, ..Step::new(&OPTION_UPDATE, "values of an option", input) });
        }
    }
    if !missing.is_empty() {
        let input = variables([("productId", draft.me()), ("options", Value::Array(missing))]);
        draft.step(Step { once: true, ..Step::new(&OPTIONS_CREATE, "options", input) });
    }
}

fn change_variants(draft: &mut Draft<'_>) {
    let (mut changed, mut missing, mut moves, mut detach) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (variant, live) in variants(draft) {
        let Some(id) = place::id_of(variant) else { continue };
        let path = format!("/variants/[{id}]");
        let position = place::at(variant, "position").filter(|position| !position.is_null());
        let Some(live) = live else {
            if draft.change(path, &Value::Null, variant) {
                missing.push(variant.clone());
                moves.extend(position.map(|position| json!({"id": links::id(id), "position": position})));
            }
            continue;
        };
        let mut input = draft.fields(VARIANT_FIELDS, &path, variant, Some(live));
        if input.get("mediaId").is_some_and(Value::is_null) {
            input.remove("mediaId");
            detach.push(
                json!({"variantId": links::id(id), "mediaIds": links::ids_of(place::list(live, "media"))}),
            );
        }
        if !has_options(live, variant) {
            let (from, to) = (place::at(live, "selectedOptions"), place::at(variant, "selectedOptions"));
            let (from, to) = (from.unwrap_or(&Value::Null), to.unwrap_or(&Value::Null));
            if draft.change(format!("{path}/selectedOptions"), from, to) {
                input.insert("optionValues".to_owned(), option_values(draft.wanted, variant));
            }
        }
        if !input.is_empty() {
            input.insert("id".to_owned(), links::id(id));
            changed.push(Value::Object(input));
        }
        let (from, to) = (place::at(live, "position").unwrap_or(&Value::Null), position);
        if let Some(to) = to
            && to != from
            && draft.change(format!("{path}/position"), from, to)
        {
            moves.push(json!({"id": links::id(id), "position": to}));
        }
    }
    make_variants(draft, &missing);
    picture_variants(draft, &missing);
    update_variants(draft, "variants", &changed);
    let me = draft.me();
    if !detach.is_empty() {
        let input = variables([("productId", me.clone()), ("variantMedia", Value::Array(detach))]);
        draft.call(&VARIANT_MEDIA_DETACH, "the variants' pictures", input);
    }
    for chunk in moves.chunks(PER_CALL) {
        let input = variables([("productId", me.clone()), ("positions", Value::Array(chunk.to_vec()))]);
        draft.call(&VARIANTS_REORDER, "the order of the variants", input);
    }
}

fn update_variants(draft: &mut Draft<'_>, what: &str, variants: &[Value]) {
    for chunk in variants.chunks(PER_CALL) {
        let input = variables([("productId", draft.me()), ("variants", Value::Array(chunk.to_vec()))]);
        draft.call(&VARIANTS_UPDATE, what, input);
    }
}

fn make_variants(draft: &mut Draft<'_>, variants: &[Value]) {
    for chunk in variants.chunks(PER_CALL) {
        let inputs = chunk
            .iter()
            .map(|variant| {
                let mut input = variant_input(draft, variant);
                // Where an option's value goes, `productSet` and the bulk calls agree; where the SKU goes, too.
                input.remove("position");
                Value::Object(input)
            })
            .collect();
        let input = variables([("productId", draft.me()), ("variants", Value::Array(inputs))]);
        draft.step(Step {
            // Which are missing depends on what is there, so a number would name others the next time.
            name: format!("variants/{}", digest(chunk.iter().filter_map(place::id_of).map(str::as_bytes))),
            born: Some(Born::Parts { at: "productVariants", part: &VARIANT, wanted: chunk.to_vec() }),
            ..Step::new(&VARIANTS_CREATE, "variants", input)
        });
    }
}

fn variant_input(draft: &mut Draft<'_>, variant: &Value) -> Map<String, Value> {
    let mut input = draft.fields(VARIANT_FIELDS, "", variant, None);
    input.insert("optionValues".to_owned(), option_values(draft.wanted, variant));
    // Stock is said of the inventory item, which is restored on its own, after this. Until then what was counted
    // must not be sold without end.
    let own = place::at(variant, "inventoryItem/tracked").filter(|tracked| tracked.is_boolean());
    // Older backups know only whether the product has any that is counted.
    let tracked = own.or(draft.wanted.get("tracksInventory").filter(|tracked| tracked.is_boolean()));
    if let Some(tracked) = tracked {
        place::put(&mut input, "inventoryItem/tracked", tracked.clone());
    }
    if let Some(position) = place::at(variant, "position").filter(|position| position.is_u64()) {
        input.insert("position".to_owned(), position.clone());
    }
    input
}

/// The values that a variant has of the product's options, in the options' own terms.
fn option_values(product: &Value, variant: &Value) -> Value {
    let value_of = |name: &str, chosen: &Value| {
        let option = place::list(product, "options")
            .iter()
            .find(|option| place::text(option, "name") == Some(name))?;
        let id = place::text(chosen, "optionValue/id")?;
        let value =
            place::list(option, "optionValues").iter().find(|value| place::id_of(value) == Some(id))?;
        place::text(value, "linkedMetafieldValue")
    };
    place::list(variant, "selectedOptions")
        .iter()
        .filter_map(|chosen| {
            let name = place::text(chosen, "name")?;
            Some(match value_of(name, chosen) {
                Some(metaobject) => {
                    json!({"optionName": name, "linkedMetafieldValue": links::id(metaobject)})
                }
                None => json!({"optionName": name, "name": place::at(chosen, "value")}),
            })
        })
        .collect()
}

/// An option with its values. Of more than one call takes, those that the variants which come with it have: the others
/// come with theirs.
fn option_input(option: &Value, variants: &[Value]) -> Value {
    let mut input = place::pick(option, &["name"]);
    if let Some(position) = option.get("position").filter(|position| position.is_u64()) {
        input.insert("position".to_owned(), position.clone());
    }
    let mut values: Vec<&Value> = place::list(option, "optionValues").iter().collect();
    if values.len() > PER_CALL {
        let chosen = variants.iter().flat_map(|variant| place::list(variant, "selectedOptions"));
        let used: HashSet<&str> = chosen
            .filter(|chosen| place::text(chosen, "name") == place::text(option, "name"))
            .filter_map(|chosen| place::text(chosen, "value"))
            .collect();
        values.retain(|value| place::text(value, "name").is_some_and(|name| used.contains(name)));
        values.truncate(PER_CALL);
    }
    match place::at(option, "linkedMetafield").filter(|linked| linked.is_object()) {
        Some(linked) => {
            let mut linked = place::pick(linked, &["namespace", "key"]);
            let ids = values.iter().filter_map(|value| place::text(value, "linkedMetafieldValue"));
            linked.insert("values".to_owned(), ids.map(links::id).collect());
            input.insert("linkedMetafield".to_owned(), Value::Object(linked));
        }
        None => {
            let names = values.iter().map(|value| Value::Object(place::pick(value, &["name"]))).collect();
            input.insert("values".to_owned(), names);
        }
    }
    Value::Object(input)
}

fn value_input(value: &Value) -> Map<String, Value> {
    match place::text(value, "linkedMetafieldValue") {
        Some(metaobject) => variables([("linkedMetafieldValue", links::id(metaobject))]),
        None => place::pick(value, &["name"]),
    }
}

fn change_media(draft: &mut Draft<'_>, live: &Value) {
    let (mut alts, mut missing) = (Vec::new(), Vec::new());
    let theirs = place::list(live, "media");
    let media = part::matched(place::list(draft.wanted, "media"), theirs, MEDIUM.key, &draft.links);
    let mut order = Vec::new();
    for (position, (wanted, live)) in media.iter().enumerate() {
        let Some(id) = place::id_of(wanted) else { continue };
        let path = format!("/media/[{id}]");
        let Some(live) = live else {
            if draft.change(path, &Value::Null, wanted) {
                missing.push((position, (*wanted).clone()));
            }
            continue;
        };
        order.extend(place::id_of(live));
        let input = draft.fields(&[same("alt", Form::Text)], &path, wanted, Some(live));
        if let Some(alt) = input.get("alt") {
            alts.push(json!({"id": links::id(id), "alt": alt.as_str().unwrap_or_default()}));
        }
    }
    if !alts.is_empty() {
        draft.call(&MEDIA_ALT, "the alternative texts of media", variables([("files", Value::Array(alts))]));
    }
    let made_some = !missing.is_empty();
    put_media(draft, missing);
    let now: Vec<&str> = theirs.iter().filter_map(place::id_of).filter(|id| order.contains(id)).collect();
    let ids = |list: Vec<&str>| Value::from(list);
    if (order != now || made_some) && media.len() > 1 {
        let noted = order == now || draft.change("/media".to_owned(), &ids(now), &ids(order));
        if noted {
            reorder_media(draft, place::list(draft.wanted, "media"));
        }
    }
}

fn reorder_media(draft: &mut Draft<'_>, media: &[Value]) {
    let moves = media
        .iter()
        .enumerate()
        .filter_map(|(position, one)| {
            Some(json!({"id": links::id(place::id_of(one)?), "newPosition": position.to_string()}))
        })
        .collect();
    let input = variables([("id", draft.me()), ("moves", Value::Array(moves))]);
    draft.call(&MEDIA_REORDER, "the order of the media", input);
}

fn put_media(draft: &mut Draft<'_>, media: Vec<(usize, Value)>) {
    if media.is_empty() {
        return;
    }
    draft.step(Step {
        name: "media".to_owned(),
        what: "media".to_owned(),
        work: Work::Media { media },
        born: None,
        once: false,
        partial: false,
        essential: false,
    });
}
