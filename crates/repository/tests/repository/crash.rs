//! A crash at every write, and faults at random: nothing acknowledged is lost, nothing is half there.

use std::sync::Arc;

use domain::Rng as _;

use crate::cell::{Cell, SeededRng};
use crate::faulty::{Fault, Plan};
use crate::history::{HISTORY, Step, World};

fn healthy() -> Arc<Plan> {
    Plan::new([])
}

/// Runs a history to its end; where the process dies, it is started again and repeats the step.
async fn run_through(world: &mut World, history: &[Step], plan: &Plan) {
    for step in history {
        let mut tries = 0;
        while let Err(error) = world.run(step).await {
            tries += 1;
            assert!(tries < 30, "{step:?} never succeeds: {error}");
            if plan.crashed() {
                world.reopen(&healthy());
                world.check().await;
            }
        }
    }
    world.reopen(&healthy());
    world.check().await;
}

#[tokio::test]
async fn an_undisturbed_history_is_whole_after_every_step() {
    let base = Cell::new().await;
    let mut world = World::new(&base, &healthy(), 1);
    for step in HISTORY {
        world.run(step).await.unwrap_or_else(|error| panic!("{step:?}: {error}"));
        world.check().await;
    }
    assert_eq!(world.log.snapshots.len(), 14, "an erasure is a snapshot too");
}

async fn crash_at_every_write(fault: Fault) {
    let base = Cell::new().await;
    let plan = healthy();
    let mut world = World::new(&base, &plan, 1);
    run_through(&mut world, HISTORY, &plan).await;
    let (writes, undisturbed) = (plan.writes(), world.log.snapshots.values().next_back().cloned());
    assert!(writes > 60, "{writes} writes");
    for turn in 1..=writes {
        let plan = Plan::new([(turn, fault)]);
        let mut world = World::new(&base, &plan, turn);
        run_through(&mut world, HISTORY, &plan).await;
        assert!(plan.crashed(), "write {turn} of {writes}");
        assert_eq!(
            world.log.snapshots.values().next_back().cloned(),
            undisturbed,
            "{fault:?} at write {turn}"
        );
    }
}

#[tokio::test]
async fn a_crash_before_any_write_loses_nothing() {
    crash_at_every_write(Fault::CrashBefore).await;
}

#[tokio::test]
async fn a_crash_after_any_write_loses_nothing() {
    crash_at_every_write(Fault::CrashAfter).await;
}

#[tokio::test]
async fn faults_at_random_lose_nothing() {
    let base = Cell::new().await;
    let seeds = if std::env::var_os("CARETAKER_SOAK").is_some() { 400 } else { 12 };
    for seed in 0..seeds {
        let rng = SeededRng::new(seed);
        let random = |below: u64| {
            let mut bytes = [0; 8];
            rng.fill(&mut bytes);
            u64::from_le_bytes(bytes) % below
        };
        let kinds = [Fault::Fails, Fault::LosesAnswer, Fault::Twice, Fault::Delay];
        let pick = |_| (random(200), kinds[usize::try_from(random(4)).unwrap()]);
        let faults: Vec<_> = (0..12).map(pick).collect();
        let read_faults: Vec<_> = (0..12).map(|_| (random(2_000), Fault::Fails)).collect();
        let plan = Plan::with_reads(faults, read_faults);
        let mut world = World::new(&base, &plan, seed);
        println!("seed {seed}");
        run_through(&mut world, HISTORY, &plan).await;
        assert!(plan.writes() > 60);
    }
}
