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
use super::pages::{Page, Pager, Place, Span, known};
use super::probe::{self, OLD_ORDERS};
use super::reading::{Listing, Values};
use crate::contract::{Changes, Deletions, Fault, KindEnd, KindRequest, Line, Progress, Spool, Store as _};

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
        let since: Option<Since> = request.since.and_then(|since| serde_json::from_value(since).ok());
        let resume: Resume =
            request.resume.and_then(|at| serde_json::from_value(at).ok()).unwrap_or_default();
        let missing: Vec<&str> =
            row.read_scopes.iter().copied().filter(|scope| !probe::allows(self.granted, scope)).collect();
        if !missing.is_empty() {
            let detail = format!("grant the app {}", missing.join(", "));
            return self.not_allowed(kind, since.is_some(), detail).await;
        }
        let started = resume.started.unwrap_or_else(|| self.shop.client.server_time());
        let increment = since.filter(|_| row.changes == Changes::UpdatedSince);
        let set = known(row)?;
        let read = match increment {
            Some(since) => self.increment(&kind, set, row.deletions, since, started, resume).await,
            None => self.everything(&kind, set, started, resume).await,
        };
        let mut outcome = match read {
            Ok(outcome) => outcome,
            Err(Fault::Forbidden(why)) => return self.not_allowed(kind, since.is_some(), why).await,
            // With these the run cannot go on; what is durable stays, and a later run resumes there.
            Err(fault @ (Fault::Spool(_) | Fault::Unauthorized(_) | Fault::NotThePlatform(_))) => {
                return Err(fault);
            }
            Err(fault) => {
                Outcome { complete: false, gaps: vec![gap(row.name, GapReason::Failed, fault.to_string())] }
            }
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
            next: outcome.complete.then(|| json!(Since { at: started })),
            gaps: outcome.gaps,
        };
        Ok(self.spool.kind_end(end).await?)
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

    async fn not_allowed(&self, kind: Kind, known_before: bool, detail: String) -> Result<(), Fault> {
        let gaps = vec![gap(kind.as_str(), GapReason::MissingScope, detail)];
        let end = KindEnd { kind, swept: false, complete: false, left_scope: known_before, next: None, gaps };
        Ok(self.spool.kind_end(end).await?)
    }

    /// Reads all of a kind.
    async fn everything(
        &self,
        kind: &Kind,
        set: &'static KindDocuments,
        started: Timestamp,
        resume: Resume,
    ) -> Result<Outcome, Fault> {
        if !set.reading.bulk.is_empty() && resume.pages.is_none() {
            let reader = bulk::Reader {
                shop: self.shop,
                kind: kind.clone(),
                set,
                spool: self.spool,
                slots: self.slots,
                outlook: self.outlook,
                total: self.count(set, None).await,
                started,
                parts: Mutex::new(resume.bulk.unwrap_or_default()),
            };
            match reader.read().await? {
                bulk::Read::Whole if set.reading.bulk.len() == 1 => return Ok(Outcome::whole()),
                // Each operation saw the store at its own moment. What changed since the first of them is
                // read again, whole: so no item is made of two moments, or of parts alone.
                bulk::Read::Whole => {
                    let pager = Pager::new(self.shop, set, Span::Since(&search_time(started)), None);
                    return self.pages(kind, set, pager, started).await;
                }
                bulk::Read::Failed(why) => {
                    tracing::warn!(kind = %kind, %why, "bulk operations failed twice; reading page by page");
                    self.spool.restart(kind.clone()).await?;
                }
            }
        }
        self.pages(kind, set, Pager::new(self.shop, set, Span::All, resume.pages), started).await
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
        let mut outcome = Outcome::whole();
        let mut items = 0;
        let total = if pager.place.done { None } else { self.count(set, pager.place.query()).await };
        while let Some(page) = pager.next().await? {
            match page {
                Page::Items(nodes) => {
                    items += nodes.len() as u64;
                    for node in nodes {
                        self.put(kind, &node).await?;
                    }
                }
                Page::NotAllowed { value, why } => {
                    outcome.complete = false;
                    let what = part_of(kind.as_str(), &value);
                    outcome.gaps.push(gap(&what, GapReason::MissingScope, why));
                }
            }
            let cursor = json!({ "started": started, "pages": pager.place });
            self.spool.page_end(kind.clone(), cursor).await?;
            let now = self.shop.client.clock().monotonic();
            let used = (self.shop.pace(), self.shop.usage());
            let remaining = self.outlook.told(kind.as_str(), (By::Pages, items, total), now, used);
            self.spool.progress(Progress { kind: kind.as_str(), items, total, remaining });
        }
        self.outlook.ended(kind.as_str());
        Ok(outcome)
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
