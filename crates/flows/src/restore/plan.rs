//! What a restore would do.

use connectors::contract::{FieldChange, ItemPlan, PlanAction, RestoreOptions};
use domain::{ConnectionId, Kind, SnapshotNumber, TenantId};
use repository::CommitName;
use serde::{Deserialize, Serialize};

use super::RestoreProgress;
use super::candidate::Candidate;
use super::look::{Ends, Parts};
use super::pieces::Limits;
use super::predict::{self, Look};
use super::sale;
use crate::cell::Cell;
use crate::error::Result;

/// Which state is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The items as they were in this snapshot.
    At(SnapshotNumber),
    /// What changed between these two snapshots is taken back; edits since stay.
    Revert(SnapshotNumber, SnapshotNumber),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Whose.
    pub tenant: TenantId,
    /// From which connection's snapshots.
    pub connection: ConnectionId,
    /// Into which store.
    pub target: ConnectionId,
    /// Which state is wanted.
    pub selection: Selection,
    /// Only these kinds; empty: all.
    pub kinds: Vec<Kind>,
    /// Only these items; empty: all.
    pub ids: Vec<String>,
    /// What may be touched.
    pub options: RestoreOptions,
}

/// One item of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Its kind.
    pub kind: Kind,
    /// Its id in the backup.
    pub id: Box<str>,
    /// Its id on the live store, where it is there.
    pub live_id: Option<Box<str>>,
    /// It was not asked for, but what was asked for refers to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needed: bool,
    /// It comes into being with this item, and is set after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<str>>,
    /// It refers to something that is restored after it, and so is looked at, and perhaps written, a second time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// What would be done.
    #[serde(flatten)]
    pub plan: ItemPlan,
    /// Fields that were edited again since the window, and so are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<FieldChange>,
}

/// An order that was placed while prices stood that are taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertedOrder {
    /// The order's id.
    pub id: Box<str>,
    /// Its name, as people know it.
    pub name: String,
    /// When it was placed.
    pub created_at: String,
    /// Its variants whose price is taken back.
    pub variants: Vec<String>,
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format of this file.
    pub format: u8,
    /// What was asked for.
    #[serde(flatten)]
    pub ask: Ask,
    /// The head that the wanted state was read from.
    pub head: CommitName,
    /// Every item, in the order of application.
    pub items: Vec<PlanItem>,
    /// Orders placed at prices that are taken back.
    pub orders: Vec<RevertedOrder>,
    /// Requests that applying it will take, with those that look at everything once more first.
    pub requests: u64,
    /// What these cost from the platform's budget, in its own unit.
    #[serde(default)]
    pub cost: u64,
    /// Seconds that it will take at the platform's pace; `None` where there is no limit.
    pub seconds: Option<f64>,
}

impl Plan {
    /// How many items would be treated so.
    #[must_use]
    pub fn count(&self, matches: impl Fn(&PlanAction) -> bool) -> usize {
        self.items.iter().filter(|item| matches(&item.plan.action)).count()
    }
}

/// Draws a plan up. Reads only.
///
/// # Errors
/// When the snapshots or the live store cannot be read.
pub async fn draw(cell: &Cell, ask: &Ask, progress: &dyn RestoreProgress) -> Result<Plan> {
    let began = cell.clock.monotonic();
    let ends = Ends::of(cell, &ask.tenant, &ask.connection, &ask.target).await?;
    let parts = Parts::open(cell, ask, ends, Limits::default()).await?;
    parts.check_kept().await?;
    let (candidates, _) = parts.candidates(None, progress).await?;
    // Applying begins with the same look.
    let look = Look { effort: parts.effort(), took: cell.clock.monotonic().saturating_sub(began) };
    summed_up(&parts, &candidates, look).await
}

pub(super) async fn summed_up(parts: &Parts<'_>, candidates: &[Candidate], look: Look) -> Result<Plan> {
    let (effort, pace) = (predict::of_all(parts, candidates).await?, parts.store.pace());
    // By the time it is applied, the budget has recovered from the drawing up.
    let available = pace.budget.map_or(0.0, |budget| budget.maximum);
    let seconds = predict::time(effort, look, &pace, available).map(|time| time.as_secs_f64());
    let all = effort + look.effort;
    Ok(Plan {
        format: 1,
        ask: parts.ask.clone(),
        head: parts.reader.head().name.clone(),
        items: candidates.iter().map(|candidate| candidate.item.clone()).collect(),
        orders: sale::orders(parts, candidates).await?,
        requests: all.requests,
        cost: all.cost,
        seconds,
    })
}
