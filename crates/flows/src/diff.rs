//! What changed between two snapshots, field by field.

use connectors::contract::FieldChange;
use domain::{Gap, Kind, SnapshotNumber};
use repository::{Reader, Record, RepositoryError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::export::Told;
use crate::fields::{differences, shared};

/// A record that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Box<str>,
    /// Its fields that differ.
    pub fields: Vec<FieldChange>,
}

/// A record that came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Box<str>,
}

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// New records.
    pub added: Vec<Named>,
    /// Changed records.
    pub changed: Vec<Changed>,
    /// Records that are gone.
    pub removed: Vec<Named>,
    /// What could not be compared, and why; only where a live store was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// Compares two snapshots.
///
/// # Errors
/// When a record is damaged or cannot be read.
pub async fn diff(
    reader: &Reader,
    from: SnapshotNumber,
    to: SnapshotNumber,
    kind: Option<&Kind>,
    told: Told<'_>,
) -> Result<Diff> {
    let mut diff = Diff::default();
    let mut compared = 0;
    let mut walk = reader.differences(from, to).await?;
    while let Some(difference) = walk.next().await? {
        if kind.is_none_or(|kind| *kind == difference.key.kind) {
            diff.note(reader, (from, to), difference).await?;
            compared += 1;
            told("comparing", compared);
        }
    }
    Ok(diff)
}

impl Diff {
    /// Notes one record that differs between two snapshots.
    pub(crate) async fn note(
        &mut self,
        reader: &Reader,
        (from, to): (SnapshotNumber, SnapshotNumber),
        difference: repository::Difference,
    ) -> Result<()> {
        let key = difference.key;
        let named = Named { kind: key.kind.clone(), id: key.id.clone() };
        match (difference.before, difference.after) {
            (false, _) => self.added.push(named),
            (true, false) => self.removed.push(named),
            (true, true) => {
                let both = async {
                    Ok::<_, RepositoryError>((reader.get(&key, from).await?, reader.get(&key, to).await?))
                };
                match both.await {
                    Ok((before, after)) => self.changed.extend(Changed::of(&before, &after)),
                    // A person whose key was destroyed: there is nothing left to compare.
                    Err(RepositoryError::Erased(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

impl Changed {
    /// What differs between two versions of a record; nothing where that is only what is selected.
    pub(crate) fn of(before: &Record, after: &Record) -> Option<Self> {
        let (older, newer) = (parse(&before.payload), parse(&after.payload));
        let key = after.key.clone();
        if before.meta.selection_digest == after.meta.selection_digest {
            return Some(Self::between(key, &older, &newer));
        }
        let changed = Self::between(key, &shared(&older, &newer), &shared(&newer, &older));
        // Where other bytes belong to it, it has changed all the same.
        (!changed.fields.is_empty() || before.meta.media_refs != after.meta.media_refs).then_some(changed)
    }

    /// What differs between two payloads.
    pub(crate) fn between(key: domain::RecordKey, before: &Value, after: &Value) -> Self {
        let fields = differences(before, after).iter().map(crate::fields::Difference::shown).collect();
        Self { kind: key.kind, id: key.id, fields }
    }
}

/// A payload as JSON; one that is none counts as text.
pub(crate) fn parse(payload: &[u8]) -> Value {
    serde_json::from_slice(payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()))
}
