//! One process of a node: started, asked whether it is ready, signalled, ended.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};

use crate::process::own_group;

/// How long to wait before a starting node is asked again whether it is ready: little at first, and longer once it is clear
/// that it waits for something else, such as its store.
const ASK_SOON: Duration = Duration::from_millis(5);
const ASK_LATER: Duration = Duration::from_millis(100);
/// How often it is asked soon.
const SOON: u32 = 200;

/// How to start a node.
#[derive(Clone, Debug)]
pub struct NodeProgram {
    /// Its name.
    pub name: String,
    /// The executable file.
    pub executable: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it gets beside its parent's environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it answers `GET /readyz`.
    pub address: SocketAddr,
    /// Where its metrics are.
    pub metrics: SocketAddr,
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
    #[error("the node has not become ready within {seconds} seconds; its log, or its /readyz, may say why")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The system does not say what became of it.
    #[error("the node cannot be waited for: {0}")]
    Wait(#[source] io::Error),
}

/// A signal that a node gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeSignal {
    /// SIGTERM: end in order.
    Terminate,
    /// SIGSTOP: stand still.
    Pause,
    /// SIGCONT: go on.
    Resume,
}

/// One process of a node. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    child: Child,
    /// Its end tells the node that its parent is gone.
    _lifeline: Option<ChildStdin>,
    started: Instant,
}

impl NodeProcess {
    pub(crate) fn start(program: &NodeProgram) -> Result<Self, NodeError> {
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

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How long it has lived.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for its end. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Waits until it says that it is ready, or ends.
    pub(crate) async fn ready(&mut self, address: SocketAddr) -> Result<(), NodeError> {
        tokio::select! {
            () = until_ready(address) => Ok(()),
            status = self.child.wait() => Err(NodeError::Ended { status: status.map_err(NodeError::Wait)? }),
        }
    }

    /// SIGKILL; waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::error!(%error, "the node cannot be killed");
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: NodeSignal) {
        use rustix::process::{Pid, Signal, kill_process};
        let number = match signal {
            NodeSignal::Terminate => Signal::TERM,
            NodeSignal::Pause => Signal::STOP,
            NodeSignal::Resume => Signal::CONT,
        };
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, number)) {
            tracing::warn!(%error, ?signal, "the node cannot be signalled");
        }
    }

    /// There are no such signals here; what the node has not finished is finished after its next start.
    #[cfg(not(unix))]
    pub(crate) fn signal(&self, _: NodeSignal) {}
}

/// Asks again and again; a node that starts refuses connections or says 503 at first.
async fn until_ready(address: SocketAddr) {
    let mut asked = 0_u32;
    while !is_ready(address).await.unwrap_or(false) {
        asked = asked.saturating_add(1);
        tokio::time::sleep(if asked < SOON { ASK_SOON } else { ASK_LATER }).await;
    }
}

/// Whether a node says that it may be sent visitors.
///
/// # Errors
/// It does not answer.
pub(crate) async fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let address = SocketAddr::new(crate::demo::reachable(address.ip()), address.port());
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).await?;
    Ok(&status_line == b"HTTP/1.1 200")
}

#[cfg(unix)]
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}

#[cfg(not(unix))]
pub(crate) fn was_killed(_: ExitStatus) -> bool {
    false
}
