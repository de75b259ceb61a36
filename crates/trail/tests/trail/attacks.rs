//! Each attack is tried with whatever keys its attacker would have, and what finds it is named.

use std::fs;
use std::path::Path;

use trail::builder::Log;
use trail::checkpoint::Checkpoint;
use trail::published::PublishError;
use trail::tile;
use trail::witness::Vouches as _;

use crate::world::{ORIGIN, World};

/// A trail of 600 events, published and vouched for, with a checkpoint that somebody remembers of an earlier time.
async fn world() -> (World, Checkpoint) {
    let world = World::new();
    world.record("vault", 300).await;
    let remembered = world.publish().await.unwrap();
    world.after(60);
    world.record("vault", 300).await;
    world.publish().await.unwrap();
    assert_eq!(world.findings(&[("a remembered checkpoint", remembered.clone())]).await, [""; 0]);
    (world, remembered)
}

/// All entries of the log, as somebody with the files reads them.
async fn entries(world: &World, size: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let reader = world.reader(size);
    while let Some((_, entries)) = reader.bundle(u64::try_from(all.len()).unwrap()).await.unwrap() {
        all.extend(entries);
    }
    all
}

/// Writes a log anew out of these entries, everywhere, signed with the log's own key. What the witness remembers is out of
/// reach, or not.
fn write(world: &World, entries: &[Vec<u8>]) {
    for folder in ["trail/log/tile", "store/trail/log/tile"] {
        fs::remove_dir_all(world.path(folder)).unwrap();
    }
    let mut log = Log::default();
    let put = |path: &Path, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for (tile, bytes) in log.append(entries.iter().map(Vec::as_slice)).unwrap() {
        put(&world.path("trail/log").join(tile.to_string()), &bytes);
        put(&world.path("store/trail/log").join(tile.to_string()), &bytes);
    }
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: log.size(), root: log.root() };
    let note = World::signer(1).sign(&checkpoint.to_string(), 0).unwrap();
    put(&world.path("store/trail/log/checkpoint"), note.as_bytes());
    let path = world.path("trail/log/head.json");
    let mut head: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    head["checkpoint"] = note.into();
    put(&path, &serde_json::to_vec(&head).unwrap());
}

/// An entry with one word in place of another of the same length.
fn edited(entry: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(entry).unwrap();
    assert!(text.contains(from), "{text}");
    text.replace(from, to).into_bytes()
}

#[tokio::test]
async fn an_edited_event_is_found_where_it_stands() {
    let (world, _) = world().await;
    let path = world.path("store/trail/log/tile/entries/000");
    let mut bundle = fs::read(&path).unwrap();
    let word = b"default/shop-77";
    let at = bundle.windows(word.len()).position(|window| window == word).unwrap();
    bundle[at + word.len() - 1] = b'8';
    fs::write(&path, bundle).unwrap();
    let found = world.verify(&[]).await.findings;
    assert!(
        found.iter().any(|found| found.index == Some(77) && found.what.contains("was changed")),
        "{found:?}"
    );

    // With its tile made to fit, with those above, and without any key.
    let entries =
        tile::entries(&fs::read(&path).unwrap()).unwrap().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
    let hashes: Vec<_> = entries.iter().map(|entry| trail::tree::leaf(entry)).collect();
    fs::write(world.path("store/trail/log/tile/0/000"), tile::to_bytes(&hashes)).unwrap();
    let found = world.findings(&[]).await;
    assert!(found.iter().any(|found| found.contains("tile/1/000")), "{found:?}");
    assert!(found.iter().any(|found| found.contains("checkpoint was signed for")), "{found:?}");
    assert!(found.iter().any(|found| found.contains("vault-79 does not follow")), "{found:?}");
}

#[tokio::test]
async fn dropped_moved_and_backdated_events_are_found_even_if_the_log_was_signed_again() {
    let (world, _) = world().await;
    let all = entries(&world, 600).await;
    let check = async |entries: &[Vec<u8>], expected: &str| {
        write(&world, entries);
        let found = world.findings(&[]).await;
        assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:?}");
    };
    let mut dropped = all.clone();
    dropped.remove(100);
    check(&dropped, "vault-102 stands where vault-101 should").await;

    let mut moved = all.clone();
    moved.swap(200, 201);
    check(&moved, "vault-202 stands where vault-201 should").await;

    let mut backdated = all.clone();
    let time =
        |entry: &[u8]| serde_json::from_slice::<serde_json::Value>(entry).unwrap()["time"].as_i64().unwrap();
    let (old, earlier) = (time(&all[400]), time(&all[400]) - 90_000);
    backdated[400] = edited(&all[400], &format!("\"time\":{old}"), &format!("\"time\":{earlier}"));
    check(&backdated, "vault-401 is dated before the event that it follows").await;
    check(&backdated, "vault-402 does not follow from the event before it").await;

    write(&world, &all);
    assert_eq!(world.findings(&[]).await, [""; 0], "what was put back is whole");
}

#[tokio::test]
async fn a_trail_that_was_cut_off_or_written_anew_is_found_by_whoever_remembers() {
    let (world, remembered) = world().await;
    let all = entries(&world, 600).await;
    let remembered = [("a remembered checkpoint", remembered)];

    // With every key of the log and every file but the witness's: the last hours never happened.
    write(&world, &all[..250]);
    let found = world.findings(&[]).await;
    assert_eq!(found, [""; 0], "nothing in what remains tells");
    let found = world.findings(&remembered).await;
    assert_eq!(found, ["the trail was cut off: it has 250 events, and had 300 by a remembered checkpoint"]);
    let refused = world.take().unwrap_err();
    assert!(refused.is_damage() && refused.to_string().contains("cut off"), "{refused}");

    // One event of long ago reads otherwise, and all after it follow from it.
    let mut forged: Vec<Vec<u8>> = Vec::new();
    for (at, entry) in all.iter().enumerate() {
        let entry =
            if at == 50 { edited(entry, "default/shop-50", "default/shop-51") } else { entry.clone() };
        let previous = |entry: &Vec<u8>| trail::tree::leaf(entry).to_string();
        forged.push(match at {
            51.. => edited(&entry, &previous(&all[at - 1]), &previous(&forged[at - 1])),
            _ => entry,
        });
    }
    write(&world, &forged);
    assert_eq!(world.findings(&[]).await, [""; 0], "nothing in what remains tells");
    let found = world.findings(&remembered).await;
    assert_eq!(
        found,
        ["the trail was rewritten: its first 300 events are not those of a remembered checkpoint"]
    );
    let refused = world.take().unwrap_err();
    assert!(refused.is_damage() && refused.to_string().contains("rewritten"), "{refused}");
    let witnessed = world.witness().remembered().unwrap().unwrap().1;
    let found = world.findings(&[("the vault", witnessed)]).await;
    assert_eq!(found, ["the trail was rewritten: its first 600 events are not those of the vault"]);
}

#[tokio::test]
async fn a_trail_that_was_signed_with_another_key_is_refused() {
    let (world, _) = world().await;
    let path = world.path("trail/log/head.json");
    let mut head: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let text = World::log_key().open(head["checkpoint"].as_str().unwrap().as_bytes()).unwrap().0.to_owned();
    head["checkpoint"] = World::signer(9).sign(&text, 0).unwrap().into();
    let own = fs::read(&path).unwrap();
    fs::write(&path, serde_json::to_vec(&head).unwrap()).unwrap();
    assert!(world.take().unwrap_err().is_damage());
    fs::write(&path, own).unwrap();
    world.take().unwrap();
}

#[tokio::test]
async fn what_is_published_cannot_fall_behind_or_say_otherwise() {
    let (world, _) = world().await;
    let path = world.path("store/trail/log/checkpoint");
    let own = fs::read(&path).unwrap();
    let all = entries(&world, 600).await;
    let mut log = Log::default();
    log.append(all[..500].iter().map(Vec::as_slice)).unwrap();
    let signed = |size, root| {
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root };
        World::signer(1).sign(&checkpoint.to_string(), 0).unwrap()
    };
    world.record("vault", 1).await;

    fs::write(&path, signed(500, log.root())).unwrap();
    let refused = world.publish().await.unwrap_err();
    assert!(matches!(refused, PublishError::Shorter { found: 500, known: 600 }), "{refused}");
    fs::write(&path, signed(600, log.root())).unwrap();
    let refused = world.publish().await.unwrap_err();
    assert!(matches!(refused, PublishError::Rewritten(600)), "{refused}");
    fs::write(&path, signed(700, log.root())).unwrap();
    let refused = world.publish().await.unwrap_err();
    assert!(matches!(refused, PublishError::Longer { found: 700, known: 601 }), "{refused}");
    fs::write(&path, World::signer(9).sign("trail.example\n1\nx\n", 0).unwrap()).unwrap();
    assert!(matches!(world.publish().await.unwrap_err(), PublishError::Checkpoint(_)));
    fs::remove_file(&path).unwrap();
    let refused = world.publish().await.unwrap_err();
    assert!(matches!(refused, PublishError::Shorter { found: 0, known: 600 }), "{refused}");
    fs::write(&path, own).unwrap();
    assert_eq!(world.publish().await.unwrap().size, 601);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (world, _) = world().await;
    for name in ["tile/entries/000", "tile/0/000"] {
        let path = world.path("store/trail/log").join(name);
        let own = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let found = world.findings(&[]).await;
        assert!(found.iter().any(|found| found.contains(name)), "{found:?}");
        fs::write(&path, own).unwrap();
    }
    assert_eq!(world.findings(&[]).await, [""; 0]);
}
