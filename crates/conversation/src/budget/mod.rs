//! The model budget: requests and tokens per minute of one model, shared by all nodes.
//!
//! A [`ModelBudget`] is what one node knows of one model. Turns wait in it, fairly among sites ([`queue`]); for each it takes
//! a **slot** from the two buckets that all nodes share in the store, one of requests and one of tokens. The store answers
//! every reservation with a wait, in the order of the reservations, so the slots of all nodes stand in one line. A slot
//! belongs to nobody until it is ripe: then the turn that is next gets it, and none is lost with a visitor who left.
//!
//! How fast the buckets refill is known from the model's headers ([`limits`]), or found out by trying ([`scale`]). What one
//! node learns, a limit or a refusal, is in one shared record soon ([`Shared`]), and slots that are not ripe yet are moved.
//! While turns wait, nodes tell each other how much each site asks for, so that a site with many nodes gets no more than
//! another with one ([`share`]). While the store is away, a node goes on with its part of the rate.
//!
//! Nothing here does I/O: inputs are `handle_*`, outputs come from [`ModelBudget::poll`], time is an argument.

mod demand;
mod doubt;
mod estimate;
mod learn;
mod limits;
mod model;
mod output;
mod queue;
mod scale;
mod share;
mod slots;

pub use estimate::{Estimates, Size};
pub use limits::{Allowance, Limit, Limits};
pub use model::{Ask, ModelBudget, Spent};
pub use output::{Output, Refusal, Take};
pub use scale::Scale;
pub use share::{Notice, Shared};

/// Names a waiting or granted turn within one [`ModelBudget`].
pub type Ticket = u64;

/// What the bucket of requests counts in, so that a rate of a few a minute is not rounded away: thousandths.
pub const REQUEST: u64 = 1_000;

/// What a model's server said of its quota with one response.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quota {
    /// Of requests.
    pub requests: Option<Limit>,
    /// Of tokens.
    pub tokens: Option<Limit>,
    /// The request was refused (429).
    pub refused: bool,
    /// How long nobody may ask, milliseconds.
    pub retry_after_ms: Option<u64>,
}
