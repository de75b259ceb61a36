//! What killed commands leave behind is found, and deleted once it is old.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Clock as _;
use vault::system::SystemClock;

use crate::cell::{TestCell, contents};
use crate::traced::{Deed, Fate, run};

/// Files of writes that were not finished.
fn passing(cell: &TestCell) -> Vec<PathBuf> {
    let files = contents(&cell.home()).into_keys();
    files.filter(|path| path.to_str().is_some_and(|path| path.contains('#'))).collect()
}

fn told(cell: &TestCell) -> String {
    let report = cell.run(&["doctor"]).succeeds();
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == "unfinished writes").unwrap();
    finding["detail"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_killed_command_left_is_deleted_once_it_is_old() {
    let template = TestCell::with_jsonl("files");
    let file = template.file("a.jsonl", "{\"id\":\"a\"}\n");
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", &file];
    let calm = run(&template.copy(), &words, Fate::Lives);
    let aside = |path: &Path| path.to_str().unwrap().contains('#');
    let written = calm.calls.iter().filter(|call| call.deed == Deed::Write && aside(&call.path));
    let turns: Vec<u64> = written.map(|call| call.turn).collect();
    calm.answer.succeeds();
    let killed = turns.iter().find_map(|turn| {
        let cell = template.copy();
        let killed = run(&cell, &words, Fate::DiesWithin(*turn)).killed;
        (killed && !passing(&cell).is_empty()).then_some(cell)
    });
    let cell = killed.expect("a command that dies within a write leaves something");
    let left = passing(&cell);
    cell.run(&words).succeeds();
    assert_eq!(passing(&cell), left, "no other command touches it");

    assert!(told(&cell).starts_with("none"), "somebody may be writing it just now");
    assert_eq!(passing(&cell), left);
    let old = SystemClock.now() - Duration::from_secs(73 * 3600);
    for name in &left {
        let file = std::fs::File::options().write(true).open(cell.home().join(name)).unwrap();
        file.set_modified(old.try_into().unwrap()).unwrap();
    }
    let told_of = told(&cell);
    assert!(told_of.contains(&format!("{} files", left.len())) && told_of.contains("deleted"), "{told_of}");
    assert_eq!(passing(&cell), Vec::<PathBuf>::new());
    assert!(told(&cell).starts_with("none"));
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
}

#[test]
fn each_thing_is_looked_at_whatever_is_wrong_with_another() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let wrong = |code: i32| {
        let report = cell.run(&["doctor"]).ends(code);
        let findings = report["findings"].as_array().unwrap().clone();
        let of = |ok: bool| findings.iter().filter(move |finding| finding["ok"] == ok);
        let names =
            |ok: bool| of(ok).map(|one| one["check"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (names(false), names(true))
    };
    assert_eq!(wrong(0).0, [""; 0]);
    // A passphrase that is none is no damage.
    let passphrase = std::fs::read(cell.passphrase()).unwrap();
    std::fs::write(cell.passphrase(), "another passphrase").unwrap();
    let (bad, good) = wrong(1);
    assert!(bad == ["vault"] && good.contains(&"catalog".to_owned()), "{bad:?} {good:?}");
    std::fs::write(cell.passphrase(), passphrase).unwrap();
    // A store that is not there keeps nobody from looking at the other.
    let (keys, aside) = (cell.home().join("keys"), cell.path("aside"));
    std::fs::rename(&keys, &aside).unwrap();
    let (bad, good) = wrong(1);
    assert_eq!(bad, ["unfinished writes", "key store"]);
    assert!(good.contains(&"object store".to_owned()), "{good:?}");
    std::fs::rename(&aside, &keys).unwrap();
    // Damage is worse than all else.
    let commits = cell.home().join("store/t/jsonl/default/files/commit");
    let commit = commits.join(contents(&commits).into_keys().next().unwrap());
    let bytes = std::fs::read(&commit).unwrap();
    std::fs::remove_file(&commit).unwrap();
    assert_eq!(wrong(4).0, ["connection files"]);
    std::fs::write(&commit, bytes).unwrap();
    let catalog = cell.home().join("catalog/catalog.db");
    let bytes = std::fs::read(&catalog).unwrap();
    std::fs::write(&catalog, b"this was never a database".repeat(300)).unwrap();
    let (bad, good) = wrong(4);
    assert!(bad == ["catalog"] && good.contains(&"vault".to_owned()), "{bad:?} {good:?}");
    std::fs::write(&catalog, bytes).unwrap();
    assert_eq!(wrong(0).0, [""; 0]);
}
