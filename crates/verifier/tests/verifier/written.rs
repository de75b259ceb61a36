//! What the trail really writes, from events on: journals of two sources, taken into the log, vouched for and published.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{AuditEvent, AuditSink as _, Clock, Operation, Outcome, Principal, Timestamp};
use futures::future::BoxFuture;
use object_store::local::LocalFileSystem;
use trail::head::Folder;
use trail::journal::Journal;
use trail::published::{self, Published};
use trail::sequencer::Sequencer;
use trail::verify::Reader;
use trail::witness::Witness;
use trail::{proof, tree};

use crate::world::{World, log_signer, witness_signer};

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_521_600).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Records events and publishes the log. Answers its checkpoint and its size.
async fn go_on(home: &Path, count: usize) -> (String, u64) {
    let folder = Folder::new(home.join("trail"));
    for source in ["vault", "cell"] {
        let journal = Journal::open(&folder, source.parse().unwrap(), Arc::new(Still)).unwrap();
        for number in 0..count {
            let (who, object) = (Principal("operator".into()), format!("default/\u{202e}shop-{number}"));
            let event = AuditEvent::new(who, Operation::DataKeyOpen, object, Outcome::Done);
            journal.note(event).await.unwrap();
        }
    }
    let key = log_signer(1).verifier().clone();
    let (sequencer, now) = (Sequencer::new(folder.clone(), log_signer(1)), Still.now());
    let witness = Witness::new(witness_signer(2), key.clone(), home.join("witness/seen"));
    sequencer.take(now).unwrap().unwrap();
    let (note, newest) = sequencer.have_witnessed(&witness, now).unwrap().unwrap();
    published::publish((&folder, &folder), &store(home), (&note, &newest), &key, now).await.unwrap();
    (note, newest.size)
}

fn store(home: &Path) -> Published {
    Published::new(Arc::new(LocalFileSystem::new_with_prefix(home.join("store")).unwrap()), "log")
}

#[tokio::test]
async fn what_the_trail_publishes_and_proves_is_accepted() {
    let world = World::new(&[]);
    let home = world.path("");
    std::fs::create_dir(home.join("store")).unwrap();
    let (early, old) = go_on(&home, 100).await;
    let (note, size) = go_on(&home, 200).await;
    assert_eq!((old, size), (200, 600));
    world.put("kept", &early);
    let log = ["log", "store/trail/log"];
    world.accepted(&[&log[..], &["--since", "kept"]].concat(), "600 events, as they were signed");
    world.accepted(&[&log[..], &["--checkpoint", "kept"]].concat(), "200 events, as they were signed");

    let reader = Reader::new(&Folder::new(home.join("trail")), Some(store(&home)), size);
    let (first, bundle) = reader.bundle(333).await.unwrap().unwrap();
    let entry = &bundle[usize::try_from(333 - first).unwrap()];
    let hashes = reader.proof(tree::inclusion(333, size).unwrap()).await.unwrap().unwrap();
    world.put("proof", proof::included(333, entry, &hashes, &note));
    let (code, out, err) = world.run(&["proof", "proof"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("\\u202eshop") && !out.contains('\u{202e}'), "{out}");
    let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
    assert_eq!(read(out.as_bytes()), read(entry));

    let hashes = reader.proof(tree::consistency(old, size).unwrap()).await.unwrap().unwrap();
    world.put("proof", proof::grown(old, &hashes, &note));
    world.accepted(&["grown", "proof", "--since", "kept"], "600 events, grown out of 200");
}
