//! Frames that no right client sends: each gets a named error, and the connection is kept where it can be.

use bytes::Bytes;
use prost::Message as _;
use protocol::Subprotocol;
use protocol::v1::{self, ErrorCode, server_frame};
use scenarios::{Handshake, RawSocket, Setup, TestNode, Wire, assert_whole, conversation_of, frames, hello};
use tokio_tungstenite::tungstenite::Message;

/// The longest frame that these nodes take.
const MAX_FRAME: usize = 2_048;

async fn node() -> TestNode {
    let setup = Setup::new().with("limits.max_text_bytes", 1_000).with("limits.max_frame_bytes", MAX_FRAME);
    setup.start().await
}

async fn welcomed(node: &TestNode) -> Wire {
    Wire::welcomed(node.address(), hello()).await.0
}

#[tokio::test]
async fn malformed_frames_are_refused_by_name_and_the_connection_is_kept() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    for bytes in [&b"\xff"[..], b"\x12\x7f", b"{\"ping\":{}}"] {
        wire.send_bytes(Bytes::copy_from_slice(bytes)).await;
        assert_eq!(wire.refused(ErrorCode::Malformed).await.id, b"");
    }
    wire.send(frames::send(1, "still here")).await;
    assert_eq!(wire.ack().await.seq, 1);
}

#[tokio::test]
async fn malformed_json_is_refused_by_name_and_the_connection_is_kept() {
    let node = node().await;
    let mut wire = Wire::speaking(node.address(), Subprotocol::Json).await;
    wire.send(hello()).await;
    wire.welcome().await;
    for text in ["", "{", "[]", "{\"send\": 7}", "{\"ping\":{},\"ping\":{}}", "{\"send\":{\"id\":\"?\"}}"] {
        wire.send_bytes(text).await;
        let error = wire.refused(ErrorCode::Malformed).await;
        assert!(!error.message.contains('?'), "what was sent does not come back: {error:?}");
    }
    assert!(wire.is_alive().await);
}

#[tokio::test]
async fn the_wrong_type_of_message_is_malformed() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    wire.send_message(Message::text("{\"ping\":{}}")).await;
    wire.refused(ErrorCode::Malformed).await;
    let mut json = Wire::speaking(node.address(), Subprotocol::Json).await;
    json.send_message(Message::binary(v1::ClientFrame::from(hello()).encode_to_vec())).await;
    json.refused(ErrorCode::Malformed).await;
    assert!(wire.is_alive().await && json.is_alive().await);
}

#[tokio::test]
async fn too_many_bad_frames_end_the_connection() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    for _ in 0..8 {
        wire.send_bytes(&b"\xff"[..]).await;
        wire.refused(ErrorCode::Malformed).await;
    }
    assert_eq!(wire.closed().await, Some(4202));
}

#[tokio::test]
async fn too_many_bad_frames_end_the_connection_before_hello_too() {
    let node = node().await;
    let mut wire = Wire::open(node.address()).await;
    for id in 0..8 {
        wire.send(frames::send(id, "too early")).await;
        wire.refused(ErrorCode::OutOfOrder).await;
    }
    assert_eq!(wire.closed().await, Some(4202));
}

#[tokio::test]
async fn a_frame_just_too_long_is_refused_and_the_connection_is_kept() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    let longest = send_of_length(MAX_FRAME);
    wire.send_bytes(longest).await;
    wire.refused(ErrorCode::TextTooLong).await;
    for length in [MAX_FRAME + 1, 4 * MAX_FRAME] {
        wire.send_bytes(send_of_length(length)).await;
        assert_eq!(wire.refused(ErrorCode::FrameTooLarge).await.id, b"");
    }
    wire.send(frames::send(1, "still here")).await;
    assert_eq!(wire.ack().await.seq, 1);
}

#[tokio::test]
async fn a_frame_just_too_long_is_refused_before_hello_too() {
    let node = node().await;
    let mut wire = Wire::open(node.address()).await;
    wire.send_bytes(send_of_length(MAX_FRAME + 1)).await;
    wire.refused(ErrorCode::FrameTooLarge).await;
    wire.send(hello()).await;
    wire.welcome().await;
}

#[tokio::test]
async fn a_frame_far_too_long_is_not_read_and_the_client_hears_why() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    // More than the node reads, and more than fits into a kernel's buffers at once.
    wire.send_bytes(send_of_length(1_000_000)).await;
    wire.refused(ErrorCode::FrameTooLarge).await;
    assert_eq!(wire.closed().await, Some(4203));

    let mut early = Wire::open(node.address()).await;
    early.send_bytes(send_of_length(1_000_000)).await;
    early.refused(ErrorCode::FrameTooLarge).await;
    assert_eq!(early.closed().await, Some(4203));
}

/// A frame of a message, exactly so long.
fn send_of_length(length: usize) -> Bytes {
    let mut text = length;
    loop {
        let frame = v1::ClientFrame::from(frames::send(9, &"x".repeat(text))).encode_to_vec();
        match frame.len().checked_sub(length) {
            Some(0) => return frame.into(),
            Some(over) => text -= over,
            None => panic!("no frame has {length} bytes"),
        }
    }
}

#[tokio::test]
async fn unknown_kinds_of_frames_are_refused_by_name_and_do_not_count_as_bad() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    // Field 99, and a frame without any.
    for bytes in [&b"\x9a\x06\x00"[..], b""].repeat(6) {
        wire.send_bytes(bytes).await;
        wire.refused(ErrorCode::UnknownFrame).await;
    }
    assert!(wire.is_alive().await);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    let mut frame = v1::ClientFrame::from(frames::send(1, "from a newer client")).encode_to_vec();
    frame.extend(b"\x9a\x06\x00");
    wire.send_bytes(frame).await;
    assert_eq!(wire.ack().await.seq, 1);

    let mut json = Wire::speaking(node.address(), Subprotocol::Json).await;
    json.send_bytes("{\"hello\":{\"site\":\"shop\",\"mood\":\"good\"},\"later\":1}").await;
    json.welcome().await;
}

#[tokio::test]
async fn a_command_before_hello_is_refused_and_hello_is_still_welcome() {
    let node = node().await;
    let mut wire = Wire::open(node.address()).await;
    wire.send(frames::send(1, "too early")).await;
    wire.refused(ErrorCode::OutOfOrder).await;
    wire.send(hello()).await;
    wire.welcome().await;
}

#[tokio::test]
async fn pings_are_answered_before_hello_however_many() {
    let node = node().await;
    let mut wire = Wire::open(node.address()).await;
    for _ in 0..20 {
        assert!(wire.is_alive().await);
        wire.send_message(Message::Ping(Bytes::new())).await;
    }
    wire.send(hello()).await;
    wire.welcome().await;
}

#[tokio::test]
async fn a_second_hello_is_refused_and_changes_nothing() {
    let node = node().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(v1::Hello { site: "other".to_owned(), ..hello() }).await;
    wire.refused(ErrorCode::OutOfOrder).await;
    wire.send(frames::send(1, "still here")).await;
    assert_eq!(wire.ack().await.seq, 1);
    assert!(welcome.visitor.starts_with("a_"));
}

#[tokio::test]
async fn a_string_that_is_not_utf8_is_malformed() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    let mut frame = v1::ClientFrame::from(frames::send(1, "caf*")).encode_to_vec();
    *frame.last_mut().unwrap() = 0xe9;
    wire.send_bytes(frame).await;
    wire.refused(ErrorCode::Malformed).await;
    assert!(wire.is_alive().await);
}

#[tokio::test]
async fn a_text_message_that_is_not_utf8_ends_the_connection_with_a_name() {
    let node = node().await;
    let mut raw = RawSocket::open(node.address()).await;
    raw.write_frame(0x81, b"{\"ping\":{}}\xe9\xe9").await;
    let (first, error) = raw.read_frame().await.unwrap();
    assert_eq!(first, 0x82);
    let frame = v1::ServerFrame::decode(&error[..]).unwrap();
    let Some(server_frame::Kind::Error(error)) = frame.kind else { panic!("{frame:?}") };
    assert_eq!(error.code(), ErrorCode::Malformed);
    assert_eq!(raw.close_code().await, Some(4202));
}

#[tokio::test]
async fn bytes_that_are_no_websocket_end_the_connection_with_a_code() {
    let node = node().await;
    // A reserved bit, an unknown opcode, a fragmented ping, a continuation of nothing.
    for first in [0xc2, 0x83, 0x09, 0x80] {
        let mut raw = RawSocket::open(node.address()).await;
        raw.write_frame(first, b"x").await;
        assert_eq!(raw.close_code().await, Some(4202), "{first:#x}");
    }
    // A client's frame without a mask.
    let mut raw = RawSocket::open(node.address()).await;
    raw.write(b"\x82\x01x").await;
    assert_eq!(raw.close_code().await, Some(4202));
}

#[tokio::test]
async fn a_frame_may_come_in_pieces_with_a_ping_between_them() {
    let node = node().await;
    let mut raw = RawSocket::open(node.address()).await;
    let bytes = v1::ClientFrame::from(hello()).encode_to_vec();
    let (head, tail) = bytes.split_at(3);
    raw.write_frame(0x02, head).await;
    raw.write_frame(0x89, b"are you there?").await;
    raw.write_frame(0x80, tail).await;

    let (first, pong) = raw.read_frame().await.unwrap();
    assert_eq!((first, &pong[..]), (0x8a, &b"are you there?"[..]));
    let (first, frame) = raw.read_frame().await.unwrap();
    assert_eq!(first, 0x82);
    let frame = v1::ServerFrame::decode(&frame[..]).unwrap();
    assert!(matches!(frame.kind, Some(server_frame::Kind::Welcome(_))), "{frame:?}");
}

#[tokio::test]
async fn pieces_that_are_too_long_together_are_too_long() {
    let node = node().await;
    let mut raw = RawSocket::open(node.address()).await;
    raw.write_frame(0x02, &[0; MAX_FRAME]).await;
    for _ in 0..4 {
        raw.write_frame(0x00, &[0; MAX_FRAME]).await;
    }
    assert_eq!(raw.close_code().await, Some(4203));
}

#[tokio::test]
async fn a_goodbye_is_answered() {
    let node = node().await;
    let mut raw = RawSocket::open(node.address()).await;
    raw.write_frame(0x88, &1_000_u16.to_be_bytes()).await;
    assert_eq!(raw.close_code().await, Some(1_000));
}

#[tokio::test]
async fn texts_are_checked_and_the_connection_is_kept() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    let (longest, too_long) = ("x".repeat(1_000), "x".repeat(1_001));
    // 334 characters, 1,002 bytes.
    let too_long_in_bytes = "茶".repeat(334);
    for (text, code) in [
        ("", ErrorCode::TextEmpty),
        (" \n\t\u{3000}", ErrorCode::TextEmpty),
        (&too_long, ErrorCode::TextTooLong),
        (&too_long_in_bytes, ErrorCode::TextTooLong),
    ] {
        wire.send(frames::send(1, text)).await;
        assert_eq!(wire.refused(code).await.id, [1; 16]);
    }
    wire.send(frames::send(1, &longest)).await;
    assert_eq!(wire.ack().await.seq, 1);
    wire.send(v1::Rate { id: vec![2; 16], score: 5, comment: too_long }).await;
    assert_eq!(wire.refused(ErrorCode::TextTooLong).await.id, [2; 16]);
}

#[tokio::test]
async fn an_id_must_have_16_bytes() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    for id in [vec![], vec![1; 15], vec![1; 17]] {
        for frame in [
            v1::ClientFrame::from(v1::Send { id: id.clone(), text: "hello".to_owned() }),
            v1::ClientFrame::from(v1::Stop { id: id.clone(), turn: 1 }),
            v1::ClientFrame::from(v1::AskPerson { id: id.clone() }),
            v1::ClientFrame::from(v1::Close { id: id.clone() }),
        ] {
            wire.send(frame).await;
            assert_eq!(wire.refused(ErrorCode::InvalidId).await.id, id);
        }
    }
    wire.send(frames::send(1, "first")).await;
    assert_eq!(wire.ack().await.seq, 1, "none of those was stored");
}

#[tokio::test]
async fn an_id_with_another_text_is_refused() {
    let setup = Setup::new();
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    wire.send(frames::send(1, "first")).await;
    assert_eq!(wire.ack().await.seq, 1);
    wire.send(frames::send(1, "second")).await;
    assert_eq!(wire.refused(ErrorCode::IdReused).await.id, [1; 16]);
    let log = assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await;
    assert_eq!(log.len(), 1);
}

#[tokio::test]
async fn a_repeated_message_is_acked_with_its_first_seq_and_stored_once() {
    let setup = Setup::new();
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    for (id, text, seq) in [(1, "first", 1), (2, "second", 2), (1, "first", 1), (2, "second", 2), (1, "first", 1)] {
        wire.send(frames::send(id, text)).await;
        assert_eq!(wire.ack().await.seq, seq);
    }
    // All at once, and on another connection.
    let mut other = Wire::open(node.address()).await;
    other.send(v1::Hello { token: welcome.token, ..hello() }).await;
    other.welcome().await;
    for _ in 0..5 {
        other.send(frames::send(3, "third")).await;
        wire.send(frames::send(3, "third")).await;
    }
    for _ in 0..5 {
        assert_eq!((other.ack().await.seq, wire.ack().await.seq), (3, 3));
    }
    let log = assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await;
    assert_eq!(log.len(), 3);
}

#[tokio::test]
async fn a_stop_for_a_turn_that_does_not_exist_is_nothing_to_do() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    for turn in [0, 1, u32::MAX] {
        wire.send(frames::stop(1, turn)).await;
        assert_eq!(wire.ack().await.seq, 0);
    }
}

#[tokio::test]
async fn replies_come_in_the_order_of_the_commands() {
    let node = node().await;
    let mut wire = welcomed(&node).await;
    for id in 1..=30 {
        wire.send(frames::send(id, "quickly")).await;
    }
    for id in 1..=30 {
        let ack = wire.ack().await;
        assert_eq!((ack.id, ack.seq), (vec![id; 16], u32::from(id)));
    }
}

#[tokio::test]
async fn a_handshake_needs_a_subprotocol_that_the_node_knows() {
    let node = node().await;
    let none = Handshake { headers: vec![] };
    let unknown = none.clone().with("sec-websocket-protocol", "chat, frontdesk.v2.proto");
    for handshake in [none.clone(), unknown] {
        let Err(response) = Wire::shake_hands(node.address(), &handshake).await else { panic!("{handshake:?}") };
        assert_eq!(response.status(), 400);
    }
    let one = none.with("sec-websocket-protocol", "chat, frontdesk.v1.json");
    let Ok(mut wire) = Wire::shake_hands(node.address(), &one).await else { panic!("{one:?}") };
    wire.send(hello()).await;
    wire.welcome().await;
}

#[tokio::test]
async fn a_full_conversation_refuses_messages_and_can_be_closed() {
    let setup = Setup::new().with("limits.events_per_conversation", 20);
    let node = setup.start().await;
    let (mut wire, welcome) = Wire::welcomed(node.address(), hello()).await;
    for id in 1..=4 {
        wire.send(frames::send(id, "hello")).await;
        assert_eq!(wire.ack().await.seq, u32::from(id));
    }
    wire.send(frames::send(5, "one too many")).await;
    wire.refused(ErrorCode::ConversationFull).await;
    wire.send(frames::send(4, "hello")).await;
    assert_eq!(wire.ack().await.seq, 4, "what is stored is still acknowledged");
    wire.send(frames::close(6)).await;
    let ack = wire.ack().await;
    assert_eq!((ack.id, ack.seq), (vec![6; 16], 5));
    assert_eq!(assert_whole(&*setup.store, &conversation_of(&welcome.visitor, 1)).await.len(), 5);
}
