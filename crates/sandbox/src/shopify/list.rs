//! Pages of lists: order, search, cursors, and the limits that the platform sets.

use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::leaf::push_text;
use super::plan::Field;
use super::search::Query;
use super::store::{Store, Table};
use super::value::{Gid, Kind, Obj, Val};

/// Longest page.
pub(crate) const PAGE_MAX: u64 = 250;
/// How far a list can be paged, in objects.
pub(crate) const DEPTH_MAX: u64 = 25_000;

/// The objects of one kind that a list asks for.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) kinds: &'static [Kind],
    pub(crate) sort: Sort,
    pub(crate) query: Option<Query>,
    /// A condition that the field itself sets, such as the owner's type.
    pub(crate) only: Only,
}

/// A condition on a field of the state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Only {
    All,
    /// The field holds this text.
    Text(&'static str, String),
    /// The field points to this object.
    Points(&'static str, Gid),
    /// The field is true.
    Flag(&'static str),
    /// Both.
    Both(Box<Only>, Box<Only>),
}

impl Only {
    pub(crate) fn holds(&self, obj: &Obj) -> bool {
        match self {
            Self::All => true,
            Self::Text(field, text) => obj.str(field) == Some(text),
            Self::Points(field, gid) => obj.gid(field) == Some(*gid),
            Self::Flag(field) => obj.flag(field) == Some(true),
            Self::Both(one, other) => one.holds(obj) && other.holds(obj),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Id,
    Updated,
    Field(&'static str),
}

impl Sort {
    /// The order that a sort key such as `UPDATED_AT` names.
    pub(crate) fn from_key(key: Option<&str>) -> Self {
        match key {
            Some("UPDATED_AT") => Self::Updated,
            Some("TITLE") => Self::Field("title"),
            Some("NAME") => Self::Field("name"),
            Some("CREATED_AT") => Self::Field("createdAt"),
            Some("PUBLISHED_AT") => Self::Field("publishedAt"),
            Some("PROCESSED_AT") => Self::Field("processedAt"),
            Some("VENDOR") => Self::Field("vendor"),
            Some("PRODUCT_TYPE") => Self::Field("productType"),
            Some("PATH") => Self::Field("path"),
            Some("HANDLE") => Self::Field("handle"),
            Some("ORDER_NUMBER") => Self::Field("number"),
            Some("POSITION" | "PINNED_POSITION") => Self::Field("position"),
            _ => Self::Id,
        }
    }
}

/// A place in an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    None,
    Number(i64),
    Text(String),
}

impl Key {
    fn of(obj: &Obj, field: &str) -> Self {
        match obj.get(field) {
            Some(Val::Int(number) | Val::Time(number) | Val::Cents(number)) => Self::Number(*number),
            Some(Val::Str(text)) => Self::Text(text.to_lowercase()),
            Some(Val::Lit(text)) => Self::Text(text.to_lowercase()),
            _ => Self::None,
        }
    }
}

/// A cursor: the place of an object and how many objects came before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) key: Key,
    pub(crate) number: u64,
    pub(crate) position: u64,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        let key = match &self.key {
            Key::None => String::new(),
            Key::Number(number) => format!("n{number}"),
            Key::Text(text) => format!("t{text}"),
        };
        crate::base64::encode(format!("{}:{}:{key}", self.number, self.position).as_bytes())
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(crate::base64::decode(text)?).ok()?;
        let mut parts = text.splitn(3, ':');
        let number = parts.next()?.parse().ok()?;
        let position = parts.next()?.parse().ok()?;
        let key = parts.next()?;
        let key = match key.as_bytes().first() {
            None => Key::None,
            Some(b'n') => Key::Number(key.get(1..)?.parse().ok()?),
            Some(_) => Key::Text(key.get(1..)?.to_owned()),
        };
        Some(Self { key, number, position })
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    pub(crate) size: u64,
    pub(crate) from_end: bool,
    pub(crate) after: Option<Cursor>,
    pub(crate) before: Option<Cursor>,
    pub(crate) reverse: bool,
}

/// Why a page is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageRefusal {
    SizeMissing,
    BothSizes,
    SizeTooLarge(u64),
    SizeNegative,
    Cursor(String),
    TooDeep,
}

impl PageRefusal {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::SizeMissing => "you must provide one of first or last".to_owned(),
            Self::BothSizes => "providing both first and last is not supported".to_owned(),
            Self::SizeTooLarge(size) => format!("the page size of {size} is above the limit of {PAGE_MAX}"),
            Self::SizeNegative => "first and last cannot be negative".to_owned(),
            Self::Cursor(cursor) => format!("`{cursor}` is not a valid cursor"),
            Self::TooDeep => {
                format!("only the first {DEPTH_MAX} objects of a list can be paged; narrow it with a filter")
            }
        }
    }
}

impl Window {
    pub(crate) fn from_args(args: &Map<String, Json>) -> Result<Self, PageRefusal> {
        let size = |name: &str| args.get(name).and_then(Json::as_i64);
        let cursor = |name: &str| match args.get(name).and_then(Json::as_str) {
            None => Ok(None),
            Some(text) => Cursor::decode(text).map(Some).ok_or_else(|| PageRefusal::Cursor(text.to_owned())),
        };
        let (size, from_end) = match (size("first"), size("last")) {
            (None, None) => return Err(PageRefusal::SizeMissing),
            (Some(_), Some(_)) => return Err(PageRefusal::BothSizes),
            (Some(first), None) => (first, false),
            (None, Some(last)) => (last, true),
        };
        let size = u64::try_from(size).map_err(|_| PageRefusal::SizeNegative)?;
        if size > PAGE_MAX {
            return Err(PageRefusal::SizeTooLarge(size));
        }
        let reverse = args.get("reverse").and_then(Json::as_bool).unwrap_or(false);
        Ok(Self { size, from_end, after: cursor("after")?, before: cursor("before")?, reverse })
    }
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<(T, Cursor)>,
    pub(crate) has_next: bool,
    pub(crate) has_previous: bool,
}

/// Cuts a page from a list that is already in order; places are plain positions.
pub(crate) fn cut<T: Clone>(list: &[T], window: &Window) -> Page<T> {
    let len = u64::try_from(list.len()).unwrap_or(u64::MAX);
    // A position counts from the end that the list is read from.
    let from = window.after.as_ref().map_or(0, |cursor| cursor.number.saturating_add(1).min(len));
    let to = window.before.as_ref().map_or(len, |cursor| cursor.number.min(len)).max(from);
    let (from, to) = if window.from_end {
        (to.saturating_sub(window.size).max(from), to)
    } else {
        (from, from.saturating_add(window.size).min(to))
    };
    let items = (from..to)
        .filter_map(|position| {
            let at = if window.reverse { len - 1 - position } else { position };
            let item = list.get(usize::try_from(at).ok()?)?.clone();
            Some((item, Cursor { key: Key::None, number: position, position }))
        })
        .collect();
    Page { items, has_next: to < len, has_previous: from > 0 }
}

type Found = (Key, u64, Kind);

impl Scan {
    /// All objects of these kinds, by id.
    pub(crate) fn all(kinds: &'static [Kind]) -> Self {
        Self { kinds, sort: Sort::Id, query: None, only: Only::All }
    }

    fn keeps(&self, gid: Gid, obj: &Obj, store: &View<'_>) -> bool {
        (store.sees)(gid, obj)
            && self.only.holds(obj)
            && self.query.as_ref().is_none_or(|query| query.matches(gid, obj, store.now))
    }

    /// Calls `each` with every object that the list holds, in its order or backwards, until it says stop.
    fn walk(
        &self,
        store: &View<'_>,
        backwards: bool,
        from: Option<&Cursor>,
        each: &mut dyn FnMut(Found) -> bool,
    ) {
        let searching = self.query.as_ref().is_some_and(|query| *query != Query::All);
        let lagging = searching
            && self.kinds.iter().any(|kind| {
                store.store.table(*kind).lagging.values().any(|entry| entry.visible_at > store.monotonic)
            });
        let simple = match self.kinds {
            [kind] if !lagging && !matches!(self.sort, Sort::Field(_)) => Some(*kind),
            _ => None,
        };
        if let Some(kind) = simple {
            self.walk_index(kind, store, backwards, from, each);
            return;
        }
        let mut found: Vec<Found> = Vec::new();
        for kind in self.kinds {
            let table = store.store.table(*kind);
            let mut add = |number: u64, obj: &Arc<Obj>| {
                let gid = Gid::new(*kind, number);
                if self.keeps(gid, obj, store) {
                    found.push((self.key(obj), number, *kind));
                }
            };
            for (number, obj) in &table.rows {
                match table
                    .lagging
                    .get(number)
                    .filter(|entry| searching && entry.visible_at > store.monotonic)
                {
                    None => add(*number, obj),
                    Some(entry) => {
                        if let Some(old) = &entry.old {
                            add(*number, old);
                        }
                    }
                }
            }
        }
        found.sort_unstable();
        if backwards {
            found.reverse();
        }
        for item in found {
            let past = from.is_none_or(|cursor| {
                let order = (&item.0, item.1).cmp(&(&cursor.key, cursor.number));
                if backwards { order.is_lt() } else { order.is_gt() }
            });
            if past && !each(item) {
                return;
            }
        }
    }

    fn key(&self, obj: &Obj) -> Key {
        match self.sort {
            Sort::Id => Key::None,
            Sort::Updated => Key::of(obj, "updatedAt"),
            Sort::Field(field) => Key::of(obj, field),
        }
    }

    fn walk_index(
        &self,
        kind: Kind,
        store: &View<'_>,
        backwards: bool,
        from: Option<&Cursor>,
        each: &mut dyn FnMut(Found) -> bool,
    ) {
        let table: &Table = store.store.table(kind);
        let bound = |field: &str| self.query.as_ref().and_then(|query| query.lower_bound(field, store.now));
        let mut visit = |number: u64, obj: &Arc<Obj>| {
            !self.keeps(Gid::new(kind, number), obj, store) || each((self.key(obj), number, kind))
        };
        // A search for what changed since a moment is answered from the index of times, then put in order of ids.
        if let Some(since) = bound("updated_at") {
            let mut ids: Vec<(i64, u64)> = table.by_updated.range((since, 0)..).copied().collect();
            if self.sort == Sort::Id {
                for (time, _) in &mut ids {
                    *time = 0;
                }
                ids.sort_unstable();
            }
            if backwards {
                ids.reverse();
            }
            for (time, number) in ids {
                let place = (if self.sort == Sort::Id { Key::None } else { Key::Number(time) }, number);
                let past = from.is_none_or(|cursor| {
                    let order = place.cmp(&(cursor.key.clone(), cursor.number));
                    if backwards { order.is_lt() } else { order.is_gt() }
                });
                if past
                    && let Some(obj) = table.rows.get(&number)
                    && !visit(number, obj)
                {
                    return;
                }
            }
            return;
        }
        if self.sort == Sort::Updated {
            let edge = from.map(|cursor| {
                let time = if let Key::Number(time) = cursor.key { time } else { 0 };
                (time, cursor.number)
            });
            let range = between(backwards, edge, None);
            let mut walk =
                |place: &(i64, u64)| table.rows.get(&place.1).is_none_or(|obj| visit(place.1, obj));
            if backwards {
                table.by_updated.range(range).rev().all(&mut walk);
            } else {
                table.by_updated.range(range).all(&mut walk);
            }
            return;
        }
        let lowest = bound("id").and_then(|id| u64::try_from(id).ok());
        let range = between(backwards, from.map(|cursor| cursor.number), lowest);
        if backwards {
            table.rows.range(range).rev().all(|(number, obj)| visit(*number, obj));
        } else {
            table.rows.range(range).all(|(number, obj)| visit(*number, obj));
        }
    }

    /// One page of the list.
    pub(crate) fn page(&self, store: &View<'_>, window: &Window) -> Result<Page<Gid>, PageRefusal> {
        let edge = if window.from_end { &window.before } else { &window.after };
        let stop = if window.from_end { &window.after } else { &window.before };
        let backwards = window.reverse != window.from_end;
        let start = edge.as_ref().map_or(0, |cursor| cursor.position.saturating_add(1));
        if start >= DEPTH_MAX {
            return Err(PageRefusal::TooDeep);
        }
        let mut items: Vec<(Gid, Cursor)> = Vec::new();
        let mut more = false;
        self.walk(store, backwards, edge.as_ref(), &mut |(key, number, kind)| {
            if stop.as_ref().is_some_and(|stop| stop.number == number) {
                more = true;
                return false;
            }
            if items.len() as u64 == window.size {
                more = true;
                return false;
            }
            let position = start + items.len() as u64;
            items.push((Gid::new(kind, number), Cursor { key, number, position }));
            true
        });
        let (mut has_next, mut has_previous) = (more, edge.is_some());
        if window.from_end {
            items.reverse();
            std::mem::swap(&mut has_next, &mut has_previous);
        }
        Ok(Page { items, has_next, has_previous })
    }

    /// All ids, in order: what a bulk operation reads.
    pub(crate) fn gids(&self, store: &View<'_>) -> Vec<Gid> {
        let mut gids = Vec::new();
        self.walk(store, false, None, &mut |(_, number, kind)| {
            gids.push(Gid::new(kind, number));
            true
        });
        gids
    }

    /// How many there are, up to one more than `limit`.
    pub(crate) fn count(&self, store: &View<'_>, limit: u64) -> u64 {
        let mut count = 0;
        self.walk(store, false, None, &mut |_| {
            count += 1;
            count <= limit
        });
        count
    }
}

/// The state as one request sees it.
pub(crate) struct View<'a> {
    pub(crate) store: &'a Store,
    pub(crate) now: i64,
    pub(crate) monotonic: std::time::Duration,
    pub(crate) sees: &'a dyn Fn(Gid, &Obj) -> bool,
}

fn between<T: Copy + Ord>(backwards: bool, edge: Option<T>, lowest: Option<T>) -> (Bound<T>, Bound<T>) {
    let low = lowest.map_or(Bound::Unbounded, Bound::Included);
    match (backwards, edge) {
        (_, None) => (low, Bound::Unbounded),
        // The range must not be upside down.
        (true, Some(edge)) if lowest.is_some_and(|lowest| lowest > edge) => {
            (Bound::Included(edge), Bound::Excluded(edge))
        }
        (true, Some(edge)) => (low, Bound::Excluded(edge)),
        (false, Some(edge)) if lowest.is_some_and(|lowest| lowest > edge) => (low, Bound::Unbounded),
        (false, Some(edge)) => (Bound::Excluded(edge), Bound::Unbounded),
    }
}

/// Writes a page's `pageInfo`.
pub(crate) fn page_info<T>(out: &mut String, page: &Page<T>, part: &Field<'_>) {
    out.push('{');
    for (index, field) in part.sub.fields("PageInfo").iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_text(out, field.key);
        out.push(':');
        let cursor = |item: Option<&(T, Cursor)>, out: &mut String| match item {
            Some((_, cursor)) => push_text(out, &cursor.encode()),
            None => out.push_str("null"),
        };
        match field.name {
            "hasNextPage" => out.push_str(if page.has_next { "true" } else { "false" }),
            "hasPreviousPage" => out.push_str(if page.has_previous { "true" } else { "false" }),
            "startCursor" => cursor(page.items.first(), out),
            "endCursor" => cursor(page.items.last(), out),
            _ => push_text(out, "PageInfo"),
        }
    }
    out.push('}');
}
