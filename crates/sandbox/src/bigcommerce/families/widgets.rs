//! Scripts, which only their app sees; widgets with their templates and places; the old widgets of pages.

use serde_json::{Value as Json, json};

use super::super::access::{CHECKOUT, client_id};
use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::show;
use super::super::filter::compare;
use super::super::resource::{Dates, Draft, Handler, Ids, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};

/// How many scripts a channel may have.
const SCRIPTS_MAX: usize = 50;

/// Templates of themes, and the places in each where widgets may stand.
const REGIONS: &[(&str, &[&str])] = &[
    (
        "pages/home",
        &[
            "home_below_menu",
            "home_below_carousel",
            "home_below_content",
            "header_bottom--global",
            "footer_top--global",
        ],
    ),
    ("pages/product", &["product_below_price", "product_below_content", "header_bottom--global"]),
    ("pages/category", &["category_below_header", "category_below_content", "header_bottom--global"]),
    ("pages/brand", &["brand_below_header", "brand_below_content"]),
    ("pages/page", &["page_builder_content", "header_bottom--global"]),
];

/// What a page of the shop shows: template, kind of the thing that a place may be bound to.
const ENTITIES: &[(&str, &str)] = &[
    ("pages/product", "product"),
    ("pages/category", "category"),
    ("pages/brand", "brand"),
    ("pages/page", "page"),
];

const UUIDS: Resource = Resource { ids: Ids::Uuid, id_field: "uuid", dates: Dates::Zulu, ..PLAIN };

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "script",
        path: "/v3/content/scripts",
        dates: Dates::Offset,
        defaults: r#"{"auto_uninstall":false,"load_method":"default","location":"head","visibility":"storefront","kind":"src",
            "consent_category":"essential","enabled":true,"channel_id":1,"description":"","integrity_hashes":[]}"#,
        omit: &["html", "src"],
        rule: script_rule,
        private: true,
        ..UUIDS
    },
    Resource {
        kind: "widget_template",
        path: "/v3/content/widget-templates",
        defaults: r#"{"kind":"custom","icon_name":"default","schema":[],"storefront_api_query":""}"#,
        rule: template_rule,
        removable: |call, key, _| {
            let used =
                call.store.rows("widget").any(|(_, row)| row.hidden.get("template") == Some(&key.json()));
            if used {
                Err(Refusal::field("uuid", "has widgets, which must be deleted first"))
            } else {
                Ok(())
            }
        },
        filter: |_, _, row, name, value| match name {
            "widget_template_kind" => Some(row.text("kind") == value),
            "channel_id:in" => Some(compare(row.hidden.get("channel").unwrap_or(&Json::Null), "in", value)),
            _ => None,
        },
        ..UUIDS
    },
    Resource {
        kind: "widget",
        path: "/v3/content/widgets",
        defaults: r#"{"description":"","widget_configuration":{},"channel_id":1}"#,
        omit: &["widget_template"],
        page: (50, 150),
        rule: widget_rule,
        gone: widget_gone,
        view: widget_view,
        filter: widget_filter,
        ..UUIDS
    },
    Resource {
        kind: "placement",
        path: "/v3/content/placements",
        defaults: r#"{"status":"inactive","sort_order":0,"entity_id":"","region":"","channel_id":1}"#,
        omit: &["widget"],
        rule: placement_rule,
        view: placement_view,
        filter: placement_filter,
        ..UUIDS
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v3/content/regions", regions),
    ("POST", "/v3/content/widget-templates/*/preview", preview),
    ("GET", "/v3/content/page-widgets", page_widgets),
    ("POST", "/v3/content/page-widgets", put_page_widgets),
];

fn channel(call: &Call<'_>, draft: &Draft) -> Result<(), Refusal> {
    let channel = draft.fields.get("channel_id").and_then(Json::as_u64).unwrap_or(1);
    if call.store.has("channel", channel) {
        Ok(())
    } else {
        Err(Refusal::field("channel_id", "names no channel"))
    }
}

fn script_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    channel(call, draft)?;
    let everywhere = matches!(draft.text("visibility"), "checkout" | "all_pages" | "order_confirmation");
    if everywhere && !call.scopes.contains(CHECKOUT) && !call.store.seeding {
        return Err(Refusal::new(403, "Scripts of the checkout need a scope of their own."));
    }
    let (kind, html, src) = (draft.text("kind"), draft.text("html"), draft.text("src"));
    let kind = if kind.is_empty() { "src" } else { kind };
    if kind == "src" && !src.starts_with("https://") {
        return Err(Refusal::field("src", "must begin with https://"));
    }
    if kind == "script_tag" && !html.contains("<script") {
        return Err(Refusal::field("html", "must hold a script"));
    }
    if draft.text("visibility") == "checkout" && draft.text("location") == "footer" && kind == "script_tag" {
        return Err(Refusal::field("kind", "must be src in the checkout"));
    }
    let channel = draft.value("channel_id").as_u64().unwrap_or(1);
    let own = draft.old.as_ref().map(|(key, _)| key);
    let others = call
        .store
        .rows("script")
        .filter(|(key, row)| Some(*key) != own && row.number("channel_id") == channel);
    if others.count() >= SCRIPTS_MAX {
        return Err(Refusal::field("channel_id", format!("has {SCRIPTS_MAX} scripts already")));
    }
    draft.fields.insert("api_client_id".to_owned(), Json::from(client_id(call.app)));
    Ok(())
}

fn template_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    channel(call, draft)?;
    let channel = draft.fields.shift_remove("channel_id");
    if draft.is_new() || channel.is_some() {
        draft.hidden.insert("channel".to_owned(), channel.unwrap_or(Json::from(1)));
    }
    let anew = draft.fields.shift_remove("create_new_version") == Some(Json::Bool(true));
    if draft.is_new() || anew {
        let version = call.store.uuid();
        draft.fields.insert("current_version_uuid".to_owned(), Json::from(version));
    }
    Ok(())
}

fn widget_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    channel(call, draft)?;
    draft.fields.shift_remove("upgrade");
    if let Some(template) = draft.fields.shift_remove("widget_template_uuid") {
        let key = Key::of(&template).filter(|key| call.store.get("widget_template", key).is_some());
        let key = key.ok_or_else(|| Refusal::field("widget_template_uuid", "names no template"))?;
        let version =
            call.store.get("widget_template", &key).map(|row| row.get("current_version_uuid").clone());
        draft.hidden.insert("template".to_owned(), key.json());
        draft.fields.insert("version_uuid".to_owned(), version.unwrap_or_default());
    }
    Ok(())
}

fn widget_gone(store: &mut Store, key: &Key, _: &Row) {
    let own: Vec<Key> = store
        .rows("placement")
        .filter(|(_, row)| row.hidden.get("widget") == Some(&key.json()))
        .map(|(key, _)| key.clone())
        .collect();
    for placement in own {
        store.remove("placement", &placement);
    }
}

fn shown(store: &Store, kind: &str, key: Option<&Json>) -> Json {
    match (of_kind(kind), key.and_then(Key::of)) {
        (Some(resource), Some(key)) => show(store, resource, &key, &Query::default()),
        _ => Json::Null,
    }
}

fn widget_view(store: &Store, _: &Key, row: &Row, fields: &mut Obj, _: &Query) {
    fields.insert("widget_template".to_owned(), shown(store, "widget_template", row.hidden.get("template")));
}

fn placement_view(store: &Store, _: &Key, row: &Row, fields: &mut Obj, _: &Query) {
    fields.insert("widget".to_owned(), shown(store, "widget", row.hidden.get("widget")));
}

/// The channels that a filter by site means.
fn of_sites(store: &Store, row: &Row, value: &str) -> bool {
    value.split(',').filter_map(|id| id.trim().parse().ok()).any(|site| {
        store.at("site", site).is_some_and(|site| site.get("channel_id") == row.get("channel_id"))
    })
}

fn template_of<'a>(store: &'a Store, row: &Row) -> Option<&'a Row> {
    store.get("widget_template", &Key::of(row.hidden.get("template")?)?)
}

fn widget_filter(store: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    Some(match name {
        "widget_template_uuid" => row.hidden.get("template").and_then(Json::as_str) == Some(value),
        "widget_template_kind" => {
            template_of(store, row).is_some_and(|template| template.text("kind") == value)
        }
        "site_id:in" => of_sites(store, row, value),
        _ => return None,
    })
}

fn placement_filter(store: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    let widget = || store.get("widget", &Key::of(row.hidden.get("widget")?)?);
    Some(match name {
        "widget_uuid" => row.hidden.get("widget").and_then(Json::as_str) == Some(value),
        "widget_template_uuid" => {
            widget().is_some_and(|widget| widget.hidden.get("template").and_then(Json::as_str) == Some(value))
        }
        "widget_template_kind" => widget()
            .and_then(|widget| template_of(store, widget))
            .is_some_and(|template| template.text("kind") == value),
        "site_id:in" => of_sites(store, row, value),
        "template_file" => compare(row.get("template_file"), "", value),
        _ => return None,
    })
}

fn placement_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    channel(call, draft)?;
    if let Some(widget) = draft.fields.shift_remove("widget_uuid") {
        let key = Key::of(&widget).filter(|key| call.store.get("widget", key).is_some());
        let key = key.ok_or_else(|| Refusal::field("widget_uuid", "names no widget"))?;
        draft.hidden.insert("widget".to_owned(), key.json());
    }
    let template = draft.text("template_file").to_owned();
    let regions = REGIONS.iter().find(|(known, _)| *known == template).map(|(_, regions)| *regions);
    let regions = regions.ok_or_else(|| Refusal::field("template_file", "is no template of the theme"))?;
    let region = draft.text("region");
    if !region.is_empty() && !regions.contains(&region) {
        return Err(Refusal::field("region", "is no region of the template"));
    }
    let entity = draft.text("entity_id");
    let kind = ENTITIES.iter().find(|(known, _)| *known == template).map(|(_, kind)| *kind);
    if let Some(kind) = kind.filter(|_| !entity.is_empty())
        && !call.store.has(kind, entity.parse().unwrap_or_default())
    {
        return Err(Refusal::field("entity_id", format!("names no {kind}")));
    }
    Ok(())
}

fn regions(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let template = call.query.get("template_file").unwrap_or_default();
    let known = REGIONS.iter().find(|(known, _)| *known == template).ok_or_else(Refusal::not_found)?;
    Ok(Answer::data(known.1.iter().map(|name| json!({ "name": name })).collect()))
}

fn preview(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = call.key(0);
    let row = call.store.get("widget_template", &key).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, json!({ "data": { "html": row.get("template") } })))
}

fn page_of(call: &Call<'_>, value: impl Fn(&str) -> Option<String>) -> Result<Key, Refusal> {
    let channel = value("channel_id").unwrap_or_else(|| "1".to_owned());
    if !call.store.has("channel", channel.parse().unwrap_or_default()) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    let template = value("template_file").unwrap_or_default();
    if !REGIONS.iter().any(|(known, _)| *known == template) {
        return Err(Refusal::field("template_file", "is no template of the theme"));
    }
    Ok(Key::Text(format!("{channel}/{template}/{}", value("entity_id").unwrap_or_default())))
}

fn page_widgets(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = page_of(call, |name| call.query.get(name).map(str::to_owned))?;
    let regions = call.store.get("page_widgets", &key).map_or(json!([]), |row| row.get("regions").clone());
    Ok(Answer::data(json!({ "regions": regions })))
}

fn put_page_widgets(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = page_of(call, |name| match call.body.get(name)? {
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    })?;
    let fields = json!({ "regions": call.body.get("regions") }).as_object().cloned().unwrap_or_default();
    call.store.put("page_widgets", &key, Row { fields, ..Row::default() });
    Ok(Answer::empty(204))
}
