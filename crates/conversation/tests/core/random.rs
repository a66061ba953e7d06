//! Properties over random inputs; sequences of inputs into a whole conversation are the simulation's.

use std::sync::Arc;

use conversation::decide::{self, Answer, Decision};
use conversation::{
    AnswerEnd, Assignee, Body, ClosedBy, Command, Cursor, Event, HandoverReason, MessageId, Policy, Seq, State, due_at,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn body() -> impl Strategy<Value = Body> {
    let id = || (0..6u8).prop_map(|id| MessageId([id; 16]));
    let text = || prop::sample::select(vec!["hello", "绿茶", ""]).prop_map(Arc::<str>::from);
    let answer = |(turn, text): (Seq, Arc<str>)| Body::Answer {
        turn,
        text,
        end: AnswerEnd::Complete,
        offer_person: false,
        sources: None,
        choices: None,
    };
    prop_oneof![
        4 => (id(), text()).prop_map(|(id, text)| Body::VisitorMessage { id, text }),
        4 => (0..12u32, text()).prop_map(answer),
        1 => Just(Body::Handover { reason: HandoverReason::Assistant, summary: "".into(), text: "".into() }),
        1 => Just(Body::Assigned { to: Assignee::Queue }),
        1 => (id(), text()).prop_map(|(id, text)| Body::AgentMessage { agent: "kim".into(), id, text }),
        1 => text().prop_map(|text| Body::Note { agent: "kim".into(), text }),
        1 => Just(Body::Closed { by: ClosedBy::Visitor }),
        1 => (1..6u8, text()).prop_map(|(score, comment)| Body::Rated { score, comment }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0..6u8, prop::sample::select(vec!["hello", "绿茶", " ", "far too long for this"]))
            .prop_map(|(id, text)| Command::Send { id: MessageId([id; 16]), text: text.into() }),
        (0..12u32).prop_map(|turn| Command::Stop { turn }),
        Just(Command::AskPerson),
        Just(Command::Close),
        (0..8u32, prop::sample::select(vec!["", "fine"]))
            .prop_map(|(score, comment)| Command::Rate { score, comment: comment.into() }),
    ]
}

/// A log of those bodies that the rules allow.
fn folded(bodies: Vec<Body>) -> State {
    let mut state = State::default();
    for body in bodies {
        // What is refused leaves the state as it was.
        let _ = state.apply(&Event { seq: state.head() + 1, at: 5, body });
    }
    state
}

proptest! {
    #[test]
    fn a_cursor_gives_each_event_once_and_in_order_however_they_come(
        order in Just((1..=40u32).collect::<Vec<_>>()).prop_shuffle(),
        again in vec(1..=40u32, 0..40),
        start in 0..10u32,
    ) {
        let mut cursor = Cursor::at(start);
        let mut taken = vec![];
        for seq in order.into_iter().chain(again) {
            cursor.offer(seq, seq);
            while let Some(seq) = cursor.next() {
                taken.push(seq);
            }
            prop_assert_eq!(cursor.seq(), start + taken.len() as u32);
        }
        prop_assert_eq!(taken, (start + 1..=40).collect::<Vec<_>>());
        prop_assert!(!cursor.has_gap());
    }

    #[test]
    fn a_cursor_has_a_gap_exactly_when_something_is_missing_before_what_came(offers in vec(1..=12u32, 0..12)) {
        let mut cursor = Cursor::at(0);
        for seq in &offers {
            cursor.offer(*seq, ());
        }
        let highest = offers.iter().copied().max().unwrap_or(0);
        prop_assert_eq!(cursor.has_gap(), (1..=highest).any(|seq| !offers.contains(&seq)));
    }

    #[test]
    fn what_is_decided_fits_the_log_it_was_decided_for(bodies in vec(body(), 0..30), command in command()) {
        let state = folded(bodies);
        let policy = Policy { max_text_bytes: 12, max_events: 30, ..Policy::default() };
        if let Decision::Append(body) = decide::command(&state, &policy, &command) {
            let event = Event { seq: state.head() + 1, at: 9, body };
            let mut after = state.clone();
            prop_assert_eq!(after.apply(&event), Ok(()));
            prop_assert_eq!(due_at(&after, &policy), due_at(&state.after(&event).unwrap(), &policy));
        }
    }

    #[test]
    fn an_answer_ends_its_turn_and_is_decided_once(bodies in vec(body(), 0..30)) {
        let mut state = folded(bodies);
        let policy = Policy::default();
        if let Some(turn) = state.open_turn() {
            let answer = || Answer { turn, text: "Hi".into(), end: AnswerEnd::Complete, offer_person: false, sources: None, choices: None };
            let Decision::Append(body) = decide::answer(&state, &policy, answer()) else { panic!("not answered") };
            prop_assert!(due_at(&state, &policy).is_some());
            prop_assert_eq!(state.apply(&Event { seq: state.head() + 1, at: 9, body }), Ok(()));
            prop_assert_eq!((state.open_turn(), due_at(&state, &policy)), (None, None));
            prop_assert_eq!(decide::answer(&state, &policy, answer()), Decision::Done(0));
        }
    }

    #[test]
    fn a_refused_event_leaves_the_state_unchanged(bodies in vec(body(), 0..30), one in body(), seq in 0..40u32) {
        let mut state = folded(bodies);
        let before = state.clone();
        if state.apply(&Event { seq, at: 9, body: one }).is_err() {
            prop_assert_eq!(state, before);
        }
    }
}
