//! A server from elsewhere as a process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::interval;

use crate::http::get;

/// How long a start may take. LiteLLM reads a thousand files of Python first.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// Starts `program` with these arguments, `--host`, `--port`, and with these files in its folder. Waits until it
    /// answers at `path`.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        files: &[(&str, String)],
        path: &str,
    ) -> anyhow::Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free_address()?);
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text)?;
        }
        let log = std::fs::File::create(folder.path().join("log"))?;
        let process = Command::new(program)
            .args(arguments)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .env_clear()
            // It asks nobody on the Internet, and reads and writes nothing of the machine's user.
            .envs([("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("LITELLM_TELEMETRY", "False"), ("NO_PROXY", "*")])
            .envs([("LITELLM_MODE", "PRODUCTION"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PATH", "/usr/bin:/bin")])
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut server = Self { process, address, folder };
        server.until_it_answers(path).await?;
        Ok(server)
    }

    /// The base of its API.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Kills it: its connections break.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("it had ended by itself")
    }

    async fn until_it_answers(&mut self, path: &str) -> anyhow::Result<()> {
        let mut ticks = interval(Duration::from_millis(100));
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                ticks.tick().await;
                if let Some(status) = self.process.try_wait()? {
                    bail!("it ended with {status}: {}", self.last_words());
                }
                if get(self.address, path).await.is_ok() {
                    return Ok(());
                }
            }
        });
        waited.await.with_context(|| format!("it does not answer: {}", self.last_words()))?
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned()
    }
}

/// A port that was free a moment ago: these servers cannot say which one they picked.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
