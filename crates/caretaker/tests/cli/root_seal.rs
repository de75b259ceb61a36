//! A root key that a token seals, and no passphrase.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::cell::TestCell;
use crate::powers::{VAULT, Waiting};
use crate::tokens::Tokens;
use crate::up::Up;

pub(crate) fn vault_file(cell: &TestCell) -> std::path::PathBuf {
    cell.home().join("vault/vault.json")
}

pub(crate) fn unseal(cell: &TestCell) -> Value {
    serde_json::from_slice::<Value>(&std::fs::read(vault_file(cell)).unwrap()).unwrap()["unseal"].clone()
}

#[test]
fn a_cell_that_a_token_seals_lives_without_a_passphrase() {
    let Some(tokens) = Tokens::new() else { return };
    tokens.make("hsm");
    let cell = tokens.cell("hsm", "root");
    assert!(!cell.passphrase().exists());
    assert_eq!(unseal(&cell)["pkcs11"]["token"], "hsm");
    let sealed_by = json!({ "kind": "pkcs11", "token": "hsm", "key": "root" });
    assert_eq!(cell.run(&["vault", "status"]).succeeds()["sealed_by"], sealed_by);

    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    cell.run(&["doctor"]).succeeds();
    assert_eq!(cell.run(&["vault", "rotate"]).succeeds()["data_keys"], 2);
    assert_eq!(cell.run(&["vault", "rewrap"]).succeeds()["data_keys"], 1);
    cell.run(&["vault", "retire"]).succeeds();
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n").succeeds();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
    let status = cell.run(&["vault", "status"]).succeeds();
    assert_eq!((&status["sealed_by"], &status["versions"]["data_keys"]), (&sealed_by, &json!([2])));
}

#[test]
fn a_vault_that_dies_is_unsealed_by_its_token_again() {
    let Some(tokens) = Tokens::new() else { return };
    tokens.make("hsm");
    let waiting = Waiting::on(tokens.cell("hsm", "root"));
    waiting.kill(VAULT);
    let (cell, answer) = waiting.ends();
    answer.succeeds();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_cell_that_runs_is_unsealed_by_its_token_whenever_it_must_be() {
    let Some(tokens) = Tokens::new() else { return };
    tokens.make("hsm");
    let cell = tokens.cell("hsm", "root");
    let up = Up::of(&cell);
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    nix::sys::signal::kill(up.processes["vault"], Signal::SIGKILL).unwrap();
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n").succeeds();
    // New keys under a new root key, which the token seals each time; all processes begin anew, and nobody is asked.
    assert_eq!(cell.run(&["vault", "rotate"]).succeeds()["data_keys"], 2);
    assert_eq!(cell.run(&["vault", "rewrap"]).succeeds()["data_keys"], 1);
    cell.run(&["vault", "retire"]).succeeds();
    cell.run(&["item", "show", "files", "thing", "b"]).succeeds_raw();
    let to = tokens.way("hsm", "another");
    cell.run(&["vault", "seal", "--to", &to]).refuses(7, &["caretaker up"]);
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["vault", "seal", "--to", &to]).succeeds();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn whatever_is_not_the_token_that_sealed_a_vault_opens_it_not() {
    let Some(tokens) = Tokens::new() else { return };
    tokens.make("hsm");
    let cell = tokens.cell("hsm", "root;id=%01%02");
    let status = || cell.run(&["vault", "status"]);
    status().succeeds();

    tokens.write_pin("1111-1111");
    status().refuses(5, &["refuses the PIN"]);
    std::fs::remove_file(tokens.pin_file()).unwrap();
    status().refuses(6, &["PIN"]);
    tokens.write_pin("8765-4321");
    status().succeeds();

    // Pulled out; then another of the same name, without the key, and with a key that has the same name and number.
    let aside = tokens.store().with_extension("aside");
    std::fs::rename(tokens.store(), &aside).unwrap();
    std::fs::create_dir(tokens.store()).unwrap();
    status().refuses(6, &["no token called `hsm`"]);
    cell.run(&["doctor"]).ends(1);
    tokens.make("hsm");
    status().refuses(6, &["does not have the key `root`"]);
    let other = tokens.cell("hsm", "root;id=%01%02");
    status().refuses(5, &["does not open the root key"]);
    other.run(&["vault", "status"]).succeeds();
    // A second of that name is not chosen from.
    tokens.make("hsm");
    other.run(&["vault", "status"]).refuses(2, &["several tokens", "serial"]);
    std::fs::remove_dir_all(tokens.store()).unwrap();
    std::fs::rename(&aside, tokens.store()).unwrap();
    status().succeeds();

    // Another vault's sealed root key, under the same key of the same token.
    let twin = tokens.cell("hsm", "root;id=%01%02");
    let (own, others) =
        (std::fs::read_to_string(vault_file(&cell)).unwrap(), std::fs::read(vault_file(&twin)).unwrap());
    let root = |text: &str| text.split("\"root\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let swapped = own.replace(&root(&own), &root(std::str::from_utf8(&others).unwrap()));
    std::fs::write(vault_file(&cell), with_checksum(&swapped)).unwrap();
    status().refuses(5, &["does not open the root key"]);
    // The control: with the checksum set right, the same text is taken.
    std::fs::write(vault_file(&cell), with_checksum(&own)).unwrap();
    status().succeeds();

    // A way that others could write, or that leads elsewhere.
    let way = cell.home().join("root-seal");
    let line = std::fs::read_to_string(&way).unwrap();
    std::fs::write(&way, line.replace("token=hsm", "token=another")).unwrap();
    status().refuses(2, &["no line there leads to it"]);
    std::fs::remove_file(&way).unwrap();
    status().refuses(2, &["no line there leads to it"]);
    std::fs::write(&way, &line).unwrap();
    status().refuses(2, &["chmod 600"]);
    let mut chmod = std::process::Command::new("chmod");
    assert!(chmod.arg("600").arg(&way).status().unwrap().success());
    status().succeeds();
}

/// A vault's file with its checksum set right.
pub(crate) fn with_checksum(text: &str) -> String {
    let (head, _) = text.rsplit_once("\"checksum\": \"").unwrap();
    let empty = format!("{head}\"checksum\": \"\"\n}}\n");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, empty.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{head}\"checksum\": \"{hex}\"\n}}\n")
}

#[test]
fn a_root_key_is_sealed_by_something_else_and_no_backup_is_read() {
    let Some(tokens) = Tokens::new() else { return };
    let mut cell = TestCell::with_jsonl("files");
    tokens.plug_into(&mut cell);
    tokens.make("hsm");
    tokens.make("other");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let old = std::fs::read(vault_file(&cell)).unwrap();

    // What cannot seal changes nothing.
    for (to, code, word) in [
        (tokens.way("nowhere", "root"), 6, "no token called"),
        ("kms:a?region=x&credentials-file=/c&endpoint=http://h".to_owned(), 2, "https://"),
        ("pkcs11:token=a".to_owned(), 2, "missing"),
    ] {
        cell.run(&["vault", "seal", "--to", &to]).refuses(code, &[word]);
        assert_eq!(std::fs::read(vault_file(&cell)).unwrap(), old);
        cell.run(&["vault", "status"]).succeeds();
    }

    let (packs, aside) = (cell.home().join("store/t/jsonl/default/files/pack"), cell.path("packs"));
    std::fs::rename(&packs, &aside).unwrap();
    let passphrase = cell.path("kept-passphrase");
    let sealed = cell.run(&["vault", "seal", "--to", &tokens.way("hsm", "root")]).succeeds();
    assert_eq!(sealed["sealed_by"]["token"], "hsm");
    std::fs::rename(cell.passphrase(), &passphrase).unwrap();
    cell.run(&["vault", "status"]).succeeds();
    let sealed = cell.run(&["vault", "seal", "--to", &tokens.way("other", "root")]).succeeds();
    assert_eq!(sealed["sealed_by"]["token"], "other");
    assert_eq!(
        std::fs::read_to_string(cell.home().join("root-seal")).unwrap(),
        tokens.way("other", "root") + "\n"
    );
    std::fs::rename(&aside, &packs).unwrap();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();

    // A copy from before opens as it did, until the keys in it are ended.
    let thief = cell.copy();
    std::fs::write(vault_file(&thief), &old).unwrap();
    std::fs::rename(thief.path("kept-passphrase"), thief.passphrase()).unwrap();
    thief.run(&["item", "show", "files", "thing", "a"]).succeeds_raw();

    let new = cell.file("new-passphrase", "another passphrase");
    let sealed = cell.run(&["vault", "seal", "--to", "passphrase", "--new-passphrase-file", &new]).succeeds();
    assert_eq!(sealed["sealed_by"], json!({ "kind": "passphrase" }));
    assert!(!cell.home().join("root-seal").exists());
    std::fs::copy(&passphrase, cell.passphrase()).unwrap();
    cell.run(&["vault", "status"]).refuses(5, &["passphrase"]);
    std::fs::copy(&new, cell.passphrase()).unwrap();
    cell.run(&["item", "show", "files", "thing", "a"]).succeeds_raw();
}
