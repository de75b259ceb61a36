//! Settings: documents of which there is one, or one and another for each channel.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Body, Refusal};
use super::super::call::Call;
use super::super::facts::facts;
use super::super::resource::{Handler, PLAIN, Resource, inner, nothing, starred};
use super::super::store::{Key, Obj, Row, Store};
use super::images;

pub(crate) const RESOURCES: &[Resource] =
    &[Resource { kind: "analytics_provider", path: "/v3/settings/analytics", ..PLAIN }];

/// Documents: path, what a new store has in them where that is not nothing.
const DOCUMENTS: &[(&str, &str)] = &[
    ("/v3/settings/catalog", r#"{"enable_product_comparisons":true}"#),
    (
        "/v3/settings/email-statuses",
        r#"{"invoice_email":true,"create_account_email":true,"combined_order_status_email":true}"#,
    ),
    ("/v3/settings/inventory", r#"{"default_out_of_stock_message":"Out of stock"}"#),
    ("/v3/settings/inventory/notifications", "{}"),
    ("/v3/settings/logo", r#"{"type":"text","logo_text":"Practice store"}"#),
    ("/v3/settings/store/locale", r#"{"default_shopper_language":"en","store_country":"Germany"}"#),
    (
        "/v3/settings/store/profile",
        r#"{"store_name":"Practice store","store_email":"owner@example.com","store_address":"1 Sample Street"}"#,
    ),
    (
        "/v3/settings/store/units-of-measurement",
        r#"{"weight_measurement":"KGS","length_measurement":"Centimeters","decimal_token":".",
        "thousands_token":",","decimal_places":2}"#,
    ),
    ("/v3/settings/storefront/category", r#"{"category_tree_depth":3}"#),
    ("/v3/settings/storefront/product", r#"{"show_product_price":true,"show_product_sku":true}"#),
    ("/v3/settings/storefront/robotstxt", r#"{"robots_txt_ssl":"User-agent: *\nDisallow: /cart.php"}"#),
    ("/v3/settings/storefront/search", r#"{"product_filtering_enabled":true}"#),
    ("/v3/settings/storefront/security", r#"{"sitewide_https_enabled":true}"#),
    ("/v3/settings/storefront/seo", r#"{"page_title":"Practice store","meta_keywords":"practice"}"#),
    ("/v3/settings/storefront/status", r#"{"down_for_maintenance_message":"We are back soon."}"#),
    ("/v3/tax/settings", "{}"),
    ("/v3/promotions/settings", r#"{"number_of_coupons_allowed_at_checkout":1}"#),
    ("/v3/orders/settings", "{}"),
    ("/v3/orders/settings/channels/*", "{}"),
    ("/v3/customers/settings", "{}"),
    ("/v3/customers/settings/channels/*", "{}"),
    ("/v3/shipping/settings", "{}"),
    ("/v3/shipping/settings/channels/*", "{}"),
    (
        "/v3/abandoned-carts/settings",
        r#"{"enable_notification":true,"merchant_abandoned_cart_digest_email_frequency":10}"#,
    ),
    ("/v3/abandoned-carts/settings/channels/*", "{}"),
    ("/v3/marketing/abandoned-cart-emails/settings", r#"{"use_global":true}"#),
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("PUT", "/v3/settings/analytics/*", put_provider),
    ("GET", "/v3/settings/search/filters", filters),
    ("PUT", "/v3/settings/search/filters", put_filters),
    ("GET", "/v3/settings/search/filters/available", available),
    ("GET", "/v3/settings/search/filters/contexts", contexts),
    ("PUT", "/v3/settings/search/filters/contexts", put_contexts),
    ("POST", "/v3/settings/logo/image", logo),
    ("POST", "/v3/settings/favicon/image", favicon),
];

/// The handler of a document, when the path is one.
pub(crate) fn route(method: &str, path: &str) -> Option<Handler> {
    let known = DOCUMENTS.iter().any(|(known, _)| *known == path);
    match method {
        "GET" if known => Some(read),
        "PUT" if known => Some(write),
        _ => None,
    }
}

/// The channel that a request means, by its path or by a parameter.
fn channel(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    let by_path = call.operation.path.contains("/channels/{").then(|| call.key(0).number());
    let channel = by_path.or_else(|| call.query.number("channel_id"));
    match channel {
        Some(channel) if !call.store.has("channel", channel) => Err(Refusal::not_found()),
        channel => Ok(channel),
    }
}

fn key(path: &str, channel: Option<u64>) -> Key {
    Key::Text(channel.map_or_else(|| path.to_owned(), |channel| format!("{path}?channel_id={channel}")))
}

/// What stands in a document: of the channel, else of the store, else what a new store has.
fn document(store: &Store, path: &str, channel: Option<u64>) -> Obj {
    let own = channel.and_then(|channel| store.get("setting", &key(path, Some(channel))));
    if let Some(row) = own.or_else(|| store.get("setting", &key(path, None))) {
        return row.fields.clone();
    }
    let operation = facts()
        .operations
        .iter()
        .find(|operation| operation.method == "GET" && starred(operation.path) == path);
    let mut fields = match operation.and_then(|operation| operation.answer()).map(inner).map(nothing) {
        Some(Json::Object(fields)) => fields,
        _ => Obj::new(),
    };
    fields.shift_remove("meta");
    let given = DOCUMENTS.iter().find(|(known, _)| *known == path).map_or("{}", |(_, given)| given);
    if let Ok(Json::Object(given)) = serde_json::from_str(given) {
        fields.extend(given);
    }
    fields
}

/// Whether the operation says `data` around what it answers.
fn envelope(call: &Call<'_>, fields: Obj) -> Answer {
    let object = call.operation.answer().and_then(|fact| fact.object.as_ref());
    if object.is_none_or(|object| object.field("data").is_some()) {
        Answer::data(Json::Object(fields))
    } else {
        Answer { status: 200, body: Body::Json(Json::Object(fields)) }
    }
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let path = starred(call.operation.path);
    let channel = channel(call)?;
    let fields = document(call.store, &path, channel);
    Ok(envelope(call, fields))
}

/// What a request does not name stays.
fn write(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let path = starred(call.operation.path);
    let channel = channel(call)?;
    let given = call.object();
    // Nothing but null ends what a channel has for itself.
    if channel.is_some() && !given.is_empty() && given.values().all(Json::is_null) {
        call.store.remove("setting", &key(&path, channel));
        let fields = document(call.store, &path, channel);
        return Ok(envelope(call, fields));
    }
    let mut fields = document(call.store, &path, channel);
    merge(&mut fields, given);
    call.store.put("setting", &key(&path, channel), Row { fields: fields.clone(), ..Row::default() });
    if path == "/v3/settings/store/profile" && channel.is_none() {
        profile(call.store, &fields);
    }
    Ok(envelope(call, fields))
}

fn merge(fields: &mut Obj, given: Obj) {
    for (name, value) in given {
        match (fields.get_mut(&name), value) {
            (Some(Json::Object(inside)), Json::Object(given)) => merge(inside, given),
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
}

/// The store's facts in V2 follow its profile.
fn profile(store: &mut Store, fields: &Obj) {
    let Some(key) = store.keys("store").into_iter().next() else { return };
    store.edit("store", &key, |row| {
        for (from, to) in [
            ("store_name", "name"),
            ("store_phone", "phone"),
            ("store_email", "admin_email"),
            ("store_address", "address"),
        ] {
            if let Some(value) = fields.get(from) {
                row.fields.insert(to.to_owned(), value.clone());
            }
        }
    });
}

fn put_provider(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = call.key(0);
    call.store.get("analytics_provider", &key).ok_or_else(Refusal::not_found)?;
    let given = call.object();
    call.store.edit("analytics_provider", &key, |row| row.fields.extend(given));
    let fields = call.store.get("analytics_provider", &key).map(|row| row.fields.clone()).unwrap_or_default();
    Ok(envelope(call, fields))
}

const FILTERS: &str = "/v3/settings/search/filters";

/// The filters that a shopper may use, as the store keeps them.
fn kept_filters(store: &Store) -> Vec<Json> {
    if let Some(row) = store.get("setting", &key(FILTERS, None)) {
        return row.list("filters").to_vec();
    }
    ["category", "brand", "price", "rating"]
        .iter()
        .map(|name| {
            json!({ "id": format!("practice-{name}"), "type": name, "display_name": name, "is_enabled": true, "collapsed_by_default": false,
                "display_product_count": true, "items_to_show": 10, "sort_by": "item_count" })
        })
        .collect()
}

fn filters(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(Json::Array(kept_filters(call.store))))
}

fn known_filters(call: &Call<'_>, list: &[Json]) -> Result<(), Refusal> {
    let ids: Vec<Json> =
        kept_filters(call.store).iter().filter_map(|filter| filter.get("id").cloned()).collect();
    match list.iter().position(|filter| filter.get("id").is_none_or(|id| !ids.contains(id))) {
        Some(turn) => Err(Refusal::field("id", "names no filter").at(turn)),
        None => Ok(()),
    }
}

fn put_filters(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.body.as_array().cloned().unwrap_or_default();
    known_filters(call, &given)?;
    let mut all = kept_filters(call.store);
    for filter in given {
        let place = all.iter_mut().find(|known| known.get("id") == filter.get("id"));
        if let (Some(Json::Object(place)), Json::Object(filter)) = (place, filter) {
            place.extend(filter);
        }
    }
    let fields = [("filters".to_owned(), Json::Array(all.clone()))].into_iter().collect();
    call.store.put("setting", &key(FILTERS, None), Row { fields, ..Row::default() });
    Ok(Answer::data(Json::Array(all)))
}

fn available(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let list = kept_filters(call.store);
    let shown = list.iter().map(|filter| {
        json!({ "id": filter.get("id"), "name": filter.get("display_name"), "type": filter.get("type"), "product_count": call.store.count("product"),
            "price_range_min": 0, "price_range_max": 0 })
    });
    Ok(Answer::data(shown.collect()))
}

const CONTEXTS: &str = "/v3/settings/search/filters/contexts";

fn kept_contexts(store: &Store) -> Vec<Json> {
    store.get("setting", &key(CONTEXTS, None)).map(|row| row.list("contexts").to_vec()).unwrap_or_default()
}

fn contexts(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut list = kept_contexts(call.store);
    for name in ["channel_id", "category_id"] {
        if let Some(wanted) = call.query.number(name) {
            list.retain(|one| {
                one.pointer(&format!("/context/{name}")).and_then(Json::as_u64) == Some(wanted)
            });
        }
    }
    let count = list.len();
    let meta = json!({ "pagination": { "total": count, "count": count, "per_page": 50, "current_page": 1, "total_pages": 1, "links": {} } });
    Ok(Answer::envelope(200, Json::Array(list), meta))
}

fn put_contexts(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.body.as_array().cloned().unwrap_or_default();
    let mut all = kept_contexts(call.store);
    for (turn, one) in given.iter().enumerate() {
        let number = |name: &str| one.pointer(&format!("/context/{name}")).and_then(Json::as_u64);
        if number("channel_id").is_some_and(|id| !call.store.has("channel", id)) {
            return Err(Refusal::field("context.channel_id", "names no channel").at(turn));
        }
        if number("category_id").is_some_and(|id| !call.store.has("category", id)) {
            return Err(Refusal::field("context.category_id", "names no category").at(turn));
        }
        known_filters(call, one.get("data").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default())?;
        all.retain(|known| known.get("context") != one.get("context"));
        all.push(one.clone());
    }
    let fields = [("contexts".to_owned(), Json::Array(all))].into_iter().collect();
    call.store.put("setting", &key(CONTEXTS, None), Row { fields, ..Row::default() });
    Ok(Answer::data(Json::Array(given)))
}

fn logo(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    picture(call, "LogoFile", "logo_image_url")
}

fn favicon(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    picture(call, "FaviconFile", "favicon_url")
}

fn picture(call: &mut Call<'_>, file: &str, field: &str) -> Result<Answer, Refusal> {
    let channel = channel(call)?;
    let url = images::one_named(call, "logo", file)?;
    let path = "/v3/settings/logo";
    let mut fields = document(call.store, path, channel);
    fields.insert(field.to_owned(), Json::from(url));
    if field == "logo_image_url" {
        fields.insert("type".to_owned(), Json::from("image"));
    }
    call.store.put("setting", &key(path, channel), Row { fields, ..Row::default() });
    Ok(Answer::empty(204))
}
