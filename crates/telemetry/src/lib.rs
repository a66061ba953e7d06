//! What a program tells its operators: log lines ([`log`]), metrics ([`NodeMetrics`], [`AiMetrics`]) and traces ([`traces`]).
//! [`start`] begins with lines and traces. A panic is a line that says where it was.
//!
//! Metrics live in values that are passed along, never in globals, so that two nodes in one process keep apart. Label
//! values come from the code or the configuration and never from what a client sent, so their number is bounded.

mod ai;
mod assistant;
mod budget;
pub mod log;
mod metric;
mod node;
mod panics;
pub mod traces;

pub use ai::{AiMetrics, AiTurn};
pub use assistant::{AssistantMetrics, TurnTaken};
pub use budget::BudgetMetrics;
pub use metric::{Family, MetricsError};
pub use node::NodeMetrics;
pub use traces::{Program, StartError, Traces, start};
