//! A server is spoken to where its certificate is its authority's and names it, or not at all.

use std::error::Error as _;

use catalog::{Catalog, CatalogError, CatalogErrorKind, Password, ServerAddress};

use crate::backend::{Backend, Place, SERVICE};
use crate::cell::Cell;

fn chain(error: &CatalogError) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        told = format!("{told}: {cause}");
        next = cause.source();
    }
    told
}

#[tokio::test]
async fn a_server_that_is_not_proven_to_be_the_one_is_refused() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let Place::Database { server, name } = &cell.place else { panic!("not a server") };
    let open = async |host: &str, authority: Option<&[u8]>| {
        let url = server.url(SERVICE, host, name);
        Catalog::open(server.with_password(ServerAddress::new(&url, authority).unwrap())).await
    };
    let [authority, stranger] = ["authority", "stranger"].map(|name| server.certificate(name));
    let (authority, stranger) = (Some(&*authority), Some(&*stranger));
    for (host, authority, expected) in [
        // It has the authority's name, and another key.
        ("localhost", stranger, "BadSignature"),
        ("localhost", None, "UnknownIssuer"),
        ("127.0.0.1", authority, "certificate not valid for name"),
    ] {
        let error = open(host, authority).await.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Refused);
        let told = chain(&error);
        assert!(told.contains(expected) && told.contains("authority"), "{host}: {told}");
    }
    open("localhost", authority).await.unwrap();
    backend.done();
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let Place::Database { server, name } = &cell.place else { panic!("not a server") };
    let open = async |password: &str| {
        let url = server.url(SERVICE, "localhost", name);
        let authority = server.certificate("authority");
        let password = Password::new(password.to_owned());
        Catalog::open(ServerAddress::new(&url, Some(&authority)).unwrap().with(password)).await
    };
    let error = open("not this one").await.unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::Refused);
    let told = format!("{} {error:?}", chain(&error));
    assert!(told.contains("password authentication failed") && !told.contains("not this one"), "{told}");
    let catalog = open(server.get("password")).await.unwrap();
    assert!(!format!("{catalog:?}").contains(server.get("password")));
    backend.done();
}
