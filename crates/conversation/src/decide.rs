//! Decisions: what a command or an outcome means for a log in a given state. Pure; asked again after every conflict.

use std::sync::Arc;

use crate::event::{AnswerEnd, Assignee, Body, Choices, ClosedBy, HandoverReason, Sources};
use crate::id::{MessageId, Millis, Seq};
use crate::policy::{Policy, RESERVED_EVENTS};
use crate::state::{Owner, State, fingerprint};

/// What a visitor may want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something.
    Send {
        /// The client's name for the message.
        id: MessageId,
        /// Plain text.
        text: Arc<str>,
    },
    /// End the answer that is being written.
    Stop {
        /// The turn the client saw.
        turn: Seq,
    },
    /// Talk to a person.
    AskPerson,
    /// End the conversation.
    Close,
    /// Rate the conversation.
    Rate {
        /// 1 to 5.
        score: u32,
        /// Plain text, may be empty.
        comment: Arc<str>,
    },
}

/// Why a command is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing but white space.
    TextEmpty,
    /// Longer than `max` UTF-8 bytes.
    TextTooLong {
        /// The bound.
        max: usize,
    },
    /// This id stands in the log with another text.
    IdReused,
    /// Not 1 to 5.
    InvalidScore,
    /// The conversation is over.
    Closed,
    /// The log has reached its bound.
    Full,
    /// Too much waits already in this conversation.
    Busy,
    /// The store cannot take it now; the client keeps it and tries again.
    Unavailable,
}

/// What to do about a command or an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Append this at the next seq.
    Append(Body),
    /// Nothing to append: it is so already, since this seq (0: there was nothing to do).
    Done(Seq),
    /// No.
    Refuse(Refusal),
}

/// Decides about everything but Stop, which needs the running turn (see [`stop`]).
pub fn command(state: &State, policy: &Policy, command: &Command) -> Decision {
    match command {
        Command::Send { id, text } => send(state, policy, *id, text),
        Command::Stop { turn } => stop(state, *turn, "".into()),
        Command::AskPerson => ask_person(state),
        Command::Close => close(state),
        Command::Rate { score, comment } => rate(state, policy, *score, comment),
    }
}

/// A visitor's message. A repeated id is answered with its first seq, also in a conversation that is closed or full.
pub fn send(state: &State, policy: &Policy, id: MessageId, text: &Arc<str>) -> Decision {
    if let Some(sent) = state.sent(&id).filter(|_| !broken!(policy, ForgetIds)) {
        let same = sent.fingerprint == fingerprint(text);
        return if same { Decision::Done(sent.seq) } else { Decision::Refuse(Refusal::IdReused) };
    }
    if text.trim().is_empty() {
        return Decision::Refuse(Refusal::TextEmpty);
    }
    if text.len() > policy.max_text_bytes && !broken!(policy, UnboundedText) {
        return Decision::Refuse(Refusal::TextTooLong { max: policy.max_text_bytes });
    }
    if *state.owner() == Owner::Closed {
        return Decision::Refuse(Refusal::Closed);
    }
    if is_full(state, policy) {
        return Decision::Refuse(Refusal::Full);
    }
    Decision::Append(Body::VisitorMessage { id, text: Arc::clone(text) })
}

/// Stop: the answer ends with what has been written. Nothing to do when no message at `turn` waits for its answer.
pub fn stop(state: &State, turn: Seq, written: Arc<str>) -> Decision {
    if state.is_unanswered(turn) {
        Decision::Append(Body::Answer {
            turn,
            text: written,
            end: AnswerEnd::Stopped,
            offer_person: false,
            sources: None,
            choices: None,
        })
    } else {
        Decision::Done(0)
    }
}

/// The visitor asks for a person.
pub fn ask_person(state: &State) -> Decision {
    match state.owner() {
        Owner::Assistant => Decision::Append(Body::Handover {
            reason: HandoverReason::VisitorAsked,
            summary: "".into(),
            text: "".into(),
        }),
        Owner::People(_) => Decision::Done(state.handover()),
        Owner::Closed => Decision::Refuse(Refusal::Closed),
    }
}

/// The visitor ends the conversation.
pub fn close(state: &State) -> Decision {
    match state.closed() {
        0 => Decision::Append(Body::Closed { by: ClosedBy::Visitor }),
        seq => Decision::Done(seq),
    }
}

/// The site ends a conversation in which nothing has happened since `before`. Nothing to do when something has, or when the
/// assistant still owes an answer.
pub fn close_idle(state: &State, before: Millis) -> Decision {
    match state.closed() {
        0 if state.head() > 0 && state.head_at() <= before && state.open_turn().is_none() => {
            Decision::Append(Body::Closed { by: ClosedBy::Site })
        }
        seq => Decision::Done(seq),
    }
}

/// A rating; the newest counts, the same one twice is one. Ratings may use half of what is kept for endings, so that a
/// full conversation can be rated and still be closed.
pub fn rate(state: &State, policy: &Policy, score: u32, comment: &Arc<str>) -> Decision {
    let Some(valid) = u8::try_from(score).ok().filter(|s| (1..=5).contains(s)) else {
        return Decision::Refuse(Refusal::InvalidScore);
    };
    if comment.len() > policy.max_text_bytes {
        return Decision::Refuse(Refusal::TextTooLong { max: policy.max_text_bytes });
    }
    match state.rating() {
        Some(last) if last.score == valid && (comment.is_empty() || last.comment == fingerprint(comment)) => {
            Decision::Done(last.seq)
        }
        _ if state.head().saturating_add(RESERVED_EVENTS / 2) >= policy.max_events => Decision::Refuse(Refusal::Full),
        _ => Decision::Append(Body::Rated { score: valid, comment: Arc::clone(comment) }),
    }
}

/// The assistant's answer to `turn`. Nothing to do when the turn has its answer or the assistant no longer owns the
/// conversation: then the log has moved on while the model wrote.
pub fn answer(state: &State, policy: &Policy, answer: Answer) -> Decision {
    let owns = match state.owner() {
        Owner::Assistant => true,
        Owner::People(_) => broken!(policy, SpeakOverPerson),
        Owner::Closed => false,
    };
    let open = answer.turn > state.answered() || broken!(policy, AnswerTwice);
    if !owns || !open {
        return Decision::Done(0);
    }
    let Answer { turn, text, end, offer_person, sources, choices } = answer;
    Decision::Append(Body::Answer { turn, text, end, offer_person, sources, choices })
}

/// An answer before it is in the log; see [`Body::Answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The turn it answers.
    pub turn: Seq,
    /// Markdown.
    pub text: Arc<str>,
    /// How it ended.
    pub end: AnswerEnd,
    /// Whether to offer a person.
    pub offer_person: bool,
    /// What it rests on.
    pub sources: Sources,
    /// What the visitor may say next, to tap.
    pub choices: Choices,
}

/// The assistant gives the conversation to people, as the outcome of `turn`. Its last words are in the same event: were they one
/// of their own, a node that dies after it would leave an answered turn, of which nobody could tell that people were to have it.
pub fn give_away(state: &State, farewell: Farewell) -> Decision {
    let Farewell { turn, reason, summary, text } = farewell;
    match state.owner() {
        Owner::Assistant if turn > state.answered() => Decision::Append(Body::Handover { reason, summary, text }),
        _ => Decision::Done(0),
    }
}

/// A handover by the assistant before it is in the log; see [`Body::Handover`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// The turn of which it is the outcome.
    pub turn: Seq,
    /// Why.
    pub reason: HandoverReason,
    /// What the agent should know.
    pub summary: Arc<str>,
    /// What the visitor reads first.
    pub text: Arc<str>,
}

/// Routing said who takes it. An assignment never undoes a later one to an agent.
pub fn assign(state: &State, to: Assignee) -> Decision {
    if state.wants_assignment() { Decision::Append(Body::Assigned { to }) } else { Decision::Done(0) }
}

fn is_full(state: &State, policy: &Policy) -> bool {
    state.head().saturating_add(RESERVED_EVENTS) >= policy.max_events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    /// A state after these bodies.
    fn after(bodies: Vec<Body>) -> State {
        let mut state = State::default();
        for (seq, body) in (1..).zip(bodies) {
            state.apply(&Event { seq, at: 0, body }).unwrap();
        }
        state
    }

    fn rated(score: u8, comment: &str) -> Body {
        Body::Rated { score, comment: comment.into() }
    }

    #[test]
    fn the_same_rating_twice_is_one() {
        let state = after(vec![rated(5, "good")]);
        let again = |score, comment: &str| rate(&state, &Policy::default(), score, &comment.into());
        assert_eq!(again(5, "good"), Decision::Done(1));
        assert_eq!(again(5, ""), Decision::Done(1));
        assert_eq!(again(5, "very good"), Decision::Append(rated(5, "very good")));
        assert_eq!(again(4, "good"), Decision::Append(rated(4, "good")));
    }

    #[test]
    fn only_silence_lets_the_site_close() {
        let said = |at| Event {
            seq: 1,
            at,
            body: Body::Handover { reason: HandoverReason::VisitorAsked, summary: "".into(), text: "".into() },
        };
        let mut state = State::default();
        assert_eq!(close_idle(&state, 9), Decision::Done(0), "nothing was said");
        state.apply(&said(10)).unwrap();
        assert_eq!(close_idle(&state, 9), Decision::Done(0));
        let closed = Body::Closed { by: ClosedBy::Site };
        assert_eq!(close_idle(&state, 10), Decision::Append(closed.clone()));
        state.apply(&Event { seq: 2, at: 10, body: closed }).unwrap();
        assert_eq!(close_idle(&state, 10), Decision::Done(2), "again");
    }

    #[test]
    fn a_site_does_not_close_over_an_answer_that_is_owed() {
        let state = after(vec![Body::VisitorMessage { id: MessageId([1; 16]), text: "hello".into() }]);
        assert_eq!(close_idle(&state, 1_000_000), Decision::Done(0));
    }

    #[test]
    fn ratings_leave_room_for_an_ending() {
        let policy = Policy { max_events: 20, ..Policy::default() };
        let ratings = (1..=12).map(|n: u8| rated(1 + n % 5, "x")).collect();
        let state = after(ratings);
        assert_eq!(rate(&state, &policy, 1, &"more".into()), Decision::Refuse(Refusal::Full));
        assert!(matches!(close(&state), Decision::Append(Body::Closed { .. })));
    }
}
