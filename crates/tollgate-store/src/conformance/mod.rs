//! The one suite that every backend passes. It tests a [`Store`] through its port alone.
//!
//! A backend implements [`Fixture`] in its tests and writes
//! `tollgate_store::conformance_tests!(ItsFixture);`, which makes one test of each property, and
//! calls [`differential::agrees_with_the_model`].
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a property that does not hold is a panic, as in any test"
)]

pub mod clients;
pub mod concurrency;
pub mod differential;
pub mod housekeeping;
pub mod one_time;
pub mod revocation;
pub mod sample;
pub mod snapshots;
pub mod tokens;

use std::{future::Future, sync::Arc};

use crate::Store;

/// How a test comes to a store with nothing in it, and what must outlive that store.
pub trait Fixture: Sized + Send {
    /// The backend.
    type Store: Store;

    /// A fixture around an empty store.
    fn open() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> &Arc<Self::Store>;

    /// Closes the store and opens it again on what it kept.
    fn restart(self) -> impl Future<Output = Self> + Send;
}

/// Makes a `#[tokio::test]` of each property, for the [`Fixture`] given. The crate that calls it
/// depends on `tokio` with its features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:ty) => {
        $crate::conformance_tests! { $fixture;
            tokens: inserted_tokens_stand, tokens_die_when_they_expire, probes_answer_in_order,
                batches_are_bounded,
                inserting_is_all_or_nothing_at_the_bound, epochs_kill_tokens,
                clients_that_are_not_there_have_no_tokens, active_counts_exactly;
            one_time: redeeming_wins_once, the_wrong_client_consumes_nothing,
                a_resource_server_may_redeem, access_tokens_are_not_redeemable,
                dead_tokens_are_not_redeemable, one_batch_has_one_winner;
            revocation: revoked_tokens_are_dead, watchers_learn_of_every_end, revoking_asks_for_the_owner,
                revoking_twice_says_so, cuts_cover_what_was_issued_before,
                cuts_of_one_scope_merge, assertions_are_used_once;
            clients: clients_come_and_go, changes_name_the_revision_before,
                clients_are_listed_in_order, the_key_ring_changes_as_one;
            housekeeping: pages_hold_every_live_token, counts_obey_their_filter,
                sweeping_removes_what_expired, sweeping_removes_what_is_lost,
                sweeping_spares_what_lives, assertions_expire_by_the_wall_clock;
            snapshots: a_restore_revives_nothing, a_restore_forgets_no_used_assertion,
                an_export_carries_no_token, everything_survives_a_restart;
            concurrency: many_redeem_one_token, many_insert_below_one_bound,
                many_update_one_client, many_use_one_assertion, readers_never_see_half;
        }
    };
    ($fixture:ty; $($module:ident: $($property:ident),+;)+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $property() {
            $crate::conformance::$module::$property(
                <$fixture as $crate::conformance::Fixture>::open().await,
            )
            .await;
        }
    )+)+};
}
