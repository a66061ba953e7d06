//! How nodes hear of each other's conversations: the port [`Bus`] and its implementations.

#[cfg(feature = "conformance")]
pub mod conformance;
mod inbox;
mod local;
mod port;

pub use local::{LocalBus, Options};
pub use port::{BoxFuture, Bus, BusError, MAX_PAYLOAD_BYTES, Received, Subscription, Topic};
