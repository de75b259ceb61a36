//! What every platform shows, whichever it is: one list of facts, called by each with a practice store of its own.
//!
//! A platform implements [`Practised`] for what it practises on, and writes `crate::conformance::facts!(Practice);`. What is
//! special to it stands in tests of its own.

use std::sync::Arc;
use std::time::Duration;

use connectors::contract::{Fault, IdMap, Item, KindRequest, KindSpec, Lookup, Store, named};
use domain::{AuditSink, Unrecorded};
use serde_json::Value;

use crate::spool::Memory;

mod journal;
pub(crate) mod kept;
pub(crate) mod reading;
pub(crate) mod recorded;
pub(crate) mod restoring;
pub(crate) mod trouble;

/// A kind whose items the owner changes and deletes in these tests.
pub(crate) struct Plain {
    pub(crate) kind: &'static str,
    /// A text of it that is written by a restore. Nobody is known by it.
    pub(crate) text: &'static str,
    /// Another field that a restore may be kept to.
    pub(crate) other: &'static str,
}

/// A practice store, as these tests handle it.
pub(crate) trait Practised: Sized {
    /// The platform's table.
    const KINDS: &'static [KindSpec];
    const PLAIN: Plain;
    /// Whether the platform tells which scopes there are, so that what lacks one has left our sight.
    const TELLS_SCOPES: bool;
    /// The scope without which the platform does not tell who the store is, where there is one.
    const ITSELF: Option<&'static str>;
    /// Faults that pass, each for itself; and the kinds that are read meanwhile, all where none is named.
    const PASSING: (&'static [&'static str], &'static [&'static str]);
    /// A kind, and the fault by which a later page of its list never comes while all else does.
    const FAILING: (&'static str, &'static str);
    /// Items of a whole store that cannot be made anew, of kinds that can: their plans say why.
    const REFUSED: usize;
    /// The fault by which the answer of the n-th request is lost, after all was done that it asked for.
    fn lost(n: u32) -> String;

    /// Opens a store.
    async fn start_with(size: Size) -> Self;
    /// Connects to it.
    fn open_audited(&self, audit: Arc<dyn AuditSink>) -> Box<dyn Store>;
    /// The same with a credential that nobody gave out.
    fn open_unknown(&self) -> Box<dyn Store>;
    /// Lets time pass.
    fn pass(&self, time: Duration);
    /// Has these faults happen from now on; none where there is no text.
    fn set_faults(&self, spec: &str);
    /// Lets the app have these scopes.
    fn grant(&self, scopes: &[&str]);
    /// Whether a scope opens what another does.
    fn opens(scope: &str, wanted: &str) -> bool;
    /// Requests that came to the store.
    fn received(&self) -> u64;
    /// The owner sets the text of a plain item.
    async fn edit(&self, id: &str, text: &str);
    /// The owner deletes a plain item.
    async fn remove(&self, id: &str);
    /// Looks at both stores once everything of the one was put into the other, where the platform lets more be said.
    fn look_through(_from: &Self, _to: &Self) {}
    /// Closes it.
    async fn close(self);
}

/// How large a store is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Some items of every kind, and lists of several pages.
    Whole,
    /// A few, for what is done again and again.
    Few,
    /// None but those that a store has from its beginning.
    Empty,
}

/// Connects without a record of requests.
pub(crate) fn open<P: Practised>(practice: &P) -> Box<dyn Store> {
    practice.open_audited(Arc::new(Unrecorded))
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Requests for these kinds, or for all: everything, or what came since.
pub(crate) fn requests<P: Practised>(kinds: &[&str], since: Option<&Memory>) -> Vec<KindRequest> {
    let rows = P::KINDS.iter().filter(|row| kinds.is_empty() || kinds.contains(&row.name));
    rows.map(|kind| {
        let since = since.and_then(|memory| memory.end(kind.name).next);
        KindRequest { kind, since, resume: None }
    })
    .collect()
}

pub(crate) async fn fetch(store: &dyn Store, requests: Vec<KindRequest>) -> Result<Memory, Fault> {
    let spool = Memory::default();
    store.fetch(requests, &spool).await?;
    Ok(spool)
}

/// Everything of these kinds, or of all.
pub(crate) async fn whole<P: Practised>(store: &dyn Store, kinds: &[&str]) -> Memory {
    fetch(store, requests::<P>(kinds, None)).await.unwrap()
}

/// The row of the plain kind.
pub(crate) fn plain<P: Practised>() -> &'static KindSpec {
    P::KINDS.iter().find(|row| row.name == P::PLAIN.kind).unwrap()
}

/// The payload as whoever restores it has it.
pub(crate) fn payload(row: &'static KindSpec, item: &Item) -> Value {
    named(row, serde_json::from_slice(&item.payload).unwrap())
}

/// What is there now.
pub(crate) async fn live(store: &dyn Store, row: &'static KindSpec, lookup: Lookup<'_>) -> Option<Item> {
    let lookups = [lookup];
    let found = store.live(row, &lookups).await.unwrap();
    assert_eq!(found.len(), 1);
    found.into_iter().next().flatten()
}

/// A ledger of one store with these pairs.
pub(crate) fn ledger(pairs: &[(String, String)]) -> IdMap {
    let mut ids = IdMap::of_one_store();
    pairs.iter().for_each(|(old, new)| ids.insert(old, new));
    ids
}

/// Makes a test of each fact. A platform cannot leave one out.
macro_rules! facts {
    ($practice:ty) => {
        $crate::conformance::facts! { $practice:
            reading::every_kind_is_read_whole_and_twice_the_same,
            reading::lines_make_the_same_items_in_whatever_order_they_come,
            reading::a_run_resumes_at_every_cursor,
            reading::a_store_that_rests_has_no_changes,
            reading::an_increment_holds_what_changed_and_knows_what_is_gone,
            reading::what_is_live_is_what_a_reading_gives,
            trouble::what_passes_leaves_no_trace,
            trouble::a_kind_whose_page_fails_is_not_swept,
            trouble::a_scope_that_is_withdrawn_is_a_gap_and_takes_nothing_away,
            trouble::a_credential_that_is_not_accepted_stops_the_run,
            trouble::a_store_that_is_silent_is_not_available,
            recorded::every_request_is_on_record,
            recorded::what_cannot_be_put_on_record_stops_the_run,
            restoring::nothing_is_restored_where_nothing_changed,
            restoring::what_was_changed_is_set_back_and_nothing_else,
            restoring::what_was_deleted_comes_back_once,
            restoring::everything_comes_back_in_an_empty_store,
            restoring::a_restore_cut_off_at_any_note_makes_nothing_twice,
            restoring::no_answer_that_is_lost_makes_anything_twice,
        }
    };
    ($practice:ty: $($group:ident::$fact:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                $crate::conformance::$group::$fact::<$practice>().await;
            }
        )*
    };
}
pub(crate) use facts;
