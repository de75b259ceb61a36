//! Reads page by page: whole kinds, what changed, and single items. Every item comes out whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Shopify;
use super::assemble;
use super::client::{Again, Refusal};
use super::documents::{self, ITEM, KindDocuments, LANGUAGES, METAOBJECT_TYPES, Named};
use super::fold::{self, Rest};
use super::gid::{in_language, number, of_language, renamed};
use super::reading::{Listing, PageSize, Values};
use crate::contract::{Effort, Fault, Item, KindSpec};

/// A listing ends after so many items, without a word.
pub(super) const LISTED_MAX: u64 = 25_000;
/// Before that, a new one begins behind the last item.
pub(super) const WINDOW_ITEMS: u64 = 24_000;
/// Nodes of a page that continues a connection.
const REST_NODES: u32 = 100;
/// Ids that are looked up at once.
const IDS_AT_ONCE: usize = 50;
/// Look-ups of one id each that are on their way together.
const ONES_AT_ONCE: usize = 24;

/// Where a reading page by page has come to: the cursor of a resumed run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The search of this window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Items of this window so far.
    #[serde(default)]
    seen: u64,
    /// Values of [`Listing::Each`] that are still to be listed, the one at hand first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<VecDeque<String>>,
    /// Values that may not be listed, and what the platform said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) refused: BTreeMap<String, String>,
    /// Values of which there are more than the platform lists, and what that means.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) cut: BTreeMap<String, String>,
    /// Whether items come by their time of change. A cursor means nothing in another order than its own.
    pub(crate) by_change: bool,
    /// Everything was read.
    #[serde(default)]
    pub(crate) done: bool,
}

impl Place {
    /// The search of this window; `None` where everything is listed.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

/// What is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span<'a> {
    /// All items.
    All,
    /// Those that changed since a time, as the search's text.
    Since(&'a str),
    /// Those that a search finds.
    Found(&'a str),
}

/// Reads a kind, page by page.
pub(crate) struct Pager<'a> {
    shop: &'a Shopify,
    set: &'static KindDocuments,
    /// Where the next page begins.
    pub(crate) place: Place,
}

impl<'a> Pager<'a> {
    /// Begins, or goes on at `place`.
    pub(crate) fn new(
        shop: &'a Shopify,
        set: &'static KindDocuments,
        span: Span<'_>,
        place: Option<Place>,
    ) -> Self {
        let by_change = matches!(span, Span::Since(_));
        let query = match span {
            Span::All => None,
            Span::Since(time) => Some(format!("updated_at:>='{time}'")),
            Span::Found(search) => Some(search.to_owned()),
        };
        Self { shop, set, place: place.unwrap_or(Place { query, by_change, ..Place::default() }) }
    }

    /// The whole items of the next page; none of them where what was to be listed is refused, which the place then
    /// says. `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Value>>, Fault> {
        if self.place.done {
            return Ok(None);
        }
        let variables = match self.variables().await? {
            Some(variables) => variables,
            None => {
                self.place.done = true;
                return Ok(None);
            }
        };
        let data = match self.shop.sized(self.set, &self.set.page, &variables).await {
            Ok(data) => data,
            Err(Fault::Forbidden(why)) if self.place.values.is_some() => {
                let value = self.place.values.as_mut().and_then(VecDeque::pop_front).unwrap_or_default();
                self.place.refused.insert(value, why);
                self.place.after = None;
                self.place.seen = 0;
                return Ok(Some(Vec::new()));
            }
            Err(fault) => return Err(fault),
        };
        let (nodes, info) = self.listed(data)?;
        let mut items = Vec::with_capacity(nodes.len());
        for node in nodes {
            items.push(self.shop.whole(self.set, node).await?);
        }
        self.turn(&info, &items)?;
        if let Some(locale) = variables.get("locale").and_then(Value::as_str) {
            items = items.into_iter().filter_map(|node| translated(node, locale)).collect();
        }
        Ok(Some(items))
    }

    /// The variables of the next page; `None` where no value of the argument is left.
    async fn variables(&mut self) -> Result<Option<Map<String, Value>>, Fault> {
        let mut variables = Map::new();
        match self.set.reading.listing {
            Listing::Connection { sort, sort_updated, query, .. } => {
                variables.insert("after".into(), json!(self.place.after));
                if query {
                    variables.insert("query".into(), json!(self.place.query));
                }
                if sort.is_some() {
                    let key = if self.place.by_change && sort_updated { "UPDATED_AT" } else { "ID" };
                    variables.insert("sortKey".into(), json!(key));
                }
            }
            Listing::Each { values, .. } => {
                if self.place.values.is_none() {
                    self.place.values = Some(match values {
                        Values::Of(values) => values.iter().map(|(value, _)| (*value).to_owned()).collect(),
                        Values::MetaobjectTypes => metaobject_types(self.shop).await?,
                        Values::Translated(types) => in_languages(self.shop, types).await?,
                    });
                }
                let Some(value) = self.place.values.as_ref().and_then(VecDeque::front) else {
                    return Ok(None);
                };
                let (value, locale) =
                    value.split_once(' ').map_or((value.as_str(), None), |(v, l)| (v, Some(l)));
                variables.insert("value".into(), json!(value));
                variables.extend(locale.map(|locale| ("locale".to_owned(), json!(locale))));
                variables.insert("after".into(), json!(self.place.after));
            }
            Listing::Object(_) | Listing::List(_) => {}
        }
        Ok(Some(variables))
    }

    /// The nodes of an answer, and its page information.
    fn listed(&self, mut data: Value) -> Result<(Vec<Value>, Value), Fault> {
        let lost = || Fault::Malformed(format!("a page of {} holds no list", self.set.reading.kind));
        let mut at = &mut data;
        match self.set.reading.listing {
            Listing::Connection { field, .. } | Listing::Each { field, .. } => {
                at = at.get_mut(field).ok_or_else(lost)?;
                let info = at.get_mut("pageInfo").map(Value::take).ok_or_else(lost)?;
                match at.get_mut("nodes").map(Value::take) {
                    Some(Value::Array(nodes)) => Ok((nodes, info)),
                    _ => Err(lost()),
                }
            }
            Listing::Object(field) => {
                Ok((vec![at.get_mut(field).map(Value::take).ok_or_else(lost)?], Value::Null))
            }
            Listing::List(fields) => {
                for field in fields {
                    at = at.get_mut(*field).ok_or_else(lost)?;
                }
                match at.take() {
                    Value::Array(nodes) => Ok((nodes, Value::Null)),
                    _ => Err(lost()),
                }
            }
        }
    }

    /// Moves to the next page.
    fn turn(&mut self, info: &Value, items: &[Value]) -> Result<(), Fault> {
        self.place.seen += items.len() as u64;
        if let Some(after) = following(info, self.place.after.as_deref(), self.set.reading.kind)? {
            self.place.after = Some(after);
            if self.place.seen >= WINDOW_ITEMS {
                self.next_window(items);
            }
        } else if self.place.seen >= LISTED_MAX && self.place.values.is_none() {
            return Err(cut_short(self.set.reading.kind));
        } else if let Some(values) = &mut self.place.values {
            let ended = values.pop_front();
            if let Some(value) = ended.filter(|_| self.place.seen >= LISTED_MAX) {
                // The other values are listed for themselves.
                self.place.cut.insert(value, cut_short(self.set.reading.kind).to_string());
            }
            self.place.after = None;
            self.place.seen = 0;
            self.place.done = values.is_empty();
        } else {
            self.place.done = true;
        }
        Ok(())
    }

    /// Begins a new listing behind (by id) or at (by time of change) the last item.
    fn next_window(&mut self, items: &[Value]) {
        let Listing::Connection { sort_updated, query: true, .. } = self.set.reading.listing else {
            return;
        };
        let Some(last) = items.last() else { return };
        let next = window_after(last, self.place.by_change && sort_updated, self.place.query.as_deref());
        // The same window again would never end.
        if next.is_some() && next != self.place.query {
            self.place.query = next;
            self.place.after = None;
            self.place.seen = 0;
        }
    }
}

/// Where the page after this one begins; `None` after the last. One that begins where this one did would be read for
/// ever.
pub(super) fn following(info: &Value, after: Option<&str>, what: &str) -> Result<Option<String>, Fault> {
    if !info.get("hasNextPage").and_then(Value::as_bool).unwrap_or(false) {
        return Ok(None);
    }
    match info.get("endCursor").and_then(Value::as_str) {
        Some(next) if Some(next) != after => Ok(Some(next.to_owned())),
        _ => Err(Fault::Malformed(format!("a page of {what} says that there is more, and not where"))),
    }
}

/// A list that is as long as the platform lets one be says nothing of what comes after it.
pub(super) fn cut_short(what: &str) -> Fault {
    Fault::Malformed(format!(
        "the list of {what} ends where the platform's listings end; what comes after it is not known"
    ))
}

/// The search for what comes after `last`: at its time of change, or behind its id within the same search.
fn window_after(last: &Value, by_change: bool, query: Option<&str>) -> Option<String> {
    let text = |key: &str| last.get(key).and_then(Value::as_str);
    if by_change {
        return text("updatedAt").map(|time| format!("updated_at:>='{time}'"));
    }
    let number: u64 = number(text("id")?).parse().ok()?;
    let search = query.unwrap_or_default();
    let search = search.split("id:>").next().unwrap_or_default().trim_end().trim_end_matches(" AND");
    Some(if search.is_empty() { format!("id:>{number}") } else { format!("{search} AND id:>{number}") })
}

/// The types of all metaobject definitions.
pub(super) async fn metaobject_types(shop: &Shopify) -> Result<VecDeque<String>, Fault> {
    let mut types = VecDeque::new();
    let mut after = None;
    loop {
        let data = shop.query(METAOBJECT_TYPES, json!({ "first": 100, "after": after })).await?;
        let nodes = data.pointer("/metaobjectDefinitions/nodes").and_then(Value::as_array);
        let names = nodes.into_iter().flatten().filter_map(|node| node.get("type")?.as_str());
        types.extend(names.map(str::to_owned));
        let info = data.pointer("/metaobjectDefinitions/pageInfo").unwrap_or(&Value::Null);
        after = following(info, after.as_deref(), "metaobject definitions")?;
        if after.is_none() {
            return Ok(types);
        }
    }
}

/// What is listed in each language of the shop but its own.
async fn in_languages(shop: &Shopify, types: &[&str]) -> Result<VecDeque<String>, Fault> {
    let data = shop.query(LANGUAGES, json!({})).await?;
    let languages = data.get("shopLocales").and_then(Value::as_array);
    let languages =
        languages.ok_or_else(|| Fault::Malformed("the shop's languages are not told".to_owned()))?;
    let others = languages.iter().filter(|one| one.get("primary") == Some(&Value::Bool(false)));
    let others: Vec<&str> = others.filter_map(|one| one.get("locale")?.as_str()).collect();
    Ok(others.iter().flat_map(|locale| types.iter().map(move |of| format!("{of} {locale}"))).collect())
}

/// The translations of a thing as an item; `None` where there are none. Its id says of what and into which language.
fn translated(mut node: Value, locale: &str) -> Option<Value> {
    let of = node.get("resourceId")?.as_str()?.to_owned();
    let any = node.get("translations").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let fields = node.as_object_mut().filter(|_| any)?;
    fields.insert("id".to_owned(), json!(in_language(&of, locale)));
    fields.insert("locale".to_owned(), json!(locale));
    Some(node)
}

impl Shopify {
    fn size(&self, set: &KindDocuments) -> PageSize {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.get(set.reading.kind).copied().unwrap_or(set.reading.page)
    }

    /// Halves a kind's pages. Whether they could still be halved.
    fn halve(&self, set: &KindDocuments, from: PageSize) -> bool {
        if from.items <= 1 && from.children <= 1 {
            return false;
        }
        let half = PageSize { items: (from.items / 2).max(1), children: (from.children / 2).max(1) };
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(set.reading.kind, half);
        true
    }

    /// Sends a document whose pages shrink until the platform allows them.
    async fn sized(
        &self,
        set: &KindDocuments,
        document: &Named,
        variables: &Map<String, Value>,
    ) -> Result<Value, Fault> {
        loop {
            let size = self.size(set);
            let mut variables = variables.clone();
            if document.text.contains("$first") {
                // The rest of a long list comes in longer pages, which shrink with the others.
                let most = variables.get("first").and_then(Value::as_u64);
                let most = most.map(|most| most.min(u64::from(size.children) * 10));
                variables.insert("first".into(), json!(most.unwrap_or(size.items.into())));
            }
            if document.text.contains("$children") {
                variables.insert("children".into(), json!(size.children));
            }
            match self.client.send(&document.text, &Value::Object(variables), Again::Safe).await {
                Ok(data) => return Ok(data),
                Err(Refusal::TooCostly(why)) if !self.halve(set, size) => return Err(Fault::Rejected(why)),
                Err(Refusal::TooCostly(_)) => {}
                Err(Refusal::Fault(fault)) => return Err(fault),
            }
        }
    }

    /// Folds a node, and reads the rest of those of its connections that were longer than a page.
    pub(super) async fn whole(&self, set: &KindDocuments, mut node: Value) -> Result<Value, Fault> {
        let entries = &set.selection.entries;
        let mut rests = Vec::new();
        fold::fold(entries, &mut node, &mut rests);
        while let Some(rest) = rests.pop() {
            let lost =
                || Fault::Malformed(format!("the rest of a list of {} is not there", set.reading.kind));
            let document = set.rests.get(rest.connection).ok_or_else(lost)?;
            let field = fold::connection(entries, rest.connection).ok_or_else(lost)?;
            let mut variables = Map::new();
            variables.insert("first".into(), json!(REST_NODES));
            variables.insert("after".into(), rest.after.clone());
            if document.text.contains("$id:") {
                let owner = set.reading.one.map(|_| renamed(&set.selection.on, &rest.owner));
                variables.insert("id".into(), json!(owner.as_ref().unwrap_or(&rest.owner)));
            }
            let mut data = self.sized(set, document, &variables).await?;
            let page = find_page(&mut data).ok_or_else(lost)?;
            let info = page.get("pageInfo").cloned().unwrap_or_default();
            let Some(Value::Array(mut nodes)) = page.get_mut("nodes").map(Value::take) else {
                return Err(lost());
            };
            let Some(Value::Array(list)) = node.pointer_mut(&rest.pointer) else { return Err(lost()) };
            fold::fold_more(field, &mut nodes, &rest.pointer, list.len(), &mut rests);
            list.append(&mut nodes);
            if let Some(after) = following(&info, rest.after.as_str(), set.reading.kind)? {
                rests.push(Rest { after: after.into(), ..rest });
            }
        }
        Ok(node)
    }

    /// Reads the details of items: what bulk operations cannot.
    pub(super) async fn details(
        &self,
        set: &'static KindDocuments,
        ids: &[String],
    ) -> Result<Vec<Value>, Fault> {
        let Some(details) = &set.details else { return Ok(Vec::new()) };
        self.looked_up(set, &details.document, ids).await
    }

    /// How many ids a document was found to be allowed for.
    fn at_once(&self, document: &'static Named) -> Option<usize> {
        self.look_ups.lock().unwrap_or_else(PoisonError::into_inner).get(document.text.as_str()).copied()
    }

    /// Looks up ids, as many at once as the platform allows. What does not exist comes as null.
    async fn looked_up(
        &self,
        set: &'static KindDocuments,
        document: &'static Named,
        ids: &[String],
    ) -> Result<Vec<Value>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        let mut left = ids;
        let mut at_once = self.at_once(document).unwrap_or(IDS_AT_ONCE);
        while !left.is_empty() {
            let size = self.size(set);
            let (now, later) = left.split_at_checked(at_once).unwrap_or((left, &[]));
            let mut variables = Map::new();
            variables.insert("ids".into(), json!(now));
            if document.text.contains("$children") {
                variables.insert("children".into(), json!(size.children));
            }
            match self.client.send(&document.text, &Value::Object(variables), Again::Safe).await {
                Ok(mut data) => {
                    let nodes = match data.get_mut("nodes").map(Value::take) {
                        Some(Value::Array(nodes)) if nodes.len() == now.len() => nodes,
                        _ => {
                            let why = "a look-up gave another number of items".to_owned();
                            return Err(Fault::Malformed(why));
                        }
                    };
                    for node in nodes {
                        let exists = node.get("id").is_some();
                        found.push(if exists { self.whole(set, node).await? } else { Value::Null });
                    }
                    left = later;
                }
                Err(Refusal::TooCostly(_)) if now.len() > 1 => {
                    at_once = now.len() / 2;
                    self.look_ups
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(&document.text, at_once);
                }
                Err(Refusal::TooCostly(why)) if !self.halve(set, size) => return Err(Fault::Rejected(why)),
                Err(Refusal::TooCostly(_)) => {}
                Err(Refusal::Fault(fault)) => return Err(fault),
            }
        }
        Ok(found)
    }
}

/// The first object that is a page of a connection.
fn find_page(value: &mut Value) -> Option<&mut Value> {
    if value.get("pageInfo").is_some() {
        return Some(value);
    }
    match value {
        Value::Object(fields) => fields.values_mut().find_map(find_page),
        Value::Array(elements) => elements.iter_mut().find_map(find_page),
        _ => None,
    }
}

/// Looks up ids one by one, some at a time.
async fn one_by_one(
    shop: &Shopify,
    set: &'static KindDocuments,
    document: &'static Named,
    ids: &[&str],
) -> Result<Vec<Value>, Fault> {
    let look_ups: Vec<_> = ids.iter().map(|id| one(shop, set, document, id)).collect();
    stream::iter(look_ups).buffered(ONES_AT_ONCE).try_collect().await
}

/// One item. It is asked for by the name of the kind's type, and keeps the name that the platform gives it.
async fn one(
    shop: &Shopify,
    set: &'static KindDocuments,
    document: &'static Named,
    id: &str,
) -> Result<Value, Fault> {
    if let Some((of, locale)) = of_language(id) {
        let variables = [("id".to_owned(), json!(of)), ("locale".to_owned(), json!(locale))];
        let mut data = shop.sized(set, document, &Map::from_iter(variables)).await?;
        let node = data.get_mut(ITEM).map(Value::take).unwrap_or_default();
        return Ok(translated(node, locale).unwrap_or_default());
    }
    let variables = Map::from_iter([("id".to_owned(), renamed(&set.selection.on, id).into())]);
    let mut data = shop.sized(set, document, &variables).await?;
    let node = match data.get_mut(ITEM).map(Value::take) {
        Some(Value::Null) => return Ok(Value::Null),
        Some(node) => node,
        None => return Err(Fault::Malformed(format!("a look-up of a {} holds none", set.reading.kind))),
    };
    if node.get("id").and_then(Value::as_str).map(number) != Some(number(id)) {
        return Err(Fault::Malformed(format!("a look-up of `{id}` gave another {}", set.reading.kind)));
    }
    shop.whole(set, node).await
}

/// Items by id, in the order asked.
pub(super) async fn by_ids(
    shop: &Shopify,
    kind: &'static KindSpec,
    ids: &[&str],
) -> Result<Vec<Option<Item>>, Fault> {
    let set = known(kind)?;
    let from_node =
        |node: Value| if node.is_null() { Ok(None) } else { assemble::from_node(kind, &node).map(Some) };
    if let Some(document) = &set.one {
        return one_by_one(shop, set, document, ids).await?.into_iter().map(from_node).collect();
    }
    let Some(document) = &set.nodes else {
        let all = search(shop, kind, "", usize::MAX).await?;
        return Ok(ids.iter().map(|id| all.iter().find(|item| item.id.as_ref() == *id).cloned()).collect());
    };
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    shop.looked_up(set, document, &ids).await?.into_iter().map(from_node).collect()
}

/// What it takes to look items up by their ids that are what these payloads say: an object costs a point, and of a
/// list that is longer than a page the rest is asked for on its own.
pub(super) fn looking(shop: &Shopify, kind: &KindSpec, items: &[&Value]) -> Effort {
    let Some(set) = documents::of(kind.name) else { return Effort::default() };
    let size = shop.size(set);
    let at_once = match (&set.one, &set.nodes) {
        (Some(_), _) => 1,
        (None, Some(document)) => shop.at_once(document).unwrap_or(IDS_AT_ONCE),
        (None, None) => size.items as usize,
    };
    let page = size.children as usize;
    let rests: usize = items.iter().map(|item| rests(item, page)).sum();
    let requests = items.len().div_ceil(at_once.max(1)) + rests;
    Effort { requests: requests as u64, cost: items.iter().map(|item| objects(item)).sum() }
}

/// Objects in a payload, itself included.
fn objects(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => 1 + fields.values().map(objects).sum::<u64>(),
        Value::Array(elements) => elements.iter().map(objects).sum(),
        _ => 0,
    }
}

/// Pages that lists in a payload take beyond the first of `page` elements.
fn rests(value: &Value, page: usize) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(|field| rests(field, page)).sum(),
        Value::Array(elements) => {
            let beyond = elements.iter().filter(|element| element.is_object()).count().saturating_sub(page);
            let own = beyond.div_ceil(REST_NODES as usize);
            own + elements.iter().map(|element| rests(element, page)).sum::<usize>()
        }
        _ => 0,
    }
}

/// Items that a search finds.
pub(super) async fn search(
    shop: &Shopify,
    kind: &'static KindSpec,
    search: &str,
    limit: usize,
) -> Result<Vec<Item>, Fault> {
    let set = known(kind)?;
    let span = if search.is_empty() { Span::All } else { Span::Found(search) };
    let mut pager = Pager::new(shop, set, span, None);
    let mut items = Vec::new();
    while let Some(nodes) = pager.next().await? {
        for node in nodes {
            if items.len() >= limit {
                return Ok(items);
            }
            items.push(assemble::from_node(kind, &node)?);
        }
    }
    Ok(items)
}

/// The documents of a kind.
pub(super) fn known(kind: &KindSpec) -> Result<&'static KindDocuments, Fault> {
    documents::of(kind.name)
        .ok_or_else(|| Fault::Malformed(format!("`{}` is not a kind of Shopify", kind.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_window_begins_behind_the_last_item_of_the_old_one() {
        let last = json!({"id": "gid://shopify/Product/7", "updatedAt": "2026-01-02T00:00:00Z"});
        let check = |by_change, query: Option<&str>, expected: &str| {
            assert_eq!(window_after(&last, by_change, query).as_deref(), Some(expected));
        };
        check(false, None, "id:>7");
        check(false, Some("id:>3"), "id:>7");
        check(false, Some("status:active"), "status:active AND id:>7");
        check(false, Some("status:active AND id:>3"), "status:active AND id:>7");
        check(true, Some("updated_at:>='2026-01-01T00:00:00Z'"), "updated_at:>='2026-01-02T00:00:00Z'");
        assert_eq!(window_after(&json!({"id": "x"}), false, None), None);
    }

    #[test]
    fn a_list_goes_on_only_where_it_says_where() {
        let check = |info: Value, after: Option<&str>, expected: Result<Option<&str>, ()>| {
            let next = following(&info, after, "products");
            assert_eq!(next.as_ref().map(Option::as_deref).map_err(|_| ()), expected, "{info}");
        };
        check(json!({"hasNextPage": true, "endCursor": "b"}), Some("a"), Ok(Some("b")));
        check(json!({"hasNextPage": true, "endCursor": "b"}), None, Ok(Some("b")));
        check(json!({"hasNextPage": false, "endCursor": "b"}), Some("a"), Ok(None));
        check(json!({"hasNextPage": false, "endCursor": null}), None, Ok(None));
        check(json!({"hasNextPage": true, "endCursor": null}), None, Err(()));
        check(json!({"hasNextPage": true}), Some("a"), Err(()));
        check(json!({"hasNextPage": true, "endCursor": "a"}), Some("a"), Err(()));
    }

    #[test]
    fn an_object_costs_a_point_and_a_long_list_another_request() {
        let variant = json!({"id": 1, "inventoryItem": {"id": 2}});
        let product = json!({"id": 0, "tags": ["a"], "variants": vec![variant; 12]});
        assert_eq!(objects(&product), 25);
        let check = |page, expected| assert_eq!(rests(&product, page), expected, "{page}");
        check(12, 0);
        check(11, 1);
        check(1, 1);
    }

    #[test]
    fn a_page_is_found_wherever_it_is() {
        let mut answer = json!({"node": {"id": 1, "a": [{"b": {"nodes": [], "pageInfo": {}}}]}});
        assert!(find_page(&mut answer).is_some());
        assert!(find_page(&mut json!({"node": null})).is_none());
    }
}
