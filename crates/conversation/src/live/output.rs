//! What a conversation wants its driver to do.

use std::sync::Arc;

use crate::claim::{Claim, Fence};
use crate::decide::Refusal;
use crate::event::Event;
use crate::id::{Millis, Seq};
use crate::turn::{Invocation, TurnText};

/// Names one command of one connection until it has its reply. Made by the driver.
pub type CommandKey = u64;

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Append `event` at its seq, with this due mark; then call [`Live::handle_appended`], [`Live::handle_conflict`],
    /// [`Live::handle_fenced`] or [`Live::handle_append_failed`].
    Append {
        /// The event.
        event: Arc<Event>,
        /// The conversation's place in the due index from then on.
        due: Option<Millis>,
        /// Whose claim on the conversation keeps it out.
        fence: Fence,
        /// When the event before it was decided; 0 for the first.
        previous_at: Millis,
    },
    /// Give the claim back that this node made: set the due time, if the log still ends at `head` and the claim still stands.
    /// Nothing is to be said of what became of it; if it fails, the claim ends by itself.
    Release {
        /// The newest event known.
        head: Seq,
        /// When somebody is to look again.
        due: Option<Millis>,
        /// The claim.
        claim: Claim,
    },
    /// Read the log after this seq; then call [`Live::handle_read`] or [`Live::handle_read_failed`]. It is one before the
    /// newest event known, which must be found again: a store that can lose what it has acknowledged is found out so.
    Read {
        /// Where to begin.
        after: Seq,
    },
    /// Tell a connection what became of its command.
    Reply {
        /// Which command.
        to: CommandKey,
        /// What became of it.
        reply: Reply,
    },
    /// Tell the other nodes.
    Publish(Notice),
    /// Invoke the function `ai`; feed [`Live::handle_delta`] and, once, [`Live::handle_outcome`].
    Invoke(Invocation),
    /// The run is no longer wanted; its inputs are ignored from now on.
    Cancel {
        /// Which.
        run: u32,
    },
    /// Invoke the function `routing`; then call [`Live::handle_routed`].
    Route,
    /// Connections have something to pull.
    Wake,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is in the log at this seq; 0: there was nothing to do.
    Acked(Seq),
    /// It was refused; come back after so many milliseconds (0: not by itself).
    Refused(Refusal, Millis),
}

/// What goes over the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An event was stored.
    Event {
        /// The event.
        event: Arc<Event>,
        /// When the one before it was decided; 0 for the first. Whoever holds another one there holds a log that was lost.
        previous_at: Millis,
    },
    /// A turn has started here, or goes on.
    Turn(TurnText),
    /// Who runs the open turn? It answers with the text so far.
    AskTurn,
    /// The conversation was forgotten: the log is gone, and nothing may be kept of it. For the driver; a [`Live`] never
    /// says it and does not want to hear it.
    Forgotten,
}
