//! The node as a child process: started, watched, started again when it dies, drained at the end.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::process::own_group;
use crate::status::{NodeState, NodeStatus};

/// How long a node may take until it says that it is ready.
const LONGEST_START: Duration = Duration::from_secs(30);
/// How often a starting node is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// A node that lived for less than this is started again ever later.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// What a node gets beyond its own drain time, before it is killed.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// How to start the node.
#[derive(Clone, Debug)]
pub struct NodeProgram {
    /// The executable file.
    pub executable: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it gets beside its parent's environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it answers `GET /readyz`.
    pub address: SocketAddr,
    /// How long it may take to end its turns when it is told to stop.
    pub drain: Duration,
}

/// The node cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The executable cannot be run.
    #[error("the node cannot be started from {}: {source}", executable.display())]
    Spawn {
        /// Its executable.
        executable: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before it was ready, and will do so again.
    #[error("the node stopped before it was ready ({status}); its own message says why")]
    Ended {
        /// How it ended.
        status: ExitStatus,
    },
    /// It runs, but is never ready.
    #[error("the node has not become ready within {} seconds; its log may say why", LONGEST_START.as_secs())]
    NotReady,
    /// The system does not say what became of it.
    #[error("the node cannot be waited for: {0}")]
    Wait(#[source] io::Error),
}

/// A node that is kept running.
#[derive(Debug)]
pub struct RunningNode {
    /// What it does at this moment.
    pub status: watch::Receiver<NodeStatus>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningNode {
    /// Starts the node and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or ends or hangs before it is ready.
    pub async fn start(program: NodeProgram) -> Result<Self, NodeError> {
        let mut process = NodeProcess::start(&program)?;
        process.ready(program.address).await?;
        let first = NodeStatus { pid: process.child.id(), state: NodeState::Ready, restarts: 0 };
        let (status, watched) = watch::channel(first);
        let (stop, stopped) = oneshot::channel();
        let keeper = Keeper { program, status, short_lives: 0 };
        Ok(Self { status: watched, stop, task: tokio::spawn(keeper.run(process, stopped)) })
    }

    /// Tells the node to end its turns, waits for that, and kills it if it takes too long.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the end of the node was not seen");
        }
    }
}

/// Keeps a node running.
struct Keeper {
    program: NodeProgram,
    status: watch::Sender<NodeStatus>,
    /// How many nodes in a row died young.
    short_lives: u32,
}

impl Keeper {
    async fn run(mut self, mut process: NodeProcess, mut stopped: oneshot::Receiver<()>) {
        loop {
            let lived = tokio::select! {
                _ = &mut stopped => break,
                lived = process.lived() => lived,
            };
            process = tokio::select! {
                _ = &mut stopped => return,
                process = self.start_again(lived) => process,
            };
        }
        self.status.send_modify(|status| status.state = NodeState::Draining);
        process.drain(self.program.drain + DRAIN_GRACE).await;
    }

    /// Starts nodes until one is ready.
    async fn start_again(&mut self, mut lived: Lived) -> NodeProcess {
        loop {
            self.status.send_modify(|status| (status.pid, status.state) = (None, NodeState::Down));
            tokio::time::sleep(self.pause(lived)).await;
            match self.start().await {
                Ok(process) => return process,
                Err(NodeError::Ended { status }) if was_killed(status) => lived = Lived::Killed,
                Err(error) => {
                    tracing::error!(%error, "the node cannot be started again");
                    lived = Lived::Short;
                }
            }
        }
    }

    /// A new node that is ready.
    async fn start(&mut self) -> Result<NodeProcess, NodeError> {
        let mut process = NodeProcess::start(&self.program)?;
        let pid = process.child.id();
        self.status.send_modify(|status| {
            *status = NodeStatus { pid, state: NodeState::Starting, restarts: status.restarts + 1 };
        });
        process.ready(self.program.address).await?;
        tracing::info!(pid, "the node is ready again");
        self.status.send_modify(|status| status.state = NodeState::Ready);
        Ok(process)
    }

    /// How long to wait before the next start.
    fn pause(&mut self, lived: Lived) -> Duration {
        self.short_lives = match lived {
            Lived::Long | Lived::Killed => 0,
            Lived::Short => self.short_lives.saturating_add(1),
        };
        pause_after(self.short_lives)
    }
}

/// Nothing after a long life or a kill, which somebody did on purpose; else 100 ms, doubled each time, up to 5 s.
fn pause_after(short_lives: u32) -> Duration {
    match short_lives {
        0 => Duration::ZERO,
        lives => Duration::from_millis(100 << (lives - 1).min(6)).min(Duration::from_secs(5)),
    }
}

/// How a node's life went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lived {
    Long,
    Short,
    Killed,
}

/// One process of the node.
struct NodeProcess {
    child: Child,
    /// Its end tells the node that its parent is gone.
    _lifeline: Option<ChildStdin>,
    started: Instant,
}

impl NodeProcess {
    fn start(program: &NodeProgram) -> Result<Self, NodeError> {
        let mut command = Command::new(&program.executable);
        command.args(&program.args).envs(program.env.iter().map(|(name, value)| (name, value)));
        // Only the functions speak to the model.
        command.env_remove("OPENAI_API_KEY");
        let spawned = own_group(&mut command).spawn();
        let mut child =
            spawned.map_err(|source| NodeError::Spawn { executable: program.executable.clone(), source })?;
        let lifeline = child.stdin.take();
        Ok(Self { child, _lifeline: lifeline, started: Instant::now() })
    }

    /// Waits until it says that it is ready.
    async fn ready(&mut self, address: SocketAddr) -> Result<(), NodeError> {
        let asking = timeout(LONGEST_START, until_ready(address));
        tokio::select! {
            asked = asking => asked.map_err(|_| NodeError::NotReady),
            status = self.child.wait() => Err(NodeError::Ended { status: status.map_err(NodeError::Wait)? }),
        }
    }

    /// Waits for its end.
    async fn lived(&mut self) -> Lived {
        let status = self.child.wait().await;
        let long = self.started.elapsed() >= SHORT_LIFE;
        match status {
            Ok(status) if was_killed(status) => {
                tracing::warn!("the node was killed; it is started again");
                Lived::Killed
            }
            Ok(status) => {
                tracing::warn!(%status, "the node ended; it is started again");
                if long { Lived::Long } else { Lived::Short }
            }
            Err(error) => {
                tracing::error!(%error, "the node cannot be waited for");
                Lived::Short
            }
        }
    }

    /// Tells it to end its turns, and kills it after `most`.
    async fn drain(mut self, most: Duration) {
        terminate(&self.child);
        match timeout(most, self.child.wait()).await {
            Ok(Ok(status)) => tracing::debug!(%status, "the node has drained"),
            Ok(Err(error)) => tracing::error!(%error, "the node cannot be waited for"),
            Err(_) => {
                tracing::warn!(seconds = most.as_secs(), "the node did not end in time and is killed");
                if let Err(error) = self.child.kill().await {
                    tracing::error!(%error, "the node cannot be killed");
                }
            }
        }
    }
}

/// Asks again and again; a node that starts refuses connections or says 503 at first.
async fn until_ready(address: SocketAddr) {
    let address = SocketAddr::new(crate::demo::reachable(address.ip()), address.port());
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if is_ready(address).await.unwrap_or(false) {
            return;
        }
    }
}

async fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).await?;
    Ok(&status_line == b"HTTP/1.1 200")
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}

#[cfg(not(unix))]
fn was_killed(_: ExitStatus) -> bool {
    false
}

/// Sends SIGTERM.
#[cfg(unix)]
fn terminate(child: &Child) {
    let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM)) {
        tracing::warn!(%error, "the node cannot be told to stop");
    }
}

/// There is no such signal here; what the node has not finished is finished after its next start.
#[cfg(not(unix))]
fn terminate(_: &Child) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_dies_young_comes_back_ever_later() {
        let pauses: Vec<u128> = (0..9).map(|lives| pause_after(lives).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
