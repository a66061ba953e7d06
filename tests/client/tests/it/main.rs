//! The client against frames by hand, and against a node by hand.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod core;
mod tab;
