//! Everything from the two stores and the recovery key alone.

use crate::cell::{Answer, PASSPHRASE, TestCell, assert_same, binary, contents, text};
use crate::shop::Shop;

/// Recovers what a cell's stores hold, without the cell.
fn recover(cell: &TestCell, key: &std::path::Path, more: &[&str]) -> Answer {
    let mut command = binary();
    command.args(["--json", "recover", "--store"]).arg(cell.home().join("store"));
    command.arg("--keys-store").arg(cell.home().join("keys"));
    command.arg("--recovery-key-file").arg(key).args(more);
    command.output().unwrap().into()
}

#[test]
fn the_recovery_key_alone_reads_what_an_export_reads() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    cell.run(&["connect", "jsonl", "files"]).succeeds();
    cell.ingest("files", "customer", "{\"id\":\"1\",\"email\":\"person@example.com\"}\n").succeeds();
    let export = cell.path("export");
    cell.run(&["export", "shop", "--out", text(&export)]).succeeds();
    // Nothing of the cell is left but its stores.
    for gone in ["vault", "catalog", "operator.key", "cell.json", "trail", "lock"] {
        std::fs::rename(cell.home().join(gone), cell.path(gone)).unwrap();
    }
    let checked = recover(&cell, &cell.recovery_key(), &["--check"]).succeeds();
    assert_eq!(checked["connections"].as_array().unwrap().len(), 2);
    assert_eq!(checked["newest_is_certain"], false);
    let out = cell.path("out");
    recover(&cell, &cell.recovery_key(), &["--out", text(&out)]).succeeds();
    assert_same(&contents(&out.join("default/shop")), &contents(&export));
    let customers = std::fs::read(out.join("default/files/customer.jsonl")).unwrap();
    assert_eq!(customers, b"{\"id\":\"1\",\"email\":\"person@example.com\"}\n");
    // A folder that holds something is not written into.
    recover(&cell, &cell.recovery_key(), &["--out", text(&out)]).refuses(7, &[text(&out), "not empty"]);
}

#[test]
fn people_who_each_have_a_share_recover_together() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let alone = |words: &[&str]| -> Answer { binary().arg("--json").args(words).output().unwrap().into() };
    let (key, out) = (cell.recovery_key(), cell.path("shares"));
    let split = ["recovery", "split", "--recovery-key-file", text(&key), "--out", text(&out)];
    let answer = alone(&[&split[..], &["--shares", "3", "--needed", "2"]].concat()).succeeds();
    let shares: Vec<_> =
        answer["shares"].as_array().unwrap().iter().map(|share| share.as_str().unwrap()).collect();
    std::fs::remove_file(&key).unwrap();

    let joined = cell.path("joined.key");
    let join = |shares: &[&str]| {
        alone(&[&["recovery", "join", "--recovery-key-out", text(&joined)], shares].concat())
    };
    join(&shares[2..]).refuses(2, &["1 of the 2 shares"]);
    assert!(!joined.exists());
    let again = join(&shares[1..]).succeeds();
    assert_eq!(again["recovery_key_fingerprint"], answer["recovery_key_fingerprint"]);
    recover(&cell, &joined, &["--check"]).succeeds();
    join(&shares[..2]).refuses(2, &["exists already"]);
}

#[test]
fn a_wrong_key_reads_nothing() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let other = TestCell::new();
    recover(&cell, &other.recovery_key(), &["--check"]).refuses(5, &["recovery key"]);
    let out = cell.path("out");
    recover(&cell, &other.recovery_key(), &["--out", text(&out)]).refuses(5, &["recovery key"]);
    assert!(!out.exists() || contents(&out).is_empty());
    let absent = cell.path("absent.key");
    let refused = recover(&cell, &absent, &["--check"]);
    assert!(refused.code == Some(1) || refused.code == Some(6), "{refused:?}");
    recover(&cell, &cell.recovery_key(), &["--check"]).succeeds();
}

#[test]
fn a_sealed_recovery_key_needs_its_passphrase() {
    let cell = TestCell::with_jsonl("unused");
    let home = cell.path("sealed");
    let key = cell.path("sealed.key");
    let sealing = cell.file("sealing", "of the recovery key alone");
    let mut init = binary();
    init.args(["--json", "--dir", text(&home), "--passphrase-file", text(&cell.passphrase()), "init"]);
    init.args(["--recovery-key-out", text(&key), "--recovery-passphrase-file", &sealing]);
    Answer::from(init.output().unwrap()).succeeds();
    let on = |words: &[&str]| {
        let mut command = binary();
        command.args(["--json", "--dir", text(&home), "--passphrase-file", text(&cell.passphrase())]);
        Answer::from(command.args(words).output().unwrap())
    };
    on(&["connect", "jsonl", "files"]).succeeds();
    let file = cell.file("lines.jsonl", "{\"id\":\"a\"}\n");
    on(&["ingest", "files", "--kind", "thing", "--id", "/id", &file]).succeeds();
    let recover = |more: &[&str]| {
        let mut command = binary();
        command.args(["--json", "recover", "--store"]).arg(home.join("store"));
        command.arg("--keys-store").arg(home.join("keys")).args([
            "--recovery-key-file",
            text(&key),
            "--check",
        ]);
        Answer::from(command.args(more).output().unwrap())
    };
    let without = recover(&[]);
    assert!(matches!(without.code, Some(2 | 5)), "{without:?}");
    let wrong = cell.file("wrong", PASSPHRASE);
    recover(&["--recovery-passphrase-file", &wrong]).refuses(5, &["passphrase"]);
    let right = recover(&["--recovery-passphrase-file", &sealing]).succeeds();
    assert_eq!(right["connections"][0]["records"]["thing"], 1);
}

#[test]
fn absent_and_damaged_stores_are_told_apart() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let store = cell.home().join("store");
    let aside = cell.path("aside");
    std::fs::rename(&store, &aside).unwrap();
    recover(&cell, &cell.recovery_key(), &["--check"]).refuses(6, &["no store", text(&store)]);
    assert!(!store.exists(), "a store that is looked for is not made");
    std::fs::rename(&aside, &store).unwrap();
    recover(&cell, &cell.recovery_key(), &["--check"]).succeeds();

    let packs: Vec<_> =
        contents(&store).into_iter().filter(|(name, _)| text(name).contains("/pack")).collect();
    assert!(!packs.is_empty(), "{:?}", contents(&store).keys());
    for (name, bytes) in packs {
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(store.join(&name), damaged).unwrap();
        let damaged = recover(&cell, &cell.recovery_key(), &["--check"]).ends(4);
        assert!(damaged["connections"][0]["error"].is_string(), "{damaged}");
        std::fs::write(store.join(&name), bytes).unwrap();
    }
    recover(&cell, &cell.recovery_key(), &["--check"]).succeeds();
}

#[test]
fn damage_to_one_connection_keeps_no_other_from_being_recovered() {
    let cell = TestCell::with_jsonl("a");
    for name in ["b", "c", "d"] {
        cell.run(&["connect", "jsonl", name]).succeeds();
    }
    for name in ["a", "b", "c", "d"] {
        cell.ingest(name, "thing", format!("{{\"id\":\"{name}\"}}\n")).succeeds();
    }
    // Of one the data, of another the key.
    let spoil = |folder: &std::path::Path| {
        let path = folder.join(contents(folder).into_keys().next().unwrap());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        (path, bytes)
    };
    let spoiled = [
        spoil(&cell.home().join("store/t/jsonl/default/a/pack")),
        spoil(&cell.home().join("keys/t/jsonl/default/c/data-key")),
    ];
    let out = cell.path("out");
    let found = recover(&cell, &cell.recovery_key(), &["--out", text(&out)]).ends(4);
    let rows = found["connections"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["connection"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let damaged: Vec<bool> = rows.iter().map(|row| row["error"].is_string()).collect();
    assert_eq!(damaged, [true, false, true, false], "{found}");
    for name in ["b", "d"] {
        let lines = std::fs::read(out.join("default").join(name).join("thing.jsonl")).unwrap();
        assert_eq!(lines, format!("{{\"id\":\"{name}\"}}\n").into_bytes());
    }
    for (path, bytes) in spoiled {
        std::fs::write(path, bytes).unwrap();
    }
    recover(&cell, &cell.recovery_key(), &["--check"]).succeeds();
    // A key that names its recipient wrongly is that connection's damage; where no key fits, the recovery key is wrong.
    let spoil_names = |name: &str| {
        let folder = cell.home().join("keys/t/jsonl/default").join(name).join("data-key");
        let path = folder.join(contents(&folder).into_keys().next().unwrap());
        let bytes = std::fs::read(&path).unwrap();
        let mut wrapped: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for recipient in wrapped["recipients"].as_array_mut().unwrap() {
            recipient["key"] = "0".repeat(recipient["key"].as_str().unwrap().len()).into();
        }
        std::fs::write(&path, wrapped.to_string()).unwrap();
        (path, bytes)
    };
    let one = spoil_names("a");
    let found = recover(&cell, &cell.recovery_key(), &["--check"]).ends(4);
    let rows = found["connections"].as_array().unwrap();
    let damaged: Vec<bool> = rows.iter().map(|row| row["error"].is_string()).collect();
    assert_eq!(damaged, [true, false, false, false], "{found}");
    let others = ["b", "c", "d"].map(spoil_names);
    recover(&cell, &cell.recovery_key(), &["--check"]).refuses(5, &["recovery key"]);
    for (path, bytes) in others.into_iter().chain([one]) {
        std::fs::write(path, bytes).unwrap();
    }
    // Nor is a connection passed over because all its keys are gone.
    let (keys, aside) = (cell.home().join("keys/t/jsonl/default/c/data-key"), cell.path("keys-of-c"));
    std::fs::rename(&keys, &aside).unwrap();
    let found = recover(&cell, &cell.recovery_key(), &["--check"]).ends(4);
    let row = &found["connections"][2];
    assert_eq!(row["connection"], "c", "{found}");
    assert!(row["error"].as_str().unwrap().contains("no data key"), "{found}");
    std::fs::rename(aside, keys).unwrap();
    recover(&cell, &cell.recovery_key(), &["--check"]).succeeds();
}

#[test]
fn a_cell_is_set_up_again_from_its_stores_and_goes_on_incrementally() {
    let (before, shop) = (TestCell::new(), Shop::small());
    shop.connect(&before, "shop").succeeds();
    before.run(&["backup", "shop"]).succeeds();
    // A restore that makes a product anew, so that the id ledger has something to come back with.
    let gone = shop.products().remove(0);
    shop.delete_product(&gone);
    before.run(&["backup", "shop"]).succeeds();
    let plan = before.path("plan.json");
    let product = ["--kind", "product", "--id", gone.as_str(), "--out", text(&plan)];
    before.run(&[&["restore", "plan", "shop", "--at", "1"][..], &product].concat()).succeeds();
    let applied = before.run(&["restore", "apply", text(&plan)]);
    assert!(matches!(applied.code, Some(0 | 3)), "{applied:?}");
    before.run(&["backup", "shop"]).succeeds();
    let export = before.path("export");
    before.run(&["export", "shop", "--out", text(&export)]).succeeds();

    // Only the stores and the recovery key are left.
    let stores = before.path("stores");
    std::fs::create_dir(&stores).unwrap();
    for name in ["store", "keys"] {
        std::fs::rename(before.home().join(name), stores.join(name)).unwrap();
    }
    let (store, keys) = (stores.join("store"), stores.join("keys"));
    let home = before.path("again");
    let on = |words: &[&str]| {
        let mut command = binary();
        command.args(["--json", "--dir", text(&home), "--passphrase-file", text(&before.passphrase())]);
        Answer::from(command.args(words).output().unwrap())
    };
    let from = ["init", "--from-store", text(&store), "--keys-store", text(&keys), "--recovery-key-file"];
    let other = TestCell::new();
    on(&[&from[..], &[text(&other.recovery_key())]].concat()).refuses(5, &["recovery key"]);
    assert!(!home.exists());
    let again = on(&[&from[..], &[text(&before.recovery_key())]].concat()).succeeds();
    assert_eq!(again["connections"]["default/shop"], 3);
    assert!(again["ledger"].as_u64().unwrap() > 0, "{again}");

    // History is there; the store's credential has to be given again.
    let out = before.path("export-again");
    on(&["export", "shop", "--out", text(&out)]).succeeds();
    assert_same(&contents(&out), &contents(&export));
    on(&["backup", "shop"]).refuses(7, &["credential", "caretaker connect shopify shop"]);
    let (token, ca) = shop.files(&before, "again");
    let way = ["--url", shop.url(), "--token-file", text(&token), "--ca-file", text(&ca)];
    on(&[&["connect", "shopify", "shop"][..], &way].concat()).succeeds();
    let next = on(&["backup", "shop"]).succeeds();
    assert_eq!(next["snapshot"], 4);
    assert_eq!(next["kinds"]["page"]["seen"], 0, "an increment does not list what did not change: {next}");
    assert_eq!(next["kinds"]["product"]["changed"], 0, "{next}");
    on(&["verify", "shop", "--all-bytes"]).succeeds();
}
