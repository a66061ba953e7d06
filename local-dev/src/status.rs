//! What runs at this moment, as the JSON of `GET /dev/status`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use crate::pool::ProcessState;

/// Everything that `local-dev` runs.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The nodes, in their order; none with `--no-node`.
    pub nodes: Vec<NodeStatus>,
    /// The functions by name.
    pub functions: BTreeMap<String, FunctionStatus>,
}

/// One node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// What its process does.
    #[serde(flatten)]
    pub life: NodeLife,
    /// Where visitors connect to it.
    pub address: SocketAddr,
    /// Its port there.
    pub port: u16,
    /// Where its metrics are.
    pub metrics: SocketAddr,
    /// How many connections the balancer has open to it; absent where there is no balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
}

/// What a node's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NodeLife {
    /// Its process id; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What it does.
    pub state: NodeState,
    /// How often it has been started again.
    pub restarts: u64,
}

/// What a node's process is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Runs, and has not said that it is ready.
    Starting,
    /// Has said that it is ready.
    Ready,
    /// Stands still (SIGSTOP) until somebody resumes it.
    Paused,
    /// Finishes its turns and sends its visitors away.
    Draining,
    /// Is gone, and will be started again.
    Down,
    /// Is gone until somebody starts it.
    Stopped,
}

impl NodeState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Starting => "starting",
            NodeState::Ready => "ready",
            NodeState::Paused => "paused",
            NodeState::Draining => "draining",
            NodeState::Down => "down",
            NodeState::Stopped => "stopped",
        }
    }
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

/// One process of a function. One that may run several invocations at once is here once for each that it is ready for.
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
