use conversation::{ConversationId, Millis};
use tokio::task::JoinSet;

use super::{Fixture, T0, append, claim_of, conversation, event, say};
use crate::{Appended, ClaimDue, Fence, SetDue, Store, StoreError};

/// A claim that nothing refers to.
fn at(now: Millis, until: Millis, limit: usize) -> ClaimDue {
    ClaimDue { now, until, limit, claim: claim_of(1) }
}

/// Everything due at `now`, claimed for a minute.
async fn claim(store: &dyn Store, now: Millis) -> Vec<ConversationId> {
    store.claim_due(at(now, now + 60_000, 100)).await.unwrap()
}

async fn set_due(store: &dyn Store, ordinal: u32, head: u32, due: Option<Millis>) -> Appended {
    store.set_due(SetDue { conversation: &conversation(ordinal), head, due, fence: Fence::Open }).await.unwrap()
}

pub async fn a_conversation_is_due_as_its_newest_event_says(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0 + 10)).await;
    assert_eq!(claim(&*store, T0 + 9).await, []);
    say(&*store, &conversation(1), "asks again", Some(T0 + 20)).await;
    assert_eq!(claim(&*store, T0 + 19).await, []);
    assert_eq!(claim(&*store, T0 + 20).await, [conversation(1)]);
    say(&*store, &conversation(1), "is answered", None).await;
    assert_eq!(claim(&*store, T0 + 10_000_000).await, []);
    say(&*store, &conversation(1), "asks a third time", Some(T0)).await;
    assert_eq!(claim(&*store, T0).await, [conversation(1)]);
}

pub async fn a_conflict_leaves_the_due_time_alone(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0 + 10)).await;
    for due in [None, Some(T0 + 5), Some(T0 + 50)] {
        for seq in [1, 3] {
            assert_eq!(append(&*store, &conversation(1), &event(seq, "late"), due).await, Appended::Conflict);
        }
    }
    assert_eq!(append(&*store, &conversation(2), &event(2, "ahead"), Some(T0)).await, Appended::Conflict);
    assert_eq!(claim(&*store, T0 + 9).await, []);
    assert_eq!(claim(&*store, T0 + 10).await, [conversation(1)]);
}

pub async fn a_due_time_is_moved_only_by_who_knows_the_head(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0 + 10)).await;
    say(&*store, &conversation(1), "asks again", Some(T0 + 20)).await;
    for head in [0, 1, 3] {
        assert_eq!(set_due(&*store, 1, head, None).await, Appended::Conflict);
    }
    assert_eq!(set_due(&*store, 2, 0, Some(T0)).await, Appended::Conflict, "no log, nothing to do");
    assert_eq!(set_due(&*store, 1, 2, Some(T0 + 5)).await, Appended::Stored);
    assert_eq!(claim(&*store, T0 + 4).await, []);
    assert_eq!(claim(&*store, T0 + 5).await, [conversation(1)]);
    assert_eq!(set_due(&*store, 1, 2, None).await, Appended::Stored);
    assert_eq!(claim(&*store, T0 + 10_000_000).await, []);
}

pub async fn the_most_overdue_is_claimed_first(fixture: &mut impl Fixture) {
    let store = fixture.store();
    for (ordinal, due) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        say(&*store, &conversation(ordinal), "asks", Some(T0 + due)).await;
    }
    let first = store.claim_due(at(T0 + 30, T0 + 1_000, 2)).await;
    assert_eq!(first, Ok(vec![conversation(2), conversation(3)]));
    let rest = store.claim_due(at(T0 + 30, T0 + 1_000, 2)).await;
    assert_eq!(rest, Ok(vec![conversation(1)]));
    assert_eq!(store.claim_due(at(T0 + 30, T0 + 1_000, 0)).await, Ok(vec![]));
}

pub async fn what_is_claimed_is_due_again_at_the_end_of_the_claim(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    assert_eq!(store.claim_due(at(T0, T0 + 100, 10)).await, Ok(vec![conversation(1)]));
    assert_eq!(store.claim_due(at(T0 + 99, T0 + 200, 10)).await, Ok(vec![]));
    assert_eq!(store.claim_due(at(T0 + 100, T0 + 200, 10)).await, Ok(vec![conversation(1)]));
    say(&*store, &conversation(1), "is answered", None).await;
    assert_eq!(store.claim_due(at(T0 + 300, T0 + 400, 10)).await, Ok(vec![]));
}

pub async fn each_due_conversation_is_claimed_by_one_of_16(fixture: &mut impl Fixture) {
    for ordinal in 1..=100 {
        say(&*fixture.store(), &conversation(ordinal), "asks", Some(T0 + Millis::from(ordinal))).await;
    }
    let mut claimers = JoinSet::new();
    for _ in 0..16 {
        let store = fixture.store();
        claimers.spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let some = store.claim_due(at(T0 + 100, T0 + 1_000, 7)).await.unwrap();
                if some.is_empty() {
                    return claimed;
                }
                claimed.extend(some);
            }
        });
    }
    let mut claimed: Vec<u32> = claimers.join_all().await.into_iter().flatten().map(|id| id.ordinal()).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=100).collect::<Vec<_>>());
}

pub async fn a_claim_into_the_past_is_refused(fixture: &mut impl Fixture) {
    let store = fixture.store();
    say(&*store, &conversation(1), "asks", Some(T0)).await;
    let answer = store.claim_due(at(T0, T0, 10)).await;
    assert!(matches!(answer, Err(StoreError::Invalid { .. })), "{answer:?}");
    assert_eq!(claim(&*store, T0).await, [conversation(1)]);
}

pub async fn due_times_survive_reopening(fixture: &mut impl Fixture) {
    say(&*fixture.store(), &conversation(1), "asks", Some(T0)).await;
    say(&*fixture.store(), &conversation(2), "asks", Some(T0 + 5)).await;
    assert_eq!(fixture.store().claim_due(at(T0, T0 + 100, 10)).await, Ok(vec![conversation(1)]));
    if fixture.reopen().await {
        assert_eq!(claim(&*fixture.store(), T0 + 99).await, [conversation(2)]);
        assert_eq!(claim(&*fixture.store(), T0 + 100).await, [conversation(1)]);
    }
}
