//! Starts and ends one process of a function, with the environment that Lambda gives it.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::function::Function;
use crate::listener::PromptListener;
use crate::runtime_api;

/// The memory that a function believes to have, MB. Nothing here enforces it.
const MEMORY_MB: &str = "128";
/// The region that a function believes to be in.
const REGION: &str = "us-east-1";

/// How many invocations a process is to run at once; there where it is more than one.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// Names one process of a function for as long as `local-dev` runs; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u64);

/// A program that speaks the Lambda Runtime API, and how to start it.
#[derive(Clone, Debug)]
pub struct FunctionProgram {
    /// The function's name.
    pub name: String,
    /// The executable file.
    pub executable: PathBuf,
    /// Its arguments. On Lambda there are none.
    pub args: Vec<OsString>,
    /// What it gets beside its parent's environment and Lambda's variables.
    pub env: Vec<(OsString, OsString)>,
}

impl FunctionProgram {
    /// The name of the function in the form that Lambda gives it.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{REGION}:000000000000:function:{}", self.name)
    }

    fn command(&self, process: ProcessId, at_once: usize, runtime_api: SocketAddr) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(&self.args)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", &self.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB)
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{:032x}", process.0))
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("_HANDLER", "bootstrap")
            .env_remove(MAX_CONCURRENCY)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        if at_once > 1 {
            command.env(MAX_CONCURRENCY, at_once.to_string());
        }
        command
    }
}

/// Why a process of a function cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No port for its Runtime API.
    #[error("no port for the Runtime API of the function {name}: {source}")]
    Port {
        /// The function.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The executable cannot be run.
    #[error("the function {name} cannot be started from {}: {source}", executable.display())]
    Spawn {
        /// The function.
        name: String,
        /// Its executable.
        executable: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A running process with a Runtime API of its own.
///
/// Lambda's variable for the Runtime API holds a host and a port and no path, so a port tells the processes apart.
#[derive(Debug)]
pub struct FunctionProcess {
    pid: u32,
    kill: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl FunctionProcess {
    /// Starts the program, which is to run so many invocations at once. When it ends, `function` is told.
    ///
    /// # Errors
    /// There is no free port, or the executable cannot be run.
    pub fn start(
        program: &FunctionProgram,
        id: ProcessId,
        at_once: usize,
        function: Function,
    ) -> Result<Self, StartError> {
        let listener = listen().map_err(|source| StartError::Port { name: program.name.clone(), source })?;
        let spawn = |address| own_group(&mut program.command(id, at_once, address)).spawn();
        let mut child = listener.local_addr().and_then(spawn).map_err(|source| StartError::Spawn {
            name: program.name.clone(),
            executable: program.executable.clone(),
            source,
        })?;
        let lifeline = child.stdin.take();
        let pid = child.id().unwrap_or_default();
        let api = runtime_api::router(function.clone(), id, &program.arn());
        let serving = tokio::spawn(async { axum::serve(PromptListener::new(listener), api).await });
        let (kill, killed) = oneshot::channel();
        let name = program.name.clone();
        let ended = tokio::spawn(async move {
            wait(&name, pid, child, lifeline, killed).await;
            serving.abort();
            function.exited(id);
        });
        Ok(Self { pid, kill: Some(kill), ended })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it; the function is told when it is gone.
    pub fn kill(&mut self) {
        if let Some(kill) = self.kill.take() {
            // Nobody listens any more once the process has ended.
            let _ = kill.send(());
        }
    }

    /// Kills it and waits until it is gone.
    pub async fn kill_and_wait(mut self) {
        self.kill();
        if let Err(error) = self.ended.await {
            tracing::error!(pid = self.pid, %error, "the end of a function process was not seen");
        }
    }
}

/// Lets the child live in a process group of its own, so that Ctrl-C in a terminal reaches only its parent, and gives it
/// a pipe whose end tells it that its parent is gone, for whatever reason.
pub(crate) fn own_group(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    command.process_group(0);
    command.stdin(Stdio::piped()).kill_on_drop(true)
}

fn listen() -> io::Result<tokio::net::TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// Waits for the end of the child, and brings it about when `killed` says so. `_lifeline` is held until then.
async fn wait(name: &str, pid: u32, mut child: Child, _lifeline: Option<ChildStdin>, killed: oneshot::Receiver<()>) {
    let ended_by_itself = tokio::select! {
        status = child.wait() => Some(status),
        _ = killed => None,
    };
    match ended_by_itself {
        Some(Ok(status)) if status.code() == Some(config::EXIT_CODE_BAD_CONFIG.into()) => {
            tracing::error!(function = name, pid, %status, "a function cannot work as it is configured; its own message says why");
        }
        Some(Ok(status)) => tracing::warn!(function = name, pid, %status, "a function process ended by itself"),
        Some(Err(error)) => tracing::error!(function = name, pid, %error, "a function process cannot be waited for"),
        None => match child.kill().await {
            Ok(()) => tracing::debug!(function = name, pid, "a function process was killed"),
            Err(error) => tracing::error!(function = name, pid, %error, "a function process cannot be killed"),
        },
    }
}
