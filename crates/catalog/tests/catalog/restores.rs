//! Restores, their steps, and the id ledger.

use std::collections::BTreeMap;

use catalog::{Restore, RestoreState, StepResult, StepState};
use domain::Id128;

use crate::backend::Backend;
use crate::cell::{Cell, entry, restore, says, second, shop, tenant, words};

fn done(step: &str, ledger: Option<catalog::LedgerEntry>) -> StepResult {
    StepResult { step: step.into(), state: StepState::Done, ledger }
}

pub(crate) async fn a_restore_moves_from_the_expected_state_only(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let t = tenant("t");
    let (one, undo) = (restore(1), Restore { undo_of: Some(Id128([1; 16])), ..restore(2) });
    cell.catalog.add_restore(&t, &one).await.unwrap();
    cell.catalog.add_restore(&t, &undo).await.unwrap();
    assert!(says(&cell.catalog.add_restore(&t, &one).await.unwrap_err(), "already"));
    assert_eq!(cell.catalog.restores(&t, &shop()).await.unwrap(), [one.clone(), undo]);

    let shift = async |from, to| cell.catalog.move_restore(&t, one.id, (from, to), second(9)).await;
    shift(RestoreState::Applying, RestoreState::Incomplete).await.unwrap();
    let error = shift(RestoreState::Applying, RestoreState::Done).await.unwrap_err();
    assert!(says(&error, "is incomplete, not applying"), "{error}");
    shift(RestoreState::Incomplete, RestoreState::Undone).await.unwrap();
    let moved = cell.open_again().await.restore(&t, one.id).await.unwrap();
    assert_eq!(moved, Restore { state: RestoreState::Undone, changed_at: second(9), ..one.clone() });
}

pub(crate) async fn what_was_intended_and_not_finished_is_found_after_a_crash(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let t = tenant("t");
    let id = restore(1).id;
    cell.catalog.add_restore(&t, &restore(1)).await.unwrap();
    cell.catalog.intend(&t, id, &words(&["a", "b", "c"]), second(1)).await.unwrap();
    let results = [
        done("a", Some(entry("1", "101", 1))),
        StepResult { step: "b".into(), state: StepState::Unknown, ledger: None },
    ];
    cell.catalog.finish_steps(&t, id, &results, second(2)).await.unwrap();

    let again = cell.open_again().await;
    // Intending anew does not forget what is known.
    again.intend(&t, id, &words(&["a", "b", "c", "d"]), second(3)).await.unwrap();
    let known = again.steps(&t, id).await.unwrap();
    let expected = [
        ("a", StepState::Done),
        ("b", StepState::Unknown),
        ("c", StepState::Intent),
        ("d", StepState::Intent),
    ];
    assert_eq!(known, BTreeMap::from(expected.map(|(step, state)| (step.to_owned(), state))));
    assert_eq!(again.ledger(&t, &shop()).await.unwrap(), [entry("1", "101", 1)]);
}

pub(crate) async fn steps_and_their_new_ids_are_written_together_or_not_at_all(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let t = tenant("t");
    let id = restore(1).id;
    cell.catalog.add_restore(&t, &restore(1)).await.unwrap();
    cell.catalog.intend(&t, id, &words(&["a"]), second(1)).await.unwrap();
    let results = [done("a", Some(entry("1", "101", 1))), done("never intended", None)];
    let error = cell.catalog.finish_steps(&t, id, &results, second(2)).await.unwrap_err();
    assert!(says(&error, "there is no restore step"), "{error}");
    assert_eq!(cell.catalog.steps(&t, id).await.unwrap()["a"], StepState::Intent);
    assert_eq!(cell.catalog.ledger(&t, &shop()).await.unwrap(), []);

    let error = cell.catalog.intend(&t, Id128([9; 16]), &words(&["a"]), second(1)).await.unwrap_err();
    assert!(says(&error, "there is no restore `"), "{error}");
}

pub(crate) async fn the_ledger_keeps_every_id(backend: &Backend) {
    let cell = Cell::with_target(backend).await;
    let t = tenant("t");
    let ids = [entry("1", "101", 1), entry("2", "102", 1), entry("1", "201", 2)];
    cell.catalog.record_ids(&t, &ids).await.unwrap();
    // One restore that is resumed writes its entry again, and changes nothing.
    cell.catalog.record_ids(&t, &ids[1..2]).await.unwrap();
    assert_eq!(cell.catalog.ledger(&t, &shop()).await.unwrap(), ids);
}

pub(crate) async fn steps_and_ledgers_of_many_pages_are_whole(backend: &Backend) {
    /// More than two pages.
    const MANY: usize = 4_100;
    let cell = Cell::with_target(backend).await;
    let t = tenant("t");
    let id = restore(1).id;
    cell.catalog.add_restore(&t, &restore(1)).await.unwrap();
    let steps: Vec<String> = (0..MANY).map(|step| format!("step {step:05}")).collect();
    cell.catalog.intend(&t, id, &steps, second(1)).await.unwrap();
    let known = cell.catalog.steps(&t, id).await.unwrap();
    assert!(known.keys().eq(&steps));
    let ids: Vec<_> = (0..MANY).map(|old| entry(&format!("{old}"), &format!("1{old}"), 1)).collect();
    cell.catalog.record_ids(&t, &ids).await.unwrap();
    assert_eq!(cell.catalog.ledger(&t, &shop()).await.unwrap(), ids);
}
