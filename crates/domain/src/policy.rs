//! Who decides what processes and people may do. The policies stand elsewhere; whoever holds something asks here.

use std::fmt;

use crate::audit::Operation;
use crate::grant::{Action, Principal};
use crate::names::{Platform, Scope, TenantId};
use crate::service::ServiceId;

/// What a process asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'a> {
    /// The vault itself.
    Vault,
    /// The trail.
    Trail,
    /// A connection, or one of the cell's own stores, as that for which a grant is.
    Connection(&'a Scope),
    /// A connection's data key.
    DataKey(&'a Scope),
    /// A connection's credential, or that of one of the cell's own stores.
    Credential(&'a Scope),
    /// The credential of one of the cell's own stores, by the store's name.
    StoreCredential(&'a str),
    /// All that a tenant has.
    Tenant(&'a TenantId),
    /// What is to be done for all connections of a platform, whosever they are.
    Roster(&'a Platform),
    /// The rest of the cell.
    Cell,
}

/// As the trail names it.
impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("vault"),
            Self::Trail => f.write_str("trail"),
            Self::Connection(scope) | Self::DataKey(scope) | Self::Credential(scope) => {
                write!(f, "{}/{}", scope.tenant, scope.connection)
            }
            Self::StoreCredential(store) => f.write_str(store),
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Roster(platform) => write!(f, "roster/{platform}"),
            Self::Cell => f.write_str("cell"),
        }
    }
}

/// What was found out about the grant that came along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantFacts<'a> {
    /// Whose it is.
    pub principal: &'a Principal,
    /// The seal on it holds.
    pub genuine: bool,
    /// It is for that connection, and names an action for which this is needed.
    pub covers: bool,
    /// Its time is not over.
    pub live: bool,
}

/// What a process asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Which process.
    pub service: &'a ServiceId,
    /// For what.
    pub operation: Operation,
    /// About what.
    pub about: About<'a>,
    /// The grant, where it takes one.
    pub grant: Option<GrantFacts<'a>>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether they may.
    pub allowed: bool,
    /// The policies that decided it, by their names.
    pub by: Vec<String>,
    /// In words.
    pub told: String,
}

impl Verdict {
    /// Where nobody asks, nothing is allowed.
    #[must_use]
    pub fn nobody() -> Self {
        Self { allowed: false, by: Vec::new(), told: "nobody asks".into() }
    }

    /// Both must allow it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.allowed, other.allowed) {
            (false, _) => self,
            (true, false) => other,
            (true, true) => {
                let told = format!("{}; {}", self.told, other.told);
                let mut by = self.by;
                for name in other.by {
                    if !by.contains(&name) {
                        by.push(name);
                    }
                }
                Self { allowed: true, by, told }
            }
        }
    }
}

/// Decides, by policies. What cannot be decided is refused.
pub trait Decides: fmt::Debug + Send + Sync {
    /// Whether a process may.
    fn process(&self, asked: &Asked<'_>) -> Verdict;

    /// Whether a person, who has shown both factors, may have that done with a connection or with one of the cell's own stores.
    fn person(&self, person: &Principal, action: Action, scope: &Scope) -> Verdict;

    /// Whether a person, who has shown both factors, may have that done with the vault.
    fn custodian(&self, person: &Principal, operation: Operation) -> Verdict;
}
