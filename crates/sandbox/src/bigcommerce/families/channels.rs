//! What hangs on a channel: its currencies, its site, its menu, and the listings of a marketplace.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, change, check_batch, show, written};
use super::super::filter::chosen;
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Row};
use super::store::currencies_of;

/// How many listings one request may write.
const BATCH_MAX: usize = 50;

pub(crate) const RESOURCES: &[Resource] = &[Resource {
    kind: "listing",
    path: "/v3/channels/*/listings",
    parent: "channel",
    id_field: "listing_id",
    dates: Dates::Zulu,
    batch: BATCH_MAX,
    unique: &[&["product_id", "^"]],
    defaults: r#"{"external_id":"","name":"","description":""}"#,
    rule: listing_rule,
    ..PLAIN
}];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v3/channels/*/listings", listings),
    ("GET", "/v3/channels/currency-assignments", all_currencies),
    ("POST", "/v3/channels/currency-assignments", put_all_currencies),
    ("PUT", "/v3/channels/currency-assignments", put_all_currencies),
    ("GET", "/v3/channels/*/currency-assignments", currencies),
    ("POST", "/v3/channels/*/currency-assignments", put_currencies),
    ("PUT", "/v3/channels/*/currency-assignments", put_currencies),
    ("DELETE", "/v3/channels/*/currency-assignments", delete_currencies),
    ("GET", "/v3/channels/*/site", site),
    ("POST", "/v3/channels/*/site", create_site),
    ("PUT", "/v3/channels/*/site", update_site),
    ("DELETE", "/v3/channels/*/site", delete_site),
    ("PUT", "/v3/channels/*/site/checkout-url", checkout_url),
    ("DELETE", "/v3/channels/*/site/checkout-url", delete_checkout_url),
    ("GET", "/v3/channels/*/channel-menus", menus),
    ("POST", "/v3/channels/*/channel-menus", put_menus),
    ("DELETE", "/v3/channels/*/channel-menus", delete_menus),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

fn channel(call: &Call<'_>) -> Result<Key, Refusal> {
    let key = call.key(0);
    call.store.get("channel", &key).map(|_| key.clone()).ok_or_else(Refusal::not_found)
}

fn listing_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let product = draft.value("product_id").as_u64().unwrap_or_default();
    if draft.old.as_ref().is_some_and(|(_, old)| old.number("product_id") != product) {
        return Err(Refusal::field("product_id", "cannot be changed"));
    }
    if !call.store.has("product", product) {
        return Err(Refusal::field("product_id", "names no product"));
    }
    let channel = draft.parent.as_ref().map_or(Json::Null, Key::json);
    let at = super::super::time::zulu(call.store.now);
    if let Some(Json::Array(variants)) = draft.fields.get("variants").cloned() {
        let mut kept = Vec::with_capacity(variants.len());
        for (turn, variant) in variants.into_iter().enumerate() {
            let id = variant.get("variant_id").and_then(Json::as_u64).unwrap_or_default();
            if call.store.at("variant", id).is_none_or(|row| row.parent_number() != product) {
                return Err(Refusal::field(
                    format!("variants.{turn}.variant_id"),
                    "names no variant of the product",
                ));
            }
            let mut fields = variant.as_object().cloned().unwrap_or_default();
            fields.insert("channel_id".to_owned(), channel.clone());
            fields.entry("date_created".to_owned()).or_insert(Json::from(at.as_str()));
            fields.insert("date_modified".to_owned(), Json::from(at.as_str()));
            kept.push(Json::Object(fields));
        }
        draft.fields.insert("variants".to_owned(), Json::Array(kept));
    }
    draft.fields.insert("channel_id".to_owned(), channel);
    Ok(())
}

/// Listings come after a number, and nobody says how many there are.
fn listings(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("listing")?;
    let parent = call.parent(resource)?;
    let after = call.query.number("after").unwrap_or_default();
    let limit = match call.query.number("limit") {
        Some(0) => return Err(Refusal::field("limit", "must be at least 1")),
        Some(limit) if limit > 250 => return Err(Refusal::field("limit", "must be at most 250")),
        limit => usize::try_from(limit.unwrap_or(50)).unwrap_or(50),
    };
    let query = std::mem::take(&mut call.query);
    call.query =
        Query(query.0.iter().filter(|(name, _)| name != "after" && name != "limit").cloned().collect());
    let mut keys = chosen(call, resource, parent.as_ref())?;
    call.query = query;
    keys.retain(|key| key.number() > after);
    keys.truncate(limit);
    let shown: Json = keys.iter().map(|key| show(call.store, resource, key, &Query::default())).collect();
    let meta = json!({ "pagination": { "count": keys.len(), "per_page": limit, "after": keys.last().map(Key::json) } });
    Ok(Answer::envelope(200, shown, meta))
}

fn of_channel(call: &Call<'_>, key: &Key) -> Json {
    call.store.get("channel", key).map_or(Json::Null, |row| currencies_of(call.store, key, row))
}

fn all_currencies(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let keys = call.store.keys("channel");
    Ok(Answer::data(keys.iter().map(|key| of_channel(call, key)).collect()))
}

fn currencies(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = channel(call)?;
    Ok(Answer::data(of_channel(call, &key)))
}

/// Sets the currencies of one channel: those of the store, the default one among them.
fn set_currencies(call: &mut Call<'_>, key: &Key, given: &Json) -> Result<(), Refusal> {
    let enabled: Vec<&str> = given
        .get("enabled_currencies")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let default = given.get("default_currency").and_then(Json::as_str).unwrap_or_default();
    let known = |code: &str| call.store.rows("currency").any(|(_, row)| row.text("currency_code") == code);
    if enabled.iter().any(|code| !known(code)) {
        return Err(Refusal::field("enabled_currencies", "names no currency of the store"));
    }
    if !enabled.contains(&default) {
        return Err(Refusal::field("default_currency", "is not enabled"));
    }
    let own = json!({ "channel_id": key.json(), "default_currency": default, "enabled_currencies": enabled });
    call.store.edit("channel", key, |row| {
        row.hidden.insert("currencies".to_owned(), own);
    });
    Ok(())
}

fn put_currencies(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = channel(call)?;
    let given = call.body.clone();
    set_currencies(call, &key, &given)?;
    Ok(Answer::data(of_channel(call, &key)))
}

fn put_all_currencies(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.body.as_array().cloned().unwrap_or_default();
    check_batch(call, given.len(), BATCH_MAX)?;
    let mut shown = Vec::new();
    for (turn, one) in given.iter().enumerate() {
        let key =
            one.get("channel_id").and_then(Key::of).filter(|key| call.store.get("channel", key).is_some());
        let key = key.ok_or_else(|| Refusal::field("channel_id", "names no channel").at(turn))?;
        set_currencies(call, &key, one).map_err(|refusal| refusal.at(turn))?;
        shown.push(of_channel(call, &key));
    }
    Ok(Answer::data(Json::Array(shown)))
}

fn delete_currencies(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = channel(call)?;
    call.store.edit("channel", &key, |row| {
        row.hidden.shift_remove("currencies");
    });
    Ok(Answer::data(key.json()))
}

fn site_of(call: &Call<'_>) -> Result<Key, Refusal> {
    let channel = channel(call)?.json();
    let site = call.store.rows("site").find(|(_, row)| row.get("channel_id") == &channel);
    site.map(|(key, _)| key.clone()).ok_or_else(Refusal::not_found)
}

fn site(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = site_of(call)?;
    Ok(Answer::data(show(call.store, kind("site")?, &key, &Query::default())))
}

fn create_site(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let channel = channel(call)?;
    let mut fields = call.object();
    fields.insert("channel_id".to_owned(), channel.json());
    let keys = add(call, kind("site")?, None, vec![fields])?;
    Ok(written(call, kind("site")?, &keys))
}

fn update_site(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = site_of(call)?;
    let fields = call.object();
    let keys = change(call, kind("site")?, vec![(key, fields)])?;
    Ok(written(call, kind("site")?, &keys))
}

fn delete_site(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = site_of(call)?;
    call.store.remove("site", &key);
    Ok(Answer::json(200, json!({})))
}

fn checkout_url(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = site_of(call)?;
    let url = call.body.get("url").and_then(Json::as_str).unwrap_or_default().to_owned();
    if !url.starts_with("https://") {
        return Err(Refusal::field("url", "must begin with https://"));
    }
    set_checkout(call, &key, &url, true);
    let fields = call.store.get("site", &key).map(|row| row.fields.clone()).unwrap_or_default();
    Ok(Answer::json(200, Json::Object(fields)))
}

fn delete_checkout_url(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = site_of(call)?;
    let url = call.store.get("site", &key).map(|row| row.text("url").to_owned()).unwrap_or_default();
    set_checkout(call, &key, &url, false);
    Ok(Answer::data(json!({})))
}

fn set_checkout(call: &mut Call<'_>, site: &Key, url: &str, own: bool) {
    call.store.edit("site", site, |row: &mut Row| {
        row.fields.insert("is_checkout_url_customized".to_owned(), Json::Bool(own));
        for entry in row.fields.get_mut("urls").and_then(Json::as_array_mut).into_iter().flatten() {
            if entry.get("type").and_then(Json::as_str) == Some("checkout")
                && let Some(entry) = entry.as_object_mut()
            {
                entry.insert("url".to_owned(), Json::from(url));
            }
        }
    });
}

fn menus_of(call: &Call<'_>, key: &Key) -> Json {
    let own = call.store.get("channel", key).and_then(|row| row.hidden.get("menus"));
    own.cloned()
        .unwrap_or_else(|| json!({ "bigcommerce_protected_app_sections": [], "custom_app_sections": [] }))
}

fn menus(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = channel(call)?;
    Ok(Answer::data(menus_of(call, &key)))
}

fn put_menus(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = channel(call)?;
    let given = call.body.clone();
    call.store.edit("channel", &key, |row| {
        row.hidden.insert("menus".to_owned(), given);
    });
    Ok(Answer::data(menus_of(call, &key)))
}

fn delete_menus(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = channel(call)?;
    call.store.edit("channel", &key, |row| {
        row.hidden.shift_remove("menus");
    });
    Ok(Answer::data(key.json()))
}
