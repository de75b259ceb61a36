//! What is asked for, by the names that policies and the trail have for it.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{Entities, Entity, EntityUid, Schema};

use crate::policies::SCHEMA;
use crate::vocabulary::uid;

/// What must come along when an action is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing but who asks.
    Nothing,
    /// Whether the person behind it has shown two factors.
    TwoFactors,
    /// A grant.
    Grant,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $needs:ident;)*) => {
        /// All that is ever decided.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action, in the order in which they are declared.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in policies.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it takes to decide it.
            #[must_use]
            pub fn needs(self) -> Needs {
                match self { $(Self::$name => Needs::$needs,)* }
            }
        }
    };
}

actions! {
    /// Make, open or replace a connection, or give the credential of one of the cell's stores.
    Connect = "connect", TwoFactors;
    /// Read the platform and write a snapshot.
    Backup = "backup", TwoFactors;
    /// Read records.
    Read = "read", TwoFactors;
    /// Write records back to a platform.
    Restore = "restore", TwoFactors;
    /// Open every object and compare.
    Verify = "verify", TwoFactors;
    /// Restore into a practice store.
    Drill = "drill", TwoFactors;
    /// Take records out of the cell.
    Export = "export", TwoFactors;
    /// Drop snapshots and collect what nothing names.
    Prune = "prune", TwoFactors;
    /// Destroy a person's keys.
    Erase = "erase", TwoFactors;
    /// Look at the trail.
    TrailRead = "trail.read", TwoFactors;
    /// Check the trail.
    TrailVerify = "trail.verify", TwoFactors;
    /// Have what is personal in the trail opened.
    TrailOpen = "trail.open", TwoFactors;
    /// Have the keys destroyed that open it, of older months.
    TrailErase = "trail.erase", TwoFactors;
    /// Look at the policies.
    PolicyRead = "policy.read", TwoFactors;
    /// Add a tenant.
    TenantAdd = "tenant.add", TwoFactors;
    /// List the tenants.
    TenantList = "tenant.list", TwoFactors;
    /// Give the vault new keys.
    VaultRotate = "vault.rotate", TwoFactors;
    /// Have the vault forget its old keys.
    VaultRetire = "vault.retire", TwoFactors;
    /// Have a host join the cell.
    HostInvite = "host.invite", TwoFactors;
    /// Take a host out of the cell.
    HostRemove = "host.remove", TwoFactors;
    /// Ask the vault for a grant, for somebody who has signed in.
    GrantGive = "grant.give", TwoFactors;
    /// Get the next grant on an order that stands.
    OrderRenew = "order.renew", Nothing;
    /// Open a data key.
    DataKeyOpen = "data_key.open", Grant;
    /// Make a data key, which comes opened.
    DataKeyCreate = "data_key.create", Grant;
    /// Make a connection's next data key, which comes opened.
    DataKeyCreateNext = "data_key.create_next", Grant;
    /// Have a data key of an earlier cell wrapped for this one.
    DataKeyAdopt = "data_key.adopt", Grant;
    /// Have a data key wrapped by the newest key.
    DataKeyRewrap = "data_key.rewrap", Grant;
    /// Open a credential.
    CredentialOpen = "credential.open", Grant;
    /// Have a credential sealed by the newest key.
    CredentialRewrap = "credential.rewrap", Grant;
    /// Have a credential sealed.
    CredentialSeal = "credential.seal", Nothing;
    /// Answer somebody with a record's content.
    RecordRead = "record.read", Grant;
    /// Prove to the vault who somebody is.
    SignIn = "sign_in", Nothing;
    /// Get a certificate.
    CertificateIssue = "certificate.issue", Nothing;
    /// Ask which keys the vault has.
    VaultStatus = "vault.status", Nothing;
    /// Get the key that signs the log.
    TrailLogKey = "trail.log_key", Nothing;
    /// Have the catalog looked over for damage.
    CatalogCheck = "catalog.check", Nothing;
    /// Add a tenant's row.
    CatalogTenantAdd = "catalog.tenant.add", Nothing;
    /// Read the tenants' rows.
    CatalogTenantList = "catalog.tenant.list", Nothing;
    /// Add a connection's row.
    CatalogConnectionAdd = "catalog.connection.add", Nothing;
    /// Read a connection's row.
    CatalogConnectionRead = "catalog.connection.read", Nothing;
    /// Read the rows of a tenant's connections.
    CatalogConnectionList = "catalog.connection.list", Nothing;
    /// Change a connection's settings.
    CatalogConnectionSet = "catalog.connection.set", Nothing;
    /// Keep a connection's row together with a sealed credential.
    CatalogConnectionPut = "catalog.connection.put", Nothing;
    /// Change a connection's tags.
    CatalogTagChange = "catalog.tag.change", Nothing;
    /// Read the tags of a tenant's connections.
    CatalogTagList = "catalog.tag.list", Nothing;
    /// Keep a connection's schedule.
    CatalogSchedulePut = "catalog.schedule.put", Nothing;
    /// Take a connection's schedule away.
    CatalogScheduleRemove = "catalog.schedule.remove", Nothing;
    /// Pause a connection's schedules.
    CatalogSchedulePause = "catalog.schedule.pause", Nothing;
    /// Read a connection's schedules.
    CatalogScheduleRead = "catalog.schedule.read", Nothing;
    /// Read the schedules of a tenant's connections.
    CatalogScheduleList = "catalog.schedule.list", Nothing;
    /// Note how something that was due has ended.
    CatalogScheduleEnd = "catalog.schedule.end", Nothing;
    /// Ask when something is due on a platform.
    CatalogRosterRead = "catalog.roster.read", Nothing;
    /// Take what is due on a platform.
    CatalogRosterTake = "catalog.roster.take", Nothing;
    /// Give back what a worker of a platform has taken that is there no more.
    CatalogRosterGiveBack = "catalog.roster.give_back", Nothing;
    /// Keep where a connection's platform tells of changes.
    CatalogWebhookPut = "catalog.webhook.put", Nothing;
    /// Forget where a connection's platform tells of changes.
    CatalogWebhookRemove = "catalog.webhook.remove", Nothing;
    /// Read where a connection's platform tells of changes.
    CatalogWebhookRead = "catalog.webhook.read", Nothing;
    /// Keep what a connection's platform told.
    CatalogHintKeep = "catalog.hint.keep", Nothing;
    /// Keep a connection's sealed credential.
    CatalogCredentialPut = "catalog.credential.put", Nothing;
    /// Read a connection's sealed credential.
    CatalogCredentialRead = "catalog.credential.read", Nothing;
    /// Keep the sealed credential of a store of the cell.
    CatalogStoreCredentialPut = "catalog.store_credential.put", Nothing;
    /// Read the sealed credential of a store of the cell.
    CatalogStoreCredentialRead = "catalog.store_credential.read", Nothing;
    /// Read a connection's head.
    CatalogHeadRead = "catalog.head.read", Nothing;
    /// Advance a connection's head.
    CatalogHeadAdvance = "catalog.head.advance", Nothing;
    /// Take a connection's lease.
    CatalogLeaseSeize = "catalog.lease.seize", Nothing;
    /// Read a connection's lease.
    CatalogLeaseRead = "catalog.lease.read", Nothing;
    /// Raise a lease's generation.
    CatalogLeaseRaise = "catalog.lease.raise", Nothing;
    /// Give a lease back.
    CatalogLeaseRelease = "catalog.lease.release", Nothing;
    /// Add a restore's row.
    CatalogRestoreAdd = "catalog.restore.add", Nothing;
    /// Read a restore's row.
    CatalogRestoreRead = "catalog.restore.read", Nothing;
    /// Read the rows of a connection's restores.
    CatalogRestoreList = "catalog.restore.list", Nothing;
    /// Have a restore go from one state to the next.
    CatalogRestoreMove = "catalog.restore.move", Nothing;
    /// Note steps of a restore as intended.
    CatalogStepIntend = "catalog.step.intend", Nothing;
    /// Note how steps of a restore ended.
    CatalogStepFinish = "catalog.step.finish", Nothing;
    /// Read the steps of a restore.
    CatalogStepList = "catalog.step.list", Nothing;
    /// Write new ids into a connection's ledger.
    CatalogLedgerRecord = "catalog.ledger.record", Nothing;
    /// Read a connection's ledger.
    CatalogLedgerList = "catalog.ledger.list", Nothing;
}

/// The actions with the groups in which they are, as the schema says.
static ENTITIES: LazyLock<Option<Entities>> = LazyLock::new(|| {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).ok()?;
    schema.action_entities().ok()
});

impl Action {
    /// The action as policies see it. Without it no policy for a group of actions would be met.
    pub(crate) fn entity(self) -> Option<Entity> {
        ENTITIES.as_ref()?.get(&self.uid()?).cloned()
    }

    pub(crate) fn uid(self) -> Option<EntityUid> {
        uid("Action", self.as_str())
    }
}

impl From<domain::Action> for Action {
    /// What somebody must be permitted to get a grant for that.
    fn from(action: domain::Action) -> Self {
        match action {
            domain::Action::Connect => Self::Connect,
            domain::Action::Backup => Self::Backup,
            domain::Action::Read => Self::Read,
            domain::Action::Restore => Self::Restore,
            domain::Action::Verify => Self::Verify,
            domain::Action::Drill => Self::Drill,
            domain::Action::Export => Self::Export,
            domain::Action::Prune => Self::Prune,
            domain::Action::Erase => Self::Erase,
        }
    }
}

/// No action has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no action")]
pub struct UnknownAction(pub String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        let found = Self::ALL.iter().find(|action| action.as_str() == text);
        found.copied().ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_grant_can_name_has_the_same_name_in_policies() {
        for action in domain::Action::ALL {
            assert_eq!(Action::from(*action).as_str(), action.as_str());
        }
    }

    #[test]
    fn an_action_is_in_the_groups_that_the_schema_says() {
        let groups = |action: Action| {
            let alone = Entities::from_entities([action.entity().unwrap()], None).unwrap();
            let mut groups: Vec<String> = alone
                .ancestors(&action.uid().unwrap())
                .unwrap()
                .map(|uid| uid.id().unescaped().to_owned())
                .collect();
            groups.sort();
            groups
        };
        assert_eq!(groups(Action::DataKeyOpen), ["granted", "open"]);
        assert_eq!(groups(Action::DataKeyRewrap), ["granted"]);
        assert_eq!(groups(Action::Backup), ["run"]);
        assert_eq!(groups(Action::CatalogHeadRead), ["catalog", "rows"]);
        assert_eq!(groups(Action::CatalogTagChange), ["catalog"]);
        assert!(Action::ALL.iter().all(|action| action.entity().is_some()));
    }

    #[test]
    fn an_action_has_one_spelling() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
        assert_eq!("Read".parse::<Action>(), Err(UnknownAction("Read".to_owned())));
    }
}
