//! What somebody outside of a cell gets to know of it: an identity as PEM, the authority's certificate, a subject.

use domain::{Clock as _, Id128, Role};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use transport::{CERTIFICATE_TTL, Identity, certificate_pem, subject};

use crate::world::{CELL, World, authority_of, worker};

/// Whether the key of one is that of the other's certificate.
fn belong_together(certificate: &Identity, key: &Identity) -> bool {
    let certificate =
        CertificateDer::from_pem_slice(certificate.client_pem().certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.client_pem().expose_secret().as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(vec![certificate], key, &provider).is_ok()
}

#[test]
fn the_key_that_a_library_gets_is_that_of_the_certificate() {
    let world = World::new();
    let one = |role: Role| world.authority.identity(&role, world.clock.now()).unwrap().0;
    let (server, other) = (one(Role::Server), one(Role::Server));
    assert!(belong_together(&server, &server) && !belong_together(&server, &other));
    assert!(!format!("{server:?}").contains("key"), "{server:?}");
}

#[test]
fn a_subject_names_role_and_cell() {
    let world = World::new();
    for role in [Role::Server, worker("shopify")] {
        let (identity, _) = world.authority.identity(&role, world.clock.now()).unwrap();
        assert_eq!(subject(&identity.id), format!("CN={role},O={CELL}"));
        let pem = identity.client_pem().certificate;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let has = |name: &str| der.windows(name.len()).filter(|part| *part == name.as_bytes()).count();
        // In the subject, and in the service's own name.
        assert!(has(&role.to_string()) == 2 && has(&CELL.to_string()) >= 3, "{pem}");
    }
}

#[test]
fn an_authority_is_known_by_name_and_key() {
    let world = World::new();
    let now = world.clock.now();
    let (identity, _) = world.authority.identity(&Role::Server, now).unwrap();
    let of =
        |cell, seed, at| certificate_pem(&authority_of(cell, seed, CERTIFICATE_TTL).certificate(at).unwrap());
    let (own, later) =
        (certificate_pem(identity.authority()), of(CELL, 1, now.checked_add(CERTIFICATE_TTL).unwrap()));
    assert!(own != later && identity.is_of(&own) && identity.is_of(&later));
    let others =
        [of(CELL, 2, now), of(Id128([8; 16]), 1, now), String::new(), own.replace("CERTIFICATE", "THING")];
    for other in &others {
        assert!(!identity.is_of(other), "{other}");
    }
    assert!(identity.is_of(&(others.concat() + &own)), "one of several");
}
