//! A credential that is renewed: by one at a time, whoever else works with the same connection.

use connectors::Secret;
use connectors::platforms::shopify::Credential;
use domain::{Action, Grant, Timestamp};
use flows::connect::{self, Connect, ConnectionSettings};
use sandbox::shopify::Settings;

use crate::world::{World, tenant};

async fn grant(world: &World) -> Grant {
    let scope = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap().scope;
    world.cell.grant(&scope, &[Action::Backup, Action::Read], "test").await.unwrap()
}

/// Connects the practice store by a token that ends at `expires_at`, and answers that token.
async fn by_offline_token(world: &World, expires_at: Timestamp) -> String {
    let ca_pem = world.shop("shop").ca_pem.clone();
    by_offline_token_and_authority(world, expires_at, ca_pem).await
}

async fn by_offline_token_and_authority(world: &World, expires_at: Timestamp, ca_pem: String) -> String {
    let shop = world.shop("shop");
    let pair = shop.issue_offline_token();
    let credential = Credential::Offline {
        client_id: shop.client_id.clone(),
        client_secret: Secret::new(&shop.client_secret),
        access_token: Secret::new(&pair.access_token),
        refresh_token: Secret::new(&pair.refresh_token),
        expires_at,
    };
    let connect = Connect {
        tenant: tenant(),
        name: "shop".parse().unwrap(),
        platform: "shopify".parse().unwrap(),
        url: shop.url.clone(),
        settings: ConnectionSettings { ca_pem: Some(ca_pem) },
        credential: credential.to_bytes().unwrap().into(),
    };
    connect::connect(&world.cell, connect).await.unwrap();
    pair.access_token
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_spend_one_refresh_token_once() {
    let mut world = World::new(31).await;
    world.open("shop", Settings::empty()).await;
    let token = by_offline_token(&world, Timestamp::MAX).await;
    // Both have opened the credential before the platform ends its token.
    let row = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let grant = grant(&world).await;
    let one = connect::open(&world.cell, &row, &grant).await.unwrap();
    let two = connect::open(&world.cell, &row, &grant).await.unwrap();
    assert!(one.probe().await.is_ok() && two.probe().await.is_ok());
    world.shop("shop").revoke(&token);
    let (first, second) = tokio::join!(one.probe(), two.probe());
    first.unwrap();
    second.unwrap();
    // What was kept is what the next command finds.
    let three = connect::open(&world.cell, &row, &grant).await.unwrap();
    three.probe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_renewed_while_connecting_is_known_for_its_store() {
    let mut world = World::new(32).await;
    world.open("shop", Settings::empty()).await;
    // At the same address it may be renewed at once; which store it is for is noted all the same.
    by_offline_token(&world, Timestamp::UNIX_EPOCH).await;
    let row = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    assert!(row.settings["store"]["id"].as_str().unwrap().starts_with("gid://shopify/Shop/"), "{row:?}");

    // A command that was killed in between leaves a credential of which that is not known: it is looked at first.
    let mut settings = row.settings.clone();
    settings.as_object_mut().unwrap().remove("store");
    world.cell.catalog.set_settings(&tenant(), &row.scope.connection, &settings).await.unwrap();
    let row = world.cell.connection(&tenant(), &row.scope.connection).await.unwrap();
    connect::open(&world.cell, &row, &grant(&world).await).await.unwrap();
    let seen = world.cell.connection(&tenant(), &row.scope.connection).await.unwrap();
    assert!(seen.settings["store"]["domain"].as_str().unwrap().ends_with(".myshopify.com"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_connected_anew_is_used_by_who_comes_later_and_by_nobody_before() {
    let mut world = World::new(33).await;
    world.open("shop", Settings::empty()).await;
    let token = by_offline_token(&world, Timestamp::MAX).await;
    let row = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let grant = grant(&world).await;
    let before = connect::open(&world.cell, &row, &grant).await.unwrap();
    before.probe().await.unwrap();
    // The same store, under an authority that is spelt otherwise: what `before` was opened for is no longer so.
    let authority = format!("{}\n", world.shop("shop").ca_pem);
    by_offline_token_and_authority(&world, Timestamp::MAX, authority).await;
    world.shop("shop").revoke(&token);
    let refused = before.probe().await.unwrap_err();
    assert!(refused.to_string().contains("connected anew"), "{refused}");
    // A row that was read before is no reason to call the catalog changed.
    let after = connect::open(&world.cell, &row, &grant).await.unwrap();
    after.probe().await.unwrap();
}
