//! The store itself: its facts, channels, sites, currencies, places, classes of tax.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::filter::compare;
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource};
use super::super::store::{Key, Obj, Row, Store};

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "channel",
        path: "/v3/channels",
        dates: Dates::Offset,
        unique: &[&["name"]],
        defaults: r#"{"status":"active","is_visible":true,"is_listable_from_ui":true,"is_enabled":true,"external_id":"","icon_url":""}"#,
        omit: &["currencies"],
        rule: channel_rule,
        view: channel_view,
        filter: |_, _, row, name, value| {
            let open = matches!(row.text("status"), "active" | "prelaunch" | "connected");
            (name == "available").then_some(open == matches!(value, "true" | "1"))
        },
        ..PLAIN
    },
    Resource {
        kind: "site",
        path: "/v3/sites",
        unique: &[&["url"], &["channel_id"]],
        defaults: r#"{"ssl_status":"shared","is_checkout_url_customized":false}"#,
        rule: site_rule,
        gone: |store, key, _| {
            let own: Vec<Key> = store
                .rows("redirect")
                .filter(|(_, row)| row.get("site_id") == &key.json())
                .map(|(key, _)| key.clone())
                .collect();
            for redirect in own {
                store.remove("redirect", &redirect);
            }
        },
        filter: site_filter,
        ..PLAIN
    },
    Resource {
        kind: "site_route",
        path: "/v3/sites/*/routes",
        parent: "site",
        unique: &[&["type", "matching", "^"]],
        ..PLAIN
    },
    Resource {
        kind: "currency",
        path: "/v2/currencies",
        unique: &[&["currency_code"]],
        defaults: r#"{"enabled":true,"is_default":false,"is_transactional":true,"auto_update":false,"use_default_name":false,
            "default_for_country_codes":[],"country_iso2":""}"#,
        rule: currency_rule,
        written: currency_written,
        removable: |_, _, row| match row.get("is_default") {
            Json::Bool(true) => {
                Err(Refusal::field("is_default", "is set: the default currency cannot be deleted"))
            }
            _ => Ok(()),
        },
        ..PLAIN
    },
    Resource { kind: "tax_class", path: "/v2/tax_classes", unique: &[&["name"]], ..PLAIN },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] =
    &[("GET", "/v2/store", information), ("GET", "/v2/time", time)];

/// Countries that the practice store knows: code of two letters, name.
const COUNTRIES: &[(&str, &str)] = &[
    ("AT", "Austria"),
    ("AU", "Australia"),
    ("CA", "Canada"),
    ("CH", "Switzerland"),
    ("DE", "Germany"),
    ("ES", "Spain"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("NL", "Netherlands"),
    ("US", "United States"),
];

/// The name of a country.
pub(crate) fn country(code: &str) -> Option<&'static str> {
    COUNTRIES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// Kinds of channels, and what runs them.
const PLATFORMS: &[(&str, &[&str])] = &[
    ("storefront", &["bigcommerce", "custom", "wordpress", "drupal", "deity", "acquia", "gatsby", "next"]),
    ("marketplace", &["amazon", "ebay", "facebook", "google_shopping", "custom"]),
    ("pos", &["clover", "square", "vend", "custom", "quickbooks", "hike"]),
    ("marketing", &["facebook", "custom", "google_shopping", "tik_tok"]),
];

fn channel_rule(_: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if let Some((_, old)) = &draft.old {
        if matches!(old.text("status"), "deleted" | "terminated") {
            return Err(Refusal::field("status", "cannot be changed any more"));
        }
        return Ok(());
    }
    let (kind, platform) = (draft.text("type"), draft.text("platform"));
    let known = PLATFORMS.iter().any(|(known, platforms)| *known == kind && platforms.contains(&platform));
    if known { Ok(()) } else { Err(Refusal::field("platform", format!("is none of a {kind}"))) }
}

fn channel_view(store: &Store, key: &Key, row: &Row, fields: &mut Obj, query: &Query) {
    if query.holds("include", "currencies") {
        fields.insert("currencies".to_owned(), currencies_of(store, key, row));
    }
}

/// The currencies of a channel: its own, or those of the store.
pub(crate) fn currencies_of(store: &Store, key: &Key, row: &Row) -> Json {
    if let Some(own) = row.hidden.get("currencies") {
        return own.clone();
    }
    let codes = |default: bool| -> Vec<Json> {
        let wanted = |row: &Row| !default || row.get("is_default") == &Json::Bool(true);
        store
            .rows("currency")
            .filter(|(_, row)| wanted(row))
            .map(|(_, row)| row.get("currency_code").clone())
            .collect()
    };
    json!({ "channel_id": key.json(), "default_currency": codes(true).first(), "enabled_currencies": codes(false) })
}

fn site_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let url = draft.text("url").to_owned();
    if !url.starts_with("https://") {
        return Err(Refusal::field("url", "must begin with https://"));
    }
    let channel = draft.value("channel_id").as_u64().unwrap_or_default();
    if !call.store.has("channel", channel) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    let at = super::super::time::zulu(call.store.now);
    if draft.is_new() {
        draft.fields.insert("created_at".to_owned(), Json::from(at.as_str()));
    }
    let urls = ["primary", "canonical", "checkout"]
        .map(|kind| json!({ "url": url, "type": kind, "created_at": at, "updated_at": at }));
    draft.fields.insert("urls".to_owned(), Json::from(urls.to_vec()));
    draft.fields.insert("updated_at".to_owned(), Json::from(at));
    Ok(())
}

fn site_filter(_: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    (name == "url_type:in").then(|| {
        row.list("urls").iter().any(|url| compare(url.get("type").unwrap_or(&Json::Null), "in", value))
    })
}

fn currency_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("currency_code").len() != 3 {
        return Err(Refusal::field("currency_code", "must have three letters"));
    }
    if draft.text("currency_exchange_rate").parse::<f64>().is_err() {
        return Err(Refusal::field("currency_exchange_rate", "must be a number in a text"));
    }
    if !matches!(draft.text("token_location"), "left" | "right") {
        return Err(Refusal::field("token_location", "must be left or right"));
    }
    match draft.fields.get("is_default") {
        Some(Json::Bool(false))
            if draft.old.as_ref().is_some_and(|(_, old)| old.get("is_default") == &Json::Bool(true)) =>
        {
            return Err(Refusal::field("is_default", "can only be set on another currency"));
        }
        _ => {}
    }
    let at = super::super::time::mail(call.store.now);
    draft.fields.insert("last_updated".to_owned(), Json::from(at));
    Ok(())
}

/// One currency is the default.
fn currency_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    given: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    if given.get("is_default") == Some(&Json::Bool(true)) {
        for other in call.store.keys("currency").iter().filter(|other| *other != key) {
            call.store.edit_silently("currency", other, |row| {
                row.fields.insert("is_default".to_owned(), Json::Bool(false));
            });
        }
    }
    Ok(())
}

fn information(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let row = call.store.rows("store").next().ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, Json::Object(row.1.fields.clone())))
}

fn time(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(200, json!({ "time": call.store.now.as_second() })))
}
