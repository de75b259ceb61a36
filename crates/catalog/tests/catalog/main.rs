#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]
//! What the catalog promises, tried from outside the crate: one suite on SQLite and on PostgreSQL, and beside it what
//! only one of them can be asked. What both are asked goes over a channel too.
//!
//! `make test` starts a server and tells where it is (`CARETAKER_TEST_POSTGRES`, as scripts/postgres-up prints it);
//! without one, the tests that need it say so and do nothing.

mod backend;
mod cell;
mod channel;
mod connections;
mod files;
mod gate;
mod heads;
mod isolation;
mod leases;
mod moving;
mod outages;
mod races;
mod restores;
mod row_security;
mod schedules;
mod schema;
mod server;
mod transport;
mod webhooks;

/// Runs each test on both databases, as `embedded::MODULE::TEST` and `postgres::MODULE::TEST`; and as
/// `channel::MODULE::TEST` those for which it is all the same where the catalog is.
macro_rules! suite {
    (anywhere { $($module:ident { $($test:ident,)* })* } here { $($local:ident { $($local_test:ident,)* })* }) => {
        mod over_a_channel {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    crate::$module::$test(&crate::backend::Backend::Channel).await;
                }
            )*}
        )*}
        suite! { $($module { $($test,)* })* }
        mod here {
            suite! { $($local { $($local_test,)* })* }
        }
    };
    ($($module:ident { $($test:ident,)* })*) => {
        mod embedded {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    crate::$module::$test(&crate::backend::Backend::Embedded).await;
                }
            )*}
        )*}
        mod postgres {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    let Some(backend) = crate::backend::Backend::postgres() else { return };
                    crate::$module::$test(&backend).await;
                    backend.done();
                }
            )*}
        )*}
    };
}

suite! {
    anywhere {
        connections {
            a_connection_is_kept_as_it_was_given,
            a_credential_is_replaced_by_name,
            an_address_and_its_credential_change_together,
            a_connection_keeps_its_platform_and_its_region,
            names_are_listed_in_the_order_of_their_bytes,
            a_list_of_many_pages_is_whole,
            tags_come_and_go_together,
            a_stores_credential_is_the_cells_and_is_replaced,
        }
        heads {
            a_head_advances_from_the_expected_one_only,
            of_many_threads_that_advance_one_head_one_wins,
            a_head_moves_under_the_newest_lease_only,
        }
        isolation {
            another_tenants_things_are_not_found_and_not_changed,
        }
        leases {
            a_lease_that_was_taken_over_is_lost_to_its_holder,
            a_released_lease_is_free_and_its_generation_stays_used,
            a_generation_is_above_every_one_that_was_seen,
            a_lease_is_given_for_so_long_at_most,
            of_many_that_take_over_each_has_a_generation_of_its_own,
        }
        races {
            who_takes_a_lease_over_finds_a_head_that_nobody_else_moves,
            of_many_that_move_one_restore_one_wins,
            a_ledger_that_many_write_has_each_item_once,
            of_many_that_add_one_name_one_wins,
        }
        restores {
            a_restore_moves_from_the_expected_state_only,
            what_was_intended_and_not_finished_is_found_after_a_crash,
            steps_and_their_new_ids_are_written_together_or_not_at_all,
            the_ledger_keeps_every_id,
            steps_and_ledgers_of_many_pages_are_whole,
        }
        schedules {
            a_schedule_is_kept_and_what_is_known_of_it_stays_when_it_is_set_again,
            what_is_due_is_taken_by_one,
            tenants_take_turns_however_much_one_has,
            what_is_paused_waits_and_what_a_dead_worker_had_is_given_back,
            a_worker_takes_what_is_of_its_platform_and_what_it_needs_comes_along,
        }
        webhooks {
            where_a_platform_tells_is_kept_and_found_by_its_address,
            what_was_told_is_followed_soon_and_once,
            what_concerns_nothing_that_is_backed_up_makes_nothing_due,
            where_too_much_is_told_all_of_it_is_due,
            what_was_followed_long_ago_is_forgotten,
        }
    }
    here {
        heads {
            of_many_processes_that_advance_one_head_one_wins,
        }
        schema {
            a_catalog_is_made_once,
            a_catalog_that_is_not_there_is_not_made_by_opening_it,
            an_empty_catalog_is_migrated_once,
            a_catalog_of_the_first_schema_is_migrated_with_what_it_holds,
            a_newer_schema_is_left_alone,
            a_value_that_cannot_be_is_called_damaged,
            a_table_that_is_gone_is_called_damaged,
        }
    }
}
