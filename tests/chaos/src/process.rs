//! Processes of this program: each ends with it, however it ends.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts one with nothing of this program's `FRONTDESK_` variables but those given. What it says is added to `log`.
    ///
    /// # Errors
    /// The executable or the log cannot be opened.
    pub(crate) fn start(
        name: &str,
        executable: &Path,
        arguments: &[String],
        variables: &[(String, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log).context("no log can be written")?;
        let mut command = dies_with_this_program(executable);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRONTDESK_")) {
            command.env_remove(name);
        }
        command.args(arguments).envs(variables.iter().cloned());
        // A pipe as its input: some programs end when their parent's end of it is closed.
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("{} cannot be started", executable.display()))?;
        Ok(Self { child, name: name.to_owned() })
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.with_context(|| format!("{} has ended by itself", self.name))?;
        kill_process(pid, signal).with_context(|| format!("{} gets no signal", self.name))
    }

    /// `kill -9`. It is gone when this returns.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("{} cannot be killed", self.name))
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// It does not end in time (it is killed then), or not well.
    pub(crate) async fn terminate(mut self, most: Duration) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let ended = timeout(most, self.child.wait()).await;
        let status = ended.with_context(|| format!("{} did not end within {} s", self.name, most.as_secs()))??;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// The kernel kills it when this program dies, also by `kill -9`. It looks at the thread that starts it: one of the
/// runtime's own, which live as long as the program.
fn dies_with_this_program(executable: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(executable);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(executable);
    command
}
