//! Certificates that are to be believed, and those that are not.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock as _, Id128, Role};
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsConnector;
use transport::{CERTIFICATE_TTL, CallError, Identities, ServeError};

use crate::world::{Beside, CELL, TestClock, World, authority_of, is_refused};

const MINUTE: Duration = Duration::from_secs(60);

fn why<T: std::fmt::Debug>(answer: Result<T, CallError>) -> String {
    match answer.unwrap_err() {
        CallError::Refused { why, .. } => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_cell_is_refused_by_both_ends() {
    let world = World::new();
    let now = world.clock.now();
    let (vault, command) = (world.identities(&Role::Vault), world.identities(&Role::Command));
    let strangers =
        [authority_of(CELL, 2, CERTIFICATE_TTL), authority_of(Id128([8; 16]), 1, CERTIFICATE_TTL)];
    for stranger in strangers {
        let theirs = |role| Identities::new(stranger.identity(role, now).unwrap().0);
        let (answer, ended) = world.call(&theirs(&Role::Command), (&vault, &Role::Vault)).await;
        assert!(
            is_refused(&answer) && matches!(ended[0], Err(ServeError::Refused(_))),
            "{answer:?} {ended:?}"
        );
        let (answer, _) = world.call(&command, (&theirs(&Role::Vault), &Role::Vault)).await;
        assert!(is_refused(&answer), "{answer:?}");
        // Among themselves they speak to each other.
        assert!(world.call(&theirs(&Role::Command), (&theirs(&Role::Vault), &Role::Vault)).await.0.is_ok());
    }
    assert!(world.call(&command, (&vault, &Role::Vault)).await.0.is_ok());
}

#[tokio::test]
async fn a_certificate_serves_its_time_and_clocks_may_be_a_minute_apart() {
    let world = World::new();
    let vault = || world.identities(&Role::Vault);
    let command = world.identities(&Role::Command);
    world.clock.advance(CERTIFICATE_TTL - MINUTE);
    assert!(world.call(&command, (&vault(), &Role::Vault)).await.0.is_ok());
    world.clock.advance(2 * MINUTE);
    let (answer, ended) = world.call(&command, (&vault(), &Role::Vault)).await;
    assert!(why(answer).contains("compare the clocks") && ended[0].is_err());

    // One whose clock is behind is not understood either, once it is more than a minute.
    for (behind, understood) in [(MINUTE - Duration::from_secs(1), true), (60 * MINUTE, false)] {
        let slow = World { clock: TestClock::at("2026-11-24T12:00:00Z"), ..World::new() };
        let vault = slow.identities(&Role::Vault);
        slow.clock.advance(behind);
        let command = slow.identities(&Role::Command);
        let behind = World { clock: TestClock::at("2026-11-24T12:00:00Z"), ..World::new() };
        let (answer, _) = behind.call(&command, (&vault, &Role::Vault)).await;
        assert_eq!(answer.is_ok(), understood, "{answer:?}");
        if !understood {
            assert!(why(answer).contains("compare the clocks"));
        }
    }
}

/// Connects without a word about who it is, as any other program would.
async fn connect_without_certificate(
    beside: &Beside,
    versions: &[&'static rustls::SupportedProtocolVersion],
) {
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anybody::Anybody))
            .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("cell.invalid").unwrap();
    if let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, beside.connect()).await {
        let _ = stream.read(&mut [0; 16]).await;
    }
}

#[tokio::test]
async fn whoever_shows_no_certificate_or_speaks_an_older_protocol_or_none_is_refused() {
    let world = World::new();
    let beside = world.endpoint(&world.identities(&Role::Vault), CERTIFICATE_TTL);
    connect_without_certificate(&beside, &[&rustls::version::TLS13]).await;
    connect_without_certificate(&beside, &[&rustls::version::TLS12]).await;
    let mut plain = beside.connect();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"POST /test.twice HTTP/1.1\r\n\r\n").await.unwrap();
    drop(beside.connect());
    let ended = beside.ended().await;
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(|ended| matches!(ended, Err(ServeError::Refused(_)))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_connects_and_says_nothing_is_not_waited_for() {
    let world = World::new();
    let beside = world.endpoint(&world.identities(&Role::Vault), CERTIFICATE_TTL);
    let silent = beside.connect();
    let ended = beside.ended().await;
    assert!(matches!(ended[0], Err(ServeError::Silent)), "{ended:?}");
    drop(silent);
}

/// Takes everybody for whom they say they are.
mod anybody {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub(super) struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
        }
    }
}
