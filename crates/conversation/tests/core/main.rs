//! The core through its public interface: what goes in, what comes out.

// The desk is not itself a test, so clippy does not see that it belongs to them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod budget;
mod delivery;
mod desk;
mod elsewhere;
mod farewell;
mod handover;
mod leases;
mod lost;
mod random;
mod sending;
mod stop;
mod store_trouble;
mod turns;
mod unheard;
