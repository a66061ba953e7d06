//! How nodes hear of each other's conversations: the port [`Bus`] and its implementations.

#[cfg(feature = "conformance")]
pub mod conformance;
mod hub;
mod inbox;
mod local;
#[cfg(feature = "nats")]
pub mod nats;
mod port;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "remote")]
mod remote;

pub use local::{LocalBus, Options};
pub use port::{BoxFuture, Bus, BusError, MAX_PAYLOAD_BYTES, Received, Subscription, Topic};
