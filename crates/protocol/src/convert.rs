//! The core's events to the wire's and back, and the form in which stores keep them.
//!
//! The stored form of an event is its protobuf: an append costs one encoding, new fields need no migration, and a store
//! can be read with any protobuf tool.

use std::sync::Arc;

use conversation::{
    AnswerEnd, Assignee, Audience, Body, Choices, ClosedBy, Event, HandoverReason, MessageId, Millis, Seq, Source,
    Sources,
};
use prost::Message;

use crate::v1::{self, event};

/// Why a record is no event. Names the field; holds nothing of the text.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not protobuf, or cut short.
    #[error("the event is damaged: {0}")]
    NotProto(#[from] prost::DecodeError),
    /// A field that every event of this kind has is missing or impossible.
    #[error("event {seq} is damaged: {field} {problem}")]
    Field {
        /// The event's seq, 0 if that is what is wrong.
        seq: u32,
        /// The field's name in the schema.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The stored form.
pub fn encode_event(event: &Event) -> Vec<u8> {
    v1::Event::from(event).encode_to_vec()
}

/// Reads the stored form.
///
/// # Errors
/// A record that is cut short, is no protobuf, or holds an event that the core could not have made.
pub fn decode_event(bytes: &[u8]) -> Result<Event, EventError> {
    v1::Event::decode(bytes)?.try_into()
}

/// What `audience` gets of `event`: all of it, only that its seq is taken, or all but what is for agents.
pub fn event_for(event: &Event, audience: Audience) -> v1::Event {
    if !event.body.is_visible_to(audience) {
        return hidden(event.seq, event.at);
    }
    let mut event = v1::Event::from(event);
    if let (Audience::Visitor, Some(event::Body::Handover(handover))) = (audience, &mut event.body) {
        handover.summary.clear();
    }
    event
}

/// What stands for an event that its reader may not see: that its seq is taken, and since when, by which a client can name
/// it when it comes back.
pub fn hidden(seq: Seq, at: Millis) -> v1::Event {
    v1::Event { seq, at_ms: wire_time(at), body: Some(event::Body::Hidden(v1::Hidden {})) }
}

impl From<&Event> for v1::Event {
    fn from(event: &Event) -> Self {
        v1::Event { seq: event.seq, at_ms: wire_time(event.at), body: Some((&event.body).into()) }
    }
}

impl From<&Body> for event::Body {
    fn from(body: &Body) -> Self {
        match body {
            Body::VisitorMessage { id, text } => {
                event::Body::VisitorMessage(v1::VisitorMessage { id: id.0.to_vec(), text: text.to_string() })
            }
            Body::Answer { turn, text, end, offer_person, sources, choices } => event::Body::Answer(v1::Answer {
                turn: *turn,
                text: text.to_string(),
                end: v1::AnswerEnd::from(*end).into(),
                offer_person: *offer_person,
                sources: sources.iter().flat_map(|sources| sources.iter()).map(Into::into).collect(),
                choices: choices.iter().flat_map(|choices| choices.iter()).map(|choice| choice.to_string()).collect(),
            }),
            Body::Handover { reason, summary, text } => event::Body::Handover(v1::Handover {
                reason: v1::HandoverReason::from(*reason).into(),
                summary: summary.to_string(),
                text: text.to_string(),
            }),
            Body::Assigned { to } => event::Body::Assigned(v1::Assigned {
                agent: match to {
                    Assignee::Queue => String::new(),
                    Assignee::Agent(agent) => agent.to_string(),
                },
            }),
            Body::AgentMessage { agent, id, text } => event::Body::AgentMessage(v1::AgentMessage {
                agent: agent.to_string(),
                text: text.to_string(),
                id: id.0.to_vec(),
            }),
            Body::Note { agent, text } => {
                event::Body::Note(v1::Note { agent: agent.to_string(), text: text.to_string() })
            }
            Body::Closed { by } => event::Body::Closed(v1::Closed { by: v1::ClosedBy::from(*by).into() }),
            Body::Rated { score, comment } => {
                event::Body::Rated(v1::Rated { score: (*score).into(), comment: comment.to_string() })
            }
        }
    }
}

impl TryFrom<v1::Event> for Event {
    type Error = EventError;

    fn try_from(event: v1::Event) -> Result<Self, EventError> {
        let seq = event.seq;
        let damaged = |(field, problem)| EventError::Field { seq, field, problem };
        if seq == 0 {
            return Err(damaged(("seq", "is missing")));
        }
        let at = Millis::try_from(event.at_ms).map_err(|_| damaged(("at_ms", "is before 1970")))?;
        let body = event.body.ok_or(damaged(("body", "is missing, or of a kind newer than this program")))?;
        Ok(Event { seq, at, body: body_from(body).map_err(damaged)? })
    }
}

/// A moment as the wire has it. The wire's numbers end in the year 292,278,994; a later moment becomes that one.
pub fn wire_time(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// A field's name and what is wrong with it.
type Problem = (&'static str, &'static str);

fn body_from(body: event::Body) -> Result<Body, Problem> {
    Ok(match body {
        event::Body::VisitorMessage(v1::VisitorMessage { id, text }) => {
            Body::VisitorMessage { id: message_id(&id).ok_or(("visitor_message.id", NO_ID))?, text: text.into() }
        }
        event::Body::Answer(answer) => Body::Answer {
            turn: answer.turn,
            end: answer_end(answer.end()).ok_or(("answer.end", UNSPECIFIED))?,
            offer_person: answer.offer_person,
            text: answer.text.into(),
            sources: sources_from(answer.sources),
            choices: choices_from(answer.choices),
        },
        event::Body::Handover(handover) => Body::Handover {
            reason: handover_reason(handover.reason()).ok_or(("handover.reason", UNSPECIFIED))?,
            summary: handover.summary.into(),
            text: handover.text.into(),
        },
        event::Body::Assigned(v1::Assigned { agent }) => {
            Body::Assigned { to: if agent.is_empty() { Assignee::Queue } else { Assignee::Agent(agent.into()) } }
        }
        event::Body::AgentMessage(v1::AgentMessage { agent, text, id }) => Body::AgentMessage {
            agent: agent_key(agent).ok_or(("agent_message.agent", EMPTY))?,
            id: message_id(&id).ok_or(("agent_message.id", NO_ID))?,
            text: text.into(),
        },
        event::Body::Note(v1::Note { agent, text }) => {
            Body::Note { agent: agent_key(agent).ok_or(("note.agent", EMPTY))?, text: text.into() }
        }
        event::Body::Closed(closed) => Body::Closed { by: closed_by(closed.by()).ok_or(("closed.by", UNSPECIFIED))? },
        event::Body::Rated(v1::Rated { score, comment }) => {
            Body::Rated { score: rating(score).ok_or(("rated.score", "is not 1 to 5"))?, comment: comment.into() }
        }
        event::Body::Hidden(v1::Hidden {}) => return Err(("body", "is hidden, which only clients are sent")),
    })
}

const NO_ID: &str = "is not 16 bytes long";
const UNSPECIFIED: &str = "is missing, or newer than this program";
const EMPTY: &str = "is missing";

fn sources_from(sources: Vec<v1::Source>) -> Sources {
    let sources = sources.into_iter().map(|source| Source { title: source.title.into(), url: source.url.into() });
    (sources.len() > 0).then(|| sources.collect())
}

fn choices_from(choices: Vec<String>) -> Choices {
    (!choices.is_empty()).then(|| choices.into_iter().map(Into::into).collect())
}

impl From<&Source> for v1::Source {
    fn from(source: &Source) -> Self {
        v1::Source { title: source.title.to_string(), url: source.url.to_string() }
    }
}

/// The client's name for a message. None: not 16 bytes.
pub fn message_id(id: &[u8]) -> Option<MessageId> {
    id.try_into().ok().map(MessageId)
}

fn agent_key(agent: String) -> Option<Arc<str>> {
    (!agent.is_empty()).then(|| agent.into())
}

fn rating(score: u32) -> Option<u8> {
    u8::try_from(score).ok().filter(|score| (1..=5).contains(score))
}

impl From<AnswerEnd> for v1::AnswerEnd {
    fn from(end: AnswerEnd) -> Self {
        match end {
            AnswerEnd::Complete => v1::AnswerEnd::Complete,
            AnswerEnd::Stopped => v1::AnswerEnd::Stopped,
            AnswerEnd::Interrupted => v1::AnswerEnd::Interrupted,
            AnswerEnd::Fallback => v1::AnswerEnd::Fallback,
            AnswerEnd::Intent => v1::AnswerEnd::Intent,
        }
    }
}

fn answer_end(end: v1::AnswerEnd) -> Option<AnswerEnd> {
    match end {
        v1::AnswerEnd::Complete => Some(AnswerEnd::Complete),
        v1::AnswerEnd::Stopped => Some(AnswerEnd::Stopped),
        v1::AnswerEnd::Interrupted => Some(AnswerEnd::Interrupted),
        v1::AnswerEnd::Fallback => Some(AnswerEnd::Fallback),
        v1::AnswerEnd::Intent => Some(AnswerEnd::Intent),
        v1::AnswerEnd::Unspecified => None,
    }
}

impl From<HandoverReason> for v1::HandoverReason {
    fn from(reason: HandoverReason) -> Self {
        match reason {
            HandoverReason::VisitorAsked => v1::HandoverReason::VisitorAsked,
            HandoverReason::Assistant => v1::HandoverReason::Assistant,
            HandoverReason::Rule => v1::HandoverReason::Rule,
            HandoverReason::Failures => v1::HandoverReason::Failures,
        }
    }
}

fn handover_reason(reason: v1::HandoverReason) -> Option<HandoverReason> {
    match reason {
        v1::HandoverReason::VisitorAsked => Some(HandoverReason::VisitorAsked),
        v1::HandoverReason::Assistant => Some(HandoverReason::Assistant),
        v1::HandoverReason::Rule => Some(HandoverReason::Rule),
        v1::HandoverReason::Failures => Some(HandoverReason::Failures),
        v1::HandoverReason::Unspecified => None,
    }
}

impl From<ClosedBy> for v1::ClosedBy {
    fn from(by: ClosedBy) -> Self {
        match by {
            ClosedBy::Visitor => v1::ClosedBy::Visitor,
            ClosedBy::Agent => v1::ClosedBy::Agent,
            ClosedBy::Site => v1::ClosedBy::Site,
        }
    }
}

fn closed_by(by: v1::ClosedBy) -> Option<ClosedBy> {
    match by {
        v1::ClosedBy::Visitor => Some(ClosedBy::Visitor),
        v1::ClosedBy::Agent => Some(ClosedBy::Agent),
        v1::ClosedBy::Site => Some(ClosedBy::Site),
        v1::ClosedBy::Unspecified => None,
    }
}
