//! Restores and undos that were interrupted go on, or are taken back, and nothing that somebody did meanwhile is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use catalog::StepState;
use connectors::contract::PlanAction;
use domain::{Action, SnapshotNumber};
use flows::error::ErrorKind;
use flows::restore::{LEDGER, Limits, RestoreProgress, RestoreReport, SealedEntry, Selection};
use sandbox::shopify::{Fault, Plan, Settings};
use serde_json::{Value, json};

use crate::doubles::Silent;
use crate::killed::{killed_at, killed_when, quiet};
use crate::world::{World, problems, tenant};

pub(crate) const CREATE: &str =
    "mutation($page: PageCreateInput!) { pageCreate(page: $page) { page { id } userErrors { message } } }";
const UPDATE: &str = "mutation($id: ID!, $page: PageUpdateInput!) { pageUpdate(id: $id, page: $page) { userErrors { message } } }";
pub(crate) const DELETE: &str = "mutation($id: ID!) { pageDelete(id: $id) { userErrors { message } } }";
/// Everything but the leave to write pages.
pub(crate) const WITHOUT_PAGES: &[&str] =
    &["read_content", "write_products", "write_online_store_navigation"];
pub(crate) const WITH_PAGES: &[&str] = &["write_content", "write_products", "write_online_store_navigation"];

/// A shop whose budget gives work to few items at a time.
pub(crate) fn empty() -> Settings {
    Settings { plan: Plan::PointsPerSecond(50), ..Settings::empty() }
}

/// A shop with so many pages.
pub(crate) async fn pages(world: &mut World, name: &str, many: usize) -> Vec<String> {
    world.open(name, empty()).await;
    let mut ids = Vec::new();
    for number in 0..many {
        let page = json!({"page": {"title": format!("Page {number}"), "body": "good"}});
        let made = world.owner(name, CREATE, page).await;
        ids.push(made["pageCreate"]["page"]["id"].as_str().unwrap().to_owned());
    }
    ids
}

pub(crate) async fn edit(world: &World, name: &str, id: &str, page: Value) {
    world.owner(name, UPDATE, json!({"id": id, "page": page})).await;
}

pub(crate) async fn plan_pages(
    world: &World,
    from: &str,
    to: &str,
    selection: Selection,
) -> flows::restore::Plan {
    let mut ask = World::ask(from, to, selection);
    ask.kinds = vec!["page".parse().unwrap()];
    world.plan(&ask).await
}

pub(crate) fn page(world: &World, name: &str, id: &str) -> (String, String) {
    let row = &world.dump(name)["Page"][id];
    (
        row["title"].as_str().unwrap_or_default().to_owned(),
        row["body"].as_str().unwrap_or_default().to_owned(),
    )
}

pub(crate) fn titles(world: &World, name: &str) -> Vec<String> {
    let dump = world.dump(name);
    let rows = dump["Page"].as_object().into_iter().flatten();
    let mut titles: Vec<String> = rows.map(|(_, row)| format!("{}: {}", row["title"], row["body"])).collect();
    titles.sort();
    titles
}

/// Applies the plan until the platform fails, after so many updates.
pub(crate) async fn interrupt(world: &World, plan: &flows::restore::Plan, fault: &str) {
    let shop = world.shop(plan.ask.target.as_str());
    shop.set_faults(Fault::parse_list(fault).unwrap());
    let failed = world.apply(plan).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "{failed}");
    shop.set_faults(Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_edits_between_two_applies_is_left_or_comes_back() {
    let mut world = World::new(31).await;
    let ids = pages(&mut world, "shop", 12).await;
    let (left, spoilt) = ids.split_first().unwrap();
    let at = world.back_up("shop").await;
    for id in spoilt {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@3+").await;
    let reached = spoilt.iter().filter(|id| page(&world, "shop", id).1 == "good").count();
    assert!(reached > 0 && reached < spoilt.len(), "{reached}");
    // One that was done, one that was not, and one that the plan leaves alone.
    let done = spoilt.iter().find(|id| page(&world, "shop", id).1 == "good").unwrap();
    let open = spoilt.iter().find(|id| page(&world, "shop", id).1 == "spoilt").unwrap();
    for id in [done, open, left] {
        edit(&world, "shop", id, json!({"title": "Mine"})).await;
    }
    edit(&world, "shop", left, json!({"body": "mine"})).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    assert_eq!((report.updated, report.skipped), (11, 1));
    let mine = ("Mine".to_owned(), "mine".to_owned());
    assert_eq!(page(&world, "shop", left), mine, "nobody agreed to that");
    for id in spoilt {
        assert_eq!(page(&world, "shop", id).1, "good");
        assert!(page(&world, "shop", id).0.starts_with("Page"), "as the plan said");
    }
    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!(page(&world, "shop", left), mine);
    for id in spoilt {
        let (title, body) = page(&world, "shop", id);
        assert_eq!(body, "spoilt", "what the restore had done of it by then is no edit of anybody's");
        assert_eq!(title == "Mine", id == done || id == open, "{title}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_makes_between_two_applies_is_not_the_restores_own() {
    let mut world = World::new(32).await;
    let ids = pages(&mut world, "shop", 24).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        world.owner("shop", DELETE, json!({"id": id})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageCreate@3+").await;
    // Of the last one no step was begun.
    let there = titles(&world, "shop").len();
    let last = json!({"page": {"title": "Page 23", "handle": "page-23", "body": "mine"}});
    world.owner("shop", CREATE, last).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete && there > 0 && there < 8, "{there}: {:#?}", problems(&report));
    assert_eq!(titles(&world, "shop").len(), 24, "none twice");
    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!(
        titles(&world, "shop"),
        ["\"Page 23\": \"mine\""],
        "theirs is as it was, the restore's are gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_deletes_between_two_applies_is_gone_after_the_undo() {
    let mut world = World::new(46).await;
    let ids = pages(&mut world, "shop", 4).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@1+").await;
    world.owner("shop", DELETE, json!({"id": ids[0]})).await;
    let deleted = titles(&world, "shop");
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete && report.created == 1, "{:#?}", problems(&report));
    assert_eq!(titles(&world, "shop").len(), 4);
    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!(titles(&world, "shop"), deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_goes_on_is_not_whole_where_something_is_gone() {
    let mut world = World::new(33).await;
    let ids = pages(&mut world, "shop", 3).await;
    let from = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let to = world.back_up("shop").await;
    let plan = plan_pages(&world, "shop", "shop", Selection::Revert(from, to)).await;
    interrupt(&world, &plan, "503:pageUpdate@1+").await;
    world.owner("shop", DELETE, json!({"id": ids[1]})).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(!report.complete);
    let told: Vec<&str> =
        report.items.iter().filter(|item| !item.problems.is_empty()).map(|item| &*item.id).collect();
    assert_eq!(told, [ids[1].as_str()]);
    assert_eq!(titles(&world, "shop"), ["\"Page 0\": \"good\"", "\"Page 2\": \"good\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_snapshot_was_dropped_fits_no_longer() {
    let mut world = World::new(34).await;
    let ids = pages(&mut world, "shop", 3).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    world.back_up("shop").await;
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    interrupt(&world, &plan, "503:pageUpdate@2+").await;
    let before = world.dump("shop");
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    flows::retention::prune(&world.cell, &connection, &[at]).await.unwrap();
    let refused = world.apply(&plan).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(world.dump("shop"), before);
    // What was begun can be taken back all the same.
    let row = world.restores("shop").await.pop().unwrap();
    let undone = world.undo(row.id).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert!(titles(&world, "shop").iter().all(|title| title.ends_with("\"spoilt\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_can_be_undone_without_its_plan_wherever_it_stopped() {
    let mut world = World::new(35).await;
    for n in 1..60 {
        let name = format!("shop-{n}");
        let ids = pages(&mut world, &name, 4).await;
        let at = world.back_up(&name).await;
        for id in &ids[..2] {
            edit(&world, &name, id, json!({"body": "spoilt"})).await;
        }
        for id in &ids[2..] {
            world.owner(&name, DELETE, json!({"id": id})).await;
        }
        let spoilt = titles(&world, &name);
        let plan = plan_pages(&world, &name, &name, Selection::At(at)).await;
        let shop = world.shop(&name);
        shop.set_faults(Fault::parse_list(&format!("lost-answer@{n},503@{}+", n + 1)).unwrap());
        let over = world.apply(&plan).await.is_ok();
        shop.set_faults(Vec::new());
        let Some(row) = world.restores(&name).await.pop() else { continue };
        let undone = world.undo(row.id).await.unwrap();
        // What was refused before it reached the shop, and what was lost on the way back, look alike.
        let doubts = problems(&undone);
        assert!(doubts.iter().all(|one| one.contains("may have made it")), "{n}: {doubts:#?}");
        assert_eq!(titles(&world, &name), spoilt, "{n}");
        assert_eq!(world.undo(row.id).await.unwrap_err().kind(), ErrorKind::Conflict, "{n}: once");
        // The same plan is none of an interrupted restore any more.
        let report = world.restore(&plan.ask).await;
        assert!(report.restore != row.id && titles(&world, &name).len() == 4, "{n}");
        if over {
            return;
        }
    }
    panic!("it never came to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_in_another_store_leaves_alone_what_the_restore_could_not_make() {
    let mut world = World::new(36).await;
    pages(&mut world, "from", 2).await;
    pages(&mut world, "to", 1).await;
    let at = world.back_up("from").await;
    let own = world.dump("to")["Page"].clone();
    let id = own.as_object().unwrap().keys().next().unwrap().clone();
    edit(&world, "to", &id, json!({"title": "Mine", "handle": "mine"})).await;
    assert!(world.dump("from")["Page"].get(&id).is_some(), "the same id, and something else");
    world.shop("to").set_access(WITHOUT_PAGES, true);
    let plan = plan_pages(&world, "from", "to", Selection::At(at)).await;
    let report = world.apply(&plan).await.unwrap();
    assert_eq!(problems(&report).len(), 2, "{report:#?}");
    let steps = world.cell.catalog.steps(&tenant(), report.restore).await.unwrap();
    assert!(!steps.is_empty() && steps.values().all(|state| *state == StepState::Refused), "{steps:?}");
    assert!(report.items.iter().all(|item| !item.possibly_twice), "what was refused was not done");
    world.shop("to").set_access(WITH_PAGES, true);
    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!((undone.deleted, undone.skipped, undone.items.len()), (0, 2, 0));
    assert_eq!(page(&world, "to", &id).0, "Mine");
    // The control: what it makes, it takes away.
    let report = world.restore(&plan.ask).await;
    assert_eq!(titles(&world, "to").len(), 3);
    let undone = world.undo(report.restore).await.unwrap();
    assert_eq!((undone.deleted, titles(&world, "to").len()), (2, 1));
}

/// Counts what is done.
#[derive(Default)]
struct Done(AtomicU64);

impl RestoreProgress for Done {
    fn advanced(&self, what: &str, done: u64, _: u64, _: Option<Duration>) {
        if what.starts_with("restoring") {
            self.0.store(done, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_ids_are_sealed_while_a_restore_goes_on() {
    let mut world = World::new(37).await;
    pages(&mut world, "from", 40).await;
    let at = world.back_up("from").await;
    let mut sealed = Vec::new();
    for (name, ids_open_max) in [("to-1", 2), ("to-2", 10_000)] {
        // Another seed, other ids.
        world.open(name, Settings { seed: 77, ..empty() }).await;
        let plan = plan_pages(&world, "from", name, Selection::At(at)).await;
        let shop = world.shop(name);
        let limits = Limits { ids_open_max, ..Limits::default() };
        // The process is killed: nothing tells it to put anything in order.
        let done = Done::default();
        let death = || async {
            while done.0.load(Ordering::SeqCst) < 16 {
                tokio::task::yield_now().await;
            }
        };
        let ended = killed_when(death, || async {
            flows::restore::apply_within(&world.cell, &plan, limits, &done).await.ok()
        });
        assert!(ended.is_none(), "it is over too soon");
        quiet(shop).await;
        let known = world.ids("from", name).await.len();
        let found = sealed_ledger(&world, "from").await;
        sealed.push((found.iter().filter(|entry| entry.target.as_str() == name).count(), known));
        let report = world.apply(&plan).await.unwrap();
        assert!(report.complete, "{:#?}", problems(&report));
        let (known, found) = (world.ids("from", name).await, sealed_ledger(&world, "from").await);
        assert_eq!(found.iter().filter(|entry| entry.target.as_str() == name).count(), known.len());
    }
    // Eight were under way.
    assert!(sealed[0].0 >= 4, "{sealed:?}");
    assert!(sealed[1].0 < 4 && sealed[1].1 >= 16, "the control: sealed later, lost: {sealed:?}");
}

pub(crate) async fn sealed_ledger(world: &World, name: &str) -> Vec<SealedEntry> {
    let scope = world.cell.connection(&tenant(), &name.parse().unwrap()).await.unwrap().scope;
    let grant = world.cell.grant(&scope, &[Action::Read], "test").await.unwrap();
    let repository = world.cell.repository(&scope);
    let mut entries = Vec::new();
    for name in repository.state_names(LEDGER).await.unwrap() {
        let text = repository.state(&grant, Action::Read, &name).await.unwrap().unwrap();
        entries.extend(serde_json::from_slice::<Vec<SealedEntry>>(&text).unwrap());
    }
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_writes_to_neither_end_while_somebody_else_does() {
    let mut world = World::new(38).await;
    pages(&mut world, "from", 1).await;
    let at = world.back_up("from").await;
    world.open("to", Settings::empty()).await;
    let plan = plan_pages(&world, "from", "to", Selection::At(at)).await;
    for name in ["from", "to"] {
        let scope = world.cell.connection(&tenant(), &name.parse().unwrap()).await.unwrap().scope;
        let held = world.cell.lease(&scope).await.unwrap();
        let refused = world.apply(&plan).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{name}: {refused}");
        world.cell.release(held).await.unwrap();
    }
    assert!(world.apply(&plan).await.unwrap().complete);
}

/// A restore that changed, made and found things, and after which some were deleted: its undo changes, deletes and makes.
pub(crate) async fn to_be_undone(world: &mut World, name: &str) -> RestoreReport {
    let ids = pages(world, name, 4).await;
    let at = world.back_up(name).await;
    for id in &ids[..2] {
        edit(world, name, id, json!({"body": "spoilt"})).await;
    }
    for id in &ids[2..] {
        world.owner(name, DELETE, json!({"id": id})).await;
    }
    let plan = plan_pages(world, name, name, Selection::At(at)).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    world.owner(name, DELETE, json!({"id": ids[0]})).await;
    report
}

#[derive(Debug, Clone, Copy)]
enum Cut {
    Answers,
    Process,
}

async fn cut_undos_everywhere(cut: Cut) {
    let mut world = World::new(39).await;
    let whole = to_be_undone(&mut world, "undisturbed").await;
    let undone = world.undo(whole.restore).await.unwrap();
    let expected = titles(&world, "undisturbed");
    assert_eq!(expected.len(), 2);
    let counts = |report: &RestoreReport| [report.created, report.updated, report.deleted, report.skipped];
    assert_eq!(counts(&undone), [1, 1, 2, 0]);
    for n in 1..60 {
        let name = format!("shop-{n}");
        let restore = to_be_undone(&mut world, &name).await.restore;
        let shop = world.shop(&name);
        let first = match cut {
            Cut::Answers => {
                shop.set_faults(Fault::parse_list(&format!("lost-answer@{n},503@{}+", n + 1)).unwrap());
                world.undo(restore).await.ok()
            }
            Cut::Process => {
                killed_at(shop, shop.stats().requests + n, || async { world.undo(restore).await.ok() })
            }
        };
        shop.set_faults(Vec::new());
        quiet(shop).await;
        let over = first.is_some();
        let report = match first {
            Some(report) => report,
            None => world.undo(restore).await.unwrap(),
        };
        assert!(report.complete, "{cut:?} {n}: {:#?}", problems(&report));
        assert_eq!(titles(&world, &name), expected, "{cut:?} {n}: none twice, none missing");
        let rows = world.restores(&name).await;
        assert!(rows.len() == 2, "{cut:?} {n}: one undo: {rows:?}");
        assert_eq!(world.undo(restore).await.unwrap_err().kind(), ErrorKind::Conflict, "{cut:?} {n}");
        if over {
            return;
        }
    }
    panic!("it never came to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_at_any_request_of_an_undo_double_nothing() {
    cut_undos_everywhere(Cut::Answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_at_any_request_of_an_undo_doubles_nothing() {
    cut_undos_everywhere(Cut::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_over_many_pieces_is_one() {
    let mut world = World::new(40).await;
    let ids = pages(&mut world, "shop", 20).await;
    let at = world.back_up("shop").await;
    for id in &ids[..10] {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    for id in &ids[10..] {
        world.owner("shop", DELETE, json!({"id": id})).await;
    }
    let spoilt = titles(&world, "shop");
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let small = Limits { piece_len: 700, ids_open_max: 3 };
    let report = flows::restore::apply_within(&world.cell, &plan, small, &Silent).await.unwrap();
    assert!(report.complete && report.created == 10 && report.updated == 10, "{:#?}", problems(&report));
    let scope = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap().scope;
    let names = world.cell.repository(&scope).state_names("").await.unwrap();
    let many = |like: &dyn Fn(&str) -> bool| names.iter().filter(|name| like(name)).count();
    assert!(many(&|name| name.ends_with(repository::SAVED)) > 5, "{names:?}");
    assert!(many(&|name| name.ends_with("-report")) > 3, "{names:?}");
    assert!(many(&|name| name.starts_with(LEDGER)) > 2, "{names:?}");
    let shown = flows::restore::show(&world.cell, &tenant(), report.restore).await.unwrap();
    assert_eq!(shown, report);
    let known = world.cell.catalog.ledger(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let known: Vec<SealedEntry> = known.into_iter().map(SealedEntry::from).collect();
    assert_eq!(sealed_ledger(&world, "shop").await, known);

    let undone =
        flows::restore::undo_within(&world.cell, &tenant(), report.restore, small, &Silent).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert_eq!(titles(&world, "shop"), spoilt);
    let redone = world.undo(undone.restore).await.unwrap();
    assert!(redone.complete && titles(&world, "shop").len() == 20, "{:#?}", problems(&redone));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_an_undo_says_what_is_lost() {
    let mut world = World::new(41).await;
    let settings = Settings { customers: 2, orders: 0, products: 0, content: false, ..Settings::default() };
    world.open("shop", settings).await;
    let page = json!({"page": {"title": "Page", "body": "good"}});
    let made = world.owner("shop", CREATE, page).await;
    let id = made["pageCreate"]["page"]["id"].as_str().unwrap().to_owned();
    let at = world.back_up("shop").await;
    edit(&world, "shop", &id, json!({"body": "spoilt"})).await;
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let small = Limits { piece_len: 50, ..Limits::default() };
    let report = flows::restore::apply_within(&world.cell, &plan, small, &Silent).await.unwrap();
    assert!(report.complete && report.updated == 1);
    let person = world.dump("shop")["Customer"].as_object().unwrap().keys().next().unwrap().clone();
    crate::erased::erase(&world, domain::SubjectId(format!("customer/{person}").into())).await;
    let scope = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap().scope;
    let names = world.cell.repository(&scope).state_names("restore").await.unwrap();
    assert!(names.iter().all(|name| !name.ends_with(repository::SAVED)), "{names:?}");
    let before = world.dump("shop");
    let refused = world.undo(report.restore).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("erasing"), "{refused}");
    assert_eq!(world.dump("shop"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_passes_over_who_was_erased() {
    const EDIT: &str =
        "mutation($input: CustomerInput!) { customerUpdate(input: $input) { userErrors { message } } }";
    let mut world = World::new(42).await;
    let settings = Settings { customers: 3, orders: 0, products: 0, content: false, ..Settings::default() };
    world.open("shop", settings).await;
    let from = world.back_up("shop").await;
    let people: Vec<String> = world.dump("shop")["Customer"].as_object().unwrap().keys().cloned().collect();
    for id in &people {
        world.owner("shop", EDIT, json!({"input": {"id": id, "note": "edited"}})).await;
    }
    let to = world.back_up("shop").await;
    crate::erased::erase(&world, domain::SubjectId(format!("customer/{}", people[0]).into())).await;
    let mut ask = World::ask("shop", "shop", Selection::Revert(from, to));
    ask.kinds = vec!["customer".parse().unwrap()];
    let plan = world.plan(&ask).await;
    let planned: Vec<&str> = plan.items.iter().map(|item| &*item.id).collect();
    assert_eq!(planned, people[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(plan.count(|action| *action == PlanAction::Update), 2);
    world.restore(&ask).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_whose_backup_is_damaged_stops() {
    let mut world = World::new(43).await;
    let ids = pages(&mut world, "shop", 2).await;
    let at = world.back_up("shop").await;
    for id in &ids {
        edit(&world, "shop", id, json!({"body": "spoilt"})).await;
    }
    let plan = plan_pages(&world, "shop", "shop", Selection::At(at)).await;
    let report = world.apply(&plan).await.unwrap();
    let packs = world.cell.dir.join("store/t/shopify/default/shop/pack");
    let aside = world.cell.dir.join("packs");
    std::fs::rename(&packs, &aside).unwrap();
    let stopped = world.undo(report.restore).await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Integrity, "{stopped}");
    std::fs::remove_dir_all(&packs).ok();
    std::fs::rename(&aside, &packs).unwrap();
    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", problems(&undone));
    assert!(titles(&world, "shop").iter().all(|title| title.ends_with("\"spoilt\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_medium_keeps_nothing_else_from_coming_back() {
    let mut world = World::new(44).await;
    let settings = Settings { seed: 11, products: 6, customers: 0, orders: 0, ..Settings::default() };
    world.open("from", settings).await;
    world.open("to", Settings::empty()).await;
    let at = world.back_up("from").await;
    let (name, kind) = ("from".parse().unwrap(), "file".parse().unwrap());
    let reader = flows::read::open(&world.cell, &tenant(), &name, Action::Read, "test").await.unwrap();
    let mut scan = reader.scan(&kind, at, None).await.unwrap();
    let record = scan.next().await.unwrap().unwrap();
    let lost = &record.meta.media_refs[0].name;
    let media = world.cell.dir.join("store/t/shopify/default/from/media").join(&lost[..2]).join(lost);
    std::fs::remove_file(media).unwrap();
    let mut ask = World::ask("from", "to", Selection::At(at));
    ask.kinds = vec!["file".parse().unwrap(), "product".parse().unwrap()];
    let plan = world.plan(&ask).await;
    let report = world.apply(&plan).await.unwrap();
    let told = problems(&report);
    assert!(!report.complete, "{:#?}", report.items);
    assert!(!told.is_empty() && told.iter().all(|one| one.contains("stored bytes")), "{told:#?}");
    assert!(told.len() * 3 < report.items.len(), "the others came back: {told:#?}");
    let count = |name: &str| world.dump(name)["Product"].as_object().unwrap().len();
    assert_eq!(count("to"), count("from"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_products_picture_that_is_gone_comes_back_with_the_product_alone() {
    let mut world = World::new(45).await;
    let settings = Settings { seed: 11, products: 4, customers: 0, orders: 0, ..Settings::default() };
    world.open("shop", settings).await;
    let at = world.back_up("shop").await;
    let dump = world.dump("shop");
    let with = |row: &Value| row["media"].as_array().is_some_and(|media| !media.is_empty());
    let products = dump["Product"].as_object().unwrap();
    let (product, row) = products.iter().find(|(_, row)| with(row)).unwrap();
    let file = row["media"][0].as_str().unwrap().to_owned();
    let bytes = world.bytes("shop", at).await;
    let was = bytes.iter().find(|((kind, id, _), _)| kind == "file" && *id == file).unwrap().1;
    let call = "mutation($id: ID!) { fileDelete(fileIds: [$id]) { userErrors { message } } }";
    world.owner("shop", call, json!({"id": file})).await;
    let mut ask = World::ask("shop", "shop", Selection::At(at));
    ask.kinds = vec!["product".parse().unwrap()];
    ask.ids = vec![product.clone()];
    let plan = world.plan(&ask).await;
    assert!(
        plan.items
            .iter()
            .any(|item| *item.id == *file && item.needed && item.plan.action == PlanAction::Create),
        "{:#?}",
        plan.items
    );
    world.restore(&ask).await;
    let now = world.ids("shop", "shop").await[&file].clone();
    let media = world.dump("shop")["Product"][product]["media"].clone();
    assert!(media.as_array().unwrap().contains(&json!(now)), "{media}");
    let later: SnapshotNumber = world.back_up("shop").await;
    let bytes = world.bytes("shop", later).await;
    let is = bytes.iter().find(|((kind, id, _), _)| kind == "file" && *id == now).unwrap().1;
    assert_eq!(is, was);
}
