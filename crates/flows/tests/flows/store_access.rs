//! The credentials of the cell's own stores: sealed, each for its store and its address alone.

use flows::store_access::{Way, WhichStore, grant, keep, open};
use flows::{ErrorKind, FlowError, Leave};
use repository::StoreCredentials;

use crate::world::World;

const URL: &str = "s3://bucket/cell?endpoint=https://s3.example";

fn credentials() -> StoreCredentials {
    StoreCredentials {
        access_key: "an id".to_owned(),
        secret_key: "a secret".to_owned().into(),
        session_token: Some("a token".to_owned().into()),
    }
}

#[tokio::test]
async fn a_credential_opens_for_its_store_and_address_alone() {
    let world = World::new(31).await;
    let cell = &world.cell;
    let region = &cell.region;
    let Leave::SignedIn(operator) = &cell.leave else { panic!("nobody has signed in") };
    let opened = async |which, url: &str| {
        let way = Way::of_cell(region, which);
        let sealed = grant(operator, &cell.catalog, &way, url).await?;
        open(&cell.vault, &way, url, &sealed).await
    };
    let refused = |error: Option<FlowError>| error.map(|error| (error.kind(), error.to_string()));
    let none = refused(opened(WhichStore::Objects, URL).await.err()).unwrap();
    assert_eq!(none.0, ErrorKind::Conflict);
    assert!(none.1.contains("store credential"), "{none:?}");

    let way = Way::of_cell(region, WhichStore::Objects);
    keep(&cell.vault, &cell.catalog, &*cell.clock, &way, (URL, &credentials())).await.unwrap();
    let found = opened(WhichStore::Objects, URL).await.unwrap().credentials.unwrap();
    assert_eq!((found.access_key.as_str(), found.secret_key.as_str()), ("an id", "a secret"));
    assert_eq!(found.session_token.unwrap().as_str(), "a token");

    // Whoever changes the configuration cannot lead it elsewhere …
    let elsewhere = refused(opened(WhichStore::Objects, "s3://bucket/cell").await.err()).unwrap();
    assert_eq!(elsewhere.0, ErrorKind::Integrity);
    assert!(elsewhere.1.contains("s3.example") && !elsewhere.1.contains("a secret"), "{elsewhere:?}");
    // … and whoever changes the catalog cannot put it in the place of another.
    let sealed = cell.catalog.store_credential("object-store").await.unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("secret"));
    cell.catalog.put_store_credential("key-store", &sealed, cell.clock.now()).await.unwrap();
    assert!(opened(WhichStore::Keys, URL).await.is_err());
    opened(WhichStore::Objects, URL).await.unwrap();
}

#[tokio::test]
async fn a_platforms_workers_have_their_own_credential_where_there_is_one() {
    let world = World::new(32).await;
    let cell = &world.cell;
    let Leave::SignedIn(operator) = &cell.leave else { panic!("nobody has signed in") };
    let of = |platform: &str| Way {
        platform: Some(platform.parse().unwrap()),
        ..Way::of_cell(&cell.region, WhichStore::Objects)
    };
    let put = async |way: &Way, name: &str| {
        let credentials = StoreCredentials { access_key: name.to_owned(), ..credentials() };
        keep(&cell.vault, &cell.catalog, &*cell.clock, way, (URL, &credentials)).await.unwrap();
    };
    put(&Way::of_cell(&cell.region, WhichStore::Objects), "the cell's").await;
    put(&of("shopify"), "shopify's").await;
    for (platform, expected) in [("shopify", "shopify's"), ("jsonl", "the cell's")] {
        let sealed = grant(operator, &cell.catalog, &of(platform), URL).await.unwrap();
        let opened = open(&cell.vault, &of(platform), URL, &sealed).await.unwrap();
        assert_eq!(opened.credentials.unwrap().access_key, expected);
    }
    // What was given for one platform's workers opens for no other's.
    let sealed = grant(operator, &cell.catalog, &of("shopify"), URL).await.unwrap();
    assert!(open(&cell.vault, &of("jsonl"), URL, &sealed).await.is_err());
    assert!(open(&cell.vault, &of("shopify"), URL, &sealed).await.is_ok());
}
