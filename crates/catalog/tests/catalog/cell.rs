//! A cell with two tenants that each have a connection `shop`.

use catalog::{
    Catalog, CatalogAddress, CatalogError, Client, Connection, Head, LedgerEntry, Restore, RestoreState,
};
use domain::{ConnectionId, Id128, Kind, RecordKey, Role, Scope, SnapshotNumber, TenantId, Timestamp};

use crate::backend::{Backend, Behind, Place};
use crate::channel;

pub(crate) struct Cell {
    pub(crate) catalog: Client,
    pub(crate) place: Place,
    channel: bool,
}

/// A catalog that is there, in this process.
pub(crate) async fn open(address: impl Into<CatalogAddress>) -> Client {
    Catalog::open(address).await.unwrap().into()
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether an error says that: the same words here, and over a channel.
pub(crate) fn says(error: &CatalogError, words: &str) -> bool {
    error.to_string().contains(words)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn shop() -> ConnectionId {
    "shop".parse().unwrap()
}

pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_521_600 + second).unwrap()
}

pub(crate) fn connection(tenant_name: &str, name: &str) -> Connection {
    Connection {
        scope: Scope {
            tenant: tenant(tenant_name),
            region: "eu".parse().unwrap(),
            platform: "shopify".parse().unwrap(),
            connection: name.parse().unwrap(),
        },
        url: format!("https://{tenant_name}.example"),
        settings: serde_json::json!({"api_version": "2026-10", "scopes": ["read_products"]}),
        created_at: second(0),
    }
}

pub(crate) fn head(number: u64, generation: u64) -> Head {
    Head { number: SnapshotNumber(number), generation, commit: format!("{number}-{generation}-abc") }
}

pub(crate) fn restore(id: u8) -> Restore {
    Restore {
        id: Id128([id; 16]),
        connection: shop(),
        target: "other".parse().unwrap(),
        plan_digest: "d1".into(),
        undo_of: None,
        state: RestoreState::Applying,
        created_at: second(i64::from(id)),
        changed_at: second(i64::from(id)),
    }
}

pub(crate) fn entry(old: &str, new: &str, restore: u8) -> LedgerEntry {
    LedgerEntry {
        connection: shop(),
        target: "other".parse().unwrap(),
        old: RecordKey::new(Kind::new("product").unwrap(), old).unwrap(),
        new_id: new.into(),
        restore: Id128([restore; 16]),
        recorded_at: second(0),
    }
}

impl Cell {
    pub(crate) async fn new(backend: &Backend) -> Self {
        let place = Place::new(backend).await;
        place.create().await;
        let channel = matches!(backend, Backend::Channel);
        let catalog = Self::client(&place, channel).await;
        for name in ["t", "t2"] {
            catalog.add_tenant(&tenant(name), second(0)).await.unwrap();
            catalog.add_connection(&connection(name, "shop")).await.unwrap();
        }
        Self { catalog, place, channel }
    }

    /// With a connection of the first tenant besides, into which is restored.
    pub(crate) async fn with_target(backend: &Backend) -> Self {
        let cell = Self::new(backend).await;
        cell.catalog.add_connection(&connection("t", "other")).await.unwrap();
        cell
    }

    /// The database behind the catalog's back.
    pub(crate) async fn behind(&self) -> Behind {
        self.place.behind().await
    }

    /// The same catalog, as another process would have it.
    pub(crate) async fn open_again(&self) -> Client {
        Self::client(&self.place, self.channel).await
    }

    /// The same catalog, as the worker of these connections' platform has it.
    pub(crate) async fn worker(&self) -> Client {
        let catalog = Catalog::open(self.place.address()).await.unwrap();
        let worker = Role::Worker("shopify".parse().unwrap());
        if self.channel { channel::to(&catalog, &worker) } else { catalog.into() }
    }

    async fn client(place: &Place, channel: bool) -> Client {
        let catalog = Catalog::open(place.address()).await.unwrap();
        if channel { channel::to(&catalog, &Role::Command) } else { catalog.into() }
    }
}
