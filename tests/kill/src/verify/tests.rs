use protocol::v1;

use super::*;
use crate::record::TabRecord;

fn message(seq: Seq, id: u8, text: &str) -> Event {
    let message = v1::VisitorMessage { id: vec![id; 16], text: text.to_owned() };
    Event { seq, at_ms: 1, body: Some(event::Body::VisitorMessage(message)) }
}

fn answer(seq: Seq, turn: Seq) -> Event {
    let answer = v1::Answer {
        turn,
        text: "yes".to_owned(),
        end: AnswerEnd::Complete.into(),
        offer_person: false,
        ..Default::default()
    };
    Event { seq, at_ms: 1, body: Some(event::Body::Answer(answer)) }
}

fn handover(seq: Seq) -> Event {
    Event { seq, at_ms: 1, body: Some(event::Body::Handover(v1::Handover { reason: 1, ..Default::default() })) }
}

/// A visitor who said `a` and `b`, both acknowledged and answered.
fn good() -> (History, Vec<Event>) {
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "b"), answer(4, 3)];
    let record = TabRecord {
        sent: vec![([1; 16], "a".to_owned()), ([2; 16], "b".to_owned())],
        acknowledged: vec![([1; 16], 1), ([2; 16], 3)],
        refused: vec![],
    };
    let tab = TabHistory { record, log: log.clone(), unacknowledged: 0 };
    let history = History { site: "shop".to_owned(), visitor: "v".to_owned(), fresh: log.clone(), tabs: vec![tab] };
    (history, log)
}

/// What is found when the good history is spoilt.
fn found(spoil: impl FnOnce(&mut History, &mut Vec<Event>)) -> Vec<String> {
    let (mut history, mut stored) = good();
    spoil(&mut history, &mut stored);
    wrong(&[history], &[stored])
}

/// As [`found`], with the log spoilt alike in the store and in all copies.
fn found_in_log(log: Vec<Event>) -> Vec<String> {
    found(|history, stored| {
        history.fresh.clone_from(&log);
        history.tabs[0].log.clone_from(&log);
        *stored = log;
    })
}

#[test]
fn nothing_is_wrong_with_a_good_history() {
    assert_eq!(found(|_, _| {}), [""; 0]);
    let log = vec![message(1, 1, "a"), handover(2), message(3, 2, "b")];
    assert_eq!(found_in_log(log), [""; 0]);
}

#[test]
fn copies_that_differ_from_the_store_are_found() {
    assert_eq!(
        found(|history, _| drop(history.fresh.pop())),
        ["v: a client that starts anew differs from the store in length: 3 and 4 events"]
    );
    assert_eq!(
        found(|history, _| history.tabs[0].log[2] = message(3, 2, "c")),
        ["v: tab 1: its copy differs from the store at event 3"]
    );
}

#[test]
fn lost_repeated_changed_and_reordered_messages_are_found() {
    let log = vec![message(1, 1, "a"), answer(2, 1)];
    assert_eq!(found_in_log(log), ["v: tab 1: its message 2 was acknowledged at 3 and is not in the log"]);
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "b"), message(4, 2, "b"), answer(5, 4)];
    assert_eq!(found_in_log(log), ["v: tab 1: its message 2 is in the log 2 times"]);
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "c"), answer(4, 3)];
    assert_eq!(found_in_log(log), ["v: tab 1: its message 2 has another text in the log"]);
    let log = vec![message(1, 1, "a"), message(2, 2, "b"), answer(3, 2)];
    assert_eq!(found_in_log(log), ["v: tab 1: its message 2 was acknowledged at 3 and is at 2"]);
    let swapped = found(|history, _| history.tabs[0].record.sent.swap(0, 1));
    assert_eq!(swapped, ["v: tab 1: its message 2 is at 1, and the one before it at 3"]);
}

#[test]
fn messages_without_an_acknowledgement_are_found() {
    let found = found(|history, _| {
        history.tabs[0].record.acknowledged.pop();
        history.tabs[0].unacknowledged = 1;
    });
    let neither = "v: tab 1: its message 2 was neither acknowledged nor refused";
    assert_eq!(found, [neither, "v: tab 1: 1 commands were never acknowledged"]);
}

#[test]
fn turns_without_an_end_or_with_two_are_found() {
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "b")];
    assert_eq!(found_in_log(log), ["v: the message at 3 was never answered"]);
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "b"), answer(4, 3), answer(5, 3)];
    assert_eq!(found_in_log(log), ["v: event 5 is a second answer to turn 3"]);
    let log = vec![message(1, 1, "a"), handover(2), message(3, 2, "b"), answer(4, 3)];
    assert_eq!(found_in_log(log), ["v: event 4 is an answer of the assistant after a handover"]);
}

#[test]
fn a_log_with_holes_is_found() {
    let log = vec![message(1, 1, "a"), answer(2, 1), message(3, 2, "b"), answer(5, 3)];
    assert_eq!(found_in_log(log), ["v: event 5 stands where 4 belongs"]);
}
