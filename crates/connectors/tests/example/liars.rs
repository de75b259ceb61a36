//! The suite finds out who does not keep to it: for every fact there is a store that lies about it, and is caught.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use connectors::contract::{
    Applied, Effort, Fault, IdMap, Item, ItemPlan, ItemWrite, KindEnd, KindRequest, KindSpec, Line, Lookup,
    MediaBody, MediaSource, Pace, PlanAction, Probe, Progress, RestoreOptions, Spool, SpoolError, Store,
    Usage,
};
use domain::{AuditSink, Kind, Removal, Unrecorded};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::conformance::{Plain, Practised, Size, facts, reading, recorded, restoring, trouble};
use crate::journal::Memory;
use crate::practice::Practice;

/// One that does not lie: what is between it and the suite changes nothing.
const HONEST: u8 = 0;
/// Says of what failed, and of what it may not see, that it was read to its end.
const KNOWS_BETTER: u8 = 1;
/// Leaves out the first item of what is resumed.
const FORGETS_THE_NEXT: u8 = 2;
/// Does not say what is there still.
const KEEPS_SILENT: u8 = 3;
/// Reads everything as if nothing had been read before.
const STARTS_OVER: u8 = 4;
/// Puts what an item was before it, as if it were a later line.
const REPEATS_ITSELF: u8 = 5;
/// Leaves out one item, in its second reading: whichever comes as the twentieth of all.
const LOSES_ONE: u8 = 6;
/// Looks up in the wrong order.
const MIXES_UP: u8 = 7;
/// Leaves ids in what it writes as they were in the backup.
const MIXES_UP_IDS: u8 = 13;
/// Finds something to do with everything.
const MEDDLES: u8 = 8;
/// Says that it restored.
const IDLES: u8 = 9;
/// Keeps no journal.
const TAKES_NO_NOTES: u8 = 10;
/// Sends what is on no record.
const HIDES: u8 = 11;
/// Lets everybody in, and answers when it is closed.
const LETS_IN: u8 = 12;

struct Lying<const LIE: u8>(Practice, Arc<AtomicU64>);

struct Liar<const LIE: u8> {
    store: Box<dyn Store>,
    /// Items that were ever read.
    read: Arc<AtomicU64>,
}

/// The spool of a liar: it hears something else than what is so.
struct Told<'a, const LIE: u8> {
    liar: &'a Liar<LIE>,
    spool: &'a dyn Spool,
    resumed: AtomicBool,
}

fn done() -> BoxFuture<'static, Result<(), SpoolError>> {
    Box::pin(async { Ok(()) })
}

impl<const LIE: u8> Spool for Told<'_, LIE> {
    fn put(&self, line: Line) -> BoxFuture<'_, Result<(), SpoolError>> {
        let is_own = line.part.is_empty();
        if LIE == FORGETS_THE_NEXT && is_own && self.resumed.swap(false, SeqCst) {
            return done();
        }
        if LIE == LOSES_ONE && is_own && self.liar.read.fetch_add(1, SeqCst) == 19 {
            return done();
        }
        if LIE == REPEATS_ITSELF && !is_own {
            let before = Line { bytes: b"\"as it was\"".to_vec(), ..line.clone() };
            return Box::pin(async {
                self.spool.put(before).await?;
                self.spool.put(line).await
            });
        }
        self.spool.put(line)
    }

    fn removed(&self, kind: Kind, id: Box<str>, why: Removal) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.spool.removed(kind, id, why)
    }

    fn present(&self, kind: Kind, id: Box<str>) -> BoxFuture<'_, Result<(), SpoolError>> {
        if LIE == KEEPS_SILENT { done() } else { self.spool.present(kind, id) }
    }

    fn page_end(&self, kind: Kind, cursor: Value) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.spool.page_end(kind, cursor)
    }

    fn restart(&self, kind: Kind) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.spool.restart(kind)
    }

    fn kind_end(&self, mut end: KindEnd) -> BoxFuture<'_, Result<(), SpoolError>> {
        if LIE == KNOWS_BETTER {
            (end.swept, end.complete, end.gaps) = (true, true, Vec::new());
        }
        self.spool.kind_end(end)
    }

    fn progress(&self, progress: Progress<'_>) {
        self.spool.progress(progress);
    }
}

impl<const LIE: u8> Store for Liar<LIE> {
    fn kinds(&self) -> &'static [KindSpec] {
        self.store.kinds()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, Fault>> {
        Box::pin(async {
            match self.store.probe().await {
                Err(Fault::Unavailable(_)) if LIE == LETS_IN => Err(Fault::Malformed(String::new())),
                probed => probed,
            }
        })
    }

    fn fetch<'a>(
        &'a self,
        mut kinds: Vec<KindRequest>,
        spool: &'a dyn Spool,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        if LIE == STARTS_OVER {
            kinds.iter_mut().for_each(|request| request.since = None);
        }
        let resumed = kinds.iter().any(|request| request.resume.is_some());
        Box::pin(async move {
            let told = Told { liar: self, spool, resumed: resumed.into() };
            self.store.fetch(kinds, &told).await
        })
    }

    fn assemble(&self, kind: &'static KindSpec, id: &str, lines: &[Line]) -> Result<Option<Item>, Fault> {
        self.store.assemble(kind, id, lines)
    }

    fn media<'a>(&'a self, source: &'a MediaSource) -> BoxFuture<'a, Result<MediaBody, Fault>> {
        self.store.media(source)
    }

    fn live<'a>(
        &'a self,
        kind: &'static KindSpec,
        lookups: &'a [Lookup<'a>],
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, Fault>> {
        Box::pin(async move {
            let mut found = self.store.live(kind, lookups).await?;
            if LIE == MIXES_UP {
                found.reverse();
            }
            Ok(found)
        })
    }

    fn plan_back(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
        ids: &IdMap,
        options: &RestoreOptions,
    ) -> ItemPlan {
        let plan = self.store.plan_back(kind, wanted, live, former, ids, options);
        if LIE == MEDDLES { ItemPlan { action: PlanAction::Update, ..plan } } else { plan }
    }

    fn pair(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: &Value,
        ids: &IdMap,
    ) -> Vec<(String, String)> {
        self.store.pair(kind, wanted, live, ids)
    }

    fn apply<'a>(&'a self, write: ItemWrite<'a>) -> BoxFuture<'a, Result<Applied, Fault>> {
        Box::pin(async move {
            match LIE {
                IDLES => Ok(Applied::default()),
                TAKES_NO_NOTES => {
                    // What is intended is noted, so that it looks as if; what was noted before is not looked at.
                    write.journal.intend("create").await?;
                    self.store.apply(ItemWrite { journal: &Memory::default(), ..write }).await
                }
                MIXES_UP_IDS => self.store.apply(ItemWrite { ids: &IdMap::of_one_store(), ..write }).await,
                _ => self.store.apply(write).await,
            }
        })
    }

    fn delete<'a>(&'a self, kind: &'static KindSpec, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        self.store.delete(kind, id)
    }

    fn looking(&self, kind: &'static KindSpec, items: &[&Value]) -> Effort {
        self.store.looking(kind, items)
    }

    fn pace(&self) -> Pace {
        self.store.pace()
    }

    fn usage(&self) -> Usage {
        self.store.usage()
    }

    fn api_version(&self) -> &str {
        self.store.api_version()
    }

    fn selection_digest(&self, kind: &'static KindSpec) -> String {
        self.store.selection_digest(kind)
    }
}

impl<const LIE: u8> Practised for Lying<LIE> {
    const KINDS: &'static [KindSpec] = Practice::KINDS;
    const PLAIN: Plain = Practice::PLAIN;
    const TELLS_SCOPES: bool = Practice::TELLS_SCOPES;
    const ITSELF: Option<&'static str> = Practice::ITSELF;
    const PASSING: (&'static [&'static str], &'static [&'static str]) = Practice::PASSING;
    const FAILING: (&'static str, &'static str) = Practice::FAILING;
    const REFUSED: usize = Practice::REFUSED;

    fn lost(n: u32) -> String {
        Practice::lost(n)
    }

    async fn start_with(size: Size) -> Self {
        Self(Practice::start_with(size).await, Arc::default())
    }

    fn open_audited(&self, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        let audit = if LIE == HIDES { Arc::new(Unrecorded) } else { audit };
        Box::new(Liar::<LIE> { store: self.0.open_audited(audit), read: Arc::clone(&self.1) })
    }

    fn open_unknown(&self) -> Box<dyn Store> {
        if LIE == LETS_IN { self.open_audited(Arc::new(Unrecorded)) } else { self.0.open_unknown() }
    }

    fn pass(&self, time: Duration) {
        self.0.pass(time);
    }

    fn set_faults(&self, spec: &str) {
        self.0.set_faults(spec);
    }

    fn grant(&self, scopes: &[&str]) {
        self.0.grant(scopes);
    }

    fn opens(scope: &str, wanted: &str) -> bool {
        Practice::opens(scope, wanted)
    }

    fn received(&self) -> u64 {
        self.0.received()
    }

    async fn edit(&self, id: &str, text: &str) {
        self.0.edit(id, text).await;
    }

    async fn remove(&self, id: &str) {
        self.0.remove(id).await;
    }

    async fn close(self) {
        self.0.close().await;
    }
}

/// A control: what is found out below is the lie, and nothing that lies between.
mod honest {
    super::facts!(super::Lying<{ super::HONEST }>);
}

macro_rules! caught {
    ($($group:ident::$fact:ident by $lie:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let fact = AssertUnwindSafe($group::$fact::<Lying<$lie>>()).catch_unwind().await;
                assert!(fact.is_err(), "nobody found out");
            }
        )*
    };
}

caught! {
    reading::every_kind_is_read_whole_and_twice_the_same by LOSES_ONE,
    reading::lines_make_the_same_items_in_whatever_order_they_come by REPEATS_ITSELF,
    reading::a_run_resumes_at_every_cursor by FORGETS_THE_NEXT,
    reading::a_store_that_rests_has_no_changes by KEEPS_SILENT,
    reading::an_increment_holds_what_changed_and_knows_what_is_gone by STARTS_OVER,
    reading::what_is_live_is_what_a_reading_gives by MIXES_UP,
    trouble::what_passes_leaves_no_trace by LOSES_ONE,
    trouble::a_kind_whose_page_fails_is_not_swept by KNOWS_BETTER,
    trouble::a_scope_that_is_withdrawn_is_a_gap_and_takes_nothing_away by KNOWS_BETTER,
    trouble::a_credential_that_is_not_accepted_stops_the_run by LETS_IN,
    trouble::a_store_that_is_silent_is_not_available by LETS_IN,
    recorded::every_request_is_on_record by HIDES,
    recorded::what_cannot_be_put_on_record_stops_the_run by HIDES,
    restoring::nothing_is_restored_where_nothing_changed by MEDDLES,
    restoring::what_was_changed_is_set_back_and_nothing_else by IDLES,
    restoring::what_was_deleted_comes_back_once by IDLES,
    restoring::everything_comes_back_in_an_empty_store by MIXES_UP_IDS,
    restoring::a_restore_cut_off_at_any_note_makes_nothing_twice by TAKES_NO_NOTES,
    restoring::no_answer_that_is_lost_makes_anything_twice by TAKES_NO_NOTES,
}
