//! What somebody has who stole one part of a cell: its catalog, its stores, both, or what the memory of its processes holds.
//!
//! The thief is a user without any privilege: another one than the cell's, where these tests run as root. What root reads in the
//! memory of each process is in `powers`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::cell::{Answer, TestCell, copy_folder, tell};
use crate::powers::keys;
use crate::shop::Shop;
use crate::traces::{occurring, spellings, spellings_of_bytes};

/// Who has no right to anything, on every system.
const NOBODY: &str = "65534";

/// Something that nobody but the cell's owner should ever see.
struct Secret {
    name: String,
    spellings: Vec<Vec<u8>>,
}

impl Secret {
    fn text(name: &str, text: &str) -> Self {
        assert!(text.len() >= 10, "{name} could occur by chance");
        Self { name: name.to_owned(), spellings: spellings(text) }
    }
}

/// A user without privileges, in a folder of their own.
struct Nobody {
    folder: TempDir,
    program: PathBuf,
}

impl Nobody {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Whoever has it can run it from there.
        let program = folder.path().join("caretaker");
        std::fs::copy(env!("CARGO_BIN_EXE_caretaker"), &program).unwrap();
        Self { folder, program }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All in the folder is theirs.
    fn owns(&self) {
        if rustix::process::geteuid().is_root() {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(
                Command::new("chown")
                    .arg("-R")
                    .arg(owner)
                    .arg(self.folder.path())
                    .status()
                    .unwrap()
                    .success()
            );
        }
    }

    /// A program as this user runs it.
    fn runs(&self, program: &Path) -> Command {
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"]);
            command.args(["--inh-caps=-all", "--bounding-set=-all", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).env("TMPDIR", self.folder.path()).stdin(Stdio::null());
        command.env_remove("CARETAKER_DIR").env_remove("CARETAKER_PASSPHRASE_FILE");
        command
    }

    /// This program on a cell of theirs.
    fn caretaker(&self, home: &str, words: &[&str]) -> Answer {
        let mut command = self.runs(&self.program);
        command.args(["--json", "--dir", home, "--passphrase-file", "passphrase"]).args(words);
        command.output().unwrap().into()
    }

    /// A new cell.
    fn makes_a_cell(&self) {
        std::fs::write(self.path("passphrase"), "the thief's own passphrase").unwrap();
        self.owns();
        self.caretaker("home", &["init", "--recovery-key-out", "recovery.key"]).succeeds();
    }

    /// Puts copies of parts of a cell where their own has those.
    fn puts(&self, cell: &TestCell, parts: &[&str]) {
        for part in parts {
            let (from, to) = (cell.home().join(part), self.path("home").join(part));
            if from.is_dir() {
                std::fs::remove_dir_all(&to).unwrap();
                std::fs::create_dir(&to).unwrap();
                copy_folder(&from, &to);
            } else {
                std::fs::copy(&from, &to).unwrap();
            }
        }
        self.owns();
    }

    /// Tries all that shows records or uses credentials. What came of it lies in the folder too.
    fn tries(&self) -> Vec<(String, Option<i32>)> {
        let stores = ["--store", "home/store", "--keys-store", "home/keys"];
        let key = ["--recovery-key-file", "recovery.key"];
        let from = ["init", "--from-store", "home/store", "--keys-store", "home/keys"];
        let mut ended = Vec::new();
        let mut one = |home: &str, words: &[&str]| {
            let answer = self.caretaker(home, words);
            let said = self.path(&format!("said-{}", ended.len()));
            std::fs::write(said, [&answer.stdout, answer.stderr.as_bytes()].concat()).unwrap();
            ended.push((words.join(" "), answer.code));
        };
        one("home", &["item", "show", "files", "customer", "1"]);
        one("home", &["item", "history", "files", "customer", "1"]);
        one("home", &["item", "list", "shop", "product"]);
        one("home", &["export", "files", "--out", "files"]);
        one("home", &["export", "shop", "--out", "shop"]);
        one("home", &["verify", "files", "--all-bytes"]);
        one("home", &["backup", "shop"]);
        one("home", &[&["recover"][..], &stores, &key, &["--out", "recovered"]].concat());
        one("again", &[&from[..], &key].concat());
        ended
    }

    /// Which secrets occur in anything in the folder.
    fn has<'s>(&self, secrets: &'s [Secret]) -> Vec<&'s str> {
        std::fs::remove_file(&self.program).unwrap();
        let has = |secret: &&Secret| !occurring(self.folder.path(), &secret.spellings).is_empty();
        let found = secrets.iter().filter(has).map(|secret| secret.name.as_str()).collect();
        std::fs::copy(env!("CARGO_BIN_EXE_caretaker"), &self.program).unwrap();
        found
    }
}

/// Whose record stands in the files.
const PERSON: &str = "yvaine.planted@example.com";

/// A cell with records of two platforms, and all that is secret about it.
fn with_secrets() -> (TestCell, Shop, Vec<Secret>) {
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::small());
    let title = "Twelve planted candles of Yvaine";
    shop.retitle(&shop.products()[0], title);
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    cell.ingest("files", "customer", format!("{{\"id\":\"1\",\"email\":\"{PERSON}\"}}\n")).succeeds();
    let file = |path: PathBuf| std::fs::read_to_string(path).unwrap().trim().to_owned();
    let mut secrets = vec![
        Secret::text("a person", PERSON),
        Secret::text("a product", title),
        Secret::text("the token", &shop.running.access_token),
        Secret::text("the passphrase", &file(cell.passphrase())),
    ];
    let lines =
        [("the recovery key", cell.recovery_key()), ("the operator key", cell.home().join("operator.key"))];
    for (name, path) in lines {
        // What a key file says of itself is no secret.
        let text = file(path);
        let longest = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/')
            .max_by_key(|word| word.len());
        secrets.push(Secret::text(name, longest.unwrap()));
    }
    let keys = keys(&cell).into_iter();
    secrets.extend(keys.map(|(name, key)| Secret { name, spellings: spellings_of_bytes(&key) }));
    assert!(secrets.len() >= 13, "{}", secrets.len());
    (cell, shop, secrets)
}

#[test]
fn who_has_the_catalog_or_the_stores_or_both_has_no_record_and_no_credential() {
    let (cell, shop, secrets) = with_secrets();
    for (what, parts) in [
        ("the catalog", &["catalog"][..]),
        ("the stores", &["store", "keys"]),
        ("the catalog and the stores", &["catalog", "store", "keys"]),
    ] {
        let thief = Nobody::new();
        thief.makes_a_cell();
        thief.puts(&cell, parts);
        let asked = shop.stats().requests;
        let ended = thief.tries();
        assert!(ended.iter().all(|(_, code)| !matches!(code, Some(0))), "{what}: {ended:?}");
        assert_eq!(thief.has(&secrets), Vec::<&str>::new(), "{what}");
        assert_eq!(shop.stats().requests, asked, "the store was not even asked");
        tell(&format!(
            "{what} stolen: {} ways tried, {} secrets looked for, none found",
            ended.len(),
            secrets.len()
        ));
    }

    // The control: whoever has all of it, and the passphrase, and the recovery key, has the records by each of these ways, and so
    // the search finds them. Nobody is ever shown a token or a key.
    let owner = Nobody::new();
    owner.makes_a_cell();
    owner.puts(&cell, &["catalog", "store", "keys", "vault", "trail", "cell.json", "operator.key"]);
    std::fs::copy(cell.passphrase(), owner.path("passphrase")).unwrap();
    std::fs::copy(cell.recovery_key(), owner.path("recovery.key")).unwrap();
    owner.owns();
    let ended = owner.tries();
    assert!(ended.iter().all(|(_, code)| *code == Some(0)), "{ended:?}");
    let found = owner.has(&secrets);
    assert_eq!(found, ["a person", "a product", "the passphrase", "the recovery key", "the operator key"]);
}

#[test]
fn who_is_the_same_user_reads_no_process_of_the_cell() {
    let user = Nobody::new();
    user.makes_a_cell();
    user.caretaker("home", &["connect", "jsonl", "files"]).succeeds();
    let script = user.path("peek.py");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/peek.py"), &script).unwrap();
    user.owns();
    let mut peek = user.runs(Path::new("/usr/bin/python3"));
    peek.arg(&script).arg(&user.program).args(["--json", "--dir", "home", "--passphrase-file", "passphrase"]);
    peek.args(["ingest", "files", "--kind", "thing", "--id", "/id", "-"]);
    let answer = Answer::from(peek.output().unwrap()).succeeds();
    let processes = answer.as_object().unwrap();
    assert_eq!(processes.len(), 6, "{processes:?}");
    for (name, ways) in processes {
        let ended: Vec<&str> = ways.as_object().unwrap().values().map(|how| how.as_str().unwrap()).collect();
        assert_eq!(ended.len(), 5);
        if name == "control" {
            assert!(ended.iter().all(|how| *how == "done"), "{ways}");
        } else {
            assert!(ended.iter().all(|how| ["EACCES", "EPERM"].contains(how)), "{name}: {ways}");
        }
    }
    let shown = user.caretaker("home", &["item", "show", "files", "thing", "1"]);
    assert_eq!(serde_json::from_slice::<Value>(&shown.stdout).unwrap()["id"], "1");
}
