//! A list, page by page, and what is told of its end.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;
use super::documents;
use super::reading::{List, Way};
use crate::contract::Fault;

/// How far a list was read. Durable: a run that was interrupted goes on here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The last id that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    /// The cursor behind what came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Pages that came.
    #[serde(default)]
    pages: u32,
    /// Elements that came.
    #[serde(default)]
    pub(super) items: u64,
    /// There is nothing more.
    #[serde(default)]
    pub(super) done: bool,
}

/// A list that is being read.
pub(super) struct Pager<'a> {
    client: &'a Client,
    list: List,
    path: String,
    query: Vec<(&'a str, String)>,
    pub(super) place: Place,
    /// How many there are in all, by the platform's word.
    pub(super) total: Option<u64>,
}

impl<'a> Pager<'a> {
    /// A list from its beginning, or from a place. `owner` stands where the table has `{id}`; `more` is asked for with it.
    pub(super) fn new(
        client: &'a Client,
        list: &List,
        owner: &str,
        more: &[(&'a str, String)],
        place: Place,
    ) -> Self {
        let path = list.path.replace("{id}", owner);
        let asked = list.query.iter().map(|(name, value)| (*name, value.replace("{id}", owner)));
        let query = asked.chain(more.iter().cloned()).collect();
        Self { client, list: *list, path, query, place, total: None }
    }

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// Those of the API; [`Fault::Malformed`] where what came is no page, and, as [`MOVED`], where the list changed.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>, Fault> {
        if self.place.done {
            return Ok(None);
        }
        if let Way::Documents(all) = self.list.way {
            let documents = documents::all(self.client, all).await?;
            (self.place.done, self.place.items) = (true, documents.len() as u64);
            return Ok(Some(documents));
        }
        let mut query = self.query.clone();
        self.turn(&mut query);
        let answer = self.client.get(&self.path, &query).await?;
        if let Some(why) = answer.refusal() {
            // An owner that was deleted a moment ago has no list any more.
            return if answer.is_gone() && self.list.path.contains("{id}") {
                self.place.done = true;
                Ok(Some(Vec::new()))
            } else {
                Err(Fault::Rejected(format!("`{}`: {why}", self.list.path)))
            };
        }
        let elements = self.turned(answer.body)?;
        self.place.pages += 1;
        self.place.items += elements.len() as u64;
        Ok(Some(elements))
    }

    /// All that is left of the list.
    ///
    /// # Errors
    /// As [`Pager::next`].
    pub(super) async fn rest(mut self) -> Result<Vec<Value>, Fault> {
        let mut all = Vec::new();
        while let Some(mut page) = self.next().await? {
            all.append(&mut page);
        }
        Ok(all)
    }

    fn turn(&self, query: &mut Vec<(&'a str, String)>) {
        let mut ask = |name, value: String| query.push((name, value));
        let limit = self.list.limit.to_string();
        match self.list.way {
            Way::Greater(filter) => {
                ask("limit", limit);
                if let Some(last) = self.place.last {
                    let from = if filter.ends_with(":min") { last + 1 } else { last };
                    ask(filter, from.to_string());
                }
            }
            Way::Cursor => {
                ask("limit", limit);
                if let Some(after) = &self.place.after {
                    ask("after", after.clone());
                }
            }
            Way::Pages | Way::Numbered => {
                ask("limit", limit);
                ask("page", (self.place.pages + 1).to_string());
            }
            Way::MinId => {
                ask("limit", limit);
                ask("min_id", self.place.last.map_or(1, |last| last + 1).to_string());
            }
            Way::One | Way::Whole | Way::Documents(_) => {}
        }
    }

    /// What came, and whether more is to come.
    fn turned(&mut self, body: Value) -> Result<Vec<Value>, Fault> {
        let malformed = |why: &str| Fault::Malformed(format!("`{}`: {why}", self.list.path));
        let meta = body.get("meta").cloned().unwrap_or_default();
        let elements = match (self.list.way, body) {
            (Way::One, Value::Object(mut fields)) => match fields.remove("data") {
                Some(one) => vec![one],
                None => vec![Value::Object(fields)],
            },
            (_, Value::Null) => Vec::new(),
            (Way::MinId | Way::Numbered | Way::Whole, Value::Array(list)) => list,
            (Way::MinId | Way::Numbered | Way::One, _) => return Err(malformed("the answer is no list")),
            (_, Value::Object(mut fields)) => match fields.remove("data") {
                Some(Value::Array(list)) => list,
                _ => return Err(malformed("the answer holds no list")),
            },
            _ => return Err(malformed("the answer holds no list")),
        };
        let number = |pointer: &str| meta.pointer(pointer).and_then(Value::as_u64);
        let total = number("/pagination/total");
        match self.list.way {
            Way::Whole if total.is_some_and(|total| total > elements.len() as u64) => {
                return Err(malformed("there is more than came, and no way to ask for it"));
            }
            Way::One | Way::Whole | Way::Documents(_) => self.place.done = true,
            Way::Greater(_) => {
                let Some(last) = self.last(&elements).map_err(malformed)? else {
                    self.place.done = true;
                    return Ok(elements);
                };
                if self.place.pages == 0 {
                    self.total = total;
                }
                // What is left now is what was found now: nothing that was taken away or added moves it.
                self.place.done = total.is_some_and(|total| total <= elements.len() as u64);
                self.place.last = Some(last);
            }
            Way::MinId => match self.last(&elements).map_err(malformed)? {
                Some(last) => self.place.last = Some(last),
                None => self.place.done = true,
            },
            Way::Cursor => {
                self.total = self.total.or(total);
                let after = meta.pointer("/cursor_pagination/end_cursor").and_then(Value::as_str);
                let after = after.filter(|after| !after.is_empty() && !elements.is_empty());
                if after.is_some() && after == self.place.after.as_deref() {
                    return Err(malformed("its cursor does not move"));
                }
                let more = meta.pointer("/cursor_pagination/links/next").is_some_and(|next| !next.is_null());
                let full =
                    number("/cursor_pagination/per_page").is_none_or(|page| elements.len() as u64 >= page);
                self.place.done = after.is_none() || !(more || full);
                self.place.after = after.map(str::to_owned);
            }
            Way::Pages => {
                let pages = number("/pagination/total_pages").unwrap_or_default();
                self.place.done = elements.is_empty() || u64::from(self.place.pages) + 1 >= pages;
                if let (Some(before), Some(now)) = (self.total, total)
                    && before != now
                {
                    return Err(Fault::Malformed(MOVED.to_owned()));
                }
                self.total = self.total.or(total);
                let came = self.place.items + elements.len() as u64;
                if self.place.done && self.total.is_some_and(|total| total != came) {
                    return Err(Fault::Malformed(MOVED.to_owned()));
                }
            }
            Way::Numbered => {
                self.place.done = elements.len() < usize::from(self.list.limit) && is_short(elements.len());
            }
        }
        Ok(elements)
    }

    /// The id of the last element. Ids that do not grow would be read for ever.
    fn last(&self, elements: &[Value]) -> Result<Option<u64>, &'static str> {
        let mut last = self.place.last;
        for element in elements {
            let id = element.get("id").and_then(Value::as_u64).ok_or("an element has no id")?;
            if last.is_some_and(|last| id <= last) {
                return Err("its ids do not grow");
            }
            last = Some(id);
        }
        Ok(if elements.is_empty() { None } else { last })
    }
}

/// A page of V2 that is not full is the last one. How many fit is only known to be less than asked for where the
/// first page came short of a round number; one request more settles that.
fn is_short(len: usize) -> bool {
    len == 0 || !len.is_multiple_of(10)
}

/// What is said of a list that changed while it was read by the numbers of its pages.
pub(super) const MOVED: &str = "the list changed while it was read";
