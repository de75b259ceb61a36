//! Reads kinds into the spool, several at once, each in the way that its row and its cursor ask for.

use domain::{Gap, GapReason, Kind, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};

use super::Shopify;
use super::assemble::item_id;
use super::bulk::{self, AT_ONCE, Parts};
use super::deletions;
use super::documents::KindDocuments;
use super::outlook::{By, Outlook};
use super::pages::{Pager, Place, Span, known};
use super::probe::{self, OLD_ORDERS};
use super::reading::{Listing, Values};
use crate::contract::{
    Changes, Deletions, Ends, Fault, KindEnd, KindRequest, Line, Progress, Spool, SpoolError, Store as _,
};

/// Kinds that are read at once. They share one budget.
const KINDS_AT_ONCE: usize = 12;
/// The platform's search lags behind its writes: an increment begins this long before the last run did.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// From where the next increment starts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Since {
    /// When the last complete run began, on the platform's clock.
    at: Timestamp,
}

/// How far an interrupted run is.
#[derive(Debug, Default, Deserialize)]
struct Resume {
    /// When it began, on the platform's clock.
    started: Option<Timestamp>,
    /// Bulk operations.
    #[serde(default)]
    bulk: Option<Parts>,
    /// Pages.
    #[serde(default)]
    pages: Option<Place>,
}

/// How a kind's reading ended, as far as it went by itself.
struct Outcome {
    complete: bool,
    gaps: Vec<Gap>,
}

impl Outcome {
    fn whole() -> Self {
        Self { complete: true, gaps: Vec::new() }
    }

    fn failed(kind: &Kind, reason: GapReason, why: String) -> Self {
        Self { complete: false, gaps: vec![gap(kind.as_str(), reason, why)] }
    }
}

/// What a fault ends.
enum Stop {
    /// The run: what is durable of it stays, and a later run resumes there.
    Run(Fault),
    /// The reading of one kind.
    Kind(Fault),
}

impl From<SpoolError> for Stop {
    fn from(error: SpoolError) -> Self {
        Self::Run(error.into())
    }
}

/// Reads all that was asked for.
pub(super) async fn fetch(shop: &Shopify, kinds: Vec<KindRequest>, spool: &dyn Spool) -> Result<(), Fault> {
    // This first answer also tells the platform's time.
    let granted = probe::granted(shop).await?;
    let slots = Semaphore::new(AT_ONCE);
    let outlook = Outlook::default();
    let run = Run { shop, spool, granted: &granted, slots: &slots, outlook: &outlook };
    stream::iter(kinds.into_iter().map(|request| run.kind(request)))
        .buffer_unordered(KINDS_AT_ONCE)
        .try_collect()
        .await
}

struct Run<'a> {
    shop: &'a Shopify,
    spool: &'a dyn Spool,
    granted: &'a [String],
    slots: &'a Semaphore,
    outlook: &'a Outlook,
}

impl Run<'_> {
    async fn kind(&self, request: KindRequest) -> Result<(), Fault> {
        let row = request.kind;
        let kind = Kind::new(row.name).map_err(|error| Fault::Malformed(error.to_string()))?;
        let missing: Vec<&str> =
            row.read_scopes.iter().copied().filter(|scope| !probe::allows(self.granted, scope)).collect();
        if !missing.is_empty() {
            return self.out_of_scope(kind, format!("grant the app {}", missing.join(", "))).await;
        }
        let since: Option<Since> = request.since.and_then(|since| serde_json::from_value(since).ok());
        let resume = match request.resume.map(serde_json::from_value::<Resume>) {
            None => Resume::default(),
            Some(Ok(resume)) => resume,
            Some(Err(error)) => {
                tracing::warn!(%kind, %error, "another version of Caretaker read this kind: it is read anew");
                self.spool.restart(kind.clone()).await?;
                Resume::default()
            }
        };
        let started = resume.started.unwrap_or_else(|| self.shop.client.server_time());
        let increment = since.filter(|_| row.changes == Changes::UpdatedSince);
        let set = known(row)?;
        let read = match increment {
            Some(since) => match self.increment(&kind, set, row.deletions, since, started, resume).await {
                Ok(outcome) => Ok(outcome),
                Err(fault) => Err(self.stop(fault).await),
            },
            None => self.everything(&kind, set, started, resume).await,
        };
        let mut outcome = match read {
            Ok(outcome) => outcome,
            Err(Stop::Run(fault)) => return Err(fault),
            // The scopes would allow it: whatever this answer refuses, nothing has left our sight for good.
            Err(Stop::Kind(Fault::Forbidden(why))) => Outcome::failed(&kind, GapReason::MissingScope, why),
            Err(Stop::Kind(fault)) => Outcome::failed(&kind, GapReason::Failed, fault.to_string()),
        };
        self.note_hidden(set, &mut outcome);
        // Without leave to see older orders, one that grows old leaves our sight without being deleted.
        let old_hidden = row.name == "order" && !self.granted.iter().any(|scope| scope == OLD_ORDERS);
        if old_hidden {
            let detail = format!("orders older than 60 days are not visible without `{OLD_ORDERS}`");
            outcome.gaps.push(gap(row.name, GapReason::MissingScope, detail));
        }
        let end = KindEnd {
            kind,
            swept: outcome.complete && increment.is_none() && !old_hidden,
            complete: outcome.complete,
            left_scope: false,
            read_at: self.shop.client.clock().now(),
            next: outcome.complete.then(|| json!(Since { at: started })),
            gaps: outcome.gaps,
        };
        Ok(self.spool.kind_end(end).await?)
    }

    /// What a fault ends.
    async fn stop(&self, fault: Fault) -> Stop {
        match fault.ends() {
            Ends::Run => Stop::Run(fault),
            Ends::Kind => Stop::Kind(fault),
            Ends::RunUnlessAnswered => {
                let answered = probe::granted(self.shop).await.map(drop);
                fault.unless(answered).map_or_else(Stop::Run, Stop::Kind)
            }
        }
    }

    /// Where a scope is missing for a part of a kind, that part may be listed as empty: it is not known to be.
    fn note_hidden(&self, set: &KindDocuments, outcome: &mut Outcome) {
        let Listing::Each { values: Values::Of(values), .. } = set.reading.listing else { return };
        for (value, scope) in values.iter().filter(|(_, scope)| !probe::allows(self.granted, scope)) {
            let what = part_of(set.reading.kind, value);
            if outcome.gaps.iter().all(|gap| gap.what != what) {
                outcome.gaps.push(gap(&what, GapReason::MissingScope, format!("grant the app {scope}")));
            }
            outcome.complete = false;
        }
    }

    /// Ends a kind of which nothing may be seen.
    async fn out_of_scope(&self, kind: Kind, detail: String) -> Result<(), Fault> {
        // What was read of it before the run was interrupted is not all there was.
        self.spool.restart(kind.clone()).await?;
        let gaps = vec![gap(kind.as_str(), GapReason::MissingScope, detail)];
        let read_at = self.shop.client.clock().now();
        let end =
            KindEnd { kind, swept: false, complete: false, left_scope: true, read_at, next: None, gaps };
        Ok(self.spool.kind_end(end).await?)
    }

    /// Reads all of a kind.
    async fn everything(
        &self,
        kind: &Kind,
        set: &'static KindDocuments,
        started: Timestamp,
        mut resume: Resume,
    ) -> Result<Outcome, Stop> {
        // Pages that come by their time of change are those that follow bulk operations.
        let by_page =
            set.reading.bulk.is_empty() || resume.pages.as_ref().is_some_and(|place| !place.by_change);
        if !by_page {
            let why = match self.in_bulk(kind, set, started, std::mem::take(&mut resume)).await {
                Ok(None) => return Ok(Outcome::whole()),
                Ok(Some(why)) => why,
                Err(fault) => match self.stop(fault).await {
                    Stop::Run(fault) => return Err(Stop::Run(fault)),
                    // Also where access was denied: an operation fails over one hidden field, a page goes without it.
                    Stop::Kind(fault) => fault.to_string(),
                },
            };
            // INVARIANT (whole items): a kind ends with whole items in the spool or with none. What bulk operations left
            // half done would be taken for whole: an item's own line is valid without those of its children.
            self.spool.restart(kind.clone()).await?;
            tracing::warn!(%kind, %why, "bulk operations gave no whole result; reading page by page");
        }
        match self.pages(kind, set, Pager::new(self.shop, set, Span::All, resume.pages), started).await {
            Ok(outcome) => Ok(outcome),
            Err(fault) => Err(self.stop(fault).await),
        }
    }

    /// Reads all of a kind by bulk operations; why that is not to be had, where it is not.
    async fn in_bulk(
        &self,
        kind: &Kind,
        set: &'static KindDocuments,
        started: Timestamp,
        resume: Resume,
    ) -> Result<Option<String>, Fault> {
        if resume.pages.is_none() {
            let reader = bulk::Reader {
                shop: self.shop,
                kind: kind.clone(),
                set,
                spool: self.spool,
                slots: self.slots,
                outlook: self.outlook,
                total: self.count(set, None).await,
                started,
                parts: Mutex::new(bulk::resumed(resume.bulk.unwrap_or_default())),
            };
            if let bulk::Read::Failed(why) = reader.read().await? {
                return Ok(Some(why));
            }
        }
        if set.reading.bulk.len() > 1 {
            // Each operation saw the store at its own moment. What changed since the first of them is read again, whole:
            // so no item is made of two moments, or of parts alone.
            let pager = Pager::new(self.shop, set, Span::Since(&search_time(started)), resume.pages);
            self.pages(kind, set, pager, started).await?;
        }
        Ok(None)
    }

    /// Reads what changed, and what was deleted.
    async fn increment(
        &self,
        kind: &Kind,
        set: &'static KindDocuments,
        deletions: Deletions,
        since: Since,
        started: Timestamp,
        resume: Resume,
    ) -> Result<Outcome, Fault> {
        let from = since.at.saturating_sub(OVERLAP).unwrap_or(since.at);
        let from = search_time(from);
        let pager = Pager::new(self.shop, set, Span::Since(&from), resume.pages);
        let outcome = self.pages(kind, set, pager, started).await?;
        if deletions == Deletions::Events {
            deletions::report(self.shop, kind, set.reading.deleted_as, &from, self.spool).await?;
        }
        Ok(outcome)
    }

    /// How many items there are, or how many a search finds, where the platform tells. Nothing depends on it but the
    /// progress that is shown, so a refusal is no failure.
    async fn count(&self, set: &'static KindDocuments, query: Option<&str>) -> Option<u64> {
        let (field, searches) = set.reading.counted;
        let document = set.count.as_ref().filter(|_| searches || query.is_none())?;
        let variables = if searches { json!({ "query": query }) } else { json!({}) };
        let data = self.shop.query(&document.text, variables).await.ok()?;
        data.get(field)?.get("count")?.as_u64()
    }

    async fn pages(
        &self,
        kind: &Kind,
        set: &'static KindDocuments,
        mut pager: Pager<'_>,
        started: Timestamp,
    ) -> Result<Outcome, Fault> {
        let mut items = 0;
        let total = if pager.place.done { None } else { self.count(set, pager.place.query()).await };
        while let Some(nodes) = pager.next().await? {
            items += nodes.len() as u64;
            for node in nodes {
                self.put(kind, &node).await?;
            }
            let cursor = json!({ "started": started, "pages": pager.place });
            self.spool.page_end(kind.clone(), cursor).await?;
            let now = self.shop.client.clock().monotonic();
            let used = (self.shop.pace(), self.shop.usage());
            let remaining = self.outlook.told(kind.as_str(), (By::Pages, items, total), now, used);
            self.spool.progress(Progress { kind: kind.as_str(), items, total, remaining });
        }
        self.outlook.ended(kind.as_str());
        let part = |(value, why): (String, String), reason| gap(&part_of(kind.as_str(), &value), reason, why);
        let refused = pager.place.refused.into_iter().map(|one| part(one, GapReason::MissingScope));
        let cut = pager.place.cut.into_iter().map(|one| part(one, GapReason::Failed));
        let gaps: Vec<Gap> = refused.chain(cut).collect();
        Ok(Outcome { complete: gaps.is_empty(), gaps })
    }

    async fn put(&self, kind: &Kind, node: &Value) -> Result<(), Fault> {
        let row =
            super::kind(kind.as_str()).ok_or_else(|| Fault::Malformed(format!("`{kind}` is not a kind")))?;
        let id =
            item_id(row, node).ok_or_else(|| Fault::Malformed(format!("an item of {kind} has no id")))?;
        let line =
            Line { kind: kind.clone(), id: id.into(), part: "".into(), bytes: node.to_string().into_bytes() };
        Ok(self.spool.put(line).await?)
    }
}

/// A time as searches take it, in whole seconds.
fn search_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The name of what a kind holds of one value of its argument.
fn part_of(kind: &str, value: &str) -> String {
    format!("{kind} of {value}")
}

fn gap(what: &str, reason: GapReason, detail: String) -> Gap {
    Gap { what: what.to_owned(), reason, detail }
}
