//! What a restore did: counted while it goes on, and as it is told at the end.

use std::collections::{BTreeMap, BTreeSet};

use connectors::contract::{Applied, Effort, PlanAction, Usage};
use domain::{Action, Id128, Kind, RecordKey, TenantId};
use serde::{Deserialize, Serialize};

use super::pieces::{Limits, Pieces, States, read_piece, state_name};
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
    /// Items set back, whole.
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

    /// Notes what became of an item that was looked at, and perhaps written, a second time. Where that was done whole,
    /// what was wrong at first is over.
    pub(super) fn told_again(&mut self, turn: usize, new_id: Option<Box<str>>, applied: Applied) {
        if let Some(first) = self.items.get_mut(&turn) {
            if applied.problems.is_empty() {
                first.problems.clear();
            }
            let new = applied.problems.into_iter().filter(|new| !first.problems.contains(new));
            let new: Vec<String> = new.collect();
            first.problems.extend(new);
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
            // What was made counts, also where something is missing of it.
            created: count(|item| {
                item.action == PlanAction::Create && (item.problems.is_empty() || item.new_id.is_some())
            }),
            updated: count(|item| item.action == PlanAction::Update && item.problems.is_empty()),
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

/// The name of what is known of a restore that goes on.
pub(super) const SO_FAR: &str = "so-far";

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

/// A report as it is sealed: its items stand in pieces.
#[derive(Serialize, Deserialize)]
struct SealedReport {
    #[serde(flatten)]
    report: RestoreReport,
    /// How many pieces there are. None: the items stand in the report.
    #[serde(default)]
    pieces: u64,
}

const REPORT: &str = "report";

/// Seals a report, first its items and then what names them.
pub(super) async fn seal(states: States<'_>, report: &RestoreReport, limits: &Limits) -> Result<()> {
    let mut pieces = Pieces::after(0, states, report.restore, REPORT, limits);
    for item in &report.items {
        pieces.push(item).await?;
    }
    let pieces = pieces.end().await?;
    let report = RestoreReport { items: Vec::new(), ..report.clone() };
    let name = state_name(report.restore, REPORT);
    states.put_json(&name, &SealedReport { report, pieces }).await
}

/// The sealed report of a restore.
///
/// # Errors
/// Not found where there is no such restore of the tenant's.
pub async fn show(cell: &Cell, tenant: &TenantId, restore: Id128) -> Result<RestoreReport> {
    let row = cell.catalog.restore(tenant, restore).await?;
    let connection = cell.connection(tenant, &row.connection).await?;
    let states = States { cell, scope: &connection.scope };
    let sealed: Option<SealedReport> = states.get(&state_name(restore, REPORT), Action::Read).await?;
    let SealedReport { mut report, pieces } = sealed.ok_or_else(|| {
        FlowError::Conflict(format!(
            "restore {restore} has not ended yet ({}): apply its plan again, or undo it",
            row.state.as_str()
        ))
    })?;
    for piece in 0..pieces {
        report.items.extend(read_piece::<ItemReport>(&states, restore, piece, REPORT, Action::Read).await?);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_pass_cures_all_or_adds_to_what_is_told() {
        let key = RecordKey::new("page".parse().unwrap(), "1").unwrap();
        let check = |second: &[&str], expected: &[&str]| {
            let applied = |problems: &[&str]| Applied {
                problems: problems.iter().map(|one| (*one).to_owned()).collect(),
                ..Applied::default()
            };
            let mut tally = Tally::default();
            tally.told(0, &key, PlanAction::Create, None, applied(&["a", "b"]));
            tally.told_again(0, None, applied(second));
            assert_eq!(tally.report(Id128([0; 16])).items[0].problems, expected, "{second:?}");
        };
        check(&[], &[]);
        check(&["b"], &["a", "b"]);
        check(&["c"], &["a", "b", "c"]);
    }
}
