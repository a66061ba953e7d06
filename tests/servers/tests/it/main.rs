//! The servers start, answer, die, stand still and come back.

mod nats;
mod redis;
