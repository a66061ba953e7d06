//! A node that is kept running: watched, started again when it dies, and told what somebody asks of it.
//!
//! A single task owns the process and takes one thing at a time, so nothing here is shared or locked.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::node_process::{NodeError, NodeProcess, NodeProgram, NodeSignal, was_killed};
use crate::status::{NodeLife, NodeState};

/// How long a node may take until it says that it is ready.
const LONGEST_START: Duration = Duration::from_secs(30);
/// A node that lived for less than this is started again ever later.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// What a node gets beyond its own drain time, before it is killed: to say goodbye and hand its turns over.
const DRAIN_GRACE: Duration = Duration::from_secs(10);
/// How long a node stays down that was killed on request: long enough to see what the others do.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// What can be asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGKILL. It is started again after a second, unless it is to stay down.
    Kill {
        /// Until somebody starts it.
        stay_down: bool,
    },
    /// Drain it, then start it.
    Restart,
    /// Drain it; it stays down until somebody starts it.
    Drain,
    /// SIGSTOP: it stands still, its connections stay open.
    Pause,
    /// SIGCONT.
    Resume,
    /// Start it, if it is down.
    Start,
}

/// The node cannot do this now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node {0}")]
pub struct Refused(&'static str);

/// A node for those who want to know about it, or ask something of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where visitors connect to it.
    pub address: SocketAddr,
    /// Where its metrics are.
    pub metrics: SocketAddr,
    /// What its process does at this moment.
    pub life: watch::Receiver<NodeLife>,
    inputs: mpsc::Sender<Input>,
}

/// A node with its task.
#[derive(Debug)]
pub struct RunningNode {
    /// What others hold.
    pub node: Node,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Input {
    Ordered(Order, oneshot::Sender<Result<(), Refused>>),
    Stop,
}

/// Orders that may wait for a node. More wait outside.
const ORDERS: usize = 8;

impl RunningNode {
    /// Starts the node and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or ends or hangs before it is ready.
    pub async fn start(program: NodeProgram) -> Result<Self, NodeError> {
        let mut process = NodeProcess::start(&program)?;
        match timeout(LONGEST_START, process.ready(program.address)).await {
            Ok(ready) => ready?,
            Err(_) => return Err(NodeError::NotReady { seconds: LONGEST_START.as_secs() }),
        }
        let first = NodeLife { pid: process.pid(), state: NodeState::Ready, restarts: 0 };
        let (told, life) = watch::channel(first);
        let (inputs, received) = mpsc::channel(ORDERS);
        let node =
            Node { name: program.name.clone(), address: program.address, metrics: program.metrics, life, inputs };
        let keeper = Keeper { program, life: told, inputs: received, short_lives: 0 };
        Ok(Self { node, task: tokio::spawn(keeper.run(process)) })
    }

    /// Tells the node to end its turns, waits for that, and kills it if it takes too long.
    pub async fn stop(self) {
        // A task that has ended needs no input.
        let _ = self.node.inputs.send(Input::Stop).await;
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the end of the node was not seen");
        }
    }
}

impl Node {
    /// Asks something of the node. `Ok`: it has begun; [`Node::life`] says what comes of it.
    ///
    /// # Errors
    /// It cannot do this now.
    pub async fn order(&self, order: Order) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        // Whoever drops the answer has ended.
        let _ = self.inputs.send(Input::Ordered(order, answer)).await;
        answered.await.unwrap_or(Err(Refused("is no longer kept running")))
    }
}

/// Keeps a node running.
struct Keeper {
    program: NodeProgram,
    life: watch::Sender<NodeLife>,
    inputs: mpsc::Receiver<Input>,
    /// How many processes in a row died young.
    short_lives: u32,
}

/// What the node's process does, and with it what may be asked of it.
enum Phase {
    Starting(NodeProcess),
    Up(NodeProcess),
    Draining(NodeProcess, Then),
    /// Until then; `None`: until somebody starts it.
    Down(Option<Instant>),
    Over,
}

/// What follows a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Start,
    StayDown,
    End,
}

impl Keeper {
    async fn run(mut self, first: NodeProcess) {
        let mut phase = Phase::Up(first);
        loop {
            phase = match phase {
                Phase::Starting(process) => self.starting(process).await,
                Phase::Up(process) => self.up(process).await,
                Phase::Draining(process, then) => self.draining(process, then).await,
                Phase::Down(until) => self.down(until).await,
                Phase::Over => return,
            };
        }
    }

    async fn starting(&mut self, mut process: NodeProcess) -> Phase {
        let mut patience = Some(Instant::now() + LONGEST_START);
        self.tell(process.pid(), NodeState::Starting);
        loop {
            let (order, answer) = tokio::select! {
                ready = process.ready(self.program.address) => match ready {
                    Ok(()) => {
                        tracing::info!(node = self.program.name, "the node is ready again");
                        return Phase::Up(process);
                    }
                    Err(NodeError::Ended { status }) => return self.after_death(&process, Ok(status)),
                    Err(error) => {
                        tracing::error!(node = self.program.name, %error, "the node cannot be started again");
                        return self.after_short_life();
                    }
                },
                () = reach(patience) => {
                    // What it waits for, its store perhaps, may come back: starting it anew would help nobody.
                    patience = None;
                    let seconds = LONGEST_START.as_secs();
                    tracing::warn!(node = self.program.name, seconds, "the node is not ready yet; its log may say why");
                    continue;
                }
                input = self.inputs.recv() => match input {
                    Some(Input::Ordered(order, answer)) => (order, answer),
                    None | Some(Input::Stop) => return Phase::Draining(process, Then::End),
                },
            };
            let refused = match order {
                Order::Kill { stay_down } => return self.kill(process, stay_down, answer).await,
                Order::Drain => return drain(process, Then::StayDown, answer),
                Order::Start | Order::Restart => Refused("is being started"),
                Order::Pause | Order::Resume => Refused("is being started; ask again when it is ready"),
            };
            reply(answer, Err(refused));
        }
    }

    async fn up(&mut self, mut process: NodeProcess) -> Phase {
        let mut paused = false;
        loop {
            self.tell(process.pid(), if paused { NodeState::Paused } else { NodeState::Ready });
            let (order, answer) = tokio::select! {
                status = process.ended() => return self.after_death(&process, status),
                input = self.inputs.recv() => match input {
                    Some(Input::Ordered(order, answer)) => (order, answer),
                    None | Some(Input::Stop) => return Phase::Draining(process, Then::End),
                },
            };
            let done = match order {
                Order::Kill { stay_down } => return self.kill(process, stay_down, answer).await,
                Order::Restart => return drain(process, Then::Start, answer),
                Order::Drain => return drain(process, Then::StayDown, answer),
                Order::Pause if !paused => {
                    paused = true;
                    process.signal(NodeSignal::Pause);
                    Ok(())
                }
                Order::Resume if paused => {
                    paused = false;
                    process.signal(NodeSignal::Resume);
                    Ok(())
                }
                Order::Pause => Err(Refused("is paused already")),
                Order::Resume => Err(Refused("is not paused")),
                Order::Start => Err(Refused("runs already")),
            };
            reply(answer, done);
        }
    }

    /// Whoever watches knows of the drain before the node does, so that nobody is sent there any more.
    async fn draining(&mut self, mut process: NodeProcess, mut then: Then) -> Phase {
        self.tell(process.pid(), NodeState::Draining);
        process.signal(NodeSignal::Terminate);
        // One that is paused would not hear it.
        process.signal(NodeSignal::Resume);
        let most = self.program.drain + DRAIN_GRACE;
        let latest = Instant::now() + most;
        loop {
            let input = tokio::select! {
                status = process.ended() => {
                    tracing::debug!(node = self.program.name, ?status, "the node has drained");
                    break;
                }
                () = sleep_until(latest) => {
                    tracing::warn!(node = self.program.name, seconds = most.as_secs(), "the node did not end in time and is killed");
                    process.kill().await;
                    break;
                }
                input = self.inputs.recv(), if then != Then::End => input,
            };
            match input {
                None | Some(Input::Stop) => then = Then::End,
                Some(Input::Ordered(Order::Kill { stay_down }, answer)) => {
                    process.kill().await;
                    reply(answer, Ok(()));
                    if stay_down {
                        then = Then::StayDown;
                    }
                    break;
                }
                Some(Input::Ordered(_, answer)) => {
                    reply(answer, Err(Refused("is draining; ask again when it has ended")))
                }
            }
        }
        match then {
            Then::Start => self.start(),
            Then::StayDown => Phase::Down(None),
            Then::End => {
                self.tell(None, NodeState::Down);
                Phase::Over
            }
        }
    }

    async fn down(&mut self, until: Option<Instant>) -> Phase {
        self.tell(None, if until.is_some() { NodeState::Down } else { NodeState::Stopped });
        loop {
            let (order, answer) = tokio::select! {
                () = reach(until) => return self.start(),
                input = self.inputs.recv() => match input {
                    Some(Input::Ordered(order, answer)) => (order, answer),
                    None | Some(Input::Stop) => return Phase::Over,
                },
            };
            match order {
                Order::Start | Order::Restart => {
                    let phase = self.start();
                    reply(answer, Ok(()));
                    return phase;
                }
                Order::Kill { stay_down: true } | Order::Drain if until.is_some() => {
                    reply(answer, Ok(()));
                    return Phase::Down(None);
                }
                _ => reply(answer, Err(Refused("is down; start it first"))),
            }
        }
    }

    /// A new process.
    fn start(&mut self) -> Phase {
        match NodeProcess::start(&self.program) {
            Ok(process) => {
                self.life.send_modify(|life| {
                    *life = NodeLife { pid: process.pid(), state: NodeState::Starting, restarts: life.restarts + 1 };
                });
                Phase::Starting(process)
            }
            Err(error) => {
                tracing::error!(node = self.program.name, %error, "the node cannot be started again");
                self.after_short_life()
            }
        }
    }

    /// Kills the process on request.
    async fn kill(
        &mut self,
        mut process: NodeProcess,
        stay_down: bool,
        answer: oneshot::Sender<Result<(), Refused>>,
    ) -> Phase {
        process.kill().await;
        self.short_lives = 0;
        let until = (!stay_down).then(|| Instant::now() + AFTER_KILL);
        self.tell(None, if stay_down { NodeState::Stopped } else { NodeState::Down });
        reply(answer, Ok(()));
        Phase::Down(until)
    }

    /// It has ended by itself, or somebody else has killed it.
    fn after_death(&mut self, process: &NodeProcess, status: std::io::Result<ExitStatus>) -> Phase {
        let node = &self.program.name;
        match status {
            Ok(status) if was_killed(status) => {
                tracing::warn!(node, "the node was killed; it is started again");
                self.short_lives = 0;
                Phase::Down(Some(Instant::now()))
            }
            Ok(status) => {
                tracing::warn!(node, %status, "the node ended; it is started again");
                if process.age() < SHORT_LIFE {
                    return self.after_short_life();
                }
                self.short_lives = 0;
                Phase::Down(Some(Instant::now()))
            }
            Err(error) => {
                tracing::error!(node, %error, "the node cannot be waited for");
                self.after_short_life()
            }
        }
    }

    fn after_short_life(&mut self) -> Phase {
        self.short_lives = self.short_lives.saturating_add(1);
        Phase::Down(Some(Instant::now() + pause_after(self.short_lives)))
    }

    fn tell(&self, pid: Option<u32>, state: NodeState) {
        self.life.send_modify(|life| (life.pid, life.state) = (pid, state));
    }
}

fn drain(process: NodeProcess, then: Then, answer: oneshot::Sender<Result<(), Refused>>) -> Phase {
    reply(answer, Ok(()));
    Phase::Draining(process, then)
}

fn reply(answer: oneshot::Sender<Result<(), Refused>>, done: Result<(), Refused>) {
    // Whoever asked may have left.
    let _ = answer.send(done);
}

async fn reach(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Nothing after a long life or a kill, which somebody did on purpose; else 100 ms, doubled each time, up to 5 s.
fn pause_after(short_lives: u32) -> Duration {
    match short_lives {
        0 => Duration::ZERO,
        lives => Duration::from_millis(100 << (lives - 1).min(6)).min(Duration::from_secs(5)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_dies_young_comes_back_ever_later() {
        let pauses: Vec<u128> = (0..9).map(|lives| pause_after(lives).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
