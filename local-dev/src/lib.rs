//! Frontdesk on one machine: the node, the functions under a Lambda Runtime API, and a demo shop, with one command.
//!
//! - [`run`] starts everything in order and stops it in the reverse order; [`options`] and [`settings`] say how.
//! - [`function`] owns one function's processes. [`pool`] decides which process runs which invocation and does no I/O;
//!   [`process`] starts and ends one; [`runtime_api`] is what a process sees, [`relay`] the way of its response.
//! - [`invoke_api`] is what a node sees, and any of AWS's SDKs; [`event_stream`] is how those want responses framed.
//! - [`node`] keeps one node running, [`node_process`] is one process of it. [`nodes`] are all of them; [`balancer`] stands in
//!   front of several, and [`spread`] decides which gets a connection. [`nodes_api`] and [`keys`] kill and restart them.
//! - [`role`] is what `local-dev` does as its own child.

pub mod balancer;
pub mod demo;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod event_stream;
pub mod fault;
pub mod function;
pub mod invocation;
pub mod invoke_api;
pub mod keys;
pub mod listener;
pub mod node;
pub mod node_process;
pub mod nodes;
pub mod nodes_api;
pub mod options;
mod places;
pub mod pool;
pub mod ports;
pub mod process;
pub mod relay;
pub mod role;
pub mod run;
pub mod runtime_api;
pub mod settings;
pub mod signals;
pub mod spread;
pub mod status;
