//! Who asks: a process of a cell, or a person.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use domain::{Platform, Region, TenantId};

use crate::vocabulary::uid;

/// The person at the machine on which a cell was made, who has its operator key.
pub const OPERATOR: &str = "cell-operator";

/// Groups of the cell, in which the operator is.
const OPERATORS_GROUPS: &[&str] = &["operators", "custodians", "auditors"];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A process.
    Service(Service),
    /// A person.
    Person(Person),
}

/// A process of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    role: &'static str,
    platform: Option<Platform>,
    cell: String,
    region: Region,
}

/// A process's role is none that asks for anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role of a process that asks for anything")]
pub struct UnknownRole(pub String);

impl Service {
    /// A process that has the role `command`, `server`, `monitor` or `worker/PLATFORM`.
    ///
    /// # Errors
    /// For any other role. The vault's is one of them: it asks nobody.
    pub fn new(role: &str, cell: &str, region: Region) -> Result<Self, UnknownRole> {
        let unknown = || UnknownRole(role.to_owned());
        let (kind, platform) = match role {
            "command" => ("Service::Command", None),
            "server" => ("Service::Server", None),
            "monitor" => ("Service::Monitor", None),
            _ => {
                let platform = role.strip_prefix("worker/").ok_or_else(unknown)?;
                ("Service::Worker", Some(Platform::new(platform).map_err(|_| unknown())?))
            }
        };
        Ok(Self { role: kind, platform, cell: cell.to_owned(), region })
    }

    fn uid(&self) -> Option<EntityUid> {
        uid(self.role, &format!("{}/{self}", self.cell))
    }
}

/// Its role.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.role.strip_prefix("Service::").unwrap_or(self.role).to_ascii_lowercase();
        match &self.platform {
            Some(platform) => write!(f, "{name}/{platform}"),
            None => f.write_str(&name),
        }
    }
}

/// A person, and the groups in which they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name by which they sign in.
    pub name: String,
    /// What they are a member of: a group of the cell, such as `auditors`, or of a tenant, such as `default/owners`.
    pub groups: BTreeSet<String>,
}

impl Person {
    /// The person at this machine, who has both factors of the cell, and owns what these tenants have in it.
    pub fn operator<'t>(tenants: impl IntoIterator<Item = &'t TenantId>) -> Self {
        let own = OPERATORS_GROUPS.iter().map(ToString::to_string);
        let groups = own.chain(tenants.into_iter().map(owners)).collect();
        Self { name: OPERATOR.to_owned(), groups }
    }

    pub(crate) fn uid(&self) -> Option<EntityUid> {
        uid("Person", &self.name)
    }

    /// The person as policies see them. `None` where that cannot be said.
    pub(crate) fn entity(&self) -> Option<Entity> {
        let groups = self.groups.iter().map(|group| uid("Group", group)).collect::<Option<_>>()?;
        Some(Entity::new_no_attrs(self.uid()?, groups))
    }
}

/// The group of whoever a tenant's data belongs to.
pub(crate) fn owners(tenant: &TenantId) -> String {
    format!("{tenant}/owners")
}

/// The group of whoever may look at a tenant's data.
pub(crate) fn viewers(tenant: &TenantId) -> String {
    format!("{tenant}/viewers")
}

pub(crate) fn text(value: &impl ToString) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_string())
}

/// A role, or a person's name.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => service.fmt(f),
            Self::Person(person) => f.write_str(&person.name),
        }
    }
}

impl Who {
    pub(crate) fn uid(&self) -> Option<EntityUid> {
        match self {
            Self::Service(service) => service.uid(),
            Self::Person(person) => person.uid(),
        }
    }

    /// Who asks, as policies see them. `None` where that cannot be said.
    pub(crate) fn entity(&self) -> Option<Entity> {
        match self {
            Self::Person(person) => person.entity(),
            Self::Service(service) => {
                let Service { platform, cell, region, .. } = service;
                let mut attributes =
                    HashMap::from([("cell".to_owned(), text(cell)), ("region".to_owned(), text(region))]);
                if let Some(platform) = platform {
                    attributes.insert("platform".to_owned(), text(platform));
                }
                Entity::new(service.uid()?, attributes, [].into()).ok()
            }
        }
    }
}
