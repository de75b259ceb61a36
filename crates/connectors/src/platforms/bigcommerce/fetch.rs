//! Reads kinds into the spool, several at once.

use std::collections::BTreeSet;

use domain::{Gap, GapReason, Kind, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::BigCommerce;
use super::assemble::own_id;
use super::live;
use super::pages::{MOVED, Pager, Place};
use super::parts::{self, PartLine, Variants};
use super::reading::{From, Owner, Part, Reading, Still, reading};
use crate::contract::{Changes, Ends, Fault, KindEnd, KindRequest, Line, Progress, Spool, SpoolError};

/// Kinds that are read at once. They share one quota.
const KINDS_AT_ONCE: usize = 6;
/// How often a list is read from its beginning because it changed meanwhile.
const READINGS_MAX: u32 = 3;
/// An increment begins this long before the last run did: clocks differ, and the filter includes its own time.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// From where the next increment starts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Since {
    /// When the last complete run began, on the platform's clock.
    at: Timestamp,
}

/// How far an interrupted run is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Resume {
    /// When it began, on the platform's clock.
    started: Option<Timestamp>,
    /// The list of items.
    #[serde(default)]
    list: Place,
    /// Which of the lists for all items is being read.
    #[serde(default)]
    part: usize,
    /// How far that is.
    #[serde(default)]
    at: Place,
}

/// What a fault ends.
enum Stop {
    /// The run: what is durable of it stays, and a later run resumes there.
    Run(Fault),
    /// The reading of one kind.
    Kind(Fault),
}

/// Reads all that was asked for.
pub(super) async fn fetch(
    shop: &BigCommerce,
    kinds: Vec<KindRequest>,
    spool: &dyn Spool,
) -> Result<(), Fault> {
    // This first answer also tells the platform's time, and whether it lets us in. A token that may not see what the store
    // says of itself is let in all the same, and may see the rest.
    match shop.origin().await {
        Ok(_) | Err(Fault::Forbidden(_)) => {}
        Err(fault) => return Err(fault),
    }
    let run = Run { shop, spool };
    stream::iter(kinds.into_iter().map(|request| run.kind(request)))
        .buffer_unordered(KINDS_AT_ONCE)
        .try_collect()
        .await
}

struct Run<'a> {
    shop: &'a BigCommerce,
    spool: &'a dyn Spool,
}

/// One kind that is being read.
struct Reader<'a> {
    run: &'a Run<'a>,
    kind: Kind,
    reading: &'static Reading,
    started: Timestamp,
}

impl Run<'_> {
    async fn kind(&self, request: KindRequest) -> Result<(), Fault> {
        let row = request.kind;
        let kind = Kind::new(row.name).map_err(|error| Fault::Malformed(error.to_string()))?;
        let reading = reading(row.name).ok_or_else(|| Fault::Malformed(format!("`{kind}` is not a kind")))?;
        let since: Option<Since> = request.since.and_then(|since| serde_json::from_value(since).ok());
        let increment = since.zip(reading.since).filter(|_| row.changes == Changes::UpdatedSince);
        let mut resume: Resume =
            request.resume.and_then(|place| serde_json::from_value(place).ok()).unwrap_or_default();
        if increment.is_some() || resume.started.is_none() {
            // An increment is read anew: it is small, and which items changed is known only while it is read.
            self.spool.restart(kind.clone()).await?;
            resume = Resume::default();
        }
        let started = resume.started.unwrap_or_else(|| self.shop.client.server_time());
        let reader = Reader { run: self, kind: kind.clone(), reading, started };
        let read = match increment {
            Some((since, filter)) => reader.increment(since, filter).await,
            None => reader.everything(resume).await,
        };
        let mut gaps = Vec::new();
        if let Err(fault) = read {
            match self.stop(fault).await {
                Stop::Run(fault) => return Err(fault),
                Stop::Kind(fault) => gaps.push(gap(row.name, row.read_scopes, &fault)),
            }
            // INVARIANT (whole items): a kind ends with whole items in the spool or with none: an item's own line is
            // valid without those of its parts.
            self.spool.restart(kind.clone()).await?;
        }
        let complete = gaps.is_empty();
        let end = KindEnd {
            kind,
            swept: complete && (increment.is_none() || reading.still != Still::Unknown),
            complete,
            // Only an answer says that something may not be seen. What was there before stays as it was.
            left_scope: false,
            read_at: self.shop.client.clock().now(),
            next: complete.then(|| json!(Since { at: started })),
            gaps,
        };
        Ok(self.spool.kind_end(end).await?)
    }

    /// What a fault ends.
    async fn stop(&self, fault: Fault) -> Stop {
        match fault.ends() {
            Ends::Run => Stop::Run(fault),
            Ends::Kind => Stop::Kind(fault),
            Ends::RunUnlessAnswered => {
                let answered = super::probe::origin(self.shop).await.map(drop);
                fault.unless(answered).map_or_else(Stop::Run, Stop::Kind)
            }
        }
    }
}

fn gap(kind: &str, scopes: &[&str], fault: &Fault) -> Gap {
    let (reason, detail) = match fault {
        Fault::Forbidden(why) => {
            (GapReason::MissingScope, format!("grant the API account {}: {why}", scopes.join(", ")))
        }
        fault => (GapReason::Failed, fault.to_string()),
    };
    Gap { what: kind.to_owned(), reason, detail }
}

impl Reader<'_> {
    /// Reads all of a kind. A list that is read by the numbers of its pages and changed meanwhile is read again: what was
    /// moved from one page to another may have been passed over.
    async fn everything(&self, mut resume: Resume) -> Result<(), Fault> {
        let mut readings = 1;
        loop {
            match self.once(std::mem::take(&mut resume)).await {
                Err(Fault::Malformed(why)) if why == MOVED && readings < READINGS_MAX => {
                    readings += 1;
                    tracing::warn!(kind = %self.kind, "the list changed while it was read; it is read again");
                    self.run.spool.restart(self.kind.clone()).await?;
                }
                ended => return ended,
            }
        }
    }

    async fn once(&self, mut resume: Resume) -> Result<(), Fault> {
        let shop = self.run.shop;
        resume.started = Some(self.started);
        let mut variants = Variants::default();
        let mut known = resume.list.items == 0;
        let mut pager =
            Pager::new(&shop.client, &self.reading.list, "", &[], std::mem::take(&mut resume.list));
        while let Some(nodes) = pager.next().await? {
            nodes.iter().for_each(|node| variants.note(node));
            self.put_all(nodes).await?;
            resume.list = pager.place.clone();
            self.page_end(&resume).await?;
            let (items, total) = (pager.place.items, pager.total);
            self.run.spool.progress(Progress { kind: self.kind.as_str(), items, total, remaining: None });
        }
        resume.list = pager.place;
        for (turn, Part { field, from }) in self.reading.parts.iter().enumerate().skip(resume.part) {
            let From::Bulk { list, owner, .. } = from else { continue };
            if !known && matches!(owner, Owner::Variant(_)) {
                variants = Variants::all(shop).await?;
                known = true;
            }
            if turn != resume.part {
                (resume.part, resume.at) = (turn, Place::default());
            }
            let mut pager = Pager::new(&shop.client, list, "", &[], std::mem::take(&mut resume.at));
            while let Some(elements) = pager.next().await? {
                for element in elements {
                    if let Some(id) = parts::owner(self.reading.kind, *owner, &element, &variants) {
                        self.put_part(parts::line(id, field, element)).await?;
                    }
                }
                resume.at = pager.place.clone();
                self.page_end(&resume).await?;
            }
        }
        Ok(())
    }

    /// Reads what changed, each item whole, and what is there still.
    async fn increment(&self, since: Since, filter: &'static str) -> Result<(), Fault> {
        let shop = self.run.shop;
        let from = since.at.saturating_sub(OVERLAP).unwrap_or(since.at);
        let from = from.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut changed = BTreeSet::new();
        let mut variants = Variants::default();
        let mut pager =
            Pager::new(&shop.client, &self.reading.list, "", &[(filter, from.clone())], Place::default());
        while let Some(nodes) = pager.next().await? {
            for node in &nodes {
                changed.insert(own_id(self.reading, node)?);
                variants.note(node);
            }
            self.put_all(nodes).await?;
            let (items, total) = (pager.place.items, pager.total);
            self.run.spool.progress(Progress { kind: self.kind.as_str(), items, total, remaining: None });
        }
        let others = self.owners_of_changed_parts(&from, &changed).await?;
        let ids: Vec<&str> = others.iter().map(String::as_str).collect();
        let nodes = live::nodes(shop, self.reading, &ids).await?;
        nodes.iter().for_each(|node| variants.note(node));
        self.put_all(nodes).await?;
        changed.extend(others);
        for line in parts::of_owners(shop, self.reading, &changed, &variants).await? {
            self.put_part(line).await?;
        }
        self.still_there(&changed).await
    }

    /// Items of which only a part that stands elsewhere changed: their own time does not move by that.
    async fn owners_of_changed_parts(
        &self,
        from: &str,
        changed: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Fault> {
        let shop = self.run.shop;
        let mut others = BTreeSet::new();
        let mut variants = None;
        for Part { from: part, .. } in self.reading.parts {
            let From::Bulk { list, since: Some(filter), owner, .. } = part else { continue };
            let asked = [(*filter, from.to_owned())];
            let elements = Pager::new(&shop.client, list, "", &asked, Place::default()).rest().await?;
            if elements.is_empty() {
                continue;
            }
            if matches!(owner, Owner::Variant(_)) && variants.is_none() {
                variants = Some(Variants::all(shop).await?);
            }
            let none = Variants::default();
            let of = |element| {
                parts::owner(self.reading.kind, *owner, element, variants.as_ref().unwrap_or(&none))
            };
            others.extend(elements.iter().filter_map(of).filter(|id| !changed.contains(id)));
        }
        Ok(others)
    }

    async fn still_there(&self, changed: &BTreeSet<String>) -> Result<(), Fault> {
        let Still::Ids(list) = self.reading.still else { return Ok(()) };
        let mut readings = 1;
        let ids = loop {
            let mut ids = BTreeSet::new();
            let read = async {
                let mut pager = Pager::new(&self.run.shop.client, list, "", &[], Place::default());
                while let Some(nodes) = pager.next().await? {
                    for node in nodes {
                        ids.insert(own_id(self.reading, &node)?);
                    }
                }
                Ok(())
            };
            match read.await {
                Ok(()) => break ids,
                Err(Fault::Malformed(why)) if why == MOVED && readings < READINGS_MAX => readings += 1,
                Err(fault) => return Err(fault),
            }
        };
        for id in ids.iter().filter(|id| !changed.contains(*id)) {
            self.run.spool.present(self.kind.clone(), id.as_str().into()).await?;
        }
        Ok(())
    }

    /// Items with what each of them has in lists of its own.
    async fn put_all(&self, nodes: Vec<Value>) -> Result<(), Fault> {
        for (node, lines) in parts::each(self.run.shop, self.reading, nodes).await? {
            let id = own_id(self.reading, &node)?;
            self.put(id, String::new(), &node).await?;
            for line in lines {
                self.put_part(line).await?;
            }
        }
        Ok(())
    }

    async fn put_part(&self, PartLine { id, part, value }: PartLine) -> Result<(), Fault> {
        Ok(self.put(id, part, &value).await?)
    }

    async fn put(&self, id: String, part: String, value: &Value) -> Result<(), SpoolError> {
        let bytes = value.to_string().into_bytes();
        self.run.spool.put(Line { kind: self.kind.clone(), id: id.into(), part: part.into(), bytes }).await
    }

    async fn page_end(&self, resume: &Resume) -> Result<(), Fault> {
        Ok(self.run.spool.page_end(self.kind.clone(), json!(resume)).await?)
    }
}
