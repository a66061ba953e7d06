//! The connection node: holds visitors' WebSockets and their conversations.

pub mod address;
pub mod admission;
pub mod identity;
pub mod limits;
pub mod origin;
pub mod refusal;
pub mod token_key;
pub mod tokens;
pub mod visitor;
