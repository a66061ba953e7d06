//! Everything that needs real processes or real sockets; each test starts its own.

mod balancer;
mod cluster;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod functions;
mod program;
mod runtime_api;
mod support;
