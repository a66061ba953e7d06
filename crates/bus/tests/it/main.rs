//! Every bus: the conformance suite, and what happens when servers die.

#![allow(clippy::unwrap_used)]

mod cluster;
mod local;
mod nats;
mod redis;
mod remote;
