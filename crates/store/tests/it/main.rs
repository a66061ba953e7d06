//! The embedded store: the promises of the port, and what happens when the disk or the file is bad.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
