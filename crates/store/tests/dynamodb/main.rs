//! The store on DynamoDB, against dynoxide in this process: the promises of the port, what they cost, and bad networks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod server;
