//! The embedded store: the promises of the port, and what happens when the disk or the file is bad.

mod conformance;
