//! A root key that a key management service seals: moto's, over TLS, behind a check of each signature by AWS's own library.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cell::{TestCell, note, text};
use crate::powers::{VAULT, Waiting};
use crate::root_seal::{unseal, vault_file, with_checksum};

/// How the service is reached: what `scripts/kms-moto-up` says.
struct Service(BTreeMap<String, String>);

impl Service {
    /// `None` where there is none.
    fn find() -> Option<Self> {
        let Ok(told) = std::env::var("CARETAKER_TEST_KMS") else {
            println!("skipped: CARETAKER_TEST_KMS does not say where a service is (scripts/kms-moto-up)");
            return None;
        };
        note("kms-moto");
        let words = told.split_whitespace().map(|word| word.split_once('=').unwrap());
        Some(Self(words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// Has AWS's own client do one thing there.
    fn ask(&self, words: &[&str]) -> String {
        let output = Command::new(&self.0["python"]).arg(&self.0["ask"]).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes a file with credentials beside a cell.
    fn credentials(&self, cell: &TestCell, secret_key: &str) -> PathBuf {
        let access_key = &self.0["access_key"];
        let lines = format!("aws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n");
        let file = PathBuf::from(cell.file("credentials", lines));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn way_by(&self, key: &str, endpoint: &str, ca: &str, credentials: &Path) -> String {
        format!("kms:{key}?endpoint={endpoint}&ca-file={ca}&credentials-file={}", text(credentials))
    }

    fn way(&self, key: &str, credentials: &Path) -> String {
        self.way_by(key, &self.0["endpoint"], &self.0["ca"], credentials)
    }

    fn cell(&self, key: &str) -> TestCell {
        let cell = TestCell::none_yet(tempfile::tempdir().unwrap());
        let credentials = self.credentials(&cell, &self.0["secret_key"]);
        let (recovery, way) = (cell.recovery_key(), self.way(key, &credentials));
        cell.run(&["init", "--recovery-key-out", text(&recovery), "--root-seal", &way]).succeeds();
        cell.run(&["connect", "jsonl", "files"]).succeeds();
        cell
    }
}

/// Replaces the way to a cell's seal.
fn lead(cell: &TestCell, way: &str) {
    std::fs::write(cell.home().join("root-seal"), format!("{way}\n")).unwrap();
}

#[test]
fn a_cell_that_a_service_seals_lives_without_a_passphrase() {
    let Some(service) = Service::find() else { return };
    let key = service.ask(&["create"]);
    let cell = service.cell(&key);
    assert!(!cell.passphrase().exists());
    assert_eq!(unseal(&cell), json!({ "kms": { "key": key, "region": "local" } }));
    let sealed_by = json!({ "kind": "kms", "key": key });
    assert_eq!(cell.run(&["vault", "status"]).succeeds()["sealed_by"], sealed_by);
    cell.run(&["doctor"]).succeeds();

    // The vault dies under a command, and is unsealed again.
    let waiting = Waiting::on(cell);
    waiting.kill(VAULT);
    let (cell, answer) = waiting.ends();
    answer.succeeds();
    cell.run(&["vault", "rotate"]).succeeds();
    cell.run(&["vault", "rewrap"]).succeeds();
    cell.run(&["vault", "retire"]).succeeds();
    // From one key of the service to another.
    let other = service.ask(&["create"]);
    let to = service.way(&other, &cell.path("credentials"));
    assert_eq!(cell.run(&["vault", "seal", "--to", &to]).succeeds()["sealed_by"]["key"], other);
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_service_that_is_away_or_is_another_opens_nothing() {
    let Some(service) = Service::find() else { return };
    let key = service.ask(&["create"]);
    let cell = service.cell(&key);
    let status = || cell.run(&["vault", "status"]);
    let credentials = cell.path("credentials");
    let way = service.way(&key, &credentials);
    let (endpoint, ca) = (&service.0["endpoint"], &service.0["ca"]);

    lead(&cell, &service.way_by(&key, "https://localhost:1", ca, &credentials));
    status().refuses(1, &["does not answer", "refused"]);
    lead(&cell, &service.way_by(&key, endpoint, &service.0["stranger"], &credentials));
    status().refuses(1, &["does not answer", "certificate"]);
    // The certificate names another host.
    lead(&cell, &service.way_by(&key, &endpoint.replace("localhost", "127.0.0.1"), ca, &credentials));
    status().refuses(1, &["does not answer", "certificate"]);
    lead(&cell, &service.way_by(&key, &endpoint.replace("https:", "http:"), ca, &credentials));
    status().refuses(2, &["must begin with `https://`"]);
    lead(&cell, &service.way_by(&key, endpoint, "/nowhere", &credentials));
    status().refuses(2, &["authority"]);
    lead(&cell, &way);
    status().succeeds();

    let secret_key = &service.0["secret_key"];
    service.credentials(&cell, "another");
    status().refuses(5, &["InvalidSignatureException"]);
    service.credentials(&cell, secret_key);
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o644)).unwrap();
    status().refuses(2, &["chmod 600"]);
    service.credentials(&cell, secret_key);
    cell.file("credentials", "aws_access_key_id = a\n");
    status().refuses(2, &["aws_secret_access_key"]);
    service.credentials(&cell, secret_key);
    // What stands in the environment is not looked at.
    let mut elsewhere = cell.command(&["vault", "status"]);
    elsewhere.env("AWS_SECRET_ACCESS_KEY", "another").env("AWS_ENDPOINT_URL", "https://localhost:1");
    crate::cell::Answer::from(elsewhere.output().unwrap()).succeeds();

    // A service that answers another plaintext than it was given: the file's own seal tells.
    std::fs::write(&service.0["lie"], &key).unwrap();
    let told = status();
    std::fs::remove_file(&service.0["lie"]).unwrap();
    told.refuses(4, &["someone changed it"]);
    status().succeeds();
}

#[test]
fn another_key_vault_or_region_opens_nothing() {
    let Some(service) = Service::find() else { return };
    let (key, other) = (service.ask(&["create"]), service.ask(&["create"]));
    let cell = service.cell(&key);
    let status = || cell.run(&["vault", "status"]);
    let credentials = cell.path("credentials");
    let own = std::fs::read_to_string(vault_file(&cell)).unwrap();
    let put = |text: &str| std::fs::write(vault_file(&cell), with_checksum(text)).unwrap();

    // The way to another key; and the file changed so that it names that one.
    lead(&cell, &service.way(&other, &credentials));
    status().refuses(2, &["no line there leads to it"]);
    put(&own.replace(&key, &other));
    status().refuses(5, &["the service"]);
    lead(&cell, &service.way("alias/any", &credentials).replace('?', "?region=eu-central-1&"));
    status().refuses(5, &["the service"]);
    lead(&cell, &service.way(&key, &credentials));

    // Bound to the vault and to the region: a file that names another of either is another's.
    let twin = service.cell(&key);
    let twins: Value = serde_json::from_slice(&std::fs::read(vault_file(&twin)).unwrap()).unwrap();
    let mine: Value = serde_json::from_str(&own).unwrap();
    for field in ["root", "id"] {
        put(&own.replace(mine[field].as_str().unwrap(), twins[field].as_str().unwrap()));
        status().refuses(5, &["the service"]);
    }
    put(&own.replace("\"region\": \"local\"", "\"region\": \"eu\""));
    status().refuses(5, &["region `eu`"]);
    let settings = cell.home().join("cell.json");
    let kept = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, kept.replace("local", "eu")).unwrap();
    status().refuses(5, &["the service"]);
    std::fs::write(&settings, kept).unwrap();
    put(&own);
    status().succeeds();

    // A key that is switched off, for as long as it is.
    service.ask(&["disable", &key]);
    status().refuses(5, &["disabled"]);
    cell.run(&["doctor"]).ends(1);
    service.ask(&["enable", &key]);
    status().succeeds();
}
