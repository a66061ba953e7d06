//! `local-dev` as a process: started, asked what it runs, stopped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a start, or a stop, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Short answers, so that many turns fit between two kills; no limits that visitors in a hurry would meet.
const SETTINGS: &[(&str, &str)] = &[
    ("FRONTDESK_AI_SCRIPTED_FIRST_TOKEN_MS", "50"),
    ("FRONTDESK_AI_SCRIPTED_TOKENS_PER_SECOND", "150"),
    ("FRONTDESK_AI_FIRST_TOKEN_MS", "3000"),
    ("FRONTDESK_AI_GAP_MS", "3000"),
    ("FRONTDESK_AI_TOTAL_MS", "7000"),
    ("FRONTDESK_TURN_DEADLINE_MS", "8000"),
    ("FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_PER_MINUTE", "60000"),
    ("FRONTDESK_LIMITS_MESSAGES_PER_VISITOR_BURST", "60000"),
    ("FRONTDESK_LIMITS_FRAMES_PER_CONNECTION_PER_SECOND", "10000"),
    ("FRONTDESK_LIMITS_FRAMES_PER_CONNECTION_BURST", "10000"),
    ("FRONTDESK_LOG_LEVEL", "error"),
];

/// A running `local-dev`.
pub(crate) struct LocalDev {
    process: Child,
    node: SocketAddr,
    functions: SocketAddr,
}

/// What it runs, as far as this program wants to know.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) nodes: [NodeStatus; 1],
    pub(crate) functions: BTreeMap<String, FunctionStatus>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NodeStatus {
    pub(crate) pid: Option<i32>,
    pub(crate) state: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionStatus {
    pub(crate) processes: Vec<ProcessStatus>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ProcessStatus {
    pub(crate) pid: i32,
    pub(crate) state: String,
}

impl LocalDev {
    /// Starts it on free ports, with its data in this folder, and waits until it is up.
    pub(crate) async fn start(executable: &Path, data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(executable);
        command.arg("--data").arg(data);
        command.args(["--demo-port", "0", "--node-port", "0", "--metrics-port", "0", "--functions-port", "0"]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRONTDESK_")) {
            command.env_remove(name);
        }
        command.envs(SETTINGS.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("{} cannot be started", executable.display()))?;
        let output = process.stdout.take().context("local-dev has no output")?;
        let (node, functions) = timeout(PATIENCE, addresses(BufReader::new(output)))
            .await
            .context("local-dev has not said in time where it is")??;
        Ok(Self { process, node, functions })
    }

    /// Where the node listens.
    pub(crate) fn node(&self) -> SocketAddr {
        self.node
    }

    /// What it runs at this moment.
    pub(crate) async fn status(&self) -> anyhow::Result<Status> {
        let body = get(self.functions, "/dev/status").await.context("local-dev does not answer")?;
        serde_json::from_slice(&body).context("/dev/status has another shape")
    }

    /// Tells it to stop, and waits for it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.context("local-dev has ended by itself")?, Signal::TERM)?;
        let status = timeout(PATIENCE, self.process.wait()).await.context("local-dev does not stop")??;
        ensure!(status.success(), "local-dev ended with {status}");
        Ok(())
    }
}

/// Reads where node and functions are from what `local-dev` prints; what it prints later is read and dropped.
async fn addresses(output: BufReader<tokio::process::ChildStdout>) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let (mut node, mut functions) = (None, None);
    let mut lines = output.lines();
    while let Some(line) = lines.next_line().await? {
        let mut words = line.split_whitespace();
        match (words.next(), words.next().and_then(socket_address)) {
            (Some("node"), Some(address)) => node = Some(address),
            (Some("functions"), Some(address)) => functions = Some(address),
            _ => {}
        }
        if let (Some(node), Some(functions)) = (node, functions) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((node, functions));
        }
    }
    bail!("local-dev ended before it said where it is")
}

/// The address in a URL.
fn socket_address(url: &str) -> Option<SocketAddr> {
    url.split_once("://")?.1.split('/').next()?.parse().ok()
}

/// The body of a short HTTP answer.
async fn get(address: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end_of_head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("no HTTP answer")?;
    Ok(answer.split_off(end_of_head + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_the_urls_that_are_printed() {
        let address = Some("127.0.0.1:7001".parse().unwrap());
        assert_eq!(socket_address("ws://127.0.0.1:7001/v1/connect"), address);
        assert_eq!(socket_address("http://127.0.0.1:7001"), address);
        assert_eq!(socket_address("none"), None);
    }
}
