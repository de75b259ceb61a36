//! Pages: by number, and by cursor where the platform has them.

use serde_json::{Value as Json, json};

use super::answer::Refusal;
use super::call::{Call, Query};
use super::facts::Fact;
use super::store::Key;
use crate::base64;

/// Which rows of a list are sent, and what is said about it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) keys: Vec<Key>,
    pub(crate) meta: Json,
}

/// How many rows a page may hold.
fn limit(call: &Call<'_>, (default, most): (usize, usize)) -> Result<usize, Refusal> {
    let Some(asked) = call.query.get("limit") else { return Ok(default) };
    match asked.parse::<usize>() {
        Ok(0) => Err(Refusal::field("limit", "must be at least 1")),
        Ok(limit) if limit <= most => Ok(limit),
        _ => Err(Refusal::field("limit", format!("must be at most {most}"))),
    }
}

/// Cuts a list. A catalog's page is silently cut to ten where options or modifiers are included.
pub(crate) fn cut(call: &Call<'_>, keys: &[Key], sizes: (usize, usize)) -> Result<Page, Refusal> {
    let mut limit = limit(call, sizes)?;
    let catalog = call.operation.path == "/v3/catalog/products";
    if catalog && ["options", "modifiers"].iter().any(|word| call.query.holds("include", word)) {
        limit = limit.min(10);
    }
    let cursors = call.operation.parameter("after").is_some();
    let (before, after) = (call.query.get("before"), call.query.get("after"));
    if before.is_some() && after.is_some() {
        return Err(Refusal::field("after", "cannot be combined with before"));
    }
    let total = keys.len();
    if let Some(cursor) = after.or(before) {
        let key = read(cursor).ok_or_else(|| Refusal::field("after", "is no cursor"))?;
        let (start, end) = if after.is_some() {
            let start = position(keys, &key, true);
            (start, start.saturating_add(limit).min(total))
        } else {
            let end = position(keys, &key, false);
            (end.saturating_sub(limit), end)
        };
        let (page, links) = (slice(keys, start, end), around(keys, start, end));
        return Ok(Page {
            meta: json!({ "cursor_pagination": cursor_meta(&call.query, &page, limit, links) }),
            keys: page,
        });
    }
    let number = match call.query.get("page") {
        Some(page) => page
            .parse::<usize>()
            .ok()
            .filter(|page| *page > 0)
            .ok_or_else(|| Refusal::field("page", "must be at least 1"))?,
        None => 1,
    };
    let start = (number - 1).saturating_mul(limit).min(total);
    let end = start.saturating_add(limit).min(total);
    let page = slice(keys, start, end);
    let pages = total.div_ceil(limit);
    let link = |to: usize| {
        Json::from(address(&call.query, &[("page", to.to_string()), ("limit", limit.to_string())]))
    };
    let mut links = json!({ "current": link(number) });
    if let Some(links) = links.as_object_mut() {
        if number > 1 {
            links.insert("previous".to_owned(), link(number - 1));
        }
        if number < pages {
            links.insert("next".to_owned(), link(number + 1));
        }
    }
    let mut pagination = json!({
        "total": total, "count": page.len(), "per_page": limit, "current_page": number, "total_pages": pages,
    });
    if says_links(call)
        && let Some(pagination) = pagination.as_object_mut()
    {
        pagination.insert("links".to_owned(), links);
    }
    let mut meta = json!({ "pagination": pagination });
    if cursors
        && call.query.get("page").is_none()
        && let Some(meta) = meta.as_object_mut()
    {
        let links = around(keys, start, end);
        meta.insert("cursor_pagination".to_owned(), cursor_meta(&call.query, &page, limit, links));
    }
    Ok(Page { keys: page, meta })
}

/// Whether the pages of an operation are described with links. Where they are not there are none.
fn says_links(call: &Call<'_>) -> bool {
    let part = |fact: &Fact, name: &str| fact.object.as_ref()?.field(name).map(|field| field.fact.clone());
    let pagination = call.operation.answer().and_then(|fact| part(&part(fact, "meta")?, "pagination"));
    pagination
        .and_then(|fact| fact.object)
        .is_none_or(|object| object.field("total").is_none() || object.field("links").is_some())
}

fn slice(keys: &[Key], start: usize, end: usize) -> Vec<Key> {
    keys.get(start..end).map(<[Key]>::to_vec).unwrap_or_default()
}

fn around(keys: &[Key], start: usize, end: usize) -> (bool, bool) {
    (start > 0, end < keys.len())
}

/// Where a cursor stands in a list that may have changed since: after the key, or before it. In a list that is not
/// in the order of keys a row that is gone has no place; its readers begin anew.
fn position(keys: &[Key], key: &Key, behind: bool) -> usize {
    match keys.iter().position(|known| known == key) {
        Some(at) => at + usize::from(behind),
        None => keys.iter().take_while(|known| *known < key).count(),
    }
}

fn write(key: &Key) -> String {
    base64::encode(key.to_string().as_bytes())
}

fn read(cursor: &str) -> Option<Key> {
    let text = String::from_utf8(base64::decode(cursor)?).ok()?;
    Some(text.parse().map_or_else(|_| Key::Text(text.clone()), Key::Number))
}

fn cursor_meta(query: &Query, page: &[Key], limit: usize, (earlier, later): (bool, bool)) -> Json {
    let (start, end) = (page.first().map(write), page.last().map(write));
    let mut links = serde_json::Map::new();
    let limit_text = limit.to_string();
    if let Some(start) = start.clone().filter(|_| earlier) {
        links.insert(
            "previous".to_owned(),
            Json::from(address(query, &[("before", start), ("limit", limit_text.clone())])),
        );
    }
    if let Some(end) = end.clone().filter(|_| later) {
        links.insert("next".to_owned(), Json::from(address(query, &[("after", end), ("limit", limit_text)])));
    }
    json!({ "count": page.len(), "per_page": limit, "start_cursor": start, "end_cursor": end, "links": links })
}

/// The same question with other parameters.
fn address(query: &Query, with: &[(&str, String)]) -> String {
    let kept =
        query.0.iter().filter(|(name, _)| !matches!(name.as_str(), "page" | "limit" | "before" | "after"));
    let pairs = with
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .chain(kept.map(|(name, value)| format!("{}={}", encode(name), encode(value))));
    format!("?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut coded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~:,".contains(&byte) {
            coded.push(char::from(byte));
        } else {
            let _ = write!(coded, "%{byte:02X}");
        }
        coded
    })
}
