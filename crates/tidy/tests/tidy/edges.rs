//! Which crate may import which.

use crate::workspace::{members, report, text};

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
