//! Whole logs: each attack with whatever keys its attacker would have, and beside it what is right.

use std::fs;

use trail::checkpoint::Checkpoint;

use crate::world::{World, checkpoint, edited, entries, events, hashed, log_signer, signed, witness_signer};

const LOG: &[&str] = &["log", "log"];
const SINCE: &[&str] = &["log", "log", "--since", "kept"];
const WHOLE: &str = "600 events, as they were signed";

/// A log of 600 events, with a checkpoint that somebody kept when it had 300.
fn world() -> (World, Vec<Vec<u8>>) {
    let all = entries(&events(600));
    let world = World::new(&all);
    world.put("kept", checkpoint(&all[..300]));
    world.accepted(LOG, WHOLE);
    world.accepted(SINCE, WHOLE);
    (world, all)
}

/// Replaces an object, looks, and puts it back.
#[track_caller]
fn spoiled(world: &World, name: &str, spoil: impl Fn(&mut Vec<u8>), whys: &[&str]) {
    let own = world.read(name);
    let mut other = own.clone();
    spoil(&mut other);
    assert_ne!(own, other);
    world.put(name, other);
    world.refused(LOG, whys);
    world.put(name, own);
}

#[test]
fn an_edited_event_is_found_where_it_stands() {
    let (world, _) = world();
    let name = "log/tile/entries/000";
    let edit = |bundle: &mut Vec<u8>| {
        let word = b"default/shop-77";
        let at = bundle.windows(word.len()).position(|window| window == word).unwrap();
        bundle[at + word.len() - 1] = b'8';
    };
    spoiled(&world, name, edit, &["event 77: it is not the one that was hashed", "was signed for"]);

    // With its tile made to fit: those above it, the root, and the next event of its source tell.
    let (bundle, tile) = (world.read(name), world.read("log/tile/0/000"));
    let mut other = bundle.clone();
    edit(&mut other);
    world.put("log/tile/0/000", hashed(&other));
    world.put(name, other);
    let whys = [
        "`tile/1/000.p/2` is missing, or does not follow",
        "was signed for",
        "event 79: cell-53 was made after another event",
    ];
    world.refused(LOG, &whys);
    world.put(name, bundle);
    world.put("log/tile/0/000", tile);
    world.accepted(LOG, WHOLE);
}

#[test]
fn an_edited_tile_is_found() {
    let (world, _) = world();
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 1;
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let add = |bytes: &mut Vec<u8>| bytes.push(0);
    spoiled(&world, "log/tile/0/001", flip(32 * 7), &["event 263: it is not the one that was hashed"]);
    spoiled(&world, "log/tile/0/002.p/88", flip(0), &["event 512: it is not the one that was hashed"]);
    for name in ["log/tile/0/000", "log/tile/0/002.p/88", "log/tile/entries/000", "log/tile/entries/002.p/88"]
    {
        let shown = &name[4..];
        spoiled(&world, name, cut, &[&format!("`{shown}` is missing or damaged")]);
        spoiled(&world, name, add, &[&format!("`{shown}` is missing or damaged")]);
        spoiled(&world, name, Vec::clear, &[&format!("`{shown}` is missing or damaged")]);
    }
    for spoil in [flip(33), flip(0)] {
        spoiled(&world, "log/tile/1/000.p/2", spoil, &["`tile/1/000.p/2` is missing, or does not follow"]);
    }
    spoiled(&world, "log/tile/1/000.p/2", cut, &["`tile/1/000.p/2` is missing, or does not follow"]);
    world.accepted(LOG, WHOLE);
}

#[test]
fn what_is_missing_is_named() {
    let (world, _) = world();
    for name in ["tile/entries/000", "tile/entries/002.p/88", "tile/0/001", "tile/1/000.p/2"] {
        let path = world.path(&format!("log/{name}"));
        let own = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        world.refused(LOG, &[&format!("`{name}` is missing")]);
        fs::write(&path, own).unwrap();
    }
    // Without the hashes too there is no place to go on from.
    fs::remove_file(world.path("log/tile/entries/000")).unwrap();
    fs::remove_file(world.path("log/tile/0/000")).unwrap();
    world.refused(
        LOG,
        &["`tile/0/000` is missing", "`tile/entries/000` is missing or damaged, and 256 events"],
    );
}

#[test]
fn dropped_moved_added_and_backdated_events_are_found_even_if_the_log_was_signed_again() {
    let (world, all) = world();
    let check = |entries: &[Vec<u8>], whys: &[&str]| {
        world.publish(entries);
        world.refused(LOG, whys);
        world.publish(&all);
        world.accepted(LOG, WHOLE);
    };
    let mut dropped = all.clone();
    dropped.remove(100);
    check(&dropped, &["event 100: cell-68 stands where cell-67 should"]);

    let mut moved = all.clone();
    moved.swap(200, 202);
    check(&moved, &["event 200: cell-135 stands where cell-134 should"]);

    let mut twice = all.clone();
    twice.insert(300, all[299].clone());
    check(&twice, &["event 300: cell-200 stands where cell-201 should"]);

    let mut backdated = all.clone();
    let said = events(600)[400].time;
    backdated[400] = edited(&all[400], &format!("\"time\":{said}"), &format!("\"time\":{}", said - 90));
    check(
        &backdated,
        &[
            "event 400: cell-267 is dated before the event that it follows",
            "event 401: cell-268 was made after another",
        ],
    );

    let mut first = all.clone();
    first[0] = edited(&all[0], "\"sequence\":1", "\"sequence\":2");
    check(&first, &["event 0: vault-2 stands where vault-1 should"]);

    let other_name = edited(&all[500], "\"log_name\":\"cell\"", "\"log_name\":\"CELL\"");
    for none in [&b"no event"[..], b"", b"{}", &other_name] {
        let mut put_in = all.clone();
        put_in[500] = none.to_vec();
        let next = "event 502: cell-335 stands where cell-334 should";
        check(&put_in, &["event 500: it is not an event", next]);
    }
}

#[test]
fn what_an_event_says_of_itself_is_told_and_is_no_damage() {
    let mut said = events(20);
    said[7].began_anew = true;
    said[9].time = 7;
    said[9].clock_went_back = true;
    let world = World::new(&entries(&said));
    let (code, out, err) = world.run(LOG);
    assert_eq!((code, out.as_str()), (0, "20 events, as they were signed\n"), "{err}");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(
        lines,
        [
            "caretaker-verify: notice: event 7: cell-5 says that its journal began anew: others may have been lost before it",
            "caretaker-verify: notice: event 9: vault-4 says that the clock had gone back",
        ]
    );
    said[9].clock_went_back = false;
    world.publish(&entries(&said));
    world.refused(LOG, &["event 9: vault-4 is dated before the event that it follows"]);
}

#[test]
fn a_log_that_was_cut_off_is_found_by_whoever_kept_a_checkpoint() {
    let (world, all) = world();
    // With every key, or with an old checkpoint and the tiles of that time, which nobody needs a key for.
    world.publish(&all[..250]);
    world.accepted(LOG, "250 events, as they were signed");
    world.refused(SINCE, &["the log was cut off: it has 250 events, and had 300"]);
    world.publish(&[]);
    world.accepted(LOG, "0 events, as they were signed");
    world.refused(SINCE, &["the log was cut off: it has 0 events, and had 300"]);
    world.publish(&all[..300]);
    world.accepted(SINCE, "300 events, as they were signed");
}

#[test]
fn a_log_that_was_written_anew_is_found_by_whoever_kept_a_checkpoint() {
    let (world, all) = world();
    let mut said = events(600);
    said[50].object = "default/another-shop".to_owned();
    let forked = entries(&said);
    world.publish(&forked);
    world.accepted(LOG, WHOLE);
    let rewritten = "the log was rewritten: its first 300 events are not those that were kept";
    world.refused(SINCE, &[rewritten]);
    // What was kept at the end, and at the beginning.
    world.put("kept", checkpoint(&all));
    world.refused(SINCE, &["its first 600 events"]);
    world.put("kept", checkpoint(&all[..51]));
    world.refused(SINCE, &["its first 51 events"]);
    for right in [checkpoint(&all[..50]), checkpoint(&[]), checkpoint(&forked[..51])] {
        world.put("kept", right);
        world.accepted(SINCE, WHOLE);
    }
    world.put("kept", signed(0, trail::tree::leaf(b"something")));
    world.refused(SINCE, &["its first 0 events"]);
}

#[test]
fn a_checkpoint_counts_only_with_the_keys_that_were_given() {
    let (world, all) = world();
    let mut log = trail::builder::Log::default();
    log.append(all.iter().map(Vec::as_slice)).unwrap();
    let text =
        |origin: &str| Checkpoint { origin: origin.to_owned(), size: 600, root: log.root() }.to_string();
    let own = text(crate::world::ORIGIN);
    let sign = |log: u8, witness: u8, text: &str| {
        witness_signer(witness).add(&log_signer(log).sign(text, 0).unwrap(), 5).unwrap()
    };
    let right = sign(1, 2, &own);
    let check = |note: &str, why: &str| {
        world.put("log/checkpoint", note);
        world.refused(LOG, &[why]);
        world.put("log/checkpoint", &right);
        world.accepted(LOG, WHOLE);
    };
    check(&sign(9, 2, &own), "it bears no signature of `trail.example/1`");
    check(&sign(1, 9, &own), "it bears no signature of `vault.example/1`");
    check(&log_signer(1).sign(&own, 0).unwrap(), "it bears no signature of `vault.example/1`");
    check(&witness_signer(2).sign(&own, 5).unwrap(), "it bears no signature of `trail.example/1`");
    check(&sign(1, 2, &text("trail.example/2")), "it is not a checkpoint of `trail.example/1`");
    check(&right.replacen("600", "599", 1), "the signature of `trail.example/1` does not hold");
    check(&right.replacen("\n\u{2014} ", "\n- ", 1), "it is not a signed note");
    check("", "it is not a signed note");

    // Whoever does not ask for the vault's signature gets along without.
    let key = crate::world::key(&log_signer(1));
    world.put("log/checkpoint", log_signer(1).sign(&own, 0).unwrap());
    let (code, out, err) = world.run_with(&["log", "log", "--key", &key]);
    assert_eq!((code, out.trim_end(), err.as_str()), (0, WHOLE, ""));
    world.put("log/checkpoint", &right);

    world.put("kept", sign(9, 2, &own));
    world.refused(SINCE, &["`kept`: it bears no signature of `trail.example/1`"]);
    world.put("kept", "nothing");
    world.refused(SINCE, &["`kept`: it is not a signed note"]);
    world.put("kept", log_signer(1).sign(&own, 0).unwrap());
    world.accepted(SINCE, WHOLE);
}

#[test]
fn a_log_is_also_checked_by_a_checkpoint_that_it_has_outgrown() {
    let (world, all) = world();
    let at = |file| ["log", "log", "--checkpoint", file];
    world.accepted(&at("kept"), "300 events, as they were signed");
    // The log goes on, and what was not full gives way to what is wider.
    world.put("early", checkpoint(&all[..520]));
    world.accepted(&at("early"), "520 events, as they were signed");
    world.put("later", checkpoint(&entries(&events(601))));
    world.refused(&at("later"), &["`tile/0/002.p/89` is missing", "`tile/entries/002.p/89` is missing"]);
    let mut said = events(300);
    said[299].object = "default/another-shop".to_owned();
    world.put("forked", checkpoint(&entries(&said)));
    world.refused(&at("forked"), &["the events are not those that the checkpoint was signed for"]);
}

#[test]
fn a_log_of_several_levels_of_tiles_is_checked_to_the_top() {
    let all = entries(&events(65_600));
    let world = World::new(&all);
    world.accepted(LOG, "65600 events, as they were signed");
    let names = ["tile/1/000", "tile/2/000.p/1"];
    for name in names.map(|name| format!("log/{name}")) {
        let mut bytes = world.read(&name);
        bytes[3] ^= 1;
        world.put(&name, bytes);
    }
    let whys = names.map(|name| format!("`{name}` is missing, or does not follow"));
    world.refused(LOG, &whys.each_ref().map(String::as_str));
}

#[test]
fn of_many_findings_the_first_are_told_and_the_others_counted() {
    let (world, all) = world();
    let none: Vec<Vec<u8>> = all.iter().map(|_| b"none".to_vec()).collect();
    world.publish(&none);
    let (code, _, err) = world.run(LOG);
    assert_eq!((code, err.lines().count()), (4, 101));
    assert!(err.ends_with("and 500 more\n"), "{err}");
}
