//! The program itself: what it prints, what it leaves behind, and how it ends.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::{Gate, TEST_FUNCTION, get, kill_9, post, signal, text};

/// Far more than anything here takes: what is not over by then hangs.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A running `local-dev` on ports of its own.
struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Inherited by every child, so that it ends when all of them have.
    err: ChildStderr,
    demo: SocketAddr,
    functions: SocketAddr,
}

impl Program {
    async fn start(args: &[&str]) -> Result<Self> {
        Self::start_with(command(args)).await
    }

    async fn start_with(mut command: Command) -> Result<Self> {
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
        Ok(Self { child, out, err, demo, functions })
    }

    fn pid(&self) -> Result<String> {
        Ok(self.child.id().context("it has ended")?.to_string())
    }

    async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&text(get(self.functions, "/dev/status").await?).await?)?)
    }

    /// Asks for the status until it is as wanted.
    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
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

    /// Waits until this program and all its children have ended.
    async fn all_gone(mut self) -> Result<ExitStatus> {
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
fn command(args: &[&str]) -> Command {
    let mut command = command_with(&["--data", "memory"]);
    command.args(args);
    command
}

/// The program with free ports, and the test's function in place of the real ones.
fn command_with(args: &[&str]) -> Command {
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
async fn failed(mut command: Command) -> Result<(Option<i32>, String)> {
    let output = timeout(LONGEST_WAIT, command.output()).await??;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

fn address(printed: &str, before: &str) -> Result<SocketAddr> {
    let rest = printed.split(before).nth(1).with_context(|| format!("no {before:?} in {printed:?}"))?;
    Ok(rest.split(['/', '\n']).next().unwrap_or_default().parse()?)
}

fn node_pid(status: &Value) -> String {
    status["node"]["pid"].to_string()
}

#[tokio::test]
async fn it_prints_its_addresses_and_serves_the_demo_shop() -> Result<()> {
    let program = Program::start(&[]).await?;
    let page = get(program.demo, "/").await?;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(page).await?.contains("/widget/loader.js"));
    let status = program.status().await?;
    assert_eq!(status["node"]["state"], "ready");
    assert_eq!(status["functions"]["ai"]["limit"], 32);
    Ok(())
}

#[tokio::test]
async fn nothing_outlives_it_when_it_is_killed() -> Result<()> {
    let program = Program::start(&[]).await?;
    let gate = Gate::new().await?;
    let (functions, payload) = (program.functions, json!({ "steps": [gate.step()?, "hang"] }));
    // It hangs with no request open, so that a broken connection cannot end it.
    tokio::spawn(async move { post(functions, "/2015-03-31/functions/ai/invocations", &payload).await });
    drop(gate.arrival().await?);
    kill_9(&program.pid()?)?;
    assert_eq!(program.all_gone().await?.code(), None);
    Ok(())
}

#[tokio::test]
async fn it_stops_in_order_when_asked() -> Result<()> {
    for asked in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let program = Program::start(&[]).await?;
        signal(&program.pid()?, asked)?;
        assert_eq!(program.all_gone().await?.code(), Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_node_comes_back_on_the_same_port() -> Result<()> {
    let program = Program::start(&[]).await?;
    let before = node_pid(&program.status().await?);
    kill_9(&before)?;
    let after = program.until(|status| status["node"]["restarts"] == 1 && status["node"]["state"] == "ready").await?;
    assert_ne!(node_pid(&after), before);
    Ok(())
}

#[tokio::test]
async fn a_data_folder_in_use_stops_it_with_the_nodes_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().to_str().context("a path in UTF-8")?;
    let first = Program::start_with(command_with(&["--data", data])).await?;
    let (code, said) = failed(command_with(&["--data", data])).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(data) && said.contains("the node stopped before it was ready"), "{said}");
    assert_eq!(first.status().await?["node"]["state"], "ready");
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_named() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let port = taken.local_addr()?.port().to_string();
    for option in ["--demo-port", "--node-port", "--metrics-port", "--functions-port"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local-dev"));
        let others = ["--demo-port", "--node-port", "--metrics-port", "--functions-port"];
        for other in others {
            command.args([other, if other == option { &port } else { "0" }]);
        }
        let (code, said) = failed(command).await?;
        assert_eq!(code, Some(69), "{said}");
        assert!(said.contains(&format!("port {port} on 127.0.0.1 is in use")) && said.contains(option), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn bad_options_and_configuration_are_named() -> Result<()> {
    let bad = [
        (["--config", "/nowhere/frontdesk.toml"], "/nowhere/frontdesk.toml"),
        (["--host", "localhost"], "--host"),
        (["--max-functions", "0"], "--max-functions"),
        (["--function", "ai"], "ai=./bootstrap"),
    ];
    for (args, named) in bad {
        let (code, said) = failed(command(&args)).await?;
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(named), "{said}");
    }
    Ok(())
}
