//! The core of a conversation: events, the fold, decisions, delivery and turns.
//!
//! Nothing here does I/O, reads a clock, spawns a task or knows a wire format. Inputs go in with the time as an argument,
//! outputs come out; the node and the simulation drive the same code.

/// Whether a deliberate fault is switched on; always false without the feature `faults`.
macro_rules! broken {
    ($policy:expr, $fault:ident) => {{
        #[cfg(feature = "faults")]
        let broken = $policy.fault == Some($crate::fault::Fault::$fault);
        #[cfg(not(feature = "faults"))]
        let broken = {
            let _ = &$policy;
            false
        };
        broken
    }};
}

pub mod budget;
mod claim;
mod cursor;
pub mod decide;
mod delivery;
mod due;
mod event;
#[cfg(feature = "faults")]
pub mod fault;
mod id;
mod live;
mod policy;
mod state;
mod summary;
mod turn;
mod window;

pub use claim::{Claim, Fence};
pub use cursor::{Cursor, Offered, Resume};
pub use decide::{Command, Refusal};
pub use delivery::{Piece, Position};
pub use due::due_at;
pub use event::{AnswerEnd, Assignee, Audience, Body, Choices, ClosedBy, Event, HandoverReason, Source, Sources};
pub use id::{ConversationId, InvalidId, MAX_PART_BYTES, MessageId, Millis, Seq, is_part};
pub use live::{CommandKey, Live, Notice, Output, Reply, Rested};
pub use policy::{MAX_RETRY_WAIT, Policy, RESERVED_EVENTS};
pub use state::{Owner, Rating, Rule, Sent, State, Violation, fingerprint};
pub use summary::MAX_SUMMARY_BYTES;
pub use turn::{Invocation, Outcome, TurnText};
pub use window::{Line, Role, Window};
