//! Claims as leases: what a node that lost one can no longer do.

use conversation::{ConversationId, Millis};
use tokio::task::JoinSet;

use super::{Fixture, T0, append_open, claim_of, conversation, event, say};
use crate::{Append, Appended, Claim, ClaimDue, Fence, SetDue, Store};

/// Claims the first conversation, which is due, from `now` for 100 ms.
async fn claim(store: &dyn Store, now: Millis, claim: Claim) {
    let claimed = store.claim_due(ClaimDue { now, until: now + 100, limit: 10, claim }).await;
    assert_eq!(claimed, Ok(vec![conversation(1)]));
}

/// Appends event `seq` to the first conversation.
async fn append(store: &dyn Store, seq: u32, fence: Fence) -> Appended {
    let (conversation, event) = (conversation(1), event(seq, "text"));
    store.append_at(Append { fence, ..append_open(&conversation, &event, None) }).await.unwrap()
}

async fn set_due(store: &dyn Store, head: u32, due: Option<Millis>, fence: Fence) -> Appended {
    store.set_due(SetDue { conversation: &conversation(1), head, due, fence }).await.unwrap()
}

async fn due(store: &dyn Store, now: Millis) -> Vec<ConversationId> {
    store.claim_due(ClaimDue { now, until: now + 1_000, limit: 10, claim: claim_of(99) }).await.unwrap()
}

pub async fn a_claimer_that_woke_after_its_claim_cannot_append(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    claim(&*store, T0, claim_of(7)).await;
    claim(&*store, T0 + 100, claim_of(8)).await;
    assert_eq!(append(&*store, 2, Fence::Claimed(claim_of(7))).await, Appended::Fenced);
    assert_eq!(store.head(&conversation(1)).await, Ok(1));
    assert_eq!(append(&*store, 2, Fence::Claimed(claim_of(8))).await, Appended::Stored);
}

pub async fn a_claim_keeps_out_who_never_claimed_and_no_visitor(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    claim(&*store, T0, claim_of(7)).await;
    assert_eq!(append(&*store, 2, Fence::Unclaimed).await, Appended::Fenced);
    assert_eq!(append(&*store, 2, Fence::Open).await, Appended::Stored);
}

pub async fn a_claim_keeps_out_who_would_move_the_due_time(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    claim(&*store, T0, claim_of(7)).await;
    claim(&*store, T0 + 100, claim_of(8)).await;
    for fence in [Fence::Unclaimed, Fence::Claimed(claim_of(7))] {
        assert_eq!(set_due(&*store, 1, None, fence).await, Appended::Fenced);
    }
    assert_eq!(due(&*store, T0 + 199).await, []);
    assert_eq!(due(&*store, T0 + 200).await, [conversation(1)], "the mark of the second claim still stands");
}

pub async fn a_claim_ends_with_the_next_event(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    claim(&*store, T0, claim_of(7)).await;
    assert_eq!(append(&*store, 2, Fence::Open).await, Appended::Stored);
    assert_eq!(append(&*store, 3, Fence::Unclaimed).await, Appended::Stored);
    assert_eq!(append(&*store, 4, Fence::Claimed(claim_of(7))).await, Appended::Stored, "none is left to keep it out");
}

pub async fn a_claim_ends_when_the_due_time_is_moved(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    claim(&*store, T0, claim_of(7)).await;
    assert_eq!(set_due(&*store, 1, Some(T0 + 50), Fence::Claimed(claim_of(7))).await, Appended::Stored);
    assert_eq!(append(&*store, 2, Fence::Unclaimed).await, Appended::Stored);
}

pub async fn a_claim_survives_reopening(fixture: &mut impl Fixture) {
    say(&*fixture.store(), &conversation(1), "asks", Some(T0)).await;
    claim(&*fixture.store(), T0, claim_of(7)).await;
    if fixture.reopen().await {
        assert_eq!(append(&*fixture.store(), 2, Fence::Unclaimed).await, Appended::Fenced);
        assert_eq!(append(&*fixture.store(), 2, Fence::Claimed(claim_of(7))).await, Appended::Stored);
    }
}

pub async fn of_a_taken_seq_and_a_claim_the_seq_is_told(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    claim(&*store, T0, claim_of(7)).await;
    assert_eq!(append(&*store, 1, Fence::Unclaimed).await, Appended::Conflict, "to read on is what helps");
}

pub async fn of_32_claimers_who_append_the_last_one_wins(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    for number in 1..=32 {
        claim(&*store, T0 + 100 * number, claim_of(number)).await;
    }
    let mut writers = JoinSet::new();
    for number in 1..=32 {
        let store = fixture.store();
        writers.spawn(async move { (number, append(&*store, 2, Fence::Claimed(claim_of(number))).await) });
    }
    let mut stored: Vec<_> = writers.join_all().await;
    stored.retain(|(_, appended)| *appended == Appended::Stored);
    assert_eq!(stored, [(32, Appended::Stored)]);
}
