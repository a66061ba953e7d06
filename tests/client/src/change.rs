//! What goes into a client and what comes out of it, apart from frames.

use conversation::Seq;
use protocol::v1::{ErrorCode, Event};

/// A command's id, made by the client.
pub type Id = [u8; 16];

/// What the visitor wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Say something.
    Send(String),
    /// End the answer to this turn.
    Stop(Seq),
    /// Have a person.
    AskPerson,
    /// End the conversation.
    Close,
    /// Rate it, 1 to 5.
    Rate(u32, String),
}

/// What a client has learnt.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is known to the node and in this conversation.
    Welcomed {
        /// The visitor's id.
        visitor: String,
        /// Which conversation.
        conversation: u32,
        /// The seq of its newest event.
        head: Seq,
    },
    /// All events held were dropped: they were of another log.
    Dropped,
    /// A command was carried out. For a message: it is stored at `seq`.
    Acked {
        /// Which.
        id: Id,
        /// The event that carries it out; 0: there was nothing to do.
        seq: Seq,
    },
    /// A command was refused for good.
    Refused {
        /// Which.
        id: Id,
        /// Why.
        code: ErrorCode,
    },
    /// A command was given up: it was written in another conversation than the client is in now. Whether it is stored there
    /// is not known.
    LeftBehind {
        /// Which.
        id: Id,
    },
    /// The next event of the log.
    Event(Event),
    /// The answer being written has grown.
    Written {
        /// Its turn.
        turn: Seq,
        /// How long it is now, UTF-8 bytes.
        bytes: usize,
    },
    /// The connection was closed by somebody.
    Disconnected {
        /// The close code, if there was one.
        code: Option<u16>,
    },
    /// The node did what it must never do.
    Wrong(String),
}
