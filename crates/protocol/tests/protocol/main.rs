//! The wire, tried with every message and with bytes that are none.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, also where it is not in a test function")]

mod any;
mod bus;
mod events;
mod frames;
mod size;
