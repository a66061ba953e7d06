//! Forgetting: nothing stays, and nothing comes back.

use super::{Fixture, T0, append, append_open, claim_of, conversation, event, log, say};
use crate::{Append, Appended, ClaimDue, Fence, SetDue};

pub async fn what_is_forgotten_is_gone(fixture: &mut impl Fixture) {
    let store = fixture.store();
    for seq in 1..=120 {
        let due = (seq == 120).then_some(T0);
        say(&*store, &conversation(1), "a text that must go", due).await;
    }
    assert_eq!(store.forget(&conversation(1), T0).await, Ok(()));
    assert_eq!(store.head(&conversation(1)).await, Ok(0));
    assert_eq!(log(&*store, &conversation(1)).await, []);
    assert_eq!(store.read(&conversation(1), 119, 10).await, Ok(vec![]));
    let claim = ClaimDue { now: T0 + 10_000, until: T0 + 20_000, limit: 10, claim: claim_of(1) };
    assert_eq!(store.claim_due(claim).await, Ok(vec![]));
    assert_eq!(store.forget(&conversation(1), T0).await, Ok(()), "again");
}

pub async fn who_still_knows_a_forgotten_log_cannot_append_to_it(fixture: &mut impl Fixture) {
    let store = fixture.store();
    for _ in 1..=3 {
        say(&*store, &conversation(1), "text", Some(T0)).await;
    }
    assert_eq!(store.forget(&conversation(1), T0).await, Ok(()));
    for seq in 2..=4 {
        let (conversation, event) = (conversation(1), event(seq, "too late"));
        for fence in [Fence::Open, Fence::Unclaimed, Fence::Claimed(claim_of(1))] {
            let append = Append { fence, ..append_open(&conversation, &event, Some(T0)) };
            assert_eq!(store.append_at(append).await, Ok(Appended::Conflict), "{seq}");
        }
        let due = SetDue { conversation: &conversation, head: seq - 1, due: Some(T0), fence: Fence::Open };
        assert_eq!(store.set_due(due).await, Ok(Appended::Conflict), "{seq}");
    }
    assert_eq!(log(&*store, &conversation(1)).await, []);
    let claim = ClaimDue { now: T0, until: T0 + 1, limit: 10, claim: claim_of(1) };
    assert_eq!(store.claim_due(claim).await, Ok(vec![]));
}

pub async fn what_was_never_there_is_forgotten_too(fixture: &mut impl Fixture) {
    let store = fixture.store();
    assert_eq!(store.forget(&conversation(1), T0).await, Ok(()));
    assert_eq!(store.head(&conversation(1)).await, Ok(0));
}

pub async fn forgetting_one_leaves_the_others(fixture: &mut impl Fixture) {
    let store = fixture.store();
    for ordinal in [1, 2, 11] {
        say(&*store, &conversation(ordinal), "text", Some(T0)).await;
    }
    assert_eq!(store.forget(&conversation(1), T0).await, Ok(()));
    for ordinal in [2, 11] {
        assert_eq!(log(&*store, &conversation(ordinal)).await, [event(1, "text")]);
        assert_eq!(append(&*store, &conversation(ordinal), &event(2, "more"), None).await, Appended::Stored);
    }
}
