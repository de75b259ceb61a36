//! What may be asked of a catalog over a channel: each question, who may ask it, and what it is about. One table makes the
//! questions, the way to ask them and the way to answer them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{ConnectionId, Id128, Operation, Platform, RoleName, ServiceId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use transport::{Call, Routes};

use crate::client::Client;
use crate::connection::Connection;
use crate::database::Catalog;
use crate::error::{CatalogError, Told};
use crate::gate::Gate;
use crate::head::Head;
use crate::lease::{Lease, LeaseRequest};
use crate::ledger::LedgerEntry;
use crate::restore::{Restore, RestoreState, StepResult, StepState};
use crate::schedule::{Ended, Schedule, Taken, Taking, Task};
use crate::webhook::{Hint, Webhook};

/// Whoever runs the cell.
const CELL: &[RoleName] = &[RoleName::Command];
/// Whoever works with connections. A worker does so with those of its platform.
const WORK: &[RoleName] = &[RoleName::Command, RoleName::Worker];

/// So many rows at most are in one answer.
pub(crate) const PAGE_LEN_MAX: u32 = 2_000;

/// What a question is about, as it says itself.
pub(crate) enum Named<'q> {
    /// The cell.
    Cell,
    /// All that a tenant has.
    Tenant(&'q TenantId),
    /// What is to be done for all connections of a platform, whosever they are.
    Roster(&'q Platform),
    /// The credential of one of the cell's own stores.
    Store(&'q str),
    /// Connections of one tenant.
    Connections(&'q TenantId, Vec<&'q ConnectionId>),
    /// A credential of a connection.
    Credential(&'q TenantId, &'q ConnectionId),
    /// A connection that may not be there yet.
    New(&'q Connection),
    /// A restore of one tenant, and connections besides.
    Restore(&'q TenantId, Id128, Vec<&'q ConnectionId>),
}

/// A question, and the catalog's way to answer it.
pub(crate) trait Question: Call<Refusal = Told> {
    /// What it is on the record, and for the policies.
    const OPERATION: Operation;
    /// Whether it may be asked again when there was no answer.
    // INVARIANT (asked again): it does no harm then that it was heard the first time.
    const AGAIN: bool;

    /// What it is about.
    fn about(&self) -> Named<'_>;

    /// Answers it.
    fn answer(&self, catalog: &Catalog) -> impl Future<Output = Result<Self::Answer, CatalogError>> + Send;
}

/// What an argument is on its way: lent ones are copied, plain ones are sent as they are.
macro_rules! argument {
    (type lent $type:ty) => {
        &$type
    };
    (type plain $type:ty) => {
        $type
    };
    (sent lent $type:ty) => {
        <$type as ToOwned>::Owned
    };
    (sent plain $type:ty) => {
        $type
    };
    (send lent $value:expr) => {
        $value.to_owned()
    };
    (send plain $value:expr) => {
        $value
    };
    (take lent $value:expr) => {
        std::borrow::Borrow::borrow(&$value)
    };
    (take plain $value:expr) => {
        ToOwned::to_owned(&$value)
    };
}

macro_rules! questions {
    ($(
        $(#[$doc:meta])*
        $vis:vis $method:ident, $name:ident = $operation:ident for $callers:ident, again $again:literal,
        ($($field:ident: $how:ident $type:ty),* $(,)?) -> $answer:ty,
        about |$q:ident| $about:expr;
    )*) => {
        $(
            #[derive(Serialize, Deserialize)]
            pub(crate) struct $name { $($field: argument!(sent $how $type),)* }

            impl Call for $name {
                const NAME: &'static str = Operation::$operation.as_str();
                const CALLERS: &'static [RoleName] = $callers;
                type Answer = $answer;
                type Refusal = Told;
            }

            impl Question for $name {
                const OPERATION: Operation = Operation::$operation;
                const AGAIN: bool = $again;

                fn about(&self) -> Named<'_> {
                    let $q = self;
                    $about
                }

                async fn answer(&self, catalog: &Catalog) -> Result<$answer, CatalogError> {
                    catalog.$method($(argument!(take $how self.$field)),*).await
                }
            }
        )*

        impl Client {$(
            $(#[$doc])*
            $vis async fn $method(&self, $($field: argument!(type $how $type)),*) -> Result<$answer, CatalogError> {
                self.ask($name { $($field: argument!(send $how $field)),* }).await
            }
        )*}

        /// What a catalog answers to other processes that the gate lets through.
        #[must_use]
        pub fn routes(catalog: &Catalog, gate: Gate) -> Routes {
            let (routes, gate) = (Routes::new(), Arc::new(gate));
            $(
                let held = (catalog.clone(), Arc::clone(&gate));
                let routes = routes.answering(move |peer: ServiceId, question: $name| {
                    let (catalog, gate) = held.clone();
                    answered(catalog, gate, peer, question)
                });
            )*
            routes
        }

        /// Puts a question of that name to a catalog, for that process. `None` where it cannot be read, else whether it was
        /// answered.
        #[cfg(any(test, feature = "fuzzing"))]
        pub(crate) async fn asked(
            (catalog, gate): (&Catalog, &Gate), peer: &ServiceId, name: &str, text: &[u8],
        ) -> Option<bool> {
            $(
                if name == $name::NAME {
                    let question: $name = serde_json::from_slice(text).ok()?;
                    return Some(gate.answer(catalog, peer, question).await.is_ok());
                }
            )*
            None
        }
    };
}

questions! {
    /// Looks for damage, for `doctor`: reads the whole of a file and compares its indexes; on a server, asks whether
    /// every table still keeps tenants apart.
    ///
    /// # Errors
    /// [`CatalogError::Damaged`] with the first thing that does not fit.
    pub check_integrity, CheckIntegrity = CatalogCheck for CELL, again true,
        () -> (),
        about |_q| Named::Cell;
    /// Adds a tenant.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when there is one of that name.
    pub add_tenant, AddTenant = CatalogTenantAdd for CELL, again false,
        (tenant: lent TenantId, at: plain Timestamp) -> (),
        about |q| Named::Tenant(&q.tenant);
    /// All tenants of the cell, by name. For whoever runs the cell, never for a tenant.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub tenants, Tenants = CatalogTenantList for CELL, again true,
        () -> Vec<TenantId>,
        about |_q| Named::Cell;
    /// Adds a connection.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when the tenant has one of that name, [`CatalogError::NotFound`] when there is no
    /// such tenant.
    pub add_connection, AddConnection = CatalogConnectionAdd for CELL, again false,
        (connection: lent Connection) -> (),
        about |q| Named::New(&q.connection);
    /// One connection.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has none of that name.
    pub connection, ReadConnection = CatalogConnectionRead for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> Connection,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// A page of a tenant's connections, by name.
    pub(crate) connections_after, ConnectionsAfter = CatalogConnectionList for CELL, again true,
        (tenant: lent TenantId, after: plain Option<ConnectionId>) -> Vec<Connection>,
        about |q| Named::Tenant(&q.tenant);
    /// Changes what a connection's connector knows beside its address.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has none of that name.
    pub set_settings, SetSettings = CatalogConnectionSet for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, settings: lent serde_json::Value) -> (),
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Keeps a connection together with the credential for its address: both or neither. One that is there keeps
    /// its platform and region.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such tenant.
    pub put_connection, PutConnection = CatalogConnectionPut for WORK, again true,
        (connection: lent Connection, name: lent str, sealed: lent [u8], at: plain Timestamp) -> (),
        about |q| Named::New(&q.connection);
    /// Gives a connection tags and takes others away: both or neither. What it has already, or does not have, is
    /// no error.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub change_tags, ChangeTags = CatalogTagChange for CELL, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, add: lent [String], remove: lent [String]) -> (),
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// The tags of all of a tenant's connections; one without tags is not among them.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub tags, Tags = CatalogTagList for CELL, again true,
        (tenant: lent TenantId) -> BTreeMap<ConnectionId, BTreeSet<String>>,
        about |q| Named::Tenant(&q.tenant);
    /// Keeps a schedule, in place of the one of the same connection and task. How that ended, and when it is due, stays where
    /// its time did not change.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub put_schedule, PutSchedule = CatalogSchedulePut for CELL, again true,
        (schedule: lent Schedule) -> (),
        about |q| Named::Connections(&q.schedule.tenant, vec![&q.schedule.connection]);
    /// Takes a schedule away. Answers it, if it was there.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub remove_schedule, RemoveSchedule = CatalogScheduleRemove for CELL, again false,
        (tenant: lent TenantId, connection: lent ConnectionId, task: plain Task) -> Option<Schedule>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Pauses all schedules of a connection: what is under way goes on, and nothing is taken any more. Answers how many these are.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub pause_schedules, PauseSchedules = CatalogSchedulePause for CELL, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> u64,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// A connection's schedules, by task.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub schedules, Schedules = CatalogScheduleRead for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> Vec<Schedule>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// A page of a tenant's schedules, by connection and task.
    pub(crate) schedules_after, SchedulesAfter = CatalogScheduleList for CELL, again true,
        (tenant: lent TenantId, after: plain Option<(ConnectionId, Task)>) -> Vec<Schedule>,
        about |q| Named::Tenant(&q.tenant);
    /// When something of a platform is due next that nobody has taken; none where nothing is.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub next_due, NextDue = CatalogRosterRead for WORK, again true,
        (platform: lent Platform) -> Option<Timestamp>,
        about |q| Named::Roster(&q.platform);
    /// Takes what is due: of each tenant in turn, the one first of whom the least is under way. The sealed credentials of the cell's
    /// own stores come along, of which the work needs one for each that is a bucket.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub take_due, TakeDue = CatalogRosterTake for WORK, again true,
        (platform: lent Platform, taking: plain Taking) -> Taken,
        about |q| Named::Roster(&q.platform);
    /// Gives back what a worker of that platform has taken that is there no more. Answers how much that was.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub give_back, GiveBack = CatalogRosterGiveBack for WORK, again true,
        (platform: lent Platform, except: plain Id128) -> u64,
        about |q| Named::Roster(&q.platform);
    /// Notes how something ended that was taken, and when it is due next. Whoever has lost it changes nothing.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub end_due, EndDue = CatalogScheduleEnd for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, task: plain Task, ended: plain Ended) -> (),
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Keeps where a connection's platform tells, in place of what was there. When it told last stays.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub put_webhook, PutWebhook = CatalogWebhookPut for WORK, again true,
        (webhook: lent Webhook) -> (),
        about |q| Named::Connections(&q.webhook.tenant, vec![&q.webhook.connection]);
    /// Forgets where a connection's platform tells, and what it told. Answers whether it was there.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub remove_webhook, RemoveWebhook = CatalogWebhookRemove for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> bool,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Where a connection's platform tells; none where it was not asked to.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub webhook, ReadWebhook = CatalogWebhookRead for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> Option<Webhook>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Keeps what a platform told, durably, and has it followed soon. Answers whether it is new: what was told before is known.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when it was not asked to tell anything.
    pub hint, KeepHint = CatalogHintKeep for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, hint: lent Hint) -> bool,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Stores a credential as the vault sealed it, in place of one of the same name.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub put_credential, PutCredential = CatalogCredentialPut for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, name: lent str, sealed: lent [u8], at: plain Timestamp) -> (),
        about |q| Named::Credential(&q.tenant, &q.connection);
    /// A credential, as the vault sealed it.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when none of that name was stored for this tenant's connection.
    pub credential, Credential = CatalogCredentialRead for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, name: lent str) -> Vec<u8>,
        about |q| Named::Credential(&q.tenant, &q.connection);
    /// Stores a store's credential as the vault sealed it, in place of the one before.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub put_store_credential, PutStoreCredential = CatalogStoreCredentialPut for CELL, again true,
        (store: lent str, sealed: lent [u8], at: plain Timestamp) -> (),
        about |q| Named::Store(&q.store);
    /// A store's credential, as the vault sealed it.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when none was stored.
    pub store_credential, StoreCredential = CatalogStoreCredentialRead for CELL, again true,
        (store: lent str) -> Vec<u8>,
        about |q| Named::Store(&q.store);
    /// A connection's head; none before its first snapshot.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub head, ReadHead = CatalogHeadRead for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> Option<Head>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    pub(crate) swap_head, SwapHead = CatalogHeadAdvance for WORK, again false,
        (tenant: lent TenantId, connection: lent ConnectionId, lease: plain Option<Lease>, expected: plain Option<Head>, new: plain Head) -> (),
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Takes a connection's lease, from whoever had it: the caller holds a lock of the operating system, so a holder
    /// before is gone.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub seize_lease, SeizeLease = CatalogLeaseSeize for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, request: plain LeaseRequest) -> Lease,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// The lease that somebody holds, or let lapse.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub lease, ReadLease = CatalogLeaseRead for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> Option<Lease>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Raises a lease's generation above one that was seen in the object store.
    ///
    /// # Errors
    /// [`CatalogError::LeaseLost`] when it was released or taken over.
    pub raise_lease, RaiseLease = CatalogLeaseRaise for WORK, again true,
        (lease: lent Lease, seen_generation: plain u64) -> Lease,
        about |q| Named::Connections(&q.lease.tenant, vec![&q.lease.connection]);
    /// Gives a lease back.
    ///
    /// # Errors
    /// [`CatalogError::LeaseLost`] when it was released already or taken over.
    pub release_lease, ReleaseLease = CatalogLeaseRelease for WORK, again false,
        (lease: lent Lease) -> (),
        about |q| Named::Connections(&q.lease.tenant, vec![&q.lease.connection]);
    /// Adds a restore, before its first step.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] for an id that is taken, [`CatalogError::NotFound`] when the tenant has no such
    /// connection, or no restore of the id that is undone.
    pub add_restore, AddRestore = CatalogRestoreAdd for WORK, again false,
        (tenant: lent TenantId, restore: lent Restore) -> (),
        about |q| Named::Connections(&q.tenant, vec![&q.restore.connection, &q.restore.target]);
    /// One restore.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has none of that id.
    pub restore, ReadRestore = CatalogRestoreRead for WORK, again true,
        (tenant: lent TenantId, id: plain Id128) -> Restore,
        about |q| Named::Restore(&q.tenant, q.id, Vec::new());
    /// The restores from a connection's snapshots, oldest first.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub restores, Restores = CatalogRestoreList for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId) -> Vec<Restore>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
    /// Moves a restore from one state to the next. Of several that expect the same, exactly one succeeds.
    ///
    /// # Errors
    /// [`CatalogError::RestoreMoved`] when it is in another state than expected, [`CatalogError::NotFound`] when
    /// the tenant has none of that id.
    pub move_restore, MoveRestore = CatalogRestoreMove for WORK, again false,
        (tenant: lent TenantId, id: plain Id128, states: plain (RestoreState, RestoreState), at: plain Timestamp) -> (),
        about |q| Named::Restore(&q.tenant, q.id, Vec::new());
    /// Notes steps as intended, durably, before the first of them is done. A step that is known keeps its state.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no restore of that id; then none is noted.
    pub intend, Intend = CatalogStepIntend for WORK, again true,
        (tenant: lent TenantId, id: plain Id128, steps: lent [String], at: plain Timestamp) -> (),
        about |q| Named::Restore(&q.tenant, q.id, Vec::new());
    /// Notes how steps ended, and the new ids that came of them: all of it, or nothing.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no restore of that id, or when a step was never intended.
    pub finish_steps, FinishSteps = CatalogStepFinish for WORK, again true,
        (tenant: lent TenantId, id: plain Id128, results: lent [StepResult], at: plain Timestamp) -> (),
        about |q| Named::Restore(&q.tenant, q.id, named(q.results.iter().filter_map(|result| result.ledger.as_ref())));
    /// A page of what is known of a restore's steps.
    pub(crate) steps_after, StepsAfter = CatalogStepList for WORK, again true,
        (tenant: lent TenantId, id: plain Id128, after: plain Option<String>) -> BTreeMap<String, StepState>,
        about |q| Named::Restore(&q.tenant, q.id, Vec::new());
    /// Writes entries: all of them, or none.
    pub(crate) record_page, RecordPage = CatalogLedgerRecord for WORK, again true,
        (tenant: lent TenantId, entries: lent [LedgerEntry]) -> (),
        about |q| Named::Connections(&q.tenant, named(&q.entries));
    /// A page of a connection's ledger.
    pub(crate) ledger_after, LedgerAfter = CatalogLedgerList for WORK, again true,
        (tenant: lent TenantId, connection: lent ConnectionId, after: plain u64) -> Vec<(u64, LedgerEntry)>,
        about |q| Named::Connections(&q.tenant, vec![&q.connection]);
}

/// Answers whoever asks from another process. Whoever goes away meanwhile ends neither what was begun nor the record of it.
async fn answered<Q: Question + Sync>(
    catalog: Catalog,
    gate: Arc<Gate>,
    peer: ServiceId,
    question: Q,
) -> Result<Q::Answer, Told> {
    let asked = tokio::spawn(async move { gate.answer(&catalog, &peer, question).await });
    let answer = asked.await.map_err(CatalogError::Stopped).and_then(|answer| answer);
    answer.map_err(|error| error.to_told())
}

/// Every connection that entries are about.
fn named<'e>(entries: impl IntoIterator<Item = &'e LedgerEntry>) -> Vec<&'e ConnectionId> {
    entries.into_iter().flat_map(|entry| [&entry.connection, &entry.target]).collect()
}
