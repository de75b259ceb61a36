//! What it is asked about.

use std::collections::HashMap;
use std::fmt;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use domain::{ConnectionId, Kind, Platform, Region, Scope, TenantId};

use crate::vocabulary::uid;
use crate::who::{owners, text, viewers};

/// Where something lies that belongs to a cell itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The cell's id.
    pub cell: String,
    /// Its region.
    pub region: Region,
}

/// What it is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A connected store.
    Connection(Scope),
    /// A connection's data key.
    DataKey(Scope),
    /// A connection's credential.
    Credential(Scope),
    /// Records of one kind.
    Record(Scope, Kind),
    /// All that a tenant has, and where it stays.
    Tenant(TenantId, Region),
    /// What is to be done for all connections of a platform, whosever they are.
    Roster(Place, Platform),
    /// The credential of one of the cell's own stores, by the store's name.
    StoreCredential(Place, String),
    /// The vault.
    Vault(Place),
    /// The trail.
    Trail(Place),
    /// The policies.
    Policies(Place),
    /// The rest of the cell.
    Cell(Place),
}

type Attributes = HashMap<String, RestrictedExpression>;

fn tenant_uid(tenant: &TenantId) -> Option<EntityUid> {
    uid("Tenant", tenant.as_str())
}

fn connection_uid(of: &str, scope: &Scope) -> Option<EntityUid> {
    uid(of, &format!("{}/{}", scope.tenant, scope.connection))
}

fn scoped(scope: &Scope) -> Option<Attributes> {
    Some(HashMap::from([
        ("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant_uid(&scope.tenant)?)),
        ("region".to_owned(), text(&scope.region)),
        ("platform".to_owned(), text(&scope.platform)),
    ]))
}

fn placed(place: &Place) -> Attributes {
    HashMap::from([("cell".to_owned(), text(&place.cell)), ("region".to_owned(), text(&place.region))])
}

/// A tenant with its region and the groups that look after it.
fn tenant(tenant: &TenantId, region: &Region) -> Option<Entity> {
    let group = |name: String| Some(RestrictedExpression::new_entity_uid(uid("Group", &name)?));
    let groups = HashMap::from([
        ("owners".to_owned(), group(owners(tenant))?),
        ("viewers".to_owned(), group(viewers(tenant))?),
        ("region".to_owned(), text(region)),
    ]);
    Entity::new(tenant_uid(tenant)?, groups, [].into()).ok()
}

/// Its path, as [`Resource::named`] takes it.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |scope: &Scope| format!("{}/{}", scope.tenant, scope.connection);
        match self {
            Self::Connection(scope) => write!(f, "connection/{}", of(scope)),
            Self::DataKey(scope) => write!(f, "data_key/{}", of(scope)),
            Self::Credential(scope) => write!(f, "credential/{}", of(scope)),
            Self::Record(scope, kind) => write!(f, "record/{}/{kind}", of(scope)),
            Self::Tenant(tenant, _) => write!(f, "tenant/{tenant}"),
            Self::Roster(_, platform) => write!(f, "roster/{platform}"),
            Self::StoreCredential(_, store) => write!(f, "store_credential/{store}"),
            Self::Vault(_) => f.write_str("vault"),
            Self::Trail(_) => f.write_str("trail"),
            Self::Policies(_) => f.write_str("policies"),
            Self::Cell(_) => f.write_str("cell"),
        }
    }
}

impl Resource {
    /// The type that policies have for it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Connection(_) => "Connection",
            Self::DataKey(_) => "DataKey",
            Self::Credential(_) => "Credential",
            Self::Record(..) => "Record",
            Self::Tenant(..) => "Tenant",
            Self::Roster(..) => "Roster",
            Self::StoreCredential(..) => "StoreCredential",
            Self::Vault(_) => "Vault",
            Self::Trail(_) => "Trail",
            Self::Policies(_) => "Policies",
            Self::Cell(_) => "Cell",
        }
    }

    /// What a path names: `connection/TENANT/NAME`, `data_key/…`, `credential/…`, `record/TENANT/NAME/KIND`,
    /// `tenant/TENANT`, `roster/PLATFORM`, `store_credential/STORE`, `vault`, `trail`, `policies`, `cell`. `scope` says where a connection belongs.
    /// `None` for any other path.
    pub fn named(
        path: &str,
        place: &Place,
        scope: impl Fn(&TenantId, &ConnectionId) -> Option<Scope>,
    ) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        let scope =
            |tenant: &str, name: &str| scope(&TenantId::new(tenant).ok()?, &ConnectionId::new(name).ok()?);
        Some(match parts.as_slice() {
            ["connection", tenant, name] => Self::Connection(scope(tenant, name)?),
            ["data_key", tenant, name] => Self::DataKey(scope(tenant, name)?),
            ["credential", tenant, name] => Self::Credential(scope(tenant, name)?),
            ["record", tenant, name, kind] => Self::Record(scope(tenant, name)?, Kind::new(kind).ok()?),
            ["tenant", tenant] => Self::Tenant(TenantId::new(tenant).ok()?, place.region.clone()),
            ["roster", platform] => Self::Roster(place.clone(), Platform::new(platform).ok()?),
            ["store_credential", store] => Self::StoreCredential(place.clone(), (*store).to_owned()),
            ["vault"] => Self::Vault(place.clone()),
            ["trail"] => Self::Trail(place.clone()),
            ["policies"] => Self::Policies(place.clone()),
            ["cell"] => Self::Cell(place.clone()),
            _ => return None,
        })
    }

    fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Connection(scope)
            | Self::DataKey(scope)
            | Self::Credential(scope)
            | Self::Record(scope, _) => Some(scope),
            _ => None,
        }
    }

    pub(crate) fn uid(&self) -> Option<EntityUid> {
        let of = self.type_name();
        match self {
            Self::Connection(scope) | Self::DataKey(scope) | Self::Credential(scope) => {
                connection_uid(of, scope)
            }
            Self::Record(scope, kind) => uid(of, &format!("{}/{}/{kind}", scope.tenant, scope.connection)),
            Self::Tenant(tenant, _) => tenant_uid(tenant),
            Self::Roster(place, platform) => uid(of, &format!("{}/{platform}", place.cell)),
            Self::StoreCredential(place, name) => uid(of, &format!("{}/{name}", place.cell)),
            Self::Vault(place) | Self::Trail(place) | Self::Policies(place) | Self::Cell(place) => {
                uid(of, &place.cell)
            }
        }
    }

    /// It, and all that it is part of, as policies see them. `None` where that cannot be said.
    pub(crate) fn entities(&self) -> Option<Vec<Entity>> {
        let own = self.uid()?;
        let place = match self {
            Self::StoreCredential(place, _)
            | Self::Vault(place)
            | Self::Trail(place)
            | Self::Policies(place)
            | Self::Cell(place) => Some(place),
            _ => None,
        };
        if let Some(place) = place {
            return Some(vec![Entity::new(own, placed(place), [].into()).ok()?]);
        }
        if let Self::Roster(place, platform) = self {
            let mut attributes = placed(place);
            attributes.insert("platform".to_owned(), text(platform));
            return Some(vec![Entity::new(own, attributes, [].into()).ok()?]);
        }
        if let Self::Tenant(name, region) = self {
            return Some(vec![tenant(name, region)?]);
        }
        let scope = self.scope()?;
        let of_tenant = tenant(&scope.tenant, &scope.region)?;
        let connection = connection_uid("Connection", scope)?;
        let around =
            Entity::new(connection.clone(), scoped(scope)?, [tenant_uid(&scope.tenant)?].into()).ok()?;
        let mut attributes = scoped(scope)?;
        if let Self::Record(_, kind) = self {
            attributes.insert("kind".to_owned(), text(kind));
        }
        if own == connection {
            return Some(vec![of_tenant, around]);
        }
        Some(vec![of_tenant, around, Entity::new(own, attributes, [connection].into()).ok()?])
    }
}
