//! What a commit names is durable before the commit stands, and the commit before the command says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::shopify::Settings;

use crate::cell::TestCell;
use crate::shop::Shop;
use crate::traced::{Call, Deed, Fate, Traced, run};

/// The sort of an object, by its place in the store.
fn sort_of(path: &Path) -> Option<&'static str> {
    const SORTS: [(&str, &str); 6] = [
        ("/pack/", "pack"),
        ("/commit/", "commit"),
        ("/media/", "media"),
        ("/subjects/", "key table"),
        ("/checkpoint-", "checkpoint"),
        ("/batch-", "batch"),
    ];
    let text = path.to_str()?;
    SORTS.iter().find(|(part, _)| text.contains(part)).map(|(_, sort)| *sort)
}

/// A name under which a file is being written, before it gets its own.
fn is_passing(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.contains('#')) || path.to_str().unwrap().contains("/passing-")
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap().to_path_buf()
}

/// What of a cell's stores is not on the disk yet.
#[derive(Default)]
struct Afloat {
    /// Files, by when they were last written to.
    contents: HashMap<PathBuf, u64>,
    /// Folders, by when a name in them last changed.
    names: HashMap<PathBuf, u64>,
}

impl Afloat {
    fn begin(&mut self, call: &Call) {
        match call.deed {
            Deed::Write | Deed::Truncate => drop(self.contents.insert(call.path.clone(), call.ended)),
            Deed::Open if !is_passing(&call.path) => {
                self.names.insert(parent(&call.path), call.ended);
            }
            Deed::MakeFolder => drop(self.names.insert(parent(&call.path), call.ended)),
            Deed::Rename | Deed::Link => {
                let to = call.to.clone().unwrap();
                self.names.insert(parent(&to), call.ended);
                if let Some(written) = self.contents.get(&call.path).copied() {
                    self.contents.insert(to, written);
                }
                if call.deed == Deed::Rename {
                    self.contents.remove(&call.path);
                }
            }
            // That a deletion is lost loses nothing.
            Deed::Unlink => drop(self.contents.remove(&call.path)),
            Deed::Open | Deed::Sync | Deed::SyncAll => {}
        }
    }

    fn end(&mut self, call: &Call) {
        let done = |path: &PathBuf, since: &u64| {
            *since < call.begun && (call.deed == Deed::SyncAll || *path == call.path)
        };
        if matches!(call.deed, Deed::Sync | Deed::SyncAll) {
            self.contents.retain(|path, since| !done(path, since));
            self.names.retain(|path, since| !done(path, since));
        }
    }

    fn below(&self, folders: &[PathBuf]) -> BTreeSet<&PathBuf> {
        let all = self.contents.keys().filter(|path| !is_passing(path)).chain(self.names.keys());
        all.filter(|path| folders.iter().any(|folder| path.starts_with(folder))).collect()
    }
}

/// Each place at which something is promised that a power cut would break.
fn broken(calls: &[Call], home: &Path, stdout: &Path) -> Vec<String> {
    let stores = [home.join("store"), home.join("keys")];
    let mut times: BTreeMap<u64, Vec<(bool, &Call)>> = BTreeMap::new();
    for call in calls {
        times.entry(call.begun).or_default().push((true, call));
        times.entry(call.ended).or_default().push((false, call));
    }
    let (mut afloat, mut found) = (Afloat::default(), Vec::new());
    for (begins, call) in times.into_values().flatten() {
        if !begins {
            afloat.end(call);
            continue;
        }
        let to = call.to.as_deref();
        let promised = match (call.deed, to.and_then(sort_of)) {
            (Deed::Link | Deed::Rename, Some("commit")) => stores.to_vec(),
            // It names the batches of its own run.
            (Deed::Link | Deed::Rename, Some("checkpoint")) => vec![parent(to.unwrap())],
            (Deed::Write, _) if call.path == stdout => stores.to_vec(),
            _ => Vec::new(),
        };
        // The commit's own content is part of what is promised.
        let own = to.filter(|_| !promised.is_empty() && afloat.contents.contains_key(&call.path));
        let missing = afloat.below(&promised);
        if !missing.is_empty() || own.is_some() {
            found.push(format!("before {:?} of {call:?}: {missing:?}, own content: {own:?}", call.deed));
        }
        afloat.begin(call);
    }
    found
}

/// How many objects of each sort got their names.
fn named(traced: &Traced) -> BTreeMap<&'static str, usize> {
    let mut named = BTreeMap::new();
    for call in &traced.calls {
        if let (Deed::Link | Deed::Rename, Some(to)) = (call.deed, &call.to)
            && let Some(sort) = sort_of(to)
            && !is_passing(to)
        {
            *named.entry(sort).or_default() += 1;
        }
    }
    named
}

/// Holds a trace against the rule, and then the same trace without the syncs of one object or folder of each
/// sort, which must each break it.
fn check(cell: &TestCell, traced: &Traced, sorts: &[&str], said: bool) {
    let home = cell.home().canonicalize().unwrap();
    assert_eq!(broken(&traced.calls, &home, &traced.stdout), Vec::<String>::new());
    let written = traced.calls.iter().any(|call| call.path == traced.stdout && call.deed == Deed::Write);
    assert_eq!(written, said, "what was said on stdout");
    let named = named(traced);
    let mut doctored = 0;
    for sort in sorts {
        assert!(named.contains_key(sort), "no {sort} in {named:?}");
        let object = traced
            .calls
            .iter()
            .find_map(|call| call.to.clone().filter(|to| sort_of(to) == Some(*sort) && !is_passing(to)));
        let object = object.unwrap();
        let before = |path: &Path| {
            let mut names = vec![path.to_path_buf()];
            let earlier = traced.calls.iter().filter(|call| call.to.as_deref() == Some(path));
            names.extend(earlier.map(|call| call.path.clone()));
            names
        };
        // Its content was synced under whatever name it had; its folder under one.
        for lost in [before(&object), vec![parent(&object)]] {
            let synced = |call: &Call| call.deed == Deed::Sync && lost.contains(&call.path);
            let calls: Vec<Call> = traced.calls.iter().filter(|call| !synced(call)).cloned().collect();
            if calls.len() == traced.calls.len() {
                // One sync of the whole file system did for all.
                assert!(calls.iter().any(|call| call.deed == Deed::SyncAll), "{lost:?} was never synced");
                continue;
            }
            let found = broken(&calls, &home, &traced.stdout);
            // Nothing is named or said after the last checkpoint of a run that fails.
            let last = *sort == "checkpoint" && lost.len() == 1 && !said;
            assert!(last || !found.is_empty(), "a missing sync of {lost:?} is not found");
            doctored += 1;
        }
    }
    println!("{} calls, {named:?}, {doctored} doctored traces", traced.calls.len());
    assert!(doctored >= sorts.len());
}

#[test]
fn an_ingest_is_durable_before_it_is_committed_and_before_it_is_told() {
    let cell = TestCell::with_jsonl("files");
    let lines: String = (0..50).map(|id| format!("{{\"id\":\"{id:02}\",\"who\":\"p{id}\"}}\n")).collect();
    let file = cell.file("lines.jsonl", lines);
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", "--subject", "/who", &file];
    let traced = run(&cell, &words, Fate::Lives);
    traced.answer.succeeds();
    check(&cell, &traced, &["pack", "commit", "key table"], true);
}

#[test]
fn a_backup_is_durable_before_it_is_committed_and_before_it_is_told() {
    let latency = Duration::from_millis(20);
    let settings = Settings { products: 8, customers: 6, orders: 6, latency, ..Settings::default() };
    let (cell, shop) = (TestCell::new(), Shop::open(settings));
    shop.connect(&cell, "shop").succeeds();
    // The first ends early, and leaves its progress: a checkpoint, and what that names.
    shop.faults("bulk-failed@1+");
    let traced = shop.while_revoking_after(40, || run(&cell, &["backup", "shop"], Fate::Lives));
    traced.answer.refuses(5, &["token"]);
    check(&cell, &traced, &["batch", "checkpoint"], false);
    shop.connect_by_client(&cell, "shop").succeeds();
    let traced = run(&cell, &["backup", "shop"], Fate::Lives);
    traced.answer.succeeds();
    check(&cell, &traced, &["pack", "commit", "media", "key table"], true);
}
