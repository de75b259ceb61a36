//! What of a store is backed up, what can be put back, and what is lost: computed from the table of kinds, the
//! newest snapshot, and what the store grants today.

use catalog::Connection;
use connectors::contract::{KindSpec, Loss, Restorable};
use domain::{Action, Gap, Kind, Timestamp};
use repository::RepositoryError;
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::connect;
use crate::error::Result;

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
    let newest = match cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await {
        Ok(reader) => Some(reader.latest().await?),
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
        let state = Kind::new(spec.name)
            .ok()
            .and_then(|kind| newest.as_ref().and_then(|head| head.commit.kinds.get(&kind)));
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
        }
    });
    Ok(Coverage {
        snapshot: newest.as_ref().map(|head| head.name.number.0),
        approvals: probe.approvals.clone(),
        kinds: kinds.collect(),
    })
}
