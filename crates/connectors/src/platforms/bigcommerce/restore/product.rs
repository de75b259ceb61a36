//! Products, with all that belongs to one.
//!
//! What rides along in the call that makes a product is little: options, modifiers, rules, pictures and reviews each have
//! a call of their own, in the order in which they refer to each other.

use serde_json::{Map, Value, json};

use super::draft::{Below, Draft, all, below, id_at, metafield};
use super::forms;
use super::recipe::by_namespace_and_key;
use super::step::{Body, Path, Step};
use crate::compare::field::{Field, Form, same};
use crate::compare::links;
use crate::compare::part::{self, Named, Part};
use crate::compare::place;
use crate::engine::http::Verb;

const fn plain(name: &'static str) -> Field {
    same(name, Form::Plain)
}

const fn text(name: &'static str) -> Field {
    same(name, Form::Text)
}

const fn number(name: &'static str) -> Field {
    same(name, Form::Number)
}

/// What is written of a product itself.
pub(super) static FIELDS: &[Field] = &[
    text("name"),
    plain("type"),
    text("sku"),
    text("description"),
    number("weight"),
    number("width"),
    number("depth"),
    number("height"),
    number("price"),
    number("cost_price"),
    number("retail_price"),
    number("sale_price"),
    number("map_price"),
    same("tax_class_id", Form::Made(forms::id_or_zero)),
    text("product_tax_code"),
    same("categories", Form::Ids),
    same("brand_id", Form::Made(forms::id_or_zero)),
    number("inventory_warning_level"),
    plain("inventory_tracking"),
    number("fixed_cost_shipping_price"),
    plain("is_free_shipping"),
    plain("is_visible"),
    plain("is_featured"),
    RELATED.later(),
    text("warranty"),
    text("bin_picking_number"),
    text("layout_file"),
    text("upc"),
    text("search_keywords"),
    text("availability_description"),
    plain("availability"),
    plain("gift_wrapping_options_type"),
    plain("gift_wrapping_options_list"),
    number("sort_order"),
    plain("condition"),
    plain("is_condition_shown"),
    number("order_quantity_minimum"),
    number("order_quantity_maximum"),
    text("page_title"),
    plain("meta_keywords"),
    text("meta_description"),
    text("preorder_release_date"),
    text("preorder_message"),
    plain("is_preorder_only"),
    plain("is_price_hidden"),
    text("price_hidden_label"),
    same("custom_url", Form::Made(forms::address)),
    plain("open_graph_type"),
    text("open_graph_title"),
    text("open_graph_description"),
    plain("open_graph_use_meta_description"),
    plain("open_graph_use_product_name"),
    plain("open_graph_use_image"),
    text("gtin"),
    text("mpn"),
];

const RELATED: Field = same("related_products", Form::Ids);
const STOCK: Field = number("inventory_level");

/// What is written of a variant.
static VARIANT: &[Field] = &[
    text("sku"),
    number("cost_price"),
    number("price"),
    number("sale_price"),
    number("retail_price"),
    number("weight"),
    number("width"),
    number("height"),
    number("depth"),
    plain("is_free_shipping"),
    number("fixed_cost_shipping_price"),
    plain("purchasing_disabled"),
    text("purchasing_disabled_message"),
    text("upc"),
    number("inventory_warning_level"),
    text("bin_picking_number"),
    text("mpn"),
    text("gtin"),
];

static OPTION: &[Field] = &[text("display_name"), plain("type"), plain("config"), number("sort_order")];
static OPTION_VALUE: &[Field] =
    &[plain("is_default"), text("label"), number("sort_order"), same("value_data", Form::Made(value_data))];
static MODIFIER: &[Field] =
    &[plain("type"), plain("required"), number("sort_order"), plain("config"), text("display_name")];
static ADJUSTERS: Field = same("adjusters", Form::Made(adjusters));
static IMAGE: &[Field] = &[plain("is_thumbnail"), number("sort_order"), text("description")];

/// What a value of an option or a modifier leads to.
fn value_data(value: &Value) -> Value {
    let Some(fields) = value.as_object() else { return Value::Null };
    let mut fields = fields.clone();
    if let Some(product) = fields.get_mut("product_id")
        && let Some(id) = product.as_str()
    {
        *product = links::id(id);
    }
    Value::Object(fields)
}

/// What choosing a value changes. A picture has a call of its own.
fn adjusters(value: &Value) -> Value {
    let fields = place::pick(value, &["price", "weight", "purchasing_disabled"]);
    if fields.is_empty() { Value::Null } else { Value::Object(fields) }
}

static VIDEOS: Below = Below {
    part: Part { at: "videos", key: Named(by_video), parts: &[] },
    path: "v3/catalog/products/{}/videos",
    fields: &[text("title"), text("description"), number("sort_order"), plain("type"), text("video_id")],
    whole: false,
};
static CUSTOM_FIELDS: Below = Below {
    part: Part { at: "custom_fields", key: Named(by_name_and_value), parts: &[] },
    path: "v3/catalog/products/{}/custom-fields",
    fields: &[text("name"), text("value")],
    whole: true,
};
static BULK_PRICES: Below = Below {
    part: Part { at: "bulk_pricing_rules", key: Named(by_quantity), parts: &[] },
    path: "v3/catalog/products/{}/bulk-pricing-rules",
    fields: &[number("quantity_min"), number("quantity_max"), plain("type"), number("amount")],
    whole: true,
};
static REVIEWS: Below = Below {
    part: Part { at: "reviews", key: Named(by_review), parts: &[] },
    path: "v3/catalog/products/{}/reviews",
    fields: &[
        text("title"),
        text("text"),
        plain("status"),
        number("rating"),
        text("email"),
        text("name"),
        plain("date_reviewed"),
    ],
    whole: true,
};
static RULES: Below = Below {
    part: Part { at: "complex_rules", key: Named(by_conditions), parts: &[] },
    path: "v3/catalog/products/{}/complex-rules",
    fields: &[
        number("sort_order"),
        plain("enabled"),
        plain("stop"),
        plain("purchasing_disabled"),
        text("purchasing_disabled_message"),
        plain("purchasing_hidden"),
        plain("price_adjuster"),
        plain("weight_adjuster"),
        same("conditions", Form::Made(conditions)),
    ],
    whole: true,
};

/// Parts of a product, and how they are recognised.
pub(super) static PARTS: &[Part] = &[
    Part {
        at: "options",
        key: Named(by_display_name),
        parts: &[Part { at: "option_values", key: Named(by_label), parts: &[] }],
    },
    Part { at: "variants", key: Named(by_option_values), parts: &[] },
    Part {
        at: "modifiers",
        key: Named(by_display_name),
        parts: &[Part { at: "option_values", key: Named(by_label), parts: &[] }],
    },
    Part { at: "images", key: Named(by_picture), parts: &[] },
    Part { at: "videos", key: VIDEOS_KEY, parts: &[] },
    Part { at: "custom_fields", key: Named(by_name_and_value), parts: &[] },
    Part { at: "bulk_pricing_rules", key: Named(by_quantity), parts: &[] },
    Part { at: "reviews", key: Named(by_review), parts: &[] },
    Part { at: "complex_rules", key: Named(by_conditions), parts: &[] },
    Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] },
    Part { at: "variant_metafields", key: Named(by_nothing), parts: &[] },
];
const VIDEOS_KEY: part::Key = Named(by_video);

fn by_nothing(_: &Value, _: usize) -> Option<String> {
    None
}

fn by_display_name(option: &Value, _: usize) -> Option<String> {
    place::text(option, "display_name").map(str::to_owned)
}

fn by_label(value: &Value, _: usize) -> Option<String> {
    place::text(value, "label").map(str::to_owned)
}

fn by_video(video: &Value, _: usize) -> Option<String> {
    place::text(video, "video_id").map(str::to_owned)
}

fn by_name_and_value(field: &Value, _: usize) -> Option<String> {
    Some(format!("{}\n{}", place::text(field, "name")?, place::text(field, "value")?))
}

fn by_quantity(rule: &Value, _: usize) -> Option<String> {
    Some(format!("{} {}", rule.get("quantity_min")?, rule.get("type")?))
}

fn by_review(review: &Value, _: usize) -> Option<String> {
    Some(format!(
        "{}\n{}\n{}",
        place::text(review, "title")?,
        review.get("date_reviewed")?,
        review.get("name")?
    ))
}

/// A variant by the values that were chosen for it; that of a product without options by there being none.
fn by_option_values(variant: &Value, _: usize) -> Option<String> {
    let mut values: Vec<String> = place::list(variant, "option_values")
        .iter()
        .map(|value| {
            let text = |name| place::text(value, name).unwrap_or_default();
            format!("{}={}", text("option_display_name"), text("label"))
        })
        .collect();
    values.sort_unstable();
    Some(values.join("\n"))
}

/// A picture by the name that its file was uploaded under: BigCommerce puts a number of its own behind that.
fn by_picture(image: &Value, _: usize) -> Option<String> {
    let file = place::text(image, "image_file")?;
    let name = file.rsplit('/').next().unwrap_or(file);
    let (stem, _) = name.rsplit_once('.').unwrap_or((name, ""));
    // `mug__71234.jpg`: what follows the two underscores was added when it was taken in.
    let stem = stem.split("__").next().unwrap_or(stem);
    Some(format!("{stem}\n{}", place::text(image, "description").unwrap_or_default()))
}

fn by_conditions(rule: &Value, _: usize) -> Option<String> {
    rule.get("sort_order").map(|order| format!("{order}\n{}", place::list(rule, "conditions").len()))
}

fn conditions(value: &Value) -> Value {
    let condition = |condition: &Value| {
        let ids = ["modifier_id", "modifier_value_id", "variant_id"].into_iter();
        Value::Object(
            ids.filter_map(|name| Some((name.to_owned(), id_at(condition, name)?))).collect::<Map<_, _>>(),
        )
    };
    value.as_array().map_or(Value::Null, |list| list.iter().map(condition).collect())
}

/// Whatever is written of a product beside its own fields.
pub(super) fn more(draft: &mut Draft<'_>) {
    if draft.options.stock {
        stock(draft);
    }
    choices(draft, "options", "v3/catalog/products/{}/options", OPTION);
    variants(draft);
    choices(draft, "modifiers", "v3/catalog/products/{}/modifiers", MODIFIER);
    adjust(draft);
    images(draft);
    for table in [&VIDEOS, &CUSTOM_FIELDS, &BULK_PRICES, &REVIEWS, &RULES] {
        below(draft, table);
    }
    variant_metafields(draft);
    channels(draft);
    related(draft);
    if draft.is_birth() {
        draft.losses.push("The product comes back with a new id and a new date of creation.".to_owned());
    }
}

/// Products that are shown with one that is made anew. Some of them may not be there yet: that is no reason not to make it.
fn related(draft: &mut Draft<'_>) {
    if draft.is_birth() && !place::list(draft.wanted, RELATED.from).is_empty() {
        let input = all(&[RELATED], draft.wanted);
        let step = Step::put(
            "related products",
            Path::one_of("v3/catalog/products", &[draft.id]),
            Body::Object(input),
        );
        draft.step(Step { name: "put related".to_owned(), ..step });
    }
}

/// How many there are, for a product without variants.
fn stock(draft: &mut Draft<'_>) {
    let input = draft.fields(&[STOCK], "", draft.wanted, draft.live);
    if !input.is_empty() {
        draft.step(Step::put("stock", Path::one_of("v3/catalog/products", &[draft.id]), Body::Object(input)));
    }
}

/// Options or modifiers, each with its values.
fn choices(draft: &mut Draft<'_>, at: &'static str, path: &'static str, fields: &'static [Field]) {
    let part = Part { at, key: Named(by_display_name), parts: &[] };
    for gone in draft.surplus(&part) {
        let id = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("/{at}/[{id}]"), gone, &Value::Null) {
            draft.step(Step::delete(at, Path::one_of(path, &[draft.id, id])));
        }
    }
    let live = draft.live.map_or(&[][..], |live| place::list(live, at));
    for (wanted, live) in part::matched(place::list(draft.wanted, at), live, part.key, &draft.links) {
        let id = place::id_of(wanted).unwrap_or_default();
        let way = format!("/{at}/[{id}]");
        let Some(live) = live else {
            if draft.is_birth() || draft.change(way, &Value::Null, wanted) {
                let mut input = all(fields, wanted);
                let values: Vec<Value> = place::list(wanted, "option_values")
                    .iter()
                    .map(|value| Value::Object(all(OPTION_VALUE, value)))
                    .collect();
                // A checkbox has its two values by itself.
                if !values.is_empty() && place::text(wanted, "type") != Some("checkbox") {
                    input.insert("option_values".to_owned(), Value::Array(values));
                }
                draft.step(Step::make(
                    at,
                    id,
                    Path::new(path, &[draft.id]),
                    Body::Object(input),
                    vec![wanted.clone()],
                ));
            }
            continue;
        };
        let input = draft.part_fields(fields, &way, wanted, Some(live), None);
        if !input.is_empty() {
            draft.step(Step::put(at, Path::one_of(path, &[draft.id, id]), Body::Object(input)));
        }
        values(draft, (at, path), &way, (wanted, live));
    }
}

/// The values of one option or modifier that is there.
fn values(
    draft: &mut Draft<'_>,
    (at, path): (&'static str, &'static str),
    way: &str,
    (wanted, live): (&Value, &Value),
) {
    let id = place::id_of(wanted).unwrap_or_default();
    let list = format!("{path}/{{}}/values");
    let former = draft.former.map_or(&[][..], |former| place::list(former, at));
    let was = part::matched(std::slice::from_ref(live), former, Named(by_display_name), &draft.links);
    let was = was.first().and_then(|(_, was)| *was).map_or(&[][..], |was| place::list(was, "option_values"));
    let (to, from) = (place::list(wanted, "option_values"), place::list(live, "option_values"));
    for gone in part::surplus(to, from, was, Named(by_label), &draft.links.clone()) {
        let value = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("{way}/option_values/[{value}]"), gone, &Value::Null) {
            draft.step(Step::delete("option values", Path::one_of(&list, &[draft.id, id, value])));
        }
    }
    let within = if at == "options" { "options/option_values" } else { "modifiers/option_values" };
    for (wanted, live) in part::matched(to, from, Named(by_label), &draft.links) {
        let value = place::id_of(wanted).unwrap_or_default();
        let way = format!("{way}/option_values/[{value}]");
        match live {
            None => {
                if draft.change(way, &Value::Null, wanted) {
                    let body = Body::Object(all(OPTION_VALUE, wanted));
                    draft.step(Step::make(
                        within,
                        value,
                        Path::new(list.clone(), &[draft.id, id]),
                        body,
                        vec![wanted.clone()],
                    ));
                }
            }
            Some(live) => {
                let input = draft.part_fields(OPTION_VALUE, &way, wanted, Some(live), None);
                if !input.is_empty() {
                    // Each change names the value whole: its label and place are asked for.
                    let body = Body::Object(all(OPTION_VALUE, wanted));
                    draft.step(Step::put("option values", Path::one_of(&list, &[draft.id, id, value]), body));
                }
            }
        }
    }
}

/// What choosing a modifier's values changes: with the value itself it cannot be set.
fn adjust(draft: &mut Draft<'_>) {
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "modifiers"));
    for (modifier, live) in
        part::matched(place::list(draft.wanted, "modifiers"), theirs, Named(by_display_name), &draft.links)
    {
        let id = place::id_of(modifier).unwrap_or_default();
        let live = live.map_or(&[][..], |live| place::list(live, "option_values"));
        for (value, live) in
            part::matched(place::list(modifier, "option_values"), live, Named(by_label), &draft.links)
        {
            let wanted = ADJUSTERS.form.input(value.get("adjusters").unwrap_or(&Value::Null));
            let is = live
                .and_then(|live| live.get("adjusters"))
                .map(|is| ADJUSTERS.form.input(is))
                .unwrap_or_default();
            if ADJUSTERS.form.same(&wanted, &is) {
                continue;
            }
            let which = place::id_of(value).unwrap_or_default();
            let way = format!("/modifiers/[{id}]/option_values/[{which}]/adjusters");
            if live.is_none() || draft.change(way, &is, &wanted) {
                let mut input = all(OPTION_VALUE, value);
                input.insert("adjusters".to_owned(), wanted);
                let path = Path::new("v3/catalog/products/{}/modifiers/{}/values/{}", &[draft.id, id, which]);
                let step = Step::put("what modifiers change", path, Body::Object(input));
                draft.step(Step { name: format!("adjust {which}"), ..step });
            }
        }
    }
}

fn variants(draft: &mut Draft<'_>) {
    let path = "v3/catalog/products/{}/variants";
    let part = Part { at: "variants", key: Named(by_option_values), parts: &[] };
    for gone in draft.surplus(&part) {
        let id = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("/variants/[{id}]"), gone, &Value::Null) {
            draft.step(Step::delete("variants", Path::one_of(path, &[draft.id, id])));
        }
    }
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "variants"));
    let with_stock: Vec<Field> =
        VARIANT.iter().copied().chain(draft.options.stock.then_some(STOCK)).collect();
    for (position, (wanted, live)) in
        part::matched(place::list(draft.wanted, "variants"), theirs, part.key, &draft.links)
            .into_iter()
            .enumerate()
    {
        let id = place::id_of(wanted).unwrap_or_default();
        let way = format!("/variants/[{id}]");
        let chosen = place::list(wanted, "option_values");
        let values: Vec<Value> = chosen
            .iter()
            .filter_map(|value| {
                Some(json!({"id": id_at(value, "id")?, "option_id": id_at(value, "option_id")?}))
            })
            .collect();
        match live {
            // A product has one variant without a choice from its beginning.
            None if values.is_empty() && draft.is_birth() => {
                let input = all(&with_stock, wanted);
                draft.step(Step::put(
                    "the variant",
                    Path::one_of(path, &[draft.id, id]),
                    Body::Object(input),
                ));
            }
            None => {
                if draft.is_birth() || draft.change(way, &Value::Null, wanted) {
                    let mut input = all(&with_stock, wanted);
                    input.insert("option_values".to_owned(), Value::Array(values));
                    draft.step(Step::make(
                        "variants",
                        id,
                        Path::new(path, &[draft.id]),
                        Body::Object(input),
                        vec![wanted.clone()],
                    ));
                }
            }
            Some(live) => {
                let input = draft.part_fields(&with_stock, &way, wanted, Some(live), None);
                if !input.is_empty() {
                    draft.step(Step::put(
                        "variants",
                        Path::one_of(path, &[draft.id, id]),
                        Body::Object(input),
                    ));
                }
            }
        }
        variant_picture(draft, position, (id, wanted, live));
    }
}

/// A variant's own picture, where it has none now.
fn variant_picture(
    draft: &mut Draft<'_>,
    position: usize,
    (id, wanted, live): (&str, &Value, Option<&Value>),
) {
    let Some(url) = place::text(wanted, "image_url") else { return };
    let is_new = match live.map(|live| place::text(live, "image_url")) {
        None => true,
        Some(None) => draft.change(format!("/variants/[{id}]/image_url"), &Value::Null, &Value::from(url)),
        Some(Some(_)) => false,
    };
    if is_new {
        let body = Body::File {
            pointer: format!("/variants/{position}/image_url"),
            field: "image_file",
            form: Map::new(),
        };
        let path = Path::new("v3/catalog/products/{}/variants/{}/image", &[draft.id, id]);
        draft.step(Step { method: Verb::Post, ..Step::put("the variant's picture", path, body) });
    }
}

/// Pictures, one at a time, from the bytes that were stored.
fn images(draft: &mut Draft<'_>) {
    let path = "v3/catalog/products/{}/images";
    let part = Part { at: "images", key: Named(by_picture), parts: &[] };
    for gone in draft.surplus(&part) {
        let id = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("/images/[{id}]"), gone, &Value::Null) {
            draft.step(Step::delete("pictures", Path::one_of(path, &[draft.id, id])));
        }
    }
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "images"));
    let matched = part::matched(place::list(draft.wanted, "images"), theirs, part.key, &draft.links);
    for (position, (wanted, live)) in matched.into_iter().enumerate() {
        let id = place::id_of(wanted).unwrap_or_default();
        let way = format!("/images/[{id}]");
        match live {
            None => {
                if draft.is_birth() || draft.change(way, &Value::Null, wanted) {
                    let original =
                        place::text(wanted, "image_file").is_some_and(|file| !file.contains("%%SAMPLE%%"));
                    let at = if original { "image_file" } else { "url_zoom" };
                    let body = Body::File {
                        pointer: format!("/images/{position}/{at}"),
                        field: "image_file",
                        form: all(IMAGE, wanted),
                    };
                    draft.step(Step::make(
                        "images",
                        id,
                        Path::new(path, &[draft.id]),
                        body,
                        vec![wanted.clone()],
                    ));
                }
            }
            Some(live) => {
                let input = draft.part_fields(IMAGE, &way, wanted, Some(live), None);
                if !input.is_empty() {
                    draft.step(Step::put(
                        "pictures",
                        Path::one_of(path, &[draft.id, id]),
                        Body::Object(input),
                    ));
                }
            }
        }
    }
}

fn variant_metafields(draft: &mut Draft<'_>) {
    let field = "variant_metafields";
    let path = "v3/catalog/products/{}/variants/{}/metafields";
    let key = |metafield: &Value, links: &links::Links<'_>| {
        let owner = links.now(place::text(metafield, "resource_id")?).to_owned();
        Some((owner, by_namespace_and_key(metafield, 0)?))
    };
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, field));
    for wanted in place::list(draft.wanted, field) {
        let Some(owner) = place::text(wanted, "resource_id") else { continue };
        let name = key(wanted, &draft.links);
        let live = theirs.iter().find(|live| {
            let own = place::text(live, "resource_id").map(str::to_owned).zip(by_namespace_and_key(live, 0));
            own.is_some() && own == name
        });
        if let (Some(old), Some(new)) = (place::id_of(wanted), live.and_then(place::id_of)) {
            draft.links.note(old, new);
        }
        metafield(draft, (field, path), &[draft.id, owner], wanted, live);
    }
}

/// In which channels it is listed. What was added since stays, unless the state had it that is taken back.
fn channels(draft: &mut Draft<'_>) {
    let list = |of: Option<&Value>| -> Vec<String> {
        of.map_or(&[][..], |of| place::list(of, "channels"))
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let (wanted, live) = (list(Some(draft.wanted)), list(draft.live));
    let missing: Vec<&String> =
        wanted.iter().filter(|channel| !live.iter().any(|live| live == draft.links.now(channel))).collect();
    if missing.is_empty() {
        return;
    }
    let (to, from) = (json!(wanted), json!(live));
    if draft.is_birth() || draft.change("/channels".to_owned(), &from, &to) {
        let assignments = missing
            .iter()
            .map(|channel| json!({"product_id": draft.me(), "channel_id": links::id(channel)}))
            .collect();
        let path = Path::new("v3/catalog/products/channel-assignments", &[]);
        draft.step(Step::put("channels", path, Body::List(assignments)));
    }
}
