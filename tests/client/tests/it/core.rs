//! The deciding part, in virtual time.

use client::{Backoff, Change, Client, Command, Profile};
use protocol::v1::server_frame::Kind;
use protocol::v1::{self, ErrorCode, client_frame, event};

fn client() -> Client {
    Client::new(Profile { site: "shop".to_owned(), ..Profile::default() }, Backoff::new(100, 1000))
}

/// Connects and is welcomed into a conversation of `head` events.
fn welcomed(client: &mut Client, head: u32, reset: bool) -> v1::Hello {
    client.handle_connected();
    let hello = match client.poll_frame(0).unwrap().kind {
        Some(client_frame::Kind::Hello(hello)) => hello,
        other => panic!("{other:?}"),
    };
    assert_eq!(client.poll_frame(0), None, "nothing may be sent before Welcome");
    let opened = Some(v1::Opened { conversation: 1, head, reset });
    let token = "a.b.c".to_owned();
    client.handle_frame(0, Kind::Welcome(v1::Welcome { token, opened, ..Default::default() }));
    hello
}

fn event(seq: u32, body: event::Body) -> Kind {
    Kind::Event(v1::Event { seq, at_ms: 1, body: Some(body) })
}

fn message(seq: u32, id: u8) -> Kind {
    event(seq, event::Body::VisitorMessage(v1::VisitorMessage { id: vec![id; 16], text: "hello".to_owned() }))
}

fn answer(seq: u32, turn: u32) -> Kind {
    event(seq, event::Body::Answer(v1::Answer { turn, text: "hi".to_owned(), ..Default::default() }))
}

fn delta(turn: u32, offset: u32, text: &str) -> Kind {
    Kind::Delta(v1::Delta { turn, run: 1, offset, text: text.to_owned() })
}

fn changes(client: &mut Client) -> Vec<Change> {
    std::iter::from_fn(|| client.poll_change()).collect()
}

fn wrongs(client: &mut Client) -> Vec<String> {
    let wrong = |change| match change {
        Change::Wrong(what) => Some(what),
        _ => None,
    };
    changes(client).into_iter().filter_map(wrong).collect()
}

fn sent_ids(client: &mut Client, now: u64) -> Vec<u8> {
    let id = |frame: v1::ClientFrame| match frame.kind {
        Some(client_frame::Kind::Send(send)) => send.id[0],
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(|| client.poll_frame(now)).map(id).collect()
}

#[test]
fn hello_names_what_the_client_holds_and_the_rest_follows() {
    let mut client = client();
    assert_eq!(welcomed(&mut client, 2, false).after, 0);
    for frame in [message(1, 1), answer(2, 1), message(3, 2), delta(3, 0, "half")] {
        client.handle_frame(0, frame);
    }
    client.handle_closed(0, None, 0.0);
    let hello = welcomed(&mut client, 3, false);
    assert_eq!((hello.token.as_str(), hello.conversation, hello.after), ("a.b.c", 1, 3));
    assert_eq!(hello.after_at_ms, 1, "the time of event 3");
    assert_eq!((hello.turn, hello.run, hello.offset), (3, 1, 4));
    client.handle_frame(0, delta(3, 4, " more"));
    assert_eq!(client.written().unwrap().text, "half more");
    client.handle_frame(0, answer(4, 3));
    assert_eq!((client.written(), client.log().len(), client.open_turn()), (None, 4, None));
    assert_eq!(wrongs(&mut client), [""; 0]);
}

#[test]
fn a_message_goes_again_until_it_is_acknowledged() {
    let mut client = client();
    client.handle_command([7; 16], Command::Send("hello".to_owned()));
    welcomed(&mut client, 0, false);
    assert_eq!(sent_ids(&mut client, 0), [7]);
    client.handle_closed(0, Some(1006), 0.0);
    welcomed(&mut client, 0, false);
    assert_eq!(sent_ids(&mut client, 0), [7]);
    client.handle_frame(0, Kind::Ack(v1::Ack { id: vec![7; 16], seq: 1 }));
    assert_eq!((client.unacknowledged(), sent_ids(&mut client, 0)), (0, vec![]));
    assert!(changes(&mut client).contains(&Change::Acked { id: [7; 16], seq: 1 }));
}

#[test]
fn a_message_seen_in_the_log_is_acknowledged_though_its_ack_was_lost() {
    let mut client = client();
    client.handle_command([7; 16], Command::Send("hello".to_owned()));
    welcomed(&mut client, 1, false);
    client.handle_frame(0, message(1, 7));
    assert_eq!(client.unacknowledged(), 0);
}

#[test]
fn a_refusal_that_names_a_time_is_tried_again_then_and_others_are_final() {
    let mut client = client();
    client.handle_command([1; 16], Command::Send("x".to_owned()));
    welcomed(&mut client, 0, false);
    let error = |code: ErrorCode, retry_after_ms| {
        Kind::Error(v1::Error { code: code.into(), id: vec![1; 16], retry_after_ms, ..Default::default() })
    };
    assert_eq!(sent_ids(&mut client, 0), [1]);
    client.handle_frame(10, error(ErrorCode::RateLimited, 40));
    assert_eq!((sent_ids(&mut client, 49), client.next_frame_at()), (vec![], Some(50)));
    assert_eq!(sent_ids(&mut client, 50), [1]);
    client.handle_frame(60, error(ErrorCode::ConversationClosed, 0));
    assert!(changes(&mut client).contains(&Change::Refused { id: [1; 16], code: ErrorCode::ConversationClosed }));
    assert_eq!(client.unacknowledged(), 0);
}

#[test]
fn a_reset_drops_everything_held() {
    let mut client = client();
    welcomed(&mut client, 1, false);
    client.handle_frame(0, message(1, 1));
    client.handle_closed(0, None, 0.0);
    welcomed(&mut client, 1, true);
    assert_eq!(client.log().len(), 0);
    client.handle_frame(0, message(1, 2));
    assert_eq!(client.log().len(), 1);
    let changes = changes(&mut client);
    assert!(changes.contains(&Change::Dropped), "{changes:?}");
}

#[test]
fn what_a_node_must_never_do_is_told() {
    let check = |frames: &[Kind], wrong: &str| {
        let mut client = client();
        welcomed(&mut client, 0, false);
        frames.iter().for_each(|frame| client.handle_frame(0, frame.clone()));
        assert_eq!(wrongs(&mut client), [wrong]);
    };
    let handover = event(2, event::Body::Handover(v1::Handover { reason: 1, ..Default::default() }));
    let note = event(1, event::Body::Note(v1::Note::default()));
    check(&[message(1, 1), message(1, 1)], "event 1 came twice on one connection");
    check(&[message(1, 1), answer(3, 1)], "event 3 came after event 1");
    check(&[message(1, 1), answer(2, 1), answer(3, 1)], "turn 1 was answered twice");
    check(&[message(1, 1), handover, answer(3, 1)], "the assistant answered turn 1 after a handover");
    check(&[note], "a note was sent to a visitor");
    check(&[message(1, 1), delta(1, 5, "x")], "a hole in the answer to turn 1");
}

#[test]
fn deltas_after_a_handover_or_an_answer_are_dropped() {
    let mut client = client();
    welcomed(&mut client, 0, false);
    for frame in [message(1, 1), delta(1, 0, "so"), answer(2, 1), delta(1, 2, "late"), message(3, 2)] {
        client.handle_frame(0, frame);
    }
    assert_eq!(client.written(), None);
    client.handle_frame(0, event(4, event::Body::Handover(v1::Handover { reason: 1, ..Default::default() })));
    client.handle_frame(0, delta(3, 0, "late"));
    assert_eq!(wrongs(&mut client), [""; 0]);
    assert_eq!(client.written(), None);
}

#[test]
fn a_close_code_says_whether_and_when_to_come_back() {
    let after = |code: Option<u16>| {
        let mut client = client();
        welcomed(&mut client, 0, false);
        client.handle_closed(1_000, code, 0.5);
        (client.connect_at(), client.is_finished())
    };
    assert_eq!(after(None), (Some(1_050), false));
    assert_eq!(after(Some(4001)), (Some(1_050), false));
    assert_eq!(after(Some(4100)), (Some(1_000), false));
    assert_eq!(after(Some(4101)), (None, true));
    assert_eq!(after(Some(4201)), (None, true));
}

#[test]
fn go_away_names_the_wait() {
    let mut client = client();
    welcomed(&mut client, 0, false);
    client.handle_frame(0, Kind::GoAway(v1::GoAway { retry_after_ms: 3_000 }));
    client.handle_closed(100, Some(4000), 0.5);
    assert_eq!(client.connect_at(), Some(3_100));
}

#[test]
fn a_refused_token_is_dropped_once_at_once_and_then_with_patience() {
    let mut client = client();
    welcomed(&mut client, 1, false);
    client.handle_frame(0, message(1, 1));
    client.handle_closed(0, Some(4100), 0.5);
    assert_eq!((client.token(), client.log().len(), client.connect_at()), ("", 0, Some(0)));
    client.handle_connected();
    client.handle_closed(0, Some(4100), 0.5);
    assert_eq!(client.connect_at(), Some(50));
}

#[test]
fn failed_connections_back_off_until_a_welcome() {
    let mut client = client();
    let mut waits = vec![];
    for _ in 0..3 {
        client.handle_connect_failed(0, None, 0.5);
        waits.push(client.connect_at().unwrap());
    }
    client.handle_connect_failed(0, Some(7_000), 0.5);
    waits.push(client.connect_at().unwrap());
    assert_eq!(waits, [50, 100, 200, 7_000]);
    welcomed(&mut client, 0, false);
    client.handle_closed(0, None, 0.5);
    assert_eq!(client.connect_at(), Some(50));
}

#[test]
fn a_message_that_another_tabs_begin_overtook_is_not_said_again_in_the_next_conversation() {
    let mut client = client();
    client.handle_command([1; 16], Command::Send("hello".to_owned()));
    welcomed(&mut client, 0, false);
    assert_eq!(sent_ids(&mut client, 0), [1]);
    client.handle_closed(0, None, 0.0);
    client.handle_connected();
    client.poll_frame(0);
    let opened = Some(v1::Opened { conversation: 2, head: 0, reset: true });
    client.handle_frame(0, Kind::Welcome(v1::Welcome { opened, ..Default::default() }));
    assert_eq!(sent_ids(&mut client, 0), [0; 0]);
    assert!(changes(&mut client).contains(&Change::LeftBehind { id: [1; 16] }));
    assert_eq!(client.unacknowledged(), 0);
}
