//! Frontdesk on one machine: the node, the functions under a Lambda Runtime API, and a demo site, with one command.

pub mod fault;
pub mod function;
pub mod invocation;
pub mod invoke_api;
pub mod listener;
pub mod pool;
pub mod process;
pub mod relay;
pub mod role;
pub mod runtime_api;
pub mod status;
