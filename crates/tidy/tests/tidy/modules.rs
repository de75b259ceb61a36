//! Every source file is part of some target; every crate is under the workspace's lints.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::workspace::{ROOT, files, members, read, report, text};

/// The files that a file names by `mod name;` or `#[path]`, wherever they may lie.
fn named(file: &Path, is_root: bool, source: &str) -> Vec<PathBuf> {
    let folder = file.parent().unwrap();
    let stem = file.file_stem().unwrap();
    let inside = if is_root || stem == "mod" { folder.to_owned() } else { folder.join(stem) };
    let mut found = Vec::new();
    let mut path: Option<&str> = None;
    for line in source.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next();
            continue;
        }
        let line =
            line.strip_prefix("pub ").or_else(|| line.split_once(") ").map(|(_, rest)| rest)).unwrap_or(line);
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            match path {
                Some(path) => found.push(plain(&folder.join(path))),
                None => {
                    found.push(inside.join(format!("{name}.rs")));
                    found.push(inside.join(name).join("mod.rs"));
                }
            }
        }
        if !line.is_empty() && !line.starts_with('#') {
            path = None;
        }
    }
    found
}

/// The path without steps back.
fn plain(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for step in path.components() {
        if step == Component::ParentDir {
            found.pop();
        } else {
            found.push(step);
        }
    }
    found
}

#[test]
fn no_source_file_is_dead() {
    let mut reached = BTreeSet::new();
    let mut next = Vec::new();
    for member in members() {
        for target in member["targets"].as_array().unwrap() {
            next.push((PathBuf::from(text(target, "src_path")), true));
        }
    }
    while let Some((file, is_root)) = next.pop() {
        let Ok(source) = std::fs::read_to_string(&file) else { continue };
        if reached.insert(file.clone()) {
            next.extend(named(&file, is_root, &source).into_iter().map(|file| (file, false)));
        }
    }
    assert!(reached.len() > 50, "{} files were reached", reached.len());
    let dead: Vec<String> = files()
        .into_iter()
        .filter(|file| file.starts_with("crates") && file.extension().is_some_and(|end| end == "rs"))
        .filter(|file| !reached.contains(&ROOT.join(file)))
        .map(|file| format!("{}: no module names it", file.display()))
        .collect();
    report(&dead);
}

#[test]
fn every_crate_is_under_the_workspaces_lints() {
    let mut found = Vec::new();
    for member in members() {
        let manifest = std::fs::read_to_string(text(member, "manifest_path")).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            found.push(format!(
                "{}: its manifest does not say `[lints] workspace = true`",
                text(member, "name")
            ));
        }
    }
    report(&found);
}

/// A crate that reads another one's sources imports it without saying so.
#[test]
fn no_crate_includes_another_ones_files() {
    let mut found = Vec::new();
    for file in files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
        let name = file.iter().nth(1).unwrap_or_default().to_string_lossy().into_owned();
        let source = read(&file).unwrap();
        for line in source.lines().filter(|line| line.contains("include") && line.contains("!(\"")) {
            let included = line.split('"').nth(1).unwrap_or_default();
            let mut folder = file.parent().unwrap().to_owned();
            for part in included.split('/') {
                if part == ".." {
                    folder.pop();
                } else {
                    folder.push(part);
                }
            }
            if !folder.starts_with(Path::new("crates").join(&name)) {
                found.push(format!("{}: includes {included}", file.display()));
            }
        }
    }
    report(&found);
}

#[test]
fn modules_are_found_where_they_lie() {
    let check = |file: &str, is_root, source, expected: &[&str]| {
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(named(Path::new(file), is_root, source), expected);
    };
    check("a/lib.rs", true, "mod x;\n", &["a/x.rs", "a/x/mod.rs"]);
    check("a/b.rs", false, "pub(crate) mod x;\n", &["a/b/x.rs", "a/b/x/mod.rs"]);
    check("a/b/mod.rs", false, "pub mod x;\nmod y {\n}\n", &["a/b/x.rs", "a/b/x/mod.rs"]);
    check("a/b.rs", false, "#[path = \"../c.rs\"]\nmod x;\n", &["c.rs"]);
}
