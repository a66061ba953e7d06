//! Who is let in, and that nobody reaches what is not theirs.

use client::Profile;
use protocol::Subprotocol;
use protocol::v1::{self, ErrorCode, server_frame};
use scenarios::{
    Handshake, SHOP_SECRET, Setup, TOKEN_SECRET, Tab, TestNode, Wire, frames, hello, identity, now_seconds, token,
    unsigned,
};

const VISITOR: &str = "a_AAAAAAAAAAAAAAAAAAAAAA";

fn good_token(site: &str) -> String {
    token(site, VISITOR, now_seconds(), now_seconds() + 3_600, TOKEN_SECRET)
}

async fn turned_away(node: &TestNode, hello: v1::Hello, code: ErrorCode, close: u16) {
    let (error, closed) = Wire::turned_away(node.address(), hello, code).await;
    assert_eq!(closed, Some(close), "{error:?}");
    assert_eq!(error.id, b"");
}

#[tokio::test]
async fn bad_tokens_are_refused_by_name() {
    let node = Setup::new().start().await;
    let now = now_seconds();
    let forged = token("shop", VISITOR, now, now + 3_600, &"x".repeat(48));
    let mut bent = good_token("shop").into_bytes();
    let middle = bent.len() / 2;
    bent[middle] = if bent[middle] == b'A' { b'B' } else { b'A' };
    let impossible = token("shop", "someone/else", now, now + 3_600, TOKEN_SECRET);
    for (token, code) in [
        ("x".to_owned(), ErrorCode::TokenInvalid),
        ("a.b.c".to_owned(), ErrorCode::TokenInvalid),
        (forged, ErrorCode::TokenInvalid),
        (String::from_utf8(bent).unwrap(), ErrorCode::TokenInvalid),
        (unsigned(&good_token("shop")), ErrorCode::TokenInvalid),
        (impossible, ErrorCode::TokenInvalid),
        // Signed by the site, which signs identities and no tokens.
        (identity("ann", SHOP_SECRET), ErrorCode::TokenInvalid),
        (token("shop", VISITOR, now - 3_600, now - 60, TOKEN_SECRET), ErrorCode::TokenExpired),
        (good_token("other"), ErrorCode::TokenWrongSite),
    ] {
        turned_away(&node, v1::Hello { token, ..hello() }, code, 4100).await;
    }
    let (_, welcome) = Wire::welcomed(node.address(), v1::Hello { token: good_token("shop"), ..hello() }).await;
    assert_eq!(welcome.visitor, VISITOR);
}

#[tokio::test]
async fn a_site_that_nobody_has_is_refused() {
    let node = Setup::new().start().await;
    for site in ["nobody", "", "Shop", "shop/../other"] {
        turned_away(&node, v1::Hello { site: site.to_owned(), ..hello() }, ErrorCode::SiteUnknown, 4201).await;
    }
}

#[tokio::test]
async fn a_site_may_want_signed_identities_only() {
    let node = Setup::new().start().await;
    let strict = || v1::Hello { site: "strict".to_owned(), ..hello() };
    turned_away(&node, strict(), ErrorCode::IdentityRequired, 4101).await;
    let anonymous = v1::Hello { token: good_token("strict"), ..strict() };
    turned_away(&node, anonymous, ErrorCode::IdentityRequired, 4101).await;
    for forged in [
        identity("ann", &"x".repeat(48)),
        unsigned(&identity("ann", SHOP_SECRET)),
        good_token("strict"),
        "x".to_owned(),
    ] {
        turned_away(&node, v1::Hello { identity: forged, ..strict() }, ErrorCode::IdentityInvalid, 4102).await;
    }
    let ann = v1::Hello { identity: identity("ann", SHOP_SECRET), ..strict() };
    let (_, welcome) = Wire::welcomed(node.address(), ann).await;
    assert!(welcome.visitor.starts_with("u_"), "{}", welcome.visitor);
    let back = v1::Hello { token: welcome.token, ..strict() };
    assert_eq!(Wire::welcomed(node.address(), back).await.1.visitor, welcome.visitor);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let node = Setup::new().start().await;
    let greet = async |origin: Option<&str>, site: &str| {
        let mut handshake = Handshake::of(Subprotocol::Proto);
        if let Some(origin) = origin {
            handshake = handshake.with("origin", origin);
        }
        let Ok(mut wire) = Wire::shake_hands(node.address(), &handshake).await else { panic!("{origin:?}") };
        wire.send(v1::Hello { site: site.to_owned(), ..hello() }).await;
        match wire.frame().await {
            server_frame::Kind::Welcome(_) => Ok(()),
            server_frame::Kind::Error(error) => Err((error.code(), wire.closed().await)),
            other => panic!("{other:?}"),
        }
    };
    let forbidden = Err((ErrorCode::OriginForbidden, Some(4200)));
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example", ""] {
        assert_eq!(greet(Some(origin), "shop").await, forbidden, "{origin:?}");
    }
    assert_eq!(greet(Some("https://shop.example"), "shop").await, Ok(()));
    assert_eq!(greet(Some("https://shop.example"), "other").await, forbidden);
    assert_eq!(greet(None, "shop").await, Ok(()), "a program, not a page");
    assert_eq!(greet(None, "browsers").await, forbidden);
    assert_eq!(greet(Some("https://browsers.example"), "browsers").await, Ok(()));
}

#[tokio::test]
async fn a_token_past_half_its_life_is_renewed_on_the_connection() {
    let node = Setup::new().with("limits.keepalive_ms", 1_000).with("limits.silent_ms", 60_000).start().await;
    // Half of it is over in three seconds.
    let now = now_seconds();
    let old = token("shop", VISITOR, now - 28, now + 34, TOKEN_SECRET);
    let (mut wire, welcome) = Wire::welcomed(node.address(), v1::Hello { token: old, ..hello() }).await;
    assert_eq!(welcome.token, "");

    let renewed = match wire.frame().await {
        server_frame::Kind::Token(token) => token,
        other => panic!("{other:?}"),
    };

    assert!(renewed.expires_at_ms > ((now + 3_600) * 1_000) as i64);
    let (_, welcome) = Wire::welcomed(node.address(), v1::Hello { token: renewed.token, ..hello() }).await;
    assert_eq!(welcome.visitor, VISITOR);
    assert!(wire.is_alive().await);
}

#[tokio::test]
async fn a_token_past_half_its_life_is_renewed_by_the_welcome() {
    let node = Setup::new().start().await;
    let now = now_seconds();
    let old = token("shop", VISITOR, now - 100, now + 60, TOKEN_SECRET);
    let (_, welcome) = Wire::welcomed(node.address(), v1::Hello { token: old.clone(), ..hello() }).await;
    assert_eq!(welcome.visitor, VISITOR);
    assert!(!welcome.token.is_empty() && welcome.token != old);
}

#[tokio::test]
async fn who_logs_in_becomes_another_visitor_and_is_reset() {
    let setup = Setup::new();
    let node = setup.start().await;
    let ann = Profile { site: "shop".to_owned(), identity: identity("ann", SHOP_SECRET), ..Profile::default() };
    let mut at_home = Tab::of(&node, ann.clone()).await;
    for text in ["from home", "and again"] {
        at_home.say(text).await;
    }
    let (mut page, anonymous) = Wire::welcomed(node.address(), hello()).await;
    page.send(frames::send(1, "anonymous")).await;
    assert_eq!(page.ack().await.seq, 1);

    // The page's cursor is one of the anonymous conversation, which has the same number.
    let cursor = v1::Hello { conversation: 1, after: 1, identity: ann.identity.clone(), ..hello() };
    for token in [anonymous.token.clone(), String::new()] {
        let (mut wire, welcome) = Wire::welcomed(node.address(), v1::Hello { token, ..cursor.clone() }).await;
        assert_eq!(welcome.visitor, at_home.visitor());
        assert!(welcome.opened.unwrap().reset);
        assert_eq!((wire.event().await.seq, wire.event().await.seq), (1, 2));
    }

    // With the token of the same visitor the cursor is good.
    let token = at_home.client().token().to_owned();
    let (mut wire, welcome) = Wire::welcomed(node.address(), v1::Hello { token, ..cursor }).await;
    assert!(!welcome.opened.unwrap().reset);
    assert_eq!(wire.event().await.seq, 2);
}

#[tokio::test]
async fn no_hello_reaches_another_visitors_log() {
    let setup = Setup::new();
    let node = setup.start().await;
    let mut bob = Tab::open(&node).await;
    bob.say("bob's secret").await;
    let answering = setup.functions.ai().await.accept();
    answering.delta("whispered to bob");
    bob.reads("whispered to bob").await;
    let written = bob.client().written().unwrap().clone();
    let mut ann = Tab::open(&node).await;
    ann.say("ann's own").await;
    let mine = ann.client().token().to_owned();

    let ordinals = [0, 1, 2, u32::MAX];
    for (conversation, after) in ordinals.iter().flat_map(|c| ordinals.iter().map(move |a| (*c, *a))) {
        for token in [mine.clone(), String::new()] {
            let spoken = token.is_empty();
            let hello = v1::Hello {
                token,
                conversation,
                after,
                turn: written.turn,
                run: written.run,
                offset: 3,
                language: bob.visitor().to_owned(),
                ..hello()
            };
            let (mut wire, welcome) = Wire::welcomed(node.address(), hello).await;
            assert_ne!(welcome.visitor, bob.visitor());
            wire.send(v1::Ping {}).await;
            loop {
                match wire.frame().await {
                    server_frame::Kind::Pong(_) => break,
                    server_frame::Kind::Event(event) => {
                        assert!(!spoken && !format!("{event:?}").contains("bob"), "{event:?}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn the_same_visitor_on_another_site_has_another_conversation() {
    let setup = Setup::new();
    let node = setup.start().await;
    let (mut shop, _) = Wire::welcomed(node.address(), v1::Hello { token: good_token("shop"), ..hello() }).await;
    shop.send(frames::send(1, "in the shop")).await;
    shop.ack().await;
    let elsewhere = v1::Hello { site: "other".to_owned(), token: good_token("other"), ..hello() };
    let (_, welcome) = Wire::welcomed(node.address(), elsewhere).await;
    assert_eq!((welcome.visitor.as_str(), welcome.opened.unwrap().head), (VISITOR, 0));
}
