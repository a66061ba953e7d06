//! The provider over real sockets: what a client gets for each fault, and what is counted.

// Clippy allows these in functions marked as tests, and not in those that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ask;
mod connections;
mod faults;
mod limits;
mod program;
