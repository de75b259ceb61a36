//! One suite for every object store that Caretaker runs on.
//!
//! The directory and the memory are always there. The S3 servers are started by `make test`, which tells where
//! they are (`CARETAKER_TEST_CEPH`, `CARETAKER_TEST_MOTO`: `endpoint=… access_key=… secret_key=…`) and counts the
//! suites that really ran; without them those suites say so and do nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod bucket;
#[allow(dead_code, reason = "the format tests use the rest")]
#[path = "../format/fixture.rs"]
mod fixture;
mod histories;
mod objects;
mod race;
mod target;

use target::Target;

macro_rules! suites {
    ($($suite:ident => $target:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $suite() {
            let Some(target) = $target.await else { return };
            eprintln!("{}: promises", target.name);
            objects::keeps_the_promises_that_it_is_known_for(&target).await;
            eprintln!("{}: objects", target.name);
            objects::lists_everything_beyond_a_page(&target).await;
            objects::reads_ranges(&target).await;
            objects::tells_what_is_missing(&target).await;
            objects::takes_large_objects_in_pieces(&target).await;
            eprintln!("{}: histories", target.name);
            histories::reads_back_what_was_written(&target).await;
            histories::names_a_missing_object(&target).await;
            eprintln!("{}: races", target.name);
            race::of_rivals_exactly_one_is_acknowledged(&target).await;
            race::a_late_writer_is_superseded_and_nothing_acknowledged_is_lost(&target).await;
            target.done();
        }
    )*};
}

suites! {
    directory => Target::directory();
    memory => Target::memory();
    ceph => Target::ceph();
    moto => Target::moto();
    moto_lock => Target::moto_with_lock();
}
