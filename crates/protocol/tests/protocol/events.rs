//! Events to their stored form and back.

use conversation::{Audience, Body, Event};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use protocol::v1::{self, event};
use protocol::{decode_event, encode_event, event_for};

use crate::any;

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_stored(event in any::core_event()) {
        prop_assert_eq!(decode_event(&encode_event(&event)).unwrap(), event);
    }

    #[test]
    fn an_event_cut_short_anywhere_is_an_error(event in any::core_event()) {
        let bytes = encode_event(&event);
        for length in 0..bytes.len() {
            prop_assert!(decode_event(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_event(&bytes);
    }

    #[test]
    fn a_spoiled_event_is_an_event_or_an_error(
        bytes in any::core_event().prop_flat_map(|event| any::mutated(encode_event(&event)))
    ) {
        let _ = decode_event(&bytes);
    }

    #[test]
    fn a_visitor_gets_everything_but_notes_and_summaries_and_agents_get_everything(event in any::core_event()) {
        let is_note = matches!(event.body, Body::Note { .. });
        let whole = v1::Event::from(&event);
        let mut bare = event.clone();
        if let Body::Handover { summary, .. } = &mut bare.body {
            *summary = "".into();
        }
        let at_ms = whole.at_ms;
        let hidden = v1::Event { seq: event.seq, at_ms, body: Some(event::Body::Hidden(v1::Hidden {})) };
        prop_assert_eq!(&event_for(&event, Audience::Agents), &whole);
        prop_assert_eq!(event_for(&event, Audience::Visitor), if is_note { hidden } else { v1::Event::from(&bare) });
    }
}

#[test]
fn nothing_of_a_note_is_in_the_bytes_for_a_visitor() {
    let body = Body::Note { agent: "mei".into(), text: "regular customer".into() };
    let bytes = event_for(&Event { seq: 4, at: 1, body }, Audience::Visitor).encode_to_vec();
    assert!(!String::from_utf8_lossy(&bytes).contains("regular"));
}

#[test]
fn a_damaged_event_is_named_with_its_field() {
    let event = |seq, body| v1::Event { seq, at_ms: 1, body: Some(body) }.encode_to_vec();
    let message = |id: &[u8]| event::Body::VisitorMessage(v1::VisitorMessage { id: id.into(), text: "secret".into() });
    for (bytes, expected) in [
        (event(0, message(&[1; 16])), "event 0 is damaged: seq is missing"),
        (event(7, message(&[1; 15])), "event 7 is damaged: visitor_message.id is not 16 bytes long"),
        (
            event(7, event::Body::Answer(v1::Answer { turn: 6, ..Default::default() })),
            "event 7 is damaged: answer.end is missing, or newer than this program",
        ),
        (
            event(7, event::Body::Closed(v1::Closed { by: 99 })),
            "event 7 is damaged: closed.by is missing, or newer than this program",
        ),
        (
            event(7, event::Body::Handover(v1::Handover { reason: 0, ..Default::default() })),
            "event 7 is damaged: handover.reason is missing, or newer than this program",
        ),
        (
            event(7, event::Body::Rated(v1::Rated { score: 6, comment: String::new() })),
            "event 7 is damaged: rated.score is not 1 to 5",
        ),
        (
            event(7, event::Body::Note(v1::Note { agent: String::new(), text: "secret".into() })),
            "event 7 is damaged: note.agent is missing",
        ),
        (
            event(7, event::Body::Hidden(v1::Hidden {})),
            "event 7 is damaged: body is hidden, which only clients are sent",
        ),
        (v1::Event { seq: 7, at_ms: -1, body: None }.encode_to_vec(), "event 7 is damaged: at_ms is before 1970"),
        (
            v1::Event { seq: 7, at_ms: 1, body: None }.encode_to_vec(),
            "event 7 is damaged: body is missing, or of a kind newer than this program",
        ),
    ] {
        assert_eq!(decode_event(&bytes).unwrap_err().to_string(), expected);
    }
}

/// A stored event must be readable for ever. If this fails, the schema was changed in a way that loses data.
#[test]
fn an_event_stored_by_the_first_version_is_still_read() {
    let stored = [
        0x08, 0x03, 0x10, 0x80, 0xb4, 0xe9, 0x99, 0xcc, 0x33, 0x22, 0x0b, 0x08, 0x02, 0x12, 0x03, b'T', b'e', b'a',
        0x18, 0x01, 0x20, 0x01,
    ];
    let body = Body::Answer {
        turn: 2,
        text: "Tea".into(),
        end: conversation::AnswerEnd::Complete,
        offer_person: true,
        sources: None,
        choices: None,
    };
    assert_eq!(decode_event(&stored).unwrap(), Event { seq: 3, at: 1_772_801_907_200, body });
}
