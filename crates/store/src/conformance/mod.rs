//! One suite for every implementation of [`Store`]: what the port promises, tried out.
//!
//! ```text
//! store::store_conformance!(open_an_empty_store);
//! ```
//!
//! makes one test of each case. `open_an_empty_store` is an async function without arguments that returns a [`Fixture`]. The
//! crate that calls it needs `tokio` with `macros` and `rt-multi-thread`.
//!
//! ```text
//! store::store_conformance!(if_installed open_an_empty_store);
//! ```
//!
//! does the same with an `Option` of a fixture; `None`: what it needs is not installed, and the case is left out.
//!
//! ```text
//! store::store_conformance!(in_turn start_servers);
//! ```
//!
//! makes one test, `every_case_in_turn`, for servers that take long to start. `start_servers` is an async function that
//! returns an `Option` (`None`: they are not installed) of something whose async method `fixture` makes a [`Fixture`].

// This is test code that several crates' tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod budget;
mod claims;
mod due;
mod forget;
mod leases;
mod log;
mod records;

use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use conversation::{Body, ConversationId, Event, MessageId, Millis, Seq};

pub use budget::*;
pub use claims::*;
pub use due::*;
pub use forget::*;
pub use leases::*;
pub use log::*;
pub use records::*;

use crate::{Append, Appended, BoxFuture, Claim, Fence, Key, Put, PutOutcome, Store, Version};

/// A store for one case, empty when the case begins.
pub trait Fixture: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store, which nobody else holds any more, and opens it again. `false`: it keeps nothing.
    fn reopen(&mut self) -> BoxFuture<'_, bool>;
}

/// Makes a test of every case, each with a fixture of its own; or one test of all of them.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { @list each $make }
    };
    (if_installed $make:path) => {
        $crate::store_conformance! { @list if_installed $make }
    };
    (in_turn $start:path) => {
        $crate::store_conformance! { @list in_turn $start }
    };
    (@list $how:ident $make:path) => {
        $crate::store_conformance! { @$how $make;
            a_new_log_is_empty
            what_was_appended_is_read_in_order
            a_seq_that_is_taken_is_a_conflict_and_changes_nothing
            a_seq_ahead_of_the_log_is_a_conflict
            a_log_is_read_in_pages
            a_page_is_bounded_by_bytes_and_never_the_end_by_mistake
            an_event_that_is_too_large_is_refused
            of_64_writers_at_one_seq_one_wins
            of_64_writers_who_fold_again_each_is_stored_once
            many_conversations_do_not_mix
            a_log_survives_reopening
            a_conversation_is_due_as_its_newest_event_says
            a_conflict_leaves_the_due_time_alone
            a_due_time_is_moved_only_by_who_knows_the_head
            the_most_overdue_is_claimed_first
            what_is_claimed_is_due_again_at_the_end_of_the_claim
            each_due_conversation_is_claimed_by_one_of_16
            a_claim_into_the_past_is_refused
            due_times_survive_reopening
            a_claimer_that_woke_after_its_claim_cannot_append
            a_claim_keeps_out_who_never_claimed_and_no_visitor
            a_claim_keeps_out_who_would_move_the_due_time
            a_claim_ends_with_the_next_event
            a_claim_ends_when_the_due_time_is_moved
            a_claim_survives_reopening
            of_a_taken_seq_and_a_claim_the_seq_is_told
            of_32_claimers_who_append_the_last_one_wins
            what_is_forgotten_is_gone
            who_still_knows_a_forgotten_log_cannot_append_to_it
            what_was_never_there_is_forgotten_too
            forgetting_one_leaves_the_others
            a_record_is_what_was_put_last
            a_record_is_made_once
            a_stale_version_is_a_conflict
            of_64_counters_none_loses_a_step
            versions_only_grow
            a_record_expires_at_its_time
            a_deleted_record_is_gone
            an_index_is_listed_in_order
            an_index_is_listed_in_pages
            an_index_follows_its_records
            indexes_do_not_mix
            an_index_of_another_owner_is_refused
            a_value_that_is_too_large_is_refused
            records_survive_reopening
            a_lease_has_one_holder_until_its_end
            a_holder_that_slept_through_its_end_cannot_renew
            a_lease_that_was_given_back_is_free_at_once
            of_32_who_want_a_lease_one_gets_it
            a_full_bucket_gives_its_burst_at_once
            who_comes_later_waits_longer
            a_bucket_refills_steadily_and_never_above_its_burst
            of_64_who_reserve_at_once_none_shares_a_place
            what_is_given_back_shortens_the_wait
            what_the_owner_says_is_left_pulls_the_level_down_never_up
            a_clock_that_is_behind_gains_nothing
            a_clock_that_was_set_back_stops_no_bucket
            buckets_do_not_mix
            a_store_that_works_is_ready
        }
    };
    (@in_turn $start:path; $($case:ident)*) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn every_case_in_turn() {
            let Some(servers) = $start().await else { return };
            $(
                let mut fixture = servers.fixture().await;
                $crate::conformance::$case(&mut fixture).await;
            )*
        }
    };
    (@if_installed $make:path; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(mut fixture) = $make().await else { return };
                $crate::conformance::$case(&mut fixture).await;
            }
        )*
    };
    (@each $make:path; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let mut fixture = $make().await;
                $crate::conformance::$case(&mut fixture).await;
            }
        )*
    };
}

pub async fn a_store_that_works_is_ready(fixture: &mut impl Fixture) {
    assert_eq!(fixture.store().ready().await, Ok(()));
}

/// A moment from which cases count.
const T0: Millis = 1_790_000_000_000;

fn conversation(ordinal: u32) -> ConversationId {
    ConversationId::new("shop", "visitor", ordinal).unwrap()
}

/// An event that says `text`.
fn event(seq: Seq, text: &str) -> Event {
    let id = MessageId([seq as u8; 16]);
    Event { seq, at: T0 + Millis::from(seq), body: Body::VisitorMessage { id, text: text.into() } }
}

/// The append of an event made by [`event`], whom no claim keeps out.
fn append_open<'a>(conversation: &'a ConversationId, event: &'a Event, due: Option<Millis>) -> Append<'a> {
    let previous_at = if event.seq == 1 { 0 } else { T0 + Millis::from(event.seq) - 1 };
    Append { conversation, event, due, fence: Fence::Open, previous_at }
}

fn claim_of(number: u64) -> Claim {
    Claim::new(number).unwrap()
}

async fn append(store: &dyn Store, conversation: &ConversationId, event: &Event, due: Option<Millis>) -> Appended {
    store.append_at(append_open(conversation, event, due)).await.unwrap()
}

/// Appends `text` after the head.
async fn say(store: &dyn Store, conversation: &ConversationId, text: &str, due: Option<Millis>) -> Event {
    let seq = store.head(conversation).await.unwrap() + 1;
    let event = event(seq, text);
    assert_eq!(append(store, conversation, &event, due).await, Appended::Stored);
    event
}

/// The whole log, page by page.
async fn log(store: &dyn Store, conversation: &ConversationId) -> Vec<Event> {
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(0, |event: &Event| event.seq);
        let page = store.read(conversation, after, 100).await.unwrap();
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

fn key(name: &str) -> Key {
    Key::new("shop", "thing", &[name]).unwrap()
}

/// A put at [`T0`] of a record that is listed nowhere and does not expire.
fn put<'a>(key: &'a Key, expected: Option<Version>, value: &str) -> Put<'a> {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Put { key, expected, value, expires_at: None, listing: None, now: T0 }
}

async fn stored(store: &dyn Store, put: Put<'_>) -> Version {
    match store.put(put).await.unwrap() {
        PutOutcome::Stored(version) => version,
        PutOutcome::Conflict => panic!("the record is not as expected"),
    }
}

fn per_minute(amount: u64) -> NonZeroU64 {
    NonZeroU64::new(amount).unwrap()
}
