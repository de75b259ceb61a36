//! Writes `tests/golden/v1` anew: two stores, their keys, what they must read as, and the ways to be wrong.
//!
//! Run once for a format, by hand: `cargo run -p repository --example write_golden -- EMPTY_DIR`. What is
//! committed is never written again, since it stands for stores that exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for developers, run by hand"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use fixture::{Cell, Places};
use history::Size;

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/format/fixture.rs"]
mod fixture;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/format/history.rs"]
mod history;

const CONNECTION: &str = "t/default/shop";

/// A way to be wrong: the object, its bytes (none: it is absent), and what must be said.
struct Wrong {
    name: &'static str,
    object: PathBuf,
    bytes: Option<Vec<u8>>,
    error: &'static str,
}

struct Tree<'a>(&'a Path);

impl Tree<'_> {
    /// The files of a folder, the largest first, relative to the root.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let folder = self.0.join(folder);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_by_key(|path| (std::cmp::Reverse(fs::metadata(path).unwrap().len()), path.clone()));
        files.into_iter().map(|path| path.strip_prefix(self.0).unwrap().to_owned()).collect()
    }

    fn read(&self, object: &Path) -> Vec<u8> {
        fs::read(self.0.join(object)).unwrap()
    }

    fn with(&self, object: &Path, change: impl Fn(&mut Vec<u8>)) -> Option<Vec<u8>> {
        let mut bytes = self.read(object);
        change(&mut bytes);
        Some(bytes)
    }
}

const DOES_NOT_OPEN: &str = "a sealed block does not open";
const SHORTER: &str = "it is shorter than it was written";
const NO_SUCH_KEY: &str = "its header names the data key";
const MISSING: &str = "is missing from the store";

fn wrongs(tree: &Tree<'_>) -> Vec<Wrong> {
    let packs = tree.files(&format!("store/{CONNECTION}/pack"));
    let (pack, small_pack) = (&packs[0], packs.last().unwrap());
    let len = tree.read(pack).len();
    let index = &tree.files(&format!("store/{CONNECTION}/index"))[0];
    let mut commits = tree.files(&format!("store/{CONNECTION}/commit"));
    commits.sort();
    let (head, older) = (commits.last().unwrap(), &commits[1]);
    let head_name = head.file_name().unwrap().to_str().unwrap();
    let next_name = head_name.replacen(&head_name[..20], &format!("{:020}", commits.len() + 1), 1);
    let tables = tree.files(&format!("keys/{CONNECTION}/subjects"));
    let (table, other_table) = (&tables[0], &tables[1]);
    let data_key = &tree.files(&format!("keys/{CONNECTION}/data-key"))[0];
    let state = &tree.files(&format!("keys/{CONNECTION}/state/{}", history::STATE.0))[0];
    let media: Vec<PathBuf> = tree
        .files(&format!("store/{CONNECTION}/media"))
        .iter()
        .map(|folder| tree.files(folder.to_str().unwrap())[0].clone())
        .collect();

    let mut wrongs = Vec::new();
    let mut wrong = |name, object: &Path, bytes, error| {
        wrongs.push(Wrong { name, object: object.to_owned(), bytes, error });
    };
    let set = |object: &PathBuf, at: usize, value: u8| tree.with(object, |bytes| bytes[at] = value);
    let flip = |object: &PathBuf, at: usize| tree.with(object, |bytes| bytes[at] ^= 0x10);

    wrong("pack-absent", pack, None, MISSING);
    wrong("pack-empty", pack, Some(vec![]), SHORTER);
    wrong("pack-cut-in-header", pack, tree.with(pack, |bytes| bytes.truncate(30)), SHORTER);
    wrong("pack-cut-at-end", pack, tree.with(pack, |bytes| bytes.truncate(len - 1)), SHORTER);
    wrong("pack-wrong-magic", pack, set(pack, 0, b'X'), "it does not begin as an object of this store does");
    wrong("pack-future-format", pack, set(pack, 4, 2), "its format is 2; this program reads format 1");
    wrong("pack-wrong-type", pack, set(pack, 5, 2), "it is another type of object than its place says");
    wrong("pack-reserved-byte", pack, set(pack, 6, 1), "it is another type of object than its place says");
    wrong("pack-other-data-key", pack, flip(pack, 8), NO_SUCH_KEY);
    wrong("pack-other-salt", pack, flip(pack, 24), DOES_NOT_OPEN);
    wrong("pack-records-flipped", pack, flip(pack, 60), DOES_NOT_OPEN);
    wrong("pack-footer-flipped", pack, flip(pack, len - 20), DOES_NOT_OPEN);
    wrong("pack-wrong-trailer-length", pack, flip(pack, len - 5), "its trailer contradicts the commit");
    wrong(
        "pack-wrong-trailer-magic",
        pack,
        set(pack, len - 1, b'X'),
        "it does not end as an object of this store does",
    );
    wrong(
        "pack-of-another-name",
        small_pack,
        Some(tree.read(pack)),
        "it does not end as an object of this store does",
    );
    wrong("index-absent", index, None, MISSING);
    wrong("index-flipped", index, flip(index, 70), DOES_NOT_OPEN);
    wrong("index-wrong-type", index, set(index, 5, 1), "it is another type of object than its place says");
    wrong("commit-head-flipped", head, flip(head, 80), "its bytes do not have the hash in its name");
    wrong("commit-parent-flipped", older, flip(older, 80), "its bytes do not have the hash in its name");
    wrong("commit-parent-absent", older, None, MISSING);
    wrong(
        "commit-cut",
        head,
        tree.with(head, |bytes| bytes.truncate(40)),
        "its bytes do not have the hash in its name",
    );
    wrong(
        "commit-under-the-next-number",
        &head.with_file_name(next_name),
        Some(tree.read(head)),
        DOES_NOT_OPEN,
    );
    wrong(
        "commit-stray-file",
        &head.with_file_name("notes"),
        Some(b"?".to_vec()),
        "it stands among the commits and is none",
    );
    wrong("subjects-absent", table, None, "a person's key is missing from it and is not listed as destroyed");
    wrong("subjects-flipped", table, flip(table, 60), DOES_NOT_OPEN);
    wrong("subjects-of-another-name", table, Some(tree.read(other_table)), DOES_NOT_OPEN);
    wrong("data-key-absent", data_key, None, NO_SUCH_KEY);
    let document = String::from_utf8(tree.read(data_key)).unwrap();
    let other_region = document.replace("\"eu\"", "\"us\"").into_bytes();
    wrong("data-key-other-region", data_key, Some(other_region), DOES_NOT_OPEN);
    let future = document.replace("caretaker-data-key-1", "caretaker-data-key-2").into_bytes();
    wrong("data-key-future-format", data_key, Some(future), DOES_NOT_OPEN);
    wrong("medium-absent", &media[0], None, MISSING);
    wrong("medium-cut", &media[0], tree.with(&media[0], |bytes| bytes.truncate(60)), DOES_NOT_OPEN);
    wrong(
        "medium-of-another-name",
        &media[0],
        Some(tree.read(&media[1])),
        "it holds other bytes than its name says",
    );
    wrong("state-flipped", state, flip(state, 60), DOES_NOT_OPEN);
    wrongs
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("the name of an empty directory"));
    let places = Places::below(&dir);
    let cell = Cell::make(&places, 0x90_1d, None).await;
    let written = history::write(&cell, Size { products: 4, snapshots: 10, large: false }).await;
    history::leave_unfinished(&cell).await;
    let lines: String = written.lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(dir.join("expected.jsonl"), lines).unwrap();
    let media: serde_json::Map<_, _> = written
        .media
        .iter()
        .map(|(name, content)| (name.clone(), json!(String::from_utf8(content.clone()).unwrap())))
        .collect();
    fs::write(dir.join("media.json"), serde_json::to_string_pretty(&media).unwrap() + "\n").unwrap();
    fs::write(dir.join("head"), written.head + "\n").unwrap();

    let bad = dir.join("bad");
    fs::create_dir(&bad).unwrap();
    for Wrong { name, object, bytes, error } in wrongs(&Tree(&dir)) {
        let told = json!({"object": object.to_str().unwrap(), "error": error});
        fs::write(bad.join(name).with_extension("json"), format!("{told}\n")).unwrap();
        if let Some(bytes) = bytes {
            fs::write(bad.join(name).with_extension("object"), bytes).unwrap();
        }
    }
}
