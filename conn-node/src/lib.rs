//! The connection node: holds visitors' WebSockets and their conversations.

mod accept;
pub mod address;
pub mod admission;
mod arrival;
pub mod assets;
pub mod budget;
mod clock;
mod closing;
mod connection;
mod conversations;
mod drain;
mod due;
#[cfg(feature = "echo")]
pub mod echo;
mod erase;
mod exact;
mod fallback;
mod gap;
mod greet;
mod health;
mod hear;
mod held;
pub mod http;
pub mod identity;
mod intents;
mod invocation;
pub mod invoke;
mod life;
pub mod limits;
pub mod metrics_http;
mod node;
pub mod origin;
mod outgoing;
pub mod refusal;
mod routing;
mod serve;
mod settings;
mod socket;
mod timed;
pub mod token_key;
pub mod tokens;
mod trace;
mod turn;
pub mod visitor;
mod visitors;

pub use serve::{Bound, Parts, RunError, bind, run};
