//! What a restore did: counted while it goes on, and as it is told at the end.

use std::collections::{BTreeMap, BTreeSet};

use catalog::LedgerEntry;
use connectors::contract::{Applied, Effort, PlanAction, Usage};
use domain::{Action, ConnectionId, Id128, Kind, RecordKey, TenantId};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemReport {
    /// Its kind.
    pub kind: Kind,
    /// Its id in the backup.
    pub id: Box<str>,
    /// Its id on the live store now, where it is there.
    pub new_id: Option<Box<str>>,
    /// What was to be done.
    #[serde(flatten)]
    pub action: PlanAction,
    /// What could not be done, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// It cannot be known whether it was made twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub possibly_twice: bool,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The restore's id: `restore undo ID` takes it back.
    pub restore: Id128,
    /// Whether everything that was planned is done.
    pub complete: bool,
    /// Items made anew.
    pub created: u64,
    /// Items set back.
    pub updated: u64,
    /// Items deleted (by an undo).
    pub deleted: u64,
    /// Items that needed nothing.
    pub skipped: u64,
    /// Items that could not be restored.
    pub cannot: u64,
    /// Requests sent, by interrupted attempts too: those of an attempt that was killed count up to half a minute
    /// before its end.
    pub requests: u64,
    /// Requests that were throttled.
    pub throttled: u64,
    /// What the requests cost from the platform's budget, in its own unit.
    #[serde(default)]
    pub cost: u64,
    /// How long it took, in milliseconds: the attempts, not what lay between them.
    pub duration_ms: u64,
    /// Every item that was touched or could not be.
    pub items: Vec<ItemReport>,
}

/// What became of the items so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By their turn in the plan, so that the report has its order whatever ended first.
    items: BTreeMap<usize, ItemReport>,
    skipped: u64,
    /// Items that are done, of those to be written.
    pub(super) done: u64,
    /// What is still to be sent, as far as was predicted.
    pub(super) left: Effort,
}

impl Tally {
    /// Nothing is done yet; so much is to be sent.
    pub(super) fn of(left: Effort) -> Self {
        Self { left, ..Self::default() }
    }

    /// Notes what became of an item.
    pub(super) fn told(
        &mut self,
        turn: usize,
        key: &RecordKey,
        action: PlanAction,
        new_id: Option<Box<str>>,
        applied: Applied,
    ) {
        let Applied { problems, possibly_twice, .. } = applied;
        let (kind, id) = (key.kind.clone(), key.id.clone());
        self.done += u64::from(!matches!(action, PlanAction::Cannot { .. }));
        self.items.insert(turn, ItemReport { kind, id, new_id, action, problems, possibly_twice });
    }

    /// Notes what became of an item that was looked at, and perhaps written, a second time.
    pub(super) fn told_again(&mut self, turn: usize, new_id: Option<Box<str>>, applied: Applied) {
        if let Some(first) = self.items.get_mut(&turn) {
            first.problems = applied.problems;
            first.possibly_twice |= applied.possibly_twice;
            first.new_id = new_id;
        }
    }

    /// Notes an item that needed nothing.
    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
    }

    /// The report, but for what it took.
    pub(super) fn report(self, restore: Id128) -> RestoreReport {
        let items: Vec<ItemReport> = self.items.into_values().collect();
        let count = |matches: fn(&ItemReport) -> bool| {
            u64::try_from(items.iter().filter(|item| matches(item)).count()).unwrap_or(u64::MAX)
        };
        RestoreReport {
            restore,
            complete: items.iter().all(|item| item.problems.is_empty() && !item.possibly_twice),
            created: count(|item| item.action == PlanAction::Create),
            updated: count(|item| item.action == PlanAction::Update),
            deleted: count(|item| item.action == PlanAction::Delete && item.problems.is_empty()),
            skipped: self.skipped,
            cannot: count(|item| matches!(item.action, PlanAction::Cannot { .. })),
            requests: 0,
            throttled: 0,
            cost: 0,
            duration_ms: 0,
            items,
        }
    }
}

/// What is known of a restore that goes on: sealed now and then, so that the report of one that was interrupted
/// covers all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SoFar {
    pub(super) usage: Usage,
    pub(super) duration_ms: u64,
    /// Items of which it cannot be known whether they were made twice.
    pub(super) doubtful: BTreeSet<RecordKey>,
}

impl SoFar {
    /// The same after an attempt that used so much more, and took so much longer.
    pub(super) fn with(&self, usage: Usage, duration: std::time::Duration) -> Self {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            usage: Usage {
                requests: self.usage.requests.saturating_add(usage.requests),
                throttled: self.usage.throttled.saturating_add(usage.throttled),
                bytes_read: self.usage.bytes_read.saturating_add(usage.bytes_read),
                cost: self.usage.cost.saturating_add(usage.cost),
            },
            duration_ms: self.duration_ms.saturating_add(duration_ms),
            doubtful: self.doubtful.clone(),
        }
    }
}

pub(super) fn state_name(restore: Id128, what: &str) -> String {
    format!("restore-{restore}-{what}")
}

/// The name of the sealed id ledger.
pub const LEDGER: &str = "id-ledger";

/// A ledger entry as it is sealed into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEntry {
    /// Into which connection.
    pub target: ConnectionId,
    /// Its kind and the id that it has in the snapshots.
    pub old: RecordKey,
    /// The id that it has in the target.
    pub new_id: Box<str>,
    /// By which restore.
    pub restore: Id128,
    /// When.
    pub recorded_at: domain::Timestamp,
}

impl From<LedgerEntry> for SealedEntry {
    fn from(entry: LedgerEntry) -> Self {
        let LedgerEntry { target, old, new_id, restore, recorded_at, .. } = entry;
        Self { target, old, new_id, restore, recorded_at }
    }
}

/// The sealed report of a restore.
///
/// # Errors
/// Not found where there is no such restore of the tenant's.
pub async fn show(cell: &Cell, tenant: &TenantId, restore: Id128) -> Result<RestoreReport> {
    let row = cell.catalog.restore(tenant, restore).await?;
    let connection = cell.connection(tenant, &row.connection).await?;
    let grant = cell.grant(&connection.scope, &[Action::Read], "show a restore").await?;
    let repository = cell.repository(&connection.scope);
    let text = repository.state(&grant, Action::Read, &state_name(restore, "report")).await?;
    let text = text.ok_or_else(|| {
        FlowError::Conflict(format!(
            "restore {restore} has not ended yet ({:?}): apply its plan again",
            row.state
        ))
    })?;
    serde_json::from_slice(&text)
        .map_err(|error| FlowError::Integrity(format!("the report is damaged: {error}")))
}
