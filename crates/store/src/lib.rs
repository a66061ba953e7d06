//! Where conversations and records are kept: the port [`Store`] and its implementations.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embedded;
mod error;
mod key;
mod port;

pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use key::{Index, InvalidKey, Key, MAX_KEY_BYTES, MAX_KEY_PART_BYTES};
pub use port::{
    Answer, Append, Appended, BoxFuture, Delete, Deleted, List, Listed, Listing, MAX_EVENT_BYTES, MAX_LIMIT,
    MAX_READ_BYTES, MAX_VALUE_BYTES, Put, PutOutcome, Record, Reserve, SetDue, Store, Version,
};
