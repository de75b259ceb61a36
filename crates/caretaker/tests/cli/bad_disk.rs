//! Disks that are full and folders that may not be written to.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cell::{Answer, TestCell, note, points, tell, text};
use crate::up::{Up, comes};

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
    /// With those options. `None` where this machine lets nobody mount and its owner has said so.
    fn mount(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
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

    /// A cell that lies there with all it has.
    fn cell(&self) -> TestCell {
        TestCell::at(tempfile::tempdir_in(&self.0).unwrap())
    }

    /// Takes so much room that this is left, or a little less where a cell that runs writes meanwhile.
    fn leave(&self, bytes: u64) {
        let filler = std::fs::File::create(self.0.join("filler")).unwrap();
        let free = || {
            let told = rustix::fs::statvfs(&self.0).unwrap();
            told.f_bavail * told.f_frsize
        };
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, free() - bytes).unwrap();
        let left = free();
        assert!(left <= bytes && left + MIB > bytes, "{left} of {bytes}");
    }

    /// Takes so many files that these are left.
    fn leave_files(&self, files: u64) {
        let folder = self.0.join("fillers");
        std::fs::create_dir(&folder).unwrap();
        for turn in 0.. {
            if rustix::fs::statvfs(&self.0).unwrap().f_favail <= files {
                return;
            }
            std::fs::File::create(folder.join(turn.to_string())).unwrap();
        }
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
    let Some(disk) = SmallDisk::mount(&cell.home().join("disk"), "size=6m") else { return };
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

/// The warnings of a command that tell of the trail's room.
fn warnings(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["trail_room"].is_object()).collect()
}

/// What the trail says of its room: the level, and how that is to be taken.
fn crossings(cell: &TestCell) -> Vec<(String, u64)> {
    let listed = cell.run(&["trail", "list", "--last", "500", "--operation", "trail.room"]).succeeds();
    let told = |event: &Value| {
        let event = &event["event"];
        assert_eq!(event["actor"]["user"]["uid"], "service/monitor", "{event}");
        let detail = event["status_detail"].as_str().unwrap();
        (detail.split(':').next().unwrap().to_owned(), event["status_id"].as_u64().unwrap())
    };
    listed["events"].as_array().unwrap().iter().map(told).collect()
}

/// What `doctor` says of it: whether it is well, and what it found.
fn looked_at(cell: &TestCell) -> (bool, String) {
    let answer = cell.run(&["doctor"]);
    let found: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let row = found["findings"].as_array().unwrap().iter().find(|row| row["check"] == "room for the trail");
    let (ok, detail) = (row.unwrap()["ok"].as_bool().unwrap(), row.unwrap()["detail"].as_str().unwrap());
    // Nothing else is wrong.
    assert_eq!((answer.code, &found["sound"]), (Some(i32::from(!ok)), &ok.into()), "{found}");
    (ok, detail.to_owned())
}

const MIB: u64 = 1 << 20;
/// What a command may say that opens a cell.
const WORDS: [&[&str]; 4] =
    [&["connection", "list"], &["snapshot", "list", "files"], &["vault", "status"], &["trail", "checkpoint"]];

#[test]
fn little_room_for_the_trail_is_told_long_before_there_is_none() {
    let around = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&around.path().join("disk"), "size=64m") else { return };
    let cell = disk.cell();
    cell.run(&["connect", "jsonl", "files"]).succeeds();
    // The control: a quarter is free, and nobody is told anything.
    disk.leave(17 * MIB);
    cell.ingest("files", "thing", "{\"id\":\"1\"}\n").succeeds();
    for words in WORDS {
        let answer = cell.run(words);
        answer.succeeds();
        assert_eq!(warnings(&answer.stderr), [Value::Null; 0], "{words:?}");
    }
    let (ok, detail) = looked_at(&cell);
    assert!(ok && detail.contains("MiB"), "{detail}");
    assert_eq!(crossings(&cell), []);

    for (left, level, much) in [(12 * MIB, "little", "little"), (3 * MIB, "very_little", "very little")] {
        disk.leave(left);
        for words in WORDS {
            let answer = cell.run(words);
            answer.succeeds();
            let told = warnings(&answer.stderr);
            let [warning] = &told[..] else { panic!("{words:?}: {}", answer.stderr) };
            assert_eq!(warning["trail_room"]["level"], level);
            assert_eq!(warning["trail_room"]["bytes"], 64 * MIB);
            let bytes = warning["trail_room"]["bytes_left"].as_u64().unwrap();
            assert!(bytes <= left && bytes > left - MIB, "{warning}");
            let said = warning["warning"].as_str().unwrap();
            for word in [much, text(&cell.home().join("trail")), "is done any more", "make it larger"] {
                assert!(said.contains(word), "`{word}` is not in `{said}`");
            }
        }
        // A command that fails says so all the same, and its error comes last.
        let refused = cell.run(&["snapshot", "list", "nothing"]);
        refused.refuses(6, &["nothing"]);
        assert_eq!(warnings(&refused.stderr).len(), 1);
        let (ok, detail) = looked_at(&cell);
        assert!(!ok && detail.contains(much) && detail.contains("snapshot prune"), "{detail}");
    }
    // People are told in words.
    let mut plain = crate::cell::binary();
    plain.args(["--dir", text(&cell.home()), "--passphrase-file", text(&cell.passphrase())]);
    let plain = Answer::from(plain.args(["connection", "list"]).output().unwrap());
    assert!(plain.stderr.contains("Beware, there is very little room left for the trail"), "{plain:?}");
    // Commands that open no cell are not about it.
    assert_eq!(warnings(&cell.run(&["kinds"]).stderr).len(), 0);

    std::fs::remove_file(disk.0.join("filler")).unwrap();
    let answer = cell.run(&["connection", "list"]);
    answer.succeeds();
    assert_eq!(warnings(&answer.stderr).len(), 0);
    // Each crossing once, however many commands there were.
    let told = [("little", 2), ("very_little", 2), ("enough", 1)];
    assert_eq!(crossings(&cell), told.map(|(level, status)| (level.to_owned(), status)));
    cell.run(&["trail", "verify"]).succeeds();
    note("little-room");
}

#[test]
fn few_files_that_can_be_made_are_little_room_too() {
    let around = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&around.path().join("disk"), "size=64m,nr_inodes=2000") else { return };
    let cell = disk.cell();
    cell.run(&["connect", "jsonl", "files"]).succeeds();
    assert!(looked_at(&cell).0);
    disk.leave_files(400);
    let answer = cell.run(&["connection", "list"]);
    answer.succeeds();
    let told = warnings(&answer.stderr);
    assert_eq!(told[0]["trail_room"]["level"], "little", "{told:?}");
    let left = told[0]["trail_room"]["files_left"].as_u64().unwrap();
    assert!(left <= 400 && told[0]["warning"].to_string().contains(&format!("{left} files")), "{told:?}");
    assert!(!looked_at(&cell).0);
    assert_eq!(crossings(&cell), [("little".to_owned(), 2)]);
}

#[test]
fn a_cell_that_runs_warns_as_soon_as_there_is_little_room_for_the_trail() {
    let around = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&around.path().join("disk"), "size=64m") else { return };
    let cell = disk.cell();
    let up = Up::of(&cell);
    disk.leave(12 * MIB);
    // Nobody gives a command: the cell sees for itself, every few seconds.
    assert!(comes(|| cell.home().join("trail/log/room.json").exists()));
    std::thread::sleep(std::time::Duration::from_secs(10));
    cell.run(&["connection", "list"]).succeeds();
    up.told(Signal::SIGTERM);
    let ended = up.ends();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = warnings(&ended.stderr);
    // Once while it ran, and once more as every command at its end.
    assert_eq!(told.len(), 2, "{}", ended.stderr);
    assert_eq!(crossings(&cell), [("little".to_owned(), 2)]);
}
