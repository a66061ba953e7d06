//! Claims: a node that was held up until its claim was over finds that the turn is another node's business now.
//!
//! Between the two nodes of these tests the bus loses everything, so that neither hears that the other is at it; and for the
//! second the time of claims runs ahead, so that those of the first are over while it still works.

use std::sync::Arc;

use client::{Command, Profile};
use conversation::{Body, ConversationId, MessageId, Millis};
use scenarios::{
    Bent, Call, LossyBus, Setup, TOKEN_SECRET, Tab, TestNode, append_due, assert_whole, conversation_of, events,
    now_seconds, token,
};
use store::Store;
use store::embedded::{EmbeddedStore, Options};

const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";

/// More than a turn and the grace of a claim take together.
const AHEAD_MS: Millis = 40_000;

/// Two nodes that both claimed one conversation, one after the other, and both ask the model.
struct Claimers {
    store: Arc<dyn Store>,
    id: ConversationId,
    here: TestNode,
    there: TestNode,
    /// The call of the node whose claim is over.
    late: Call,
    /// The call of the node whose claim stands.
    right: Call,
}

/// Who runs the turn here: a node that claimed it, or one whose visitor wrote.
enum Begins {
    Due,
    Written,
}

async fn claimers(begins: Begins, bend: impl FnOnce(Bent) -> Bent) -> Claimers {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::memory(Options::default()).unwrap());
    let id = conversation_of(VISITOR, 1);
    let bus = LossyBus::new();
    bus.lose(true);
    let setup = Setup::on(Arc::new(bend(Bent::on(Arc::clone(&store))))).joined_by(bus.clone());
    let later = Setup::on(Arc::new(Bent::on(Arc::clone(&store)).ahead(AHEAD_MS))).joined_by(bus);
    if let Begins::Due = begins {
        let now = now_seconds() * 1_000;
        let body = Body::VisitorMessage { id: MessageId([1; 16]), text: "hello".into() };
        append_due(&*store, &id, now, body, Some(now)).await;
    }
    let here = setup.with("node.name", "here").start_with_functions().await;
    if let Begins::Written = begins {
        assert_eq!(tab(&here.0).await.say("hello").await, 1);
    }
    let late = here.1.ai().await;
    let there = later.with("node.name", "there").start_with_functions().await;
    let right = there.1.ai().await;
    Claimers { store, id, here: here.0, there: there.0, late, right }
}

async fn tab(node: &TestNode) -> Tab {
    let token = token("shop", VISITOR, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET);
    Tab::of(node, Profile { site: "shop".to_owned(), token, ..Profile::default() }).await
}

/// The answer that comes too late is kept out, and the other one is stored.
async fn only_the_newest_claimer_answers(claimers: Claimers) {
    let Claimers { store, id, here, there, late, right } = claimers;
    let mut tab = tab(&here).await;
    tab.event(1).await;

    late.answer("too late");

    here.until_metric(&["frontdesk_appends_fenced_total"], 1.0).await;
    assert_eq!(events(&*store, &id).await.len(), 1, "an answer was stored by a node that lost its claim");
    right.answer("Good day");
    there.until_metric(&["frontdesk_turns_total", "complete"], 1.0).await;
    assert_eq!(tab.answer(2).await, "Good day");
    assert_eq!(assert_whole(&*store, &id).await.len(), 2);
}

#[tokio::test]
async fn a_claimer_that_was_held_up_cannot_append() {
    only_the_newest_claimer_answers(claimers(Begins::Due, |store| store).await).await;
}

#[tokio::test]
async fn a_node_that_never_claimed_is_kept_out_by_one_that_did() {
    only_the_newest_claimer_answers(claimers(Begins::Written, |store| store).await).await;
}

#[tokio::test]
async fn without_fences_the_late_answer_would_be_stored() {
    let claimers = claimers(Begins::Due, Bent::without_fences).await;

    claimers.late.answer("too late");

    claimers.here.until_metric(&["frontdesk_turns_total", "complete"], 1.0).await;
    let log = assert_whole(&*claimers.store, &claimers.id).await;
    assert!(matches!(&log[1].body, Body::Answer { text, .. } if &**text == "too late"), "{log:?}");
}

#[tokio::test]
async fn what_a_visitor_wants_is_kept_out_by_no_claim() {
    let claimers = claimers(Begins::Due, |store| store).await;
    let mut tab = tab(&claimers.here).await;

    assert_eq!(tab.say("is anybody there?").await, 2);
    assert_eq!(tab.get(Command::AskPerson).await, 3);

    // Nor can the claimer speak over it.
    claimers.right.answer("Good day");
    claimers.here.until_metric(&["frontdesk_appends_fenced_total"], 0.0).await;
    let log = assert_whole(&*claimers.store, &claimers.id).await;
    assert!(!log.iter().any(|event| matches!(event.body, Body::Answer { .. })), "{log:?}");
}
