//! What the scenarios are played with: nodes in this process, functions that do what the test says, stores that fail on
//! command, and clients over real sockets.
//!
//! Nothing here sleeps to wait for something. A test waits for what must come; [`soon`] fails it when that never comes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "support code of tests: whatever is wrong must fail the test"
)]

mod bent;
mod disk;
mod functions;
mod http;
mod jwt;
mod log;
mod lossy;
mod node;
mod raw;
mod shaky;
mod tab;
mod wire;

use std::time::Duration;

pub use bent::Bent;
pub use disk::Disk;
pub use functions::{Answering, Call, Calls, Functions};
pub use http::{Response, request};
pub use jwt::{SHOP_SECRET, TOKEN_SECRET, eraser, identity, now_seconds, token, unsigned};
pub use log::{
    LONG_AGO, append, append_at, append_due, assert_whole, conversation_of, enlist, events, listed_at, small_talk,
};
pub use lossy::LossyBus;
pub use node::{Setup, TestNode};
pub use raw::RawSocket;
pub use shaky::{Fault, Operation, Shaky};
pub use tab::Tab;
pub use wire::{Handshake, Incoming, Wire, frames, hello};

/// How long anything may take before a test has failed. Far more than it takes; a machine under load is no failure.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for what must come.
///
/// # Panics
/// It did not come.
pub async fn soon<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("this never came: {what}"))
}
