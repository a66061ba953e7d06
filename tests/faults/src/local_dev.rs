//! `local-dev` as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a start, or a stop, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `local-dev`, with its conversations in memory.
#[derive(Debug)]
pub(crate) struct LocalDev {
    process: Child,
    pub(crate) node: SocketAddr,
}

impl LocalDev {
    /// Starts it on free ports with this configuration, and waits until it is up.
    pub(crate) async fn start(executable: &Path, configuration: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(executable);
        command.args(["--data", "memory", "--config"]).arg(configuration);
        command.args(["--demo-port", "0", "--node-port", "0", "--metrics-port", "0", "--functions-port", "0"]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRONTDESK_") || name == "OPENAI_API_KEY")
        {
            command.env_remove(name);
        }
        // Failing turns are what is wanted here: a line about each would only hide others.
        command.env("FRONTDESK_LOG_LEVEL", "error");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("{} cannot be started", executable.display()))?;
        let output = process.stdout.take().context("local-dev has no output")?;
        let node = timeout(PATIENCE, node_address(BufReader::new(output)));
        let node = node.await.context("local-dev has not said in time where it is")??;
        Ok(Self { process, node })
    }

    /// Tells it to stop, and waits for it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.context("local-dev has ended by itself")?, Signal::TERM)?;
        timeout(PATIENCE, self.process.wait()).await.context("local-dev does not stop")??;
        Ok(())
    }
}

/// The executable beside this one.
pub(crate) fn beside_this_program() -> anyhow::Result<PathBuf> {
    let executable = std::env::current_exe()?.with_file_name("local-dev");
    anyhow::ensure!(executable.is_file(), "{} is not built: cargo build -p local-dev", executable.display());
    Ok(executable)
}

/// Reads where the node is from what `local-dev` prints; what it prints later is read and dropped.
async fn node_address(output: BufReader<tokio::process::ChildStdout>) -> anyhow::Result<SocketAddr> {
    let mut lines = output.lines();
    while let Some(line) = lines.next_line().await? {
        let mut words = line.split_whitespace();
        if let (Some("node"), Some(url)) = (words.next(), words.next()) {
            let address = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
            let address = address.with_context(|| format!("{url} has no address"))?;
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
    }
    bail!("local-dev ended before it said where it is")
}
