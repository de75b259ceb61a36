//! Pages, posts of the blog, redirects, and templates of single things.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, add_one, change, check_batch, reply, show, written};
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};
use super::super::time::{instant, offset};
use super::products::handle;

/// How many pages a store may have, and one request may write.
const PAGES_MAX: usize = 4_000;
const BATCH_MAX: usize = 50;
/// How many templates of single things one request may set.
const TEMPLATES_MAX: usize = 100;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "page",
        path: "/v3/content/pages",
        batch: BATCH_MAX,
        unique: &[&["name", "channel_id"], &["url", "channel_id"]],
        defaults: r#"{"channel_id":1,"parent_id":0,"is_visible":false,"is_homepage":false,"is_customers_only":false,"sort_order":0,
            "email":"","meta_title":null,"meta_keywords":null,"meta_description":null,"search_keywords":null,"contact_fields":"",
            "content_type":"text/html","link":"","body":""}"#,
        rule: page_rule,
        gone: page_gone,
        view: page_view,
        ..PLAIN
    },
    Resource {
        kind: "blog_post",
        path: "/v2/blog/posts",
        unique: &[&["url"]],
        defaults: r#"{"author":"","meta_description":"","meta_keywords":"","tags":[],"thumbnail_path":"","is_published":false}"#,
        omit: &["published_date", "published_date_iso8601"],
        rule: post_rule,
        view: post_view,
        filter: |_, _, row, name, value| match name {
            "tag" => Some(row.list("tags").iter().any(|tag| tag.as_str() == Some(value))),
            "published_date" => {
                Some(row.hidden.get("published").and_then(Json::as_str).and_then(instant) == instant(value))
            }
            _ => None,
        },
        ..PLAIN
    },
    Resource {
        kind: "redirect",
        path: "/v3/storefront/redirects",
        batch: BATCH_MAX,
        unique: &[&["from_path", "site_id"]],
        omit: &["to_url"],
        rule: redirect_rule,
        view: redirect_view,
        filter: |_, _, row, name, value| {
            (name == "keyword").then(|| row.text("from_path").to_lowercase().contains(&value.to_lowercase()))
        },
        ..PLAIN
    },
    Resource {
        kind: "custom_template",
        path: "/v3/storefront/custom-template-associations",
        dates: Dates::Zulu,
        unique: &[&["entity_id", "entity_type", "channel_id"]],
        defaults: r#"{"is_valid":true}"#,
        rule: template_rule,
        filter: |_, _, row, name, value| (name == "type").then(|| row.text("entity_type") == value),
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("POST", "/v3/content/pages", create_pages),
    ("DELETE", "/v3/content/pages", delete_pages),
    ("GET", "/v2/blog/tags", tags),
    ("PUT", "/v3/storefront/redirects", put_redirects),
    ("PUT", "/v3/storefront/custom-template-associations", put_templates),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

fn page_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let of = draft.text("type").to_owned();
    if draft.is_new() && of == "blog" {
        return Err(Refusal::field("type", "blog cannot be made by a request"));
    }
    if draft.old.as_ref().is_some_and(|(_, old)| old.text("type") != of) {
        return Err(Refusal::field("type", "cannot be changed"));
    }
    if draft.text("name").is_empty() {
        return Err(Refusal::field("name", "must be given"));
    }
    let parent = draft.value("parent_id").as_u64().unwrap_or_default();
    let own = draft.old.as_ref().map_or(0, |(key, _)| key.number());
    if parent != 0 && (parent == own || !call.store.has("page", parent)) {
        return Err(Refusal::field("parent_id", "names no page"));
    }
    if draft.is_new() && of == "link" && draft.text("link").is_empty() {
        return Err(Refusal::field("link", "must be given"));
    }
    if draft.is_new() && call.store.count("page") >= PAGES_MAX {
        return Err(Refusal::field("", format!("A store has at most {PAGES_MAX} pages.")));
    }
    let channel = draft.fields.get("channel_id").and_then(Json::as_u64).unwrap_or(1);
    if !call.store.has("channel", channel) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    if draft.is_new() && draft.text("url").is_empty() && of != "link" {
        let url = format!("/{}/", handle(draft.text("name")));
        draft.fields.insert("url".to_owned(), Json::from(url));
    }
    Ok(())
}

fn page_gone(store: &mut Store, key: &Key, _: &Row) {
    let below: Vec<Key> = store
        .rows("page")
        .filter(|(_, row)| row.get("parent_id") == &key.json())
        .map(|(key, _)| key.clone())
        .collect();
    for child in below {
        store.edit_silently("page", &child, |row| {
            row.fields.insert("parent_id".to_owned(), Json::from(0));
        });
    }
}

/// The words of a page are only sent when they are asked for.
fn page_view(_: &Store, _: &Key, _: &Row, fields: &mut Obj, query: &Query) {
    if !query.holds("include", "body") {
        fields.shift_remove("body");
    }
}

/// One page, or several of which each is made or refused for itself.
fn create_pages(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("page")?;
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    if !call.body.is_array() {
        let keys = add(call, resource, None, given)?;
        return Ok(written(call, resource, &keys));
    }
    let (mut data, mut errors) = (Vec::new(), Obj::new());
    let total = given.len();
    for (turn, fields) in given.into_iter().enumerate() {
        match add_one(call, resource, None, fields) {
            Ok(key) => data.push(show(call.store, resource, &key, &call.query)),
            Err(refusal) => {
                errors.extend(
                    refusal
                        .errors
                        .into_iter()
                        .map(|(field, what)| (format!("{turn}.{field}"), Json::from(what))),
                );
            }
        }
    }
    errors.extend(call.lost.iter().map(|field| (format!("0.{field}"), Json::from("was not saved"))));
    if data.is_empty() {
        let errors =
            errors.into_iter().map(|(field, what)| (field, what.as_str().unwrap_or_default().to_owned()));
        return Err(Refusal::fields(errors.collect()));
    }
    let meta = json!({ "total": total, "success": data.len(), "failed": total - data.len() });
    if errors.is_empty() {
        return Ok(Answer::json(201, json!({ "data": data, "meta": meta })));
    }
    Ok(Answer::json(207, json!({ "data": data, "errors": errors, "meta": meta })))
}

fn delete_pages(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let keys: Vec<Key> =
        call.query.numbers("id:in").unwrap_or_default().into_iter().map(Key::Number).collect();
    if keys.iter().any(|key| call.store.get("page", key).is_none()) {
        return Err(Refusal::not_found());
    }
    let deep = call.query.get("delete_children") == Some("true");
    for key in keys {
        let below: Vec<Key> = call
            .store
            .rows("page")
            .filter(|(_, row)| deep && row.get("parent_id") == &key.json())
            .map(|(key, _)| key.clone())
            .collect();
        for child in below {
            call.store.remove("page", &child);
        }
        call.store.remove("page", &key);
    }
    Ok(Answer::empty(204))
}

/// The day of a post is read as an object and written as a text.
fn post_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if let Some(given) = draft.fields.shift_remove("published_date") {
        let text = given.as_str().unwrap_or_default();
        let at = jiff::fmt::rfc2822::parse(text).map(|at| at.timestamp());
        let at = at.map_err(|_| {
            Refusal::field("published_date", "must be written as in mail: Tue, 24 Nov 2026 12:00:00 +0000")
        })?;
        draft.hidden.insert("published".to_owned(), Json::from(offset(at)));
    }
    if draft.is_new() {
        let now = offset(call.store.now);
        draft.hidden.entry("published".to_owned()).or_insert(Json::from(now));
        if draft.text("url").is_empty() {
            let url = format!("/blog/{}/", handle(draft.text("title")));
            draft.fields.insert("url".to_owned(), Json::from(url));
        }
    }
    if draft.text("title").is_empty() {
        return Err(Refusal::field("title", "must be given"));
    }
    let url = draft.text("url").to_owned();
    let summary: String =
        draft.text("body").chars().filter(|letter| !"<>".contains(*letter)).take(80).collect();
    draft.fields.insert("preview_url".to_owned(), Json::from(url));
    draft.fields.insert("summary".to_owned(), Json::from(summary));
    Ok(())
}

fn post_view(_: &Store, _: &Key, row: &Row, fields: &mut Obj, _: &Query) {
    let at = row.hidden.get("published").and_then(Json::as_str).and_then(instant);
    let Some(at) = at else { return };
    let date = at.strftime("%Y-%m-%d %H:%M:%S.000000").to_string();
    fields.insert(
        "published_date".to_owned(),
        json!({ "timezone_type": 1, "date": date, "timezone": "+00:00" }),
    );
    fields.insert("published_date_iso8601".to_owned(), Json::from(offset(at)));
}

fn tags(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut tags: Vec<(String, Vec<Json>)> = Vec::new();
    for (key, row) in call.store.rows("blog_post") {
        for tag in row.list("tags").iter().filter_map(Json::as_str) {
            match tags.iter_mut().find(|(known, _)| known == tag) {
                Some((_, posts)) => posts.push(key.json()),
                None => tags.push((tag.to_owned(), vec![key.json()])),
            }
        }
    }
    let list: Json = tags.into_iter().map(|(tag, posts)| json!({ "tag": tag, "post_ids": posts })).collect();
    Ok(Answer::json(200, list))
}

/// What a redirect may lead to: word, kind.
const TARGETS: &[(&str, &str)] = &[
    ("product", "product"),
    ("brand", "brand"),
    ("category", "category"),
    ("page", "page"),
    ("post", "blog_post"),
];

fn redirect_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let site = draft.value("site_id").as_u64().unwrap_or_default();
    if !call.store.has("site", site) {
        return Err(Refusal::field("site_id", "names no site"));
    }
    if !draft.text("from_path").starts_with('/') {
        return Err(Refusal::field("from_path", "must begin with a slash"));
    }
    let to = draft.value("to");
    let word = to.get("type").and_then(Json::as_str).unwrap_or_default();
    if word == "url" {
        if to.get("url").and_then(Json::as_str).unwrap_or_default().is_empty() {
            return Err(Refusal::field("to.url", "must be given"));
        }
        return Ok(());
    }
    let kind = TARGETS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| Refusal::field("to.type", "must be given"))?;
    if !call.store.has(kind, to.get("entity_id").and_then(Json::as_u64).unwrap_or_default()) {
        return Err(Refusal::field("to.entity_id", format!("names no {kind}")));
    }
    Ok(())
}

fn redirect_view(store: &Store, _: &Key, row: &Row, fields: &mut Obj, query: &Query) {
    if !query.holds("include", "to_url") {
        return;
    }
    let to = row.get("to");
    let id = to.get("entity_id").and_then(Json::as_u64).unwrap_or_default();
    let word = to.get("type").and_then(Json::as_str).unwrap_or_default();
    let kind = TARGETS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    let url = kind.and_then(|kind| store.at(kind, id)).map(|row| match kind {
        Some("category") => row.get("url").get("path").cloned().unwrap_or_default(),
        Some("product" | "brand") => row.get("custom_url").get("url").cloned().unwrap_or_default(),
        _ => row.get("url").clone(),
    });
    fields.insert("to_url".to_owned(), url.or_else(|| to.get("url").cloned()).unwrap_or_default());
}

/// A redirect is told by its site and where it begins: the same one is written over.
fn put_redirects(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("redirect")?;
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    for (turn, fields) in given.iter().enumerate() {
        let mut draft = Draft { fields: fields.clone(), parent: None, old: None, hidden: Obj::new() };
        redirect_rule(call, &mut draft).map_err(|refusal| refusal.at(turn))?;
    }
    let mut keys = Vec::new();
    for fields in given {
        let path = fields.get("from_path").and_then(Json::as_str).unwrap_or_default().to_lowercase();
        let site = fields.get("site_id").cloned().unwrap_or_default();
        let known =
            call.store.by_unique("redirect", &format!("from_path+site_id\u{1f}{path}\u{1f}{site}")).cloned();
        keys.extend(match known {
            Some(key) => change(call, resource, vec![(key, fields)])?,
            None => add(call, resource, None, vec![fields])?,
        });
    }
    Ok(written(call, resource, &keys))
}

fn template_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let kind = draft.text("entity_type").to_owned();
    if !call.store.has(&kind, draft.value("entity_id").as_u64().unwrap_or_default()) {
        return Err(Refusal::field("entity_id", format!("names no {kind}")));
    }
    if !call.store.has("channel", draft.value("channel_id").as_u64().unwrap_or_default()) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    Ok(())
}

fn put_templates(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("custom_template")?;
    let given = call.objects();
    check_batch(call, given.len(), TEMPLATES_MAX)?;
    for fields in given {
        let part = |name: &str| {
            fields
                .get(name)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_lowercase))
                .unwrap_or_default()
        };
        let value = format!(
            "entity_id+entity_type+channel_id\u{1f}{}\u{1f}{}\u{1f}{}",
            part("entity_id"),
            part("entity_type"),
            part("channel_id")
        );
        let known = call.store.by_unique("custom_template", &value).cloned();
        match known {
            Some(key) => change(call, resource, vec![(key, fields)])?,
            None => add(call, resource, None, vec![fields])?,
        };
    }
    Ok(reply(call, json!({})))
}
