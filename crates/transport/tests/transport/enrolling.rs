//! How a process gets its certificate.

use domain::{Clock as _, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport::enrol::{self, EnrolError};
use transport::{CERTIFICATE_TTL, Identities};

use crate::world::{World, worker};

#[tokio::test]
async fn whoever_asks_gets_the_role_that_the_other_end_knows() {
    let world = World::new();
    let (ours, theirs) = tokio::io::duplex(1024);
    let issue = async |public: Vec<u8>| {
        world.authority.issue(&Role::Command, &public, world.clock.now()).map_err(|error| error.to_string())
    };
    let (asked, answered) = tokio::join!(enrol::ask(ours), enrol::answer(theirs, issue));
    answered.unwrap();
    let (identity, due) = asked.unwrap();
    assert_eq!((&identity.id.role, due), (&Role::Command, CERTIFICATE_TTL / 2));
    let vault = world.identities(&Role::Vault);
    let own = Identities::new(identity);
    assert!(world.call(&own, (&vault, &Role::Vault)).await.0.is_ok());
}

#[tokio::test]
async fn a_refusal_is_told_and_what_makes_no_sense_gets_no_certificate() {
    let world = World::new();
    let issue = async |public: Vec<u8>| {
        world
            .authority
            .issue(&worker("shopify"), &public, world.clock.now())
            .map_err(|error| error.to_string())
    };
    let (ours, theirs) = tokio::io::duplex(1024);
    let refuse = async |_| Err("nobody asked for that".to_owned());
    let (asked, _) = tokio::join!(enrol::ask(ours), enrol::answer(theirs, refuse));
    assert!(matches!(asked, Err(EnrolError::Refused(why)) if why.contains("nobody")));

    for nonsense in
        ["", "\n", "{}\n", "{\"public\":\"====\"}\n", "{\"public\":\"AAAA\"}\n", "{\"public\":\"\"}\n"]
    {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let said = async {
            ours.write_all(nonsense.as_bytes()).await.unwrap();
            ours.shutdown().await.unwrap();
            let mut heard = String::new();
            ours.read_to_string(&mut heard).await.unwrap();
            heard
        };
        let (heard, _) = tokio::join!(said, enrol::answer(theirs, issue));
        assert!(!heard.contains("issued"), "{nonsense:?}: {heard}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_key_is_of_no_use() {
    let world = World::new();
    let (own, other) = (transport::NewKey::generate().unwrap(), transport::NewKey::generate().unwrap());
    let issued = world.authority.issue(&Role::Command, other.public(), world.clock.now()).unwrap();
    assert!(own.with(&issued).is_err());
    assert!(other.with(&issued).is_ok());
}
