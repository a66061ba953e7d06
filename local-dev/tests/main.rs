//! Everything that needs real processes or real sockets; each test starts its own.

mod balancer;
mod cluster;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod functions;
mod invokers;
mod program;
mod runtime_api;
#[cfg(feature = "lambda")]
mod sdk;
mod support;
#[cfg(feature = "otlp")]
mod traces;
