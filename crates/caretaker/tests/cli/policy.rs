//! The policies, as somebody meets them who runs a cell.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cell::{Answer, TestCell, binary};

const MISSING: &str = "the prover needs a solver. `make test` installs it; by hand: \
`scripts/python-tools .cache/solver cvc5==1.4.2` (CARETAKER_SOLVER names another)";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The solver that `make test` prepared, or that is named.
fn solver() -> PathBuf {
    let prepared = root().join(".cache/solver/bin/python");
    let solver = std::env::var_os("CARETAKER_SOLVER").map_or(prepared, PathBuf::from);
    assert!(solver.exists(), "`{}` is not there: {MISSING}", solver.display());
    std::path::absolute(solver).unwrap()
}

/// Builds the prover beside the binary: it is another crate's.
fn build_prover() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // As the whole workspace is built for tests: another selection has other features, and would be built anew.
    let words = ["test", "--no-run", "--offline", "--locked", "--quiet", "--workspace", "--test", "prover"];
    let target = Path::new(env!("CARGO_BIN_EXE_caretaker")).parent().unwrap().parent().unwrap();
    let built = Command::new(cargo).current_dir(root()).args(words).arg("--target-dir").arg(target).status();
    assert!(built.unwrap().success());
}

fn run(words: &[&str]) -> Answer {
    let mut command = binary();
    command.arg("--json").args(["policy"]).args(words).env("CARETAKER_SOLVER", solver());
    command.output().unwrap().into()
}

/// This binary where no prover is beside it, nor on the path.
fn run_alone(words: &[&str]) -> Answer {
    let folder = TempDir::new().unwrap();
    let alone = folder.path().join("caretaker");
    std::fs::copy(env!("CARGO_BIN_EXE_caretaker"), &alone).unwrap();
    let mut command = Command::new(&alone);
    command.arg("--json").args(["policy"]).args(words).env("PATH", folder.path()).env_remove("CARETAKER_DIR");
    command.output().unwrap().into()
}

/// The built-in policies in a folder, one text of them replaced by another.
fn changed(from: &str, to: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut found = 0;
    for entry in std::fs::read_dir(root().join("crates/access/policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "cedar") {
            let text = std::fs::read_to_string(&path).unwrap();
            found += text.matches(from).count();
            std::fs::write(folder.path().join(path.file_name().unwrap()), text.replace(from, to)).unwrap();
        }
    }
    assert_eq!(found, 1, "`{from}`");
    folder
}

fn names<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap()).collect()
}

#[test]
fn the_policies_are_shown_with_what_none_may_change_and_who_vouches_for_it() {
    let shown = run(&["show"]).succeeds();
    assert!(names(&shown["policies"], "name").contains(&"one-platform"), "{shown}");
    assert!(names(&shown["invariants"], "name").contains(&"server-opens-nothing"), "{shown}");
    assert_eq!(
        shown["proof"]["proven"].as_array().unwrap().len(),
        shown["invariants"].as_array().unwrap().len()
    );
    // Another set is shown too, and nobody vouches for that.
    let folder = changed("@id(\"viewers\")", "@id(\"guests\")");
    let other = run(&["show", "--policies", folder.path().to_str().unwrap()]).succeeds();
    assert!(names(&other["policies"], "name").contains(&"guests") && other["proof"].is_null(), "{other}");
    std::fs::write(folder.path().join("more.cedar"), "permit (principal, action, resource);").unwrap();
    run(&["show", "--policies", folder.path().to_str().unwrap()]).refuses(1, &["more.cedar", "@id"]);
    run(&["show", "--policies", "nowhere"]).refuses(1, &["nowhere"]);
}

#[test]
fn the_examples_hold_and_one_that_does_not_is_told() {
    let held = run(&["test"]).succeeds();
    assert!(held["examples"].as_u64().unwrap() > 50 && held["failed"] == json!([]), "{held}");
    let folder = changed("action == Action::\"read\", resource", "action == Action::\"export\", resource");
    let failed = run(&["test", "--policies", folder.path().to_str().unwrap()]).ends(1);
    assert_eq!(names(&failed["failed"], "says"), ["a viewer reads", "a viewer takes nothing out"]);
    let own = folder.path().join("examples.json");
    std::fs::write(&own, "[]").unwrap();
    assert_eq!(run(&["test", "--policies", folder.path().to_str().unwrap()]).succeeds()["examples"], 0);
    std::fs::write(&own, "[{}]").unwrap();
    run(&["test", "--examples", own.to_str().unwrap()]).refuses(1, &["examples cannot be read"]);
}

#[test]
fn it_is_told_who_can_do_what_in_a_cell() {
    let cell = TestCell::with_jsonl("files");
    let who = |action: &str, resource: &str| {
        let told = cell.run(&["policy", "who-can", action, resource]).succeeds();
        names(&told["who"], "who").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(who("read", "connection/files"), ["cell-operator"]);
    assert_eq!(who("data_key.open", "data_key/files"), ["worker/jsonl"]);
    assert_eq!(who("credential.seal", "credential/files"), ["server", "worker/jsonl"]);
    assert_eq!(who("trail.log_key", "trail"), ["monitor"]);
    assert_eq!(who("catalog.lease.seize", "connection/files"), ["worker/jsonl"]);
    assert_eq!(who("catalog.head.read", "connection/files"), ["command", "worker/jsonl"]);
    assert_eq!(who("catalog.connection.list", "tenant/default"), ["command"]);
    assert_eq!(who("catalog.tenant.list", "cell"), ["command"]);
    assert_eq!(who("catalog.roster.take", "roster/jsonl"), ["worker/jsonl"]);
    assert_eq!(who("vault.rotate", "vault"), ["cell-operator", "command"]);

    let can = |who: &str| {
        let told = cell.run(&["policy", "can", who]).succeeds();
        let rows = told["can"].as_array().unwrap().iter();
        rows.map(|row| format!("{} {}", row["action"].as_str().unwrap(), row["resource"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(can("monitor"), ["certificate.issue vault", "vault.status vault", "trail.log_key trail"]);
    assert!(can("worker/jsonl").contains(&"data_key.open data_key/default/files".to_owned()));
    assert_eq!(
        can("worker/shopify"),
        [
            "catalog.roster.read roster/shopify",
            "catalog.roster.take roster/shopify",
            "catalog.roster.give_back roster/shopify",
            "order.renew store_credential/object-store",
            "credential.open store_credential/object-store",
            "order.renew store_credential/key-store",
            "credential.open store_credential/key-store",
            "certificate.issue vault"
        ]
    );
    assert_eq!(
        can("group/auditors"),
        [
            "verify connection/default/files",
            "trail.open vault",
            "trail.read trail",
            "trail.verify trail",
            "policy.read policies"
        ]
    );
    assert!(can("cell-operator").contains(&"restore connection/default/files".to_owned()));

    cell.run(&["policy", "can", "mary"]).refuses(6, &["mary"]);
    cell.run(&["policy", "who-can", "look", "vault"]).refuses(2, &["`look` is no action", "data_key.open"]);
    cell.run(&["policy", "who-can", "read", "connection/none"]).refuses(6, &["connection/default/none"]);
    cell.run(&["policy", "who-can", "catalog.tag.list", "tenant/none"]).refuses(6, &["tenant/none"]);
    // By other policies, others can.
    let empty = TempDir::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    let nobody = cell.run(&["policy", "who-can", "read", "connection/files", "--policies", empty]).succeeds();
    assert_eq!(nobody["who"], json!([]));
    // It was put on the record.
    let trail = cell.run(&["trail", "list", "--operation", "policy.read"]).succeeds();
    assert!(!trail["events"].as_array().unwrap().is_empty(), "{trail}");
}

#[test]
fn what_no_policy_may_change_is_proven_and_a_record_of_it_signed() {
    build_prover();
    let proven = run(&["prove"]).succeeds();
    assert_eq!(proven["proven"], true);
    assert!(proven["solver"]["name"].as_str().unwrap().starts_with("cvc5"), "{proven}");

    let folder = changed("@id(\"viewers\")", "@id(\"guests\")");
    let dir = folder.path().to_str().unwrap();
    let (key, record) = (folder.path().join("key"), folder.path().join("proof"));
    std::fs::write(&key, format!("anna {}\n", "07".repeat(32))).unwrap();
    let sign = ["--reviewer-key-file", key.to_str().unwrap(), "--record-out", record.to_str().unwrap()];
    let signed = run(&[&["prove", "--policies", dir], &sign[..]].concat()).succeeds();
    assert!(signed["reviewer"].as_str().unwrap().starts_with("anna "), "{signed}");
    assert!(std::fs::read_to_string(&record).unwrap().contains("proven one-platform\n"));
    // Nothing is written over.
    run(&[&["prove", "--policies", dir], &sign[..]].concat()).refuses(1, &["proof"]);

    // What breaks an invariant is refused, told with a request, and not signed.
    let folder = changed("!context.two_factors", "false && !context.two_factors");
    let dir = folder.path().to_str().unwrap();
    let refused = run(&["prove", "--policies", dir]).refuses(1, &["schema"]);
    assert!(refused["error"].is_string());
    let folder = changed("resource.region != principal.region", "resource.region == \"none\"");
    let dir = folder.path().to_str().unwrap();
    let record = folder.path().join("proof");
    let sign = ["--reviewer-key-file", key.to_str().unwrap(), "--record-out", record.to_str().unwrap()];
    let broken = run(&[&["prove", "--policies", dir], &sign[..]].concat()).ends(5);
    let wrong: Vec<&Value> =
        broken["invariants"].as_array().unwrap().iter().filter(|one| one["proven"] == false).collect();
    assert_eq!(wrong.len(), 1, "{broken}");
    assert!(wrong[0]["counterexample"]["principal"].as_str().unwrap().starts_with("Service::"), "{broken}");
    assert!(!record.exists());
}

#[test]
fn without_a_prover_a_record_counts_that_a_known_reviewer_has_signed() {
    let vouched = run_alone(&["prove"]).succeeds();
    assert!(vouched["proven"] == true && vouched["vouched_by"].is_string(), "{vouched}");
    assert!(vouched["missing"].as_str().unwrap().contains("caretaker-prove"), "{vouched}");

    let folder = changed("@id(\"viewers\")", "@id(\"guests\")");
    let dir = folder.path().to_str().unwrap();
    let refused = run_alone(&["prove", "--policies", dir]).ends(5);
    assert!(refused["proven"] == false && refused["vouched_by"].is_null(), "{refused}");
    // The record of other policies is none of these.
    std::fs::copy(root().join("crates/access/policies/proof"), folder.path().join("proof")).unwrap();
    let refused = run_alone(&["prove", "--policies", dir]).ends(5);
    assert!(refused["refused"].as_str().unwrap().contains("other policies"), "{refused}");
    // The same policies in a folder are those that it proves.
    let same = changed("@id(\"viewers\")", "@id(\"viewers\")");
    std::fs::copy(root().join("crates/access/policies/proof"), same.path().join("proof")).unwrap();
    run_alone(&["prove", "--policies", same.path().to_str().unwrap()]).succeeds();
}

#[test]
fn a_check_of_the_installation_says_what_is_known_of_the_policies() {
    let cell = TestCell::new();
    let found = cell.run(&["doctor"]).succeeds();
    let finding =
        found["findings"].as_array().unwrap().iter().find(|one| one["check"] == "policies").unwrap();
    assert_eq!(finding["ok"], true, "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains("cvc5"), "{finding}");
}
