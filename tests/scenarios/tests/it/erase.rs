//! Forgetting on request: who may ask, and what is left.

use std::sync::Arc;

use client::{Command, Profile};
use protocol::v1::{self, ErrorCode};
use scenarios::{
    Fault, LossyBus, Operation, Response, SHOP_SECRET, Setup, Shaky, TOKEN_SECRET, Tab, TestNode, Wire, append,
    conversation_of, eraser, events, hello, identity, listed_at, now_seconds, request, small_talk, token,
};
use store::Key;
use store::embedded::{EmbeddedStore, Options};

const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";
const OTHER: &str = "a_BBBBBBBBBBBBBBBBBBBBBB";

fn token_of(visitor: &str) -> String {
    token("shop", visitor, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET)
}

async fn erase(node: &TestNode, site: &str, visitor: &str, bearer: &str) -> Response {
    let bearer = format!("Bearer {bearer}");
    let path = format!("/v1/sites/{site}/visitors/{visitor}");
    request(node.address(), "DELETE", &path, &[("Authorization", &bearer)]).await
}

/// Says something and reads the answer.
async fn talk(setup: &Setup, tab: &mut Tab) {
    let asked = tab.say("my secret is 4711").await;
    setup.functions.ai().await.answer("I will keep it");
    tab.answer(asked + 1).await;
}

#[tokio::test]
async fn a_visitor_is_forgotten_and_comes_back_as_somebody_new() {
    let setup = Setup::new().joined_by(LossyBus::new());
    let here = setup.clone().with("node.name", "here").start().await;
    let there = setup.clone().with("node.name", "there").start().await;
    let mut tab = Tab::open(&here).await;
    talk(&setup, &mut tab).await;
    let mut other = tab.another(&there).await;
    other.event(2).await;
    let (visitor, token) = (tab.visitor().to_owned(), tab.client().token().to_owned());

    assert_eq!(erase(&here, "shop", "me", &token).await.status, 204);

    // Wherever they are.
    assert_eq!((tab.closed().await, other.closed().await), (Some(4100), Some(4100)));
    let id = conversation_of(&visitor, 1);
    assert_eq!((events(&*setup.store, &id).await, listed_at(&*setup.store, &id).await), (vec![], None));
    tab.reconnect(&here).await;
    assert_ne!(tab.visitor(), visitor);
    assert_eq!((tab.client().log().len(), tab.say("hello").await), (0, 1));
    // Who still holds the token is in the next conversation, and it is empty.
    let (_wire, welcome) = Wire::welcomed(there.address(), v1::Hello { token, ..hello() }).await;
    let opened = welcome.opened.unwrap();
    assert_eq!((opened.conversation, opened.head), (2, 0));
}

#[tokio::test]
async fn all_conversations_of_a_visitor_are_forgotten() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    for conversation in 1..=3 {
        assert_eq!(tab.conversation(), conversation);
        talk(&setup, &mut tab).await;
        tab.get(Command::Close).await;
        tab.begin().await;
    }
    let (visitor, token) = (tab.visitor().to_owned(), tab.client().token().to_owned());

    assert_eq!(erase(&node, "shop", &visitor, &token).await.status, 204);

    for conversation in 1..=4 {
        let id = conversation_of(&visitor, conversation);
        assert_eq!((events(&*setup.store, &id).await, listed_at(&*setup.store, &id).await), (vec![], None));
    }
    // In the fourth nothing had been said: there was nothing to forget, and the tab stays where it is.
    tab.say("hello again").await;
    assert_eq!(tab.conversation(), 4);
}

#[tokio::test]
async fn asking_again_and_again_finds_nothing_to_forget_and_moves_nobody_on() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    talk(&setup, &mut tab).await;
    let (visitor, token) = (tab.visitor().to_owned(), tab.client().token().to_owned());
    let key = Key::new("shop", "visitor", &[&visitor]).unwrap();
    let now = 1_790_000_000_000;

    assert_eq!(erase(&node, "shop", "me", &token).await.status, 204);
    let left = setup.store.get(&key, now).await.unwrap().unwrap();
    for _ in 0..5 {
        assert_eq!(erase(&node, "shop", "me", &token).await.status, 204);
    }
    let still = setup.store.get(&key, now).await.unwrap().unwrap();

    assert_eq!(left.value.split(|byte| *byte == b' ').next(), Some(&b"2"[..]));
    assert_eq!(still.value.split(|byte| *byte == b' ').next(), Some(&b"2"[..]), "the next is the second, as before");
}

#[tokio::test]
async fn who_talks_on_after_an_erasure_is_not_taken_back_when_its_record_would_have_ended() {
    let setup = Setup::new();
    let node = setup.start().await;
    let ann = identity("ann", SHOP_SECRET);
    let profile = Profile { site: "shop".to_owned(), identity: ann.clone(), ..Profile::default() };
    let mut tab = Tab::of(&node, profile.clone()).await;
    talk(&setup, &mut tab).await;
    let key = Key::new("shop", "visitor", &[tab.visitor()]).unwrap();
    assert_eq!(erase(&node, "shop", "me", &ann).await.status, 204);
    assert_eq!(tab.closed().await, Some(4100));

    let mut back = Tab::of(&node, profile).await;
    back.say("here I am again").await;

    assert_eq!(back.conversation(), 2);
    let in_a_year = u64::MAX / 2;
    let record = setup.store.get(&key, in_a_year).await.unwrap().expect("it no longer ends by itself");
    assert_eq!(record.value.split(|byte| *byte == b' ').next(), Some(&b"2"[..]));
}

#[tokio::test]
async fn somebody_with_an_identity_is_forgotten_and_goes_on_in_the_next_conversation() {
    let setup = Setup::new();
    let node = setup.start().await;
    let ann = identity("ann", SHOP_SECRET);
    let profile = Profile { site: "shop".to_owned(), identity: ann.clone(), ..Profile::default() };
    let mut tab = Tab::of(&node, profile).await;
    talk(&setup, &mut tab).await;
    let visitor = tab.visitor().to_owned();

    assert_eq!(erase(&node, "shop", "me", &ann).await.status, 204);

    assert_eq!(tab.closed().await, Some(4100));
    assert_eq!(events(&*setup.store, &conversation_of(&visitor, 1)).await, []);
    tab.reconnect(&node).await;
    assert_eq!((tab.visitor(), tab.conversation(), tab.client().log().len()), (visitor.as_str(), 2, 0));
    assert_eq!(tab.say("hello").await, 1);
}

#[tokio::test]
async fn the_sites_back_end_has_anybody_forgotten() {
    let setup = Setup::new();
    append(&*setup.store, &conversation_of(VISITOR, 1), small_talk(1)).await;
    let node = setup.start().await;

    assert_eq!(erase(&node, "shop", VISITOR, &eraser(SHOP_SECRET)).await.status, 204);

    assert_eq!(events(&*setup.store, &conversation_of(VISITOR, 1)).await, []);
    // Somebody who was never here is forgotten as well.
    assert_eq!(erase(&node, "shop", OTHER, &eraser(SHOP_SECRET)).await.status, 204);
}

#[tokio::test]
async fn nobody_else_has_anybody_forgotten() {
    let setup = Setup::new();
    let id = conversation_of(VISITOR, 1);
    append(&*setup.store, &id, small_talk(1)).await;
    let node = setup.start().await;
    let (own, others) = (token_of(VISITOR), token_of(OTHER));
    let forged = token("shop", VISITOR, now_seconds(), now_seconds() + 3_600, "another secret of 48 bytes, as long as");
    let expired = token("shop", VISITOR, now_seconds() - 7_200, now_seconds() - 3_600, TOKEN_SECRET);
    for (what, site, visitor, bearer, status) in [
        ("another visitor's token", "shop", VISITOR, others, 401),
        ("another person's identity", "shop", VISITOR, identity("ann", SHOP_SECRET), 401),
        (
            "a token of another site's back end",
            "shop",
            VISITOR,
            eraser("a secret of somebody else, of 44 bytes......"),
            401,
        ),
        ("the back end itself is no visitor", "shop", "me", eraser(SHOP_SECRET), 401),
        ("a forged token", "shop", "me", forged, 401),
        ("an old token", "shop", "me", expired, 401),
        ("a token at another site", "other", "me", own.clone(), 401),
        ("a back end at another site", "other", VISITOR, eraser(SHOP_SECRET), 401),
        ("a site that there is not", "nowhere", "me", own.clone(), 404),
        ("a name that is none", "shop", "nobody", eraser(SHOP_SECRET), 400),
        ("nothing at all", "shop", "me", String::new(), 401),
    ] {
        let response = erase(&node, site, visitor, &bearer).await;
        assert_eq!(response.status, status, "{what}: {}", response.body);
        assert!(response.body.contains("ERROR_CODE_"), "{what}: {}", response.body);
    }
    let path = "/v1/sites/shop/visitors/me";
    assert_eq!(request(node.address(), "DELETE", path, &[]).await.status, 401);
    let basic = [("Authorization", "Basic dmlzaXRvcjpzZWNyZXQ=")];
    assert_eq!(request(node.address(), "DELETE", path, &basic).await.status, 401);
    assert_eq!(request(node.address(), "GET", path, &[]).await.status, 405);
    assert_eq!(events(&*setup.store, &id).await.len(), 2);
}

#[tokio::test]
async fn a_token_that_erases_lets_nobody_in() {
    let node = Setup::new().start().await;
    let hello = v1::Hello { identity: eraser(SHOP_SECRET), ..hello() };
    let (_, closed) = Wire::turned_away(node.address(), hello, ErrorCode::IdentityInvalid).await;
    assert_eq!(closed, Some(4102));
}

#[tokio::test]
async fn what_could_not_be_forgotten_is_said_and_forgotten_the_next_time() {
    for operation in [Operation::Get, Operation::Put, Operation::Forget, Operation::Delete] {
        for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Hangs] {
            let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
            let setup = Setup::on(store.clone()).with("store.timeout_ms", 300);
            let node = setup.start().await;
            let mut tab = Tab::open(&node).await;
            talk(&setup, &mut tab).await;
            let (id, token) = (conversation_of(tab.visitor(), 1), tab.client().token().to_owned());
            store.set(operation, fault.clone());

            let response = erase(&node, "shop", "me", &token).await;

            assert_eq!(response.status, 503, "{operation:?} {fault:?}");
            assert!(response.headers["retry-after"].parse::<u32>().unwrap() > 0, "{operation:?} {fault:?}");
            store.mend();
            assert_eq!(erase(&node, "shop", "me", &token).await.status, 204, "{operation:?} {fault:?}");
            assert_eq!(tab.closed().await, Some(4100), "{operation:?} {fault:?}");
            let left = (events(&*setup.store, &id).await, listed_at(&*setup.store, &id).await);
            assert_eq!(left, (vec![], None), "{operation:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_being_written_is_not_stored_after_the_erasure() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("my secret is 4711").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("I will ");
    tab.reads("I will ").await;
    let (id, token) = (conversation_of(tab.visitor(), 1), tab.client().token().to_owned());

    assert_eq!(erase(&node, "shop", "me", &token).await.status, 204);
    assert_eq!(tab.closed().await, Some(4100));

    answering.given_up().await;
    assert_eq!(events(&*setup.store, &id).await, []);
    assert_eq!(node.metric(&["frontdesk_logs_lost_total"]).await, 0.0, "nothing was lost: it was forgotten");
    assert_eq!(listed_at(&*setup.store, &id).await, None);
}

#[tokio::test]
async fn a_page_of_the_site_may_ask_and_no_other() {
    let setup = Setup::new();
    append(&*setup.store, &conversation_of(VISITOR, 1), small_talk(1)).await;
    let node = setup.start().await;
    let path = "/v1/sites/shop/visitors/me";
    let bearer = format!("Bearer {}", token_of(VISITOR));
    let preflight = [("Access-Control-Request-Method", "DELETE"), ("Access-Control-Request-Headers", "authorization")];

    for (origin, may) in [("https://shop.example", true), ("https://evil.example", false)] {
        let asked = [("Origin", origin), preflight[0], preflight[1]];
        let response = request(node.address(), "OPTIONS", path, &asked).await;
        assert_eq!(response.headers.get("access-control-allow-origin").map(String::as_str), may.then_some(origin));
        assert_eq!(response.headers.contains_key("access-control-allow-methods"), may);
        assert_eq!(response.headers.contains_key("access-control-allow-headers"), may);
        assert_eq!(response.headers["vary"], "origin");
    }
    let asked = [("Origin", "https://evil.example"), ("Authorization", bearer.as_str())];
    let response = request(node.address(), "DELETE", path, &asked).await;
    assert_eq!((response.status, response.headers.get("access-control-allow-origin")), (403, None));
    assert_eq!(events(&*setup.store, &conversation_of(VISITOR, 1)).await.len(), 2);

    let asked = [("Origin", "https://shop.example"), ("Authorization", bearer.as_str())];
    let response = request(node.address(), "DELETE", path, &asked).await;
    assert_eq!(
        (response.status, response.headers["access-control-allow-origin"].as_str()),
        (204, "https://shop.example")
    );
    // A page must be able to read why it was refused, too.
    let refused = [("Origin", "https://shop.example"), ("Authorization", "Bearer x")];
    let response = request(node.address(), "DELETE", path, &refused).await;
    assert_eq!(
        (response.status, response.headers["access-control-allow-origin"].as_str()),
        (401, "https://shop.example")
    );
}

#[tokio::test]
async fn a_node_that_drains_forgets_nobody() {
    let setup = Setup::new();
    let mut node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    tab.say("hello").await;
    let call = setup.functions.ai().await;
    node.drain();
    node.until_readiness(503, "draining").await;

    let response = erase(&node, "shop", "me", tab.client().token()).await;

    assert_eq!(response.status, 503);
    assert!(response.headers.contains_key("retry-after"));
    call.answer("Good day");
    node.stopped().await;
}
