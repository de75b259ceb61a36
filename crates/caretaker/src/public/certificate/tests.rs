use super::*;
use crate::public::doubles::{certificate, made};

const NAME: &str = "caretaker.example";
const FROM: (i32, u8, u8) = (2026, 1, 1);
const TO: (i32, u8, u8) = (2026, 4, 1);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn read(certificate: &str, key: &str, now: &str) -> Result<Certificate, Unfit> {
    let url = format!("https://{NAME}").parse().unwrap();
    Certificate::read(certificate.as_bytes(), key.as_bytes(), &url, at(now))
}

fn refused(certificate: &str, key: &str, now: &str) -> String {
    read(certificate, key, now).unwrap_err().to_string()
}

const NOW: &str = "2026-02-01T00:00:00Z";

#[test]
fn one_that_fits_is_told_of_before_it_ends() {
    let (ninety, key) = made(NAME, FROM, TO);
    let ninety = read(&ninety, &key, NOW).unwrap();
    assert_eq!(ninety.ends(), at("2026-04-01T00:00:00Z"));
    assert_eq!(ninety.due_from(), at("2026-03-02T00:00:00Z"));
    assert_eq!(ninety.alarm_from(Renewed::ByHand), at("2026-03-02T00:00:00Z"));
    // One that is renewed by itself has had a week for it by then.
    assert_eq!(ninety.alarm_from(Renewed::ByItself), at("2026-03-09T12:00:00Z"));
    let (year, key) = made(NAME, FROM, (2027, 1, 1));
    assert_eq!(read(&year, &key, NOW).unwrap().alarm_from(Renewed::ByHand), at("2026-12-02T00:00:00Z"));
    let (week, key) = made(NAME, FROM, (2026, 1, 7));
    let week = read(&week, &key, "2026-01-02T00:00:00Z").unwrap();
    assert_eq!(week.alarm_from(Renewed::ByHand), at("2026-01-05T00:00:00Z"));
}

#[test]
fn each_way_not_to_fit_has_its_own_words() {
    let (fits, key) = made(NAME, FROM, TO);
    let (other, other_key) = made("other.example", FROM, TO);
    assert!(read(&fits, &key, NOW).is_ok());
    assert!(read(&format!("{key}{fits}"), &format!("{fits}{key}"), NOW).is_ok(), "both in one file");
    let check = |certificate: &str, key: &str, now: &str, expected: &str| {
        let told = refused(certificate, key, now);
        assert!(told.contains(expected), "{told}");
    };
    check(&fits, &other_key, NOW, "another one's");
    check(&other, &other_key, NOW, "not for `caretaker.example`, but for `other.example`");
    check(&fits, &key, "2026-04-01T00:00:01Z", "it ended at 2026-04-01T00:00:00Z");
    check(&fits, &key, "2025-12-31T23:59:59Z", "nothing before 2026-01-01T00:00:00Z");
    check("", &key, NOW, "no certificate");
    check(&key, &key, NOW, "no certificate");
    check(&fits, "", NOW, "no private key");
    check(&fits, &fits, NOW, "no private key");
    // Half a file, as somebody who writes it has left it so far.
    for len in [30, fits.len() / 2, fits.len() - 2] {
        assert!(read(&fits[..len], &key, NOW).is_err(), "{len}");
    }
    for len in [30, key.len() / 2] {
        assert!(read(&fits, &key[..len], NOW).is_err(), "{len}");
    }
    let sealed = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    check(&fits, &sealed, NOW, "a passphrase");
    let noise = fits.replace("MII", "AAA");
    check(&noise, &key, NOW, "cannot be understood");
}

#[test]
fn one_for_all_names_below_another_fits_and_one_for_an_address_only_there() {
    let (wildcard, key) = made("*.caretaker.example", FROM, TO);
    let url = "https://backup.caretaker.example".parse().unwrap();
    assert!(Certificate::read(wildcard.as_bytes(), key.as_bytes(), &url, at(NOW)).is_ok());
    assert!(refused(&wildcard, &key, NOW).contains("but for `*.caretaker.example`"));
    let (address, key) = made("127.0.0.1", FROM, TO);
    assert!(refused(&address, &key, NOW).contains("but for no host"));
    let url = "https://127.0.0.1:8443".parse().unwrap();
    assert!(Certificate::read(address.as_bytes(), key.as_bytes(), &url, at(NOW)).is_ok());
}

#[test]
fn keys_of_every_common_kind_fit() {
    for kind in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        assert!(read(&certificate(NAME, FROM, TO, &key), &key.serialize_pem(), NOW).is_ok());
    }
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    assert!(read(&certificate(NAME, FROM, TO, &key), &key.serialize_pem(), NOW).is_ok());
}

#[test]
fn a_number_is_as_long_as_its_bits() {
    let check = |number: &[u8], expected| assert_eq!(bits(number), expected, "{number:?}");
    check(&[], 0);
    check(&[0, 0], 0);
    check(&[1], 1);
    check(&[0, 0x80], 8);
    check(&[0, 0, 0x7f, 0xff], 15);
    check(&[&[0, 0x80][..], &[0; 255]].concat(), 2_048);
    check(&[&[0, 0x40][..], &[0; 255]].concat(), 2_047);
}
