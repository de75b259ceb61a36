//! What the record store has, compared with the model: every record of every snapshot by its bytes, why what is gone is
//! gone, what there was at a time, and what changed between two snapshots. Whatever differs is told in words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use domain::{Action, Kind, MediaRef, RecordKey, SnapshotNumber, Timestamp};
use repository::{Depth, MediaStore, Reader, Record, RepositoryError};

use super::dice::Dice;
use super::look::{Files, Key};
use super::model::{Found, Model};
use super::shops::{Make, Shops};
use crate::compare::walk;
use crate::world::tenant;

/// So many times and pairs of snapshots are drawn.
const DRAWN: u64 = 12;

/// What was compared.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Compared {
    pub(crate) snapshots: u64,
    pub(crate) records: u64,
    pub(crate) erased: u64,
    pub(crate) files: u64,
    pub(crate) pairs: u64,
    pub(crate) times: u64,
}

pub(crate) async fn reader(shops: &Shops, make: Make) -> Reader {
    let name = make.name().parse().unwrap();
    flows::read::open(shops.cell(), &tenant(), &name, Action::Read, "compare").await.unwrap()
}

/// All records of a snapshot. Those of people who were erased are passed over.
async fn records(reader: &Reader, make: Make, number: u64) -> BTreeMap<Key, Record> {
    let mut found = BTreeMap::new();
    for kind in make.kinds() {
        let of = Kind::new(kind.name).unwrap();
        let mut scan = reader.scan(&of, SnapshotNumber(number), None).await.unwrap();
        while let Some(record) = scan.next().await.unwrap() {
            found.insert((kind.name, record.key.id.clone()), record);
        }
    }
    found
}

/// What the record store has of a snapshot.
pub(crate) async fn found(reader: &Reader, make: Make, number: u64) -> Found {
    let commit = reader.at_number(SnapshotNumber(number)).await.unwrap().commit;
    let gaps = commit.kinds.iter().filter(|(_, state)| !state.gaps.is_empty());
    let gaps = gaps.map(|(kind, _)| kind.to_string()).collect();
    let records = records(reader, make, number).await.into_iter();
    Found { payloads: records.map(|(key, record)| (key, record.payload)).collect(), gaps }
}

/// The files of a store's records, of which each is opened once.
struct Stored {
    media: MediaStore,
    digests: HashMap<String, Box<str>>,
}

impl Stored {
    async fn of(shops: &Shops, make: Make) -> Self {
        let scope = shops.connection(make).await.scope;
        let grant = shops.cell().grant(&scope, &[Action::Read], "compare").await.unwrap();
        let media = shops.cell().repository(&scope).media(&grant, Action::Read).await.unwrap();
        Self { media, digests: HashMap::new() }
    }

    async fn files(&mut self, record: &Record) -> Files {
        let mut files = Files::new();
        for MediaRef { pointer, name, .. } in &record.meta.media_refs {
            if !self.digests.contains_key(name) {
                let mut bytes = Vec::new();
                let mut take = |piece: Bytes| {
                    bytes.extend_from_slice(&piece);
                    Ok(())
                };
                self.media.read(name, &mut take).await.unwrap();
                self.digests.insert(name.clone(), repository::sha256_hex(&bytes));
            }
            files.insert(pointer.clone(), self.digests[name].clone());
        }
        files
    }
}

fn record_key((kind, id): &Key) -> RecordKey {
    RecordKey::new(Kind::new(kind).unwrap(), id).unwrap()
}

/// One snapshot.
async fn snapshot(
    reader: &Reader,
    stored: &mut Stored,
    (make, model): (Make, &Model),
    number: u64,
    compared: &mut Compared,
) -> Vec<String> {
    let named = |(kind, id): &Key, what: &str| format!("{} {number}: {kind} {id} {what}", make.name());
    let expected = &model.snapshots[&number].records;
    let mut found = records(reader, make, number).await;
    let mut wrong = Vec::new();
    compared.snapshots += 1;
    for (key, version) in expected {
        let there = found.remove(key);
        if version.is_erased() {
            compared.erased += 1;
            let read = reader.get(&record_key(key), SnapshotNumber(number)).await;
            let is_gone = match &read {
                Err(RepositoryError::Erased(_)) => true,
                // A compaction keeps of it that it was redacted.
                Err(RepositoryError::NotFound(_)) => model.is_compacted,
                _ => false,
            };
            if there.is_some() || !is_gone {
                wrong.push(named(key, &format!("was erased, and is not: {read:?}")));
            }
            continue;
        }
        compared.records += 1;
        let Some(there) = there else {
            wrong.push(named(key, "is missing"));
            continue;
        };
        if !make.same(key.0, &version.seen.payload, &there.payload) {
            let value = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
            let mut fields = Vec::new();
            walk("", &value(&version.seen.payload), &value(&there.payload), &mut fields);
            wrong.push(named(key, &format!("has other bytes: {}", fields.join(", "))));
        }
        let files = stored.files(&there).await;
        compared.files += files.len() as u64;
        if files != version.seen.files {
            wrong.push(named(key, &format!("has other files: {files:?} and not {:?}", version.seen.files)));
        }
    }
    wrong.extend(found.keys().map(|key| named(key, "is too much")));
    wrong
}

/// Everything that is kept of one store's history.
pub(crate) async fn all(
    shops: &Shops,
    make: Make,
    model: &Model,
    dice: &mut Dice,
    compared: &mut Compared,
) -> Vec<String> {
    if model.snapshots.is_empty() {
        return Vec::new();
    }
    let reader = reader(shops, make).await;
    let mut wrong = Vec::new();
    let kept: BTreeSet<u64> =
        reader.snapshots().await.unwrap().iter().map(|head| head.name.number.0).collect();
    let expected: BTreeSet<u64> = model.snapshots.keys().copied().collect();
    if kept != expected {
        wrong.push(format!("{}: snapshots {kept:?} instead of {expected:?}", make.name()));
        return wrong;
    }
    let mut stored = Stored::of(shops, make).await;
    for number in &kept {
        wrong.extend(snapshot(&reader, &mut stored, (make, model), *number, compared).await);
    }
    wrong.extend(ends(&reader, make, model).await);
    let numbers: Vec<u64> = kept.into_iter().collect();
    for _ in 0..DRAWN {
        wrong.extend(at_a_time(&reader, make, model, dice, compared).await);
        let (from, to) = (*dice.pick(&numbers).unwrap(), *dice.pick(&numbers).unwrap());
        wrong.extend(between(&reader, make, model, (from, to)).await);
        compared.pairs += 1;
    }
    wrong
}

/// How the history of each record ends: it is there, or gone for the reason that it is gone for.
async fn ends(reader: &Reader, make: Make, model: &Model) -> Vec<String> {
    let there = model.head.keys().map(|key| (key, None));
    let gone = model.gone.iter().map(|(key, why)| (key, Some(*why)));
    let mut wrong = Vec::new();
    for (key, expected) in there.chain(gone) {
        let newest = match reader.history(&record_key(key)).await {
            Ok(history) => history.first().map(|entry| entry.removed),
            Err(RepositoryError::NotFound(_)) => None,
            Err(error) => panic!("{key:?}: {error}"),
        };
        // What is gone, and that it is, leaves the index once no snapshot is kept that had it.
        let forgotten =
            newest.is_none() && !model.snapshots.values().any(|one| one.records.contains_key(key));
        if newest != Some(expected) && !forgotten {
            wrong.push(format!("{}: {key:?} ends as {newest:?} instead of {expected:?}", make.name()));
        }
    }
    wrong
}

/// What there was at a time that is drawn.
async fn at_a_time(
    reader: &Reader,
    make: Make,
    model: &Model,
    dice: &mut Dice,
    compared: &mut Compared,
) -> Vec<String> {
    let first = model.snapshots.values().next().unwrap().taken.0.as_second() - 3600;
    let last = model.snapshots.values().next_back().unwrap().taken.1.as_second() + 3600;
    let second = first + i64::try_from(dice.below(u64::try_from(last - first).unwrap())).unwrap();
    let at = Timestamp::from_second(second).unwrap();
    let found = match reader.at_time(at).await {
        Ok(head) => Some(head.name.number.0),
        Err(RepositoryError::NotFound(_)) => None,
        Err(error) => panic!("{at}: {error}"),
    };
    let is_known = !model.snapshots.values().any(|one| one.taken.0 <= at && at <= one.taken.1);
    if !is_known {
        return Vec::new();
    }
    compared.times += 1;
    let expected = model.at_time(at);
    let differs = found != expected;
    differs
        .then(|| format!("{}: at {at} there is {found:?} instead of {expected:?}", make.name()))
        .into_iter()
        .collect()
}

/// What changed between two snapshots.
async fn between(reader: &Reader, make: Make, model: &Model, (from, to): (u64, u64)) -> Vec<String> {
    let mut expected = model.differences(from, to);
    // Whether somebody was there who was erased depends on what was compacted since.
    let is_erased = |key: &Key| [from, to].iter().any(|number| model.has_erased(*number, key));
    let mut walk = reader.differences(SnapshotNumber(from), SnapshotNumber(to)).await.unwrap();
    let mut wrong = Vec::new();
    let named = |key: &RecordKey| format!("{} {from}..{to}: {} {}", make.name(), key.kind, key.id);
    while let Some(difference) = walk.next().await.unwrap() {
        let kind = make.kinds().iter().find(|kind| kind.name == difference.key.kind.as_str()).unwrap();
        let found = (difference.before, difference.after);
        let key = (kind.name, difference.key.id.clone());
        let told = expected.remove(&key);
        if told != Some(found) && !is_erased(&key) {
            wrong.push(format!("{} differs as {found:?} instead of {told:?}", named(&difference.key)));
        }
    }
    let missing = expected.keys().filter(|key| !is_erased(key));
    wrong.extend(missing.map(|key| format!("{} does not differ", named(&record_key(key)))));
    wrong
}

/// Opens every byte that is stored of a connection.
pub(crate) async fn verify(shops: &Shops, make: Make) -> Vec<String> {
    let scope = shops.connection(make).await.scope;
    let report = flows::verify::verify(shops.cell(), &scope, (Depth::AllBytes, None), &|_| {}).await.unwrap();
    if report.ok { Vec::new() } else { vec![format!("{}: {report:#?}", make.name())] }
}
