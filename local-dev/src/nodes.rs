//! All nodes: started side by side, told what somebody asks of them, replaced one by one, stopped side by side.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::balancer::{Balancer, Target};
use crate::node::{Node, Order, Refused, RunningNode};
use crate::node_process::{NodeError, NodeProgram};
use crate::status::{NodeState, NodeStatus};

/// How long one node of a rolling restart may take: the longest drain, and the longest start.
const LONGEST_REPLACEMENT: Duration = Duration::from_secs(150);

/// The nodes for those who want to know about them or ask something of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Nodes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    nodes: Vec<Node>,
    balancer: Option<Balancer>,
    rolling: Mutex<()>,
}

/// Why something that was asked of a node, or of all, is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is none with this number.
    #[error("there is no node {number}; {}", known(*.nodes))]
    Unknown {
        /// The number that was given, from 1.
        number: usize,
        /// How many there are.
        nodes: usize,
    },
    /// It cannot do that now.
    #[error("{name}: {refused}")]
    Refused {
        /// The node.
        name: String,
        /// Why.
        refused: Refused,
    },
    /// It has begun, and does not end.
    #[error("{name} is {}, and not ready again after {} s; its log may say why", .state.as_str(), LONGEST_REPLACEMENT.as_secs())]
    NotReady {
        /// The node.
        name: String,
        /// What it does.
        state: NodeState,
    },
    /// Another rolling restart has not ended.
    #[error("the nodes are being restarted already")]
    Rolling,
}

fn known(nodes: usize) -> String {
    match nodes {
        0 => "no node is run here".to_owned(),
        1 => "there is one, 1".to_owned(),
        most => format!("there are 1 to {most}"),
    }
}

/// One node before and after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// The node.
    pub name: String,
    /// The process that was there; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_pid: Option<u32>,
    /// The process that is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_pid: Option<u32>,
}

/// Starts all nodes side by side and waits until every one is ready. More than one get a balancer.
///
/// # Errors
/// One of them cannot be started; the others are stopped again.
pub async fn start(programs: Vec<NodeProgram>) -> Result<Vec<RunningNode>, NodeError> {
    let mut starting = JoinSet::new();
    for (at, program) in programs.into_iter().enumerate() {
        starting.spawn(async move { (at, RunningNode::start(program).await) });
    }
    let (mut running, mut failed) = (Vec::new(), None);
    while let Some(started) = starting.join_next().await {
        match started {
            Ok((at, Ok(node))) => running.push((at, node)),
            Ok((_, Err(error))) => {
                failed = Some(error);
                break;
            }
            Err(error) => tracing::error!(%error, "the start of a node was not seen"),
        }
    }
    // Processes that are still being started are killed with their tasks.
    drop(starting);
    running.sort_by_key(|(at, _)| *at);
    let running = running.into_iter().map(|(_, node)| node).collect();
    match failed {
        None => Ok(running),
        Some(error) => {
            stop(running).await;
            Err(error)
        }
    }
}

/// Stops all nodes side by side.
pub async fn stop(running: Vec<RunningNode>) {
    let mut stopping = JoinSet::new();
    for node in running {
        stopping.spawn(node.stop());
    }
    while stopping.join_next().await.is_some() {}
}

impl Nodes {
    /// The nodes that run, with the balancer in front of more than one.
    #[must_use]
    pub fn new(running: &[RunningNode]) -> Self {
        let nodes: Vec<Node> = running.iter().map(|running| running.node.clone()).collect();
        let target = |node: &Node| Target::new(node.address, node.life.clone());
        let balancer = (nodes.len() > 1).then(|| Balancer::new(nodes.iter().map(target).collect()));
        Self(Arc::new(Inner { nodes, balancer, rolling: Mutex::new(()) }))
    }

    /// What stands in front of more than one.
    #[must_use]
    pub fn balancer(&self) -> Option<&Balancer> {
        self.0.balancer.as_ref()
    }

    /// How they are.
    #[must_use]
    pub fn status(&self) -> Vec<NodeStatus> {
        let of = |(at, node): (usize, &Node)| NodeStatus {
            name: node.name.clone(),
            life: *node.life.borrow(),
            address: node.address,
            port: node.address.port(),
            metrics: node.metrics,
            connections: self.balancer().map(|balancer| balancer.open(at)),
        };
        self.0.nodes.iter().enumerate().map(of).collect()
    }

    /// Asks something of one node (the first is 1). Ends when it has begun, or, for [`Order::Restart`] and [`Order::Start`],
    /// when the node is ready again.
    ///
    /// # Errors
    /// There is no such node, it cannot do that now, or it does not become ready.
    pub async fn order(&self, number: usize, order: Order) -> Result<NodeStatus, OrderError> {
        let unknown = OrderError::Unknown { number, nodes: self.0.nodes.len() };
        let at = number.checked_sub(1).filter(|at| *at < self.0.nodes.len()).ok_or(unknown)?;
        match order {
            Order::Restart | Order::Start => {
                self.replace(at, order).await?;
            }
            other => self.tell(at, other).await?,
        }
        Ok(self.status().swap_remove(at))
    }

    /// Restarts the nodes one by one, the next only when the one before is ready again and gets connections. It goes on to
    /// its end also when nobody waits for it any more.
    ///
    /// # Errors
    /// Another is under way, or a node does not come back; the nodes after it are left as they are.
    pub async fn rolling_restart(&self) -> Result<Vec<Replaced>, OrderError> {
        let nodes = self.clone();
        let restarting = tokio::spawn(async move {
            let _only = nodes.0.rolling.try_lock().map_err(|_| OrderError::Rolling)?;
            let mut replaced = Vec::new();
            for at in 0..nodes.0.nodes.len() {
                replaced.push(nodes.replace(at, Order::Restart).await?);
            }
            Ok(replaced)
        });
        restarting.await.unwrap_or(Err(OrderError::Rolling))
    }

    async fn replace(&self, at: usize, order: Order) -> Result<Replaced, OrderError> {
        let node = &self.0.nodes[at];
        let mut life = node.life.clone();
        let before = *life.borrow();
        self.tell(at, order).await?;
        let replaced = async {
            // An error means that the node is no longer kept running; then it will not be ready.
            let ready = life.wait_for(|life| life.restarts > before.restarts && life.state == NodeState::Ready).await;
            let new_pid = ready.ok()?.pid;
            if let Some(balancer) = self.balancer() {
                balancer.takes(at).await;
            }
            Some(Replaced { name: node.name.clone(), old_pid: before.pid, new_pid })
        };
        let replaced = timeout(LONGEST_REPLACEMENT, replaced).await.ok().flatten();
        replaced.ok_or_else(|| OrderError::NotReady { name: node.name.clone(), state: node.life.borrow().state })
    }

    async fn tell(&self, at: usize, order: Order) -> Result<(), OrderError> {
        let node = &self.0.nodes[at];
        node.order(order).await.map_err(|refused| OrderError::Refused { name: node.name.clone(), refused })
    }
}
