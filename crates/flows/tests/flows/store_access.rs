//! The credentials of the cell's own stores: sealed, each for its store and its address alone.

use flows::store_access::{WhichStore, grant, keep, open};
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
        let way = grant(operator, &cell.catalog, (region, which), url).await?;
        open(&cell.vault, (region, which), url, &way).await
    };
    let refused = |error: Option<FlowError>| error.map(|error| (error.kind(), error.to_string()));
    let none = refused(opened(WhichStore::Objects, URL).await.err()).unwrap();
    assert_eq!(none.0, ErrorKind::Conflict);
    assert!(none.1.contains("store credential"), "{none:?}");

    let place = (region, WhichStore::Objects);
    keep(&cell.vault, &cell.catalog, &*cell.clock, place, (URL, &credentials())).await.unwrap();
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
