//! The entry points in ordinary tests.

use corpus::Target;

use serde_json::json;

use super::*;
use crate::{InitSettings, Passphrase, RecoverySetting};

const TARGETS: &[Target] = &[
    Target { name: "wrapped_data_key", run: wrapped_data_key, seeds: wrapped_data_keys, mutations: 3_000 },
    Target { name: "key_document", run: key_document, seeds: key_documents, mutations: 3_000 },
    Target { name: "grant", run: grant, seeds: grants, mutations: 3_000 },
    Target { name: "question", run: question, seeds: questions, mutations: 3_000 },
    Target { name: "kms_answer", run: kms_answer, seeds: kms_answers, mutations: 5_000 },
    Target { name: "seal_way", run: seal_way, seeds: seal_ways, mutations: 5_000 },
    Target { name: "names", run: names, seeds: all_names, mutations: 5_000 },
];

fn wrapped_data_keys() -> Vec<Vec<u8>> {
    let scope = &WORLD.scope;
    let material = KeyMaterial { data: KeyBytes::new([4; 32]), hash: KeyBytes::new([5; 32]) };
    let rng = Fixed::default();
    rng.fill(&mut [0; 100]);
    let other = Ring::generate(Hierarchy::Data, &rng);
    let foreign = WrappedDataKey::wrap(Id128([8; 16]), scope, &material, &other, &[], &Fixed::default());
    vec![WORLD.wrapped.clone(), foreign.unwrap().to_bytes().unwrap()]
}

fn key_documents() -> Vec<Vec<u8>> {
    let passphrase = Passphrase::new("correct horse battery staple".into()).unwrap();
    let mut found = Vec::new();
    for sealed in [None, Some(&passphrase)] {
        let folder = tempfile::tempdir().unwrap();
        let (home, recovery) = (folder.path().join("cell"), folder.path().join("recovery.key"));
        let handles = Handles {
            clock: Arc::new(Fixed::default()),
            rng: Arc::new(Fixed::default()),
            audit: Arc::new(Unrecorded),
        };
        let settings = InitSettings {
            recovery: RecoverySetting::New { file: &recovery, passphrase: sealed },
            recipients: vec![],
            cost: crate::Argon2Cost::default(),
        };
        Vault::init(&home, &passphrase, settings, &handles).now_or_never().unwrap().unwrap();
        let key = RecoveryKey::read(&recovery, sealed).unwrap();
        let shares = key.split(2, 2, &folder.path().join("shares"), &Fixed::default()).unwrap();
        let files = [crate::file::path(&home), recovery, OperatorKey::path(&home)];
        found.extend(shares.iter().take(1).map(|file| std::fs::read(file).unwrap()));
        found.extend(files.map(|file| std::fs::read(file).unwrap()));
    }
    found
}

fn grants() -> Vec<Vec<u8>> {
    let forged = Grant { purpose: "another".into(), ..WORLD.grant.clone() };
    [&WORLD.grant, &forged].map(|grant| serde_json::to_vec(grant).unwrap()).into()
}

fn questions() -> Vec<Vec<u8>> {
    let World { scope, wrapped, grant, .. } = &*WORLD;
    let wrapped = to_hex(wrapped);
    let texts = [
        json!({ "grant": grant, "scope": scope, "wrapped": wrapped.as_str() }),
        json!({ "grant": grant, "scope": scope }),
        json!({ "grant": grant, "scope": scope, "name": "token", "sealed": "00" }),
        json!({ "scope": scope, "name": "token", "secret": "00ff" }),
        json!({ "challenge": "00", "answer": "00" }),
        json!({ "session": "00", "passphrase": "00" }),
        json!({ "session": "00", "passphrase": null, "next": "00" }),
        json!({}),
    ];
    let names = [
        "data_key.open",
        "data_key.create",
        "credential.open",
        "credential.seal",
        "sign_in.answer",
        "vault.retire",
        "vault.seal",
    ];
    let names = names.into_iter().chain(["vault.versions"]);
    names.zip(texts).map(|(name, text)| format!("{name}\n{text}").into_bytes()).collect()
}

fn kms_answers() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"KeyId":"arn:aws:kms:eu-central-1:1:key/2","CiphertextBlob":"AQIDBA==","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
        r#"{"KeyId":"arn:aws:kms:eu-central-1:1:key/2","Plaintext":"AQIDBA=="}"#,
    ];
    let refusals = [
        (400, r#"{"__type":"com.amazonaws.kms#DisabledException","message":"key/2 is disabled."}"#),
        (400, r#"{"__type":"ThrottlingException","Message":"slowly"}"#),
        (503, "<html>"),
    ];
    let given = texts.map(|text| (200, text));
    given.iter().chain(&refusals).map(|(status, text)| format!("{status}\n{text}").into_bytes()).collect()
}

fn seal_ways() -> Vec<Vec<u8>> {
    let texts = [
        "pkcs11:token=a%20b;object=c;serial=1;id=%01%ff?module-path=/lib/m.so&pin-source=file:/etc/pin",
        "pkcs11:token=a;object=b?module-path=/lib/m.so",
        "kms:arn:aws:kms:eu-central-1:1:key/2?endpoint=https://h:1&credentials-file=/c&ca-file=/a",
        "kms:alias/a?region=eu-central-1&credentials-file=/c",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn all_names() -> Vec<Vec<u8>> {
    let places = ["t", "eu", "shopify", "shop", "data-key", "pack/0"];
    let mut other = places;
    other[5] = "pack/1";
    let both = |a: [&str; 6], b: [&str; 6]| [a, b].concat().join("\n");
    let texts = [
        "default".to_owned(),
        "gold_fish-7".to_owned(),
        Id128([0xab; 16]).to_string(),
        "001fff".to_owned(),
        "cell".to_owned(),
        "tenant/acme".to_owned(),
        "2026-11-25T12:00:00.000000001Z".to_owned(),
        "-009999-01-02T01:59:59Z".to_owned(),
        both(places, places),
        both(places, other),
    ];
    texts.map(String::into_bytes).into()
}

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}

#[test]
fn what_was_wrapped_and_granted_is_let_through() {
    let document = WrappedDataKey::parse(&WORLD.wrapped).unwrap();
    assert!(document.open(&WORLD.scope, &WORLD.vault.rings().data).is_ok());
    assert!(document.recover(&WORLD.scope, &WORLD.recovery).is_ok());
    let request = Request {
        caller: &Caller::Own,
        operation: Operation::DataKeyOpen,
        grant: &WORLD.grant,
        scope: &WORLD.scope,
        any_of: Action::ALL,
    };
    assert!(WORLD.vault.gate.answer(&request, || Ok(())).now_or_never().unwrap().is_ok());
}
