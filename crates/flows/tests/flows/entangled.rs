//! Restores, their undos, erasures and a store's owner that get in each other's way.

use std::time::Duration;

use catalog::StepState;
use domain::{Action, Clock as _, Ids as _};
use flows::error::ErrorKind;
use flows::live::{LiveDiff, diff_live};
use flows::restore::{LEDGER, Limits, RestoreProgress, RestoreReport, SealedEntry, Selection};
use sandbox::shopify::{Fault, Plan, Settings};
use serde_json::{Value, json};

use crate::doubles::Silent;
use crate::resuming::{
    CREATE, DELETE, WITH_PAGES, WITHOUT_PAGES, edit, empty, interrupt, page, pages, plan_pages,
    sealed_ledger, titles, to_be_undone,
};
use crate::world::{World, problems, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_was_itself_undone_stands_in_nobodys_way() {
    let mut world = World::new(47).await;
    for (name, fault) in [("shop-1", "503:pageUpdate@1+"), ("shop-2", "503:pageDelete@2+")] {
        let restore = to_be_undone(&mut world, name).await.restore;
        let restored = titles(&world, name);
        let shop = world.shop(name);
        shop.set_faults(Fault::parse_list(fault).unwrap());
        assert_eq!(world.undo(restore).await.unwrap_err().kind(), ErrorKind::Unavailable, "{fault}");
        shop.set_faults(Vec::new());
        let undo = world.restores(name).await.pop().unwrap().id;
        let redone = world.undo(undo).await.unwrap();
        assert!(redone.complete, "{fault}: {:#?}", problems(&redone));
        assert_eq!(titles(&world, name), restored, "{fault}");
        let undone = world.undo(restore).await.unwrap();
        assert!(undone.complete && undone.restore != undo, "{fault}: {:#?}", problems(&undone));
        let spoilt = titles(&world, name);
        assert!(spoilt.len() == 2 && spoilt.iter().all(|one| one.ends_with("\"spoilt\"")), "{spoilt:?}");
        // The control: what is undone by now is undone once.
        assert_eq!(world.undo(restore).await.unwrap_err().kind(), ErrorKind::Conflict, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_makes_where_the_restore_was_refused_is_not_the_restores_own() {
    let mut world = World::new(48).await;
    let ids = pages(&mut world, "shop", 24).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        world.owner("shop", DELETE, json!({"id": id})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let shop = world.shop("shop");
    shop.set_access(WITHOUT_PAGES, true);
    interrupt(&world, &plan, "503:pageCreate@25+").await;
    shop.set_access(WITH_PAGES, true);
    let row = world.restores("shop").await.pop().unwrap();
    let steps = world.cell.catalog.steps(&tenant(), row.id).await.unwrap();
    let refused = steps.iter().rev().find(|(_, state)| **state == StepState::Refused).unwrap().0;
    let place = ids.iter().position(|id| refused.contains(&format!(" {id} "))).unwrap();
    let (title, handle) = (format!("Page {place}"), format!("page-{place}"));
    let mine = json!({"page": {"title": title, "handle": handle, "body": "mine"}});
    world.owner("shop", CREATE, mine).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    assert_eq!(titles(&world, "shop").len(), 24, "none twice");
    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    // The control: what the restore made is gone.
    assert_eq!(titles(&world, "shop"), [format!("\"{title}\": \"mine\"")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_does_not_go_on_while_its_undo_is_under_way() {
    let mut world = World::new(49).await;
    let ids = pages(&mut world, "shop", 12).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let spoilt = titles(&world, "shop");
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@6+").await;
    let restore = world.restores("shop").await.pop().unwrap().id;
    let shop = world.shop("shop");
    shop.set_faults(Fault::parse_list("503:pageUpdate@2+").unwrap());
    assert_eq!(world.undo(restore).await.unwrap_err().kind(), ErrorKind::Unavailable);
    shop.set_faults(Vec::new());
    let before = world.dump("shop");
    let refused = world.apply(&plan).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert!(refused.to_string().contains(&format!("restore undo {restore}")), "{refused}");
    assert_eq!(world.dump("shop"), before);
    // What undoes that undo goes before it likewise.
    let undo = world.restores("shop").await.pop().unwrap().id;
    shop.set_faults(Fault::parse_list("503:pageUpdate@1+").unwrap());
    assert_eq!(world.undo(undo).await.unwrap_err().kind(), ErrorKind::Unavailable);
    shop.set_faults(Vec::new());
    assert_eq!(world.undo(restore).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(world.dump("shop"), before);
    assert!(world.undo(undo).await.unwrap().complete);
    // The control.
    let undone = world.undo(restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!(titles(&world, "shop"), spoilt);
    assert!(world.apply(&plan).await.unwrap().complete, "it is a restore of its own now");
}

/// A shop with people and pages: its customers, and its pages.
async fn pages_and_people(world: &mut World, name: &str, many: usize) -> (Vec<String>, Vec<String>) {
    let settings = Settings {
        customers: 2,
        orders: 0,
        products: 0,
        content: false,
        plan: Plan::PointsPerSecond(50),
        ..Settings::default()
    };
    world.open(name, settings).await;
    let mut ids = Vec::new();
    for number in 0..many {
        let page = json!({"page": {"title": format!("Page {number}"), "body": "good"}});
        let made = world.owner(name, CREATE, page).await;
        ids.push(made["pageCreate"]["page"]["id"].as_str().unwrap().to_owned());
    }
    let people = world.dump(name)["Customer"].as_object().unwrap().keys().cloned().collect();
    (people, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_goes_on_after_an_erasure_has_no_undo() {
    let mut world = World::new(50).await;
    let (people, ids) = pages_and_people(&mut world, "shop", 8).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@4+").await;
    let restore = world.restores("shop").await.pop().unwrap().id;
    crate::erased::erase(&world, domain::SubjectId(format!("customer/{}", people[0]).into())).await;
    // Twice interrupted since: what was saved anew is no more whole than at first.
    interrupt(&world, &plan, "503:pageUpdate@1+").await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete && report.restore == restore, "{:#?}", problems(&report));
    let before = world.dump("shop");
    let refused = world.undo(restore).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("Nothing was put back"), "{refused}");
    assert_eq!(world.dump("shop"), before);
    // The control: one that began after the erasure.
    edit(&world, "shop", &ids[0], json!({"body": "spoilt"})).await;
    let report = world.restore(&plan.ask).await;
    assert!(world.undo(report.restore).await.unwrap().complete);
    assert_eq!(page(&world, "shop", &ids[0]).1, "spoilt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_an_erasure_stops_says_that_some_was_put_back() {
    let mut world = World::new(51).await;
    let (people, ids) = pages_and_people(&mut world, "shop", 8).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let report = world.apply(&plan).await.unwrap();
    let shop = world.shop("shop");
    shop.set_faults(Fault::parse_list("503:pageUpdate@4+").unwrap());
    assert_eq!(world.undo(report.restore).await.unwrap_err().kind(), ErrorKind::Unavailable);
    shop.set_faults(Vec::new());
    crate::erased::erase(&world, domain::SubjectId(format!("customer/{}", people[0]).into())).await;
    let refused = world.undo(report.restore).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("than before the undo was interrupted"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_saved_items_are_torn_does_not_go_on() {
    let mut world = World::new(52).await;
    let ids = pages(&mut world, "shop", 6).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@2+").await;
    let restore = world.restores("shop").await.pop().unwrap().id;
    let head = sealed_at(&world, &format!("restore-{restore}{}", repository::SAVED));
    let aside = world.cell.dir.join("aside");
    std::fs::rename(&head, &aside).unwrap();
    let before = world.dump("shop");
    let stopped = world.apply(&plan).await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Integrity, "{stopped}");
    assert_eq!(world.undo(restore).await.unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(world.dump("shop"), before);
    std::fs::rename(&aside, &head).unwrap();
    assert!(world.apply(&plan).await.unwrap().complete);
}

/// Where the newest of a sealed state's versions lies.
fn sealed_at(world: &World, name: &str) -> std::path::PathBuf {
    let folder = world.cell.dir.join("keys/t/shopify/default/shop/state").join(name);
    let versions = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    versions.max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_of_a_restores_own_is_saved_and_goes_with_it() {
    let mut world = World::new(53).await;
    let ids = pages(&mut world, "shop", 24).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        world.owner("shop", DELETE, json!({"id": id})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageCreate@6+").await;
    let restore = world.restores("shop").await.pop().unwrap().id;
    let made = world.ids("shop", "shop").await;
    assert!(made.len() > 1, "{made:?}");
    let mine = made.values().next().unwrap();
    edit(&world, "shop", mine, json!({"body": "mine"})).await;
    assert_eq!(saved(&world, restore).await.iter().filter(|one| !one["live"].is_null()).count(), 0);
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete && report.created == 24, "{:#?}", problems(&report));
    assert_eq!(page(&world, "shop", mine).1, "good", "as the plan said");
    let saved = saved(&world, restore).await;
    let edited: Vec<&Value> = saved.iter().filter(|one| one["own"] == json!(true)).collect();
    // The control: what nobody edited is not written again, and not saved again.
    assert!(edited.len() == 1 && edited[0]["live_id"] == json!(mine), "{edited:#?}");
    assert!(edited[0]["live"].to_string().contains("mine"), "{edited:#?}");
    let undone = world.undo(restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!((undone.deleted, titles(&world, "shop").len()), (24, 0));
}

/// What a restore saved.
async fn saved(world: &World, restore: domain::Id128) -> Vec<Value> {
    let scope = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap().scope;
    let grant = world.cell.grant(&scope, &[Action::Restore], "test").await.unwrap();
    let repository = world.cell.repository(&scope);
    let mut saved = Vec::new();
    for name in repository.state_names(&format!("restore-{restore}-0")).await.unwrap() {
        if name.ends_with(repository::SAVED) {
            let text = repository.state(&grant, Action::Restore, &name).await.unwrap().unwrap();
            saved.extend(serde_json::from_slice::<Vec<Value>>(&text).unwrap());
        }
    }
    saved
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_id_ledger_is_written_anew_and_holds_nothing_else() {
    let mut world = World::new(54).await;
    let ids = pages(&mut world, "shop", 20).await;
    let at = world.back_up("shop").await;
    for id in &ids[1..] {
        world.owner("shop", DELETE, json!({"id": id})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let small = Limits { piece_len: 700, ids_open_max: 3 };
    assert!(flows::restore::apply_within(&world.cell, &plan, small, &Silent).await.unwrap().complete);
    let known = async |world: &World| -> Vec<SealedEntry> {
        let known = world.cell.catalog.ledger(&tenant(), &"shop".parse().unwrap()).await.unwrap();
        known.into_iter().map(SealedEntry::from).collect()
    };
    // The control: what is whole grows.
    world.owner("shop", DELETE, json!({"id": ids[0]})).await;
    world.restore(&plan.ask).await;
    assert_eq!(sealed_ledger(&world, "shop").await, known(&world).await);
    let lost = sealed_at(&world, &format!("{LEDGER}-00000001"));
    std::fs::remove_dir_all(lost.parent().unwrap()).unwrap();
    assert_ne!(sealed_ledger(&world, "shop").await, known(&world).await);
    for _ in 0..2 {
        let page = world.dump("shop")["Page"].as_object().unwrap().keys().next().unwrap().clone();
        world.owner("shop", DELETE, json!({"id": page})).await;
        world.restore(&plan.ask).await;
        assert_eq!(sealed_ledger(&world, "shop").await, known(&world).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_made_has_no_id_and_does_not_count() {
    let mut world = World::new(55).await;
    let ids = pages(&mut world, "from", 2).await;
    world.open("to", Settings { seed: 77, ..empty() }).await;
    let at = world.back_up("from").await;
    for id in &ids {
        world.owner("from", DELETE, json!({"id": id})).await;
    }
    for to in ["from", "to"] {
        world.shop(to).set_access(WITHOUT_PAGES, true);
        let plan = plan_pages(&world, "from", to, Selection::At(at)).await;
        let report = world.apply(&plan).await.unwrap();
        assert!(!report.complete && problems(&report).len() == 2, "{report:#?}");
        assert_eq!(report.created, 0, "{to}");
        assert!(report.items.iter().all(|item| item.new_id.is_none()), "{report:#?}");
        // The control.
        world.shop(to).set_access(WITH_PAGES, true);
        let report = world.restore(&plan.ask).await;
        assert_eq!(report.created, 2, "{to}");
        for item in &report.items {
            assert!(world.dump(to)["Page"].get(item.new_id.as_deref().unwrap()).is_some(), "{item:?}");
        }
    }
}

/// A shop two of whose pages are gone, and the restore that made them; then one of these is deleted, and another restore
/// makes it again.
async fn made_twice(world: &mut World, from: &str, to: &str) -> [RestoreReport; 2] {
    let ids = pages(world, from, 2).await;
    let at = world.back_up(from).await;
    if from == to {
        for id in &ids {
            world.owner(from, DELETE, json!({"id": id})).await;
        }
    } else {
        world.open(to, Settings { seed: 77, ..empty() }).await;
    }
    let plan = plan_pages(world, from, to, Selection::At(at)).await;
    let first = world.restore(&plan.ask).await;
    world.owner(to, DELETE, json!({"id": first.items[0].new_id})).await;
    let second = world.restore(&plan.ask).await;
    assert_eq!((first.created, second.created), (2, 1));
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_takes_away_what_its_own_restore_made() {
    let mut world = World::new(56).await;
    for (n, (from, to)) in [("shop", "shop"), ("from", "to")].into_iter().enumerate() {
        for newest_first in [false, true] {
            let name = |name: &str| format!("{name}-{n}-{newest_first}");
            let (from, to) = (name(from), name(to));
            let [first, second] = made_twice(&mut world, &from, &to).await;
            if newest_first {
                assert_eq!(world.undo(second.restore).await.unwrap().deleted, 1, "{to}");
                assert_eq!(titles(&world, &to).len(), 1, "{to}");
            }
            let undone = world.undo(first.restore).await.unwrap();
            assert!(undone.complete, "{to}: {:#?}", problems(&undone));
            assert_eq!((undone.deleted, undone.skipped), (1, 1), "{to}");
            assert_eq!(titles(&world, &to).len(), usize::from(!newest_first), "{to}");
            if !newest_first {
                // The control.
                assert_eq!(world.undo(second.restore).await.unwrap().deleted, 1, "{to}");
            }
            assert_eq!(titles(&world, &to), [""; 0], "{to}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_makes_nothing_that_another_restore_has_made_since() {
    let mut world = World::new(57).await;
    for (n, (from, to)) in [("shop", "shop"), ("from", "to")].into_iter().enumerate() {
        for newest_first in [false, true] {
            let name = |name: &str| format!("{name}-{n}-{newest_first}");
            let (from, to) = (name(from), name(to));
            let ids = pages(&mut world, &from, 1).await;
            let at = world.back_up(&from).await;
            let plan = if from == to {
                plan_pages(&world, &from, &to, Selection::At(at)).await
            } else {
                world.open(&to, Settings { seed: 77, ..empty() }).await;
                let plan = plan_pages(&world, &from, &to, Selection::At(at)).await;
                world.restore(&plan.ask).await;
                plan
            };
            let there = world.ids(&from, &to).await.get(&ids[0]).cloned().unwrap_or_else(|| ids[0].clone());
            edit(&world, &to, &there, json!({"body": "spoilt"})).await;
            let first = world.restore(&plan.ask).await;
            world.owner(&to, DELETE, json!({"id": there})).await;
            let second = world.restore(&plan.ask).await;
            assert_eq!((first.updated, second.created), (1, 1), "{to}");
            if newest_first {
                assert!(world.undo(second.restore).await.unwrap().complete, "{to}");
                assert_eq!(titles(&world, &to), [""; 0], "{to}");
            }
            let undone = world.undo(first.restore).await.unwrap();
            assert!(undone.complete, "{to}: {:#?}", problems(&undone));
            // The control: what nobody made since, it makes.
            assert_eq!((undone.created, undone.updated), if newest_first { (1, 0) } else { (0, 1) }, "{to}");
            assert_eq!(titles(&world, &to), ["\"Page 0\": \"spoilt\""], "{to}");
            let redone = world.undo(undone.restore).await.unwrap();
            assert!(redone.complete, "{to}: {:#?}", problems(&redone));
            let good = ["\"Page 0\": \"good\""];
            assert_eq!(titles(&world, &to), if newest_first { &good[..0] } else { &good[..] }, "{to}");
        }
    }
}

/// Takes the shop's lease from whoever holds it, while they go on.
struct Rival<'a>(&'a World);

impl RestoreProgress for Rival<'_> {
    fn advanced(&self, _: &str, _: u64, _: u64, _: Option<Duration>) {
        let World { cell, .. } = self.0;
        let request = catalog::LeaseRequest {
            holder: cell.rng.next_id(),
            seen_generation: 0,
            now: cell.clock.now(),
            ttl: Duration::from_secs(60),
        };
        let name = "shop".parse().unwrap();
        let (handle, tenant) = (tokio::runtime::Handle::current(), tenant());
        let seized = cell.catalog.seize_lease(&tenant, &name, request);
        tokio::task::block_in_place(|| handle.block_on(seized)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_ended_says_so_whatever_becomes_of_its_lease() {
    let mut world = World::new(58).await;
    let ids = pages(&mut world, "shop", 1).await;
    let at = world.back_up("shop").await;
    edit(&world, "shop", &ids[0], json!({"body": "spoilt"})).await;
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let rival = Rival(&world);
    // The control: it is a lease that cannot be given back.
    let scope = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap().scope;
    let held = world.cell.lease(&scope).await.unwrap();
    rival.advanced("", 0, 0, None);
    assert_eq!(world.cell.release(held).await.unwrap_err().kind(), ErrorKind::Conflict);
    let report = flows::restore::apply(&world.cell, &plan, &rival).await.unwrap();
    assert!(report.complete && page(&world, "shop", &ids[0]).1 == "good");
    let undone = flows::restore::undo(&world.cell, &tenant(), report.restore, &rival).await.unwrap();
    assert!(undone.complete && page(&world, "shop", &ids[0]).1 == "spoilt");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_restore_put_aside_goes_with_the_next_comparison() {
    let mut world = World::new(59).await;
    pages(&mut world, "shop", 1).await;
    let at = world.back_up("shop").await;
    let scratch = world.cell.dir.join("scratch/shopify");
    std::fs::create_dir_all(&scratch).unwrap();
    let (left, held) = (scratch.join("restore-left"), scratch.join("restore-held"));
    std::fs::write(&left, b"").unwrap();
    // The control: what somebody has is not taken from them.
    let lock = std::fs::File::create(&held).unwrap();
    lock.lock().unwrap();
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let ask = LiveDiff { connection: &connection, from: &at.0.to_string(), kind: None, full: false };
    diff_live(&world.cell, &ask, &Silent).await.unwrap();
    assert!(!left.exists() && held.exists());
}

/// Lets files look as if they had been written so many days ago.
fn age(world: &World, files: impl IntoIterator<Item = std::path::PathBuf>, days: u64) {
    let now = u64::try_from(world.clock.now().as_second()).unwrap();
    let at = std::time::UNIX_EPOCH + Duration::from_secs(now - days * 86_400);
    for file in files {
        std::fs::File::options().append(true).open(file).unwrap().set_modified(at).unwrap();
    }
}

/// All that is sealed of a restore.
fn sealed_of(world: &World, restore: domain::Id128) -> Vec<std::path::PathBuf> {
    let folder = world.cell.dir.join("keys/t/shopify/default/shop/state");
    let mine = |name: &str| name.starts_with(&format!("restore-{restore}"));
    let names =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let versions =
        |name: String| std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|name| mine(name)).flat_map(versions).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_overwrote_is_kept_for_its_time_and_no_longer() {
    let mut world = World::new(55).await;
    let ids = pages(&mut world, "shop", 12).await;
    let at = world.back_up("shop").await;
    let mut restores = Vec::new();
    for body in ["spoilt", "spoilt again"] {
        for id in &ids {
            edit(&world, "shop", id, json!({"body": body})).await;
        }
        let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
        let small = Limits { piece_len: 700, ids_open_max: 3 };
        let report = flows::restore::apply_within(&world.cell, &plan, small, &Silent).await.unwrap();
        assert!(report.complete && report.updated == 12, "{:#?}", problems(&report));
        restores.push(report);
    }
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let grace = Duration::from_secs(3_600);
    let [old, new] = [restores[0].restore, restores[1].restore];
    let saved_of = async |restore| saved(&world, restore).await.len();
    let days = flows::restore::KEPT.as_secs() / 86_400;

    // What is a day younger than that stays; so does what was saved since, however old the rest is.
    for restore in [old, new] {
        age(&world, sealed_of(&world, restore), days - 1);
    }
    flows::retention::collect(&world.cell, &connection, grace).await.unwrap();
    assert_eq!((saved_of(old).await, saved_of(new).await), (12, 12));
    for restore in [old, new] {
        age(&world, sealed_of(&world, restore), days + 1);
    }
    age(&world, [sealed_at(&world, &format!("restore-{new}-000000{}", repository::SAVED))], 1);
    let collected = flows::retention::collect(&world.cell, &connection, grace).await.unwrap();
    assert!(collected.deleted > 2 && collected.bytes > 0, "{collected:?}");
    assert_eq!((saved_of(old).await, saved_of(new).await), (0, 12));

    let before = world.dump("shop");
    let refused = world.undo(old).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("90 days"), "{refused}");
    assert_eq!(world.dump("shop"), before);
    assert_eq!(
        flows::restore::show(&world.cell, &tenant(), old).await.unwrap(),
        restores[0],
        "the report stays"
    );
    assert!(world.undo(new).await.unwrap().complete);
    assert_eq!(page(&world, "shop", &ids[3]).1, "spoilt again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_has_ended_leaves_what_it_overwrote_its_report_and_its_ids() {
    let mut world = World::new(56).await;
    let ids = pages(&mut world, "shop", 4).await;
    let at = world.back_up("shop").await;
    edit(&world, "shop", &ids[0], json!({"body": "spoilt"})).await;
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@1+").await;
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let names = async || world.cell.repository(&connection.scope).state_names("restore-").await.unwrap();
    assert!(names().await.iter().any(|name| name.ends_with("-so-far")), "{:?}", names().await);
    let restore = world.apply(&plan).await.unwrap().restore;
    let left =
        ["000000-before", "000000-report", "before", "report"].map(|end| format!("restore-{restore}-{end}"));
    assert_eq!(names().await, left);
}
