//! Floods, crowds, and readers that do not read.

use std::time::Duration;

use protocol::Subprotocol;
use protocol::v1::{self, ErrorCode, server_frame};
use scenarios::{
    Handshake, Incoming, RawSocket, Setup, Tab, TestNode, Wire, assert_whole, conversation_of, frames, hello, soon,
};

/// The status and `Retry-After` of a handshake that is refused.
async fn refusal(node: &TestNode) -> (u16, u64) {
    let handshake = Handshake::of(Subprotocol::Proto);
    let Err(response) = Wire::shake_hands(node.address(), &handshake).await else { panic!("it was taken") };
    let retry_after = response.headers().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    (response.status().as_u16(), retry_after)
}

/// Opens connections until one is taken.
async fn until_taken(node: &TestNode) -> Wire {
    let mut tries = tokio::time::interval(Duration::from_millis(20));
    soon("room for a connection", async {
        loop {
            tries.tick().await;
            if let Ok(wire) = Wire::shake_hands(node.address(), &Handshake::of(Subprotocol::Proto)).await {
                break wire;
            }
        }
    })
    .await
}

#[tokio::test]
async fn frames_over_the_rate_are_refused_and_the_connection_is_kept() {
    let setup =
        Setup::new().with("limits.frames_per_connection_burst", 5).with("limits.frames_per_connection_per_second", 5);
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), hello()).await;
    for id in 1..=20 {
        wire.send(frames::send(id, "quickly")).await;
    }
    let (mut acked, mut refused) = (vec![], vec![]);
    while acked.len() + refused.len() < 20 {
        match wire.frame().await {
            server_frame::Kind::Ack(ack) => acked.push(ack.id[0]),
            server_frame::Kind::Error(error) => {
                assert_eq!(error.code(), ErrorCode::RateLimited);
                assert!(error.retry_after_ms > 0, "{error:?}");
                refused.push(error.id[0]);
            }
            server_frame::Kind::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!acked.is_empty() && refused.len() >= 10, "{acked:?}, {refused:?}");
    // After the wait it goes through, with the same id, and once.
    let seq = wire.send_until_acked(frames::send(refused[0], "quickly")).await;
    assert_eq!(seq, acked.len() as u32 + 1);
}

#[tokio::test]
async fn a_flood_of_frames_ends_the_connection() {
    let setup =
        Setup::new().with("limits.frames_per_connection_burst", 5).with("limits.frames_per_connection_per_second", 1);
    let node = setup.start().await;
    let (mut wire, _) = Wire::welcomed(node.address(), hello()).await;
    for _ in 0..300 {
        wire.send(v1::Ping {}).await;
    }
    assert_eq!(wire.closed().await, Some(4004));

    // Frames of unknown kind are no way around it, and WebSocket's own pings neither.
    let (mut unknown, _) = Wire::welcomed(node.address(), hello()).await;
    for _ in 0..300 {
        unknown.send_bytes(&b""[..]).await;
    }
    assert_eq!(unknown.closed().await, Some(4004));
    let mut pings = RawSocket::open(node.address()).await;
    pings.send(hello()).await;
    assert!(matches!(pings.next().await, Some(server_frame::Kind::Welcome(_))));
    for _ in 0..300 {
        pings.write_frame(0x89, b"ping").await;
    }
    assert_eq!(pings.close_code().await, Some(4004));
}

#[tokio::test]
async fn a_flood_before_hello_ends_the_connection() {
    let setup =
        Setup::new().with("limits.frames_per_connection_burst", 5).with("limits.frames_per_connection_per_second", 1);
    let node = setup.start().await;
    let mut wire = Wire::open(node.address()).await;
    for _ in 0..20 {
        wire.send(v1::Ping {}).await;
    }
    assert_eq!(wire.closed().await, Some(4004));
}

#[tokio::test]
async fn messages_over_the_rate_are_refused_with_a_time_to_come_back() {
    let setup =
        Setup::new().with("limits.messages_per_visitor_burst", 2).with("limits.messages_per_visitor_per_minute", 60);
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    for id in 1..=3 {
        wire.send(frames::send(id, "quickly")).await;
    }
    let error = wire.refused(ErrorCode::RateLimited).await;
    assert_eq!(error.id, [3; 16]);
    assert!((1..=1_000).contains(&error.retry_after_ms), "{error:?}");

    // Another tab shares the rate. What is no message is not counted.
    let mut other = Wire::open(node.address()).await;
    other.send(v1::Hello { token: welcome.token, ..hello() }).await;
    other.welcome().await;
    other.send(frames::send(4, "from another tab")).await;
    other.refused(ErrorCode::RateLimited).await;
    other.send(frames::stop(5, 99)).await;
    assert_eq!(other.ack().await.id, [5; 16]);

    assert_eq!(wire.send_until_acked(frames::send(3, "quickly")).await, 3);
    assert_eq!(assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await.len(), 3);
}

#[tokio::test]
async fn a_visitor_holds_only_so_many_connections() {
    let node = Setup::new().with("limits.connections_per_visitor", 2).start().await;
    let (first, welcome) = Wire::welcomed(node.address(), hello()).await;
    let back = v1::Hello { token: welcome.token, ..hello() };
    let (_second, _) = Wire::welcomed(node.address(), back.clone()).await;

    let (error, closed) = Wire::turned_away(node.address(), back.clone(), ErrorCode::TooManyConnections).await;
    assert!(error.retry_after_ms > 0);
    assert_eq!(closed, Some(4004));
    let (_stranger, _) = Wire::welcomed(node.address(), hello()).await;

    drop(first);
    Wire::welcomed_at_last(node.address(), back).await;
}

#[tokio::test]
async fn an_address_holds_only_so_many_connections() {
    let node = Setup::new().with("limits.connections_per_address", 2).start().await;
    let first = Wire::open(node.address()).await;
    let _second = Wire::open(node.address()).await;

    let (status, retry_after) = refusal(&node).await;
    assert_eq!(status, 429);
    assert!(retry_after > 0);

    drop(first);
    until_taken(&node).await;
}

#[tokio::test]
async fn a_node_holds_only_so_many_connections() {
    let node = Setup::new().with("node.max_connections", 2).start().await;
    let first = Wire::open(node.address()).await;
    let _second = Wire::open(node.address()).await;

    let (status, retry_after) = refusal(&node).await;
    assert_eq!(status, 503);
    assert!(retry_after > 0);

    drop(first);
    until_taken(&node).await;
}

#[tokio::test]
async fn an_address_opens_connections_only_so_fast() {
    let setup =
        Setup::new().with("limits.connects_per_address_per_second", 1).with("limits.connects_per_address_burst", 2);
    let node = setup.start().await;
    for _ in 0..2 {
        Wire::open(node.address()).await;
    }
    let (status, retry_after) = refusal(&node).await;
    assert_eq!((status, retry_after), (429, 1));
    until_taken(&node).await;
}

#[tokio::test]
async fn a_node_accepts_connections_only_so_fast() {
    let node = Setup::new().with("node.max_accepts_per_second", 1).start().await;
    Wire::open(node.address()).await;
    let (status, retry_after) = refusal(&node).await;
    assert_eq!((status, retry_after), (503, 1));
    until_taken(&node).await;
}

#[tokio::test]
async fn an_address_becomes_only_so_many_new_visitors() {
    let setup = Setup::new()
        .with("limits.new_visitors_per_address_burst", 2)
        .with("limits.new_visitors_per_address_per_minute", 1);
    let node = setup.start().await;
    let (_, known) = Wire::welcomed(node.address(), hello()).await;
    Wire::welcomed(node.address(), hello()).await;

    let (error, closed) = Wire::turned_away(node.address(), hello(), ErrorCode::RateLimited).await;
    assert!(error.retry_after_ms > 0);
    assert_eq!(closed, Some(4004));
    // Who is known is let in.
    Wire::welcomed(node.address(), v1::Hello { token: known.token, ..hello() }).await;
}

#[tokio::test]
async fn who_never_says_hello_is_closed() {
    let node = Setup::new().with("limits.hello_timeout_ms", 100).start().await;
    let mut wire = Wire::open(node.address()).await;
    wire.refused(ErrorCode::HelloTimeout).await;
    assert_eq!(wire.closed().await, Some(4003));
}

#[tokio::test]
async fn pings_do_not_take_the_place_of_hello() {
    let node = Setup::new().with("limits.hello_timeout_ms", 300).start().await;
    let mut wire = Wire::open(node.address()).await;
    let code = soon("the end of a connection without hello", async {
        loop {
            wire.send(v1::Ping {}).await;
            match wire.next().await {
                Incoming::Frame(server_frame::Kind::Pong(_)) => {}
                Incoming::Frame(server_frame::Kind::Error(error)) => {
                    assert_eq!(error.code(), ErrorCode::HelloTimeout);
                }
                Incoming::Closed(code) => break code,
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert_eq!(code, Some(4003));
}

#[tokio::test]
async fn a_half_open_socket_is_closed_as_silent_and_a_quiet_client_is_not() {
    let node = Setup::new().with("limits.keepalive_ms", 1_000).with("limits.silent_ms", 2_500).start().await;
    let mut dead = RawSocket::open(node.address()).await;
    dead.send(hello()).await;
    assert!(matches!(dead.next().await, Some(server_frame::Kind::Welcome(_))));
    let (mut quiet, _) = Wire::welcomed(node.address(), hello()).await;

    // The quiet client does nothing but what every WebSocket library does: it answers pings.
    let quiet_reads = tokio::spawn(async move { quiet.next().await });
    let (mut pings, mut errors) = (0, vec![]);
    let code = soon("the end of a silent connection", async {
        loop {
            match dead.read_frame().await.unwrap() {
                (0x89, _) => pings += 1,
                (0x88, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
                (_, payload) => {
                    let frame = protocol::wire::decode_server(&payload, Subprotocol::Proto).unwrap();
                    errors.push(frame);
                }
            }
        }
    })
    .await;

    assert_eq!(code, 4002);
    assert!(pings > 0);
    assert!(matches!(&errors[..], [server_frame::Kind::Error(error)] if error.code() == ErrorCode::Silent));
    assert!(!quiet_reads.is_finished());
    quiet_reads.abort();
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_closed_and_resumes_by_cursor() {
    let setup = Setup::new().with("limits.slow_reader_ms", 100);
    let node = setup.start().await;
    let mut tab = Tab::open(&node).await;
    let token = tab.client().token().to_owned();
    let mut slow = RawSocket::open_with_buffer(node.address(), Some(4_096)).await;
    slow.send(v1::Hello { token: token.clone(), ..hello() }).await;
    assert!(matches!(slow.next().await, Some(server_frame::Kind::Welcome(_))));

    // It reads nothing while long answers come, until the node has had enough.
    let long = "word ".repeat(6_000);
    let mut said = 0_u32;
    while node.metric(&["connections_closed_total", "slow_reader"]).await == 0.0 {
        said += 1;
        assert!(said < 1_000, "the node holds {} bytes for a reader that does not read", said as usize * long.len());
        let seq = tab.say("more").await;
        setup.functions.ai().await.answer(&long);
        tab.answer(seq + 1).await;
    }
    node.until_metric(&["chat_session_active"], 1.0).await;

    // What it reads now is the beginning, in order.
    let mut held = 0;
    while let Some(frame) = slow.next().await {
        if let server_frame::Kind::Event(event) = frame {
            held += 1;
            assert_eq!(event.seq, held);
        }
    }
    assert!(held < 2 * said);
    let cursor = v1::Hello { token, conversation: 1, after: held, ..hello() };
    let (mut back, welcome) = Wire::welcomed(node.address(), cursor).await;
    assert!(!welcome.opened.unwrap().reset);
    for seq in held + 1..=2 * said {
        assert_eq!(back.event().await.seq, seq);
    }
}

#[tokio::test]
async fn nothing_is_left_of_connections_however_they_end() {
    let setup = Setup::new().with("limits.hello_timeout_ms", 300);
    let node = setup.start().await;
    for _ in 0..5 {
        // Cut, closed, broken, refused, never welcomed; one of them in mid-answer.
        let mut tab = Tab::open(&node).await;
        tab.say("hello").await;
        setup.functions.ai().await.answer("Good day");
        drop(tab);
        let mut closing = RawSocket::open(node.address()).await;
        closing.write_frame(0x88, &1_000_u16.to_be_bytes()).await;
        assert_eq!(closing.close_code().await, Some(1_000));
        let mut broken = RawSocket::open(node.address()).await;
        broken.write_frame(0x83, b"x").await;
        broken.close_code().await;
        let stranger = v1::Hello { site: "nobody".to_owned(), ..hello() };
        Wire::turned_away(node.address(), stranger, ErrorCode::SiteUnknown).await;
        drop(RawSocket::open(node.address()).await);
        let mut mute = Wire::open(node.address()).await;
        mute.closed().await;
    }
    for gauge in ["frontdesk_connections_open", "chat_session_active", "frontdesk_turns_running"] {
        node.until_metric(&[gauge], 0.0).await;
    }
    assert_eq!(node.metric(&["frontdesk_connections_accepted_total"]).await, 30.0);
}
