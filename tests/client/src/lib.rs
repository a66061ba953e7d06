//! A visitor's client for tests: what `docs/protocol.md` asks of one, and nothing of the node.
//!
//! [`Client`] decides and does no I/O: it takes frames, the time and chance as arguments. [`Connection`] is one WebSocket.
//! [`Tab`] drives the one with the other, through any number of connections.
//!
//! A client for tests has one more duty than a widget: it looks for what a node must never do, and reports it as
//! [`Change::Wrong`].

mod backoff;
mod change;
mod connection;
mod core;
mod outbox;
mod random;
mod tab;
mod written;

pub use crate::backoff::Backoff;
pub use crate::change::{Change, Command, Id};
pub use crate::connection::{Address, AddressError, ConnectError, Connection, Received, SocketOptions};
pub use crate::core::{Client, Profile};
pub use crate::random::Random;
pub use crate::tab::{Keepalive, Order, Tab, TabOptions};
pub use crate::written::Written;
