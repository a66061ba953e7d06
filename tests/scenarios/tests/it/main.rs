//! What a visitor sees of nodes, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, also where it is not in a test function")]

mod admission;
mod frames;
mod limits;
mod resume;
mod talk;
mod turns;
