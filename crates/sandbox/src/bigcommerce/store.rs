//! The state: one table per kind, with the indexes that lists and look-ups need.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use domain::Timestamp;
use serde_json::{Map, Value as Json};

use crate::dice::Dice;

/// The fields of one thing.
pub(crate) type Obj = Map<String, Json>;

/// The first id of each kind, and by how much it differs from one seed to the next. Kinds do not share their ids: a
/// product and a category of one number are both there.
const ID_FIRST: u64 = 111;
const ID_RANGE: u64 = 100_000;
const ID_RANGES: u64 = 50;

/// What names a row within its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Number(u64),
    Text(String),
}

impl Key {
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Number(number) => Json::from(*number),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) => 0,
        }
    }

    /// The key that a value of a body means.
    pub(crate) fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Number(number) => number.as_u64().map(Self::Number),
            Json::String(text) => Some(text.parse().map_or_else(|_| Self::Text(text.clone()), Self::Number)),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Who made something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum App {
    #[default]
    Ours,
    Other,
}

/// One thing of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// What the platform may show of it.
    pub(crate) fields: Obj,
    /// What it belongs to.
    pub(crate) parent: Option<Key>,
    pub(crate) app: App,
    /// What the platform knows of it and shows nowhere, or elsewhere.
    pub(crate) hidden: Obj,
}

impl Row {
    pub(crate) fn get(&self, name: &str) -> &Json {
        self.fields.get(name).unwrap_or(&Json::Null)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).as_u64().unwrap_or_default()
    }

    pub(crate) fn list(&self, name: &str) -> &[Json] {
        self.get(name).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn parent_number(&self) -> u64 {
        self.parent.as_ref().map_or(0, Key::number)
    }
}

/// Bytes that the store serves: kept, or made when they are asked for.
#[derive(Debug, Clone)]
pub(crate) enum File {
    Kept(Bytes),
    /// The small image of a number.
    Square(u64),
}

impl File {
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Kept(bytes) => bytes.clone(),
            Self::Square(number) => Bytes::from(crate::png::square(*number)),
        }
    }

    /// A number that differs between files of different bytes.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Kept(bytes) => {
                bytes.iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
            }
            Self::Square(number) => number.wrapping_mul(0x2545_f491_4f6c_dd1d),
        }
    }
}

/// All rows of one kind.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<Key, Row>,
    children: HashMap<Key, BTreeSet<Key>>,
    unique: HashMap<String, Key>,
    last: u64,
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Created,
    Updated,
    Deleted,
    /// Put away; for orders.
    Archived,
    /// From one state to another; for orders.
    Moved(u64, u64),
    /// Switched on or off; for price lists.
    Switched(bool),
}

/// One thing that webhooks may be told.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    pub(crate) key: Key,
    pub(crate) parent: Option<Key>,
    pub(crate) verb: Verb,
    /// What was there before it went.
    pub(crate) was: Option<Row>,
}

/// The whole state of one store.
#[derive(Debug)]
pub(crate) struct Store {
    tables: BTreeMap<&'static str, Table>,
    base: u64,
    /// The time of the request that is going on.
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
    /// `https://HOST:PORT`.
    pub(crate) origin: String,
    pub(crate) hash: String,
    /// Fields of forms that there are.
    pub(crate) form_fields: Vec<String>,
    /// How long background jobs take.
    pub(crate) job_time: Duration,
    /// The same time on the clock that never goes back.
    pub(crate) monotonic: Duration,
    /// Bytes by their path.
    pub(crate) files: HashMap<String, File>,
    /// What webhooks are to be told of the request that is going on.
    pub(crate) changes: Vec<Change>,
    /// Deletions that are promised and not done: when, kind, key.
    pub(crate) promised: Vec<(Duration, &'static str, Key)>,
    /// What the first state could not have because the store's own rules refuse it. Nothing.
    pub(crate) refused: Vec<String>,
    /// Set while the first state is made: nobody is told.
    pub(crate) seeding: bool,
}

impl Store {
    pub(crate) fn new(seed: u64, now: Timestamp, origin: String, hash: String) -> Self {
        Self {
            tables: BTreeMap::new(),
            base: ID_FIRST + seed.wrapping_sub(1) % ID_RANGES * ID_RANGE,
            now,
            dice: Dice::new(seed ^ 0x0b16),
            origin,
            hash,
            form_fields: Vec::new(),
            job_time: Duration::ZERO,
            monotonic: Duration::ZERO,
            files: HashMap::new(),
            changes: Vec::new(),
            promised: Vec::new(),
            refused: Vec::new(),
            seeding: true,
        }
    }

    pub(crate) fn table(&self, kind: &str) -> &Table {
        static EMPTY: std::sync::OnceLock<Table> = std::sync::OnceLock::new();
        self.tables.get(kind).unwrap_or_else(|| EMPTY.get_or_init(Table::default))
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        self.tables.iter().map(|(kind, table)| (*kind, table))
    }

    /// A number that no thing of that kind had or will have.
    pub(crate) fn mint(&mut self, kind: &'static str) -> u64 {
        let base = self.base;
        let table = self.tables.entry(kind).or_default();
        table.last = base.max(table.last + 1);
        table.last
    }

    /// A new UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.dice.next(), self.dice.next());
        let text = format!("{high:016x}{low:016x}");
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    pub(crate) fn get(&self, kind: &str, key: &Key) -> Option<&Row> {
        self.table(kind).rows.get(key)
    }

    pub(crate) fn at(&self, kind: &str, number: u64) -> Option<&Row> {
        self.get(kind, &Key::Number(number))
    }

    pub(crate) fn has(&self, kind: &str, number: u64) -> bool {
        self.at(kind, number).is_some()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.table(kind).rows.len()
    }

    pub(crate) fn keys(&self, kind: &str) -> Vec<Key> {
        self.table(kind).rows.keys().cloned().collect()
    }

    pub(crate) fn rows(&self, kind: &str) -> impl DoubleEndedIterator<Item = (&Key, &Row)> {
        self.table(kind).rows.iter()
    }

    /// What belongs to one thing, in the order of ids.
    pub(crate) fn children(&self, kind: &str, parent: &Key) -> impl DoubleEndedIterator<Item = (&Key, &Row)> {
        let table = self.table(kind);
        table
            .children
            .get(parent)
            .into_iter()
            .flatten()
            .filter_map(|key| table.rows.get(key).map(|row| (key, row)))
    }

    pub(crate) fn child_keys(&self, kind: &str, parent: &Key) -> Vec<Key> {
        self.children(kind, parent).map(|(key, _)| key.clone()).collect()
    }

    /// The thing with that unique value, see [`super::resource::Resource::unique`].
    pub(crate) fn by_unique(&self, kind: &str, value: &str) -> Option<&Key> {
        self.table(kind).unique.get(value)
    }

    /// Adds a thing, or puts another state in the place of what is there.
    pub(crate) fn put(&mut self, kind: &'static str, key: &Key, row: Row) {
        let new = super::resource::unique_values(kind, &row);
        let table = self.tables.entry(kind).or_default();
        if let Key::Number(number) = key {
            table.last = table.last.max(*number);
        }
        if let Some(parent) = &row.parent {
            table.children.entry(parent.clone()).or_default().insert(key.clone());
        }
        let parent = row.parent.clone();
        let old = table.rows.insert(key.clone(), row);
        let mut moved = None;
        let mut archived = false;
        let verb = if let Some(old) = old {
            if kind == "order"
                && let Some(new) = table.rows.get(key)
            {
                let (from, to) = (old.number("status_id"), new.number("status_id"));
                moved = (from != to).then_some(Verb::Moved(from, to));
                archived = old.get("is_deleted") != new.get("is_deleted")
                    && new.get("is_deleted") == &Json::Bool(true);
            }
            if kind == "price_list"
                && let Some(new) = table.rows.get(key)
                && old.get("active") != new.get("active")
            {
                moved = Some(Verb::Switched(new.get("active") == &Json::Bool(true)));
            }
            if old.parent != parent
                && let Some(gone) = old.parent.as_ref().and_then(|parent| table.children.get_mut(parent))
            {
                gone.remove(key);
            }
            for value in super::resource::unique_values(kind, &old) {
                if table.unique.get(&value) == Some(key) {
                    table.unique.remove(&value);
                }
            }
            Verb::Updated
        } else {
            Verb::Created
        };
        for value in new {
            table.unique.insert(value, key.clone());
        }
        self.tell(kind, key.clone(), parent.clone(), verb);
        for verb in moved.into_iter().chain(archived.then_some(Verb::Archived)) {
            self.tell(kind, key.clone(), parent.clone(), verb);
        }
    }

    /// Changes a thing; webhooks are told.
    pub(crate) fn edit(&mut self, kind: &'static str, key: &Key, edit: impl FnOnce(&mut Row)) {
        let Some(row) = self.get(kind, key) else { return };
        let mut row = row.clone();
        edit(&mut row);
        self.put(kind, key, row);
    }

    /// Changes a thing; nobody is told, as with some changes of the platform's own.
    pub(crate) fn edit_silently(&mut self, kind: &'static str, key: &Key, edit: impl FnOnce(&mut Row)) {
        let changes = self.changes.len();
        self.edit(kind, key, edit);
        self.changes.truncate(changes);
    }

    /// Removes a thing and all that belongs to it.
    pub(crate) fn remove(&mut self, kind: &'static str, key: &Key) -> Option<Row> {
        let table = self.tables.get_mut(kind)?;
        let row = table.rows.remove(key)?;
        if let Some(siblings) = row.parent.as_ref().and_then(|parent| table.children.get_mut(parent)) {
            siblings.remove(key);
        }
        for value in super::resource::unique_values(kind, &row) {
            if table.unique.get(&value) == Some(key) {
                table.unique.remove(&value);
            }
        }
        for resource in super::resource::below(kind) {
            for child in self.child_keys(resource.kind, key) {
                self.remove(resource.kind, &child);
            }
        }
        if let Some(resource) = super::resource::of_kind(kind) {
            (resource.gone)(self, key, &row);
        }
        let changes = self.changes.len();
        self.tell(kind, key.clone(), row.parent.clone(), Verb::Deleted);
        if let Some(change) = self.changes.get_mut(changes) {
            change.was = Some(row.clone());
        }
        Some(row)
    }

    /// Deletes something when the time of a job has passed.
    pub(crate) fn remove_later(&mut self, kind: &'static str, key: Key) {
        self.promised.push((self.monotonic + self.job_time, kind, key));
        self.advance();
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self) {
        let now = self.monotonic;
        let (due, waiting) = std::mem::take(&mut self.promised)
            .into_iter()
            .partition(|(at, _, _): &(Duration, _, _)| *at <= now);
        self.promised = waiting;
        let due: Vec<(Duration, &'static str, Key)> = due;
        for (_, kind, key) in due {
            self.remove(kind, &key);
        }
    }

    /// Notes what webhooks are to be told.
    pub(crate) fn tell(&mut self, kind: &'static str, key: Key, parent: Option<Key>, verb: Verb) {
        if self.seeding {
            return;
        }
        let told = self.changes.iter().any(|change| {
            change.kind == kind
                && change.key == key
                && (change.verb == verb || change.verb == Verb::Created && verb == Verb::Updated)
        });
        if !told {
            self.changes.push(Change { kind, key, parent, verb, was: None });
        }
    }
}
