//! Menus and redirects.

use serde_json::{Map, Value};

use super::draft::Draft;
use super::field::{Form, same};
use super::links;
use super::part::{self, Named, Part};
use super::place;
use super::plain::{self, IdIn, Plain};
use super::step::{Call, Step, variables};

static MENU_CREATE: Call = Call::new("menuCreate", include_str!("../documents/write/menuCreate.graphql"), 10);
static MENU_UPDATE: Call = Call::new("menuUpdate", include_str!("../documents/write/menuUpdate.graphql"), 10);
static REDIRECT_CREATE: Call =
    Call::new("urlRedirectCreate", include_str!("../documents/write/urlRedirectCreate.graphql"), 10);
static REDIRECT_UPDATE: Call =
    Call::new("urlRedirectUpdate", include_str!("../documents/write/urlRedirectUpdate.graphql"), 10);

static REDIRECT: Plain = Plain {
    create: &REDIRECT_CREATE,
    update: &REDIRECT_UPDATE,
    input: "urlRedirect",
    node: "urlRedirect",
    id: IdIn::Variable,
    fields: &[same("path", Form::Plain), same("target", Form::Plain)],
};

/// Parts of a menu: three levels of entries.
pub(super) static MENU_PARTS: &[Part] = &[Part {
    at: "items",
    key: Named(by_title),
    parts: &[Part {
        at: "items",
        key: Named(by_title),
        parts: &[Part { at: "items", key: Named(by_title), parts: &[] }],
    }],
}];

fn by_title(item: &Value, _: usize) -> Option<String> {
    place::text(item, "title").map(str::to_owned)
}

/// Draws up a redirect.
pub(super) fn redirect(draft: &mut Draft<'_>) {
    plain::draft(draft, &REDIRECT);
    plain::new_id(draft, "The redirect");
}

/// Draws up a menu. Its entries are one tree that the API takes whole, so they are compared and set whole; an
/// entry that is still there keeps its id, and one that was added since stays, below the others.
pub(super) fn menu(draft: &mut Draft<'_>) {
    let wanted = draft.wanted;
    let Some(live) = draft.live else {
        let mut input = place::pick(wanted, &["title", "handle"]);
        input.insert("items".to_owned(), items(place::list(wanted, "items")));
        draft.step(Step::birth(&MENU_CREATE, "menu", input));
        return plain::new_id(draft, "The menu");
    };
    let entries = |of: Option<&'_ Value>| of.map_or(&[][..], |of| place::list(of, "items")).to_vec();
    let (there, former) = (entries(Some(live)), entries(draft.former));
    let merged = merged(draft, place::list(wanted, "items"), &there, &former);
    let mut whole = wanted.clone();
    if let (Some(whole), true) = (whole.as_object_mut(), wanted.get("items").is_some()) {
        whole.insert("items".to_owned(), Value::Array(merged));
    }
    let wanted = &whole;
    let mut table = vec![same("title", Form::Plain), same("items", Form::Made(tree))];
    // The handle of a menu that themes are built on cannot be changed.
    if live.get("isDefault").and_then(Value::as_bool) != Some(true) {
        table.push(same("handle", Form::Plain));
    }
    let changed = draft.fields(&table, "", wanted, Some(live));
    if changed.is_empty() {
        return;
    }
    let source = if changed.contains_key("items") { wanted } else { live };
    let mut input = variables([("id", draft.me())]);
    input.insert("title".to_owned(), changed.get("title").or(live.get("title")).cloned().unwrap_or_default());
    input.insert("items".to_owned(), kept(draft, place::list(source, "items"), place::list(live, "items")));
    input.extend(changed.get("handle").map(|handle| ("handle".to_owned(), handle.clone())));
    draft.call(&MENU_UPDATE, "the menu", input);
}

/// The wanted entries, and after them, on every level, those that were added since; not those that the state had which
/// is taken back.
fn merged(draft: &Draft<'_>, wanted: &[Value], live: &[Value], former: &[Value]) -> Vec<Value> {
    let matched = part::matched(wanted, live, Named(by_title), &draft.links);
    let found: Vec<Option<&Value>> = matched.iter().map(|(_, live)| *live).collect();
    let gone = part::surplus(wanted, live, former, Named(by_title), &draft.links);
    let is_in = |list: &[&Value], one: &Value| list.iter().any(|other| std::ptr::eq(*other, one));
    let known: Vec<&Value> = found.iter().flatten().copied().collect();
    let added = live.iter().filter(|one| !is_in(&known, one) && !is_in(&gone, one)).cloned();
    let below = |of: Option<&Value>| of.map_or(&[][..], |of| place::list(of, "items")).to_vec();
    let mut entries: Vec<Value> = matched
        .into_iter()
        .map(|(entry, live)| {
            let was = part::matched(std::slice::from_ref(entry), former, Named(by_title), &draft.links);
            let was = was.into_iter().next().and_then(|(_, was)| was);
            let items = merged(draft, place::list(entry, "items"), &below(live), &below(was));
            let mut entry = entry.clone();
            if let Some(fields) = entry.as_object_mut() {
                fields.insert("items".to_owned(), Value::Array(items));
            }
            entry
        })
        .collect();
    entries.extend(added);
    entries
}

fn tree(list: &Value) -> Value {
    items(list.as_array().map_or(&[][..], Vec::as_slice))
}

fn items(list: &[Value]) -> Value {
    list.iter().map(|item| Value::Object(entry(item, items(place::list(item, "items"))))).collect()
}

/// The same for a menu that is there: entries that it has still are named by their ids.
fn kept(draft: &Draft<'_>, wanted: &[Value], live: &[Value]) -> Value {
    part::matched(wanted, live, Named(by_title), &draft.links)
        .into_iter()
        .map(|(item, live)| {
            let below = live.map_or(&[][..], |live| place::list(live, "items"));
            let mut input = entry(item, kept(draft, place::list(item, "items"), below));
            input.extend(live.and_then(place::id_of).map(|id| ("id".to_owned(), Value::from(id))));
            Value::Object(input)
        })
        .collect()
}

fn entry(item: &Value, below: Value) -> Map<String, Value> {
    let mut input = place::pick(item, &["title", "type", "tags"]);
    match place::text(item, "resourceId") {
        Some(resource) => input.insert("resourceId".to_owned(), links::id(resource)),
        None => place::text(item, "url").and_then(|url| input.insert("url".to_owned(), Value::from(url))),
    };
    input.insert("items".to_owned(), below);
    input
}
