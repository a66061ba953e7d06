//! The real program under a Lambda runtime API, and in front of a model's server that fails in every way known.

// Clippy allows these in functions marked as tests, and not in those that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(feature = "preparing")]
mod cli;
mod connections;
mod faults;
mod http2;
mod models;
mod openai_server;
mod program;
mod retries;
mod safety;
mod scripted;
mod start;
