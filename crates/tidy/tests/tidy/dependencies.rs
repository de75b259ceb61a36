//! Dependencies: licences, sources and bans as `deny.toml` states them, for machines without cargo-deny.

use std::path::Path;

use crate::licence::is_met;
use crate::workspace::{members, packages, read, report, text};

/// The quoted texts of the list `name = [ … ]` in `deny.toml`.
fn stated(name: &str) -> Vec<String> {
    let file = read(Path::new("deny.toml")).unwrap();
    let list = file
        .split_once(&format!("\n{name} = ["))
        .unwrap_or_else(|| panic!("deny.toml has no list `{name}`"))
        .1;
    let list = list.split_once("\n]").unwrap().0;
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default());
    let found: Vec<String> = lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect();
    assert!(!found.is_empty(), "`{name}` is empty");
    found
}

fn name_of(package: &serde_json::Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

/// Packages that state their licence in a file alone: how the file begins, and what that is.
const LICENCE_FILES: &[(&str, &str, &str)] = &[("jsonpath-rust", "MIT License\n", "MIT")];

/// The licence expression of a package.
fn licence(package: &serde_json::Value) -> Option<&str> {
    let stated = package["license"].as_str();
    stated.or_else(|| {
        let (_, begins, licence) = LICENCE_FILES.iter().find(|(name, ..)| *name == text(package, "name"))?;
        let file = Path::new(text(package, "manifest_path")).with_file_name(text(package, "license_file"));
        std::fs::read_to_string(file).ok()?.starts_with(begins).then_some(*licence)
    })
}

#[test]
fn every_licence_is_permissive() {
    let allowed = stated("allow");
    let allow = |licence: &str| allowed.iter().any(|one| one == licence);
    let mut found = Vec::new();
    for package in packages() {
        let met = licence(package).and_then(|expression| is_met(expression, &allow));
        if met != Some(true) {
            found.push(format!("{}: licence {}", name_of(package), package["license"]));
        }
    }
    report(&found);
}

#[test]
fn every_package_comes_from_the_registry() {
    let mut found = Vec::new();
    for package in packages() {
        let from_registry = package["source"].as_str().is_some_and(|source| source.starts_with("registry+"));
        let own = members().iter().any(|member| member["id"] == package["id"]);
        if !from_registry && !own {
            found.push(format!("{}: source {}", name_of(package), package["source"]));
        }
    }
    report(&found);
}

#[test]
fn what_is_banned_is_not_there() {
    let banned = stated("deny");
    assert!(banned.iter().any(|name| name == "openssl"), "{banned:?}");
    let there: Vec<String> = packages()
        .filter(|package| banned.iter().any(|name| name == text(package, "name")))
        .map(name_of)
        .collect();
    report(&there);
}

#[test]
fn no_version_is_a_wildcard() {
    let mut found = Vec::new();
    for member in members() {
        for dependency in member["dependencies"].as_array().unwrap() {
            if text(dependency, "req").contains('*') && dependency["path"].is_null() {
                found.push(format!("{}: any version of {}", text(member, "name"), text(dependency, "name")));
            }
        }
    }
    report(&found);
}
