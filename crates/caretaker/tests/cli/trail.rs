//! What was done is on a record that nobody rewrites unnoticed: the real binary's, and what finds it when somebody tries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cell::{TestCell, contents, copy_folder, text};

/// A cell with some history, and a checkpoint that was kept of it.
fn cell() -> (TestCell, String) {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let kept = cell.run(&["trail", "checkpoint"]).succeeds();
    let kept = cell.file("checkpoint", kept["checkpoint"].as_str().unwrap());
    cell.ingest("files", "thing", "{\"id\":\"b\"}\n").succeeds();
    assert_eq!(cell.run(&["trail", "verify", "--since", &kept]).succeeds()["ok"], true);
    (cell, kept)
}

/// The folder in which the log is published.
fn published(cell: &TestCell) -> PathBuf {
    let folder = cell.home().join("store/trail");
    let mut logs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(logs.len(), 1);
    logs.pop().unwrap()
}

fn findings(answer: &Value) -> String {
    answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["what"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("; ")
}

/// Changes one letter of a word in a file.
fn spoil(path: &Path, word: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(word.len()).position(|window| window == word.as_bytes());
    bytes[at.unwrap_or_else(|| panic!("{word} is not in {}", path.display()))] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The one file below a folder whose name begins so.
fn newest(folder: &Path, name: &str) -> PathBuf {
    let found = contents(folder).into_keys().filter(|path| path.starts_with(name));
    folder.join(found.max_by_key(|path| std::fs::metadata(folder.join(path)).unwrap().len()).unwrap())
}

#[test]
fn each_command_tells_who_did_what_on_which_grant() {
    let (cell, _) = cell();
    let listed = cell.run(&["trail", "list", "--last", "500"]).succeeds();
    let events = listed["events"].as_array().unwrap();
    let codes: Vec<_> =
        events.iter().map(|event| event["event"]["metadata"]["event_code"].as_str().unwrap()).collect();
    for code in ["vault.init", "vault.open", "sign_in", "grant.give", "data_key.create", "data_key.open"] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
    let ends: Vec<_> = events
        .iter()
        .map(|event| &event["event"])
        .filter(|event| event["api"]["operation"] == "snapshot.ingest")
        .map(|event| {
            (
                event["status_id"].as_u64().unwrap(),
                event["resources"][0]["uid"].as_str().unwrap(),
                event["duration"].is_u64(),
            )
        })
        .collect();
    assert_eq!(ends, [(99, "default/files/thing", false), (1, "default/files/thing", true)].repeat(2));
    // Each process numbers its own, without a gap.
    let mut numbers = BTreeMap::from([("cell", 0), ("server", 0), ("vault", 0)]);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["index"], u64::try_from(index).unwrap());
        let (source, number) = event["event"]["metadata"]["uid"].as_str().unwrap().split_once('-').unwrap();
        *numbers.get_mut(source).unwrap() += 1;
        assert_eq!(number, numbers[source].to_string());
    }
    assert!(numbers.values().all(|count| *count > 5), "{numbers:?}");
    let opened = events
        .iter()
        .map(|event| &event["event"])
        .find(|event| event["api"]["operation"] == "data_key.open")
        .unwrap();
    assert_eq!(
        (&opened["actor"]["user"]["uid"], &opened["resources"][0]["uid"]),
        (&"cell-operator".into(), &"default/files".into())
    );
    let granted = &opened["actor"]["authorizations"][0]["policy"]["uid"];
    let given = events.iter().find(|event| {
        event["event"]["metadata"]["event_code"] == "grant.give"
            && event["event"]["actor"]["authorizations"][0]["policy"]["uid"] == *granted
    });
    assert!(given.is_some(), "the grant that was used was given: {granted}");

    let last = cell.run(&["trail", "list", "--last", "2", "--operation", "grant.give"]).succeeds();
    let last = last["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event"]["metadata"]["event_code"])
        .collect::<Vec<_>>();
    assert_eq!(last, ["grant.give"; 2]);
}

#[test]
fn an_event_that_was_edited_is_found_and_what_was_put_back_is_whole() {
    let (cell, _) = cell();
    // On this machine, where it is newest.
    let bundle = newest(&cell.home().join("trail/log"), "tile/entries");
    spoil(&bundle, "sign_in");
    let found = findings(&cell.run(&["trail", "verify"]).ends(4));
    assert!(found.contains("was changed"), "{found}");
    cell.run(&["trail", "list"]).refuses(4, &["tile/entries"]);
    spoil(&bundle, "rign_in");
    cell.run(&["trail", "verify"]).succeeds();

    // In the object store.
    let bundle = newest(&published(&cell), "tile/entries");
    spoil(&bundle, "sign_in");
    let found = findings(&cell.run(&["trail", "verify"]).ends(4));
    assert!(found.contains("in the object store"), "{found}");
    spoil(&bundle, "rign_in");
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_machine_that_was_set_back_is_found_by_what_lies_elsewhere() {
    let (cell, kept) = cell();
    let older = cell.copy();
    cell.ingest("files", "thing", "{\"id\":\"c\"}\n").succeeds();
    let newer = cell.run(&["trail", "checkpoint"]).succeeds();
    let newer = cell.file("newer", newer["checkpoint"].as_str().unwrap());
    // All of the machine but the object store.
    let set_back = |part: &str| {
        std::fs::remove_dir_all(cell.home().join(part)).unwrap();
        std::fs::create_dir(cell.home().join(part)).unwrap();
        copy_folder(&older.home().join(part), &cell.home().join(part));
    };
    ["trail", "vault"].into_iter().for_each(set_back);
    let answer = cell.run(&["trail", "verify"]);
    assert!(findings(&answer.ends(4)).contains("was cut off"), "{}", answer.stderr);
    // The object store too: nothing here can tell, but whoever kept a checkpoint can.
    ["trail", "vault", "store/trail"].into_iter().for_each(set_back);
    cell.run(&["trail", "verify"]).succeeds();
    cell.run(&["trail", "verify", "--since", &kept]).succeeds();
    let found = findings(&cell.run(&["trail", "verify", "--since", &newer]).ends(4));
    assert!(found.contains("the checkpoint that was given"), "{found}");
}

#[test]
fn what_a_damaged_trail_makes_of_other_commands_is_told() {
    let (cell, _) = cell();
    let head = cell.home().join("trail/log/head.json");
    let whole = std::fs::read(&head).unwrap();
    spoil(&head, "caretaker.trail");
    let answer = cell.run(&["connection", "list"]);
    assert_eq!(answer.ends(4)["connections"][0]["name"], "files", "the answer is given all the same");
    assert!(answer.stderr.contains("trail"), "{}", answer.stderr);
    std::fs::write(&head, whole).unwrap();
    cell.run(&["connection", "list"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (cell, kept) = cell();
    cell.run(&["trail", "prove", "cell-100000"]).refuses(6, &["cell-100000", "trail list"]);
    cell.run(&["trail", "prove", "100000"]).refuses(6, &["100000"]);
    cell.run(&["trail", "prove", "no name"]).refuses(2, &["no name"]);
    cell.run(&["trail", "prove"]).refuses(2, &["--since"]);
    let other = cell.file("other", "some text\n");
    cell.run(&["trail", "verify", "--since", &other]).refuses(2, &["no checkpoint of this trail"]);
    cell.run(&["trail", "verify", "--since", "nowhere"]).refuses(1, &["nowhere"]);
    let forged = std::fs::read_to_string(&kept).unwrap();
    let (line, rest) = forged.split_once("\n\n").unwrap();
    let forged = cell.file("forged", format!("{line}\nmore\n\n{rest}"));
    cell.run(&["trail", "verify", "--since", &forged]).refuses(4, &["another key"]);
    cell.run(&["trail", "prove", "cell-3"]).succeeds();
    cell.run(&["trail", "prove", "--since", text(Path::new(&kept))]).succeeds();
}

#[test]
fn what_failed_is_on_the_record_too_and_what_it_was_about_is_not() {
    let (cell, _) = cell();
    cell.run(&["item", "show", "files", "thing", "mary@example.com"]).refuses(6, &["mary@example.com"]);
    let listed = cell.run(&["trail", "list", "--operation", "item.show"]).succeeds();
    let told: Vec<_> = listed["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    let ends: Vec<_> =
        told.iter().map(|event| (event["status_id"].as_u64(), event["status_detail"].as_str())).collect();
    assert_eq!(ends, [(Some(99), None), (Some(2), Some("exit code 6"))]);
    assert!(!listed.to_string().contains("mary"), "{listed}");
}

/// The hashes of a proof: the lines between its head and its checkpoint.
fn hashes(proof: &Value, head: &str) -> String {
    let (hashes, _) = proof["proof"].as_str().unwrap().split_once("\n\n").unwrap();
    hashes.lines().skip_while(|line| !line.starts_with(head)).skip(1).map(|line| format!(" {line}")).collect()
}

#[test]
fn a_foreign_verifier_accepts_what_is_published_and_every_proof() {
    let (cell, kept) = cell();
    let judge = cell.path("judge");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-judge");
    let built = std::process::Command::new(script).arg(&judge).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let key = cell.run(&["trail", "checkpoint"]).succeeds()["keys"]["log"].as_str().unwrap().to_owned();

    // What a proof's checkpoint tells of is published with it.
    let judged = |turn: usize, proof: String| {
        let log = cell.path(&format!("log-{turn}"));
        std::fs::create_dir(&log).unwrap();
        copy_folder(&published(&cell), &log);
        std::fs::write(log.join("key"), &key).unwrap();
        std::fs::write(log.join("proofs"), proof).unwrap();
        let done = std::process::Command::new(&judge).arg(&log).output().unwrap();
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        (done.status.success(), said)
    };
    for (turn, event) in ["0", "cell-9", "cell-20"].into_iter().enumerate() {
        let proof = cell.run(&["trail", "prove", event]).succeeds();
        let (held, said) = judged(turn, format!("included {}{}\n", proof["index"], hashes(&proof, "index ")));
        assert!(held && said.contains("1 proofs"), "{event}: {said}");
        let (held, said) = judged(turn + 10, format!("included 1{}\n", hashes(&proof, "index ")));
        assert!(!held && said.contains("another one"), "{event}: {said}");
    }
    let old = std::fs::read_to_string(&kept).unwrap();
    let old: Vec<_> = old.lines().collect();
    let proof = cell.run(&["trail", "prove", "--since", &kept]).succeeds();
    let (held, said) = judged(20, format!("grew {} {}{}\n", old[1], old[2], hashes(&proof, "old ")));
    assert!(held && said.contains("1 proofs"), "{said}");
}

#[test]
fn every_request_to_a_platform_is_on_the_record() {
    let (cell, shop) = (TestCell::new(), crate::shop::Shop::tiny());
    let requests = || {
        let words = ["trail", "list", "--operation", "platform.request", "--last", "1000"];
        let listed = cell.run(&words).succeeds();
        listed["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect::<Vec<_>>()
    };
    shop.connect_by_client(&cell, "shop").succeeds();
    let connecting = requests();
    assert_eq!(connecting[0]["unmapped"]["request"], "token");
    let report = cell.run(&["backup", "shop"]).succeeds();
    let all = requests();
    let (before, backup) = all.split_at(connecting.len());
    assert_eq!(before, connecting);
    // The report counts what is asked of the store, and not the token that opens it.
    let tokens = backup.iter().filter(|event| event["unmapped"]["request"] == "token").count();
    assert_eq!((tokens, backup.len() as u64), (1, report["requests"].as_u64().unwrap() + 1));
    for event in backup {
        assert_eq!(
            (&event["class_uid"], &event["unmapped"]["object"]),
            (&4002.into(), &"default/shop".into())
        );
        let (host, port) = shop.url().strip_prefix("https://").unwrap().split_once(':').unwrap();
        assert_eq!(
            event["dst_endpoint"],
            serde_json::json!({ "hostname": host, "port": port.parse::<u16>().unwrap() })
        );
        assert!(event["actor"]["authorizations"][0]["policy"]["uid"].is_string(), "{event}");
    }
    cell.run(&["trail", "verify"]).succeeds();
}

/// What `trail list --personal` says of the events of an operation.
fn told(cell: &TestCell, operation: &str) -> Vec<Value> {
    let listed = cell.run(&["trail", "list", "--personal", "--operation", operation]).succeeds();
    let events = listed["events"].as_array().unwrap();
    events.iter().map(|event| event.get("personal").cloned().unwrap_or(Value::Null)).collect()
}

#[test]
fn which_record_somebody_looked_at_is_told_sealed_until_that_is_erased() {
    let cell = TestCell::with_jsonl("files");
    let mary = "mary@example.com";
    cell.ingest("files", "customer", format!("{{\"id\":\"{mary}\",\"name\":\"Mary\"}}\n")).succeeds();
    cell.run(&["item", "show", "files", "customer", mary]).succeeds();
    cell.run(&["item", "show", "files", "customer", "nobody@example.com"]).refuses(6, &["nobody"]);
    cell.run(&["item", "list", "files", "customer", "--search", "Mary"]).succeeds();
    cell.run(&["item", "list", "files", "customer"]).succeeds();

    // Each command has two events, its beginning and its end.
    let items = |id: &str| serde_json::json!({ "items": [id] });
    let [found, missing] = [items(mary), items("nobody@example.com")];
    assert_eq!(told(&cell, "item.show"), [&found, &found, &missing, &missing].map(Clone::clone));
    let searched = serde_json::json!({ "search": "Mary" });
    assert_eq!(told(&cell, "item.list"), [searched.clone(), searched, Value::Null, Value::Null]);
    let opened = cell.run(&["trail", "list", "--operation", "trail.open"]).succeeds();
    let opened: Vec<_> = opened["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    let details: Vec<_> = opened.iter().map(|event| event["status_detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["4 parts", "2 parts"]);
    // Without being asked the vault opens nothing, and nothing of it lies about in clear.
    let plain = cell.run(&["trail", "list", "--operation", "item.show"]).succeeds();
    assert!(plain["events"].as_array().unwrap().iter().all(|event| event.get("personal").is_none()));
    for (path, bytes) in contents(&cell.home()) {
        for word in [mary, "nobody@example"] {
            let clear = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!clear, "{word} is in {}", path.display());
        }
    }

    let refused = cell.run(&["trail", "erase", "--before", "2026-13", "--yes"]);
    refused.refuses(2, &["2026-13", "2026-11"]);
    let unsure = cell.run(&["trail", "erase", "--before", "9999-12"]);
    unsure.refuses(2, &["nothing was changed", "9999-12", "--yes"]);
    let none = cell.run(&["trail", "erase", "--before", "1999-01", "--yes"]).succeeds();
    assert_eq!((&none["destroyed"], none["kept"].as_array().unwrap().len()), (&serde_json::json!([]), 1));
    assert_eq!(told(&cell, "item.show")[0], found);
    let kept = cell.run(&["trail", "checkpoint"]).succeeds();
    let kept = cell.file("checkpoint", kept["checkpoint"].as_str().unwrap());
    let erased = cell.run(&["trail", "erase", "--before", "9999-12", "--yes"]).succeeds();
    assert_eq!((erased["destroyed"].as_array().unwrap().len(), &erased["kept"]), (1, &serde_json::json!([])));
    let place = cell.home().join("vault/trail-keys.json");
    assert_eq!(erased["places"], serde_json::json!([text(&place)]));
    let gone = serde_json::json!({ "erased": true });
    assert_eq!(told(&cell, "item.show"), vec![gone; 4]);
    assert_eq!(cell.run(&["trail", "verify", "--since", &kept]).succeeds()["ok"], true);
    // What comes after is sealed to another key.
    cell.run(&["item", "history", "files", "customer", mary]).succeeds();
    assert_eq!(told(&cell, "item.history"), [found.clone(), found]);
}
