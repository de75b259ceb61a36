//! Themes, which are fetched and brought by jobs; the words of mails.

use axum::body::Bytes;
use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{listed, reply};
use super::super::filter::{chosen, compare};
use super::super::resource::{Draft, Handler, Ids, PLAIN, Resource, of_kind};
use super::super::store::{File, Key, Row, Store};
use super::super::time::zulu;
use crate::zip;

/// Largest theme, in bytes.
const THEME_MAX: usize = 50 << 20;
/// Where the archive of a theme can be fetched for a while.
const DOWNLOADS: &str = "/theme-downloads/";

/// Kinds of mails that a store sends.
const MAILS: &[&str] = &[
    "abandoned_cart_email",
    "account_details_changed_email",
    "combined_order_status_email",
    "createaccount_email",
    "createguestaccount_email",
    "giftcertificate_email",
    "invoice_email",
    "ordermessage_notification",
    "return_confirmation_email",
    "return_statuschange_email",
    "product_review_email",
    "account_reset_password_email",
];

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "theme",
        path: "/v3/themes",
        ids: Ids::Uuid,
        id_field: "uuid",
        removable: |_, _, row| match row.get("is_active") {
            Json::Bool(true) => Err(Refusal::field("uuid", "is the theme that is shown")),
            _ => Ok(()),
        },
        gone: |store, key, _| {
            store.files.remove(&archive_path(key));
        },
        ..PLAIN
    },
    Resource {
        kind: "theme_configuration",
        path: "/v3/themes/*/configurations",
        parent: "theme",
        ids: Ids::Uuid,
        id_field: "uuid",
        filter: |store, _, row, name, value| match name {
            "variation_uuid" => Some(row.text("variation_id") == value),
            "channel_id:in" => {
                let site = store.at("site", row.number("site_id"));
                Some(site.is_some_and(|site| compare(site.get("channel_id"), "in", value)))
            }
            _ => None,
        },
        ..PLAIN
    },
    Resource {
        kind: "cart_email",
        path: "/v3/marketing/abandoned-cart-emails",
        defaults: r#"{"is_active":true,"notify_at_minutes":60,"sent_num":0,"coupon_code":""}"#,
        rule: cart_email_rule,
        filter: |_, _, row, name, value| {
            (name == "channel_id")
                .then(|| row.hidden.get("channel").is_some_and(|channel| compare(channel, "", value)))
        },
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("POST", "/v3/themes", upload),
    ("GET", "/v3/themes/*/configurations", configurations),
    ("POST", "/v3/themes/*/actions/download", download),
    ("POST", "/v3/themes/actions/activate", activate),
    ("GET", "/v3/themes/jobs/*", job),
    ("POST", "/v3/themes/*/configurations/validate", validate),
    ("GET", "/v3/themes/custom-templates/*", custom_templates),
    ("GET", "/v3/channels/*/active-theme", active_theme),
    ("GET", "/v3/marketing/email-templates", templates),
    ("GET", "/v3/marketing/email-templates/*", template),
    ("PUT", "/v3/marketing/email-templates/*", put_template),
    ("DELETE", "/v3/marketing/email-templates/*", delete_template),
    ("GET", "/v3/marketing/abandoned-cart-emails/default", default_cart_email),
];

/// A theme with its archive.
pub(crate) fn add_theme(store: &mut Store, name: &str, archive: Bytes, private: bool) -> Key {
    let (uuid, at) = (store.uuid(), zulu(store.now));
    let variations: Vec<Json> = ["Light", "Bold"]
        .iter()
        .map(|variation| json!({ "uuid": store.uuid(), "name": variation, "description": "", "external_id": store.uuid() }))
        .collect();
    let fields = json!({ "uuid": uuid, "name": name, "is_private": private, "is_active": false, "updated_at": at, "variations": variations });
    let key = Key::Text(uuid);
    store.put(
        "theme",
        &key,
        Row { fields: fields.as_object().cloned().unwrap_or_default(), ..Row::default() },
    );
    store.files.insert(archive_path(&key), File::Kept(archive));
    for variation in &variations {
        let uuid = store.uuid();
        let site = store.rows("site").next().map_or(Json::Null, |(key, _)| key.json());
        let fields = json!({ "uuid": uuid, "theme_uuid": key.json(), "variation_id": variation.get("uuid"), "site_id": site, "date_created": at,
            "settings": { "color-primary": "#444444", "homepage_new_products_count": 5 } });
        let fields = fields.as_object().cloned().unwrap_or_default();
        store.put(
            "theme_configuration",
            &Key::Text(uuid),
            Row { fields, parent: Some(key.clone()), ..Row::default() },
        );
    }
    key
}

/// An archive as a theme of this store has it.
pub(crate) fn archive(name: &str) -> Bytes {
    let config = json!({ "name": name, "version": "1.0.0", "settings": {}, "variations": [] }).to_string();
    Bytes::from(zip::stored(&[
        ("config.json", config.as_bytes()),
        ("templates/pages/home.html", b"<main>{{head.title}}</main>"),
    ]))
}

fn archive_path(theme: &Key) -> String {
    // Without a slash at the beginning nobody can ask for it.
    format!("theme/{theme}")
}

fn start_job(store: &mut Store, result: &Json) -> String {
    let uuid = store.uuid();
    let at = zulu(store.now);
    let due = (store.monotonic + store.job_time).as_millis();
    let fields = json!({ "id": uuid, "time": at, "result": result });
    let hidden = json!({ "due_ms": u64::try_from(due).unwrap_or(u64::MAX) });
    let row = Row {
        fields: fields.as_object().cloned().unwrap_or_default(),
        hidden: hidden.as_object().cloned().unwrap_or_default(),
        ..Row::default()
    };
    store.put("theme_job", &Key::Text(uuid.clone()), row);
    uuid
}

fn job(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let row = call.store.get("theme_job", &call.key(0)).ok_or_else(Refusal::not_found)?;
    let due = u128::from(row.hidden.get("due_ms").and_then(Json::as_u64).unwrap_or_default());
    let done = call.store.monotonic.as_millis() >= due;
    let result = if done { row.get("result").clone() } else { json!({}) };
    Ok(Answer::data(
        json!({ "id": row.get("id"), "time": row.get("time"), "status": if done { "COMPLETED" } else { "WORKING" },
        "percent_complete": if done { 100 } else { 50 }, "errors": [], "warnings": [], "result": result }),
    ))
}

fn theme(call: &Call<'_>) -> Result<Key, Refusal> {
    let key = call.key(0);
    call.store.get("theme", &key).map(|_| key.clone()).ok_or_else(Refusal::not_found)
}

fn download(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = theme(call)?;
    let file = call.store.files.get(&archive_path(&key)).cloned().ok_or_else(Refusal::not_found)?;
    let path = format!("{DOWNLOADS}{}.zip", call.store.uuid());
    call.store.files.insert(path.clone(), file);
    let url = format!("{}{path}", call.store.origin);
    let id = start_job(call.store, &json!({ "download_url": url }));
    Ok(Answer::json(200, json!({ "job_id": id })))
}

fn upload(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let part = call.form.as_ref().and_then(|form| form.file("file")).cloned();
    let bytes = Bytes::from(part.ok_or_else(|| Refusal::field("file", "must be given"))?.bytes);
    if bytes.len() > THEME_MAX {
        return Err(Refusal::field("file", format!("must have at most {THEME_MAX} bytes")));
    }
    let name = zip::stored_file(&bytes, "config.json")
        .and_then(|config| serde_json::from_slice::<Json>(config).ok())
        .and_then(|config| config.get("name")?.as_str().map(str::to_owned));
    let name = name.ok_or_else(|| Refusal::field("file", "is no archive of a theme"))?;
    let key = add_theme(call.store, &name, bytes, true);
    let id = start_job(call.store, &json!({ "theme_id": key.json() }));
    Ok(Answer::json(201, json!({ "job_id": id })))
}

fn activate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.body.get("variation_id").cloned().unwrap_or_default();
    let channel = call.query.number("channel_id").unwrap_or(1);
    if !call.store.has("channel", channel) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    let of =
        |row: &Row| row.list("variations").iter().any(|variation| variation.get("uuid") == Some(&wanted));
    let key = call.store.rows("theme").find(|(_, row)| of(row)).map(|(key, _)| key.clone());
    let key = key.ok_or_else(|| Refusal::field("variation_id", "names no variation"))?;
    set_active(call.store, channel, &key, &wanted);
    Ok(Answer::empty(204))
}

pub(crate) fn set_active(store: &mut Store, channel: u64, theme: &Key, variation: &Json) {
    store.edit_silently("channel", &Key::Number(channel), |row| {
        row.hidden.insert("theme".to_owned(), theme.json());
        row.hidden.insert("variation".to_owned(), variation.clone());
    });
    let shown: Vec<Json> =
        store.rows("channel").filter_map(|(_, row)| row.hidden.get("theme").cloned()).collect();
    for key in store.keys("theme") {
        store.edit_silently("theme", &key, |row| {
            row.fields.insert("is_active".to_owned(), Json::Bool(shown.contains(&key.json())));
        });
    }
}

fn active_theme(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let row = call.store.get("channel", &call.key(0)).ok_or_else(Refusal::not_found)?;
    let (theme, variation) = (
        row.hidden.get("theme").cloned().unwrap_or_default(),
        row.hidden.get("variation").cloned().unwrap_or_default(),
    );
    let configuration = call
        .store
        .rows("theme_configuration")
        .find(|(_, row)| row.get("theme_uuid") == &theme && row.get("variation_id") == &variation)
        .map_or(Json::Null, |(key, _)| key.json());
    Ok(Answer::data(json!({ "active_theme_uuid": theme, "active_theme_version_uuid": variation,
        "active_theme_configuration_uuid": configuration, "saved_theme_configuration_uuid": configuration })))
}

/// A filter must be given: nobody is told all of them.
fn configurations(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = of_kind("theme_configuration").ok_or_else(Refusal::not_found)?;
    let parent = call.parent(resource)?;
    if !["uuid:in", "variation_uuid", "channel_id:in"].iter().any(|name| call.query.get(name).is_some()) {
        return Err(Refusal::field("", "A filter must say which configurations are wanted."));
    }
    let keys = chosen(call, resource, parent.as_ref())?;
    listed(call, resource, &keys)
}

fn validate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    theme(call)?;
    Ok(Answer::json(200, json!({})))
}

fn custom_templates(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    let product = vec!["custom-product.html"];
    Ok(Answer::data(
        json!({ "product": product, "category": ["custom-category.html"], "brand": [], "page": [] }),
    ))
}

/// The words of a kind of mail: of the channel, else of the store, else those that every store begins with.
fn mail_of(store: &Store, name: &str, channel: Option<u64>) -> Json {
    let own = channel.and_then(|channel| store.get("email_template", &mail_key(name, Some(channel))));
    if let Some(row) = own.or_else(|| store.get("email_template", &mail_key(name, None))) {
        return Json::Object(row.fields.clone());
    }
    json!({ "type_id": name, "subject": format!("{name} of %%STORE_NAME%%"), "body": format!("<p>{{{{lang '{name}'}}}}</p>"),
        "translations": [{ "locale": "en", "keys": { "hello_phrase": "Hello" } }] })
}

fn mail_key(name: &str, channel: Option<u64>) -> Key {
    Key::Text(channel.map_or_else(|| name.to_owned(), |channel| format!("{name}?channel_id={channel}")))
}

fn mail_channel(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    let channel = call.query.number("channel_id");
    match channel {
        Some(channel) if !call.store.has("channel", channel) => {
            Err(Refusal::field("channel_id", "names no channel"))
        }
        channel => Ok(channel),
    }
}

fn mail_name(call: &Call<'_>) -> Result<&'static str, Refusal> {
    let given = call.ids.first().map(String::as_str).unwrap_or_default();
    MAILS.iter().find(|name| **name == given).copied().ok_or_else(Refusal::not_found)
}

fn templates(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let channel = mail_channel(call)?;
    Ok(Answer::data(MAILS.iter().map(|name| mail_of(call.store, name, channel)).collect()))
}

fn template(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (name, channel) = (mail_name(call)?, mail_channel(call)?);
    Ok(Answer::data(mail_of(call.store, name, channel)))
}

fn put_template(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (name, channel) = (mail_name(call)?, mail_channel(call)?);
    let given = call.object();
    if given.get("type_id").is_some_and(|of| of.as_str() != Some(name)) {
        return Err(Refusal::new(400, "The type is not that of the path."));
    }
    let Json::Object(mut fields) = mail_of(call.store, name, channel) else {
        return Err(Refusal::not_found());
    };
    fields.extend(given);
    call.store.put(
        "email_template",
        &mail_key(name, channel),
        Row { fields: fields.clone(), ..Row::default() },
    );
    Ok(reply(call, Json::Object(fields)))
}

fn delete_template(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (name, channel) = (mail_name(call)?, mail_channel(call)?);
    call.store.remove("email_template", &mail_key(name, channel));
    Ok(Answer::json(200, json!({})))
}

fn cart_email_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let channel = mail_channel(call)?;
    if draft.is_new() {
        draft.hidden.insert("channel".to_owned(), channel.map_or(Json::Null, Json::from));
        if draft.fields.get("template").is_none() {
            draft.fields.insert("template".to_owned(), default_mail());
        }
    }
    let code = draft.text("coupon_code");
    if !code.is_empty()
        && !call.store.rows("coupon").any(|(_, row)| row.text("code").eq_ignore_ascii_case(code))
    {
        return Err(Refusal::field("coupon_code", "names no coupon"));
    }
    Ok(())
}

fn default_mail() -> Json {
    json!({ "subject": "Your cart is waiting", "body": "<p>{{lang 'hello_phrase'}}</p>",
        "translations": [{ "locale": "en", "keys": { "hello_phrase": "Hello" } }] })
}

fn default_cart_email(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(200, default_mail()))
}
