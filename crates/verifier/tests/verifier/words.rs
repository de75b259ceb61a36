//! What is said to the binary, and how it ends.

use std::fs;

use crate::world::{World, checkpoint, entries, events, key, log_signer, witness_signer};

#[test]
fn words_that_are_not_understood_end_with_2() {
    let all = entries(&events(3));
    let world = World::new(&all);
    world.put("kept", checkpoint(&all[..1]));
    let (log, witness) = (key(&log_signer(1)), key(&witness_signer(2)));
    let (log, witness) = (log.as_str(), witness.as_str());
    let right = ["log", "log", "--key", log, "--witness", witness, "--since", "kept"];
    assert_eq!(world.run_with(&right).0, 0);
    let reordered = ["log", "--since", "kept", "--witness", witness, "log", "--key", log];
    assert_eq!(world.run_with(&reordered).0, 0);
    for (words, why) in [
        (&[][..], "say what is to be checked"),
        (&["logs"], "say what is to be checked"),
        (&["log"], "--key is missing"),
        (&["log", "log"], "--key is missing"),
        (&["log", "--key", log], "what is to be checked is missing"),
        (&["log", "log", "--key"], "`--key` lacks what belongs behind it"),
        (&["log", "log", "log", "--key", log], "`log` is one file too many"),
        (&["log", "log", "--key", log, "--key", log], "`--key` is given twice"),
        (&["log", "log", "--key", log, "--json"], "`--json` is no option here"),
        (&["log", "log", "--key", witness], "behind --key stands no key"),
        (&["log", "log", "--key", log, "--witness", log], "behind --witness stands no key"),
        (&["log", "log", "--key", "trail.example/1"], "behind --key stands no key"),
        (&["proof", "kept", "--key", log, "--since", "kept"], "`--since` is no option here"),
        (&["grown", "kept", "--key", log, "--checkpoint", "kept"], "`--checkpoint` is no option here"),
        (&["grown", "kept", "--key", log], "--since is missing"),
    ] {
        let (code, out, err) = world.run_with(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains(why), "{words:?}: {err}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let world = World::new(&[]);
    for (word, said) in
        [("--help", "caretaker-verify log DIR --key LOGKEY"), ("--version", "caretaker-verify ")]
    {
        let (code, out, err) = world.run_with(&[word]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains(said) && out.ends_with('\n'), "{out}");
    }
}

#[test]
fn what_cannot_be_read_ends_with_1() {
    let world = World::new(&entries(&events(3)));
    world.accepted(&["log", "log"], "3 events, as they were signed");
    let key = key(&log_signer(1));
    for words in [
        &["log", "nowhere"][..],
        &["log", "log", "--since", "nowhere"],
        &["log", "log", "--checkpoint", "nowhere"],
        &["proof", "nowhere"],
        &["proof", "log"],
        &["grown", "nowhere", "--since", "log/checkpoint"],
    ] {
        let (code, out, err) = world.run_with(&[words, &["--key", &key]].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{words:?}: {err}");
    }
    let tile = world.path("log/tile/0/000.p/3");
    fs::remove_file(&tile).unwrap();
    fs::create_dir(&tile).unwrap();
    let (code, out, err) = world.run(&["log", "log"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
}
