//! What a visitor sees of nodes, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, also where it is not in a test function")]

mod admission;
mod clocks;
mod drain;
mod erase;
mod fallback;
mod folder;
mod frames;
mod functions;
mod health;
mod http;
mod leases;
mod life;
mod limits;
mod lost;
mod nodes;
mod resume;
mod secrets;
mod store;
mod talk;
mod turns;
