//! Proofs as texts, right ones and others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use trail::proof;
use trail::tree;

use crate::world::{World, checkpoint, entries, events, key, log_signer, signed, witness_signer};

const PROOF: &[&str] = &["proof", "proof"];
const GROWN: &[&str] = &["grown", "proof", "--since", "kept"];

/// A log of 600 events.
fn world() -> (World, Vec<Vec<u8>>, String) {
    let all = entries(&events(600));
    let world = World::new(&all);
    let note = String::from_utf8(world.read("log/checkpoint")).unwrap();
    (world, all, note)
}

fn included(world: &World, all: &[Vec<u8>], index: u64, note: &str) -> String {
    let hashes = world.hashes(600, tree::inclusion(index, 600).unwrap());
    proof::included(index, &all[usize::try_from(index).unwrap()], &hashes, note)
}

#[test]
fn each_event_is_shown_if_it_is_proven() {
    let (world, all, note) = world();
    for index in [0, 1, 255, 256, 511, 512, 598, 599] {
        world.put("proof", included(&world, &all, index, &note));
        let event = std::str::from_utf8(&all[usize::try_from(index).unwrap()]).unwrap();
        world.accepted(PROOF, event);
    }
    // The only event of a log needs no hash.
    let alone = &all[..1];
    world.put("proof", proof::included(0, &alone[0], &[], &checkpoint(alone)));
    world.accepted(PROOF, std::str::from_utf8(&alone[0]).unwrap());
}

#[test]
fn a_proof_of_another_place_or_event_is_refused() {
    let (world, all, note) = world();
    let right = included(&world, &all, 77, &note);
    let check = |other: &str, why: &str| {
        assert_ne!(other, right);
        world.put("proof", other);
        world.refused(PROOF, &[why]);
        world.put("proof", &right);
        world.accepted(PROOF, std::str::from_utf8(&all[77]).unwrap());
    };
    let nowhere = |index: u64| format!("the event is not at place {index} of the log that was signed");
    for index in [76, 78, 0, 599, 600, u64::MAX] {
        check(&right.replacen("index 77", &format!("index {index}"), 1), &nowhere(index));
    }
    let extra = |entry: &[u8]| format!("extra {}", STANDARD.encode(entry));
    check(&right.replacen(&extra(&all[77]), &extra(&all[78]), 1), &nowhere(77));
    let edited = crate::world::edited(&all[77], "shop-77", "shop-78");
    check(&right.replacen(&extra(&all[77]), &extra(&edited), 1), &nowhere(77));
    let other = included(&world, &all, 78, &note);
    check(&other.replacen(&extra(&all[78]), &extra(&all[77]), 1), &nowhere(78));

    let lines: Vec<_> = right.lines().collect();
    for (from, to) in [(3, 4), (4, 3)] {
        let mut moved = lines.clone();
        moved[from] = lines[to];
        check(&(moved.join("\n") + "\n"), &nowhere(77));
    }
    check(&right.replacen(&format!("{}\n", lines[3]), "", 1), &nowhere(77));
    check(&right.replacen(lines[3], &format!("{0}\n{0}", lines[3]), 1), &nowhere(77));

    let none = "it is not such a proof";
    check(&right.replacen("@v1", "@v2", 1), none);
    check(&right.replacen("index 77", "index 077", 1), none);
    check(&right.replacen("index 77", "index -77", 1), none);
    check(&right.replacen(lines[3], &lines[3][..40], 1), none);
    check(&right.replacen(lines[3], &format!("{}\n", lines[3]).repeat(65), 1), none);
    check(&right.replacen(&extra(&all[77]), "extra !", 1), none);
    check(&right.replacen("\n\n", "\n", 2), none);
    check("", none);
    check(&format!("{}{right}", "x".repeat(1 << 20)), none);
    check(&right.replacen(&format!("{}\n", extra(&all[77])), "", 1), "it does not bring the event along");
}

#[test]
fn a_proof_counts_only_under_a_checkpoint_that_does() {
    let (world, all, note) = world();
    let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let sign = |log: u8, witness: u8| {
        witness_signer(witness).add(&log_signer(log).sign(&text, 0).unwrap(), 5).unwrap()
    };
    let own = log_signer(1).sign(&text, 0).unwrap();
    for (note, why) in [
        (sign(9, 2), "it bears no signature of `trail.example/1`"),
        (sign(1, 9), "it bears no signature of `vault.example/1`"),
        (own.clone(), "it bears no signature of `vault.example/1`"),
        (sign(1, 2).replacen("600", "601", 1), "the signature of `trail.example/1` does not hold"),
    ] {
        world.put("proof", included(&world, &all, 9, &note));
        world.refused(PROOF, &[why]);
    }
    world.put("proof", included(&world, &all, 9, &sign(1, 2)));
    world.accepted(PROOF, std::str::from_utf8(&all[9]).unwrap());
    world.put("proof", included(&world, &all, 9, &own));
    let (code, out, _) = world.run_with(&["proof", "proof", "--key", &key(&log_signer(1))]);
    assert_eq!((code, out.trim_end().as_bytes()), (0, &all[9][..]));
}

#[test]
fn what_is_in_the_log_and_no_event_is_not_shown() {
    let world = World::new(&[b"\x1b[2Jno event".to_vec()]);
    world.put(
        "proof",
        proof::included(
            0,
            b"\x1b[2Jno event",
            &[],
            &String::from_utf8(world.read("log/checkpoint")).unwrap(),
        ),
    );
    world.refused(PROOF, &["is in the log and is not an event"]);
}

#[test]
fn that_a_log_grew_is_proven_from_each_size() {
    let (world, all, note) = world();
    for old in [1, 2, 255, 256, 300, 512, 599, 600] {
        let hashes = world.hashes(600, tree::consistency(old, 600).unwrap());
        world.put("proof", proof::grown(old, &hashes, &note));
        world.put("kept", checkpoint(&all[..usize::try_from(old).unwrap()]));
        world.accepted(GROWN, &format!("600 events, grown out of {old}"));
    }
    world.put("proof", proof::grown(0, &[], &note));
    world.put("kept", checkpoint(&[]));
    world.accepted(GROWN, "600 events, grown out of 0");
}

#[test]
fn that_a_log_grew_is_not_believed_where_it_was_rewritten_or_cut_off() {
    let (world, all, note) = world();
    let hashes = world.hashes(600, tree::consistency(300, 600).unwrap());
    let (right, kept) = (proof::grown(300, &hashes, &note), checkpoint(&all[..300]));
    let check = |proof: &str, kept_then: &str, why: &str| {
        world.put("proof", proof);
        world.put("kept", kept_then);
        world.refused(GROWN, &[why]);
        world.put("proof", &right);
        world.put("kept", &kept);
        world.accepted(GROWN, "600 events, grown out of 300");
    };
    let rewritten = "the log of 600 events did not grow out of the 300 that the kept checkpoint tells of";
    let mut said = events(600);
    said[50].object = "default/another-shop".to_owned();
    let forked = entries(&said);
    check(&right, &checkpoint(&forked[..300]), rewritten);
    // Its own proof, in the log that was written anew.
    let anew = World::new(&forked);
    let anew_hashes = anew.hashes(600, tree::consistency(300, 600).unwrap());
    check(&proof::grown(300, &anew_hashes, &checkpoint(&forked)), &kept, rewritten);
    check(&proof::grown(300, &hashes[1..], &note), &kept, rewritten);
    check(&proof::grown(300, &[&hashes[..], &hashes[..1]].concat(), &note), &kept, rewritten);
    check(&proof::grown(300, &[], &note), &kept, rewritten);

    check(
        &right.replacen("old 300", "old 299", 1),
        &kept,
        "it is about a log of 299 events, and the checkpoint that was kept tells of 300",
    );
    check(
        &right,
        &checkpoint(&all[..299]),
        "about a log of 300 events, and the checkpoint that was kept tells of 299",
    );
    let shorter = proof::grown(300, &[], &checkpoint(&all[..250]));
    check(&shorter, &kept, "the log of 250 events did not grow out of the 300");
    let same_size = proof::grown(300, &[], &checkpoint(&forked[..300]));
    check(&same_size, &kept, "the log of 300 events did not grow out of the 300");
    check(
        &proof::grown(300, &hashes, &log_signer(1).sign("trail.example/1\n600\n", 0).unwrap()),
        &kept,
        "no signature of `vault.example/1`",
    );
    let (text, _) = log_signer(1).verifier().open(note.as_bytes()).unwrap();
    check(
        &proof::grown(300, &hashes, &log_signer(9).sign(text, 0).unwrap()),
        &kept,
        "no signature of `trail.example/1`",
    );
    let (text, _) = log_signer(1).verifier().open(kept.as_bytes()).unwrap();
    check(
        &right,
        &log_signer(9).sign(text, 0).unwrap(),
        "`kept`: it bears no signature of `trail.example/1`",
    );
    check(&right, "nothing", "`kept`: it is not a signed note");
    check(&right.replacen("old", "new", 1), &kept, "it is not such a proof");
    check(&signed(600, tree::leaf(b"")), &kept, "it is not such a proof");
}
