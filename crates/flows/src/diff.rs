//! What changed between two snapshots, field by field.

use connectors::contract::FieldChange;
use domain::{Kind, SnapshotNumber};
use repository::Reader;
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::fields::differences;

/// A record that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Box<str>,
    /// Its fields that differ.
    pub fields: Vec<FieldChange>,
}

/// A record that came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Box<str>,
}

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Diff {
    /// New records.
    pub added: Vec<Named>,
    /// Changed records.
    pub changed: Vec<Changed>,
    /// Records that are gone.
    pub removed: Vec<Named>,
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
) -> Result<Diff> {
    let mut diff = Diff::default();
    let mut walk = reader.differences(from, to).await?;
    while let Some(difference) = walk.next().await? {
        let key = difference.key;
        if kind.is_some_and(|kind| *kind != key.kind) {
            continue;
        }
        let named = Named { kind: key.kind.clone(), id: key.id.clone() };
        match (difference.before, difference.after) {
            (false, _) => diff.added.push(named),
            (true, false) => diff.removed.push(named),
            (true, true) => {
                let before = reader.get(&key, from).await?;
                let after = reader.get(&key, to).await?;
                let (before, after) = (parse(&before.payload), parse(&after.payload));
                let fields =
                    differences(&before, &after).iter().map(crate::fields::Difference::shown).collect();
                diff.changed.push(Changed { kind: key.kind, id: key.id, fields });
            }
        }
    }
    Ok(diff)
}

/// A payload as JSON; one that is none counts as text.
fn parse(payload: &[u8]) -> Value {
    serde_json::from_slice(payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()))
}
