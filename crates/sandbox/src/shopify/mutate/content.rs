//! Pages, blogs, articles, menus, redirects, policies, locales, tags, webhook subscriptions.

use serde_json::{Map, Value as Json};

use super::{
    As, Call, Copy, Errors, Outcome, Row, convert, copy, list, media, metafields, refuse, settle_handle, text,
};
use crate::shopify::schema::intern;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_time};
use crate::shopify::webhook;

pub(super) const ROWS: &[Row] = &[
    ("pageCreate", create_page),
    ("pageUpdate", update_page),
    ("pageDelete", |store, call| delete(store, call, Kind::Page, "deletedPageId")),
    ("blogCreate", create_blog),
    ("blogUpdate", update_blog),
    ("blogDelete", delete_blog),
    ("articleCreate", create_article),
    ("articleUpdate", update_article),
    ("articleDelete", |store, call| delete(store, call, Kind::Article, "deletedArticleId")),
    ("menuCreate", create_menu),
    ("menuUpdate", update_menu),
    ("menuDelete", delete_menu),
    ("urlRedirectCreate", create_redirect),
    ("urlRedirectUpdate", update_redirect),
    ("urlRedirectDelete", |store, call| delete(store, call, Kind::UrlRedirect, "deletedUrlRedirectId")),
    ("shopPolicyUpdate", update_policy),
    ("shopLocaleEnable", enable_locale),
    ("shopLocaleUpdate", update_locale),
    ("shopLocaleDisable", disable_locale),
    ("tagsAdd", add_tags),
    ("tagsRemove", remove_tags),
    ("webhookSubscriptionCreate", subscribe),
    ("webhookSubscriptionUpdate", resubscribe),
    ("webhookSubscriptionDelete", |store, call| {
        delete(store, call, Kind::WebhookSubscription, "deletedWebhookSubscriptionId")
    }),
];

const FIELDS: &[Copy] = &[
    ("body", "body", As::Same),
    ("commentPolicy", "commentPolicy", As::Word),
    ("summary", "summary", As::Same),
    ("tags", "tags", As::Tags),
    ("templateSuffix", "templateSuffix", As::Same),
    ("title", "title", As::Same),
];

/// Deepest nesting of a menu's items.
const MENU_DEPTH_MAX: usize = 3;

fn delete(store: &mut Store, call: &Call<'_>, kind: Kind, answer: &'static str) -> Outcome {
    let Some(gid) = call.gid(store, kind, "id") else {
        return refuse(&["id"], format!("{} does not exist", kind.name()), "NOT_FOUND");
    };
    store.remove(gid);
    let mut payload = Obj::default();
    payload.set(answer, Val::Id(gid));
    Errors::default().payload(payload)
}

/// What pages, blogs and articles share.
fn apply(
    store: &mut Store,
    kind: Kind,
    prefix: &str,
    own: Option<Gid>,
    made: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    let word = match kind {
        Kind::Page => "page",
        Kind::Blog => "blog",
        _ => "article",
    };
    copy(made, input, FIELDS);
    let title = made.str("title").unwrap_or_default().to_owned();
    if title.trim().is_empty() {
        errors.add(&[word, "title"], "Title can't be blank", "BLANK");
    }
    if own.is_none() || text(input, "handle").is_some() {
        match settle_handle(store, kind, prefix, own, text(input, "handle"), &title) {
            Ok(handle) => made.set("handle", handle),
            Err(_) => errors.add(&[word, "handle"], "Handle has already been taken", "TAKEN"),
        }
    }
    if kind != Kind::Blog {
        let date = input.get("publishDate").and_then(Json::as_str).and_then(parse_time);
        let published = input.get("isPublished").and_then(Json::as_bool);
        if date.is_some_and(|date| date > store.now) && published == Some(true) {
            errors.add(
                &[word],
                "Can't set isPublished to true and a publish date in the future",
                "INVALID_PUBLISH_DATE",
            );
        }
        match (published, date) {
            (_, Some(date)) => made.set("publishedAt", Val::Time(date)),
            (Some(true), None) if made.get("publishedAt").is_none() => {
                made.set("publishedAt", Val::Time(store.now));
            }
            (Some(false), None) => made.set("publishedAt", Val::Null),
            // What is made without a word is published.
            (None, None) if own.is_none() => made.set("publishedAt", Val::Time(store.now)),
            _ => {}
        }
        let visible = made.int("publishedAt").is_some_and(|date| date <= store.now);
        made.set("isPublished", visible);
    }
    metafields::merge(store, kind, made, input, &[word], errors);
}

fn create_page(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("page") else { return refuse(&["page"], "A page is needed.", "BLANK") };
    let mut errors = Errors::default();
    let mut page = Obj::default();
    apply(store, Kind::Page, "", None, &mut page, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Page, page);
    errors.payload(obj! { "page": gid })
}

fn update_page(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Page, "id"), call.map("page")) else {
        return refuse(&["id"], "Page does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut page = store.get(gid).map(|page| Obj::clone(page)).unwrap_or_default();
    let old_handle = page.str("handle").map(str::to_owned);
    apply(store, Kind::Page, "", Some(gid), &mut page, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    redirect(store, input, "/pages/", old_handle, page.str("handle").map(str::to_owned));
    store.edit(gid, |old| *old = page);
    errors.payload(obj! { "page": gid })
}

/// A redirect from the old address, when the input asks for one.
fn redirect(
    store: &mut Store,
    input: &Map<String, Json>,
    prefix: &str,
    old: Option<String>,
    new: Option<String>,
) {
    let wanted = input.get("redirectNewHandle").and_then(Json::as_bool) == Some(true);
    if let (true, Some(old), Some(new)) = (wanted, old, new)
        && old != new
    {
        store.insert(Kind::UrlRedirect, obj! { "path": Val::text(format!("{prefix}{old}")), "target": Val::text(format!("{prefix}{new}")) });
    }
}

fn create_blog(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("blog") else { return refuse(&["blog"], "A blog is needed.", "BLANK") };
    let mut errors = Errors::default();
    let mut blog = obj! { "commentPolicy": "CLOSED" };
    apply(store, Kind::Blog, "", None, &mut blog, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Blog, blog);
    errors.payload(obj! { "blog": gid })
}

fn update_blog(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Blog, "id"), call.map("blog")) else {
        return refuse(&["id"], "Blog does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut blog = store.get(gid).map(|blog| Obj::clone(blog)).unwrap_or_default();
    apply(store, Kind::Blog, "", Some(gid), &mut blog, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = blog);
    errors.payload(obj! { "blog": gid })
}

fn delete_blog(store: &mut Store, call: &Call<'_>) -> Outcome {
    if let Some(blog) = call.gid(store, Kind::Blog, "id") {
        let articles: Vec<Gid> = store
            .gids(Kind::Article)
            .filter(|gid| store.get(*gid).is_some_and(|article| article.gid("blog") == Some(blog)))
            .collect();
        for article in articles {
            store.remove(article);
        }
    }
    delete(store, call, Kind::Blog, "deletedBlogId")
}

fn apply_article(
    store: &mut Store,
    own: Option<Gid>,
    article: &mut Obj,
    input: &Map<String, Json>,
    call: &Call<'_>,
    errors: &mut Errors,
) {
    if let Some(blog) = text(input, "blogId") {
        match store.find(Kind::Blog, blog) {
            Some(blog) => article.set("blog", blog),
            None => errors.add(&["article", "blogId"], "Must reference an existing blog.", "NOT_FOUND"),
        }
    }
    if let Some(title) = call.map("blog").and_then(|blog| text(blog, "title")) {
        let handle = store.free_handle(Kind::Blog, "", title);
        let blog = store.insert(
            Kind::Blog,
            obj! { "title": Val::text(title), "handle": handle, "commentPolicy": "CLOSED" },
        );
        article.set("blog", blog);
    }
    if let Some(author) = input.get("author").and_then(Json::as_object) {
        match text(author, "name") {
            Some(name) => article.set("author", obj! { "name": Val::text(name) }),
            None => {
                errors.add(&["article", "author"], "Must provide an author name", "AUTHOR_FIELD_REQUIRED");
            }
        }
    }
    let Some(blog) = article.gid("blog") else {
        errors.add(
            &["article"],
            "Must reference or create a blog when creating an article.",
            "BLOG_REFERENCE_REQUIRED",
        );
        return;
    };
    apply(store, Kind::Article, &format!("{}/", blog.number()), own, article, input, errors);
    match input.get("image") {
        Some(Json::Null) => article.set("image", Val::Null),
        Some(Json::Object(given)) => {
            let mut image = article.obj("image").cloned().unwrap_or_default();
            if let Some(url) = text(given, "url") {
                match media::make(store, url, None, Some("IMAGE"), None, call) {
                    Ok(file) => {
                        for name in ["url", "width", "height"] {
                            let value = store.get(file).and_then(|file| file.get(name).cloned());
                            if let Some(name) = intern(name) {
                                image.set(name, value);
                            }
                        }
                    }
                    Err(message) => errors.add(&["article", "image"], message, "UPLOAD_FAILED"),
                }
            }
            copy(&mut image, given, &[("altText", "altText", As::Same)]);
            article.set("image", image);
        }
        _ => {}
    }
}

fn create_article(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("article") else {
        return refuse(&["article"], "An article is needed.", "BLANK");
    };
    let mut errors = Errors::default();
    let mut article = Obj::default();
    apply_article(store, None, &mut article, input, call, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Article, article);
    errors.payload(obj! { "article": gid })
}

fn update_article(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Article, "id"), call.map("article")) else {
        return refuse(&["id"], "Article does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut article = store.get(gid).map(|article| Obj::clone(article)).unwrap_or_default();
    apply_article(store, Some(gid), &mut article, input, call, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = article);
    errors.payload(obj! { "article": gid })
}

/// The items of a menu; an item that points to an object gets its address.
fn items(store: &mut Store, input: &[Json], depth: usize, errors: &mut Errors) -> Vec<Val> {
    if depth > MENU_DEPTH_MAX && !input.is_empty() {
        errors.add(
            &["items"],
            format!("Menu can have at most {MENU_DEPTH_MAX} levels of nesting."),
            "NESTING_TOO_DEEP",
        );
        return Vec::new();
    }
    let mut made = Vec::new();
    for one in input.iter().filter_map(Json::as_object) {
        let id = text(one, "id")
            .and_then(Gid::parse)
            .filter(|gid| gid.kind() == Kind::MenuItem)
            .unwrap_or_else(|| store.mint(Kind::MenuItem));
        let resource = text(one, "resourceId").and_then(Gid::parse);
        if let Some(gid) = resource.filter(|gid| !store.has(*gid)) {
            errors.add(&["items"], format!("The resource {gid} does not exist."), "NOT_FOUND");
        }
        let of = resource.and_then(|gid| store.get(gid)).and_then(|obj| obj.str("handle")).map(str::to_owned);
        let url = match (resource.map(Gid::kind), of) {
            (Some(Kind::Collection), Some(handle)) => Some(format!("/collections/{handle}")),
            (Some(Kind::Product), Some(handle)) => Some(format!("/products/{handle}")),
            (Some(Kind::Page), Some(handle)) => Some(format!("/pages/{handle}")),
            (Some(Kind::Blog), Some(handle)) => Some(format!("/blogs/{handle}")),
            _ => text(one, "url").map(str::to_owned),
        };
        let url = match text(one, "type") {
            Some("FRONTPAGE") => Some("/".to_owned()),
            Some("CATALOG") => Some("/collections/all".to_owned()),
            Some("SEARCH") => Some("/search".to_owned()),
            _ => url,
        };
        let below = items(store, list(one, "items").unwrap_or_default(), depth + 1, errors);
        let mut item =
            obj! { "id": Val::Id(id), "url": url, "resourceId": resource.map(Val::Id), "items": below };
        copy(
            &mut item,
            one,
            &[("title", "title", As::Same), ("type", "type", As::Word), ("tags", "tags", As::Same)],
        );
        made.push(Val::from(item));
    }
    made
}

fn create_menu(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mut errors = Errors::default();
    let handle = call.text("handle").unwrap_or_default();
    if store.by_key(Kind::Menu, handle).is_some() {
        errors.add(&["handle"], "Handle has already been taken", "TAKEN");
    }
    let made = items(store, call.list("items"), 1, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Menu, obj! { "handle": Val::text(handle), "title": call.text("title").map(Val::text), "isDefault": false, "items": made });
    errors.payload(obj! { "menu": gid })
}

fn update_menu(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Menu, "id") else {
        return refuse(&["id"], "Menu does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let default = store.get(gid).is_some_and(|menu| menu.flag("isDefault") == Some(true));
    if let Some(handle) = call.text("handle") {
        if default && store.get(gid).is_some_and(|menu| menu.str("handle") != Some(handle)) {
            errors.add(
                &["handle"],
                "The handle of a default menu can't be changed.",
                "CANNOT_UPDATE_DEFAULT_MENU_HANDLE",
            );
        }
        if store.by_key(Kind::Menu, handle).is_some_and(|other| other != gid) {
            errors.add(&["handle"], "Handle has already been taken", "TAKEN");
        }
    }
    let made = items(store, call.list("items"), 1, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |menu| {
        menu.set("items", made);
        menu.set("title", call.text("title").map(Val::text));
        if let Some(handle) = call.text("handle") {
            menu.set("handle", Val::text(handle));
        }
    });
    errors.payload(obj! { "menu": gid })
}

fn delete_menu(store: &mut Store, call: &Call<'_>) -> Outcome {
    let default = call
        .gid(store, Kind::Menu, "id")
        .and_then(|gid| store.get(gid))
        .is_some_and(|menu| menu.flag("isDefault") == Some(true));
    if default {
        return refuse(&["id"], "Default menu cannot be deleted", "UNABLE_TO_DELETE_DEFAULT_MENU");
    }
    delete(store, call, Kind::Menu, "deletedMenuId")
}

fn redirect_input(store: &Store, own: Option<Gid>, call: &Call<'_>, errors: &mut Errors) -> Obj {
    let mut made =
        own.and_then(|gid| store.get(gid)).map(|redirect| Obj::clone(redirect)).unwrap_or_default();
    if let Some(input) = call.map("urlRedirect") {
        copy(&mut made, input, &[("path", "path", As::Same), ("target", "target", As::Same)]);
    }
    let path = made.str("path").unwrap_or_default();
    if path.is_empty() {
        errors.add(&["path"], "Path can't be blank", "CREATE_FAILED");
    }
    if store.by_key(Kind::UrlRedirect, path).is_some_and(|other| Some(other) != own) {
        errors.add(&["path"], "Path has already been taken", "CREATE_FAILED");
    }
    if made.str("target").unwrap_or_default().is_empty() {
        errors.add(&["target"], "Target can't be blank", "CREATE_FAILED");
    }
    made
}

fn create_redirect(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mut errors = Errors::default();
    let made = redirect_input(store, None, call, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::UrlRedirect, made);
    errors.payload(obj! { "urlRedirect": gid })
}

fn update_redirect(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::UrlRedirect, "id") else {
        return refuse(&["id"], "Redirect does not exist", "DOES_NOT_EXIST");
    };
    let mut errors = Errors::default();
    let made = redirect_input(store, Some(gid), call, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = made);
    errors.payload(obj! { "urlRedirect": gid })
}

fn update_policy(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("shopPolicy") else {
        return refuse(&["shopPolicy"], "A policy is needed.", "TOO_BIG");
    };
    let body = text(input, "body").unwrap_or_default();
    if body.len() > 512 * 1_024 {
        return refuse(&["shopPolicy", "body"], "Body is too big", "TOO_BIG");
    }
    let Some(policy_type) = text(input, "type").and_then(intern) else {
        return refuse(&["shopPolicy", "type"], "Type is unknown", "INVALID");
    };
    let gid = match store.by_key(Kind::ShopPolicy, policy_type) {
        Some(gid) => {
            store.edit(gid, |policy| policy.set("body", Val::text(body)));
            gid
        }
        None => {
            let title = policy_type.to_lowercase().replace('_', " ");
            let url = format!("/policies/{}", title.replace(' ', "-"));
            store.insert(Kind::ShopPolicy, obj! { "type": policy_type, "title": Val::text(title), "url": Val::text(url), "body": Val::text(body) })
        }
    };
    Errors::default().payload(obj! { "shopPolicy": gid })
}

fn locale(store: &Store, call: &Call<'_>) -> Option<Gid> {
    store.by_key(Kind::ShopLocale, call.text("locale")?)
}

fn enable_locale(store: &mut Store, call: &Call<'_>) -> Outcome {
    if locale(store, call).is_some() {
        return refuse(&["locale"], "Locale has already been taken", "TAKEN");
    }
    let code = call.text("locale").unwrap_or_default();
    if !(2..=6).contains(&code.len()) {
        return refuse(&["locale"], "Locale is invalid", "INVALID");
    }
    let gid = store.insert(
        Kind::ShopLocale,
        obj! { "locale": Val::text(code), "name": Val::text(code), "primary": false, "published": false },
    );
    Errors::default().payload(obj! { "shopLocale": gid })
}

fn update_locale(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = locale(store, call) else {
        return refuse(&["locale"], "The locale is not enabled", "SHOP_LOCALE_DOES_NOT_EXIST");
    };
    if store.get(gid).is_some_and(|locale| locale.flag("primary") == Some(true)) {
        return refuse(&["locale"], "The primary locale can't be changed", "CAN_NOT_MUTATE_PRIMARY_LOCALE");
    }
    if let Some(input) = call.map("shopLocale") {
        store.edit(gid, |locale| copy(locale, input, &[("published", "published", As::Same)]));
    }
    Errors::default().payload(obj! { "shopLocale": gid })
}

fn disable_locale(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = locale(store, call) else {
        return refuse(&["locale"], "The locale is not enabled", "SHOP_LOCALE_DOES_NOT_EXIST");
    };
    if store.get(gid).is_some_and(|locale| locale.flag("primary") == Some(true)) {
        return refuse(&["locale"], "The primary locale can't be disabled", "CAN_NOT_MUTATE_PRIMARY_LOCALE");
    }
    let presences: Vec<Gid> = store.gids(Kind::MarketWebPresence).collect();
    if presences.iter().any(|one| store.get(*one).and_then(|one| one.gid("defaultLocale")) == Some(gid)) {
        return refuse(&["locale"], "The locale is the default of a web presence", "INVALID");
    }
    for presence in presences {
        store.edit_silently(presence, |presence| {
            presence.edit_list("alternateLocales", |all| all.retain(|one| one.as_gid() != Some(gid)));
        });
    }
    store.remove(gid);
    Errors::default().payload(obj! { "locale": call.text("locale").map(Val::text) })
}

/// Kinds that carry tags.
const TAGGED: &[Kind] = &[Kind::Product, Kind::Customer, Kind::Order, Kind::DraftOrder, Kind::Article];

fn tagged(store: &Store, call: &Call<'_>) -> Option<Gid> {
    call.text("id").and_then(Gid::parse).filter(|gid| TAGGED.contains(&gid.kind()) && store.has(*gid))
}

fn add_tags(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = tagged(store, call) else {
        return refuse(&["id"], "Resource does not exist", "NOT_FOUND");
    };
    let old: Vec<Json> =
        store.get(gid).map(|obj| obj.list("tags").iter().map(Val::to_json).collect()).unwrap_or_default();
    let all = Json::Array(old.into_iter().chain(call.list("tags").iter().cloned()).collect());
    store.edit(gid, |obj| obj.set("tags", convert(&all, As::Tags)));
    Errors::default().payload(obj! { "node": gid })
}

fn remove_tags(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = tagged(store, call) else {
        return refuse(&["id"], "Resource does not exist", "NOT_FOUND");
    };
    let gone: Vec<String> =
        call.list("tags").iter().filter_map(Json::as_str).map(str::to_lowercase).collect();
    store.edit(gid, |obj| {
        obj.edit_list("tags", |tags| {
            tags.retain(|tag| !tag.as_str().is_some_and(|tag| gone.contains(&tag.to_lowercase())));
        });
    });
    Errors::default().payload(obj! { "node": gid })
}

/// What a subscription may be given beside where it leads.
const SUBSCRIPTION: &[Copy] = &[
    ("format", "format", As::Same),
    ("includeFields", "includeFields", As::Same),
    ("filter", "filter", As::Same),
    ("name", "name", As::Same),
    ("metafieldNamespaces", "metafieldNamespaces", As::Same),
];

fn subscribe(store: &mut Store, call: &Call<'_>) -> Outcome {
    let topic = call.text("topic").and_then(intern);
    let Some(uri) = uri(call) else {
        return refuse(&["webhookSubscription", "uri"], "Address can't be blank", "INVALID");
    };
    // Of a topic that this store knows, the app must be allowed to read what it is about.
    let scope = topic.and_then(webhook::scope).unwrap_or_default();
    if !scope.is_empty() && !call.viewer.has(scope) {
        return refuse(
            &["topic"],
            "You cannot create a webhook subscription with the specified topic",
            "INVALID",
        );
    }
    let taken = store
        .table(Kind::WebhookSubscription)
        .rows
        .values()
        .any(|other| other.str("topic") == topic && other.str("uri") == Some(&uri));
    if taken {
        return refuse(
            &["webhookSubscription", "uri"],
            "Address for this topic has already been taken",
            "TAKEN",
        );
    }
    let version = obj! { "handle": crate::shopify::schema::VERSION, "displayName": crate::shopify::schema::VERSION, "supported": true };
    let mut made = obj! { "topic": topic, "uri": Val::text(&uri), "callbackUrl": Val::text(&uri), "format": "JSON", "apiVersion": version };
    if let Some(input) = call.map("webhookSubscription") {
        copy(&mut made, input, SUBSCRIPTION);
    }
    if !is_filtered(&made) {
        return refuse(&["webhookSubscription"], FILTER, "INVALID");
    }
    let gid = store.insert(Kind::WebhookSubscription, made);
    Errors::default().payload(obj! { "webhookSubscription": gid })
}

const FILTER: &str =
    "The specified filter is invalid, please ensure you specify the field(s) you wish to filter on.";

/// Metaobjects are told of by types alone, which must be named.
fn is_filtered(subscription: &Obj) -> bool {
    let by_type = subscription.str("topic").is_some_and(webhook::is_by_type);
    !by_type || subscription.str("filter").and_then(webhook::types).is_some()
}

fn uri(call: &Call<'_>) -> Option<String> {
    let input = call.map("webhookSubscription")?;
    text(input, "uri")
        .or_else(|| text(input, "callbackUrl"))
        .filter(|uri| uri.starts_with("http"))
        .map(str::to_owned)
}

fn resubscribe(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::WebhookSubscription, "id") else {
        return refuse(&["id"], "Webhook subscription does not exist", "NOT_FOUND");
    };
    let mut changed = store.get(gid).map(|own| Obj::clone(own)).unwrap_or_default();
    if let Some(uri) = uri(call) {
        changed.set("uri", Val::text(&uri));
        changed.set("callbackUrl", Val::text(&uri));
    }
    if let Some(input) = call.map("webhookSubscription") {
        copy(&mut changed, input, SUBSCRIPTION);
    }
    if !is_filtered(&changed) {
        return refuse(&["webhookSubscription"], FILTER, "INVALID");
    }
    store.edit(gid, |own| *own = changed);
    Errors::default().payload(obj! { "webhookSubscription": gid })
}
