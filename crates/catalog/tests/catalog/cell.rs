//! A cell with two tenants that each have a connection `shop`.

use catalog::{Catalog, Connection, Head, LedgerEntry, Restore, RestoreState};
use domain::{ConnectionId, Id128, Kind, RecordKey, Scope, SnapshotNumber, TenantId, Timestamp};

use crate::backend::{Backend, Behind, Place};

pub(crate) struct Cell {
    pub(crate) catalog: Catalog,
    pub(crate) place: Place,
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
        let catalog = Catalog::open(place.address()).await.unwrap();
        for name in ["t", "t2"] {
            catalog.add_tenant(&tenant(name), second(0)).await.unwrap();
            catalog.add_connection(&connection(name, "shop")).await.unwrap();
        }
        Self { catalog, place }
    }

    /// The database behind the catalog's back.
    pub(crate) async fn behind(&self) -> Behind {
        self.place.behind().await
    }

    /// The same catalog, as another process would have it.
    pub(crate) async fn open_again(&self) -> Catalog {
        Catalog::open(self.place.address()).await.unwrap()
    }
}
