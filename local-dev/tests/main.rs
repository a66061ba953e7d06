//! Everything that needs real processes or real sockets; each test starts its own.

mod functions;
mod runtime_api;
mod support;
