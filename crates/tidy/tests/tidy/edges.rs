//! Which crate may import which.

use std::path::{Path, PathBuf};

use crate::workspace::{files, members, read, report, text};

/// All peers, and what every one of them may import.
const PEERS: &[&str] = &["repository", "vault", "access", "trail", "catalog", "connectors"];

/// Whether `from` may import `to`, outside its tests.
fn allowed(from: &str, to: &str) -> bool {
    match from {
        // The nouns know nobody; style is no part of the product; the verifier shares nothing with what it checks.
        "domain" | "tidy" | "verifier" => false,
        // It proves what policies can never allow, in a program of its own.
        "prover" => to == "access",
        // Other processes ask them.
        "vault" | "catalog" => ["domain", "transport"].contains(&to),
        // Practice stores share no type with the connectors that they are there to try.
        "sandbox" | "repository" | "transport" | "access" | "trail" | "connectors" => to == "domain",
        "monitor" => ["domain", "trail"].contains(&to),
        "flows" => to == "domain" || PEERS.contains(&to),
        "console" => to == "domain" || to == "flows" || PEERS.contains(&to),
        // It measures the binary from outside, with a practice store beside it and the vault's clock; the trail, the vault and the policies by themselves.
        "bench" => ["access", "domain", "sandbox", "trail", "transport", "vault"].contains(&to),
        // It wires everything.
        "caretaker" => !["bench", "prover", "tidy", "verifier"].contains(&to),
        other => panic!("crate `{other}` has no row in {}: say what it may import", file!()),
    }
}

#[test]
fn crates_import_what_the_design_draws_and_nothing_else() {
    let members = members();
    let names: Vec<&str> = members.iter().map(|member| text(member, "name")).collect();
    assert!(names.contains(&"domain") && names.contains(&"repository"), "{names:?}");
    let mut found = Vec::new();
    let mut edges = 0;
    for member in &members {
        let from = text(member, "name");
        for dependency in member["dependencies"].as_array().unwrap() {
            let to = text(dependency, "name");
            let in_tests = dependency["kind"] == "dev";
            if !names.contains(&to) || (in_tests && from != "domain") {
                continue;
            }
            edges += 1;
            if !allowed(from, to) {
                found.push(format!("{from} imports {to}"));
            }
        }
    }
    assert!(edges > 3, "{edges} edges");
    report(&found);
}

#[test]
fn the_table_tells_right_from_wrong() {
    assert!(allowed("repository", "domain") && allowed("flows", "vault") && allowed("caretaker", "sandbox"));
    assert!(
        !allowed("domain", "vault") && !allowed("repository", "vault") && !allowed("sandbox", "connectors")
    );
    assert!(
        !allowed("verifier", "domain") && !allowed("verifier", "trail") && !allowed("caretaker", "verifier")
    );
}

/// What platforms share is public, so that a platform can be written outside of its crate: the example in the tests is.
/// Whoever is no platform speaks to one by the contract.
#[test]
fn nobody_but_a_platform_has_the_engine() {
    let own = Path::new("crates/connectors");
    // As a path, or among others in braces.
    let names = |text: &str| {
        text.split("connectors::").skip(1).any(|rest| {
            let statement = rest.split(';').next().unwrap_or_default();
            let mut words = statement.split(|c: char| !c.is_alphanumeric() && c != '_');
            let is_it = |word: &str| ["engine", "compare"].contains(&word);
            if rest.starts_with('{') { words.any(is_it) } else { words.next().is_some_and(is_it) }
        })
    };
    assert!(names("use connectors::engine::Https;") && names("use connectors::{contract, compare::Draft};"));
    assert!(!names("use connectors::contract::Store; mod engine;"));
    let rust = files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    let (own, others): (Vec<PathBuf>, Vec<PathBuf>) = rust.partition(|file| file.starts_with(own));
    let naming = |files: Vec<PathBuf>| -> Vec<String> {
        let files = files.into_iter().filter(|file| read(file).is_some_and(|text| names(&text)));
        files.map(|file| format!("{}: it is no platform", file.display())).collect()
    };
    assert!(naming(own).iter().any(|file| file.contains("tests/example")), "the example has it");
    let this = Path::new("crates/tidy/tests/tidy/edges.rs");
    report(&naming(others.into_iter().filter(|file| file != this).collect()));
}
