//! `local-dev` as a process: started on ports of its own, asked what it runs, stopped.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use http::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::{TEST_FUNCTION, get, post, text};

/// Far more than anything here takes: what is not over by then hangs.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A running `local-dev` on ports of its own.
pub(crate) struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Inherited by every child, so that it ends when all of them have.
    err: ChildStderr,
    pub(crate) demo: SocketAddr,
    pub(crate) functions: SocketAddr,
    /// What it said at its start.
    pub(crate) printed: String,
}

impl Program {
    pub(crate) async fn start(args: &[&str]) -> Result<Self> {
        Self::start_with(command(args)).await
    }

    pub(crate) async fn start_with(mut command: Command) -> Result<Self> {
        let mut child = command.spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let err = child.stderr.take().context("stderr is piped")?;
        let mut printed = String::new();
        let read = async {
            while !printed.contains("\n  data ") {
                anyhow::ensure!(out.read_line(&mut printed).await? > 0, "it ended after {printed:?}");
            }
            Ok(())
        };
        timeout(LONGEST_WAIT, read).await??;
        let demo = address(&printed, "Open this     http://")?;
        let functions = address(&printed, "functions     http://")?;
        Ok(Self { child, out, err, demo, functions, printed })
    }

    pub(crate) fn pid(&self) -> Result<String> {
        Ok(self.child.id().context("it has ended")?.to_string())
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&text(get(self.functions, "/dev/status").await?).await?)?)
    }

    /// Asks for the status until it is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        timeout(LONGEST_WAIT, async {
            loop {
                let status = self.status().await?;
                if wanted(&status) {
                    return Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await?
    }

    /// Asks something of the nodes; the status code and what is said to it.
    pub(crate) async fn ask(&self, path: &str) -> Result<(StatusCode, Value)> {
        let response = timeout(LONGEST_WAIT, post(self.functions, path, &Value::Null)).await??;
        Ok((response.status(), serde_json::from_str(&text(response).await?)?))
    }

    /// Where visitors could connect to each node by itself.
    pub(crate) async fn nodes(&self) -> Result<Vec<SocketAddr>> {
        let status = self.status().await?;
        let nodes = status["nodes"].as_array().context("no nodes")?;
        nodes.iter().map(|node| Ok(node["address"].as_str().context("no address")?.parse()?)).collect()
    }

    /// Stops it in order.
    #[cfg(feature = "dynamodb")]
    pub(crate) async fn stop(self) -> Result<()> {
        crate::support::signal(&self.pid()?, rustix::process::Signal::TERM)?;
        let status = self.all_gone().await?;
        anyhow::ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Stops it in order, and gives the log lines of all its processes.
    #[cfg(feature = "otlp")]
    pub(crate) async fn stop_for_lines(mut self) -> Result<Vec<String>> {
        crate::support::signal(&self.pid()?, rustix::process::Signal::TERM)?;
        let mut lines = String::new();
        timeout(LONGEST_WAIT, self.err.read_to_string(&mut lines)).await??;
        Ok(lines.lines().map(str::to_owned).collect())
    }

    /// Waits until this program and all its children have ended.
    pub(crate) async fn all_gone(mut self) -> Result<ExitStatus> {
        timeout(LONGEST_WAIT, async {
            let status = self.child.wait().await?;
            self.err.read_to_end(&mut Vec::new()).await?;
            self.out.read_to_end(&mut Vec::new()).await?;
            Ok(status)
        })
        .await
        .context("a child outlived its parent")?
    }
}

/// The program with free ports, nothing kept, and the test's function in place of the real ones.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = command_with(&["--data", "memory"]);
    command.args(args);
    command
}

/// The program with free ports, and the test's function in place of the real ones.
pub(crate) fn command_with(args: &[&str]) -> Command {
    let function = |name: &str| format!("{name}={TEST_FUNCTION}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-dev"));
    command
        .args(["--demo-port", "0", "--node-port", "0", "--metrics-port", "0", "--functions-port", "0"])
        .args(["--function", &function("ai"), "--function", &function("routing")])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command that is to fail at once; its exit code and what it says.
pub(crate) async fn failed(mut command: Command) -> Result<(Option<i32>, String)> {
    let output = timeout(LONGEST_WAIT, command.output()).await??;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

pub(crate) fn address(printed: &str, before: &str) -> Result<SocketAddr> {
    let rest = printed.split(before).nth(1).with_context(|| format!("no {before:?} in {printed:?}"))?;
    Ok(rest.split(['/', '\n']).next().unwrap_or_default().parse()?)
}

/// The program on free ports with the demo shop and its scripted assistant, which does not let wait.
pub(crate) fn answering(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-dev"));
    command
        .args(["--demo-port", "0", "--node-port", "0", "--metrics-port", "0", "--functions-port", "0"])
        .args(args)
        .env("FRONTDESK_LOG_LEVEL", "error")
        .env("FRONTDESK_AI_SCRIPTED_FIRST_TOKEN_MS", "20")
        .env("FRONTDESK_AI_SCRIPTED_TOKENS_PER_SECOND", "500")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
