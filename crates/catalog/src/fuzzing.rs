//! What comes from outside, behind one function: for ../../fuzz, and for ordinary tests.
#![allow(clippy::expect_used, reason = "what does not hold is a finding")]

#[cfg(test)]
mod replay;

use std::sync::{Arc, LazyLock};

use domain::{Action, Asked, Decides, Id128, Operation, Principal, Role, Scope, ServiceId, Timestamp};
use domain::{Unrecorded, Verdict};
use tokio::runtime::Runtime;

use crate::calls;
use crate::client::Client;
use crate::connection::Connection;
use crate::database::Catalog;
use crate::gate::Gate;
use crate::head::Head;

/// A catalog with a connection of one platform, and a worker of another that asks.
struct World {
    runtime: Runtime,
    catalog: Catalog,
    gate: Gate,
    theirs: Connection,
    head: Head,
    worker: ServiceId,
    _home: tempfile::TempDir,
}

/// Policies that permit all: what is tried is the rest of the gate.
#[derive(Debug)]
struct All;

impl All {
    fn permitted() -> Verdict {
        Verdict { allowed: true, by: Vec::new(), told: String::new() }
    }
}

impl Decides for All {
    fn process(&self, _: &Asked<'_>) -> Verdict {
        Self::permitted()
    }

    fn person(&self, _: &Principal, _: Action, _: &Scope) -> Verdict {
        Self::permitted()
    }

    fn custodian(&self, _: &Principal, _: Operation) -> Verdict {
        Self::permitted()
    }
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let home = tempfile::tempdir().expect("a folder");
    let theirs = connection("jsonl", "files");
    let head = Head { number: domain::SnapshotNumber(1), generation: 1, commit: "1-1-abc".into() };
    let made = async {
        let catalog = Catalog::create(home.path()).await?;
        let client = Client::from(catalog.clone());
        client.add_tenant(&theirs.scope.tenant, Timestamp::UNIX_EPOCH).await?;
        for connection in [&theirs, &connection("shopify", "shop")] {
            client.put_connection(connection, "token", b"sealed", Timestamp::UNIX_EPOCH).await?;
        }
        client.advance_head(&theirs.scope.tenant, &theirs.scope.connection, None, &head).await?;
        Ok::<_, crate::CatalogError>(catalog)
    };
    let catalog = runtime.block_on(made).expect("a catalog");
    let role = Role::Worker("shopify".parse().expect("a name"));
    let worker = ServiceId { cell: Id128([7; 16]), role };
    let gate = Gate::new(Arc::new(Unrecorded)).with_policies(Arc::new(All));
    World { runtime, catalog, gate, theirs, head, worker, _home: home }
});

fn connection(platform: &str, name: &str) -> Connection {
    let named = "a name";
    Connection {
        scope: Scope {
            tenant: "t".parse().expect(named),
            region: "eu".parse().expect(named),
            platform: platform.parse().expect(named),
            connection: name.parse().expect(named),
        },
        url: "https://shop.example".into(),
        settings: serde_json::json!({}),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

/// A question of a worker, as it is sent: its name, and below that its text.
pub fn catalog_question(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else { return false };
    let (name, text) = bytes.split_at(at);
    let (Ok(name), Some(text)) = (std::str::from_utf8(name), text.get(1..)) else { return false };
    let World { runtime, catalog, gate, theirs, head, worker, .. } = &*WORLD;
    let (tenant, connection) = (&theirs.scope.tenant, &theirs.scope.connection);
    runtime.block_on(async {
        let Some(_) = calls::asked((catalog, gate), worker, name, text).await else { return false };
        // Whatever it was, nothing of another platform's has changed.
        let client = Client::from(catalog.clone());
        assert_eq!(&client.connection(tenant, connection).await.expect("it is there"), theirs);
        assert_eq!(client.head(tenant, connection).await.expect("it is there").as_ref(), Some(head));
        assert_eq!(client.credential(tenant, connection, "token").await.expect("it is there"), b"sealed");
        assert_eq!(client.lease(tenant, connection).await.expect("it is read"), None);
        assert_eq!(client.restores(tenant, connection).await.expect("they are read"), []);
        assert_eq!(client.ledger(tenant, connection).await.expect("it is read"), []);
        true
    })
}
