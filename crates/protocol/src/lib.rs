//! What is said between clients, nodes and functions.
//!
//! [`wire`] reads and writes the frames of `docs/protocol.md`; [`v1`] has their types, made from
//! `proto/frontdesk.v1.proto` by `cargo run -p schema`. [`convert`] goes between them and the core's events, [`bus`] is
//! what nodes tell each other, [`codes`] says what each error and close code asks of a client, and [`function`] is what
//! nodes and functions say.

pub mod bus;
pub mod codes;
pub mod convert;
pub mod function;
mod redact;
pub mod wire;

pub use codes::{CloseCode, ComeBack};
pub use convert::{decode_event, encode_event, event_for};
pub use wire::{DecodeError, EncodeError, Subprotocol};

/// The messages of the wire. `docs/protocol.md` says what each means.
#[allow(missing_docs, clippy::pedantic, clippy::all)]
pub mod v1 {
    include!("generated/frontdesk.v1.rs");
    include!("generated/frontdesk.v1.serde.rs");
}

// The generated code names the types of `v1` as `super::super::v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod internal {
    pub(crate) mod v1 {
        include!("generated/frontdesk.internal.v1.rs");
    }
}
