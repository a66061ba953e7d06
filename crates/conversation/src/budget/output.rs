//! What a [`ModelBudget`](super::ModelBudget) wants done.

use super::{Notice, Shared, Ticket};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Reserve from both buckets, at once, and tell the longer wait to
    /// [`ModelBudget::handle_reserved`](super::ModelBudget::handle_reserved), or that the store failed.
    Reserve {
        /// Names the call.
        call: u64,
        /// From the bucket of requests. `None`: requests are not limited.
        requests: Option<Take>,
        /// From the bucket of tokens.
        tokens: Option<Take>,
    },
    /// Change both buckets. Nobody waits for the answer; one that is lost is lost.
    Settle {
        /// The bucket of requests.
        requests: Option<Take>,
        /// The bucket of tokens.
        tokens: Option<Take>,
    },
    /// The turn may go.
    Grant(Ticket),
    /// The turn may not go.
    Refuse(Ticket, Refusal),
    /// Read the shared record, for [`ModelBudget::handle_shared`](super::ModelBudget::handle_shared).
    Look,
    /// Replace the shared record, if it is still the one that was read last; then
    /// [`ModelBudget::handle_proposed`](super::ModelBudget::handle_proposed).
    Propose(Shared),
    /// Publish this node's notice and read everybody's, for
    /// [`ModelBudget::handle_notices`](super::ModelBudget::handle_notices).
    Gather(Notice),
}

/// What to take from one bucket of the store: the arguments of `Store::reserve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// How much; negative: give back.
    pub amount: i64,
    /// How much flows in, a minute. At least 1.
    pub per_minute: u64,
    /// How much it holds.
    pub burst: u64,
    /// What is left at most, as far as is known.
    pub remaining: Option<u64>,
}

/// Why a turn may not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It would wait longer than its clock.
    TooLong,
    /// Too many turns wait.
    QueueFull,
    /// The model asked not to be asked for longer than the turn's clock.
    Blocked,
}
