//! Connections, their credentials, and what is known of their media.

use catalog::{CatalogError, KnownMedia, MediaSource, Sweep};
use domain::SnapshotNumber;

use crate::cell::{Cell, connection, second, shop, tenant};

#[tokio::test]
async fn a_connection_is_kept_as_it_was_given() {
    let cell = Cell::new().await;
    let t = tenant("t");
    let mut other = connection("t", "another");
    other.swept = Some(Sweep { number: SnapshotNumber(3), at: second(3) });
    cell.catalog.add_connection(&other).await.unwrap();
    assert_eq!(cell.catalog.connections(&t).await.unwrap(), [other, connection("t", "shop")]);

    let taken = cell.catalog.add_connection(&connection("t", "shop")).await.unwrap_err();
    assert!(matches!(taken, CatalogError::Exists { what: "connection", .. }), "{taken}");
    let nobodys = cell.catalog.add_connection(&connection("t3", "shop")).await.unwrap_err();
    assert!(matches!(nobodys, CatalogError::NotFound { what: "tenant", .. }), "{nobodys}");
    let taken = cell.catalog.add_tenant(&t, second(0)).await.unwrap_err();
    assert!(matches!(taken, CatalogError::Exists { what: "tenant", .. }), "{taken}");

    let settings = serde_json::json!({"b": 1, "a": [true]});
    cell.catalog.set_connection(&t, &shop(), "https://moved.example", &settings).await.unwrap();
    let sweep = Sweep { number: SnapshotNumber(4), at: second(4) };
    cell.catalog.set_swept(&t, &shop(), sweep).await.unwrap();
    let changed = cell.open_again().await.connection(&t, &shop()).await.unwrap();
    assert_eq!((changed.url.as_str(), &changed.settings), ("https://moved.example", &settings));
    assert_eq!(changed.swept, Some(sweep));
}

#[tokio::test]
async fn a_credential_is_replaced_by_name() {
    let cell = Cell::new().await;
    let t = tenant("t");
    let read = async |name| cell.catalog.credential(&t, &shop(), name).await.ok();
    cell.catalog.put_credential(&t, &shop(), "token", b"sealed 1", second(1)).await.unwrap();
    cell.catalog.put_credential(&t, &shop(), "secret", b"sealed 2", second(1)).await.unwrap();
    cell.catalog.put_credential(&t, &shop(), "token", b"sealed 3", second(2)).await.unwrap();
    assert_eq!(read("token").await.as_deref(), Some(&b"sealed 3"[..]));
    assert_eq!(read("secret").await.as_deref(), Some(&b"sealed 2"[..]));
    cell.catalog.remove_credential(&t, &shop(), "token").await.unwrap();
    assert_eq!(read("token").await, None);
    assert_eq!(read("secret").await.as_deref(), Some(&b"sealed 2"[..]));
}

#[tokio::test]
async fn known_media_are_found_until_they_are_collected() {
    let cell = Cell::new().await;
    let t = tenant("t");
    let (one, two) = (MediaSource([1; 32]), MediaSource([2; 32]));
    let known = |name: &str| KnownMedia { name: name.into(), size_bytes: 5 };
    let read = async |source| cell.catalog.media(&t, &shop(), source).await.unwrap();
    cell.catalog.put_media(&t, &shop(), &[(one, known("a")), (two, known("b"))]).await.unwrap();
    assert_eq!(read(one).await, Some(known("a")));
    assert_eq!(read(MediaSource([3; 32])).await, None);
    cell.catalog.put_media(&t, &shop(), &[(one, known("c"))]).await.unwrap();
    assert_eq!(read(one).await, Some(known("c")));
    cell.catalog.forget_media(&t, &shop(), &["c", "never stored"]).await.unwrap();
    assert_eq!((read(one).await, read(two).await), (None, Some(known("b"))));

    // All or none: a size that does not fit leaves nothing behind.
    let endless = KnownMedia { name: "d".into(), size_bytes: u64::MAX };
    assert!(cell.catalog.put_media(&t, &shop(), &[(one, known("a")), (two, endless)]).await.is_err());
    assert_eq!((read(one).await, read(two).await), (None, Some(known("b"))));
}

#[tokio::test]
async fn tags_come_and_go_together() {
    let cell = Cell::new().await;
    let t = tenant("t");
    let tags = async || {
        let tags = cell.catalog.tags(&t).await.unwrap();
        tags.get(&shop()).map(|tags| tags.iter().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    assert!(tags().await.is_empty());
    cell.catalog.change_tags(&t, &shop(), &["eu", "daily", "eu"], &["never there"]).await.unwrap();
    assert_eq!(tags().await, ["daily", "eu"]);
    cell.catalog.change_tags(&t, &shop(), &["us"], &["eu"]).await.unwrap();
    assert_eq!(tags().await, ["daily", "us"]);
    let nobodys = cell.catalog.change_tags(&t, &"none".parse().unwrap(), &[], &["us"]).await.unwrap_err();
    assert!(matches!(nobodys, CatalogError::NotFound { what: "connection", .. }), "{nobodys}");
    assert!(cell.catalog.tags(&tenant("t2")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stores_credential_is_the_cells_and_is_replaced() {
    let cell = Cell::new().await;
    let none = cell.catalog.store_credential("key-store").await.unwrap_err();
    assert!(matches!(none, CatalogError::NotFound { .. }), "{none}");
    cell.catalog.put_store_credential("key-store", b"sealed 1", second(1)).await.unwrap();
    cell.catalog.put_store_credential("object-store", b"sealed 2", second(1)).await.unwrap();
    cell.catalog.put_store_credential("key-store", b"sealed 3", second(2)).await.unwrap();
    assert_eq!(cell.catalog.store_credential("key-store").await.unwrap(), b"sealed 3");
    assert_eq!(cell.catalog.store_credential("object-store").await.unwrap(), b"sealed 2");
}
