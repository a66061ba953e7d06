//! The connection node: holds visitors' WebSockets and their conversations.

mod accept;
pub mod address;
pub mod admission;
mod clock;
mod closing;
mod connection;
mod conversations;
mod drain;
mod due;
#[cfg(feature = "echo")]
pub mod echo;
mod greet;
mod hear;
mod held;
pub mod identity;
pub mod invoke;
pub mod limits;
mod node;
pub mod origin;
pub mod refusal;
mod serve;
mod socket;
pub mod token_key;
pub mod tokens;
mod turn;
pub mod visitor;
mod visitors;

pub use serve::{Bound, Parts, RunError, bind, run};
