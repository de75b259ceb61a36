//! What was done, by whom, with what result: told to a sink before the answer is given.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::grant::{GrantId, Principal};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It begins: another event tells how it ended. Without that one, its process died on the way.
    Begun,
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It failed.
    Failed,
}

/// What an operation does to that which it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Makes it.
    Create,
    /// Looks at it, or lets somebody look.
    Read,
    /// Changes it.
    Update,
    /// Takes it away.
    Delete,
    /// Somebody proves who they are.
    SignIn,
    /// A request goes out to somebody else's system.
    Request,
    /// A request comes in, from whoever asks.
    Answer,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $effect:ident;)*) => {
        /// All that is ever put on record. Nothing can be done and recorded that has no row here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($(#[$doc])* $name,)* }

        impl Operation {
            /// Every operation, in the order in which they are declared.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name on the trail.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it does.
            #[must_use]
            pub fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)* }
            }
        }
    };
}

operations! {
    /// A vault is made.
    VaultInit = "vault.init", Create;
    /// A vault is unsealed.
    VaultOpen = "vault.open", Read;
    /// A vault gets new keys, and keeps the old ones for what they wrapped.
    VaultRotate = "vault.rotate", Update;
    /// A vault forgets its old keys.
    VaultRetire = "vault.retire", Delete;
    /// A vault's root key is sealed by something else.
    VaultSeal = "vault.seal", Update;
    /// A vault says which keys it has.
    VaultStatus = "vault.status", Read;
    /// All that old keys wrapped is wrapped by the newest.
    VaultRewrap = "vault.rewrap", Update;
    /// A data key is wrapped by the newest key.
    DataKeyRewrap = "data_key.rewrap", Update;
    /// A credential is sealed by the newest key.
    CredentialRewrap = "credential.rewrap", Update;
    /// A key file that recovers is unsealed.
    RecoveryKeyOpen = "recovery_key.open", Read;
    /// Somebody proves who they are to the vault.
    SignIn = "sign_in", SignIn;
    /// Leave is given.
    GrantGive = "grant.give", Create;
    /// Leave is given for work that goes on when whoever gave it has gone.
    OrderGive = "order.give", Create;
    /// Further leave is given on such an order.
    OrderRenew = "order.renew", Create;
    /// Such an order is ended.
    OrderEnd = "order.end", Delete;
    /// The orders that stand are listed.
    OrderList = "order.list", Read;
    /// A data key is made.
    DataKeyCreate = "data_key.create", Create;
    /// A connection's next data key is made.
    DataKeyCreateNext = "data_key.create_next", Create;
    /// A data key of an earlier cell is wrapped for this one.
    DataKeyAdopt = "data_key.adopt", Update;
    /// A data key is opened.
    DataKeyOpen = "data_key.open", Read;
    /// A data key is opened with the recovery key.
    DataKeyRecover = "data_key.recover", Read;
    /// A credential is sealed.
    CredentialSeal = "credential.seal", Create;
    /// A credential is opened.
    CredentialOpen = "credential.open", Read;
    /// A process of the cell gets a certificate.
    CertificateIssue = "certificate.issue", Create;
    /// A host is invited to join the cell.
    HostInvite = "host.invite", Create;
    /// A host joins the cell.
    HostJoin = "host.join", Create;
    /// A host is taken out of the cell.
    HostRemove = "host.remove", Delete;
    /// The hosts of the cell are listed.
    HostList = "host.list", Read;
    /// Somebody who connects is refused.
    PeerRefuse = "peer.refuse", SignIn;
    /// A cell is made, or set up again from its stores.
    CellInit = "cell.init", Create;
    /// The installation is looked over.
    CellCheck = "cell.check", Read;
    /// A process of the cell that says nothing any more is killed; another takes its place.
    ProcessReplace = "process.replace", Update;
    /// The cell runs, until it is told to end.
    CellRun = "cell.run", Update;
    /// The catalog's tables are changed, or looked at.
    CatalogMigrate = "catalog.migrate", Update;
    /// The catalog is looked over for damage.
    CatalogCheck = "catalog.check", Read;
    /// A tenant's row is added.
    CatalogTenantAdd = "catalog.tenant.add", Create;
    /// The tenants' rows are read.
    CatalogTenantList = "catalog.tenant.list", Read;
    /// A connection's row is added.
    CatalogConnectionAdd = "catalog.connection.add", Create;
    /// A connection's row is read.
    CatalogConnectionRead = "catalog.connection.read", Read;
    /// The rows of a tenant's connections are read.
    CatalogConnectionList = "catalog.connection.list", Read;
    /// A connection's settings are changed.
    CatalogConnectionSet = "catalog.connection.set", Update;
    /// A connection's row is kept together with a sealed credential.
    CatalogConnectionPut = "catalog.connection.put", Update;
    /// A connection is given tags, or others are taken away.
    CatalogTagChange = "catalog.tag.change", Update;
    /// The tags of a tenant's connections are read.
    CatalogTagList = "catalog.tag.list", Read;
    /// A connection's schedule is kept.
    CatalogSchedulePut = "catalog.schedule.put", Update;
    /// A connection's schedule is taken away.
    CatalogScheduleRemove = "catalog.schedule.remove", Delete;
    /// A connection's schedules are paused, or go on.
    CatalogSchedulePause = "catalog.schedule.pause", Update;
    /// A connection's schedules are read.
    CatalogScheduleRead = "catalog.schedule.read", Read;
    /// The schedules of a tenant's connections are read.
    CatalogScheduleList = "catalog.schedule.list", Read;
    /// It is noted how something that was due has ended.
    CatalogScheduleEnd = "catalog.schedule.end", Update;
    /// A worker asks when something is due on its platform.
    CatalogRosterRead = "catalog.roster.read", Read;
    /// A worker takes what is due on its platform.
    CatalogRosterTake = "catalog.roster.take", Update;
    /// A worker gives back what was taken by one before it.
    CatalogRosterGiveBack = "catalog.roster.give_back", Update;
    /// It is kept where a connection's platform tells of changes.
    CatalogWebhookPut = "catalog.webhook.put", Update;
    /// It is forgotten where a connection's platform tells of changes.
    CatalogWebhookRemove = "catalog.webhook.remove", Delete;
    /// It is read where a connection's platform tells of changes.
    CatalogWebhookRead = "catalog.webhook.read", Read;
    /// What a connection's platform told is kept, to be followed.
    CatalogHintKeep = "catalog.hint.keep", Create;
    /// A sealed credential of a connection is kept.
    CatalogCredentialPut = "catalog.credential.put", Update;
    /// A sealed credential of a connection is read.
    CatalogCredentialRead = "catalog.credential.read", Read;
    /// A sealed credential of one of the cell's own stores is kept.
    CatalogStoreCredentialPut = "catalog.store_credential.put", Update;
    /// A sealed credential of one of the cell's own stores is read.
    CatalogStoreCredentialRead = "catalog.store_credential.read", Read;
    /// A connection's head is read.
    CatalogHeadRead = "catalog.head.read", Read;
    /// A connection's head advances.
    CatalogHeadAdvance = "catalog.head.advance", Update;
    /// A connection's lease is taken.
    CatalogLeaseSeize = "catalog.lease.seize", Update;
    /// A connection's lease is read.
    CatalogLeaseRead = "catalog.lease.read", Read;
    /// A lease's generation is raised.
    CatalogLeaseRaise = "catalog.lease.raise", Update;
    /// A lease is given back.
    CatalogLeaseRelease = "catalog.lease.release", Update;
    /// A restore's row is added.
    CatalogRestoreAdd = "catalog.restore.add", Create;
    /// A restore's row is read.
    CatalogRestoreRead = "catalog.restore.read", Read;
    /// The rows of a connection's restores are read.
    CatalogRestoreList = "catalog.restore.list", Read;
    /// A restore goes from one state to the next.
    CatalogRestoreMove = "catalog.restore.move", Update;
    /// Steps of a restore are noted as intended.
    CatalogStepIntend = "catalog.step.intend", Create;
    /// It is noted how steps of a restore ended.
    CatalogStepFinish = "catalog.step.finish", Update;
    /// The steps of a restore are read.
    CatalogStepList = "catalog.step.list", Read;
    /// New ids are written into a connection's ledger.
    CatalogLedgerRecord = "catalog.ledger.record", Create;
    /// A connection's ledger is read.
    CatalogLedgerList = "catalog.ledger.list", Read;
    /// A tenant is added.
    TenantAdd = "tenant.add", Create;
    /// Tenants are listed.
    TenantList = "tenant.list", Read;
    /// A store is connected, or given another credential.
    Connect = "connection.connect", Create;
    /// Connections, or what is covered of them, are shown.
    ConnectionRead = "connection.read", Read;
    /// Something is to be done on a connection again and again, or no more.
    ConnectionSchedule = "connection.schedule", Update;
    /// A platform is asked to tell of a connection's changes, or not to.
    ConnectionTold = "connection.told", Update;
    /// A connection's tags are changed.
    ConnectionTag = "connection.tag", Update;
    /// A store is backed up.
    Backup = "snapshot.backup", Create;
    /// Records are taken from a file.
    Ingest = "snapshot.ingest", Create;
    /// Snapshots are listed.
    SnapshotList = "snapshot.list", Read;
    /// Snapshots are dropped.
    SnapshotPrune = "snapshot.prune", Delete;
    /// Stored objects are verified.
    SnapshotVerify = "snapshot.verify", Read;
    /// Two snapshots, or one and the live store, are compared.
    SnapshotDiff = "snapshot.diff", Read;
    /// A snapshot is written as files.
    SnapshotExport = "snapshot.export", Read;
    /// All that is kept of a person is written to a file.
    PersonExport = "person.export", Read;
    /// A person is to be erased from every snapshot.
    PersonErase = "person.erase", Delete;
    /// A person's key was destroyed.
    PersonErased = "person.erased", Delete;
    /// The credential of one of the cell's own stores is given.
    StoreCredential = "store.credential", Update;
    /// Packs are written anew without what nothing names.
    StoreCompact = "store.compact", Update;
    /// What nothing names is deleted.
    StoreCollect = "store.collect", Delete;
    /// An index is made anew.
    StoreRebuild = "store.rebuild", Update;
    /// Records are listed.
    ItemList = "item.list", Read;
    /// A record is shown.
    ItemShow = "item.show", Read;
    /// A record's history is shown.
    ItemHistory = "item.history", Read;
    /// A restore is planned.
    RestorePlan = "restore.plan", Read;
    /// A plan is carried out.
    RestoreApply = "restore.apply", Update;
    /// A restore is undone.
    RestoreUndo = "restore.undo", Update;
    /// A restore's report is shown.
    RestoreShow = "restore.show", Read;
    /// The trail is read.
    TrailRead = "trail.read", Read;
    /// The trail is verified.
    TrailVerify = "trail.verify", Read;
    /// A month's key is made, to which is sealed what is personal in events of the trail.
    TrailKeyCreate = "trail.key.create", Create;
    /// What is personal in events of the trail is opened.
    TrailOpen = "trail.open", Read;
    /// The keys are destroyed that open what is personal in older events of the trail.
    TrailErase = "trail.erase", Delete;
    /// The key that signs the trail's log is given out.
    LogKeyGive = "trail.log_key", Read;
    /// There is little room where the trail lies, or enough again.
    TrailRoom = "trail.room", Read;
    /// The policies are read, for who can do what.
    PolicyRead = "policy.read", Read;
    /// A request is sent to a platform.
    PlatformRequest = "platform.request", Request;
    /// Somebody asks the public endpoint whether the cell's processes answer.
    PublicHealth = "public.health", Answer;
    /// A platform, or somebody in its name, told of a change.
    PublicHook = "public.hook", Answer;
    /// Somebody asks the public endpoint for what it does not have.
    PublicUnknown = "public.unknown", Answer;
    /// Requests to the public endpoint that came too fast to be told of one by one.
    PublicCount = "public.count", Read;
    /// The public endpoint has another certificate from now on, or stays with the one that it has.
    PublicCertificateUse = "public.certificate.use", Update;
    /// The public endpoint's certificate ends soon, or has ended.
    PublicCertificateEnd = "public.certificate.end", Read;
    /// A certificate for the public endpoint is asked for.
    PublicCertificateOrder = "public.certificate.order", Create;
    /// A request is sent to whoever makes certificates for public endpoints.
    PublicCertificateRequest = "public.certificate.request", Request;
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One request over HTTP: neither body nor token, nor anything that was filled into its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFacts {
    /// `GET`, `POST` and so on.
    pub method: &'static str,
    /// Whom it went to, as `host` or `host:port`.
    pub host: String,
    /// The path, with names in place of what was filled in.
    pub path: String,
    /// What was asked for where the path does not say it, such as the name of a query.
    pub name: String,
    /// The status of the answer; `None` where there was none.
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub sent: u64,
    /// Bytes of the answer's body, as far as they were read.
    pub received: u64,
}

/// What is personal in an event, sealed by a key that can be destroyed: the event stays then, and its proof, and nobody reads
/// this any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// The key's name.
    pub key: String,
    /// The text, sealed.
    pub sealed: Vec<u8>,
}

/// One thing that happened. Holds names and ids, never content, never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who did it.
    pub principal: Principal,
    /// What was done.
    pub operation: Operation,
    /// To what, as a path: `default/shop`.
    pub object: String,
    /// On which grant.
    pub grant: Option<GrantId>,
    /// The policies that allowed or forbade it, by their names; none where none was asked.
    pub policies: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it was refused or failed; else what else is to be known of it.
    pub detail: String,
    /// How long it took, where it took time.
    pub took: Option<Duration>,
    /// The request, where it was one.
    pub request: Option<HttpFacts>,
    /// What is personal in it: which record it was about.
    pub personal: Option<Personal>,
}

impl AuditEvent {
    /// An event that says who did what to what, and how it ended.
    #[must_use]
    pub fn new(principal: Principal, operation: Operation, object: String, outcome: Outcome) -> Self {
        let (grant, policies, detail, took, request) = (None, Vec::new(), String::new(), None, None);
        let personal = None;
        Self { principal, operation, object, grant, policies, outcome, detail, took, request, personal }
    }

    /// The same, with why it ended so or what else is to be known.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// The record of an event could not be written; what it records must then not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit record could not be written: {0}")]
pub struct AuditError(pub String);

/// Where events go.
pub trait AuditSink: Send + Sync + fmt::Debug {
    /// Keeps the event durably before it answers.
    ///
    /// # Errors
    /// When it could not; the caller must then refuse what it was about to do.
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>>;

    /// Takes an event that nobody waits for. It is durable no later than the next one that is recorded. Waits while
    /// too many are on their way.
    ///
    /// # Errors
    /// When one that was noted earlier could not be kept: whoever goes on would do so unrecorded.
    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>>;
}

/// Where there is no cell whose record could be kept: a recovery, and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unrecorded;

impl AuditSink for Unrecorded {
    fn record(&self, _: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn note(&self, _: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
        assert_eq!(names.len(), Operation::ALL.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_' | b'.'))),
            "{names:?}"
        );
    }
}
