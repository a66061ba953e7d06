//! The connection node: holds visitors' WebSockets and their conversations.

pub mod identity;
pub mod refusal;
pub mod token_key;
pub mod tokens;
pub mod visitor;
