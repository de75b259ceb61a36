//! What the flows ask of a platform is on the trail, with who asked for it on which grant; where it cannot be, they end.

use std::sync::{Arc, Mutex};

use domain::{AuditError, AuditEvent, AuditSink, Operation, Outcome, SnapshotNumber};
use flows::backup::{Backup, backup};
use flows::connect::{Connect, ConnectionSettings, connect};
use flows::restore::Selection;
use flows::{ErrorKind, FlowError, RunReport};
use futures::future::BoxFuture;
use sandbox::shopify::Settings;
use serde_json::json;

use crate::doubles::Silent;
use crate::round_trip::full_shop;
use crate::world::{World, tenant};

/// Keeps events, and fails at those of one name.
#[derive(Debug, Default)]
struct Sink {
    events: Mutex<Vec<AuditEvent>>,
    fails_at: &'static str,
}

impl AuditSink for Sink {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.note(event)
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        let fails = event.request.as_ref().is_some_and(|request| request.name == self.fails_at);
        self.events.lock().unwrap().push(event);
        Box::pin(async move { if fails { Err(AuditError("the disk is full".into())) } else { Ok(()) } })
    }
}

/// Has the cell's requests recorded from now on.
fn recorded(world: &mut World, fails_at: &'static str) -> Arc<Sink> {
    let sink = Arc::new(Sink { fails_at, ..Sink::default() });
    world.cell.audit = Arc::<Sink>::clone(&sink);
    sink
}

async fn back_up(world: &World) -> Result<RunReport, FlowError> {
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    backup(&world.cell, &Backup { connection, full: true }, &Silent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_told_of_with_who_asked_on_which_grant() {
    let mut world = World::new(51).await;
    let sink = recorded(&mut world, "");
    world.open("shop", Settings { products: 3, customers: 1, orders: 1, ..full_shop() }).await;
    let take = || std::mem::take(&mut *sink.events.lock().unwrap());
    let connecting = take();
    assert!(!connecting.is_empty() && connecting.iter().all(|event| event.grant.is_none()));

    let report = back_up(&world).await.unwrap();
    let backing_up = take();
    assert_eq!(backing_up.len() as u64, report.requests, "its token does not end, and is never asked for");
    let grant = backing_up[0].grant;
    assert!(grant.is_some() && backing_up.iter().all(|event| event.grant == grant));

    let files =
        world.owner("shop", "{ files(first: 1, query: \"media_type:IMAGE\") { nodes { id } } }", json!({}));
    let id = files.await["files"]["nodes"][0]["id"].clone();
    let delete = "mutation($id: ID!) { fileDelete(fileIds: [$id]) { userErrors { message } } }";
    world.owner("shop", delete, json!({"id": id})).await;
    let mut ask = World::ask("shop", "shop", Selection::At(report.snapshot));
    ask.kinds = vec!["file".parse().unwrap()];
    let plan = world.plan(&ask).await;
    take();
    let restored = world.apply(&plan).await.unwrap();
    assert!(restored.complete, "{restored:?}");
    let restoring = take();
    assert_eq!(restoring.len() as u64, restored.requests);
    let of =
        |name: &str| restoring.iter().find(|event| event.request.as_ref().unwrap().name == name).unwrap();
    let upload = of("staged upload").request.as_ref().unwrap();
    assert_eq!((upload.method, upload.path.as_str(), upload.received), ("POST", "/{upload}", 0));
    assert!(upload.sent > 100, "the bytes, and the form around them: {upload:?}");
    assert!(of("fileCreate").grant.is_some_and(|given| Some(given) != grant));

    for event in connecting.iter().chain(&backing_up).chain(&restoring) {
        assert_eq!((event.principal.0.as_str(), event.object.as_str()), ("cell-operator", "default/shop"));
        assert_eq!((event.operation, event.outcome), (Operation::PlatformRequest, Outcome::Done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_put_on_record_fails_and_makes_no_snapshot() {
    let mut world = World::new(52).await;
    world.open("shop", Settings { products: 3, customers: 1, orders: 1, ..full_shop() }).await;
    for name in ["scopes", "bulk result", "media"] {
        let sink = recorded(&mut world, name);
        let error = back_up(&world).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{name}: {error}");
        assert!(error.to_string().contains("the disk is full"), "{name}: {error}");
        let events = sink.events.lock().unwrap().clone();
        assert!(events.iter().any(|event| event.request.as_ref().unwrap().name == name));
    }
    recorded(&mut world, "");
    let report = back_up(&world).await.unwrap();
    assert!(report.complete && report.snapshot == SnapshotNumber(1), "{:?}", report.snapshot);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_asked_on_record_is_not_connected() {
    let mut world = World::new(53).await;
    world.open("shop", Settings::empty()).await;
    let shop = world.shop("shop");
    let other = Connect {
        tenant: tenant(),
        name: "other".parse().unwrap(),
        platform: "shopify".parse().unwrap(),
        url: shop.url.clone(),
        settings: ConnectionSettings { ca_pem: Some(shop.ca_pem.clone()) },
        credential: json!({"kind": "static", "access_token": shop.access_token})
            .to_string()
            .into_bytes()
            .into(),
    };
    recorded(&mut world, "store");
    let error = connect(&world.cell, other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    let name = "other".parse().unwrap();
    assert!(matches!(world.cell.connection(&tenant(), &name).await, Err(FlowError::NotFound(_))));
}
