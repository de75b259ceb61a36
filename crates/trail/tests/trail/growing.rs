use std::fs;
use std::path::Path;

use domain::Clock as _;
use trail::checkpoint::Checkpoint;
use trail::event::Link;
use trail::tree::{self, leaf};

use crate::world::World;

/// Files below a folder, with their bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((
                    path.strip_prefix(folder).unwrap().display().to_string(),
                    fs::read(path).unwrap(),
                )),
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_log_grows_and_what_is_published_is_whole_at_every_size() {
    let world = World::new();
    assert!(world.take().unwrap().is_none(), "nothing happened yet");
    let mut known: Vec<Checkpoint> = Vec::new();
    for step in [1, 2, 253, 1, 300, 40, 1_000] {
        world.record("vault", step / 2).await;
        world.record("worker-jsonl", step - step / 2).await;
        let newest = world.publish().await.unwrap();
        let size = known.last().map_or(0, |last| last.size) + step;
        assert_eq!(newest.size, size);
        let (_, same) = world.take().unwrap().unwrap();
        assert_eq!(same, newest, "nothing is taken twice");

        // Whoever has what is published alone reads the same.
        let alone = trail::verify::Reader::new(
            &trail::head::Folder::new(world.path("elsewhere")),
            Some(world.published()),
            size,
        );
        let remembered: Vec<_> = known.iter().map(|known| ("another time", known.clone())).collect();
        for reader in [&world.reader(size), &alone] {
            let verified = trail::verify::verify(reader, &newest, &remembered, |_| {}).await.unwrap();
            assert_eq!((verified.entries, verified.findings), (size, Vec::new()));
            assert!(verified.sources.len() <= 2);
        }
        let mut verified = trail::verify::Verified::default();
        let folder = world.folder();
        trail::verify::verify_published(&folder, &world.published(), size, &mut verified).await.unwrap();
        assert_eq!(verified.findings, Vec::new());
        known.push(newest);
    }
    let local = files(&world.path("trail/log/tile"));
    assert!(
        local.len() <= 8,
        "what is published is not kept twice: {:?}",
        local.iter().map(|f| &f.0).collect::<Vec<_>>()
    );

    let last = known.last().unwrap();
    let reader = world.reader(last.size);
    for index in [0, 255, 256, last.size - 1] {
        let (first, entries) = reader.bundle(index).await.unwrap().unwrap();
        let entry = &entries[usize::try_from(index - first).unwrap()];
        let proof = reader.proof(tree::inclusion(index, last.size).unwrap()).await.unwrap().unwrap();
        assert!(tree::is_included(leaf(entry), index, last.size, last.root, &proof), "{index}");
    }
    for old in &known {
        let proof = reader.proof(tree::consistency(old.size, last.size).unwrap()).await.unwrap().unwrap();
        assert!(tree::is_consistent((old.size, old.root), (last.size, last.root), &proof), "{}", old.size);
    }
}

#[tokio::test]
async fn a_process_that_dies_while_it_takes_events_takes_each_once() {
    let world = World::new();
    world.record("vault", 300).await;
    world.take().unwrap();
    let before = files(&world.path("trail"));
    let seen = fs::read(world.path("witness/seen")).unwrap();
    world.record("vault", 300).await;
    let journal = files(&world.path("trail/journal"));
    let whole = world.take().unwrap().unwrap().1;
    let after = files(&world.path("trail/log"));

    // Tiles were written, `head.json` was not; or it was, and the witness was not asked.
    for (tiles, head, witnessed) in [(true, false, false), (true, true, false), (false, false, false)] {
        fs::remove_dir_all(world.path("trail")).unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = world.path("trail").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        before.iter().for_each(|(name, bytes)| put(name, bytes));
        journal.iter().for_each(|(name, bytes)| put(&format!("journal/{name}"), bytes));
        for (name, bytes) in &after {
            if (name.starts_with("tile") && tiles) || (name == "head.json" && head) {
                put(&format!("log/{name}"), bytes);
            }
        }
        if !witnessed {
            fs::write(world.path("witness/seen"), &seen).unwrap();
        }
        assert_eq!(world.take().unwrap().unwrap().1, whole);
        assert_eq!(world.findings(&[]).await, [""; 0]);
    }
}

#[tokio::test]
async fn several_processes_take_events_side_by_side() {
    let world = std::sync::Arc::new(World::new());
    let mut tasks = tokio::task::JoinSet::new();
    for source in ["server", "vault", "vault"] {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            for _ in 0..20 {
                world.record(source, 9).await;
                let taking = std::sync::Arc::clone(&world);
                tokio::task::spawn_blocking(move || taking.take().unwrap()).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let verified = world.verify(&[]).await;
    assert_eq!((verified.entries, verified.findings), (3 * 20 * 9, Vec::new()));
    let last: Vec<_> = verified.sources.values().map(|Link { id, .. }| id.to_string()).collect();
    assert_eq!(last, ["server-180", "vault-360"]);
}

#[tokio::test]
async fn what_is_new_is_published_after_ten_seconds_or_with_a_full_tile() {
    let world = World::new();
    let due = |size| trail::published::is_due(&world.folder(), size, world.clock.now()).unwrap();
    world.record("vault", 10).await;
    assert!(due(10));
    world.publish().await.unwrap();
    assert!(!due(10) && !due(255) && due(256));
    world.after(9);
    assert!(!due(11));
    world.after(1);
    assert!(due(11) && !due(10));
}

#[tokio::test]
async fn whoever_has_the_checkpoint_before_can_still_read_its_tiles_and_older_ones_are_deleted() {
    let world = World::new();
    let mut sizes = Vec::new();
    for step in [5, 7, 11, 13] {
        world.record("vault", step).await;
        sizes.push(world.publish().await.unwrap().size);
        world.publish().await.unwrap();
    }
    let there: Vec<_> =
        files(&world.path("store/trail/log/tile/0")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, sizes[2..].iter().map(|size| format!("000.p/{size}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_publish_side_by_side_and_what_is_published_never_falls_behind() {
    let world = std::sync::Arc::new(World::new());
    let mut tasks = tokio::task::JoinSet::new();
    for source in ["server", "vault", "worker-jsonl"] {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            for _ in 0..15 {
                world.record(source, 7).await;
                world.publish().await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let newest = world.publish().await.unwrap();
    assert_eq!(newest.size, 3 * 15 * 7);
    let note = world.published().checkpoint().await.unwrap().unwrap();
    assert_eq!(World::log_key().open(&note).unwrap().0.parse(), Ok(newest));
    assert_eq!(world.findings(&[]).await, [""; 0]);
}
