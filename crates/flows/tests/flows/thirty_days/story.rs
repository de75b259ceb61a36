//! What happens in the thirty days, drawn from a seed, and told line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::contract::Restorable;
use domain::{Action, Gap, Kind, SnapshotNumber, Timestamp};
use flows::ErrorKind;
use flows::backup::Backup;
use flows::report::RunReport;
use flows::restore::Selection;

use super::check::{self, Compared};
use super::dice::Dice;
use super::look::Look;
use super::model::{Asked, Model};
use super::power::Cut;
use super::raw;
use super::shops::{Make, Scope, Shops, Size};
use crate::doubles::Silent;
use crate::erased::erase_in;
use crate::killed::killed_when;
use crate::world::{World, problems, tenant};

/// By then both stores are connected.
const BEGINNING: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What an owner does ends so long before a backup, but for what is done at the last moment: what was done before the
/// one before it, and within the time that an increment looks back, is then known to be read or not.
const BEFORE_A_BACKUP: Duration = Duration::from_secs(20 * 60);
/// Requests, and writes to the stores, after which a process ends. A run has more.
const REQUESTS_MAX: u64 = 30;
const WRITES_MAX: u64 = 7;
/// What nothing names is deleted once it is so old.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// A deed of which what is read depends on when it is done.
const DELETES_A_FILE: &str = "deletes a file";

/// How long a story is, and how much happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    pub(crate) days: u32,
    /// Backups of each store in a day …
    pub(crate) backups: u32,
    /// … of which so many of a hundred are left out.
    pub(crate) left_out: u64,
    /// So many things at most are done to a store between two.
    pub(crate) deeds: u64,
    pub(crate) size: Size,
}

/// How a run is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Calm,
    /// Requests fail by chance, for a moment.
    Gusty(&'static str),
    /// The store's owner does something while it is read, at the n-th request.
    Busy(u64),
    /// What one kind is read by does not work.
    Broken(&'static str, &'static str),
    /// The store cannot be reached from the n-th request on.
    Away(u64),
    /// The process ends at the n-th request.
    Killed(u64),
    /// The process ends at the n-th write to its stores.
    Cut(u64, Cut),
}

/// Faults that pass.
fn gusts(make: Make) -> &'static [&'static str] {
    match make {
        Make::Shopify => &[
            "429%10,429-bare%5",
            "502%8",
            "503%8,internal-error%4",
            "cut%5,cut-body%5",
            "malformed-json%5",
            "throttled%15",
            "bulk-failed@1,bulk-truncated@3",
            "lost-answer%5",
        ],
        Make::BigCommerce => &["429%10,429bare%5", "500%8", "502%8", "503%8", "html%5", "cut%5", "lost%5"],
    }
}

/// What breaks one kind, and that.
fn breaks(make: Make) -> &'static [(&'static str, &'static str)] {
    match make {
        Make::Shopify => &[("502:collections@1+", "collection"), ("502:scriptTags@1+", "script_tag")],
        Make::BigCommerce => &[
            ("html:catalog/brands@1+", "brand"),
            ("500:customer_groups@1+", "customer_group"),
            ("502:content/scripts@1+", "script"),
        ],
    }
}

/// How often something happened.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// The days as they are told.
pub(crate) struct Story {
    pub(crate) shops: Shops,
    pub(crate) models: BTreeMap<Make, Model>,
    pub(crate) dice: Dice,
    /// What happened, and what there was then: the same for the same seed.
    pub(crate) told: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) compared: Compared,
    withdrawn: BTreeMap<Make, Scope>,
    length: Length,
    /// Different for each deed.
    turn: u64,
}

impl Story {
    pub(crate) async fn begin(seed: u64, length: Length) -> Self {
        let shops = Shops::open(seed, length.size).await;
        shops.world.clock.advance_to(BEGINNING);
        Self {
            shops,
            models: Make::BOTH.into_iter().map(|make| (make, Model::new(make))).collect(),
            dice: Dice::new(seed),
            told: Vec::new(),
            counts: Counts::new(),
            compared: Compared::default(),
            withdrawn: BTreeMap::new(),
            length,
            turn: 0,
        }
    }

    /// All days. Everything is compared after each week, and at the end. What differs, in words.
    pub(crate) async fn run(&mut self) -> Vec<String> {
        for day in 0..self.length.days {
            self.shops.sign_in().await;
            for backup in 0..self.length.backups {
                self.between_two_backups(day, backup).await;
            }
            if day % 7 == 6 && day + 1 < self.length.days {
                let wrong = self.check().await;
                if !wrong.is_empty() {
                    return wrong;
                }
            }
        }
        self.shops.restart().await;
        self.check().await
    }

    /// Compares all that is kept with the models.
    pub(crate) async fn check(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for make in Make::BOTH {
            self.adopt(make, u64::MAX).await;
        }
        for (make, model) in &self.models {
            let (dice, compared) = (&mut self.dice, &mut self.compared);
            wrong.extend(check::all(&self.shops, *make, model, dice, compared).await);
            wrong.extend(check::verify(&self.shops, *make).await);
        }
        wrong
    }

    fn tell(&mut self, make: Make, what: &str) {
        eprintln!("{} {}: {what}", self.shops.now(), make.name());
        self.told.push(format!("{}: {}", make.name(), without_ids(what)));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    async fn between_two_backups(&mut self, day: u32, backup: u32) {
        // At moments that do not depend on how long anything took, so that the same seed gives the same times.
        let slot = DAY / self.length.backups;
        let late = slot * u32::try_from(self.dice.below(40)).unwrap() / 100;
        let moment = BEGINNING + DAY * day + slot * backup + late;
        self.shops.world.clock.advance_to(moment);
        self.told.push(format!("day {day}, {backup}"));
        for make in Make::BOTH {
            self.permissions(make);
            let deeds = self.dice.below(self.length.deeds + 1);
            self.deeds(make, deeds).await;
        }
        for make in Make::BOTH {
            self.upkeep(make).await;
        }
        self.shops.world.clock.advance_to(moment + BEFORE_A_BACKUP * 2);
        for (turn, make) in (0..).zip(Make::BOTH) {
            self.shops.world.clock.advance_to(moment + BEFORE_A_BACKUP * (2 + turn));
            if self.dice.percent(self.length.left_out) {
                continue;
            }
            if self.dice.percent(15) {
                self.deeds(make, 1).await;
            }
            let weather = self.weather(make);
            self.back_up(make, weather).await;
        }
    }

    /// Has a store's owner do so many things that are drawn.
    pub(crate) async fn deeds(&mut self, make: Make, many: u64) {
        let deeds = Shops::deeds(make);
        for _ in 0..many {
            self.turn += 1;
            let number = usize::try_from(self.dice.below(deeds.len() as u64)).unwrap();
            // Before its bytes were ever kept, nobody could know what they were.
            if deeds[number] == DELETES_A_FILE && self.models[&make].snapshots.is_empty() {
                continue;
            }
            let withdrawn = self.withdrawn.get(&make).copied();
            let way = (withdrawn, &mut self.dice);
            if let Some(done) = self.shops.act(make, number, self.turn, way).await {
                self.tell(make, &done);
                self.count("deeds");
            }
        }
    }

    /// Withdraws a scope now and then, and gives it back.
    fn permissions(&mut self, make: Make) {
        match self.withdrawn.get(&make) {
            None if self.dice.percent(6) => {
                let scope = self.dice.pick(make.scopes()).copied();
                self.withdraw(make, scope);
            }
            Some(_) if self.dice.percent(25) => self.withdraw(make, None),
            _ => {}
        }
    }

    /// Lets us do all but what needs this scope.
    pub(crate) fn withdraw(&mut self, make: Make, scope: Option<Scope>) {
        self.shops.withdraw(make, scope);
        self.tell(make, &format!("withdraws {scope:?}"));
        match scope {
            Some(scope) => {
                self.count("scopes withdrawn");
                self.withdrawn.insert(make, scope);
            }
            None => {
                self.withdrawn.remove(&make);
            }
        }
    }

    /// What is done to what is stored, and out of it.
    async fn upkeep(&mut self, make: Make) {
        self.adopt(make, u64::MAX).await;
        if self.models[&make].snapshots.is_empty() {
            return;
        }
        match self.dice.below(100) {
            0..=7 => self.erase(make).await,
            8..=12 => self.prune(make).await,
            13..=16 => {
                let connection = self.shops.connection(make).await;
                flows::retention::compact(self.shops.cell(), &connection).await.unwrap();
                self.models.get_mut(&make).unwrap().is_compacted = true;
                self.tell(make, "is compacted");
                self.count("compactions");
            }
            17..=22 => {
                let connection = self.shops.connection(make).await;
                flows::retention::collect(self.shops.cell(), &connection, GRACE).await.unwrap();
                self.tell(make, "is collected");
                self.count("collections");
            }
            23..=25 => {
                let wrong = check::verify(&self.shops, make).await;
                assert_eq!(wrong, Vec::<String>::new());
                self.count("verifications");
            }
            26..=33 => self.restore(make).await,
            34..=36 => {
                self.shops.restart().await;
                self.count("restarts");
            }
            _ => {}
        }
    }

    /// Destroys somebody's keys.
    async fn erase(&mut self, make: Make) {
        let people = self.models[&make].people();
        let Some(person) = self.dice.pick(&people).cloned() else { return };
        let theirs = self.models[&make].theirs(&person).len() as u64;
        let began = self.shops.now();
        let head = check::reader(&self.shops, make).await.head().name.number.0;
        let records = erase_in(&self.shops.world, make.name(), person.clone()).await;
        assert_eq!(records, theirs, "{person:?}");
        let ran = (began, self.shops.now());
        self.tell(make, &format!("forgets {}", person.0));
        self.models.get_mut(&make).unwrap().erased(&person, head + 1, ran);
        self.count("people erased");
    }

    async fn prune(&mut self, make: Make) {
        let (last, days) = (2 + self.dice.below(6), 1 + self.dice.below(12));
        let days = if self.models[&make].knows_days() { days } else { 0 };
        let drop = self.models[&make].to_drop(usize::try_from(last).unwrap(), usize::try_from(days).unwrap());
        let numbers: Vec<SnapshotNumber> = drop.iter().copied().map(SnapshotNumber).collect();
        let connection = self.shops.connection(make).await;
        let rules = repository::Retention {
            last: u32::try_from(last).unwrap(),
            daily: u32::try_from(days).unwrap(),
            ..Default::default()
        };
        let planned = flows::retention::pruning(self.shops.cell(), &connection, &rules).await.unwrap();
        let mut dropped: Vec<SnapshotNumber> = planned.dropped.iter().map(|one| one.snapshot).collect();
        dropped.sort_unstable();
        assert_eq!(dropped, numbers, "last {last}, daily {days}");
        if drop.is_empty() {
            return;
        }
        flows::retention::prune(self.shops.cell(), &connection, &numbers).await.unwrap();
        self.models.get_mut(&make).unwrap().dropped(&drop);
        self.tell(make, &format!("drops {} snapshots", drop.len()));
        *self.counts.entry("snapshots dropped").or_default() += drop.len() as u64;
    }

    /// Puts something back that is gone.
    async fn restore(&mut self, make: Make) {
        const KINDS: &[&str] =
            &["page", "redirect", "script_tag", "collection", "product", "coupon", "brand", "blog_post"];
        if self.withdrawn.contains_key(&make) {
            return;
        }
        let model = &self.models[&make];
        let comes_back = |name: &str| {
            KINDS.contains(&name)
                && make.kinds().iter().any(|kind| kind.name == name && kind.restore == Restorable::Yes)
        };
        let mut gone = Vec::new();
        for (number, snapshot) in &model.snapshots {
            let lost = snapshot.records.iter().filter(|((kind, id), version)| {
                !model.head.contains_key(&(*kind, id.clone())) && comes_back(kind) && !version.is_erased()
            });
            gone.extend(lost.map(|(key, _)| (*number, key.clone())));
        }
        let Some((number, (kind, id))) = self.dice.pick(&gone).cloned() else { return };
        let mut ask = World::ask(make.name(), make.name(), Selection::At(SnapshotNumber(number)));
        ask.kinds = vec![Kind::new(kind).unwrap()];
        ask.ids = vec![id.to_string()];
        let plan = flows::restore::draw(self.shops.cell(), &ask, &Silent).await.unwrap();
        let report = flows::restore::apply(self.shops.cell(), &plan, &Silent).await.unwrap();
        // What it referred to may be gone, and then it may be refused: that is told. Or it is there again, under another id.
        let refused = problems(&report);
        assert!(report.complete == refused.is_empty(), "{kind} {id}: {refused:#?}");
        self.tell(make, &format!("puts back {kind} {id}: {} made, {}", report.created, refused.len()));
        *self.counts.entry("items put back").or_default() += report.created;
        *self.counts.entry("items that were refused").or_default() += refused.len() as u64;
    }

    fn weather(&mut self, make: Make) -> Weather {
        match self.dice.below(100) {
            0..=31 => Weather::Calm,
            32..=41 if self.withdrawn.contains_key(&make) || self.models[&make].newest() == 0 => {
                Weather::Calm
            }
            32..=41 => Weather::Busy(1 + self.dice.below(REQUESTS_MAX)),
            42..=64 => Weather::Gusty(self.dice.pick(gusts(make)).copied().unwrap()),
            65..=72 => {
                let (spec, kind) = self.dice.pick(breaks(make)).copied().unwrap();
                Weather::Broken(spec, kind)
            }
            73..=80 => Weather::Away(1 + self.dice.below(REQUESTS_MAX)),
            81..=90 => Weather::Killed(1 + self.dice.below(REQUESTS_MAX)),
            _ => {
                let how = if self.dice.percent(50) { Cut::Before } else { Cut::After };
                Weather::Cut(1 + self.dice.below(WRITES_MAX), how)
            }
        }
    }

    fn asked(&mut self, make: Make, weather: Weather) -> Asked {
        let broken = if let Weather::Broken(_, kind) = weather { Some(kind) } else { None };
        let withdrawn = self.withdrawn.get(&make).map(|scope| make.hidden_by(*scope)).unwrap_or_default();
        Asked { full: self.dice.percent(3), withdrawn, broken: broken.into_iter().collect() }
    }

    /// Backs a store up an hour later, while nothing disturbs it. What the store holds then, and when that was.
    pub(crate) async fn back_up_in_peace(&mut self, make: Make) -> (Arc<Look>, (Timestamp, Timestamp)) {
        self.shops.world.clock.advance(Duration::from_secs(3600));
        let began = self.shops.now();
        self.back_up(make, Weather::Calm).await;
        (Arc::new(self.look(make).await), (began, self.shops.now()))
    }

    /// Backs a store up in this weather, and once more where that ended it, at once or the next time.
    async fn back_up(&mut self, make: Make, weather: Weather) {
        self.tell(make, &format!("is backed up: {weather:?}"));
        let asked = self.asked(make, weather);
        let began = self.shops.now();
        let before = match weather {
            // Each item is then read as it was before, or as it is after.
            Weather::Busy(_) => Some(Arc::new(self.look(make).await)),
            _ => None,
        };
        let (report, how) = self.run_in(make, weather, asked.full).await;
        let look = Arc::new(self.look(make).await);
        let ran = (began, self.shops.now());
        match report {
            Some(report) => {
                self.count(how);
                self.adopt(make, report.snapshot.0).await;
                if let Some(before) = before {
                    self.models.get_mut(&make).unwrap().interrupted(ran, before, asked.clone());
                }
                self.observe(make, &report, (ran, &look), asked).await;
            }
            None => {
                self.count(how);
                self.models.get_mut(&make).unwrap().interrupted(ran, look, asked);
                if self.dice.percent(60) {
                    Box::pin(self.back_up(make, Weather::Calm)).await;
                }
            }
        }
    }

    /// What came of a run, and the name of how it went.
    async fn run_in(
        &mut self,
        make: Make,
        weather: Weather,
        full: bool,
    ) -> (Option<RunReport>, &'static str) {
        let connection = self.shops.connection(make).await;
        let backup = Backup { connection, full };
        let before = self.shops.requests(make);
        let run = async |shops: &Shops| flows::backup::backup(shops.cell(), &backup, &Silent).await;
        match weather {
            Weather::Calm => (Some(run(&self.shops).await.unwrap()), "backups in peace"),
            Weather::Busy(nth) => {
                self.turn += 1;
                let (shops, dice, turn) = (&self.shops, &mut self.dice, self.turn);
                let ended = AtomicBool::new(false);
                let run = async {
                    let report = run(shops).await;
                    ended.store(true, Ordering::SeqCst);
                    report
                };
                let deed = async {
                    while shops.requests(make) < before + nth && !ended.load(Ordering::SeqCst) {
                        tokio::task::yield_now().await;
                    }
                    let deeds = Shops::deeds(make);
                    let number = usize::try_from(dice.below(deeds.len() as u64)).unwrap();
                    // A file that ends while it is read is a gap, or none.
                    if deeds[number] == DELETES_A_FILE {
                        return None;
                    }
                    shops.act(make, number, turn, (None, dice)).await
                };
                let (report, done) = futures::join!(run, deed);
                if let Some(done) = done {
                    self.tell(make, &format!("meanwhile {done}"));
                }
                (Some(report.unwrap()), "backups beside an edit")
            }
            Weather::Gusty(spec) => {
                self.shops.faults(make, spec);
                let ended = run(&self.shops).await;
                if let Err(error) = &ended {
                    panic!("{} {spec}: {error}", self.shops.now());
                }
                (Some(ended.unwrap()), "backups under faults")
            }
            Weather::Broken(spec, _) => {
                self.shops.faults(make, spec);
                (Some(run(&self.shops).await.unwrap()), "backups with a gap")
            }
            Weather::Away(nth) => {
                self.shops.faults(make, &format!("503@{nth}+"));
                let ended = run(&self.shops).await.unwrap_err();
                assert_eq!(ended.kind(), ErrorKind::Unavailable, "{ended}");
                (None, "outages")
            }
            Weather::Killed(nth) => {
                let shops = &self.shops;
                let death = || async {
                    while shops.requests(make) < before + nth {
                        tokio::task::yield_now().await;
                    }
                };
                let report = killed_when(death, || async { run(shops).await.ok() });
                quiet(shops, make).await;
                self.shops.restart().await;
                (report, "processes killed")
            }
            Weather::Cut(nth, how) => {
                self.shops.power.cut_at(nth, how);
                let ended = run(&self.shops).await;
                if self.shops.power.restore() {
                    self.shops.restart().await;
                }
                (ended.ok(), "power cuts")
            }
        }
    }

    /// What the store holds, also by its own tables.
    async fn look(&self, make: Make) -> Look {
        let look = self.shops.look(make, self.withdrawn.get(&make).copied()).await;
        let (wrong, compared) = raw::differences(make, &look, &self.shops.dump(make));
        assert!(wrong.is_empty() && compared > 100, "{compared}: {wrong:#?}");
        look
    }

    /// Takes note of the snapshot of a run that was cut off after it was made, if there is one before this number.
    async fn adopt(&mut self, make: Make, before: u64) {
        let model = self.models.get_mut(&make).unwrap();
        if !model.is_interrupted() {
            return;
        }
        let name = make.name().parse().unwrap();
        let reader = flows::read::open(self.shops.cell(), &tenant(), &name, Action::Read, "compare").await;
        let reader = match reader {
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            reader => reader.unwrap(),
        };
        let kept = reader.snapshots().await.unwrap();
        let kept: BTreeSet<u64> = kept.iter().map(|one| one.name.number.0).collect();
        let between: Vec<u64> = kept.range(model.newest() + 1..before).copied().collect();
        assert!(between.len() <= 1, "{between:?}");
        for number in between {
            let found = check::found(&reader, make, number).await;
            model.adopted(number, &found);
            *self.counts.entry("snapshots adopted").or_default() += 1;
        }
    }

    async fn observe(
        &mut self,
        make: Make,
        report: &RunReport,
        (ran, look): ((Timestamp, Timestamp), &Arc<Look>),
        asked: Asked,
    ) {
        let number = report.snapshot.0;
        let reader = check::reader(&self.shops, make).await;
        let model = self.models.get_mut(&make).unwrap();
        let found = check::found(&reader, make, number).await;
        let is_partial = !asked.withdrawn.is_empty();
        let is_busy = model.is_interrupted();
        let unread = model.backed_up(number, (ran, look), asked, &found);
        self.counts.entry("snapshots").and_modify(|count| *count += 1).or_insert(1);
        gaps(make, report, &unread, (is_partial, is_busy));
        let digest = digest(&self.models[&make], number, &self.shops.address(make));
        self.tell(make, &format!("holds {digest:016x}"));
    }
}

/// What could not be read is told, and nothing else. While a scope is withdrawn, some of it may be parts of other kinds.
/// What comes while a store is read may be seen to be there and be no part of what was listed as changed.
fn gaps(
    make: Make,
    report: &RunReport,
    unread: &BTreeSet<&'static str>,
    (is_partial, is_busy): (bool, bool),
) {
    const PARTIAL: &[&str] = &["metafield_definition", "translation"];
    for (kind, report) in &report.kinds {
        let may_be_partial = is_partial && PARTIAL.contains(&kind.as_str());
        let just_came = |gap: &Gap| gap.detail == "it is there, and was not among what changed";
        if !unread.contains(kind.as_str())
            && is_busy
            && !report.gaps.is_empty()
            && report.gaps.iter().all(just_came)
        {
            continue;
        }
        let is_told = report.gaps.is_empty() != unread.contains(kind.as_str());
        assert!(is_told || may_be_partial, "{make:?} {kind}: {unread:?} {:#?}", report.gaps);
    }
    let is_whole = report.kinds.values().all(|kind| kind.gaps.is_empty());
    assert_eq!(report.complete, is_whole, "{make:?} {unread:?}");
}

/// What a snapshot holds, in a few digits, but for what was read at one of several moments, and for where the store
/// listens.
fn digest(model: &Model, number: u64, address: &str) -> u64 {
    let snapshot = &model.snapshots[&number];
    let records = snapshot.records.iter().filter(|(key, _)| !snapshot.blurred.contains(*key));
    let texts: Vec<String> = records
        .map(|(key, version)| {
            let content = String::from_utf8_lossy(&version.seen.canonical).replace(address, "");
            format!("{} {} {content}", key.0, key.1)
        })
        .collect();
    // The same ids have the same places in their order.
    let sorted: BTreeSet<&str> = texts.iter().flat_map(|text| ids(text)).collect();
    let places: BTreeMap<&str, usize> = sorted.into_iter().zip(0..).collect();
    let mut hasher = DefaultHasher::new();
    for text in &texts {
        let places: Vec<usize> = ids(text).map(|id| places[id]).collect();
        (without_ids(text), places).hash(&mut hasher);
    }
    hasher.finish()
}

/// So many digits has an id of Shopify's. The next one depends on how often anything was asked of the store.
const ID_DIGITS: usize = 13;

fn is_id(run: &str) -> bool {
    run.len() == ID_DIGITS && run.bytes().all(|byte| byte.is_ascii_digit())
}

fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_digit()).filter(|run| is_id(run))
}

fn without_ids(text: &str) -> String {
    ids(text).fold(text.to_owned(), |text, id| text.replace(id, "…"))
}

/// Waits until all that was sent has arrived.
#[expect(clippy::disallowed_methods, reason = "it waits for another program, in real time")]
async fn quiet(shops: &Shops, make: Make) {
    let mut seen = (shops.requests(make), 0);
    while seen.1 < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = shops.requests(make);
        seen = if now == seen.0 { (now, seen.1 + 1) } else { (now, 0) };
    }
}
