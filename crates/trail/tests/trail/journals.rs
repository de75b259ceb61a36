use std::fs;

use domain::{AuditSink as _, Clock as _, Operation, Outcome};
use trail::event::Source;
use trail::head::Folder;
use trail::journal::{BringError, Brought, Outgoing};

use crate::world::{World, event};

/// The lines of a source's journal.
fn lines(world: &World, source: &str) -> Vec<String> {
    let folder = world.path("trail/journal").join(source);
    let mut pieces: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pieces.retain(|piece| piece.extension().is_some_and(|extension| extension == "jsonl"));
    pieces.sort();
    pieces
        .iter()
        .flat_map(|piece| fs::read_to_string(piece).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_several_writers_of_one_journal_are_one_chain() {
    let world = World::new();
    let journals = [world.journal("vault"), world.journal("vault"), world.journal("vault")];
    let events =
        (0..300_u64).map(|number| journals[usize::try_from(number % 3).unwrap()].record(event(number)));
    futures::future::try_join_all(events).await.unwrap();
    assert_eq!(lines(&world, "vault").len(), 300);
    drop(journals);
    assert!(world.take().unwrap().is_some());
    let verified = world.verify(&[]).await;
    assert_eq!((verified.entries, verified.findings), (300, Vec::new()));
}

#[tokio::test]
async fn an_event_is_there_once_it_was_answered_and_what_was_noted_no_later_than_that() {
    let world = World::new();
    let journal = world.journal("vault");
    journal.note(event(1)).await.unwrap();
    journal.note(event(2)).await.unwrap();
    journal.record(event(3)).await.unwrap();
    let objects: Vec<_> = lines(&world, "vault")
        .iter()
        .map(|line| line.split("shop-").nth(1).unwrap()[..1].to_owned())
        .collect();
    assert_eq!(objects, ["1", "2", "3"]);
    journal.note(event(4)).await.unwrap();
    drop(journal);
    assert_eq!(lines(&world, "vault").len(), 4, "a journal that ends leaves nothing behind");
}

#[tokio::test]
async fn what_a_process_died_on_is_no_event_and_the_chain_goes_on() {
    let world = World::new();
    world.record("vault", 2).await;
    let piece = world.path("trail/journal/vault/00000000000000000001.jsonl");
    // Also so much that the last event is not among the bytes that are looked at first.
    for (left, events) in [(0, 3), (1 << 17, 4), (1 << 20, 5)] {
        let mut bytes = fs::read(&piece).unwrap();
        bytes.extend_from_slice(b"{\"metadata\":{\"ver");
        bytes.resize(bytes.len() + left, b'a');
        fs::write(&piece, bytes).unwrap();
        world.record("vault", 1).await;
        assert_eq!(lines(&world, "vault").len(), events);
    }
    assert_eq!(world.findings(&[]).await, [""; 0]);
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_refuses_and_what_was_noted_is_not_lost_unnoticed() {
    let world = World::new();
    let journal = world.journal("vault");
    journal.record(event(1)).await.unwrap();
    let folder = world.path("trail/journal/vault");
    let aside = world.path("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "in its way").unwrap();
    assert!(journal.record(event(2)).await.is_err());
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    journal.record(event(3)).await.unwrap();

    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "in its way").unwrap();
    journal.note(event(4)).await.unwrap();
    assert!(journal.record(event(5)).await.is_err());
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert!(journal.record(event(6)).await.is_err(), "event 4 was lost: nothing goes on after that");
    drop(journal);
    world.record("vault", 1).await;
    assert_eq!(world.findings(&[]).await, [""; 0]);
}

#[tokio::test]
async fn pieces_that_the_log_has_are_deleted_and_the_numbers_go_on() {
    let world = World::new();
    let journal = world.journal("vault");
    let long = || event(0).with_detail("x".repeat(4_000));
    for _ in 0..5 {
        futures::future::try_join_all((0..500).map(|_| journal.record(long()))).await.unwrap();
    }
    let pieces = || fs::read_dir(world.path("trail/journal/vault")).unwrap().count() - 1;
    assert!(pieces() > 1, "{}", pieces());
    world.take().unwrap();
    assert_eq!(pieces(), 1);
    journal.record(long()).await.unwrap();
    world.take().unwrap();
    let verified = world.verify(&[]).await;
    assert_eq!((verified.entries, verified.findings), (2_501, Vec::new()));
}

#[tokio::test]
async fn a_clock_that_goes_back_is_told() {
    let world = World::new();
    world.record("vault", 1).await;
    world.set_clock(world.clock.now() - std::time::Duration::from_secs(3_600));
    world.record("vault", 1).await;
    world.after(7_200);
    world.record("vault", 1).await;
    let verified = world.verify(&[]).await;
    assert_eq!(verified.findings, Vec::new());
    let told: Vec<_> = verified.notices.iter().map(|notice| (notice.index, notice.what.as_str())).collect();
    assert_eq!(told, [(Some(1), "the clock had gone back at vault-2")]);
}

#[tokio::test]
async fn a_journal_that_was_lost_begins_anew_and_says_so() {
    let world = World::new();
    world.record("vault", 3).await;
    world.take().unwrap();
    fs::remove_dir_all(world.path("trail/journal")).unwrap();
    world.record("vault", 2).await;
    let verified = world.verify(&[]).await;
    assert_eq!((verified.entries, verified.findings), (5, Vec::new()));
    let told: Vec<_> = verified.notices.iter().map(|notice| notice.what.as_str()).collect();
    assert_eq!(told, ["the journal of vault began anew at vault-4: events before it may have been lost"]);
}

#[tokio::test]
async fn a_journal_that_was_put_back_from_an_older_copy_is_refused_until_it_is_moved_away() {
    let world = World::new();
    world.record("vault", 3).await;
    let piece = world.path("trail/journal/vault/00000000000000000001.jsonl");
    let old = fs::read(&piece).unwrap();
    world.record("vault", 3).await;
    world.take().unwrap();
    fs::write(&piece, old).unwrap();
    let refused = world.journal("vault").record(event(1)).await.unwrap_err().to_string();
    assert!(refused.contains("older copy"), "{refused}");
    let refused = world.take().unwrap_err();
    assert!(refused.is_damage() && refused.to_string().contains("older copy"), "{refused}");

    fs::rename(world.path("trail/journal/vault"), world.path("moved")).unwrap();
    world.record("vault", 1).await;
    let verified = world.verify(&[]).await;
    assert_eq!((verified.entries, verified.findings, verified.notices.len()), (7, Vec::new(), 1));
}

#[tokio::test]
async fn refusals_stand_on_the_record_like_all_else() {
    let world = World::new();
    let journal = world.journal("vault");
    let mut refused = event(1).with_detail("not the operator key");
    (refused.operation, refused.outcome) = (Operation::SignIn, Outcome::Refused);
    journal.record(refused).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&lines(&world, "vault")[0]).unwrap();
    assert_eq!((&line["status_code"], &line["severity_id"]), (&"refused".into(), &3.into()));
    assert_eq!(line["metadata"]["uid"], "vault-1");
}

/// A journal that lies on another host than the log, and is brought there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_another_host_is_brought_whole_and_once() {
    let (here, there) = (World::new(), World::new());
    let (here_trail, there_trail) = (Folder::new(here.path("trail")), Folder::new(there.path("trail")));
    let source: Source = "worker-shopify-0a1b2c3d".parse().unwrap();
    let mut brought = Brought::new(&here_trail, source.clone());
    assert_eq!(brought.reached().unwrap(), 0);
    there.record("worker-shopify-0a1b2c3d", 3).await;
    let lines = Outgoing::new(&there_trail, &source).after(0).unwrap();
    assert_eq!(brought.bring(&lines).unwrap(), 3);
    assert_eq!(brought.bring(&lines).unwrap(), 3, "what is there already is passed over");
    there.record("worker-shopify-0a1b2c3d", 2).await;
    // By whoever has read before, from where that was; and by whoever has not.
    let mut outgoing = Outgoing::new(&there_trail, &source);
    assert_eq!(outgoing.after(0).unwrap(), Outgoing::new(&there_trail, &source).after(0).unwrap());
    there.record("worker-shopify-0a1b2c3d", 1).await;
    assert_eq!(outgoing.after(5).unwrap(), Outgoing::new(&there_trail, &source).after(5).unwrap());
    assert_eq!((outgoing.after(6).unwrap(), outgoing.after(2).unwrap().is_empty()), (Vec::new(), false));
    // Also by another process than before, to which more is brought than it needs.
    let mut brought = Brought::new(&here_trail, source.clone());
    assert_eq!(brought.bring(&Outgoing::new(&there_trail, &source).after(1).unwrap()).unwrap(), 6);
    assert_eq!(lines_of(&here), lines_of(&there));
    assert_eq!(Outgoing::new(&there_trail, &source).after(6).unwrap(), b"");
    // And the log takes them, which needs them in the journal no more.
    here.record("vault", 1).await;
    assert_eq!(here.findings(&[]).await, [""; 0]);
    assert_eq!(Brought::new(&here_trail, source).reached().unwrap(), 6);
}

fn lines_of(world: &World) -> Vec<String> {
    lines(world, "worker-shopify-0a1b2c3d")
}

#[tokio::test]
async fn what_is_no_part_of_a_journal_is_not_brought() {
    let (here, there) = (World::new(), World::new());
    let (here_trail, there_trail) = (Folder::new(here.path("trail")), Folder::new(there.path("trail")));
    let (own, other): (Source, Source) = ("worker-a".parse().unwrap(), "worker-b".parse().unwrap());
    there.record("worker-a", 3).await;
    there.record("worker-b", 3).await;
    let good = Outgoing::new(&there_trail, &own).after(0).unwrap();
    let foreign = Outgoing::new(&there_trail, &other).after(0).unwrap();
    let first = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut brought = Brought::new(&here_trail, own);
    let without_the_second = {
        let second = first + good[first..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        [&good[..first], &good[second..]].concat()
    };
    for wrong in [
        foreign.as_slice(),
        b"no event\n",
        b"\n",
        &good[..good.len() - 1],
        &[&good[first..], &good[..first]].concat(),
        &without_the_second,
    ] {
        assert!(matches!(brought.bring(wrong), Err(BringError::Foreign(_))));
        assert_eq!(brought.reached().unwrap(), 0, "nothing of it is there");
    }
    assert_eq!(brought.bring(&good).unwrap(), 3);
}

#[tokio::test]
async fn events_that_are_missing_on_the_way_show_in_the_log() {
    let (here, there) = (World::new(), World::new());
    let (here_trail, there_trail) = (Folder::new(here.path("trail")), Folder::new(there.path("trail")));
    let source: Source = "worker-a".parse().unwrap();
    there.record("worker-a", 5).await;
    let mut brought = Brought::new(&here_trail, source.clone());
    let all = Outgoing::new(&there_trail, &source).after(0).unwrap();
    let first = all.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert_eq!(brought.bring(&all[..first]).unwrap(), 1);
    assert_eq!(brought.bring(&Outgoing::new(&there_trail, &source).after(3).unwrap()).unwrap(), 5);
    let findings = here.findings(&[]).await;
    assert!(
        !findings.is_empty() && findings.iter().any(|finding| finding.contains("worker-a")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn what_was_brought_is_deleted_but_for_the_piece_that_is_gone_on_with() {
    let world = World::new();
    let (trail, source): (Folder, Source) = (Folder::new(world.path("trail")), "worker-a".parse().unwrap());
    let pieces = || fs::read_dir(world.path("trail/journal/worker-a")).unwrap().count() - 1;
    // Pieces of so many events that there are several.
    let journal = world.journal("worker-a");
    let record = |number| journal.record(domain::AuditEvent { detail: "a".repeat(4_000), ..event(number) });
    for batch in 0..5 {
        futures::future::try_join_all((0..600).map(|number| record(batch * 600 + number))).await.unwrap();
    }
    assert!(pieces() >= 3, "{}", pieces());
    let all = pieces();
    let mut outgoing = Outgoing::new(&trail, &source);
    outgoing.forget(3_000).unwrap();
    assert_eq!(pieces(), all, "nobody can have what was not read");
    let mut read = 0;
    loop {
        let lines = outgoing.after(read).unwrap();
        if lines.is_empty() {
            break;
        }
        read += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    outgoing.forget(0).unwrap();
    assert_eq!(pieces(), all);
    outgoing.forget(3_000).unwrap();
    assert_eq!(pieces(), 1);
    journal.record(event(1)).await.unwrap();
    let last = String::from_utf8(Outgoing::new(&trail, &source).after(3_000).unwrap()).unwrap();
    assert!(last.contains("\"sequence\":3001") && last.lines().count() == 1);
}

#[tokio::test]
async fn a_journal_that_was_put_back_from_an_older_copy_is_told_and_not_brought_as_known() {
    let there = World::new();
    let (folder, source) = (there.folder(), "worker-a".parse::<Source>().unwrap());
    let journal = folder.journals().join("worker-a");
    let kept = there.path("kept");
    there.record("worker-a", 3).await;
    copy(&journal, &kept);
    there.record("worker-a", 2).await;
    assert_eq!(Outgoing::new(&folder, &source).after(5).unwrap(), b"", "five are there");
    assert!(Outgoing::new(&folder, &source).after(6).is_err());
    fs::remove_dir_all(&journal).unwrap();
    copy(&kept, &journal);
    there.record("worker-a", 1).await;
    let told = Outgoing::new(&folder, &source).after(5).unwrap_err().to_string();
    assert!(told.contains("ends at event 4, and 5 of it were brought"), "{told}");
    fs::remove_dir_all(&journal).unwrap();
    assert!(Outgoing::new(&folder, &source).after(5).is_err());
    assert_eq!(Outgoing::new(&folder, &source).after(0).unwrap(), b"");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
