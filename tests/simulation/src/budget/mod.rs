//! The model budget in virtual time: callers, the store between them, and a model's server with real token buckets.
//!
//! `cargo run -p simulation --bin budget` prints the table; `tests/budget.rs` asserts what it shows. The callers drive the
//! very code that nodes run; the store's buckets, the server and the network are models. A run takes three minutes of
//! virtual time: the quota is halved after the first and doubled after the second.

mod callers;
mod figures;
mod provider;
mod setting;
mod store;
mod world;

pub use figures::Figures;
pub use setting::{Counting, Demand, Knowledge, Setting};

/// Runs one setting. Two runs of one setting are the same.
pub fn run(setting: &Setting) -> Figures {
    world::World::new(setting.clone()).live()
}
