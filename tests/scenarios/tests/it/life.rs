//! How long conversations live: closed after silence, kept, forgotten.

use std::sync::Arc;
use std::time::Duration;

use client::Profile;
use conversation::{AnswerEnd, Body, ClosedBy, ConversationId, Event, Millis};
use protocol::v1::event;
use scenarios::{
    Fault, LONG_AGO, Operation, Setup, Shaky, TOKEN_SECRET, Tab, TestNode, append, append_at, assert_whole,
    conversation_of, enlist, events, listed_at, now_seconds, small_talk, soon, token,
};
use store::embedded::{EmbeddedStore, Options};
use store::{Key, Lease, Store};
use tokio::sync::Semaphore;

const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";
const DAY_MS: Millis = 86_400_000;

/// The site's default.
const KEEP_DAYS: u64 = 90;

fn now() -> Millis {
    now_seconds() * 1_000
}

/// Waits until the conversation is listed so, or not listed.
async fn until_listed(store: &dyn Store, id: &ConversationId, is_so: impl Fn(Option<Millis>) -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let listed = async {
        while !is_so(listed_at(store, id).await) {
            looks.tick().await;
        }
    };
    soon("another place in the index of lives", listed).await;
}

fn is_closed_by_site(event: &Event) -> bool {
    matches!(event.body, Body::Closed { by: ClosedBy::Site })
}

async fn tab(node: &TestNode) -> Tab {
    let token = token("shop", VISITOR, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET);
    Tab::of(node, Profile { site: "shop".to_owned(), token, ..Profile::default() }).await
}

/// One question with its answer, so long ago.
async fn silent_since(setup: &Setup, id: &ConversationId, at: Millis) {
    append_at(&*setup.store, id, at, small_talk(1)).await;
}

#[tokio::test]
async fn silence_closes_a_conversation_though_nobody_is_connected() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    silent_since(&setup, &id, now() - DAY_MS).await;
    enlist(&*setup.store, &id, now() - 1).await;
    let node = setup.start().await;

    node.until_metric(&["frontdesk_conversations_ended_total", "closed"], 1.0).await;

    let log = assert_whole(&*setup.store, &id).await;
    assert!(log.len() == 3 && is_closed_by_site(&log[2]), "{log:?}");
    let forgotten_at = log[2].at + KEEP_DAYS * DAY_MS;
    until_listed(&*setup.store, &id, |at| at == Some(forgotten_at)).await;
    let mut tab = tab(&node).await;
    tab.event(3).await;
    assert_eq!(tab.begin().await, 2);
}

#[tokio::test]
async fn silence_closes_a_conversation_while_its_visitor_is_connected() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    silent_since(&setup, &id, now() - DAY_MS).await;
    let node = setup.start().await;
    let mut tab = tab(&node).await;
    tab.event(2).await;
    enlist(&*setup.store, &id, now() - 1).await;

    match tab.event(3).await.body {
        Some(event::Body::Closed(closed)) => assert_eq!(closed.by(), protocol::v1::ClosedBy::Site),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_conversation_is_not_closed_before_its_time() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    let written_at = now() - DAY_MS / 2;
    silent_since(&setup, &id, written_at).await;
    enlist(&*setup.store, &id, now() - 1).await;
    let _node = setup.start().await;

    until_listed(&*setup.store, &id, |at| at == Some(written_at + DAY_MS)).await;

    assert_eq!(events(&*setup.store, &id).await.len(), 2);
}

#[tokio::test]
async fn an_unanswered_conversation_is_answered_and_not_closed() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    append(&*setup.store, &id, small_talk(1).take(1)).await;
    enlist(&*setup.store, &id, now() - 1).await;
    let node = setup.start().await;

    until_listed(&*setup.store, &id, |at| at > Some(now())).await;
    node.until_metric(&["frontdesk_turns_total", "fallback"], 1.0).await;

    let log = assert_whole(&*setup.store, &id).await;
    assert!(log.len() == 2 && matches!(log[1].body, Body::Answer { end: AnswerEnd::Fallback, .. }), "{log:?}");
}

#[tokio::test]
async fn what_was_kept_for_long_enough_is_forgotten_without_a_trace() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    let closed_at = now() - KEEP_DAYS * DAY_MS;
    silent_since(&setup, &id, closed_at).await;
    append_at(&*setup.store, &id, closed_at, [Body::Closed { by: ClosedBy::Visitor }]).await;
    enlist(&*setup.store, &id, now() - 1).await;
    let node = setup.start().await;

    node.until_metric(&["frontdesk_conversations_ended_total", "forgotten"], 1.0).await;
    until_listed(&*setup.store, &id, |at| at.is_none()).await;

    assert_eq!(events(&*setup.store, &id).await, []);
    // Only the number of the next one stays, and not for ever.
    let record = Key::new("shop", "visitor", &[VISITOR]).unwrap();
    let kept = setup.store.get(&record, now()).await.unwrap().unwrap();
    assert!(kept.value.starts_with(b"2 "), "{kept:?}");
    assert_eq!(setup.store.get(&record, now() + 3 * DAY_MS).await.unwrap(), None);
    let mut tab = tab(&node).await;
    assert_eq!((tab.conversation(), tab.say("hello again").await), (2, 1));
}

#[tokio::test]
async fn forgetting_an_old_conversation_leaves_the_newer_one_alone() {
    let (setup, old) = (Setup::new(), conversation_of(VISITOR, 1));
    append(&*setup.store, &old, small_talk(1)).await;
    append(&*setup.store, &old, [Body::Closed { by: ClosedBy::Visitor }]).await;
    let node = setup.start().await;
    let mut tab = tab(&node).await;
    assert_eq!(tab.begin().await, 2);
    tab.say("hello").await;
    enlist(&*setup.store, &old, LONG_AGO).await;

    node.until_metric(&["frontdesk_conversations_ended_total", "forgotten"], 1.0).await;
    until_listed(&*setup.store, &old, |at| at.is_none()).await;

    assert_eq!(events(&*setup.store, &old).await, []);
    // Whether "hello" has its fallback by now or not.
    let seq = tab.say("still here").await;
    assert!(tab.conversation() == 2 && (2..=3).contains(&seq), "{seq} in {}", tab.conversation());
    tab.reconnect(&node).await;
    assert_eq!((tab.conversation(), tab.dropped()), (2, 1), "the one drop is that of the begin");
}

#[tokio::test]
async fn whoever_looks_at_a_conversation_that_is_forgotten_comes_back_to_the_next() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    append(&*setup.store, &id, small_talk(1)).await;
    append(&*setup.store, &id, [Body::Closed { by: ClosedBy::Visitor }]).await;
    let node = setup.start().await;
    let mut tab = tab(&node).await;
    tab.event(3).await;
    enlist(&*setup.store, &id, LONG_AGO).await;

    assert_eq!(tab.closed().await, Some(4100));

    assert_eq!(events(&*setup.store, &id).await, []);
}

#[tokio::test]
async fn a_site_that_keeps_for_ever_forgets_nothing() {
    let setup = Setup::new();
    let id = ConversationId::new("keeper", VISITOR, 1).unwrap();
    append(&*setup.store, &id, small_talk(1)).await;
    append(&*setup.store, &id, [Body::Closed { by: ClosedBy::Visitor }]).await;
    enlist(&*setup.store, &id, LONG_AGO).await;
    let node = setup.start().await;

    // Nobody needs to look at it again.
    until_listed(&*setup.store, &id, |at| at.is_none()).await;

    assert_eq!(events(&*setup.store, &id).await.len(), 3);
    assert_eq!(node.metric(&["frontdesk_conversations_ended_total", "forgotten"]).await, 0.0);
}

#[tokio::test]
async fn a_conversation_is_listed_from_its_first_word_on() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    let id = conversation_of(tab.visitor(), 1);
    assert_eq!(listed_at(&*setup.store, &id).await, None, "who only looks leaves nothing behind");

    tab.say("hello").await;

    let at = listed_at(&*setup.store, &id).await.unwrap();
    assert!(at > now() + DAY_MS - 60_000 && at <= now() + DAY_MS + 1_000, "{at}");
}

#[tokio::test]
async fn only_the_holder_of_the_lease_looks() {
    let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
    let (setup, id) = (Setup::on(store.clone()), conversation_of(VISITOR, 1));
    silent_since(&setup, &id, LONG_AGO).await;
    enlist(&*setup.store, &id, LONG_AGO).await;
    let key = Key::new(Key::EVERYBODY, "lease", &["life"]).unwrap();
    let lease = Lease::take(&*store, &key, "another", now(), now() + DAY_MS).await.unwrap().unwrap();
    // Both are carried out, and noted.
    let open = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    store.set(Operation::Put, Fault::Waits(Arc::clone(&open)));
    store.set(Operation::List, Fault::Waits(open));
    let node = setup.start().await;

    // It tries to get the lease, and tries again, and looks at nothing in between.
    assert_eq!(store.next_asked_for().await, Operation::Put);
    assert_eq!(store.next_asked_for().await, Operation::Put);

    lease.give_back(&*store, now()).await.unwrap();
    node.until_metric(&["frontdesk_conversations_ended_total", "closed"], 1.0).await;
}

#[tokio::test]
async fn two_nodes_close_a_conversation_once() {
    let (setup, id) = (Setup::new(), conversation_of(VISITOR, 1));
    silent_since(&setup, &id, LONG_AGO).await;
    enlist(&*setup.store, &id, LONG_AGO).await;
    let here = setup.clone().with("node.name", "here").start().await;
    let there = setup.clone().with("node.name", "there").start().await;

    until_listed(&*setup.store, &id, |at| at > Some(now())).await;

    let log = assert_whole(&*setup.store, &id).await;
    assert_eq!(log.iter().filter(|event| is_closed_by_site(event)).count(), 1);
    let closed = ["frontdesk_conversations_ended_total", "closed"];
    assert_eq!(here.metric(&closed).await + there.metric(&closed).await, 1.0);
}
