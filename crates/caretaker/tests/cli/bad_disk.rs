//! Disks that are full and folders that may not be written to.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cell::{Answer, TestCell, note, points, tell, text};

/// Somebody without any right: what the kernel calls nobody.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives everything below `folder` to nobody.
fn give_away(folder: &Path) {
    chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give_away(&path);
        } else {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// Sets what may be written below `folder`; files stay readable by their owner alone.
fn set_writable(folder: &Path, writable: bool) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_writable(&path, writable);
        } else {
            let mode = if writable { 0o600 } else { 0o400 };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    let mode = if writable { 0o700 } else { 0o500 };
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_may_not_be_written_to_is_told_and_left_alone() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let file = cell.file("more.jsonl", "{\"id\":\"b\"}\n");
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", &file];
    // Modes mean nothing to root: then the command runs as nobody, from a copy that nobody may run.
    let binary = cell.path("caretaker");
    if is_root() {
        std::fs::copy(env!("CARGO_BIN_EXE_caretaker"), &binary).unwrap();
        give_away(cell.folder.path());
    }
    let run = |words: &[&str]| -> Answer {
        if !is_root() {
            return cell.run(words);
        }
        let mut command = Command::new(&binary);
        command.args(cell.command(words).get_args()).env("TMPDIR", cell.temp());
        command.uid(NOBODY).gid(NOBODY).output().unwrap().into()
    };
    let before = cell.kept();
    set_writable(&cell.home(), false);
    let refused = run(&words);
    let listed = run(&["snapshot", "list", "files"]);
    set_writable(&cell.home(), true);
    refused.refuses(1, &[text(&cell.home()), "Permission denied"]);
    // Every command writes down what it does first: where it can't, it does nothing.
    listed.refuses(1, &["nothing was done, because it could not be recorded", "Permission denied"]);
    assert!(cell.kept() == before, "a refused command changed the cell");

    // The cell's own folder is fine, the store is not.
    let store = cell.home().join("store");
    set_writable(&store, false);
    let refused = run(&words);
    let shown = run(&["item", "show", "files", "thing", "a"]);
    set_writable(&store, true);
    refused.refuses(1, &["ermission denied"]);
    shown.succeeds_raw();
    run(&words).succeeds();
    assert_eq!(run(&["snapshot", "list", "files"]).succeeds()["snapshots"].as_array().unwrap().len(), 2);
    run(&["verify", "files", "--all-bytes"]).succeeds();
}

/// A file system of a few megabytes, mounted for one test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this machine lets nobody mount and its owner has said so.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at).output();
        let failed = match mounted {
            Ok(output) if output.status.success() => return Some(Self(at.to_path_buf())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        assert!(
            std::env::var_os("CARETAKER_NO_MOUNT").is_some(),
            "no file system can be mounted here ({}): run this as root, or set CARETAKER_NO_MOUNT=1 to leave it out",
            failed.trim()
        );
        println!("skipped: no file system can be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()));
    }
}

/// How many pages a full disk has left: some, or each number in a soak.
fn rooms() -> Vec<u64> {
    if points(0, 1) == 1 { (0..30).collect() } else { vec![0, 1, 2, 3, 5, 8, 13, 40] }
}

#[test]
fn a_full_disk_loses_nothing() {
    let cell = TestCell::new();
    let Some(disk) = SmallDisk::mount(&cell.home().join("disk")) else { return };
    // A cell that lies on the small disk with all it has.
    let home = disk.0.join("cell");
    let run = |words: &[&str]| -> Answer {
        let mut command = crate::cell::binary();
        command.args(["--json", "--dir", text(&home), "--passphrase-file", text(&cell.passphrase())]);
        command.args(words).env("TMPDIR", cell.temp()).output().unwrap().into()
    };
    run(&["init", "--recovery-key-out", text(&cell.path("small.key"))]).succeeds();
    run(&["connect", "jsonl", "files"]).succeeds();
    let ingest = |bytes_each: usize, turn: u64| {
        // Text that does not compress.
        let mut chance = turn * 1_000_003 + 7;
        let mut lines = String::new();
        for id in 0..40 {
            let text: String = (0..bytes_each)
                .map(|_| {
                    chance = chance
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    char::from(b'!' + u8::try_from((chance >> 33) % 90).unwrap())
                })
                .collect();
            lines += &serde_json::json!({ "id": format!("{id:02}"), "text": text }).to_string();
            lines.push('\n');
        }
        let file = cell.file(&format!("{turn}.jsonl"), &lines);
        (lines, run(&["ingest", "files", "--kind", "thing", "--id", "/id", &file]))
    };
    let (mut lines, answer) = ingest(10_000, 1);
    answer.succeeds();
    let export = |name: &str| {
        let out = cell.path(name);
        run(&["export", "files", "--out", text(&out)]).succeeds();
        std::fs::read_to_string(out.join("thing.jsonl")).unwrap()
    };
    // Far too much, and then little more or less than there is room for: whoever notes it first, record of
    // events, catalog or store, says the same.
    let (_, refused) = ingest(300_000, 2);
    refused.refuses(1, &["No space left on device"]);
    let filler = disk.0.join("filler");
    let mut taken = 1;
    let mut refusals = 0;
    for free_pages in rooms() {
        let filled = std::fs::write(&filler, vec![7; 8 * 1024 * 1024]);
        assert!(filled.is_err(), "the disk is full");
        let len = std::fs::metadata(&filler).unwrap().len();
        let left = std::fs::OpenOptions::new().write(true).open(&filler).unwrap();
        left.set_len(len.saturating_sub(free_pages * 4096)).unwrap();
        drop(left);
        let (small, answer) = ingest(100, 10 + free_pages);
        std::fs::remove_file(&filler).unwrap();
        println!("{free_pages} pages free: {:?}", answer.code);
        let done = answer.code == Some(0);
        if !done {
            answer.refuses(1, &[]);
            refusals += 1;
        }
        run(&["verify", "files", "--all-bytes"]).succeeds();
        let list = run(&["snapshot", "list", "files"]).succeeds();
        let found = list["snapshots"].as_array().unwrap().len();
        // What was committed and could not be told stands all the same.
        assert!(found == taken + 1 || (found == taken && !done), "{found} snapshots after {taken}");
        if found > taken {
            lines = small;
        }
        taken = found;
        assert_eq!(export(&format!("after-{free_pages}")), lines);
    }
    assert!(refusals > 3, "{refusals} refusals");
    tell(&format!("disk full: refused with {refusals} different amounts of room, nothing lost"));
    let (lines, answer) = ingest(12_000, 4);
    answer.succeeds();
    assert_eq!(export("at-last"), lines);
    let list = run(&["snapshot", "list", "files"]).succeeds();
    assert_eq!(list["snapshots"].as_array().unwrap().len(), taken + 1);
    note("disk-full");
}
