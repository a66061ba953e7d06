//! Frontdesk on one machine, with one command.
fn main() {}
