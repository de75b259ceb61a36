//! What of a store is backed up, what can be put back, and what is lost: computed from the table of kinds, the
//! newest snapshot, and what the store grants today.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::Connection;
use connectors::contract::{KindSpec, Loss, Restorable};
use domain::{Action, Delays, Gap, Kind, Timestamp};
use repository::{RepositoryError, Role};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::connect;
use crate::error::Result;

/// How soon changes were kept is told of so long,
const KEPT_SINCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// and of so many commits at most.
const COMMITS_MAX: usize = 500;

/// One kind's coverage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KindCoverage {
    /// The kind.
    pub kind: String,
    /// Whether the newest snapshot holds all of it.
    pub backed_up: bool,
    /// When it was last read.
    pub captured_at: Option<Timestamp>,
    /// Records in the newest snapshot.
    pub records: u64,
    /// Whether it can be put back.
    pub restorable: bool,
    /// Why not, or not wholly.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What does not come back.
    pub lost: Vec<LostField>,
    /// Scopes that reading it needs and that are not granted.
    pub missing_to_read: Vec<String>,
    /// Scopes that restoring it needs and that are not granted.
    pub missing_to_restore: Vec<String>,
    /// What the newest snapshot does not hold, and why.
    pub gaps: Vec<Gap>,
    /// How soon changes were kept. `None` where none was found, or the platform does not say when it changed.
    #[serde(default)]
    pub kept: Option<Kept>,
    /// Whether the platform tells of changes by itself, if it is asked to.
    pub told: bool,
}

/// How soon changes were kept, since the platform changed: rounded up to a power of two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How many changes these are.
    pub changes: u64,
    /// Half of them were kept within so many seconds,
    pub half_within_s: u64,
    /// 99 of 100 within so many,
    pub most_within_s: u64,
    /// and all of them within so many.
    pub all_within_s: u64,
}

impl Kept {
    fn of(delays: &Delays) -> Option<Self> {
        Some(Self {
            changes: delays.count(),
            half_within_s: delays.within_s(500)?,
            most_within_s: delays.within_s(990)?,
            all_within_s: delays.within_s(1_000)?,
        })
    }
}

/// A field that does not come back, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostField {
    /// Which field.
    pub pointer: String,
    /// Why, in words for the shop's owner.
    pub why: String,
}

impl From<&Loss> for LostField {
    fn from(Loss { pointer, why }: &Loss) -> Self {
        Self { pointer: (*pointer).to_owned(), why: (*why).to_owned() }
    }
}

/// A store's coverage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Coverage {
    /// The newest snapshot; `None` where nothing was backed up yet.
    pub snapshot: Option<u64>,
    /// What else the store must approve, in sentences.
    pub approvals: Vec<String>,
    /// Every kind of the platform.
    pub kinds: Vec<KindCoverage>,
}

/// Looks at the store and the newest snapshot.
///
/// # Errors
/// When the store cannot be reached or the snapshot cannot be read.
pub async fn coverage(cell: &Cell, connection: &Connection) -> Result<Coverage> {
    let scope = &connection.scope;
    let grant = cell.grant(scope, &[Action::Backup, Action::Read], "coverage").await?;
    let store = connect::open(cell, connection, &grant).await?;
    let probe = store.probe().await?;
    let known = cell.known_head(scope).await?;
    let mut delays: BTreeMap<Kind, Delays> = BTreeMap::new();
    let newest = match cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await {
        Ok(reader) => {
            let since = cell.clock.now().checked_sub(KEPT_SINCE).unwrap_or(Timestamp::MIN);
            for head in reader.newest(COMMITS_MAX).await? {
                let is_of_late = head.commit.role == Role::Snapshot && head.commit.taken_at >= since;
                for (kind, state) in head.commit.kinds.iter().filter(|_| is_of_late) {
                    delays.entry(kind.clone()).or_default().add_all(&state.delays);
                }
            }
            Some(reader.latest().await?)
        }
        Err(RepositoryError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let missing = |spec: &KindSpec, scopes: &[&str]| -> Vec<String> {
        let missing = probe.missing.iter().filter(|missing| {
            scopes.contains(&missing.scope.as_str())
                && (missing.blocks_reading.iter().any(|kind| kind == spec.name)
                    || missing.blocks_restoring.iter().any(|kind| kind == spec.name))
        });
        missing.map(|missing| missing.scope.clone()).collect()
    };
    let kinds = store.kinds().iter().map(|spec| {
        let kind = Kind::new(spec.name).ok();
        let state = kind.as_ref().and_then(|kind| newest.as_ref()?.commit.kinds.get(kind));
        let (restorable, note) = match spec.restore {
            Restorable::Yes => (true, ""),
            Restorable::UpdateOnly(why) => (true, why),
            Restorable::Never(why) => (false, why),
        };
        KindCoverage {
            kind: spec.name.to_owned(),
            backed_up: state.is_some_and(|state| state.complete && state.gaps.is_empty()),
            captured_at: state.map(|state| state.captured_at),
            records: state.map_or(0, |state| state.records),
            restorable,
            note: note.to_owned(),
            lost: spec.lost.iter().map(LostField::from).collect(),
            missing_to_read: missing(spec, spec.read_scopes),
            missing_to_restore: missing(spec, spec.write_scopes),
            gaps: state.map(|state| state.gaps.clone()).unwrap_or_default(),
            kept: kind.and_then(|kind| Kept::of(delays.get(&kind)?)),
            told: !spec.told.is_empty(),
        }
    });
    Ok(Coverage {
        snapshot: newest.as_ref().map(|head| head.name.number.0),
        approvals: probe.approvals.clone(),
        kinds: kinds.collect(),
    })
}
