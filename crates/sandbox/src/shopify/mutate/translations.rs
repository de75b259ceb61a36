//! Translations. They are kept with what they translate.

use serde_json::Value as Json;

use super::{Call, Errors, Outcome, Row, refuse};
use crate::shopify::fields::digest;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[("translationsRegister", register), ("translationsRemove", remove)];

/// Most translations that one call takes.
const PER_CALL: usize = 100;

/// Keys of texts, and the fields that hold them.
type Texts = &'static [(&'static str, &'static str)];

/// What can be translated: the type's name, the kind, and its texts by their keys; the fields of entries are theirs.
pub(crate) const TRANSLATABLE: &[(&str, Kind, Texts)] = &[
    (
        "ARTICLE",
        Kind::Article,
        &[("title", "title"), ("body_html", "body"), ("summary_html", "summary"), ("handle", "handle")],
    ),
    ("BLOG", Kind::Blog, &[("title", "title"), ("handle", "handle")]),
    (
        "COLLECTION",
        Kind::Collection,
        &[("title", "title"), ("body_html", "descriptionHtml"), ("handle", "handle")],
    ),
    ("MENU", Kind::Menu, &[("title", "title")]),
    ("METAOBJECT", Kind::Metaobject, &[]),
    ("PAGE", Kind::Page, &[("title", "title"), ("body_html", "body"), ("handle", "handle")]),
    (
        "PRODUCT",
        Kind::Product,
        &[
            ("title", "title"),
            ("body_html", "descriptionHtml"),
            ("handle", "handle"),
            ("product_type", "productType"),
        ],
    ),
    ("SHOP_POLICY", Kind::ShopPolicy, &[("body", "body")]),
];

/// The texts of a thing that can be translated: key and text.
pub(crate) fn content(kind: Kind, obj: &Obj) -> Vec<(String, String)> {
    if kind == Kind::Metaobject {
        let fields = obj.list("fields").iter().filter_map(Val::as_obj);
        return fields
            .filter_map(|one| Some((one.str("key")?.to_owned(), one.str("value")?.to_owned())))
            .collect();
    }
    let row = TRANSLATABLE.iter().find(|(_, of, _)| *of == kind);
    let texts = row.map(|(_, _, texts)| *texts).unwrap_or_default();
    let texts = texts.iter().filter_map(|(key, field)| Some(((*key).to_owned(), obj.str(field)?.to_owned())));
    texts.filter(|(_, text)| !text.is_empty()).collect()
}

fn resource(store: &Store, call: &Call<'_>) -> Option<Gid> {
    let gid = call.text("resourceId").and_then(Gid::parse)?;
    let known = TRANSLATABLE.iter().any(|(_, kind, _)| *kind == gid.kind());
    (known && store.has(gid)).then_some(gid)
}

fn is(one: &Val, key: &str, locale: &str) -> bool {
    one.as_obj().is_some_and(|one| one.str("key") == Some(key) && one.str("locale") == Some(locale))
}

fn register(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = resource(store, call) else {
        return refuse(&["resourceId"], "Resource does not exist", "RESOURCE_NOT_FOUND");
    };
    let texts = store.get(gid).map(|obj| content(gid.kind(), obj)).unwrap_or_default();
    let inputs = call.list("translations");
    let mut errors = Errors::default();
    if inputs.len() > PER_CALL {
        errors.add(&["translations"], "Too many translations for resource", "TOO_MANY_KEYS_FOR_RESOURCE");
    }
    let text = |one: &Json, name: &str| one.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    for (index, one) in inputs.iter().enumerate() {
        let index = index.to_string();
        let mut wrong =
            |field: &str, message: &str, code| errors.add(&["translations", &index, field], message, code);
        let locale = store.by_key(Kind::ShopLocale, &text(one, "locale")).and_then(|gid| store.get(gid));
        if locale.is_none_or(|locale| locale.flag("primary") == Some(true)) {
            wrong("locale", "Locale is not a language of the shop", "INVALID_LOCALE_FOR_SHOP");
        }
        if text(one, "value").is_empty() {
            wrong("value", "Value can't be blank", "BLANK");
        }
        match texts.iter().find(|(key, _)| *key == text(one, "key")) {
            None => wrong("key", "Key is not a key of the resource", "INVALID_KEY_FOR_MODEL"),
            Some((_, now)) if digest(now) != text(one, "translatableContentDigest") => {
                let message = "Translatable content hash is invalid";
                wrong("translatableContentDigest", message, "INVALID_TRANSLATABLE_CONTENT");
            }
            Some(_) => {}
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let now = store.now;
    store.edit_silently(gid, |obj| {
        obj.edit_list("translations", |all| {
            for one in inputs {
                let (key, locale) = (text(one, "key"), text(one, "locale"));
                all.retain(|old| !is(old, &key, &locale));
                all.push(Val::from(obj! {
                    "key": Val::text(&key), "locale": Val::text(&locale), "value": Val::text(text(one, "value")),
                    "digest": Val::text(text(one, "translatableContentDigest")), "updatedAt": Val::Time(now),
                }));
            }
        });
    });
    errors.payload(obj! { "translations": Vec::<Val>::new() })
}

fn remove(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = resource(store, call) else {
        return refuse(&["resourceId"], "Resource does not exist", "RESOURCE_NOT_FOUND");
    };
    let texts = |name: &str| -> Vec<&str> { call.list(name).iter().filter_map(Json::as_str).collect() };
    let (keys, locales) = (texts("translationKeys"), texts("locales"));
    store.edit_silently(gid, |obj| {
        obj.edit_list("translations", |all| {
            all.retain(|one| !keys.iter().any(|key| locales.iter().any(|locale| is(one, key, locale))));
        });
        if obj.list("translations").is_empty() {
            obj.set("translations", Val::Null);
        }
    });
    Errors::default().payload(obj! { "translations": Vec::<Val>::new() })
}
