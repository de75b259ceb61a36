//! Connections, their credentials, and their tags.

use catalog::Connection;

use crate::backend::Backend;
use crate::cell::{Cell, connection, says, second, shop, tenant, words};

pub(crate) async fn a_connection_is_kept_as_it_was_given(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    let other = connection("t", "another");
    cell.catalog.add_connection(&other).await.unwrap();
    assert_eq!(cell.catalog.connections(&t).await.unwrap(), [other, connection("t", "shop")]);

    let taken = cell.catalog.add_connection(&connection("t", "shop")).await.unwrap_err();
    assert!(says(&taken, "there is a connection"), "{taken}");
    let nobodys = cell.catalog.add_connection(&connection("t3", "shop")).await.unwrap_err();
    assert!(says(&nobodys, "there is no tenant"), "{nobodys}");
    let taken = cell.catalog.add_tenant(&t, second(0)).await.unwrap_err();
    assert!(says(&taken, "there is a tenant"), "{taken}");

    let settings = serde_json::json!({"b": 1, "a": [true]});
    cell.catalog.set_settings(&t, &shop(), &settings).await.unwrap();
    let changed = cell.open_again().await.connection(&t, &shop()).await.unwrap();
    assert_eq!((changed.url.as_str(), &changed.settings), ("https://t.example", &settings));
}

pub(crate) async fn a_credential_is_replaced_by_name(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    let read = async |name| cell.catalog.credential(&t, &shop(), name).await.ok();
    cell.catalog.put_credential(&t, &shop(), "token", b"sealed 1", second(1)).await.unwrap();
    cell.catalog.put_credential(&t, &shop(), "secret", b"sealed 2", second(1)).await.unwrap();
    cell.catalog.put_credential(&t, &shop(), "token", b"sealed 3", second(2)).await.unwrap();
    assert_eq!(read("token").await.as_deref(), Some(&b"sealed 3"[..]));
    assert_eq!(read("secret").await.as_deref(), Some(&b"sealed 2"[..]));
}

pub(crate) async fn an_address_and_its_credential_change_together(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    let read = async || {
        let row = cell.catalog.connection(&t, &shop()).await.unwrap();
        (row.url, cell.catalog.credential(&t, &shop(), "token").await.ok())
    };
    let moved = Connection { url: "https://moved.example".into(), ..connection("t", "shop") };
    cell.catalog.put_connection(&moved, "token", b"sealed 1", second(1)).await.unwrap();
    let both = ("https://moved.example".to_owned(), Some(b"sealed 1".to_vec()));
    assert_eq!(read().await, both);

    // A credential that cannot be kept leaves the address as it is.
    let mut behind = cell.behind().await;
    let refuse = behind.pick(
        "CREATE TRIGGER refuse BEFORE UPDATE ON credential BEGIN SELECT raise(ABORT, 'no'); END",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'; \
         CREATE TRIGGER refuse BEFORE UPDATE ON credential EXECUTE FUNCTION refuse()",
    );
    behind.execute(refuse).await;
    let again = Connection { url: "https://again.example".into(), ..moved.clone() };
    assert!(cell.catalog.put_connection(&again, "token", b"sealed 2", second(2)).await.is_err());
    assert_eq!(read().await, both);
    let admit = behind.pick("DROP TRIGGER refuse", "DROP TRIGGER refuse ON credential");
    behind.execute(admit).await;
    cell.catalog.put_connection(&again, "token", b"sealed 2", second(2)).await.unwrap();
    assert_eq!(read().await, ("https://again.example".to_owned(), Some(b"sealed 2".to_vec())));

    // One that was not there is made with its credential; without its tenant neither is.
    let new = connection("t", "new");
    cell.catalog.put_connection(&new, "token", b"sealed", second(3)).await.unwrap();
    assert_eq!(cell.catalog.connection(&t, &new.scope.connection).await.unwrap(), new);
    let nobodys = cell.catalog.put_connection(&connection("t3", "new"), "token", b"x", second(3)).await;
    assert!(nobodys.as_ref().is_err_and(|error| says(error, "there is no tenant")), "{nobodys:?}");
}

/// Databases know languages, in whose order these would come otherwise.
pub(crate) async fn names_are_listed_in_the_order_of_their_bytes(backend: &Backend) {
    let cell = Cell::new(backend).await;
    for name in ["b0", "b", "ac", "ab", "a_b", "a1", "a-b"] {
        cell.catalog.add_connection(&connection("t", name)).await.unwrap();
    }
    let listed = cell.catalog.connections(&tenant("t")).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|connection| connection.scope.connection.as_str()).collect();
    assert_eq!(listed, ["a-b", "a1", "a_b", "ab", "ac", "b", "b0", "shop"]);
}

pub(crate) async fn tags_come_and_go_together(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    let tags = async || {
        let tags = cell.catalog.tags(&t).await.unwrap();
        tags.get(&shop()).map(|tags| tags.iter().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    assert!(tags().await.is_empty());
    cell.catalog
        .change_tags(&t, &shop(), &words(&["eu", "daily", "eu"]), &words(&["never there"]))
        .await
        .unwrap();
    assert_eq!(tags().await, ["daily", "eu"]);
    cell.catalog.change_tags(&t, &shop(), &words(&["us"]), &words(&["eu"])).await.unwrap();
    assert_eq!(tags().await, ["daily", "us"]);
    let nobodys =
        cell.catalog.change_tags(&t, &"none".parse().unwrap(), &[], &words(&["us"])).await.unwrap_err();
    assert!(says(&nobodys, "there is no connection"), "{nobodys}");
    assert!(cell.catalog.tags(&tenant("t2")).await.unwrap().is_empty());
}

pub(crate) async fn a_stores_credential_is_the_cells_and_is_replaced(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let none = cell.catalog.store_credential("key-store").await.unwrap_err();
    assert!(says(&none, "there is no credential"), "{none}");
    cell.catalog.put_store_credential("key-store", b"sealed 1", second(1)).await.unwrap();
    cell.catalog.put_store_credential("object-store", b"sealed 2", second(1)).await.unwrap();
    cell.catalog.put_store_credential("key-store", b"sealed 3", second(2)).await.unwrap();
    assert_eq!(cell.catalog.store_credential("key-store").await.unwrap(), b"sealed 3");
    assert_eq!(cell.catalog.store_credential("object-store").await.unwrap(), b"sealed 2");
}

pub(crate) async fn a_connection_keeps_its_platform_and_its_region(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let own = connection("t", "shop");
    for change in [
        |scope: &mut domain::Scope| scope.platform = "files".parse().unwrap(),
        |scope: &mut domain::Scope| scope.region = "us".parse().unwrap(),
    ] {
        let mut other = own.clone();
        other.url = "https://elsewhere.example".into();
        change(&mut other.scope);
        let refused = cell.catalog.put_connection(&other, "token", b"theirs", second(1)).await.unwrap_err();
        assert!(says(&refused, "there is a connection"), "{refused}");
        assert_eq!(cell.catalog.connection(&tenant("t"), &shop()).await.unwrap(), own);
        assert!(cell.catalog.credential(&tenant("t"), &shop(), "token").await.is_err());
    }
    cell.catalog.put_connection(&own, "token", b"ours", second(1)).await.unwrap();
    assert_eq!(cell.catalog.credential(&tenant("t"), &shop(), "token").await.unwrap(), b"ours");
}

pub(crate) async fn a_list_of_many_pages_is_whole(backend: &Backend) {
    let cell = Cell::new(backend).await;
    let names: Vec<String> = (0..2_100).map(|number| format!("c{number:04}")).collect();
    for name in &names {
        cell.catalog.add_connection(&connection("t2", name)).await.unwrap();
    }
    let listed = cell.catalog.connections(&tenant("t2")).await.unwrap();
    let listed = listed.iter().map(|connection| connection.scope.connection.as_str());
    assert!(listed.eq(names.iter().map(String::as_str).chain(["shop"])));
}
