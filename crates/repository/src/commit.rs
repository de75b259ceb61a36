//! Commits: one small object per snapshot, which names everything that the snapshot consists of.
//!
//! A commit's name is its number, its generation, and the hash of its sealed bytes, so that a write repeated
//! after a lost answer is the same object, and two writers never overwrite each other. The greatest number
//! counts; among commits of that number the greatest generation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use domain::{Clock, Delays, Gap, Id128, Kind, ObjectPurpose, Rng, Salt, SnapshotNumber, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{RepositoryError, Result};
use crate::keyring::Keyring;
use crate::object::{FORMAT, open_whole, seal_whole};
use crate::store::{Area, Listed};
use crate::view::{Component, Segments};

/// Folder of the commits, in the object store.
pub(crate) const COMMITS: &str = "commit";

/// The leave to write, from the catalog or the directory's lock: it orders rivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// One more than the highest seen in catalog or store.
    pub counter: u64,
    /// The lease's random id, which orders ties.
    pub lease: Id128,
}

/// A commit's name: number, generation and hash of the sealed bytes. Its text form is the *head* that `backup` prints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitName {
    /// Its place in history.
    pub number: SnapshotNumber,
    /// Who wrote it.
    pub generation: Generation,
    /// SHA-256 of the sealed bytes, as 64 hexadecimal digits.
    pub hash: Box<str>,
}

impl fmt::Display for CommitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generation { counter, lease } = self.generation;
        write!(f, "{:020}-{counter:020}-{lease}-{}", self.number.0, self.hash)
    }
}

impl std::str::FromStr for CommitName {
    type Err = RepositoryError;
    fn from_str(text: &str) -> Result<Self> {
        let fail = || RepositoryError::Input(format!("`{text}` is not the name of a commit"));
        let parts: Vec<&str> = text.split('-').collect();
        let [number, counter, lease, hash] = parts[..] else { return Err(fail()) };
        let digits = |text: &str| {
            (text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse().ok())
                .flatten()
        };
        let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match (digits(number), digits(counter), lease.parse(), hex) {
            (Some(number), Some(counter), Ok(lease), true) => Ok(Self {
                number: SnapshotNumber(number),
                generation: Generation { counter, lease },
                hash: hash.into(),
            }),
            _ => Err(fail()),
        }
    }
}

impl TryFrom<String> for CommitName {
    type Error = RepositoryError;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<CommitName> for String {
    fn from(name: CommitName) -> String {
        name.to_string()
    }
}

/// What a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A backup.
    Snapshot,
    /// Snapshots were dropped, or indexes merged; content is as before.
    Maintenance,
    /// A lease that will delete has announced itself.
    Fence,
}

/// What a snapshot knows of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindState {
    /// When it was read, which may be long before it was written.
    pub captured_at: Timestamp,
    /// When all of it that can be seen was last listed to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept_at: Option<Timestamp>,
    /// Whether everything that was asked for was read.
    pub complete: bool,
    /// From where the next increment starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Value>,
    /// Records that exist in this snapshot.
    pub records: u64,
    /// Columns of the kind's summaries, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What is not there, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// How long it took until the changes were kept that this snapshot brought, as far as the platform says when it changed.
    #[serde(default, skip_serializing_if = "Delays::is_empty")]
    pub delays: Delays,
}

/// An earlier commit that can be reached from here in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its name.
    pub name: CommitName,
    /// Its time.
    pub taken_at: Timestamp,
}

/// A commit's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The format's version.
    pub format: u8,
    /// Whose data it is.
    pub scope: domain::Scope,
    /// Its place in history.
    pub number: SnapshotNumber,
    /// Who wrote it.
    pub generation: Generation,
    /// What it is.
    pub role: Role,
    /// When it was made; never before its parent, whatever the clock says.
    pub taken_at: Timestamp,
    /// Whether every kind is complete.
    pub complete: bool,
    /// The commits 1, 2, 4, 8, … before it. The first is its parent; its name holds its hash.
    pub ancestors: Vec<Ancestor>,
    /// What it knows of each kind.
    pub kinds: BTreeMap<Kind, KindState>,
    /// Where all entries stand, newest component first.
    pub(crate) components: Vec<Component>,
    /// Buckets of the tables of people's keys that its records need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) buckets: Vec<u8>,
    /// Numbers of the snapshots that were dropped, as ranges with both ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<(u64, u64)>,
    /// Packs that this commit copied together from others, by the snapshot that they belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) copied: Vec<Component>,
    /// Packs that it names no more: what still counts of them stands in those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dropped: Vec<Id128>,
}

impl Commit {
    /// A commit that follows `parent` and says the same; the caller changes what is new.
    pub(crate) async fn after(
        segments: &Segments,
        parent: Option<&Head>,
        generation: Generation,
        role: Role,
        clock: &dyn Clock,
    ) -> Result<Self> {
        let ancestors = ancestors(&segments.keyring, &segments.area, parent).await?;
        let now = clock.now();
        let scope = segments.keyring.scope.clone();
        Ok(match parent {
            None => Self {
                format: FORMAT,
                scope,
                number: SnapshotNumber(1),
                generation,
                role,
                taken_at: now,
                complete: true,
                ancestors,
                kinds: BTreeMap::new(),
                components: Vec::new(),
                buckets: Vec::new(),
                pruned: Vec::new(),
                copied: Vec::new(),
                dropped: Vec::new(),
            },
            Some(parent) => Self {
                number: parent.name.number.next(),
                generation,
                role,
                taken_at: parent.commit.taken_at.max(now),
                ancestors,
                kinds: parent.commit.kinds_after(),
                copied: Vec::new(),
                dropped: Vec::new(),
                ..parent.commit.clone()
            },
        })
    }

    /// What is known of each kind in a commit that follows. What this one brought, that one does not.
    pub(crate) fn kinds_after(&self) -> BTreeMap<Kind, KindState> {
        let mut kinds = self.kinds.clone();
        kinds.values_mut().for_each(|state| state.delays = Delays::default());
        kinds
    }

    /// The name of the commit before it.
    #[must_use]
    pub fn parent(&self) -> Option<&CommitName> {
        self.ancestors.first().map(|ancestor| &ancestor.name)
    }

    /// Whether the snapshot with this number was dropped.
    #[must_use]
    pub fn is_pruned(&self, number: SnapshotNumber) -> bool {
        self.pruned.iter().any(|(from, to)| (*from..=*to).contains(&number.0))
    }
}

/// A commit with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Its name, which holds its hash.
    pub name: CommitName,
    /// Its content.
    pub commit: Commit,
}

/// SHA-256 of some bytes, as 64 hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> Box<str> {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}

fn aad_name(number: SnapshotNumber, generation: Generation) -> String {
    format!("{COMMITS}/{:020}-{:020}-{}", number.0, generation.counter, generation.lease)
}

/// Seals a commit and gives it its name.
pub(crate) async fn seal(
    keyring: &Arc<Keyring>,
    data_key: domain::DataKeyId,
    rng: &dyn Rng,
    commit: &Commit,
) -> Result<(CommitName, Vec<u8>)> {
    let mut salt = Salt([0; 32]);
    rng.fill(&mut salt.0);
    let plain = serde_json::to_vec(commit)
        .map_err(|error| RepositoryError::Input(format!("the commit cannot be written: {error}")))?;
    let aad = aad_name(commit.number, commit.generation);
    let sealed = seal_whole(keyring, data_key, ObjectPurpose::Commit, salt, &aad, &plain).await?;
    let hash = sha256_hex(&sealed);
    Ok((CommitName { number: commit.number, generation: commit.generation, hash }, sealed))
}

/// Reads, checks and opens a commit.
pub(crate) async fn read(keyring: &Arc<Keyring>, area: &Area, name: &CommitName) -> Result<Commit> {
    let object = format!("{COMMITS}/{name}");
    let full = area.full(&object);
    let sealed = area.get(&object).await?;
    if sha256_hex(&sealed) != name.hash {
        return Err(RepositoryError::damaged(&full, "its bytes do not have the hash in its name"));
    }
    let aad = aad_name(name.number, name.generation);
    let plain = open_whole(keyring, ObjectPurpose::Commit, &full, &aad, &sealed).await?;
    let commit: Commit = serde_json::from_slice(&plain)
        .map_err(|error| RepositoryError::damaged(&full, format!("it is not a commit: {error}")))?;
    let fits = commit.format == FORMAT
        && commit.scope == keyring.scope
        && commit.number == name.number
        && commit.generation == name.generation
        && commit.parent().map_or(Some(1), |parent| parent.number.0.checked_add(1)) == Some(commit.number.0);
    if !fits {
        return Err(RepositoryError::damaged(&full, "it contradicts its name or its place"));
    }
    Ok(commit)
}

/// The name of a commit that stands in the store.
pub(crate) fn name_of(area: &Area, object: &Listed) -> Result<CommitName> {
    let name = object.name.strip_prefix(COMMITS).and_then(|name| name.strip_prefix('/')).unwrap_or_default();
    name.parse().map_err(|_| {
        RepositoryError::damaged(&area.full(&object.name), "it stands among the commits and is none")
    })
}

/// All commits' names, in order.
pub(crate) async fn list(area: &Area) -> Result<Vec<CommitName>> {
    let mut names = Vec::new();
    for object in area.list(COMMITS).await? {
        names.push(name_of(area, &object)?);
    }
    names.sort();
    Ok(names)
}

/// The newest commit: greatest number, then greatest generation. `None` where there is none.
///
/// One that does not verify is an error, not a reason to take an older one: that would be a rollback.
pub(crate) async fn newest(keyring: &Arc<Keyring>, area: &Area) -> Result<Option<Head>> {
    let Some(name) = list(area).await?.pop() else { return Ok(None) };
    let commit = read(keyring, area, &name).await?;
    Ok(Some(Head { name, commit }))
}

/// The skip pointers of a commit that follows `parent`: the commits 1, 2, 4, … before it.
pub(crate) async fn ancestors(
    keyring: &Arc<Keyring>,
    area: &Area,
    parent: Option<&Head>,
) -> Result<Vec<Ancestor>> {
    let Some(parent) = parent else { return Ok(Vec::new()) };
    let mut found = vec![Ancestor { name: parent.name.clone(), taken_at: parent.commit.taken_at }];
    // The commit 2k before us is k before the one that is k before us.
    let mut step = parent.commit.clone();
    let mut turn = 0;
    while let Some(next) = step.ancestors.get(turn).cloned() {
        step = read(keyring, area, &next.name).await?;
        found.push(next);
        turn += 1;
    }
    Ok(found)
}

/// The newest commit, at or before `head`, that `fits`; `fits` must be monotone along history (true for all
/// commits before one for which it is true).
pub(crate) async fn find(
    keyring: &Arc<Keyring>,
    area: &Area,
    head: &Head,
    fits: impl Fn(SnapshotNumber, Timestamp) -> bool,
) -> Result<Option<Head>> {
    let mut here = head.clone();
    loop {
        if fits(here.name.number, here.commit.taken_at) {
            return Ok(Some(here));
        }
        // The farthest ancestor that still does not fit leaps over no candidate; else the parent is next.
        let far = here.commit.ancestors.iter().rev().find(|a| !fits(a.name.number, a.taken_at));
        let Some(next) = far.or_else(|| here.commit.ancestors.first()).cloned() else { return Ok(None) };
        let commit = read(keyring, area, &next.name).await?;
        here = Head { name: next.name, commit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_sort_by_number_then_generation() {
        let name = |number, counter, lease: u8| CommitName {
            number: SnapshotNumber(number),
            generation: Generation { counter, lease: Id128([lease; 16]) },
            hash: "0".repeat(64).into(),
        };
        let sorted = [name(1, 9, 9), name(2, 1, 7), name(2, 1, 8), name(2, 10, 0), name(10, 0, 0)];
        assert!(sorted.is_sorted());
        let texts: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted(), "the text sorts as the name does");
        for (name, text) in sorted.iter().zip(&texts) {
            assert_eq!(&text.parse::<CommitName>().unwrap(), name);
        }
        assert!("1-2-3-4".parse::<CommitName>().is_err());
    }
}
