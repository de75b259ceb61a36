//! Category trees, categories in their new and their old shape, brands, and which products are where.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, add_one, change, change_one, check_batch, reply, show};
use super::super::filter::{chosen, compare};
use super::super::page;
use super::super::resource::{Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};
use super::{images, products};

/// How many trees and categories one request may write, and how deep a tree is.
const TREES_MAX: usize = 50;
const CATEGORIES_MAX: usize = 50;
const DEPTH_MAX: usize = 8;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "tree",
        path: "/v3/catalog/trees",
        batch: TREES_MAX,
        gone: tree_gone,
        filter: tree_filter,
        ..PLAIN
    },
    Resource {
        kind: "category",
        path: "/v3/catalog/trees/categories",
        id_field: "category_id",
        batch: CATEGORIES_MAX,
        unique: &[&["name", "parent_id", "tree_id"], &["path", "tree_id"]],
        defaults: r#"{"is_visible":true,"default_product_sort":"use_store_settings","layout_file":"category.html"}"#,
        rule: category_rule,
        gone: category_gone,
        filter: category_filter,
        ..PLAIN
    },
    Resource {
        kind: "brand",
        path: "/v3/catalog/brands",
        unique: &[&["name"], &["path"]],
        rule: brand_rule,
        gone: brand_gone,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("PUT", "/v3/catalog/trees", put_trees),
    ("GET", "/v3/catalog/trees/*/categories", whole_tree),
    ("POST", "/v3/catalog/trees/categories", create_categories),
    ("PUT", "/v3/catalog/trees/categories", update_categories),
    ("DELETE", "/v3/catalog/trees/categories", delete_categories),
    ("GET", "/v3/catalog/categories", old_list),
    ("POST", "/v3/catalog/categories", old_create),
    ("DELETE", "/v3/catalog/categories", old_delete_many),
    ("GET", "/v3/catalog/categories/*", old_one),
    ("PUT", "/v3/catalog/categories/*", old_update),
    ("DELETE", "/v3/catalog/categories/*", old_delete),
    ("POST", "/v3/catalog/categories/*/image", image),
    ("DELETE", "/v3/catalog/categories/*/image", delete_image),
    ("POST", "/v3/catalog/brands/*/image", image),
    ("DELETE", "/v3/catalog/brands/*/image", delete_image),
    ("GET", "/v3/catalog/categories/*/products/sort-order", sort_order),
    ("PUT", "/v3/catalog/categories/*/products/sort-order", put_sort_order),
    ("GET", "/v3/catalog/products/category-assignments", category_assignments),
    ("PUT", "/v3/catalog/products/category-assignments", put_category_assignments),
    ("DELETE", "/v3/catalog/products/category-assignments", delete_category_assignments),
    ("GET", "/v3/catalog/products/channel-assignments", channel_assignments),
    ("PUT", "/v3/catalog/products/channel-assignments", put_channel_assignments),
    ("DELETE", "/v3/catalog/products/channel-assignments", delete_channel_assignments),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

fn tree_filter(_: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    (name == "channel_id:in").then(|| compare(row.get("channels"), "in", value))
}

fn tree_gone(store: &mut Store, key: &Key, _: &Row) {
    let own: Vec<Key> = store
        .rows("category")
        .filter(|(_, row)| row.get("tree_id") == &key.json())
        .map(|(key, _)| key.clone())
        .collect();
    for category in own {
        store.remove("category", &category);
    }
}

/// Trees are told by their ids: with one a tree is renamed, without one it is new.
fn put_trees(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("tree")?;
    let given = call.objects();
    check_batch(call, given.len(), TREES_MAX)?;
    for (turn, tree) in given.iter().enumerate() {
        let refuse = |field: &str, what: &str| Err(Refusal::field(field, what).at(turn));
        let channels = tree.get("channels").and_then(Json::as_array);
        match tree.get("id").and_then(Key::of) {
            Some(id) if call.store.get("tree", &id).is_none() => return refuse("id", "names no tree"),
            Some(_) if channels.is_some() => return refuse("channels", "cannot be changed"),
            Some(_) => {}
            None => {
                let channels: Vec<u64> = channels.into_iter().flatten().filter_map(Json::as_u64).collect();
                if channels.len() > 1 {
                    return refuse("channels", "may name one channel");
                }
                if channels.iter().any(|channel| !call.store.has("channel", *channel)) {
                    return refuse("channels", "names no channel");
                }
                let taken = |row: &Row| {
                    row.list("channels").iter().filter_map(Json::as_u64).any(|id| channels.contains(&id))
                };
                if call.store.rows("tree").any(|(_, row)| taken(row)) {
                    return refuse("channels", "names a channel that has a tree");
                }
                if tree.get("name").and_then(Json::as_str).unwrap_or_default().is_empty() {
                    return refuse("name", "must be given");
                }
            }
        }
    }
    let mut keys = Vec::new();
    for mut tree in given {
        match tree.shift_remove("id").and_then(|id| Key::of(&id)) {
            Some(id) => keys.extend(change(call, resource, vec![(id, tree)])?),
            None => keys.extend(add(call, resource, None, vec![tree])?),
        }
    }
    let shown: Vec<Json> =
        keys.iter().map(|key| show(call.store, resource, key, &Query::default())).collect();
    let meta = json!({ "total": keys.len(), "success": keys.len(), "failed": 0 });
    Ok(Answer::json(200, json!({ "data": shown, "meta": meta })))
}

fn category_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("name").is_empty() {
        return Err(Refusal::field("name", "must be given"));
    }
    let parent = draft.value("parent_id").as_u64().unwrap_or_default();
    let own = draft.old.as_ref().map_or(0, |(key, _)| key.number());
    let tree = match draft.value("tree_id").as_u64() {
        Some(tree) if tree != 0 => tree,
        _ => call.store.at("category", parent).map_or(0, |row| row.number("tree_id")),
    };
    if !call.store.has("tree", tree) {
        return Err(Refusal::field("tree_id", "names no tree"));
    }
    if draft.old.as_ref().is_some_and(|(_, old)| old.number("tree_id") != tree) {
        return Err(Refusal::field("tree_id", "cannot be changed"));
    }
    let mut path = String::from("/");
    if parent != 0 {
        let mut above = Some(parent);
        let mut depth = 1;
        while let Some(id) = above.filter(|id| *id != 0) {
            let Some(row) = call.store.at("category", id) else {
                return Err(Refusal::field("parent_id", "names no category"));
            };
            if id == own {
                return Err(Refusal::field("parent_id", "lies below the category itself"));
            }
            if row.number("tree_id") != tree {
                return Err(Refusal::field("parent_id", "is of another tree"));
            }
            depth += 1;
            if depth > DEPTH_MAX {
                return Err(Refusal::field(
                    "parent_id",
                    format!("is too deep: a tree has {DEPTH_MAX} levels"),
                ));
            }
            above = row.get("parent_id").as_u64();
        }
        let above = call
            .store
            .at("category", parent)
            .and_then(|row| row.get("url").get("path").and_then(Json::as_str));
        path = above.unwrap_or("/").to_owned();
    }
    draft.fields.insert("parent_id".to_owned(), Json::from(parent));
    draft.fields.insert("tree_id".to_owned(), Json::from(tree));
    if draft.is_new() {
        let uuid = call.store.uuid();
        draft.fields.insert("category_uuid".to_owned(), Json::from(uuid));
    }
    let given = draft
        .fields
        .get("url")
        .and_then(|url| url.get("path"))
        .and_then(Json::as_str)
        .filter(|path| !path.is_empty());
    if let Some(given) = given.map(str::to_owned) {
        draft.hidden.insert("path".to_owned(), Json::from(given.as_str()));
        let customized = draft
            .fields
            .get("url")
            .and_then(|url| url.get("is_customized"))
            .cloned()
            .unwrap_or(Json::Bool(true));
        draft.fields.insert("url".to_owned(), json!({ "path": given, "is_customized": customized }));
    } else if draft.is_new() {
        let path = format!("{path}{}/", products::handle(draft.text("name")));
        draft.fields.insert("url".to_owned(), json!({ "path": path, "is_customized": false }));
        draft.hidden.insert("path".to_owned(), Json::from(path));
    }
    Ok(())
}

/// A category takes those below it, and products lose it.
fn category_gone(store: &mut Store, key: &Key, row: &Row) {
    images::forget_url(store, row.text("image_url"));
    let id = key.json();
    let below: Vec<Key> = store
        .rows("category")
        .filter(|(_, row)| row.get("parent_id") == &id)
        .map(|(key, _)| key.clone())
        .collect();
    for child in below {
        store.remove("category", &child);
    }
    let inside: Vec<Key> = store
        .rows("product")
        .filter(|(_, row)| row.list("categories").contains(&id))
        .map(|(key, _)| key.clone())
        .collect();
    for product in inside {
        store.edit_silently("product", &product, |row| {
            if let Some(Json::Array(list)) = row.fields.get_mut("categories") {
                list.retain(|category| *category != id);
            }
        });
    }
}

fn category_filter(_: &Store, key: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    match name {
        "keyword" => Some(row.text("name").to_lowercase().contains(&value.to_lowercase())),
        _ => {
            let (field, asked) = name.split_once(':').unwrap_or((name, ""));
            (field == "id").then(|| compare(&key.json(), asked, value))
        }
    }
}

/// Several categories: each is made or refused for itself.
fn create_categories(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("category")?;
    let given = call.objects();
    check_batch(call, given.len(), CATEGORIES_MAX)?;
    let (mut data, mut errors, total) = (Vec::new(), Obj::new(), given.len());
    for (turn, fields) in given.into_iter().enumerate() {
        match add_one(call, resource, None, fields) {
            Ok(key) => data.push(show(call.store, resource, &key, &Query::default())),
            Err(refusal) => note(&mut errors, turn, &refusal),
        }
    }
    note_lost(call, &mut errors);
    outcome(201, &data, errors, total)
}

fn update_categories(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("category")?;
    let given = call.objects();
    check_batch(call, given.len(), CATEGORIES_MAX)?;
    let (mut errors, total) = (Obj::new(), given.len());
    let mut changed = 0;
    for (turn, mut fields) in given.into_iter().enumerate() {
        let key = fields.shift_remove("category_id").and_then(|id| Key::of(&id));
        let known = key.filter(|key| call.store.get("category", key).is_some());
        let done = known
            .ok_or_else(|| Refusal::field("category_id", "names no category"))
            .and_then(|key| change_one(call, resource, key, fields));
        match done {
            Ok(_) => changed += 1,
            Err(refusal) => note(&mut errors, turn, &refusal),
        }
    }
    note_lost(call, &mut errors);
    let mut answer = outcome(200, &vec![Json::Null; changed], errors, total)?;
    if let super::super::answer::Body::Json(Json::Object(body)) = &mut answer.body {
        body.shift_remove("data");
    }
    Ok(answer)
}

fn note(errors: &mut Obj, turn: usize, refusal: &Refusal) {
    for (field, what) in &refusal.errors {
        errors.insert(format!("{turn}.{field}"), Json::from(what.as_str()));
    }
}

fn note_lost(call: &Call<'_>, errors: &mut Obj) {
    for field in &call.lost {
        errors.insert(format!("0.{field}"), Json::from("was not saved"));
    }
}

/// All done, some done, or none.
fn outcome(status: u16, data: &[Json], errors: Obj, total: usize) -> Result<Answer, Refusal> {
    if data.is_empty() {
        let errors =
            errors.into_iter().map(|(field, what)| (field, what.as_str().unwrap_or_default().to_owned()));
        return Err(Refusal::fields(errors.collect()));
    }
    let meta = json!({ "total": total, "success": data.len(), "failed": total - data.len() });
    if errors.is_empty() {
        return Ok(Answer::json(status, json!({ "data": data, "meta": meta })));
    }
    let errors =
        json!({ "status": 422, "title": "Some of these were not saved.", "type": "", "errors": errors });
    Ok(Answer::json(207, json!({ "data": data, "errors": errors, "meta": meta })))
}

fn delete_categories(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("category")?;
    if call.query.0.is_empty() {
        return Err(Refusal::field("", "A filter must say what to delete."));
    }
    let keys = chosen(call, resource, None)?;
    let count = keys.len();
    for key in keys {
        call.store.remove_later("category", key);
    }
    Ok(Answer::json(202, json!({ "meta": { "total": count, "success": count, "failed": 0 } })))
}

fn whole_tree(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let tree = call.key(0);
    call.store.get("tree", &tree).ok_or_else(Refusal::not_found)?;
    let depth = call.query.number("depth").and_then(|depth| usize::try_from(depth).ok()).unwrap_or(DEPTH_MAX);
    Ok(Answer::data(Json::Array(level(call.store, tree.number(), 0, &[], depth))))
}

fn level(store: &Store, tree: u64, parent: u64, path: &[u64], left: usize) -> Vec<Json> {
    if left == 0 {
        return Vec::new();
    }
    let own = store
        .rows("category")
        .filter(|(_, row)| row.number("tree_id") == tree && row.number("parent_id") == parent);
    own.map(|(key, row)| {
        let id = key.number();
        let below = [path, &[id]].concat();
        json!({ "id": id, "parent_id": parent, "depth": path.len(), "path": below, "name": row.get("name"),
            "is_visible": row.get("is_visible"), "url": row.get("url").get("path"), "children": level(store, tree, id, &below, left - 1) })
    })
    .collect()
}

/// A category in the old shape: without its tree, and with its address under another name.
fn old_shape(store: &Store, key: &Key, query: &Query) -> Json {
    let Ok(resource) = kind("category") else { return Json::Null };
    let Json::Object(mut fields) = show(store, resource, key, &Query::default()) else { return Json::Null };
    let url = fields.shift_remove("url").unwrap_or_default();
    for name in ["category_id", "category_uuid", "tree_id"] {
        fields.shift_remove(name);
    }
    fields.shift_insert(0, "id".to_owned(), key.json());
    fields.insert(
        "custom_url".to_owned(),
        json!({ "url": url.get("path"), "is_customized": url.get("is_customized") }),
    );
    if let Some(wanted) = query.get("include_fields") {
        fields.retain(|name, _| name == "id" || wanted.split(',').any(|one| one.trim() == name));
    }
    if let Some(unwanted) = query.get("exclude_fields") {
        fields.retain(|name, _| name == "id" || !unwanted.split(',').any(|one| one.trim() == name));
    }
    Json::Object(fields)
}

/// A body of the old shape as the new one.
fn new_shape(call: &Call<'_>) -> Obj {
    let mut fields = call.object();
    if let Some(url) = fields.shift_remove("custom_url") {
        fields.insert("url".to_owned(), json!({ "path": url.get("url"), "is_customized": url.get("is_customized").cloned().unwrap_or(Json::Bool(true)) }));
    }
    fields
}

/// The old routes know the tree of the first channel alone.
fn first_tree(store: &Store) -> u64 {
    store.rows("tree").next().map_or(0, |(key, _)| key.number())
}

fn old_item(call: &Call<'_>) -> Result<Key, Refusal> {
    let key = call.key(0);
    call.store.get("category", &key).map(|_| key.clone()).ok_or_else(Refusal::not_found)
}

fn old_list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("category")?;
    let tree = first_tree(call.store);
    let mut keys = chosen(call, resource, None)?;
    keys.retain(|key| call.store.get("category", key).is_some_and(|row| row.number("tree_id") == tree));
    let page = page::cut(call, &keys, resource.page)?;
    let shown: Vec<Json> = page.keys.iter().map(|key| old_shape(call.store, key, &call.query)).collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn old_create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut fields = new_shape(call);
    fields.insert("tree_id".to_owned(), Json::from(first_tree(call.store)));
    let keys = add(call, kind("category")?, None, vec![fields])?;
    Ok(reply(call, keys.first().map_or(Json::Null, |key| old_shape(call.store, key, &call.query))))
}

fn old_one(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = old_item(call)?;
    Ok(reply(call, old_shape(call.store, &key, &call.query)))
}

fn old_update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = old_item(call)?;
    let fields = new_shape(call);
    change(call, kind("category")?, vec![(key.clone(), fields)])?;
    Ok(reply(call, old_shape(call.store, &key, &call.query)))
}

fn old_delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = call.key(0);
    call.store.remove("category", &key);
    Ok(Answer::empty(204))
}

fn old_delete_many(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.query.0.is_empty() {
        return Err(Refusal::field("", "A filter must say what to delete."));
    }
    for key in chosen(call, kind("category")?, None)? {
        call.store.remove("category", &key);
    }
    Ok(Answer::empty(204))
}

fn brand_rule(_: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("name").is_empty() {
        return Err(Refusal::field("name", "must be given"));
    }
    let given = draft
        .fields
        .get("custom_url")
        .and_then(|url| url.get("url"))
        .and_then(Json::as_str)
        .map(str::to_owned);
    let customized = draft.fields.get("custom_url").and_then(|url| url.get("is_customized")).cloned();
    if let Some(path) = given
        .or_else(|| draft.is_new().then(|| format!("/brands/{}.html", products::handle(draft.text("name")))))
    {
        draft.hidden.insert("path".to_owned(), Json::from(path.as_str()));
        let customized = customized.unwrap_or(Json::Bool(false));
        draft.fields.insert("custom_url".to_owned(), json!({ "url": path, "is_customized": customized }));
    }
    Ok(())
}

fn brand_gone(store: &mut Store, key: &Key, row: &Row) {
    images::forget_url(store, row.text("image_url"));
    let of_brand: Vec<Key> = store
        .rows("product")
        .filter(|(_, row)| row.get("brand_id") == &key.json())
        .map(|(key, _)| key.clone())
        .collect();
    for product in of_brand {
        store.edit_silently("product", &product, |row| {
            row.fields.insert("brand_id".to_owned(), Json::from(0));
        });
    }
}

/// The kind whose one image a path means.
fn pictured(call: &Call<'_>) -> Result<(&'static str, Key), Refusal> {
    let kind = if call.operation.path.contains("/brands/") { "brand" } else { "category" };
    let key = call.key(0);
    call.store.get(kind, &key).map(|_| (kind, key.clone())).ok_or_else(Refusal::not_found)
}

fn image(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (kind, key) = pictured(call)?;
    let old = call.store.get(kind, &key).map(|row| row.text("image_url").to_owned()).unwrap_or_default();
    let url = images::one(call, kind)?;
    images::forget_url(call.store, &old);
    call.store.edit(kind, &key, |row| {
        row.fields.insert("image_url".to_owned(), Json::from(url.as_str()));
    });
    Ok(Answer::data(json!({ "image_url": url })))
}

fn delete_image(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (kind, key) = pictured(call)?;
    let old = call.store.get(kind, &key).map(|row| row.text("image_url").to_owned()).unwrap_or_default();
    images::forget_url(call.store, &old);
    call.store.edit(kind, &key, |row| {
        row.fields.insert("image_url".to_owned(), Json::from(""));
    });
    Ok(Answer::empty(204))
}

/// The products of a category in their order there.
fn ordered(store: &Store, category: &Key) -> Vec<(Key, i64)> {
    let places =
        store.get("category", category).and_then(|row| row.hidden.get("order")).cloned().unwrap_or_default();
    let mut list: Vec<(Key, i64)> = store
        .rows("product")
        .filter(|(_, row)| row.list("categories").contains(&category.json()))
        .map(|(key, row)| {
            let place = places.get(key.to_string()).and_then(Json::as_i64);
            (key.clone(), place.or_else(|| row.get("sort_order").as_i64()).unwrap_or_default())
        })
        .collect();
    list.sort_by_key(|(key, place)| (*place, key.clone()));
    list
}

fn sort_order(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let category = old_item(call)?;
    let list = ordered(call.store, &category);
    let page = page::cut(call, &list.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), (50, 250))?;
    let shown: Vec<Json> = list
        .iter()
        .filter(|(key, _)| page.keys.contains(key))
        .map(|(key, place)| json!({ "product_id": key.json(), "sort_order": place }))
        .collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn put_sort_order(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let category = old_item(call)?;
    let inside: Vec<Key> = ordered(call.store, &category).into_iter().map(|(key, _)| key).collect();
    let given = call.objects();
    let mut places = Obj::new();
    for (turn, one) in given.iter().enumerate() {
        let product = one.get("product_id").and_then(Key::of).filter(|key| inside.contains(key));
        let product =
            product.ok_or_else(|| Refusal::field("product_id", "is not in the category").at(turn))?;
        places.insert(product.to_string(), one.get("sort_order").cloned().unwrap_or_default());
    }
    call.store.edit_silently("category", &category, |row| {
        let mut all = row.hidden.get("order").and_then(Json::as_object).cloned().unwrap_or_default();
        all.extend(places);
        row.hidden.insert("order".to_owned(), Json::Object(all));
    });
    Ok(Answer::json(200, call.body.clone()))
}

/// Pairs of products and what they are assigned to, of all products in their order.
fn assignments(call: &Call<'_>, field: &str, of: impl Fn(&Row) -> Vec<u64>) -> Result<Answer, Refusal> {
    let products = call.query.numbers("product_id:in");
    let others = call.query.numbers(&format!("{field}:in"));
    let wanted = |list: &Option<Vec<u64>>, id: u64| list.as_ref().is_none_or(|list| list.contains(&id));
    let mut pairs = Vec::new();
    for (key, row) in call.store.rows("product").filter(|(key, _)| wanted(&products, key.number())) {
        pairs.extend(of(row).into_iter().filter(|id| wanted(&others, *id)).map(|id| (key.number(), id)));
    }
    let turns: Vec<Key> = (0..pairs.len() as u64).map(Key::Number).collect();
    let page = page::cut(call, &turns, (50, 250))?;
    let shown: Vec<Json> = page
        .keys
        .iter()
        .filter_map(|turn| pairs.get(usize::try_from(turn.number()).ok()?))
        .map(|(product, other)| json!({ "product_id": product, field: other }))
        .collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn numbers(list: &[Json]) -> Vec<u64> {
    list.iter().filter_map(Json::as_u64).collect()
}

fn category_assignments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    assignments(call, "category_id", |row| numbers(row.list("categories")))
}

fn channel_assignments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    assignments(call, "channel_id", |row| hidden_numbers(row, "channels"))
}

fn hidden_numbers(row: &Row, name: &str) -> Vec<u64> {
    row.hidden.get(name).and_then(Json::as_array).map(|list| numbers(list)).unwrap_or_default()
}

/// The pairs that a body names, all of things that are there.
fn pairs(call: &Call<'_>, field: &str, kind: &str) -> Result<Vec<(Key, u64)>, Refusal> {
    let mut pairs = Vec::new();
    for (turn, one) in call.objects().iter().enumerate() {
        let product =
            one.get("product_id").and_then(Key::of).filter(|key| call.store.get("product", key).is_some());
        let product = product.ok_or_else(|| Refusal::field("product_id", "names no product").at(turn))?;
        let other = one.get(field).and_then(Json::as_u64).filter(|id| call.store.has(kind, *id));
        pairs.push((
            product,
            other.ok_or_else(|| Refusal::field(field, format!("names no {kind}")).at(turn))?,
        ));
    }
    Ok(pairs)
}

fn put_category_assignments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    for (product, category) in pairs(call, "category_id", "category")? {
        call.store.edit("product", &product, |row| {
            if let Some(Json::Array(list)) = row.fields.get_mut("categories")
                && !list.contains(&Json::from(category))
            {
                list.push(Json::from(category));
            }
        });
        products::touch(call.store, &product);
    }
    Ok(Answer::empty(204))
}

/// A filter of numbers, where one is given.
type Numbers = Option<Vec<u64>>;

/// The rows that a deletion of assignments means.
fn unassigned(call: &Call<'_>, field: &str) -> Result<(Numbers, Numbers), Refusal> {
    let (products, others) =
        (call.query.numbers("product_id:in"), call.query.numbers(&format!("{field}:in")));
    if products.is_none() && others.is_none() {
        return Err(Refusal::field("", "A filter must say what to delete."));
    }
    Ok((products, others))
}

fn delete_category_assignments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (products, categories) = unassigned(call, "category_id")?;
    for key in call.store.keys("product") {
        if products.as_ref().is_some_and(|list| !list.contains(&key.number())) {
            continue;
        }
        call.store.edit("product", &key, |row| {
            if let Some(Json::Array(list)) = row.fields.get_mut("categories") {
                list.retain(|id| {
                    categories.as_ref().is_some_and(|gone| !gone.contains(&id.as_u64().unwrap_or_default()))
                });
            }
        });
    }
    Ok(Answer::empty(204))
}

/// The channels in which a product is.
pub(crate) fn channels_of(store: &Store, product: u64) -> Vec<u64> {
    store.at("product", product).map(|row| hidden_numbers(row, "channels")).unwrap_or_default()
}

pub(crate) fn assign_channel(store: &mut Store, product: u64, channel: u64) {
    let mut channels = channels_of(store, product);
    if !channels.contains(&channel) {
        channels.push(channel);
        channels.sort_unstable();
        store.edit_silently("product", &Key::Number(product), |row| {
            row.hidden.insert("channels".to_owned(), Json::from(channels));
        });
    }
}

fn put_channel_assignments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    for (product, channel) in pairs(call, "channel_id", "channel")? {
        assign_channel(call.store, product.number(), channel);
    }
    Ok(Answer::empty(204))
}

fn delete_channel_assignments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (products, channels) = unassigned(call, "channel_id")?;
    for key in call.store.keys("product") {
        if products.as_ref().is_some_and(|list| !list.contains(&key.number())) {
            continue;
        }
        let left: Vec<u64> = channels_of(call.store, key.number())
            .into_iter()
            .filter(|id| channels.as_ref().is_some_and(|gone| !gone.contains(id)))
            .collect();
        call.store.edit_silently("product", &key, |row| {
            row.hidden.insert("channels".to_owned(), Json::from(left));
        });
    }
    Ok(Answer::empty(204))
}
