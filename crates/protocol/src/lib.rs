//! What is said between clients, nodes and functions.

pub mod function;
