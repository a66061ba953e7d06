//! Code, document and schema say the same.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, also where it is not in a test function")]

mod codes;
mod document;
mod examples;
mod generated;
mod limits;
mod markdown;
