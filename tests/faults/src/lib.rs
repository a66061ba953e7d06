//! What a visitor sees, and when, for each way in which a model's server can fail.
//!
//! Everything is real but the model: a visitor's client over a WebSocket, `local-dev` with its node and its processes of
//! the function `ai`, and the mock provider, which fails as it is told. What comes of it is `docs/faults.md`.

mod local_dev;
pub mod page;
pub mod rows;
mod seen;
mod visitor;
mod world;

pub use crate::world::World;
