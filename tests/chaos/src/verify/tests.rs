//! Each fault that could be in what nodes and store did, fed to the judge: it must see every one of them.

use client::{Backoff, Change, Client, Profile};
use protocol::v1::server_frame::Kind;
use protocol::v1::{self, AnswerEnd};
use tokio::time::Instant;

use super::*;
use crate::record::Acked;

const STRICT: Rules = Rules { may_reset: false, may_lose: false };
const LOSSY: Rules = Rules { may_reset: true, may_lose: true };
/// A cluster that waits for replicas.
const REPLICATED: Rules = Rules { may_reset: true, may_lose: false };

fn message(seq: Seq, id: u8, text: &str) -> Event {
    let body = event::Body::VisitorMessage(v1::VisitorMessage { id: vec![id; 16], text: text.to_owned() });
    Event { seq, at_ms: i64::from(seq), body: Some(body) }
}

fn answer(seq: Seq, turn: Seq) -> Event {
    let end = AnswerEnd::Complete.into();
    let body = event::Body::Answer(v1::Answer {
        turn,
        text: "yes".to_owned(),
        end,
        offer_person: false,
        ..Default::default()
    });
    Event { seq, at_ms: i64::from(seq), body: Some(body) }
}

fn of(seq: Seq, body: event::Body) -> Event {
    Event { seq, at_ms: i64::from(seq), body: Some(body) }
}

fn acked(id: u8, seq: Seq) -> Acked {
    Acked { id: [id; 16], seq, resets: 0 }
}

fn view(events: &[Event]) -> View {
    View { conversation: 1, events: events.to_vec(), is_reset: false }
}

/// A visitor who said three things in one tab and read along in another, and everything went well.
fn good() -> History {
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "b"), message(4, 3, "c"), answer(5, 4)];
    let reader =
        TabRecord { visitor: "v".to_owned(), conversation: 1, views: vec![view(&log)], ..TabRecord::default() };
    let speaker = TabRecord {
        sent: vec![([1; 16], "a".to_owned()), ([2; 16], "b".to_owned()), ([3; 16], "c".to_owned())],
        acked: vec![acked(1, 1), acked(2, 3), acked(3, 4)],
        ..reader.clone()
    };
    let tabs = vec![("speaker".to_owned(), speaker), ("reader".to_owned(), reader)];
    History { visitor: "v".to_owned(), logs: BTreeMap::from([(1, log), (2, vec![])]), tabs }
}

fn speaker(history: &mut History) -> &mut TabRecord {
    &mut history.tabs[0].1
}

fn log(history: &mut History) -> &mut Vec<Event> {
    history.logs.get_mut(&1).unwrap()
}

/// Spoils a history in which all was well, and expects that to be seen.
#[track_caller]
fn check(expected: &str, spoil: impl FnOnce(&mut History)) {
    let mut history = good();
    spoil(&mut history);
    let wrong = wrong(&history, STRICT);
    assert!(wrong.iter().any(|what| what.contains(expected)), "{wrong:#?}");
}

#[test]
fn where_all_is_well_nothing_is_wrong() {
    assert_eq!(wrong(&good(), STRICT), [""; 0]);
}

#[test]
fn an_event_that_a_tab_never_got_is_seen() {
    check("it holds 4 of 5 events", |history| drop(speaker(history).views[0].events.pop()));
    check("event 3 of conversation 1 came as number 2", |history| drop(speaker(history).views[0].events.remove(1)));
}

#[test]
fn an_event_that_a_tab_got_twice_is_seen() {
    check("event 2 of conversation 1 came as number 3", |history| {
        let events = &mut speaker(history).views[0].events;
        events.insert(1, events[1].clone());
    });
}

#[test]
fn two_events_in_the_wrong_order_are_seen() {
    check("event 4 of conversation 1 came as number 3", |history| speaker(history).views[0].events.swap(2, 3));
}

#[test]
fn an_event_with_another_content_is_seen() {
    check("event 2 of conversation 1 is another one", |history| speaker(history).views[0].events[1] = answer(2, 9));
}

#[test]
fn an_event_that_only_a_tab_has_is_seen() {
    check("it held 5 events of conversation 1, and the store has 4", |history| drop(log(history).pop()));
}

#[test]
fn an_ack_without_an_event_is_seen() {
    check("message 4 was acknowledged at 6 and is in no log", |history| {
        speaker(history).sent.push(([4; 16], "d".to_owned()));
        speaker(history).acked.push(acked(4, 6));
    });
}

#[test]
fn an_ack_with_another_seq_is_seen() {
    check("was acknowledged at 4 and is at 3", |history| speaker(history).acked[1].seq = 4);
}

#[test]
fn a_message_that_was_stored_twice_is_seen() {
    check("its message 1 is in the store 2 times", |history| log(history)[2] = message(3, 1, "a"));
    check("its message 1 is in the store 2 times", |history| {
        history.logs.insert(2, vec![message(1, 1, "a"), answer(2, 1)]);
    });
}

#[test]
fn a_message_that_nobody_heard_of_again_is_seen() {
    check("message 4 was neither acknowledged nor refused", |history| {
        speaker(history).sent.push(([4; 16], "d".to_owned()));
    });
    check("1 commands were never acknowledged", |history| speaker(history).unacknowledged = 1);
}

#[test]
fn a_message_that_was_refused_and_is_stored_is_seen() {
    check("was refused as ConversationClosed, and is in the store 1 times", |history| {
        speaker(history).acked.remove(0);
        speaker(history).refused.push(([1; 16], ErrorCode::ConversationClosed));
    });
}

#[test]
fn a_message_that_was_left_behind_is_stored_once_or_never() {
    let mut history = good();
    speaker(&mut history).sent.push(([4; 16], "d".to_owned()));
    speaker(&mut history).acked.remove(1);
    speaker(&mut history).left_behind = vec![[2; 16], [4; 16]];
    assert_eq!(wrong(&history, STRICT), [""; 0]);
    history.logs.insert(2, vec![message(1, 2, "b"), answer(2, 1)]);
    let told = wrong(&history, STRICT);
    assert!(told.iter().any(|what| what.contains("its message 2 is in the store 2 times")), "{told:#?}");
}

#[test]
fn messages_out_of_order_are_seen() {
    check("is at 1 of 1, and the one before it at 3 of 1", |history| speaker(history).sent.swap(0, 1));
}

#[test]
fn a_message_that_nobody_said_is_seen() {
    check("nobody has said what is stored at 3", |history| log(history)[2] = message(3, 9, "b"));
    check("has another text in the store", |history| log(history)[2] = message(3, 2, "x"));
}

#[test]
fn a_turn_without_an_end_is_seen() {
    check("the message at 4 was never answered", |history| drop(log(history).pop()));
}

#[test]
fn a_second_answer_to_a_turn_is_seen() {
    check("event 6 is a second answer to turn 4", |history| log(history).push(answer(6, 4)));
    check("event 6 answers turn 7, which comes later", |history| log(history).push(answer(6, 7)));
}

#[test]
fn an_answer_after_a_handover_is_seen() {
    check("event 5 is an answer of the assistant after a handover", |history| {
        log(history)[1] = of(2, event::Body::Handover(v1::Handover::default()));
    });
}

#[test]
fn a_handover_that_nobody_takes_is_seen() {
    check("the handover at 6 was never assigned", |history| {
        log(history).push(of(6, event::Body::Handover(v1::Handover::default())));
    });
}

#[test]
fn words_after_the_close_are_seen() {
    check("event 7 follows the close", |history| {
        log(history).push(of(6, event::Body::Closed(v1::Closed::default())));
        log(history).push(message(7, 1, "a"));
    });
}

#[test]
fn a_hole_in_a_log_is_seen() {
    check("event 3 stands where 2 belongs", |history| drop(log(history).remove(1)));
}

#[test]
fn a_tab_that_stayed_behind_in_an_old_conversation_is_seen() {
    check("it is in conversation 1, and the newest is 2", |history| {
        history.logs.insert(2, vec![of(1, event::Body::Rated(v1::Rated::default()))]);
    });
}

#[test]
fn two_texts_of_one_run_are_seen() {
    let shown = |text: &str| Shown { conversation: 1, turn: 4, run: 7, text: text.to_owned() };
    check("two texts were shown of run 7", |history| {
        history.tabs[0].1.shown.push(shown("One two"));
        history.tabs[1].1.shown.push(shown("One too, three"));
    });
    let mut history = good();
    history.tabs[0].1.shown.push(shown("One two"));
    history.tabs[1].1.shown.push(shown("One two three"));
    assert_eq!(wrong(&history, STRICT), [""; 0]);
}

#[test]
fn what_a_client_found_wrong_is_seen() {
    check("a note was sent", |history| speaker(history).wrong.push("a note was sent to a visitor".to_owned()));
}

/// A store that may lose has lost the last two events, and another answer was given.
fn lost() -> History {
    let mut history = good();
    let stored = log(&mut history);
    stored.truncate(3);
    stored.push(answer(4, 3));
    let stored = stored.clone();
    for (_, tab) in &mut history.tabs {
        tab.views[0].is_reset = true;
        tab.views.push(view(&stored));
        tab.resets = 1;
    }
    history
}

#[test]
fn a_loss_is_no_fault_where_it_was_announced_and_could_happen() {
    assert_eq!(wrong(&lost(), LOSSY), [""; 0]);
    assert!(wrong(&lost(), STRICT).iter().any(|what| what.contains("that the store cannot have lost")));
    let acked = wrong(&lost(), REPLICATED);
    assert!(acked.len() == 1 && acked[0].contains("message 3 was acknowledged at 4 and is in no log"), "{acked:#?}");
}

#[test]
fn a_loss_that_a_tab_was_not_told_of_is_seen() {
    let mut history = lost();
    let reader = &mut history.tabs[1].1;
    (reader.resets, reader.views) = (0, vec![view(&good().logs[&1])]);
    let told = wrong(&history, LOSSY);
    assert!(told.iter().any(|what| what.contains("reader") && what.contains("the store has 4")), "{told:#?}");

    let mut history = lost();
    // Acknowledged after the reset, and lost all the same.
    speaker(&mut history).acked[2].resets = 1;
    let told = wrong(&history, LOSSY);
    assert!(told.iter().any(|what| what.contains("acknowledged at 4 and is in no log")), "{told:#?}");
}

/// Records what a client learns, frame by frame, as a tab does.
#[test]
fn a_reset_is_told_from_the_next_conversation() {
    let mut client = Client::new(Profile::default(), Backoff::default());
    let mut record = TabRecord::default();
    let mut handle = |client: &mut Client, frame: Kind| {
        client.handle_frame(0, frame);
        while let Some(change) = client.poll_change() {
            assert!(!matches!(change, Change::Wrong(_)), "{change:?}");
            record.handle_change(client, change, Instant::now());
        }
    };
    let opened = |conversation, reset| v1::Opened { conversation, head: 1, reset };
    client.handle_connected();
    handle(&mut client, Kind::Welcome(v1::Welcome { opened: Some(opened(1, false)), ..Default::default() }));
    handle(&mut client, Kind::Event(message(1, 1, "a")));
    handle(&mut client, Kind::Opened(opened(1, true)));
    handle(&mut client, Kind::Event(message(1, 2, "b")));
    handle(&mut client, Kind::Opened(opened(2, true)));
    handle(&mut client, Kind::Event(message(1, 3, "c")));
    let views: Vec<_> = record.views.iter().map(|view| (view.conversation, view.is_reset)).collect();
    assert_eq!((views, record.resets), (vec![(1, true), (1, false), (2, false)], 1));
}
