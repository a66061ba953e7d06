//! Everything that needs real processes or real sockets; each test starts its own.

mod functions;
mod program;
mod runtime_api;
mod support;
