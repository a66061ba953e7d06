use std::collections::HashSet;
use std::sync::Arc;

use conversation::{AnswerEnd, Assignee, Body, ClosedBy, ConversationId, Event, HandoverReason, MessageId, Seq};
use tokio::task::JoinSet;

use super::{Fixture, append, append_open, conversation, event, log, say};
use crate::{Append, Appended, MAX_EVENT_BYTES, MAX_READ_BYTES, Store, StoreError};

pub async fn a_new_log_is_empty(fixture: &mut impl Fixture) {
    let store = fixture.store();
    assert_eq!(store.head(&conversation(1)).await, Ok(0));
    assert_eq!(store.read(&conversation(1), 0, 10).await, Ok(vec![]));
    assert_eq!(store.read(&conversation(1), 7, 10).await, Ok(vec![]));
}

pub async fn what_was_appended_is_read_in_order(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let (conversation, events) = (conversation(1), one_of_each());
    let mut previous_at = 0;
    for event in &events {
        let append = Append { previous_at, ..append_open(&conversation, event, None) };
        assert_eq!(store.append_at(append).await, Ok(Appended::Stored));
        assert_eq!(store.head(&conversation).await, Ok(event.seq));
        previous_at = event.at;
    }
    assert_eq!(log(&*store, &conversation).await, events);
}

/// A log with every kind of event, and with text that is easy to get wrong.
fn one_of_each() -> Vec<Event> {
    let agent: Arc<str> = "ana@shop.example".into();
    let bodies = [
        Body::VisitorMessage { id: MessageId([0xff; 16]), text: "现在几点了？ \u{0}\n{\"a\":1}".into() },
        Body::Answer {
            turn: 1,
            text: "".into(),
            end: AnswerEnd::Stopped,
            offer_person: true,
            sources: None,
            choices: None,
        },
        Body::Handover { reason: HandoverReason::VisitorAsked, summary: "".into(), text: "".into() },
        Body::Assigned { to: Assignee::Queue },
        Body::Assigned { to: Assignee::Agent(agent.clone()) },
        Body::AgentMessage { agent: agent.clone(), id: MessageId([0; 16]), text: "مرحبا".into() },
        Body::Note { agent, text: "🙂".into() },
        Body::Closed { by: ClosedBy::Site },
        Body::Rated { score: 5, comment: "".into() },
    ];
    (1..).zip(bodies).map(|(seq, body)| Event { seq, at: 1_000 - u64::from(seq), body }).collect()
}

pub async fn a_seq_that_is_taken_is_a_conflict_and_changes_nothing(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let first = say(&*store, &conversation(1), "first", None).await;
    let second = say(&*store, &conversation(1), "second", None).await;
    for seq in [1, 2] {
        assert_eq!(append(&*store, &conversation(1), &event(seq, "other"), None).await, Appended::Conflict);
    }
    assert_eq!(append(&*store, &conversation(1), &second, None).await, Appended::Conflict, "also the same again");
    assert_eq!(log(&*store, &conversation(1)).await, [first, second]);
}

pub async fn a_seq_ahead_of_the_log_is_a_conflict(fixture: &mut impl Fixture) {
    let store = fixture.store();
    for seq in [0, 2, Seq::MAX] {
        assert_eq!(append(&*store, &conversation(1), &event(seq, "ahead"), None).await, Appended::Conflict);
    }
    let first = say(&*store, &conversation(1), "first", None).await;
    for seq in [0, 3, Seq::MAX] {
        assert_eq!(append(&*store, &conversation(1), &event(seq, "ahead"), None).await, Appended::Conflict);
    }
    assert_eq!(log(&*store, &conversation(1)).await, [first]);
}

pub async fn a_log_is_read_in_pages(fixture: &mut impl Fixture) {
    let store = fixture.store();
    for n in 1..=10 {
        say(&*store, &conversation(1), &n.to_string(), None).await;
    }
    let read = async |after, limit| {
        let events = store.read(&conversation(1), after, limit).await.unwrap();
        events.iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(3, 3).await, [4, 5, 6]);
    assert_eq!(read(8, 3).await, [9, 10]);
    assert_eq!(read(0, usize::MAX).await.len(), 10);
    for after in [10, 11, Seq::MAX] {
        assert_eq!(read(after, 3).await, [0; 0]);
    }
    assert_eq!(read(0, 0).await, [0; 0]);
}

pub async fn a_page_is_bounded_by_bytes_and_never_the_end_by_mistake(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let long = "x".repeat(MAX_EVENT_BYTES - 1024);
    let mut written = Vec::new();
    for _ in 0..20 {
        written.push(say(&*store, &conversation(1), &long, None).await);
    }
    let page = store.read(&conversation(1), 0, 100).await.unwrap();
    let bytes: usize = page.iter().map(|event| event.body.text_bytes()).sum();
    assert!(bytes < MAX_READ_BYTES + MAX_EVENT_BYTES, "{bytes}");
    assert_eq!(log(&*store, &conversation(1)).await, written);
}

pub async fn an_event_that_is_too_large_is_refused(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let large = event(1, &"x".repeat(MAX_EVENT_BYTES + 1));
    let answer = store.append_at(append_open(&conversation(1), &large, None)).await;
    assert!(matches!(answer, Err(StoreError::TooLarge { limit: MAX_EVENT_BYTES, .. })), "{answer:?}");
    assert_eq!(store.head(&conversation(1)).await, Ok(0));
}

pub async fn of_64_writers_at_one_seq_one_wins(fixture: &mut impl Fixture) {
    for seq in 1..=8 {
        let mut writers = JoinSet::new();
        for writer in 0..64 {
            let store = fixture.store();
            writers.spawn(async move {
                let event = event(seq, &format!("writer {writer}"));
                (append(&*store, &conversation(1), &event, None).await, event)
            });
        }
        let outcomes = writers.join_all().await;
        let winners: Vec<_> = outcomes.iter().filter(|(outcome, _)| *outcome == Appended::Stored).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(log(&*fixture.store(), &conversation(1)).await.last(), Some(&winners[0].1));
    }
}

pub async fn of_64_writers_who_fold_again_each_is_stored_once(fixture: &mut impl Fixture) {
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        writers.spawn(insist(fixture.store(), conversation(1), format!("writer {writer}")));
    }
    let seqs: HashSet<Seq> = writers.join_all().await.into_iter().collect();
    let log = log(&*fixture.store(), &conversation(1)).await;
    assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
    assert_eq!(seqs.len(), 64);
    let texts: HashSet<String> = log.iter().map(|event| format!("{:?}", event.body)).collect();
    assert_eq!(texts.len(), 64);
}

/// Tries until the text is stored; returns where.
async fn insist(store: Arc<dyn Store>, conversation: ConversationId, text: String) -> Seq {
    loop {
        let event = event(store.head(&conversation).await.unwrap() + 1, &text);
        if append(&*store, &conversation, &event, None).await == Appended::Stored {
            return event.seq;
        }
    }
}

pub async fn many_conversations_do_not_mix(fixture: &mut impl Fixture) {
    let ids: Vec<ConversationId> = ["a", "aa", "a-b", "A", "1", "11"]
        .iter()
        .flat_map(|part| ["v", "vv", "v1"].map(|visitor| (*part, visitor)))
        .flat_map(|(site, visitor)| [1, 2, 10, 11, 100].map(|n| ConversationId::new(site, visitor, n).unwrap()))
        .collect();
    let mut writers = JoinSet::new();
    for id in ids.clone() {
        let store = fixture.store();
        writers.spawn(async move {
            for n in 1..=3 {
                say(&*store, &id, &format!("{id} {n}"), None).await;
            }
        });
    }
    writers.join_all().await;
    for id in ids {
        let expected: Vec<Event> = (1..=3).map(|n| event(n, &format!("{id} {n}"))).collect();
        assert_eq!(log(&*fixture.store(), &id).await, expected);
    }
}

pub async fn a_log_survives_reopening(fixture: &mut impl Fixture) {
    let mut written = Vec::new();
    for n in 0..10 {
        written.push(say(&*fixture.store(), &conversation(1), &n.to_string(), None).await);
    }
    if fixture.reopen().await {
        let store = fixture.store();
        assert_eq!(log(&*store, &conversation(1)).await, written);
        assert_eq!(append(&*store, &conversation(1), &event(10, "again"), None).await, Appended::Conflict);
        assert_eq!(append(&*store, &conversation(1), &event(11, "next"), None).await, Appended::Stored);
    }
}
