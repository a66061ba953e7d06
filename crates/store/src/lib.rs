//! Where conversations and records are kept: the port [`Store`] and its implementations.
//!
//! A store keeps four things: the **log** of each conversation; the **due** index, which says when a conversation needs
//! attention though nobody may be connected; small versioned **records**, listed by ordered indexes; and the **budget** of
//! the model, from which every node reserves. What each promises is said at [`Store`], and tried out by one suite,
//! `conformance`, that every implementation runs.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod embedded;
mod error;
mod key;
mod lease;
mod port;
#[cfg(feature = "redis")]
pub mod redis;

pub use conversation::{Claim, Fence};
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoStore;
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use key::{Index, InvalidKey, Key, MAX_KEY_BYTES, MAX_KEY_PART_BYTES};
pub use lease::Lease;
pub use port::{
    Answer, Append, Appended, BoxFuture, ClaimDue, Delete, Deleted, List, Listed, Listing, MAX_CLOCK_SKEW_MS,
    MAX_EVENT_BYTES, MAX_LIMIT, MAX_READ_BYTES, MAX_VALUE_BYTES, Put, PutOutcome, Record, Reserve, SetDue, Store,
    Version,
};
#[cfg(feature = "redis")]
pub use redis::RedisStore;
