//! What a program tells its operators: log lines ([`log`]) and metrics ([`NodeMetrics`]).
//!
//! Metrics live in values that are passed along, never in globals, so that two nodes in one process keep apart. Label
//! values are `&'static str`: they come from the code and never from what a client sent, so their number is bounded.
//!
//! Traces are exported nowhere yet. An OpenTelemetry exporter is one more layer in [`log::subscriber`].

pub mod log;
mod metric;
mod node;

pub use metric::{Family, MetricsError};
pub use node::NodeMetrics;
