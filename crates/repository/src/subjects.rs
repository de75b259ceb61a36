//! Tables of people's keys, in the key store.
//!
//! Every person has a key of their own, wrapped under the connection's data key. The wrapped keys stand in 256
//! tables, by the first byte of the person's tag. A table is never changed in place: each version is a new
//! object. Of several, that of the newest lease counts among those whose lease has a commit in the history that
//! is looked at: a writer that lost its lease may still write a table, made without the keys of whoever came
//! between, and its commit never comes, or loses.
//! Erasing a person writes that table anew without the key and with the tag in
//! its list of destroyed ones, and then deletes every older version.
//!
//! A key that is missing and not listed as destroyed is damage.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::{DataKeyId, KeyedHash, ObjectPurpose, Rng, Salt, SubjectId, SubjectTag, WrappedSubjectKey};

use crate::commit::{self, Generation, Head};
use crate::encoding::{Bytes, put_count};
use crate::error::{RepositoryError, Result};
use crate::inspect::integrity;
use crate::keyring::Keyring;
use crate::object::{read_whole, seal_whole};
use crate::store::Area;

/// Folder of the tables, in the key store.
pub(crate) const SUBJECTS: &str = "subjects";

/// One version of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) keys: BTreeMap<SubjectTag, WrappedSubjectKey>,
    pub(crate) destroyed: BTreeSet<SubjectTag>,
}

impl Table {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.keys.len() * 76 + self.destroyed.len() * 16 + 8);
        put_count(&mut out, self.keys.len());
        for (tag, wrapped) in &self.keys {
            out.extend_from_slice(&tag.0);
            out.extend_from_slice(&wrapped.0);
        }
        put_count(&mut out, self.destroyed.len());
        self.destroyed.iter().for_each(|tag| out.extend_from_slice(&tag.0));
        out
    }

    /// `None` where the bytes make no sense.
    pub(crate) fn read(plain: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(plain);
        let mut table = Self::default();
        for _ in 0..bytes.count()? {
            let tag = SubjectTag(bytes.array()?);
            let in_order = table.keys.last_key_value().is_none_or(|(last, _)| *last < tag);
            table.keys.insert(tag, WrappedSubjectKey(bytes.array()?));
            in_order.then_some(())?;
        }
        for _ in 0..bytes.count()? {
            let tag = SubjectTag(bytes.array()?);
            let in_order = table.destroyed.last().is_none_or(|last| *last < tag);
            table.destroyed.insert(tag);
            in_order.then_some(())?;
        }
        bytes.is_empty().then_some(table)
    }
}

/// A person's key, as a reader finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubjectKey {
    Present(WrappedSubjectKey),
    Destroyed,
}

/// A version's name: bucket, counter, and the lease that wrote it, which orders two writers as commits are.
pub(crate) fn table_name(bucket: u8, counter: u64, generation: domain::Id128) -> String {
    format!("{SUBJECTS}/{bucket:02x}-{counter:016x}-{generation}")
}

/// 128 bits that sort as generations do: the counter, then the first half of the lease's random id.
///
/// The table of a writer that was overtaken sorts before the one that the next lease writes.
fn lease_id(lease: Generation) -> domain::Id128 {
    let bytes = lease.counter.to_be_bytes().into_iter().chain(lease.lease.0);
    let mut id = [0; 16];
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    domain::Id128(id)
}

/// A version's name in its parts: bucket, counter, and lease as [`lease_id`] has it. Only the spelling of
/// [`table_name`] is one.
pub(crate) fn read_name(name: &str) -> Option<(u8, u64, domain::Id128)> {
    let mut parts = name.rsplit('/').next()?.split('-');
    let bucket = u8::from_str_radix(parts.next()?, 16).ok()?;
    let counter = u64::from_str_radix(parts.next()?, 16).ok()?;
    let lease = parts.next()?.parse().ok()?;
    (table_name(bucket, counter, lease) == name).then_some((bucket, counter, lease))
}

/// One version of a table, as listed. They sort by lease, then counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    lease: domain::Id128,
    counter: u64,
    name: String,
}

/// Which of a bucket's versions counts.
fn choose<'a>(versions: &'a [Version], committed: &HashSet<domain::Id128>) -> Option<&'a Version> {
    let counts = versions.iter().filter(|version| committed.contains(&version.lease)).max();
    counts.or(versions.iter().max())
}

/// The leases of the commits from `head` back to `oldest`: generations never grow on the way back.
async fn leases(
    keyring: &Arc<Keyring>,
    objects: &Area,
    head: Option<&Head>,
    oldest: domain::Id128,
) -> Result<HashSet<domain::Id128>> {
    let mut found = HashSet::new();
    let mut here = head.map(|head| head.commit.clone());
    while let Some(commit) = here {
        found.insert(lease_id(commit.generation));
        here = match commit.parent() {
            Some(parent) if lease_id(parent.generation) >= oldest => {
                Some(commit::read(keyring, objects, parent).await?)
            }
            _ => None,
        };
    }
    Ok(found)
}

/// The tables of one connection, loaded as needed.
#[derive(Debug)]
pub(crate) struct Subjects {
    keyring: Arc<Keyring>,
    area: Area,
    /// The version of each table that counts, with the highest counter that any version has.
    newest: BTreeMap<u8, Version>,
    loaded: HashMap<u8, Table>,
    /// Whether any table stood there in more than one version when they were listed.
    has_older: bool,
    /// Tables that were found damaged: each is reported once and not read again.
    damaged: BTreeSet<u8>,
    changed: BTreeSet<u8>,
}

fn bucket(tag: &SubjectTag) -> u8 {
    tag.0.first().copied().unwrap_or_default()
}

impl Subjects {
    /// Lists the tables; where one has several versions, `head` and its history tell which counts.
    pub(crate) async fn open(
        keyring: &Arc<Keyring>,
        area: &Area,
        objects: &Area,
        head: Option<&Head>,
    ) -> Result<Self> {
        let mut versions: BTreeMap<u8, Vec<Version>> = BTreeMap::new();
        for object in area.list(SUBJECTS).await? {
            let Some((bucket, counter, lease)) = read_name(&object.name) else { continue };
            versions.entry(bucket).or_default().push(Version { lease, counter, name: object.name });
        }
        let several = versions.values().filter(|versions| versions.len() > 1).flatten();
        let oldest = several.map(|version| version.lease).min();
        let committed = match oldest {
            None => HashSet::new(),
            Some(oldest) => leases(keyring, objects, head, oldest).await?,
        };
        let mut newest = BTreeMap::new();
        for (bucket, versions) in versions {
            let highest = versions.iter().map(|version| version.counter).max().unwrap_or_default();
            if let Some(counts) = choose(&versions, &committed) {
                newest.insert(bucket, Version { counter: highest, ..counts.clone() });
            }
        }
        Ok(Self {
            keyring: Arc::clone(keyring),
            area: area.clone(),
            newest,
            loaded: HashMap::new(),
            has_older: oldest.is_some(),
            damaged: BTreeSet::new(),
            changed: BTreeSet::new(),
        })
    }

    /// Reads every table that there is, or that a commit names; answers what is wrong with them.
    pub(crate) async fn load_all(&mut self, named: &[u8]) -> Result<Vec<RepositoryError>> {
        let buckets: BTreeSet<u8> = self.newest.keys().chain(named).copied().collect();
        let mut found = Vec::new();
        for bucket in buckets {
            let loaded = match self.newest.get(&bucket) {
                Some(_) => self.table(bucket).await.map(drop),
                None => Err(RepositoryError::Missing {
                    object: self.area.full(&format!("{SUBJECTS}/{bucket:02x}")),
                }),
            };
            if let Err(error) = loaded {
                found.push(integrity(error)?);
                self.damaged.insert(bucket);
            }
        }
        Ok(found)
    }

    /// For the first snapshot of all: tables that do not open are those of a first one that never came, under a key
    /// that is gone. Nothing was ever sealed under the keys in them that anybody could miss, so they are written anew.
    pub(crate) async fn begin_anew(&mut self) -> Result<()> {
        for bucket in self.newest.keys().copied().collect::<Vec<u8>>() {
            if let Err(error) = self.table(bucket).await.map(drop) {
                integrity(error)?;
                self.loaded.insert(bucket, Table::default());
                self.changed.insert(bucket);
            }
        }
        Ok(())
    }

    async fn table(&mut self, bucket: u8) -> Result<&mut Table> {
        if self.damaged.contains(&bucket) {
            let name = self
                .newest
                .get(&bucket)
                .map_or_else(|| format!("{SUBJECTS}/{bucket:02x}"), |version| version.name.clone());
            return Err(RepositoryError::damaged(&self.area.full(&name), "it is missing or does not open"));
        }
        if !self.loaded.contains_key(&bucket) {
            let table = match self.newest.get(&bucket) {
                None => Table::default(),
                Some(Version { name, .. }) => {
                    let plain =
                        read_whole(&self.keyring, &self.area, ObjectPurpose::SubjectTable, name, name)
                            .await?;
                    Table::read(&plain).ok_or_else(|| {
                        RepositoryError::damaged(&self.area.full(name), "it is not a table of keys")
                    })?
                }
            };
            self.loaded.insert(bucket, table);
        }
        Ok(self.loaded.entry(bucket).or_default())
    }

    /// The key of a person whose records exist.
    pub(crate) async fn find(&mut self, tag: &SubjectTag) -> Result<SubjectKey> {
        let name = self
            .newest
            .get(&bucket(tag))
            .map_or_else(|| format!("{SUBJECTS}/{:02x}", bucket(tag)), |version| version.name.clone());
        let table = self.table(bucket(tag)).await?;
        if let Some(wrapped) = table.keys.get(tag) {
            return Ok(SubjectKey::Present(*wrapped));
        }
        if table.destroyed.contains(tag) {
            return Ok(SubjectKey::Destroyed);
        }
        Err(RepositoryError::damaged(
            &self.area.full(&name),
            "a person's key is missing from it and is not listed as destroyed",
        ))
    }

    /// Whether a key of this person was destroyed once: a record that the present key does not open was erased.
    pub(crate) async fn was_destroyed(&mut self, tag: &SubjectTag) -> Result<bool> {
        Ok(self.table(bucket(tag)).await?.destroyed.contains(tag))
    }

    /// The key for a new record of a person; made where there is none. A person who was erased and comes back
    /// gets a new key: the platform has their data again, and old records stay unreadable.
    pub(crate) async fn find_or_create(
        &mut self,
        data_key: DataKeyId,
        tag: &SubjectTag,
    ) -> Result<WrappedSubjectKey> {
        let bucket = bucket(tag);
        if let Some(wrapped) = self.table(bucket).await?.keys.get(tag) {
            return Ok(*wrapped);
        }
        let wrapped = self.keyring.with(data_key, |key| key.new_subject_key(tag)).await?;
        self.table(bucket).await?.keys.insert(*tag, wrapped);
        self.changed.insert(bucket);
        Ok(wrapped)
    }

    /// Destroys people's keys: the next [`Subjects::store`] writes the tables without them.
    pub(crate) async fn destroy(&mut self, tags: &[SubjectTag]) -> Result<()> {
        for tag in tags {
            let table = self.table(bucket(tag)).await?;
            let had = table.keys.remove(tag).is_some();
            let noted = table.destroyed.insert(*tag);
            if had || noted {
                self.changed.insert(bucket(tag));
            }
        }
        Ok(())
    }

    /// Writes every changed table as a new version; durable when this returns. Must precede the commit that
    /// names the records. Answers the buckets that were written.
    pub(crate) async fn store(
        &mut self,
        rng: &dyn Rng,
        data_key: DataKeyId,
        lease: Generation,
    ) -> Result<Vec<u8>> {
        let changed = std::mem::take(&mut self.changed);
        for bucket in &changed {
            let Some(table) = self.loaded.get(bucket) else { continue };
            let counter = match self.newest.get(bucket) {
                None => 0,
                Some(version) => version.counter.checked_add(1).ok_or_else(|| {
                    RepositoryError::damaged(&self.area.full(SUBJECTS), "a name there has the highest number")
                })?,
            };
            let lease = lease_id(lease);
            let name = table_name(*bucket, counter, lease);
            let mut salt = Salt([0; 32]);
            rng.fill(&mut salt.0);
            let sealed = seal_whole(
                &self.keyring,
                data_key,
                ObjectPurpose::SubjectTable,
                salt,
                &name,
                &table.to_bytes(),
            )
            .await?;
            self.area.put_new(&name, sealed).await?;
            self.newest.insert(*bucket, Version { lease, counter, name });
        }
        Ok(changed.into_iter().collect())
    }

    /// Deletes every version that does not count, those of leases that came to nothing too. After an erasure none may
    /// remain. What a lease later than one's `own` has written is left alone.
    pub(crate) async fn delete_older(&self, own: Generation) -> Result<u64> {
        let own = lease_id(own);
        let mut deleted = 0;
        for object in self.area.list(SUBJECTS).await? {
            let Some((bucket, _, lease)) = read_name(&object.name) else { continue };
            let counts = self.newest.get(&bucket).is_none_or(|newest| *object.name == newest.name);
            if !counts && lease <= own {
                self.area.delete(&object.name).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    pub(crate) fn has_older(&self) -> bool {
        self.has_older
    }

    /// Whether these people have no key and are listed as destroyed.
    pub(crate) async fn are_destroyed(&mut self, tags: &[SubjectTag]) -> Result<bool> {
        for tag in tags {
            let table = self.table(bucket(tag)).await?;
            if table.keys.contains_key(tag) || !table.destroyed.contains(tag) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Buckets that have a table.
    pub(crate) fn buckets(&self) -> Vec<u8> {
        self.newest.keys().copied().collect()
    }
}

/// A person's tag: a keyed hash, so that the tables tell nobody who has an account.
pub(crate) fn tag(hash: &dyn KeyedHash, subject: &SubjectId) -> SubjectTag {
    SubjectTag(first_half(hash.hash(&[subject.0.as_bytes()])))
}

/// The first 16 of 32 bytes: hashes are kept at 128 bits.
pub(crate) fn first_half(hash: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_round_trip_and_cut_ones_are_refused() {
        let mut table = Table::default();
        for byte in 0..5 {
            table.keys.insert(SubjectTag([byte; 16]), WrappedSubjectKey([byte; 60]));
        }
        table.destroyed.insert(SubjectTag([9; 16]));
        let bytes = table.to_bytes();
        assert_eq!(Table::read(&bytes), Some(table));
        for len in 0..bytes.len() {
            assert_eq!(Table::read(&bytes[..len]), None, "cut to {len}");
        }
        let tags = |tags: &[u8]| [&[0, 2][..], &[tags[0]; 16], &[tags[1]; 16]].concat();
        assert!(Table::read(&tags(&[1, 2])).is_some());
        assert_eq!(Table::read(&tags(&[2, 1])), None, "out of order");
        assert_eq!(Table::read(&tags(&[1, 1])), None, "twice");
    }

    #[test]
    fn names_tell_bucket_and_counter() {
        let name = table_name(0xab, 17, domain::Id128([3; 16]));
        assert_eq!(read_name(&name), Some((0xab, 17, domain::Id128([3; 16]))));
        assert_eq!(read_name("subjects/zz-0-0"), None);
        assert_eq!(read_name(&name.replace("/ab", "/AB")), None, "one spelling");
        assert_eq!(read_name(&name.replace("-0000000000000011", "-+11")), None, "one spelling");
    }

    #[test]
    fn the_newest_version_counts_whose_lease_has_stored_a_commit() {
        let lease = |byte| domain::Id128([byte; 16]);
        let version =
            |counter, byte| Version { counter, lease: lease(byte), name: format!("{counter} {byte}") };
        let versions = [version(1, 1), version(2, 2), version(2, 3)];
        for (committed, expected) in [(&[1, 2, 3][..], 3), (&[1, 2], 2), (&[1], 1), (&[], 3)] {
            let committed = committed.iter().map(|byte| lease(*byte)).collect();
            assert_eq!(choose(&versions, &committed).unwrap().lease, lease(expected));
        }
        assert_eq!(choose(&[], &HashSet::new()), None);
    }

    #[test]
    fn leases_sort_as_generations_do() {
        let generation = |counter, byte| Generation { counter, lease: domain::Id128([byte; 16]) };
        let sorted = [generation(1, 9), generation(2, 1), generation(2, 7), generation(256, 0)].map(lease_id);
        assert!(sorted.is_sorted());
    }
}
