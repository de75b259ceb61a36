//! What the flows know of a platform: a table of its kinds, and a store that can be read and written.
//!
//! A capture runs in two steps. [`Store::fetch`] pushes what the platform answers, line by line, into a durable
//! [`Spool`] that sorts by kind, item and part; a crash resumes at the last cursor whose lines are durable.
//! Then [`Store::assemble`], a pure function, joins the lines of one item. So children may arrive in any
//! order, duplicates meet, and memory stays bounded whatever the store's size.
//!
//! A restore compares ([`Store::plan`]), and writes with a [`Journal`] in which the intent of every step
//! stands before the step is taken ([`Store::apply`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    AuditError, AuditSink, Clock, Gap, GrantId, Kind, Principal, Removal, Rng, SubjectId, Timestamp,
};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

mod hint;
mod ids;
mod named;
mod pace;

pub use hint::{Ear, Hint, Subscribed, Unheard};
pub use ids::IdMap;
pub use named::{id_of, named, number_of, time};
pub use pace::{Budget, Effort, Pace};

// ---------------------------------------------------------------- the table of kinds

/// One kind of item: a row of a platform's table.
///
/// Pointers are JSON pointers (RFC 6901) into the assembled payload; `*` stands for every element of an array.
#[derive(Debug)]
pub struct KindSpec {
    /// The kind's name, by the platform's own noun in snake case.
    pub name: &'static str,
    /// What people call many of them.
    pub plural: &'static str,
    /// How the platform spells ids.
    pub ids: Ids,
    /// Scopes without which the kind cannot be read.
    pub read_scopes: &'static [&'static str],
    /// Scopes without which it cannot be restored.
    pub write_scopes: &'static [&'static str],
    /// How changes are found between sweeps.
    pub changes: Changes,
    /// How deletions are found between sweeps. A sweep always finds them.
    pub deletions: Deletions,
    /// What the platform tells of by itself when an item changes, in its words ([`Hint::topic`]). Empty: nothing, and
    /// changes are found by reading alone.
    pub told: &'static [&'static str],
    /// Whose data it is. `None` for kinds without personal data.
    pub subject: Option<SubjectRule>,
    /// Columns of lists and search.
    pub summary: &'static [SummaryColumn],
    /// Fields that alone make no new version.
    pub volatile: &'static [&'static str],
    /// Arrays whose order carries no meaning; their elements are ordered by `id`, else by content, for hashing.
    pub unordered: &'static [&'static str],
    /// Fields that hold the id of another item.
    pub references: &'static [Reference],
    /// Fields that identify the item for people, and so find it again after its id is lost.
    pub natural_key: &'static [&'static str],
    /// Prices at which something is sold. It is the element that the last `*` stands for; without one, the item.
    pub prices: &'static [&'static str],
    /// For kinds that record what was sold: where that stands.
    pub sale: Option<SaleRule>,
    /// What restoring can do.
    pub restore: Restorable,
    /// Fields that do not come back, and why. Generated into the coverage page and every plan.
    pub lost: &'static [Loss],
}

impl KindSpec {
    /// A row that says nothing: what most kinds of a platform have in common is laid over it.
    pub const BLANK: Self = Self {
        name: "",
        plural: "",
        ids: Ids::Texts,
        read_scopes: &[],
        write_scopes: &[],
        changes: Changes::FullScan,
        deletions: Deletions::FullScan,
        told: &[],
        subject: None,
        summary: &[],
        volatile: &[],
        unordered: &[],
        references: &[],
        natural_key: &[],
        prices: &[],
        sale: None,
        restore: Restorable::Yes,
        lost: &[],
    };
}

/// A column of lists and search, in a table.
pub(crate) const fn column(name: &'static str, pointer: &'static str) -> SummaryColumn {
    SummaryColumn { name, pointer }
}

/// A field that holds another item's id, in a table.
pub(crate) const fn reference(pointer: &'static str, kind: &'static str) -> Reference {
    Reference { pointer, kind, when: None }
}

/// How a platform spells ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// As texts, each of which names one thing of the store.
    Texts,
    /// As numbers, of which each kind has its own; some things have texts all the same.
    Numbers,
}

/// How changes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// The platform filters by time of change; an overlap window catches its lag.
    UpdatedSince,
    /// Every run reads all of them.
    FullScan,
}

/// How deletions are found between sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletions {
    /// The platform keeps a list of what was deleted.
    Events,
    /// Every run reads all of them anyway.
    FullScan,
}

/// Where an item's people stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectRule {
    /// The first pointer that holds a value names the person; where none does, the item is its own subject.
    pub pointers: &'static [&'static str],
    /// The kind of the person's id, part of the subject's id: `customer`.
    pub kind: &'static str,
}

/// Where a kind that records sales says what was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaleRule {
    /// What people call the sale.
    pub name: &'static str,
    /// When it was made.
    pub placed_at: &'static str,
    /// The ids of what was sold at a price.
    pub sold: &'static str,
}

/// A column of lists and search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryColumn {
    /// The column's name.
    pub name: &'static str,
    /// Where its value stands.
    pub pointer: &'static str,
}

/// A field that holds another item's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Where the id stands.
    pub pointer: &'static str,
    /// The other item's kind, or the kind and the list of its parts: `product.variants`. Empty: the id tells.
    pub kind: &'static str,
    /// Only where another field, at this pointer, has this text.
    pub when: Option<(&'static str, &'static str)>,
}

/// What restoring can do for a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restorable {
    /// Created when it is gone, updated when it differs.
    Yes,
    /// Updated when it differs, never created.
    UpdateOnly(&'static str),
    /// Kept for reading only; the reason is shown in every plan.
    Never(&'static str),
}

/// A field that does not come back, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Which field.
    pub pointer: &'static str,
    /// Why, in words for the shop's owner.
    pub why: &'static str,
}

// ---------------------------------------------------------------- reading

/// What a look at the store tells before anything is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Probe {
    /// The store's id on the platform. It never changes, and no other store has it.
    pub store_id: String,
    /// The store's own name.
    pub store_name: String,
    /// The store's permanent address on the platform.
    pub store_domain: String,
    /// The API version that answers.
    pub api_version: String,
    /// Scopes that the token has.
    pub granted: Vec<String>,
    /// Scopes that are needed and not granted, with the kinds that they cost.
    pub missing: Vec<MissingScope>,
    /// What else the store must approve, in sentences: older orders, personal data.
    pub approvals: Vec<String>,
}

/// A scope that is not granted, and what it costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MissingScope {
    /// The scope's name on the platform.
    pub scope: String,
    /// Kinds that cannot be read without it.
    pub blocks_reading: Vec<String>,
    /// Kinds that cannot be restored without it.
    pub blocks_restoring: Vec<String>,
}

/// What to fetch of one kind.
#[derive(Debug, Clone)]
pub struct KindRequest {
    /// The row.
    pub kind: &'static KindSpec,
    /// Where the last complete run ended ([`KindEnd::next`]); `None` reads everything.
    pub since: Option<Value>,
    /// Where an interrupted run had come to (the last durable cursor); `None` begins.
    pub resume: Option<Value>,
}

/// How one kind's fetch ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KindEnd {
    /// Which kind.
    pub kind: Kind,
    /// Whether everything that exists was listed, so that what is absent was removed. Never true where a
    /// page failed or a scope is missing.
    pub swept: bool,
    /// Whether all that was asked for was read. Where not, `gaps` says why, and nothing counts as removed.
    pub complete: bool,
    /// A scope is not granted without which nothing of the kind can be seen: what was there before has left our
    /// sight, it was not deleted. One answer that refuses access says less than that, and is only a gap.
    pub left_scope: bool,
    /// When its reading ended.
    pub read_at: Timestamp,
    /// From where the next increment starts; kept only when `complete`.
    pub next: Option<Value>,
    /// What is not there, and why.
    pub gaps: Vec<Gap>,
}

/// Counters of a fetch or a restore, for reports and progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Requests sent.
    pub requests: u64,
    /// Requests answered with "throttled".
    pub throttled: u64,
    /// Bytes received.
    pub bytes_read: u64,
    /// What the requests cost, in the platform's own unit and by its own count.
    #[serde(default)]
    pub cost: u64,
}

/// Where the engine says how far it is. Cheap; called often.
#[derive(Debug, Clone)]
pub struct Progress<'a> {
    /// Which kind.
    pub kind: &'a str,
    /// Items fetched or written so far.
    pub items: u64,
    /// Items in all, where the platform told.
    pub total: Option<u64>,
    /// Time that the rest will take at the platform's budget, where it can be told.
    pub remaining: Option<Duration>,
}

/// One line on its way into the spool: an item, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which kind of item.
    pub kind: Kind,
    /// The item's id ([`named`]): for a part, that of the item which it belongs to.
    pub id: Box<str>,
    /// Which part of the item: empty for the item's own line, else a path such as `variants/gid…`. Lines of
    /// one item come back ordered by it. Two lines with the same kind, id and part are one: the later wins.
    pub part: Box<str>,
    /// The line itself, as received.
    pub bytes: Vec<u8>,
}

/// The durable sorter that a fetch writes to. Shared by all kinds of one run.
pub trait Spool: Send + Sync {
    /// Takes a line; waits where memory for unsorted lines is full.
    fn put(&self, line: Line) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// Says that an item is gone, where the platform tells so itself.
    fn removed(&self, kind: Kind, id: Box<str>, why: Removal) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// Says that an item is there still, where it was not read because it did not change. So an increment that lists
    /// all ids is a sweep.
    fn present(&self, kind: Kind, id: Box<str>) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// All lines of `kind` up to `cursor` were put. Once they are durable, a resumed run begins at the cursor.
    fn page_end(&self, kind: Kind, cursor: Value) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// Forgets all lines of `kind`: what was read turned out not to be whole, and it is read anew.
    fn restart(&self, kind: Kind) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// The kind is finished; durable together with its lines.
    fn kind_end(&self, end: KindEnd) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// How far the fetch is.
    fn progress(&self, progress: Progress<'_>);
}

/// The spool could not keep a line: the run must stop.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the run's progress could not be stored: {why}")]
pub struct SpoolError {
    /// What its owner does next.
    pub kind: SpoolErrorKind,
    /// What happened, with its causes.
    pub why: String,
}

/// What the owner of a spool does about its failure. A connector hands it through and never looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoolErrorKind {
    /// Report it.
    Failed,
    /// Come back later: the spool's own store is not available.
    Unavailable,
    /// Stop: what is stored there is damaged.
    Damaged,
    /// Stop: somebody else writes.
    Conflict,
    /// A person must let us in.
    Refused,
}

/// An item, joined from its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The platform's id, told apart from those of other kinds ([`named`]).
    pub id: Box<str>,
    /// The item as JSON: what was received, children joined in.
    pub payload: Vec<u8>,
    /// The bytes that count for "changed or not": canonical JSON without volatile fields.
    pub canonical: Vec<u8>,
    /// When the platform says that it last changed.
    pub source_updated_at: Option<Timestamp>,
    /// The people whose data it holds; empty for kinds without personal data.
    pub subjects: Vec<SubjectId>,
    /// Bytes to store beside it.
    pub media: Vec<MediaSource>,
    /// Values of the kind's summary columns, in the table's order.
    pub summary: Vec<Value>,
    /// What it does not hold, and why.
    pub gaps: Vec<Gap>,
}

/// Bytes of an item that stand elsewhere on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSource {
    /// The pointer to the address in the payload.
    pub pointer: String,
    /// Where to fetch the bytes. A changed address means changed bytes.
    pub url: String,
    /// Media type, where the platform told.
    pub media_type: Option<String>,
}

/// Bytes being fetched.
pub struct MediaBody {
    /// Length in bytes, where the answer told.
    pub size_bytes: Option<u64>,
    /// Media type, where the answer told.
    pub media_type: Option<String>,
    /// The bytes.
    pub bytes: BoxStream<'static, Result<Bytes, Fault>>,
}

// ---------------------------------------------------------------- restoring

/// What to look for on the live store.
#[derive(Debug, Clone)]
pub enum Lookup<'a> {
    /// The item with this id.
    Id(&'a str),
    /// The item that has this payload's natural key.
    Natural(&'a Value),
}

/// What a restore may touch. Everything that moves money, stock or mail is off unless asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOptions {
    /// Set stock quantities to those of the backup.
    #[serde(default)]
    pub stock: bool,
    /// Only these fields (JSON pointers); empty means all.
    #[serde(default)]
    pub fields: Vec<String>,
}

/// What would be done with one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemPlan {
    /// What would be done.
    pub action: PlanAction,
    /// Fields that would change, with both values.
    pub fields: Vec<FieldChange>,
    /// What does not come back, in sentences.
    pub losses: Vec<String>,
    /// Requests that it will take.
    pub requests: u64,
    /// What these cost from the platform's budget, in its own unit.
    pub cost: u64,
}

/// What would be done with an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum PlanAction {
    /// It is gone and would be made anew, with a new id.
    Create,
    /// It differs and would be set back.
    Update,
    /// Nothing to do.
    Skip,
    /// It should not be there and would be deleted (an undo of a creation).
    Delete,
    /// It cannot be restored.
    Cannot {
        /// Why, in words for the shop's owner.
        why: String,
    },
}

/// A field's two values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// JSON pointer; elements of lists are named by `id` where they have one: `/variants/[gid…]/price`.
    pub path: String,
    /// The value on the live store.
    pub from: Value,
    /// The value that would be set.
    pub to: Value,
}

/// What the journal knows of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prior {
    /// The step was never begun.
    New,
    /// Its intent stands, its result is not known: it may have happened.
    InDoubt,
    /// It was done, with these old and new ids.
    Done(Vec<(String, String)>),
}

/// Where every step of a restore is written before and after it is taken.
pub trait Journal: Send + Sync {
    /// Whether the intent of a step stands and its result is not known, without beginning it.
    fn is_in_doubt(&self, step: &str) -> bool;
    /// Writes the intent of a step, durably, and tells what was known before.
    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>>;
    /// Writes the result of a step, durably.
    fn done<'a>(
        &'a self,
        step: &'a str,
        ids: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), SpoolError>>;
    /// Writes, durably, that the platform refused a step: it was certainly not taken, and may be begun again.
    fn refused<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<(), SpoolError>>;
}

/// Reads stored media for a restore.
pub trait MediaReader: Send + Sync {
    /// How long they are; `None` where none were stored.
    fn size_bytes(&self, pointer: &str) -> Option<u64>;

    /// The bytes that were stored for this pointer of the item; `None` where none were.
    fn read<'a>(&'a self, pointer: &'a str) -> BoxFuture<'a, Option<Result<Bytes, SpoolError>>>;
}

/// One item to write.
pub struct ItemWrite<'a> {
    /// The row.
    pub kind: &'static KindSpec,
    /// The item's id in the backup.
    pub id: &'a str,
    /// What it shall be, as [`named`] gives it; ids in it are those of the backup.
    pub wanted: &'a Value,
    /// What it is now; `None` where it is gone.
    pub live: Option<&'a Value>,
    /// A state that is taken back: what it had and `wanted` has not, and nothing else, is taken away from the item.
    pub former: Option<&'a Value>,
    /// What may be touched.
    pub options: &'a RestoreOptions,
    /// Ids that changed.
    pub ids: &'a IdMap,
    /// The stored media.
    pub media: &'a dyn MediaReader,
    /// Where steps are noted.
    pub journal: &'a dyn Journal,
}

/// What became of one item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Old and new ids of the item and of its parts.
    pub ids: Vec<(String, String)>,
    /// What could not be done, in sentences. Not empty means: not whole.
    pub problems: Vec<String>,
    /// It was in doubt whether an earlier, interrupted step had happened, and the platform cannot tell.
    pub possibly_twice: bool,
}

// ---------------------------------------------------------------- the store

/// A connected store, opened with its credential.
pub trait Store: Send + Sync {
    /// The table of kinds, in the order of backup.
    fn kinds(&self) -> &'static [KindSpec];

    /// Looks at the store: who it is, what we may do there.
    fn probe(&self) -> BoxFuture<'_, Result<Probe, Fault>>;

    /// Fetches kinds into the spool. Every kind that was asked for gets its [`Spool::kind_end`], also one that
    /// failed: then the spool holds whole items of it or none. An `Err` means that the run as a whole cannot go on,
    /// and may be resumed.
    fn fetch<'a>(&'a self, kinds: Vec<KindRequest>, spool: &'a dyn Spool)
    -> BoxFuture<'a, Result<(), Fault>>;

    /// Joins the lines of one item, ordered by part. `None` where they tell of an item that was not listed itself, because
    /// it came into being meanwhile: the next reading will have it.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where the lines do not make an item: a part without its item, JSON that is not JSON.
    fn assemble(&self, kind: &'static KindSpec, id: &str, lines: &[Line]) -> Result<Option<Item>, Fault>;

    /// Fetches bytes.
    fn media<'a>(&'a self, source: &'a MediaSource) -> BoxFuture<'a, Result<MediaBody, Fault>>;

    /// The live items, assembled as [`Store::assemble`] does, in the order asked; `None` where there is none.
    fn live<'a>(
        &'a self,
        kind: &'static KindSpec,
        lookups: &'a [Lookup<'a>],
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, Fault>>;

    /// What would be done to make `live` what `wanted` says, both as [`named`] gives them. What `live` has more than that in its lists (tags,
    /// metafields, variants, media, entries) was added since, and stays. Pure.
    fn plan(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: Option<&Value>,
        ids: &IdMap,
        options: &RestoreOptions,
    ) -> ItemPlan {
        self.plan_back(kind, wanted, live, None, ids, options)
    }

    /// The same where a `former` state is taken back: what that had more than `wanted` goes again. Pure.
    fn plan_back(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
        ids: &IdMap,
        options: &RestoreOptions,
    ) -> ItemPlan;

    /// Which ids of `wanted`, its parts' included, are others in `live`: old and new. Pure.
    fn pair(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: &Value,
        ids: &IdMap,
    ) -> Vec<(String, String)>;

    /// Does it.
    fn apply<'a>(&'a self, write: ItemWrite<'a>) -> BoxFuture<'a, Result<Applied, Fault>>;

    /// Deletes an item that a restore had made (undo).
    fn delete<'a>(&'a self, kind: &'static KindSpec, id: &'a str) -> BoxFuture<'a, Result<(), Fault>>;

    /// What it takes to look items up by their ids once more, when they are what these payloads say: as far as is known
    /// by now of how many the platform answers at once.
    fn looking(&self, kind: &'static KindSpec, items: &[&Value]) -> Effort;

    /// Has the platform tell `url` of what changes ([`KindSpec::told`]), as far as our scopes reach. What it does not tell any
    /// more it is asked for again. Whatever else it tells whom stays: another connection may be of the same store. Platforms that
    /// tell nothing are not asked.
    ///
    /// # Errors
    /// When the store cannot be asked. A topic that is refused is no error: [`Subscribed::failed`].
    fn subscribe<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<Subscribed, Fault>> {
        Box::pin(async { Ok(Subscribed::default()) })
    }

    /// Has the platform tell `url` nothing any more.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn unsubscribe<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<Subscribed, Fault>> {
        Box::pin(async { Ok(Subscribed::default()) })
    }

    /// How fast the store can be asked, as far as its answers told.
    fn pace(&self) -> Pace;

    /// What was used since the store was opened.
    fn usage(&self) -> Usage;

    /// The API version that every answer was checked against.
    fn api_version(&self) -> &str;

    /// Digest of what is selected of this kind; changes when a field is added to the selection.
    fn selection_digest(&self, kind: &'static KindSpec) -> String;
}

/// The leave to renew a credential: as long as it lives, nobody else renews the same one.
pub struct Renewing {
    /// The credential as it is kept by now; none where nothing is kept. Somebody else may have renewed it.
    pub kept: Option<Zeroizing<Vec<u8>>>,
    /// Ends the leave when it is dropped.
    pub lock: Box<dyn Send + Sync>,
}

/// On whose behalf a store is opened, and where every request that is sent to it is put on record: the engine does that,
/// and sends nothing otherwise.
#[derive(Debug, Clone)]
pub struct Behalf {
    /// Where the events go.
    pub audit: Arc<dyn AuditSink>,
    /// Who asked for it.
    pub principal: Principal,
    /// On which grant. Whoever connects a store has none yet.
    pub grant: Option<GrantId>,
    /// For which connection, as a path: `default/shop`.
    pub object: String,
}

/// What is needed to open a store.
pub struct Settings {
    /// The store's address: `https://example.myshopify.com`.
    pub url: String,
    /// One more authority to trust, in PEM: that of a practice store.
    pub ca_pem: Option<Vec<u8>>,
    /// The credential's bytes, as the platform's connector keeps them; wiped when the store is open.
    pub credential: Vec<u8>,
    /// Keeps a credential that was rotated.
    pub keeper: Arc<dyn CredentialKeeper>,
    /// On whose behalf it is opened, and where requests are put on record.
    pub behalf: Behalf,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for spreading waits.
    pub rng: Arc<dyn Rng>,
}

/// Keeps a rotated credential before it is used for the first time.
pub trait CredentialKeeper: Send + Sync + fmt::Debug {
    /// Waits until nobody else renews the credential. Of two that would spend one refresh token, the second finds
    /// what the first one got for it.
    fn renewing(&self) -> BoxFuture<'_, Result<Renewing, SpoolError>>;

    /// Seals and stores the new credential durably.
    fn keep<'a>(&'a self, credential: &'a [u8]) -> BoxFuture<'a, Result<(), SpoolError>>;
}

/// What of a run a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// All of it: what is durable stays, and a later run resumes there.
    Run,
    /// The reading of one kind.
    Kind,
    /// All of it, unless the platform still answers: then the trouble is the kind's own, and must not keep all others from
    /// being backed up for as long as it lasts.
    RunUnlessAnswered,
}

impl Fault {
    /// What it ends. While the platform is away, or has no budget left for us, no kind is to be had.
    #[must_use]
    pub fn ends(&self) -> Ends {
        match self {
            Self::Spool(_)
            | Self::Audit(_)
            | Self::Unauthorized(_)
            | Self::NotThePlatform(_)
            | Self::Throttled(_) => Ends::Run,
            Self::Unavailable(_) => Ends::RunUnlessAnswered,
            Self::Forbidden(_) | Self::Rejected(_) | Self::Malformed(_) => Ends::Kind,
        }
    }

    /// Which fault ends the run after all, where the platform was asked for something else and `answered`. That it does
    /// not let us in says more than that it did not answer; that it hides something is an answer, too.
    ///
    /// # Errors
    /// The fault that ends the run.
    pub fn unless(self, answered: Result<(), Self>) -> Result<Self, Self> {
        match answered {
            Ok(()) | Err(Self::Forbidden(_)) => Ok(self),
            Err(why @ (Self::Unauthorized(_) | Self::NotThePlatform(_) | Self::Audit(_))) => Err(why),
            Err(_) => Err(self),
        }
    }
}

/// Why the platform did not do what was asked. The variant says what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Throttled past patience. Later.
    #[error("the platform asks to wait longer than we are willing to: {0}")]
    Throttled(String),
    /// The platform, or the way to it, does not work. Later.
    #[error("the platform is not available: {0}")]
    Unavailable(String),
    /// The credential is not accepted. A person must give a new one.
    #[error("the platform does not accept the credential: {0}")]
    Unauthorized(String),
    /// The credential may not do this. A person must grant a scope.
    #[error("the app is not allowed to: {0}")]
    Forbidden(String),
    /// It is not the platform that we were told it is, or it answers with another API version.
    #[error("{0}")]
    NotThePlatform(String),
    /// The platform refused what we sent.
    #[error("the platform refused: {0}")]
    Rejected(String),
    /// What came back is not what the API promises: cut short, malformed, inconsistent.
    #[error("the platform's answer is not usable: {0}")]
    Malformed(String),
    /// The run's own storage failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A request could not be put on record: the run must stop.
    #[error(transparent)]
    Audit(#[from] AuditError),
}
