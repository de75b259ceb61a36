//! A store that somebody has damaged or turned back: never wrong data, always exit 4.

use std::path::PathBuf;

use crate::cell::{TestCell, contents, text};
use crate::shop::Shop;

/// Two connections with two snapshots each: `files` and `other`.
struct Stored {
    cell: TestCell,
    heads: Vec<String>,
}

impl Stored {
    fn new() -> Self {
        let cell = TestCell::with_jsonl("files");
        cell.run(&["connect", "jsonl", "other"]).succeeds();
        let mut heads = Vec::new();
        for turn in 1..=2 {
            let lines: String = (0..50).map(|n| format!("{{\"id\":\"{n:03}\",\"turn\":{turn}}}\n")).collect();
            let report = cell.ingest("files", "thing", &lines).succeeds();
            heads.push(report["head"].as_str().unwrap().to_owned());
            cell.ingest("other", "thing", &lines).succeeds();
        }
        Self { cell, heads }
    }

    /// Full paths of a connection's objects of one sort, in order.
    fn objects(&self, connection: &str, sort: &str) -> Vec<PathBuf> {
        let folder = self.cell.home().join("store/t/jsonl/default").join(connection).join(sort);
        let found: Vec<PathBuf> = contents(&folder).into_keys().map(|name| folder.join(name)).collect();
        assert!(!found.is_empty(), "no {sort}");
        found
    }

    /// Both depths of `verify` and every way to read refuse.
    #[track_caller]
    fn is_damaged(&self, what: &str) {
        let deep = self.cell.run(&["verify", "files", "--all-bytes"]);
        assert_eq!(deep.code, Some(4), "verify, {what}: {deep:?}");
        let out = self.cell.path("out");
        let read = self.cell.run(&["export", "files", "--out", text(&out)]);
        assert_eq!(read.code, Some(4), "export, {what}: {read:?}");
        read.refuses(4, &[]);
        drop(std::fs::remove_dir_all(out));
        let shown = self.cell.run(&["item", "show", "files", "thing", "000"]);
        assert!(matches!(shown.code, Some(0 | 4)), "show, {what}: {shown:?}");
        if shown.code == Some(0) {
            assert_eq!(shown.stdout, b"{\"id\":\"000\",\"turn\":2}\n", "{what}");
        }
        // The neighbour is not touched by it.
        self.cell.run(&["verify", "other", "--all-bytes"]).succeeds();
    }

    #[track_caller]
    fn is_whole(&self) {
        assert_eq!(self.cell.run(&["verify", "files", "--all-bytes"]).succeeds()["ok"], true);
        let shown = self.cell.run(&["item", "show", "files", "thing", "049"]);
        assert_eq!(shown.stdout, b"{\"id\":\"049\",\"turn\":2}\n");
    }
}

#[test]
fn an_object_that_is_deleted_cut_swapped_or_flipped_is_found() {
    let stored = Stored::new();
    stored.is_whole();
    let pack = stored.objects("files", "pack").pop().unwrap();
    let commit = stored.objects("files", "commit").pop().unwrap();
    for object in [&pack, &commit] {
        let bytes = std::fs::read(object).unwrap();
        let other = if object == &pack { "pack" } else { "commit" };
        let rival = std::fs::read(stored.objects("other", other).pop().unwrap()).unwrap();
        std::fs::remove_file(object).unwrap();
        stored.is_damaged("deleted");
        std::fs::write(object, &bytes[..bytes.len() - 7]).unwrap();
        stored.is_damaged("cut");
        std::fs::write(object, b"").unwrap();
        stored.is_damaged("emptied");
        std::fs::write(object, rival).unwrap();
        stored.is_damaged("swapped");
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        std::fs::write(object, flipped).unwrap();
        stored.is_damaged("flipped");
        std::fs::write(object, &bytes).unwrap();
        stored.is_whole();
    }
}

#[test]
fn a_damaged_store_is_not_written_on() {
    let stored = Stored::new();
    let commit = stored.objects("files", "commit").pop().unwrap();
    let bytes = std::fs::read(&commit).unwrap();
    std::fs::remove_file(&commit).unwrap();
    let before = contents(&stored.cell.home().join("store/t"));
    stored.cell.ingest("files", "thing", "{\"id\":\"000\",\"turn\":3}\n").refuses(4, &["rolled back"]);
    assert!(contents(&stored.cell.home().join("store/t")) == before);
    std::fs::write(&commit, bytes).unwrap();
    stored.is_whole();
    assert_eq!(
        stored.cell.ingest("files", "thing", "{\"id\":\"000\",\"turn\":3}\n").succeeds()["snapshot"],
        3
    );
}

#[test]
fn an_older_snapshot_list_is_a_rollback() {
    let stored = Stored::new();
    let cell = &stored.cell;
    let [first, second] = &stored.heads[..] else { panic!("two heads") };
    cell.run(&["verify", "files", "--expect-head", second]).succeeds();
    // An earlier head that somebody remembers is in the history still.
    cell.run(&["verify", "files", "--expect-head", first]).succeeds();
    let commit = stored.objects("files", "commit").pop().unwrap();
    let bytes = std::fs::read(&commit).unwrap();
    std::fs::remove_file(&commit).unwrap();
    // The catalog remembers; and where it was put back too, whoever wrote the head down does.
    assert_eq!(cell.run(&["verify", "files"]).code, Some(4));
    assert_eq!(cell.run(&["verify", "files", "--expect-head", second]).code, Some(4));
    // Nor does an older head that is there hide what the catalog knows.
    let report = cell.run(&["verify", "files", "--expect-head", first]).ends(4);
    assert!(
        report["ok"] == false && report["damaged_objects"].to_string().contains("rolled back"),
        "{report}"
    );
    cell.run(&["snapshot", "list", "files"]).refuses(4, &["rolled back", "snapshot 2"]);
    cell.run(&["item", "show", "files", "thing", "000"]).refuses(4, &["rolled back"]);
    cell.run(&["verify", "files", "--expect-head", "1234"]).refuses(2, &["1234", "head"]);
    std::fs::write(&commit, bytes).unwrap();
    stored.is_whole();
}

#[test]
fn a_whole_cell_put_back_is_told_by_the_head_alone() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\",\"n\":1}\n").succeeds();
    let older = contents(&cell.home());
    let head = cell.ingest("files", "thing", "{\"id\":\"a\",\"n\":2}\n").succeeds()["head"].clone();
    let head = head.as_str().unwrap();
    cell.run(&["verify", "files", "--expect-head", head]).succeeds();
    std::fs::remove_dir_all(cell.home()).unwrap();
    for (name, bytes) in older {
        use std::os::unix::fs::PermissionsExt as _;
        let path = cell.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    cell.run(&["verify", "files"]).succeeds();
    assert_eq!(cell.run(&["verify", "files", "--expect-head", head]).code, Some(4));
}

#[test]
fn the_doctor_looks_at_the_platform_whatever_is_wrong_with_the_history() {
    let (cell, shop) = (TestCell::new(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let doctor = |code: i32| {
        let report = cell.run(&["doctor"]).ends(code);
        let findings = report["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|one| one["check"] == "connection shop").unwrap()
    };
    let sound = doctor(0);
    assert_eq!(sound["ok"], true, "{sound}");
    let folder = cell.home().join("store/t/shopify/default/shop/commit");
    let commit = folder.join(contents(&folder).into_keys().next().unwrap());
    let bytes = std::fs::read(&commit).unwrap();
    std::fs::write(&commit, &bytes[..bytes.len() / 2]).unwrap();
    let found = doctor(4);
    let detail = found["detail"].as_str().unwrap();
    assert!(found["ok"] == false && detail.contains("/commit/"), "{found}");
    assert!(detail.contains("all scopes are granted"), "{found}");
}
