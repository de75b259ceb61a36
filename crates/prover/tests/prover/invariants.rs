//! What is proven of the built-in policies, and the counterexample that each change of them, or of an invariant, gives.

use std::collections::BTreeSet;

use access::invariants::{self, BUILT_IN};
use access::policies::Policies;
use cedar_policy::Decision;

use crate::program::{Changed, replayed, run, solver};

#[test]
fn every_invariant_is_proven_of_the_built_in_policies() {
    let ran = run(&["prove"], &solver());
    assert_eq!(ran.code, 0, "{}", ran.said);
    let policies = Policies::built_in().unwrap();
    let names: Vec<String> =
        invariants::read(BUILT_IN, policies.schema()).unwrap().into_iter().map(|one| one.name).collect();
    let (last, findings) = ran.lines.split_last().unwrap();
    let proven: Vec<&str> = findings.iter().map(|line| line["invariant"].as_str().unwrap()).collect();
    assert_eq!(proven, names);
    for finding in findings {
        assert_eq!(finding["proven"], true, "{finding}");
        println!("{:>6} ms  {}: {}", finding["ms"], finding["invariant"], finding["says"]);
    }
    assert!(last["solver"]["name"].as_str().unwrap().starts_with("cvc5 "), "{last}");
    assert_eq!(last["digests"]["policies"].as_str().unwrap().len(), 64, "{last}");
}

#[test]
fn an_empty_set_breaks_no_invariant() {
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&["prove", "--policies", empty.path().to_str().unwrap()], &solver());
    assert_eq!(ran.code, 0, "{}", ran.said);
}

/// A change of the policies, and the invariant that it breaks.
const CHANGES: &[(&str, &str, &str)] = &[
    ("one-platform", "resource.platform != principal.platform", "resource.platform == \"none\""),
    ("one-region", "resource.region != principal.region", "resource.region == \"none\""),
    (
        "no-person-named",
        "@id(\"auditors-trail\")",
        "@id(\"mary\") permit (principal == Person::\"mary\", action == Action::\"trail.read\", resource);\n\
         @id(\"auditors-trail\")",
    ),
    (
        "monitor-opens-nothing",
        "principal is Service::Monitor, action == Action::\"trail.log_key\", resource is Trail",
        "principal is Service::Monitor, action in [Action::\"trail.log_key\", Action::\"record.read\"], resource",
    ),
    (
        "server-opens-nothing",
        "principal is Service::Server, action == Action::\"credential.seal\", resource",
        "principal is Service::Server, action in [Action::\"credential.seal\", Action::\"credential.open\"], resource",
    ),
    (
        "command-opens-stores-alone",
        "principal is Service::Command, action == Action::\"credential.open\", resource is StoreCredential",
        "principal is Service::Command, action == Action::\"credential.open\", resource",
    ),
    (
        "workers-ask-about-connections",
        "principal is Service::Worker, action in Action::\"rows\", resource",
        "principal is Service::Worker, action in Action::\"catalog\", resource",
    ),
    (
        "catalog-for-work",
        "principal is Service::Monitor, action == Action::\"vault.status\", resource is Vault",
        "principal is Service::Monitor, action in [Action::\"vault.status\", Action::\"catalog.tenant.list\"], resource",
    ),
    (
        "trail-opened-for-people",
        "principal is Service::Monitor, action == Action::\"vault.status\", resource is Vault",
        "principal is Service::Monitor, action in [Action::\"vault.status\", Action::\"trail.open\"], resource is Vault",
    ),
    ("two-factors", "!context.two_factors", "!context.two_factors && resource is Vault"),
    ("grant-that-holds", "context.grant.covers && context.grant.live", "context.grant.covers"),
    (
        "tenants-own-content",
        "action in Action::\"run\", resource is Connection",
        "action, resource is Connection",
    ),
];

#[test]
fn a_change_that_breaks_an_invariant_is_found_with_a_request_that_replays() {
    let solver = solver();
    let before = Policies::built_in().unwrap();
    for (name, from, to) in CHANGES {
        let changed = Changed::new(from, to);
        let ran = run(&["prove", "--policies", changed.dir.path().to_str().unwrap()], &solver);
        assert_eq!(ran.code, 5, "{name}: {}", ran.said);
        // That one, and no other.
        assert_eq!(ran.broken(), [*name], "{}", ran.told());
        let counterexample = &ran.finding(name)["counterexample"];
        assert!(!counterexample.is_null(), "{}", ran.told());
        assert_eq!(replayed(counterexample, &changed.policies), Decision::Allow, "{counterexample}");
        assert_eq!(replayed(counterexample, &before), Decision::Deny, "{counterexample}");
    }
    // Each invariant has a change that breaks it.
    let all = invariants::read(BUILT_IN, before.schema()).unwrap();
    let all: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(CHANGES.iter().map(|(name, ..)| *name).collect::<BTreeSet<_>>(), all);
}

#[test]
fn one_letter_changed_in_an_invariant_gives_a_request_that_replays() {
    let policies = Policies::built_in().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let solver = solver();
    for (name, from, to) in [
        ("one-platform", "resource.platform != principal", "resource.platform == principal"),
        ("one-region", "resource.region != principal", "resource.region == principal"),
        ("two-factors", "context.two_factors != true", "context.two_factors == true"),
        ("grant-that-holds", "context.grant.genuine &&", "!context.grant.genuine &&"),
    ] {
        let text = BUILT_IN.replace(from, to);
        let differ = BUILT_IN.len().abs_diff(text.len())
            + BUILT_IN.bytes().zip(text.bytes()).filter(|(a, b)| a != b).count();
        assert!(differ == 1 || from.len() + 1 == to.len(), "{name}: {differ} letters");
        let file = dir.path().join("invariants.json");
        std::fs::write(&file, text).unwrap();
        let ran = run(&["prove", "--invariants", file.to_str().unwrap()], &solver);
        assert_eq!((ran.code, ran.broken()), (5, vec![name]), "{}", ran.told());
        let counterexample = &ran.finding(name)["counterexample"];
        assert!(!counterexample.is_null(), "{}", ran.told());
        assert_eq!(replayed(counterexample, &policies), Decision::Allow, "{counterexample}");
    }
}
