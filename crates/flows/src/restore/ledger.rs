//! The id ledger as it is sealed into the store: piece after piece, grown while restores go on.
//!
//! The catalog is where it is read; what is sealed brings it back where the catalog is lost.

use std::collections::BTreeSet;

use catalog::LedgerEntry;
use domain::{Action, ConnectionId, Grant, Id128, RecordKey};
use repository::Repository;
use serde::{Deserialize, Serialize};

use super::pieces::{Limits, States};
use crate::error::{ErrorKind, FlowError, Result};

/// The name of the first piece of the sealed id ledger.
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

fn name(piece: u64) -> String {
    if piece == 0 { LEDGER.to_owned() } else { format!("{LEDGER}-{piece:08}") }
}

/// The whole ledger as it is sealed, in the order of writing.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(crate) async fn sealed_ledger(
    repository: &Repository,
    grant: &Grant,
    action: Action,
) -> Result<Vec<SealedEntry>> {
    Ok(pieces(repository, grant, action).await?.into_iter().flatten().collect())
}

/// Empties all pieces up to the last one of these, and makes those that are missing.
async fn empty(states: &States<'_>, names: &[String]) -> Result<()> {
    let number = |found: &String| found.strip_prefix(LEDGER)?.strip_prefix('-')?.parse::<u64>().ok();
    let last = names.iter().filter_map(number).max().unwrap_or_default();
    for piece in 0..=last {
        states.put(&name(piece), b"[]").await?;
    }
    Ok(())
}

async fn pieces(repository: &Repository, grant: &Grant, action: Action) -> Result<Vec<Vec<SealedEntry>>> {
    let mut pieces = Vec::new();
    let names = repository.state_names(LEDGER).await?;
    for (piece, found) in (0..).zip(names) {
        if found != name(piece) {
            return Err(FlowError::Integrity(format!("the id ledger's piece `{}` is missing", name(piece))));
        }
        let text = repository.state(grant, action, &found).await?.unwrap_or_default();
        let entries: Vec<SealedEntry> = serde_json::from_slice(&text)
            .map_err(|error| FlowError::Integrity(format!("the sealed id ledger is damaged: {error}")))?;
        pieces.push(entries);
    }
    Ok(pieces)
}

/// What is written to the sealed ledger next.
pub(super) struct SealedLedger {
    /// The piece that is open.
    piece: u64,
    /// What it holds, without the end of the list.
    text: Vec<u8>,
    piece_len: usize,
}

impl SealedLedger {
    /// Opens it for writing. Answers too which of the catalog's entries it does not hold yet. One that is damaged is
    /// written anew from the catalog.
    pub(super) async fn open(
        states: &States<'_>,
        known: &[LedgerEntry],
        limits: &Limits,
    ) -> Result<(Self, Vec<SealedEntry>)> {
        let grant = states.cell.grant(states.scope, &[Action::Restore], "read the id ledger").await?;
        let repository = states.cell.repository(states.scope);
        let mut pieces = match pieces(&repository, &grant, Action::Restore).await {
            Ok(pieces) => pieces,
            Err(error) if error.kind() == ErrorKind::Integrity => {
                tracing::warn!(%error, "the sealed id ledger is written anew");
                empty(states, &repository.state_names(LEDGER).await?).await?;
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let last = pieces.pop().unwrap_or_default();
        let mut ledger = Self {
            piece: u64::try_from(pieces.len()).unwrap_or(u64::MAX),
            text: Vec::new(),
            piece_len: limits.piece_len,
        };
        for entry in &last {
            ledger.add(entry)?;
        }
        let there: BTreeSet<_> = pieces.iter().flatten().chain(&last).map(identity).collect();
        let known = known.iter().cloned().map(SealedEntry::from);
        let missing = known.filter(|entry| !there.contains(&identity(entry))).collect();
        Ok((ledger, missing))
    }

    fn add(&mut self, entry: &SealedEntry) -> Result<()> {
        let mut text = serde_json::to_vec(entry)
            .map_err(|error| FlowError::Input(format!("the id ledger cannot be written as JSON: {error}")))?;
        self.text.push(if self.text.is_empty() { b'[' } else { b',' });
        self.text.append(&mut text);
        Ok(())
    }

    /// Seals more entries, durably.
    pub(super) async fn seal(&mut self, states: &States<'_>, entries: &[SealedEntry]) -> Result<()> {
        for entry in entries {
            self.add(entry)?;
            if self.text.len() >= self.piece_len {
                self.put(states).await?;
                self.text.clear();
                self.piece += 1;
            }
        }
        if entries.is_empty() || self.text.is_empty() { Ok(()) } else { self.put(states).await }
    }

    async fn put(&self, states: &States<'_>) -> Result<()> {
        let whole = [self.text.as_slice(), b"]"].concat();
        states.put(&name(self.piece), &whole).await
    }
}

type Identity<'a> = (&'a str, &'a RecordKey, &'a str, Id128);

fn identity(entry: &SealedEntry) -> Identity<'_> {
    (entry.target.as_str(), &entry.old, &entry.new_id, entry.restore)
}
