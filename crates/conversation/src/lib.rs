//! The core of a conversation: events, the fold, decisions, delivery and turns.
//!
//! Nothing here does I/O, reads a clock, spawns a task or knows a wire format. Inputs go in with the time as an argument,
//! outputs come out; the node and the simulation drive the same code.

mod event;
mod id;

pub use event::{AnswerEnd, Assignee, Audience, Body, ClosedBy, Event, HandoverReason};
pub use id::{ConversationId, InvalidId, MAX_PART_BYTES, MessageId, Millis, Seq, is_part};
