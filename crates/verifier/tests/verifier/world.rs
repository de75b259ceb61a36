//! A published log in a folder of its own, made out of any entries, and the binary that looks at it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use domain::{AuditEvent, Operation, Outcome, Principal, Timestamp};
use tempfile::TempDir;
use trail::builder::Log;
use trail::checkpoint::Checkpoint;
use trail::event::{self, Place, Process};
use trail::note::{Scheme, Signer};
use trail::tile::{self, Tile};
use trail::tree::{self, Hash, Runs};

pub(crate) const ORIGIN: &str = "trail.example/1";
pub(crate) const WITNESS: &str = "vault.example/1";

pub(crate) fn log_signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, Scheme::Own, &[seed; 32]).unwrap()
}

pub(crate) fn witness_signer(seed: u8) -> Signer {
    Signer::from_seed(WITNESS, Scheme::Cosignature, &[seed; 32]).unwrap()
}

pub(crate) fn key(signer: &Signer) -> String {
    signer.verifier().to_string()
}

/// One event.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) source: &'static str,
    pub(crate) object: String,
    pub(crate) time: i64,
    pub(crate) clock_went_back: bool,
    pub(crate) began_anew: bool,
}

/// So many events, every third the vault's.
pub(crate) fn events(count: i64) -> Vec<Said> {
    let said = |at: i64| Said {
        source: if at % 3 == 0 { "vault" } else { "cell" },
        object: format!("default/shop-{at}"),
        time: 1_795_521_600 + at,
        clock_went_back: false,
        began_anew: false,
    };
    (0..count).map(said).collect()
}

/// The entries that tell of them, each naming the one before of its source.
pub(crate) fn entries(events: &[Said]) -> Vec<Vec<u8>> {
    let mut newest = std::collections::HashMap::new();
    let mut line = |said: &Said| {
        let (number, previous) = newest.get(said.source).copied().unwrap_or((0, None));
        let (clock_went_back, began_anew) = (said.clock_went_back, said.began_anew);
        let place = Place { number: number + 1, previous, clock_went_back, began_anew };
        let (operation, object) = (Operation::DataKeyOpen, said.object.clone());
        let event = AuditEvent::new(Principal("operator".into()), operation, object, Outcome::Done);
        let (process, time) = (Process { id: 7, user: 1000 }, Timestamp::from_second(said.time).unwrap());
        let line = event::line(&event, &said.source.parse().unwrap(), &place, process, time).unwrap();
        newest.insert(said.source, (place.number, Some(tree::leaf(&line))));
        line
    };
    events.iter().map(&mut line).collect()
}

/// A published log.
pub(crate) struct World {
    home: TempDir,
}

impl World {
    pub(crate) fn new(entries: &[Vec<u8>]) -> Self {
        let world = Self { home: tempfile::tempdir().unwrap() };
        world.publish(entries);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Writes a log anew out of these entries, signed by both, as somebody who has all keys would. Answers its checkpoint.
    pub(crate) fn publish(&self, entries: &[Vec<u8>]) -> String {
        if self.path("log").exists() {
            fs::remove_dir_all(self.path("log")).unwrap();
        }
        let mut log = Log::default();
        for (tile, bytes) in log.append(entries.iter().map(Vec::as_slice)).unwrap() {
            self.put(&format!("log/{tile}"), bytes);
        }
        let note = signed(log.size(), log.root());
        self.put("log/checkpoint", &note);
        note
    }

    /// A proof's hashes, from the log's tiles.
    pub(crate) fn hashes(&self, size: u64, runs: Runs) -> Vec<Hash> {
        let read = |tile: Tile| fs::read(self.path(&format!("log/{tile}"))).ok();
        trail::proof::hashes(runs, size, read).unwrap()
    }

    /// Runs the binary: how it ended, what it answered, what else it said. Both keys are given.
    pub(crate) fn run(&self, words: &[&str]) -> (i32, String, String) {
        let keys = [key(&log_signer(1)), key(&witness_signer(2))];
        self.run_with(&[words, &["--key", &keys[0], "--witness", &keys[1]]].concat())
    }

    /// The same, with these words alone.
    pub(crate) fn run_with(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caretaker-verify"));
        let done = command.args(words).current_dir(self.home.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    /// That it says yes.
    #[track_caller]
    pub(crate) fn accepted(&self, words: &[&str], answer: &str) {
        let (code, out, err) = self.run(words);
        assert_eq!((code, out.trim_end(), err.as_str()), (0, answer, ""), "{words:?}");
    }

    /// That it says no, and why.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str], whys: &[&str]) {
        let (code, out, err) = self.run(words);
        assert_eq!((code, out.as_str()), (4, ""), "{words:?}: {err}");
        for why in whys {
            assert!(err.contains(why), "{words:?}: {why}: {err}");
        }
    }
}

/// A checkpoint with both signatures.
pub(crate) fn signed(size: u64, root: Hash) -> String {
    let text = Checkpoint { origin: ORIGIN.to_owned(), size, root }.to_string();
    witness_signer(2).add(&log_signer(1).sign(&text, 0).unwrap(), 1_795_521_600).unwrap()
}

/// The checkpoint of a log of these entries.
pub(crate) fn checkpoint(entries: &[Vec<u8>]) -> String {
    let mut log = Log::default();
    log.append(entries.iter().map(Vec::as_slice)).unwrap();
    signed(log.size(), log.root())
}

/// An entry with one word in place of another.
pub(crate) fn edited(entry: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(entry).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    text.replace(from, to).into_bytes()
}

/// The hashes of a bundle's entries, as the bytes of a tile.
pub(crate) fn hashed(bundle: &[u8]) -> Vec<u8> {
    let hashes: Vec<_> = tile::entries(bundle).unwrap().into_iter().map(tree::leaf).collect();
    tile::to_bytes(&hashes)
}
