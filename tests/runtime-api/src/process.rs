//! The real program of a function, as a child process.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::RuntimeApi;

/// A running function. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: JoinHandle<String>,
    /// Empty, so that no configuration file of the machine is read.
    _folder: TempDir,
}

/// How a function ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard error.
    pub log: String,
}

impl Process {
    /// Starts `executable` with the variables that Lambda sets, and `variables`, and no others.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(executable: &str, api: &RuntimeApi, variables: &[(&str, &str)]) -> Result<Self> {
        let address = api.address().to_string();
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "test"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ];
        Self::start_alone(executable, &[&lambda, variables].concat())
    }

    /// Starts `executable` with `variables` and no others.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_alone(executable: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(executable)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{executable} cannot be started"))?;
        let mut stderr = child.stderr.take().context("no standard error")?;
        let log = tokio::spawn(async move {
            let mut log = Vec::new();
            // What was read before an error is all there is.
            let _ = stderr.read_to_end(&mut log).await;
            String::from_utf8_lossy(&log).into_owned()
        });
        Ok(Self { child, log, _folder: folder })
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// The system cannot tell.
    pub async fn ended(mut self) -> Result<Ended> {
        Ok(Ended { status: self.child.wait().await?, log: self.log.await? })
    }

    /// Kills it.
    ///
    /// # Errors
    /// The system cannot.
    pub async fn kill(mut self) -> Result<Ended> {
        self.child.start_kill()?;
        self.ended().await
    }
}
