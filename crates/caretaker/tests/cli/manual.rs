//! Manual pages, and what `--help` says.

use std::collections::BTreeSet;

use crate::cell::{Answer, binary, contents, text};

/// The commands that a help text lists.
fn listed(words: &[&str]) -> Vec<String> {
    let help = binary().args(words).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let Some((_, commands)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = commands.lines().take_while(|line| !line.is_empty());
    // A command stands two columns in, its explanation further.
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man");
    let mut command = binary();
    command.args(["--json", "man", "--out", text(&out)]);
    let answer = Answer::from(command.output().unwrap()).succeeds();
    let pages = contents(&out);
    assert_eq!(answer["pages"].as_array().unwrap().len(), pages.len());

    let mut expected = BTreeSet::from(["caretaker.1".to_owned()]);
    for name in listed(&[]) {
        for part in listed(&[&name]) {
            expected.insert(format!("caretaker-{name}-{part}.1"));
        }
        expected.insert(format!("caretaker-{name}.1"));
    }
    assert!(expected.len() > 30, "{expected:?}");
    let found: BTreeSet<String> = pages.keys().map(|name| text(name).to_owned()).collect();
    assert_eq!(found, expected);
    for (name, page) in pages {
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{}", name.display());
    }
    let plan = std::fs::read_to_string(out.join("caretaker-restore-plan.1")).unwrap();
    assert!(plan.contains("\\-\\-revert") && plan.contains("keep later edits"), "{plan}");
}
