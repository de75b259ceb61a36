//! The connector of a bookshop: as small as a platform can be that owes nothing of the contract.
//!
//! In reading order: what is backed up ([`KINDS`]), how one request is sent, how a store is read, how lines become an
//! item, and how an item is put back (`restore.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connectors::canonical::Rules;
use connectors::compare::{Field, Form, same};
use connectors::contract::{
    Applied, Changes, Effort, Ends, Fault, IdMap, Ids, Item, ItemPlan, ItemWrite, KindEnd, KindRequest,
    KindSpec, Line, Lookup, MediaBody, MediaSource, MissingScope, Pace, Probe, Progress, Reference,
    RestoreOptions, Settings, Spool, Store, SummaryColumn, Usage, number_of, time,
};
use connectors::engine::{Https, TRIES_MAX, Verb, backoff, store_url};
use connectors::tree::Tree;
use domain::{Clock, Gap, GapReason, Kind, Rng, Timestamp};
use futures::future::BoxFuture;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::restore;

/// What is backed up. What others refer to comes first.
pub(crate) static KINDS: &[KindSpec] = &[
    KindSpec {
        name: "author",
        plural: "authors",
        ids: Ids::Numbers,
        read_scopes: &["read_authors"],
        write_scopes: &["write_authors"],
        summary: &[SummaryColumn { name: "name", pointer: "/name" }],
        volatile: &["/updated_at"],
        natural_key: &["/name"],
        ..KindSpec::BLANK
    },
    KindSpec {
        name: "book",
        plural: "books",
        ids: Ids::Numbers,
        read_scopes: &["read_books"],
        write_scopes: &["write_books"],
        changes: Changes::UpdatedSince,
        summary: &[SummaryColumn { name: "title", pointer: "/title" }],
        volatile: &["/updated_at"],
        references: &[Reference { pointer: "/author_id", kind: "author", when: None }],
        natural_key: &["/title"],
        ..KindSpec::BLANK
    },
];

/// What the table of kinds cannot say of one: where it is listed, and what is written of it.
pub(crate) struct Way {
    pub(crate) list: &'static str,
    /// The field by which the platform finds one.
    pub(crate) key: &'static str,
    /// Long texts that the list leaves out: each is asked for by itself.
    texts: &'static [&'static str],
    pub(crate) fields: &'static [Field],
}

static AUTHORS: Way = Way { list: "authors", key: "name", texts: &[], fields: &[same("name", Form::Text)] };
static BOOKS: Way = Way {
    list: "books",
    key: "title",
    texts: &["blurb"],
    fields: &[same("title", Form::Text), same("blurb", Form::Text), same("author_id", Form::Id)],
};

pub(crate) fn way(kind: &KindSpec) -> &'static Way {
    if kind.name == "author" { &AUTHORS } else { &BOOKS }
}

/// A connected bookshop.
pub(crate) struct Bookshop {
    https: Https,
    base: Url,
    key: HeaderValue,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    requests: AtomicU64,
}

/// What the shop says of itself.
#[derive(Deserialize)]
struct Shop {
    id: String,
    name: String,
    scopes: Vec<String>,
    time: Timestamp,
}

/// How far a reading is: the cursor at which an interrupted one goes on.
#[derive(Serialize, Deserialize)]
struct Place {
    started: Timestamp,
    after: u64,
}

/// Opens a shop, whose credential is its key. Nothing is sent yet.
pub(crate) fn open(settings: Settings) -> Result<Box<dyn Store>, Fault> {
    let Settings { url, ca_pem, credential, behalf, clock, rng, .. } = settings;
    let base = store_url(&url)?.join("/v1/").map_err(|error| Fault::NotThePlatform(error.to_string()))?;
    let mut key = HeaderValue::from_bytes(&credential)
        .map_err(|_| Fault::Unauthorized("the key holds characters that no key has".to_owned()))?;
    key.set_sensitive(true);
    let https = Https::new(ca_pem.as_deref(), behalf, Arc::clone(&clock))?;
    Ok(Box::new(Bookshop { https, base, key, clock, rng, requests: AtomicU64::new(0) }))
}

fn usable<T>(read: serde_json::Result<T>) -> Result<T, Fault> {
    read.map_err(|error| Fault::Malformed(error.to_string()))
}

impl Bookshop {
    /// Sends one request, again where that is safe, and gives what the shop answered on purpose.
    pub(crate) async fn ask(
        &self,
        verb: Verb,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<(u16, Value), Fault> {
        let mut url = self.base.join(path).map_err(|error| Fault::Rejected(error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // The trail is told of the path without the ids in it.
        let step = |step: &str| if step.parse::<u64>().is_ok() { "{id}".to_owned() } else { step.to_owned() };
        let told: Vec<String> = path.split('/').map(step).collect();
        let told = told.join("/");
        let mut tries = 0;
        loop {
            tries += 1;
            self.requests.fetch_add(1, Ordering::Relaxed);
            let request = self.https.call(verb, &url, &format!("/v1/{told}"), &told);
            let request = request.header("x-key", self.key.clone());
            let request = match body {
                Some(body) => request.body(body.to_string()),
                None => request,
            };
            let sent = async {
                let answer = request.send().await?;
                Ok((answer.status().as_u16(), answer.bytes().await?))
            };
            let (why, undone) = match sent.await {
                Ok((429, _)) => ("too many requests".to_owned(), true),
                Ok((status @ 500.., _)) => (format!("status {status}"), false),
                Ok((401, _)) => return Err(Fault::Unauthorized("the key is not known".to_owned())),
                Ok((status, body)) => {
                    let body: Value = usable(serde_json::from_slice(&body))?;
                    return if status == 403 {
                        Err(Fault::Forbidden(body.to_string()))
                    } else {
                        Ok((status, body))
                    };
                }
                Err(Fault::Unavailable(why)) => (why, false),
                Err(fault) => return Err(fault),
            };
            // What makes something may have made it: that is for whoever keeps the journal to find out.
            if tries == TRIES_MAX || (verb == Verb::Post && !undone) {
                return Err(if undone { Fault::Throttled(why) } else { Fault::Unavailable(why) });
            }
            self.clock.sleep(backoff(self.rng.as_ref(), tries)).await;
        }
    }

    async fn shop(&self) -> Result<Shop, Fault> {
        let (_, shop) = self.ask(Verb::Get, "shop", &[], None).await?;
        serde_json::from_value(shop).map_err(|_| Fault::NotThePlatform("that is no bookshop".to_owned()))
    }

    /// A page of a list: items with their numbers, and whether there are more.
    async fn page(&self, path: &str, query: &[(&str, String)]) -> Result<(Vec<(u64, Value)>, bool), Fault> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Value>,
            more: bool,
        }
        let page: Page = match self.ask(Verb::Get, path, query, None).await? {
            (200, page) => usable(serde_json::from_value(page))?,
            (status, why) => return Err(Fault::Rejected(format!("status {status}: {why}"))),
        };
        if page.more && page.items.is_empty() {
            return Err(Fault::Malformed(
                "a page that is not the last is empty: it would be read for ever".to_owned(),
            ));
        }
        let numbered = |item: Value| Some((item.get("id")?.as_u64()?, item));
        let items: Option<Vec<(u64, Value)>> = page.items.into_iter().map(numbered).collect();
        Ok((items.ok_or_else(|| Fault::Malformed("an item has no id".to_owned()))?, page.more))
    }

    /// The lines of an item. `None` where it is not there any more.
    async fn lines(&self, row: &KindSpec, number: u64, item: &Value) -> Result<Option<Vec<Line>>, Fault> {
        let kind = kind_of(row)?;
        let line = |part: &str, value: &Value| Line {
            kind: kind.clone(),
            id: format!("{}/{number}", row.name).into(),
            part: part.into(),
            bytes: value.to_string().into_bytes(),
        };
        let mut lines = vec![line("", item)];
        let way = way(row);
        for text in way.texts {
            match self.ask(Verb::Get, &format!("{}/{number}/{text}", way.list), &[], None).await? {
                (200, body) => lines.push(line(text, &body)),
                _ => return Ok(None),
            }
        }
        Ok(Some(lines))
    }

    /// Reads a kind, and tells when its reading began, on the shop's clock: there the next increment starts.
    async fn read(
        &self,
        request: KindRequest,
        now: Timestamp,
        spool: &dyn Spool,
    ) -> Result<Timestamp, Fault> {
        let row = request.kind;
        let (way, kind) = (way(row), kind_of(row)?);
        let since = request.since.filter(|_| row.changes == Changes::UpdatedSince);
        let since = since.as_ref().and_then(Value::as_str);
        let resume = request.resume.filter(|_| since.is_none());
        let mut place = match resume.and_then(|place| serde_json::from_value(place).ok()) {
            Some(place) => place,
            None => {
                spool.restart(kind.clone()).await?;
                Place { started: now, after: 0 }
            }
        };
        let mut read = BTreeSet::new();
        loop {
            let mut query = vec![("after", place.after.to_string())];
            query.extend(since.map(|since| ("changed_since", since.to_owned())));
            let (items, more) = self.page(way.list, &query).await?;
            for (number, item) in items {
                for line in self.lines(row, number, &item).await?.into_iter().flatten() {
                    spool.put(line).await?;
                }
                place.after = number;
                read.insert(number);
            }
            spool.page_end(kind.clone(), json!(place)).await?;
            let items = read.len() as u64;
            spool.progress(Progress { kind: row.name, items, total: None, remaining: None });
            if !more {
                break;
            }
        }
        // An increment names the others as well: what is named nowhere is gone.
        let (mut after, mut more) = (0, since.is_some());
        while more {
            let ids;
            (ids, more) = self.page(&format!("{}/ids", way.list), &[("after", after.to_string())]).await?;
            for (number, _) in ids {
                after = number;
                if !read.contains(&number) {
                    spool.present(kind.clone(), format!("{}/{number}", row.name).into()).await?;
                }
            }
        }
        Ok(place.started)
    }

    async fn fetch_all(&self, kinds: Vec<KindRequest>, spool: &dyn Spool) -> Result<(), Fault> {
        let shop = self.shop().await?;
        for request in kinds {
            let (row, kind) = (request.kind, kind_of(request.kind)?);
            let missing = missing(row.read_scopes, &shop.scopes);
            let left_scope = !missing.is_empty();
            let read = if left_scope {
                Err(Fault::Forbidden(format!("grant the key {}", missing.join(", "))))
            } else {
                self.read(request, shop.time, spool).await
            };
            let (next, gaps) = match read {
                Ok(started) => (Some(json!(started)), Vec::new()),
                Err(fault) => {
                    let fault = match fault.ends() {
                        Ends::Run => return Err(fault),
                        Ends::Kind => fault,
                        Ends::RunUnlessAnswered => fault.unless(self.shop().await.map(drop))?,
                    };
                    // A kind that failed leaves whole items in the spool or none.
                    spool.restart(kind.clone()).await?;
                    let reason = match fault {
                        Fault::Forbidden(_) => GapReason::MissingScope,
                        _ => GapReason::Failed,
                    };
                    (None, vec![Gap { what: row.name.to_owned(), reason, detail: fault.to_string() }])
                }
            };
            let complete = gaps.is_empty();
            let read_at = self.clock.now();
            let end = KindEnd { kind, swept: complete, complete, left_scope, read_at, next, gaps };
            spool.kind_end(end).await?;
        }
        Ok(())
    }

    /// What is there now.
    pub(crate) async fn look(
        &self,
        row: &'static KindSpec,
        lookup: &Lookup<'_>,
    ) -> Result<Option<Item>, Fault> {
        let way = way(row);
        let found = match lookup {
            Lookup::Id(id) => {
                let Some(number) = number_of(id) else { return Ok(None) };
                match self.ask(Verb::Get, &format!("{}/{number}", way.list), &[], None).await? {
                    (200, item) => Some((number, item)),
                    _ => None,
                }
            }
            Lookup::Natural(wanted) => {
                let key = wanted.get(way.key).and_then(Value::as_str).unwrap_or_default();
                self.page(way.list, &[(way.key, key.to_owned())]).await?.0.into_iter().next()
            }
        };
        let Some((number, item)) = found else { return Ok(None) };
        let Some(lines) = self.lines(row, number, &item).await? else { return Ok(None) };
        self.assemble(row, &format!("{}/{number}", row.name), &lines)
    }
}

fn kind_of(row: &KindSpec) -> Result<Kind, Fault> {
    Kind::new(row.name).map_err(|error| Fault::Malformed(error.to_string()))
}

fn missing(wanted: &[&'static str], granted: &[String]) -> Vec<&'static str> {
    wanted.iter().copied().filter(|scope| !granted.iter().any(|one| one == scope)).collect()
}

impl Store for Bookshop {
    fn kinds(&self) -> &'static [KindSpec] {
        KINDS
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, Fault>> {
        Box::pin(async {
            let shop = self.shop().await?;
            let costs = |scope: &'static str| MissingScope {
                scope: scope.to_owned(),
                blocks_reading: named_by(scope, |row| row.read_scopes),
                blocks_restoring: named_by(scope, |row| row.write_scopes),
            };
            let scopes = KINDS.iter().flat_map(|row| row.read_scopes.iter().chain(row.write_scopes));
            let scopes: Vec<&'static str> = scopes.copied().collect();
            Ok(Probe {
                missing: missing(&scopes, &shop.scopes).into_iter().map(costs).collect(),
                store_domain: self.base.host_str().unwrap_or_default().to_owned(),
                store_id: shop.id,
                store_name: shop.name,
                api_version: self.api_version().to_owned(),
                granted: shop.scopes,
                approvals: Vec::new(),
            })
        })
    }

    fn fetch<'a>(
        &'a self,
        kinds: Vec<KindRequest>,
        spool: &'a dyn Spool,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.fetch_all(kinds, spool))
    }

    fn assemble(&self, kind: &'static KindSpec, id: &str, lines: &[Line]) -> Result<Option<Item>, Fault> {
        let (mut own, mut texts) = (None, Vec::new());
        for line in lines {
            let value = usable(Tree::read(&line.bytes))?;
            if line.part.is_empty() { own = Some(value) } else { texts.push((&*line.part, value)) }
        }
        let mut fields = match own {
            None => return Ok(None),
            Some(Tree::Object(fields)) => fields,
            Some(_) => return Err(Fault::Malformed(format!("{id} is no object"))),
        };
        texts.into_iter().for_each(|(text, value)| fields.insert(text.into(), value));
        let tree = Tree::Object(fields);
        let column =
            |column: &SummaryColumn| tree.pointer(column.pointer).map_or(Value::Null, Tree::to_value);
        Ok(Some(Item {
            id: id.into(),
            payload: usable(serde_json::to_vec(&tree))?,
            canonical: Rules::new(kind.volatile, kind.unordered).canonical(&tree),
            source_updated_at: tree.pointer("/updated_at").and_then(Tree::as_str).and_then(time),
            subjects: Vec::new(),
            media: Vec::new(),
            summary: kind.summary.iter().map(column).collect(),
            gaps: Vec::new(),
        }))
    }

    fn media<'a>(&'a self, _: &'a MediaSource) -> BoxFuture<'a, Result<MediaBody, Fault>> {
        Box::pin(async { Err(Fault::Rejected("a bookshop has no files".to_owned())) })
    }

    fn live<'a>(
        &'a self,
        kind: &'static KindSpec,
        lookups: &'a [Lookup<'a>],
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, Fault>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for lookup in lookups {
                found.push(self.look(kind, lookup).await?);
            }
            Ok(found)
        })
    }

    fn plan_back(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
        ids: &IdMap,
        options: &RestoreOptions,
    ) -> ItemPlan {
        let draft = restore::drafted(kind, wanted, live, former, ids, options);
        draft.plan(|_| Effort { requests: 1, cost: 1 })
    }

    fn pair(&self, _: &'static KindSpec, wanted: &Value, live: &Value, ids: &IdMap) -> Vec<(String, String)> {
        restore::links(wanted, Some(live), ids).pairs()
    }

    fn apply<'a>(&'a self, write: ItemWrite<'a>) -> BoxFuture<'a, Result<Applied, Fault>> {
        Box::pin(restore::apply(self, write))
    }

    fn delete<'a>(&'a self, kind: &'static KindSpec, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(restore::delete(self, kind, id))
    }

    fn looking(&self, kind: &'static KindSpec, items: &[&Value]) -> Effort {
        let requests = (items.len() * (1 + way(kind).texts.len())) as u64;
        Effort { requests, cost: requests }
    }

    fn pace(&self) -> Pace {
        Pace { budget: None, answer: Duration::ZERO }
    }

    fn usage(&self) -> Usage {
        let requests = self.requests.load(Ordering::Relaxed);
        Usage { requests, cost: requests, ..Usage::default() }
    }

    fn api_version(&self) -> &'static str {
        "v1"
    }

    fn selection_digest(&self, _: &'static KindSpec) -> String {
        "everything".to_owned()
    }
}

fn named_by(scope: &str, scopes: fn(&KindSpec) -> &[&'static str]) -> Vec<String> {
    KINDS.iter().filter(|row| scopes(row).contains(&scope)).map(|row| row.name.to_owned()).collect()
}
