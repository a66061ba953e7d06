//! What runs at this moment, as the JSON of `GET /dev/status`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::pool::ProcessState;

/// Everything that `local-dev` runs.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The node; absent with `--no-node`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeStatus>,
    /// The functions by name.
    pub functions: BTreeMap<String, FunctionStatus>,
}

/// The node's process.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Its process id; absent while it is being restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What it does.
    pub state: NodeState,
    /// How often it has been started again after it died.
    pub restarts: u64,
}

/// What the node's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Runs, and has not said that it is ready.
    Starting,
    /// Has said that it is ready.
    Ready,
    /// Died; will be started again.
    Down,
    /// Finishes its turns; will not be started again.
    Draining,
}

/// One function's processes and counts.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionStatus {
    /// The most processes at once.
    pub limit: usize,
    /// How many processes have been started.
    pub starts: u64,
    /// How many processes have ended, for whatever reason.
    pub ended: u64,
    /// How many invocations were refused because too many were running.
    pub throttled: u64,
    /// How many invocations wait for a process.
    pub waiting: usize,
    /// The processes, oldest first.
    pub processes: Vec<ProcessStatus>,
}

/// One process of a function.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessStatus {
    /// Its process id.
    pub pid: u32,
    /// `starting`, `idle`, `busy` or `finishing`.
    pub state: &'static str,
    /// How many invocations it was given.
    pub invocations: u64,
    /// The request id of the invocation it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    /// Nobody waits for that invocation any more.
    pub abandoned: bool,
}

impl ProcessStatus {
    /// The status of a process in this state.
    #[must_use]
    pub fn new(pid: u32, state: &ProcessState, invocations: u64) -> Self {
        let (state, invocation, abandoned) = match state {
            ProcessState::Starting { .. } => ("starting", None, false),
            ProcessState::Idle { .. } => ("idle", None, false),
            ProcessState::Finishing { .. } => ("finishing", None, false),
            ProcessState::Busy { invocation, abandoned, .. } => ("busy", Some(invocation.to_string()), *abandoned),
        };
        Self { pid, state, invocations, invocation, abandoned }
    }
}
