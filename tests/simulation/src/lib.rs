//! Histories of whole worlds in virtual time: visitors with several tabs, nodes that die, stand still and drain, with clocks that
//! differ, a store and a bus that fail, delay, repeat and reorder, a store that loses its newest events in a fail-over,
//! conversations that rest or are forgotten, functions that crash and hang, people who write from outside. One seed is one
//! history.
//!
//! Nodes share conversations as the real ones do: they claim what is due, their appends are fenced, and who runs a turn gives
//! the others signs of life.
//!
//! The nodes drive the same core as the real node. Every invariant of DESIGN.md that concerns the core is checked at every
//! step (`watch.rs`), and at the end, when nothing fails any more and time has gone on, nothing may be left to do.
//!
//! `cargo run -p simulation -- --histories 100000` runs many; `--seed N --trace` replays one and tells its story.

mod agenda;
mod agent;
mod alone;
mod batch;
pub mod budget;
mod connection;
mod controllers;
mod function;
mod loss;
mod node;
mod outputs;
mod plan;
mod rng;
mod rules;
mod slot;
mod store;
mod tab;
mod tally;
mod trace;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use alone::feed;
pub use batch::{Batch, Found, run_many};
#[cfg(feature = "faults")]
pub use conversation::fault::{ALL_FAULTS, Fault};
pub use tally::Tally;
pub use watch::Breach;

/// How a history is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep the story.
    pub trace: bool,
    /// Break the core on purpose.
    #[cfg(feature = "faults")]
    pub fault: Option<Fault>,
}

impl Options {
    /// The same, with the story kept.
    pub fn telling(self) -> Self {
        #[cfg_attr(not(feature = "faults"), allow(clippy::needless_update))]
        Self { trace: true, ..self }
    }
}

/// What became of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Where it came from.
    pub seed: u64,
    /// What must not have been, if something was.
    pub breach: Option<Breach>,
    /// What happened how often.
    pub tally: Tally,
    /// Fits all that happened: equal for two runs of one seed.
    pub digest: u64,
    /// The story, if it was kept.
    pub story: Vec<String>,
}

/// Runs the history of `seed`. A panic in the core is a breach like any other.
pub fn run(seed: u64, options: &Options) -> History {
    let mut rng = rng::Rng::new(seed);
    #[cfg_attr(not(feature = "faults"), allow(unused_mut))]
    let mut plan = plan::Plan::draw(&mut rng);
    #[cfg(feature = "faults")]
    {
        plan.policy = std::sync::Arc::new(conversation::Policy { fault: options.fault, ..(*plan.policy).clone() });
    }
    let mut world = world::World::new(rng, plan, options.trace);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let breach = match lived {
        Ok(lived) => lived.err(),
        Err(_) => Some(Breach { invariant: 0, what: "a panic, told above".to_owned() }),
    };
    let (tally, digest) = (world.tally.clone(), world.digest());
    History { seed, breach, tally, digest, story: world.trace.into_lines() }
}
