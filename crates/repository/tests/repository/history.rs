//! A scripted history over stores that may fail, and what must be true of it at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::{Action, Grant, Id128, MediaRef, Removal, Rng as _, SnapshotNumber, SubjectId};
use futures::future::BoxFuture;
use futures::stream;
use repository::{
    CommitName, Depth, GRACE, Generation, Heads, KindOutcome, Lease, Mode, NewRecord, Repository,
    RepositoryError,
};

use crate::cell::{BEGIN, Cell, kind, objects};
use crate::faulty::{FaultyStore, Plan};

type Result<T, E = RepositoryError> = std::result::Result<T, E>;

/// A catalog of one connection.
#[derive(Default)]
pub struct Catalog {
    state: Mutex<(Option<CommitName>, Option<Generation>)>,
}

impl Catalog {
    pub fn head(&self) -> Option<CommitName> {
        self.state.lock().unwrap().0.clone()
    }

    /// A new lease, over what the store has seen.
    pub fn lease(&self, highest_in_store: u64, id: Id128) -> Generation {
        let mut state = self.state.lock().unwrap();
        let highest = state.1.map_or(0, |lease| lease.counter).max(highest_in_store);
        let lease = Generation { counter: highest + 1, lease: id };
        state.1 = Some(lease);
        lease
    }
}

impl Heads for Catalog {
    fn current(&self) -> BoxFuture<'_, Result<Option<CommitName>>> {
        Box::pin(async { Ok(self.head()) })
    }

    fn holds(&self, lease: Generation) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move { Ok(self.state.lock().unwrap().1 == Some(lease)) })
    }

    fn advance<'a>(
        &'a self,
        lease: Generation,
        expected: Option<&'a CommitName>,
        new: &'a CommitName,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            if state.1 != Some(lease) || state.0.as_ref() != expected {
                return Ok(false);
            }
            state.0 = Some(new.clone());
            Ok(true)
        })
    }
}

/// One step of a history.
#[derive(Debug, Clone)]
pub enum Step {
    /// These products are all that exist.
    Sweep(&'static [(&'static str, &'static str)]),
    /// A customer, sealed under the key of the person of that name; `None` removes it.
    Customer(&'static str, Option<&'static str>),
    /// A file with a medium.
    File(&'static str, &'static str),
    /// Drops all snapshots but the newest so many.
    Prune(usize),
    Compact,
    /// A pass of the collection.
    Collect,
    /// Hours go by.
    Wait(i64),
    Erase(&'static str),
    Rebuild,
    State(&'static str),
}

/// By kind and id: the payload, and whose record it is.
pub type Contents = BTreeMap<(String, String), (String, Option<String>)>;

/// What was acknowledged, and what was asked for last.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub snapshots: BTreeMap<u64, Contents>,
    pending: Option<Contents>,
    pruned: BTreeSet<u64>,
    pruning: BTreeSet<u64>,
    /// Up to which snapshot nothing of a person is left.
    erased: BTreeMap<String, u64>,
    erasing: BTreeSet<String>,
    state: Option<String>,
    stating: Option<String>,
}

pub struct World {
    pub cell: Cell,
    pub objects: FaultyStore,
    pub keys: FaultyStore,
    pub catalog: Arc<Catalog>,
    pub log: Log,
}

impl World {
    pub fn new(base: &Cell, plan: &Arc<Plan>, seed: u64) -> Self {
        base.clock.second.store(BEGIN, Ordering::SeqCst);
        let (objects, keys) = (FaultyStore::new(&base.clock, plan), FaultyStore::new(&base.clock, plan));
        let cell = base.over(Arc::new(objects.clone()), Arc::new(keys.clone()), seed);
        Self { cell, objects, keys, catalog: Arc::default(), log: Log::default() }
    }

    /// The process died and is started again: the same stores, on another plan.
    pub fn reopen(&mut self, plan: &Arc<Plan>) {
        (self.objects, self.keys) = (self.objects.on(plan), self.keys.on(plan));
        self.cell.stores =
            repository::Stores { objects: Arc::new(self.objects.clone()), keys: Arc::new(self.keys.clone()) };
    }

    pub fn repository(&self) -> Repository {
        self.cell.repository("shop")
    }

    async fn grant(&self) -> Grant {
        self.cell.grant("shop", Action::ALL).await
    }

    pub async fn lease(&self, grant: &Grant) -> Result<Lease> {
        let highest = self.repository().highest_generation(grant, Action::Backup).await?;
        let mut id = [0; 16];
        self.cell.rng.fill(&mut id);
        let heads: Arc<dyn Heads> = self.catalog.clone();
        Ok(Lease { generation: self.catalog.lease(highest, Id128(id)), heads: Some(heads) })
    }

    fn latest(&self) -> Contents {
        self.log.snapshots.values().next_back().cloned().unwrap_or_default()
    }

    /// Runs a step. A snapshot that was stored though its writer never learned of it, or that came by the way,
    /// has the contents that were asked for.
    pub async fn run(&mut self, step: &Step) -> Result<()> {
        let done = self.attempt(step).await;
        if done.is_err() || matches!(step, Step::Erase(_)) {
            let (objects, keys) = (self.objects.inner.clone(), self.keys.inner.clone());
            let repository = self.cell.over(objects, keys, 0).repository("shop");
            let grant = self.grant().await;
            if repository.head(&grant, Action::Read).await.unwrap().is_some() {
                let reader = repository.reader(&grant, Action::Read, None).await.unwrap();
                for head in reader.snapshots().await.unwrap() {
                    let pending = || self.log.pending.clone().expect("a snapshot that nobody asked for");
                    self.log.snapshots.entry(head.name.number.0).or_insert_with(pending);
                }
            }
        }
        done
    }

    async fn attempt(&mut self, step: &Step) -> Result<()> {
        self.cell.tick();
        let grant = self.grant().await;
        match step {
            Step::Sweep(records) => {
                let mut contents = self.latest();
                contents.retain(|(kind, _), _| kind != "product");
                for (id, payload) in *records {
                    contents.insert(("product".into(), (*id).into()), ((*payload).into(), None));
                }
                self.log.pending = Some(contents);
                let records: Vec<_> =
                    records.iter().map(|(id, payload)| (*id, Some(*payload), None)).collect();
                self.snapshot(&grant, "product", Mode::Sweep(Removal::Deleted), &records, None).await
            }
            Step::Customer(person, payload) => {
                let mut contents = self.latest();
                let key = ("customer".to_owned(), (*person).to_owned());
                match payload {
                    Some(payload) => drop(contents.insert(key, ((*payload).into(), Some((*person).into())))),
                    None => drop(contents.remove(&key)),
                }
                self.log.pending = Some(contents);
                self.snapshot(&grant, "customer", Mode::Increment, &[(person, *payload, Some(person))], None)
                    .await
            }
            Step::File(id, bytes) => {
                let repository = self.repository();
                let media = repository.media(&grant, Action::Backup).await?;
                let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(bytes.as_bytes()))]);
                let stored = media.store(pieces).await?.unwrap();
                let medium = MediaRef {
                    pointer: String::new(),
                    name: stored.name,
                    size_bytes: stored.size_bytes,
                    media_type: None,
                };
                let mut contents = self.latest();
                contents.insert(("file".into(), (*id).into()), ((*bytes).into(), None));
                self.log.pending = Some(contents);
                self.snapshot(&grant, "file", Mode::Increment, &[(id, Some(bytes), None)], Some(medium)).await
            }
            Step::Prune(keep) => {
                let kept = self.log.snapshots.keys().filter(|number| !self.log.pruned.contains(number));
                let numbers: Vec<u64> = kept.copied().rev().skip(*keep).collect();
                self.log.pruning.extend(&numbers);
                let lease = self.lease(&grant).await?;
                let all: Vec<_> = numbers.iter().copied().map(SnapshotNumber).collect();
                self.repository().prune(&grant, &lease, &all).await?;
                self.log.pruned.extend(numbers);
                Ok(())
            }
            Step::Compact => {
                let lease = self.lease(&grant).await?;
                self.repository().compact(&grant, &lease).await.map(drop)
            }
            Step::Collect => {
                let lease = self.lease(&grant).await?;
                self.repository().collect(&grant, &lease, GRACE).await.map(drop)
            }
            Step::Wait(hours) => {
                self.cell.clock.second.fetch_add(hours * 3600, Ordering::SeqCst);
                Ok(())
            }
            Step::Erase(person) => {
                self.log.erasing.insert((*person).to_owned());
                let mut contents = self.latest();
                contents.retain(|_, (_, of)| of.as_deref() != Some(person));
                self.log.pending = Some(contents);
                let lease = self.lease(&grant).await?;
                self.repository().erase(&grant, &lease, &[subject(person)]).await?;
                let head = self.catalog.head().unwrap().number.0;
                self.log.erased.insert((*person).to_owned(), head);
                let older = self.tables().await.into_iter().filter(|(_, versions)| *versions > 1).count();
                assert_eq!(older, 0, "an older table is left after the certificate");
                Ok(())
            }
            Step::Rebuild => {
                let lease = self.lease(&grant).await?;
                self.repository().rebuild_index(&grant, &lease).await.map(drop)
            }
            Step::State(text) => {
                self.log.stating = Some((*text).to_owned());
                self.repository().put_state(&grant, Action::Backup, "ledger", text.as_bytes()).await?;
                self.log.state = Some((*text).to_owned());
                Ok(())
            }
        }
    }

    /// By bucket, how many versions of its table there are.
    async fn tables(&self) -> BTreeMap<String, usize> {
        let mut versions = BTreeMap::new();
        for (path, _) in objects(&*self.keys.inner).await {
            if let Some((_, name)) = path.as_ref().split_once("/subjects/") {
                *versions.entry(name[..2].to_owned()).or_default() += 1;
            }
        }
        versions
    }

    async fn snapshot(
        &mut self,
        grant: &Grant,
        kind_name: &str,
        mode: Mode,
        records: &[(&str, Option<&str>, Option<&str>)],
        medium: Option<MediaRef>,
    ) -> Result<()> {
        let lease = self.lease(grant).await?;
        let mut writer = self.repository().begin(grant, &lease).await?;
        writer.begin_kind(&kind(kind_name), mode, &["id"]).await?;
        for (id, payload, person) in records {
            let Some(payload) = payload else {
                writer.remove(id, Removal::Deleted).await?;
                continue;
            };
            let subjects = person.map(subject).into_iter().collect();
            let media_refs = medium.clone().into_iter().collect();
            let meta = domain::RecordMeta { subjects, media_refs, ..self.cell.meta(None) };
            let summary = format!("[\"{id}\"]");
            let (payload, summary) = (payload.as_bytes(), summary.as_bytes());
            writer.put(NewRecord { id, payload, canonical: None, meta: &meta, summary }).await?;
        }
        writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await?;
        let number = writer.commit().await?.head.name.number.0;
        let contents = self.log.pending.clone().unwrap();
        self.log.snapshots.insert(number, contents);
        Ok(())
    }

    /// Everything that was acknowledged is there, and nothing is half there.
    pub async fn check(&mut self) {
        let grant = self.grant().await;
        let known = self.catalog.head();
        let repository = self.repository();
        if known.is_none() && repository.head(&grant, Action::Read).await.unwrap().is_none() {
            assert!(self.log.snapshots.is_empty());
            return;
        }
        let reader = repository.reader(&grant, Action::Read, known.as_ref()).await.unwrap();
        let mut found = BTreeSet::new();
        for head in reader.snapshots().await.unwrap() {
            let number = head.name.number;
            found.insert(number.0);
            let mut contents = Contents::new();
            for kind_name in ["customer", "file", "product"] {
                let mut scan = reader.scan(&kind(kind_name), number, None).await.unwrap();
                while let Some(record) = scan.next().await.unwrap() {
                    let person =
                        record.meta.subjects.first().map(|subject| subject.0["customer/".len()..].to_owned());
                    let payload = String::from_utf8(record.payload).unwrap();
                    contents.insert((kind_name.to_owned(), record.key.id.into()), (payload, person));
                }
            }
            let expected =
                self.log.snapshots.get(&number.0).expect("a snapshot that nobody asked for").clone();
            for (_, person) in contents.values() {
                let erased = person.as_ref().and_then(|person| self.log.erased.get(person));
                assert!(erased.is_none_or(|erased| number.0 > *erased), "{person:?} was erased and is read");
            }
            let (contents, expected) =
                (self.without_erased(number.0, &contents), self.without_erased(number.0, &expected));
            assert_eq!(contents, expected, "snapshot {number}");
        }
        for number in self.log.snapshots.keys().filter(|number| !self.log.pruning.contains(number)) {
            assert!(found.contains(number), "snapshot {number} was acknowledged and is lost");
        }
        assert!(found.is_disjoint(&self.log.pruned), "a dropped snapshot is shown");
        let report = repository.verify(&grant, Depth::AllBytes, known.as_ref(), &|_| {}).await.unwrap();
        assert!(report.ok, "{report:?}");
        let state = repository.state(&grant, Action::Read, "ledger").await.unwrap();
        let state = state.map(|text| String::from_utf8(text).unwrap());
        assert!(state == self.log.state || state == self.log.stating, "{state:?}");
        self.log.state.clone_from(&state);
    }

    /// Without the records of people who are being erased, or were erased after this snapshot.
    fn without_erased(&self, number: u64, contents: &Contents) -> Contents {
        let mut contents = contents.clone();
        contents.retain(|_, (_, person)| {
            let Some(person) = person else { return true };
            match self.log.erased.get(person) {
                Some(erased) => number > *erased,
                None => !self.log.erasing.contains(person),
            }
        });
        contents
    }

    pub async fn read_all_names(&self) -> Vec<String> {
        objects(&*self.objects.inner).await.into_iter().map(|(path, _)| path.to_string()).collect()
    }

    pub fn wait(&self, time: Duration) {
        self.cell.clock.second.fetch_add(i64::try_from(time.as_secs()).unwrap(), Ordering::SeqCst);
    }
}

pub fn subject(person: &str) -> SubjectId {
    SubjectId(format!("customer/{person}").into())
}

/// A history in which everything happens that happens to a connection.
pub const HISTORY: &[Step] = &[
    Step::Sweep(&[("1", "one"), ("2", "two"), ("3", "three")]),
    Step::Customer("p", Some("a person")),
    Step::State("first"),
    Step::Customer("q", Some("another person")),
    Step::File("f", "a picture"),
    Step::Sweep(&[("1", "eins"), ("3", "three")]),
    Step::File("f", "a better picture"),
    Step::Customer("p", Some("a person, married")),
    Step::Sweep(&[("1", "eins"), ("2", "zwei"), ("4", "vier")]),
    Step::Customer("r", Some("a third person")),
    Step::Sweep(&[("1", "eins"), ("4", "four")]),
    Step::State("second"),
    Step::Customer("r", None),
    Step::Erase("q"),
    Step::Prune(4),
    Step::Compact,
    Step::Collect,
    Step::Wait(80),
    Step::Collect,
    Step::Customer("q", Some("another person")),
    Step::Wait(80),
    Step::Collect,
    Step::Rebuild,
    Step::Sweep(&[("1", "un"), ("5", "cinq")]),
];
