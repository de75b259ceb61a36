//! How a process on another host gets its certificate, and who does not.

use std::sync::{Arc, Mutex};

use domain::{Clock, ServiceId};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use transport::enrol::EnrolError;
use transport::hosts::{self, Admits, Expects};
use transport::{CERTIFICATE_TTL, Endpoint, Identities, Issued, Routes};
use zeroize::Zeroizing;

use crate::world::{Beside, CELL, TestClock, World, authority_of, is_refused, key_pair, was_served, worker};

const SECRET: &[u8] = b"the secret of an invitation";

/// Lets one host in that knows the secret, and gives certificates to whoever has its key.
struct Gate {
    world: World,
    known: Mutex<Vec<[u8; 32]>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Admits for Gate {
    fn join(&self, secret: Zeroizing<Vec<u8>>, key: [u8; 32]) -> BoxFuture<'_, Result<(), String>> {
        let mut known = self.known.lock().unwrap();
        let joined = match secret.as_slice() == SECRET && known.is_empty() {
            true => {
                known.push(key);
                Ok(())
            }
            false => Err("the invitation is not good".to_owned()),
        };
        std::future::ready(joined).boxed()
    }

    fn certify(&self, key: [u8; 32], public: Vec<u8>) -> BoxFuture<'_, Result<Issued, String>> {
        let issued = match self.known.lock().unwrap().contains(&key) {
            true => {
                let issued = self.world.authority.issue(&worker("shopify"), &public, self.world.clock.now());
                issued.map_err(|error| error.to_string())
            }
            false => Err("it is no host of this cell".to_owned()),
        };
        std::future::ready(issued).boxed()
    }
}

/// A vault that lets hosts in, and what they know of it.
fn vault() -> (Arc<Gate>, Beside, Expects, Arc<dyn Clock>) {
    let world = World::new();
    let own = world.identities(&domain::Role::Vault);
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    let authority = world.authority.certificate(clock.now()).unwrap();
    let gate = Arc::new(Gate { world, known: Mutex::default() });
    let endpoint = Endpoint::new(own, Routes::new(), Arc::clone(&clock), CERTIFICATE_TTL);
    let vault = Beside::new(endpoint.admitting(Arc::clone(&gate) as _));
    (gate, vault, Expects { own: ServiceId { cell: CELL, role: worker("shopify") }, authority }, clock)
}

#[tokio::test]
async fn a_host_that_joins_gets_certificates_by_its_key() {
    let (gate, vault, expects, clock) = vault();
    let (own, other) = (key_pair(1), key_pair(2));
    let early = hosts::certify(vault.connect(), &expects, &own, &clock).await;
    assert!(matches!(early, Err(EnrolError::Refused(why)) if why.contains("no host")));
    let wrong = hosts::join(vault.connect(), &expects, (b"another secret", &own), &clock).await;
    assert!(matches!(wrong, Err(EnrolError::Refused(_))));

    hosts::join(vault.connect(), &expects, (SECRET, &own), &clock).await.unwrap();
    let again = hosts::join(vault.connect(), &expects, (SECRET, &other), &clock).await;
    assert!(matches!(again, Err(EnrolError::Refused(why)) if why.contains("not good")), "it is good once");

    let (identity, due) = hosts::certify(vault.connect(), &expects, &own, &clock).await.unwrap();
    assert_eq!((&identity.id, due), (&expects.own, CERTIFICATE_TTL / 2));
    let stranger = hosts::certify(vault.connect(), &expects, &other, &clock).await;
    assert!(matches!(stranger, Err(EnrolError::Refused(why)) if why.contains("no host")));
    // And it is of use.
    let (own, server) = (Identities::new(identity), gate.world.identities(&domain::Role::Server));
    assert!(gate.world.call(&own, (&server, &domain::Role::Server)).await.0.is_ok());
}

#[tokio::test]
async fn a_host_tells_nobody_its_secret_who_is_not_the_vault_of_its_cell() {
    let (gate, vault, expects, clock) = vault();
    let key = key_pair(1);
    let distrusts = async |beside: Beside, expects: &Expects, clock: &Arc<dyn Clock>| {
        let joined = hosts::join(beside.connect(), expects, (SECRET, &key), clock).await;
        assert!(matches!(joined, Err(EnrolError::Distrusted(_))), "{joined:?}");
        let certified = hosts::certify(beside.connect(), expects, &key, clock).await;
        assert!(matches!(certified, Err(EnrolError::Distrusted(_))));
        assert!(gate.known.lock().unwrap().is_empty());
    };
    // Another authority of the same name; the vault of another cell; somebody else of the cell; and another time.
    let authority = authority_of(CELL, 9, CERTIFICATE_TTL).certificate(clock.now()).unwrap();
    distrusts(vault.clone(), &Expects { authority, ..expects.clone() }, &clock).await;
    let own = ServiceId { cell: domain::Id128([8; 16]), role: worker("shopify") };
    distrusts(vault.clone(), &Expects { own, ..expects.clone() }, &clock).await;
    let server = gate.world.identities(&domain::Role::Server);
    let server = Endpoint::new(server, Routes::new(), Arc::clone(&clock), CERTIFICATE_TTL);
    distrusts(Beside::new(server.admitting(Arc::clone(&gate) as _)), &expects, &clock).await;
    let later: Arc<dyn Clock> = TestClock::at("2026-11-24T13:00:00Z");
    distrusts(vault.clone(), &expects, &later).await;
    hosts::join(vault.connect(), &expects, (SECRET, &key), &clock).await.unwrap();
}

#[tokio::test]
async fn whoever_shows_no_certificate_calls_nothing() {
    let (gate, vault, expects, clock) = vault();
    // An endpoint that admits nobody does not speak to them.
    let own = gate.world.identities(&domain::Role::Vault);
    let closed = gate.world.endpoint(&own, CERTIFICATE_TTL);
    let joined = hosts::join(closed.connect(), &expects, (SECRET, &key_pair(1)), &clock).await;
    assert!(matches!(joined, Err(EnrolError::Broken(_) | EnrolError::Distrusted(_))), "{joined:?}");
    assert!(closed.ended().await.iter().all(|ended| !was_served(ended)));
    // One that does hears calls of those alone who show one: of the others it hears how they would get one.
    let channel = gate.world.channel(
        &Identities::new(
            authority_of(CELL, 9, CERTIFICATE_TTL).identity(&worker("shopify"), clock.now()).unwrap().0,
        ),
        &domain::Role::Vault,
        vault.clone(),
    );
    assert!(is_refused(&channel.call(&crate::world::Twice { text: String::new() }).await));
    drop(channel);
    assert!(vault.ended().await.iter().all(|ended| !was_served(ended)));
}

/// All that is said, however it ends.
async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_with_nothing() {
    let (gate, vault, expects, clock) = vault();
    hosts::join(vault.connect(), &expects, (SECRET, &key_pair(1)), &clock).await.unwrap();
    for nonsense in [
        "\n",
        "{}\n",
        "{\"join\":{\"secret\":\"AAAA\"}}\n",
        "{\"join\":{\"secret\":\"AAAA\",\"key\":\"AAAA\"}}\n",
        "{\"certify\":{\"key\":\"\",\"public\":\"\",\"signature\":\"\"}}\n",
    ] {
        let mut stream = hosts::connect(vault.connect(), &expects, &clock).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        let heard = heard(&mut stream).await;
        assert!(!heard.contains("issued") && !heard.contains("joined"), "{nonsense:?}: {heard}");
    }
    assert_eq!(gate.known.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_signature_is_of_use_over_its_own_connection_alone() {
    let (_, vault, expects, clock) = vault();
    let key = key_pair(1);
    hosts::join(vault.connect(), &expects, (SECRET, &key), &clock).await.unwrap();
    // Said over one connection, and said again over another, as whoever overheard it would.
    let own = transport::NewKey::generate().unwrap();
    let mut first = hosts::connect(vault.connect(), &expects, &clock).await.unwrap();
    let asked = hosts::asks(&first, &key, own.public()).unwrap();
    let mut second = hosts::connect(vault.connect(), &expects, &clock).await.unwrap();
    for (stream, expected) in [(&mut second, "signature"), (&mut first, "issued")] {
        stream.write_all(asked.as_bytes()).await.unwrap();
        let heard = heard(stream).await;
        assert!(heard.contains(expected), "{heard}");
    }
}
