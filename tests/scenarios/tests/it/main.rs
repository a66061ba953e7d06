//! What a visitor sees of nodes, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, also where it is not in a test function")]

mod frames;
mod talk;
mod turns;
