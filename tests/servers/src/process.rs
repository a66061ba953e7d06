//! A server's process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::patience;

/// Runs at most once at a time, always with the same arguments and the same folder.
#[derive(Debug)]
pub(crate) struct Process {
    program: &'static str,
    arguments: Vec<String>,
    folder: TempDir,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Keeps the thread alive that started the child.
    _thread: Sender<()>,
}

impl Process {
    /// Not running yet. `folder` is its working folder, and is removed with it.
    pub(crate) fn new(program: &'static str, arguments: Vec<String>, folder: TempDir) -> Self {
        Self { program, arguments, folder, running: Mutex::new(None) }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process id; none while it does not run.
    pub(crate) fn id(&self) -> Option<u32> {
        let mut running = self.running();
        let child = &mut running.as_mut()?.child;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&self) -> Result<()> {
        if self.id().is_some() {
            return Ok(());
        }
        *self.running() = Some(spawn(self.program, &self.arguments, self.folder.path())?);
        Ok(())
    }

    /// `kill -9`. It is gone when this returns.
    pub(crate) fn kill(&self) -> Result<()> {
        if let Some(mut running) = self.running().take() {
            running.child.kill()?;
            running.child.wait()?;
        }
        Ok(())
    }

    /// Freezes it (SIGSTOP). It stands still when this returns.
    pub(crate) fn pause(&self) -> Result<()> {
        let id = self.signal(Signal::STOP)?;
        patience::until("the process stands still", || Ok(state(id).is_none_or(|state| state == b'T').then_some(())))
    }

    /// Lets it run on (SIGCONT).
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT).map(|_| ())
    }

    fn signal(&self, signal: Signal) -> Result<u32> {
        let id = self.id().with_context(|| format!("{} does not run", self.program))?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("a process id is not 0")?;
        kill_process(pid, signal)?;
        Ok(id)
    }

    /// Asks `answers` until it is true.
    ///
    /// # Errors
    /// The process ended, which the end of its log explains; or it never answered.
    pub(crate) fn wait_until(&self, what: &str, mut answers: impl FnMut(u32) -> Result<bool>) -> Result<()> {
        let ended = patience::until(what, || match self.id() {
            Some(id) => Ok(answers(id)?.then_some(false)),
            None => Ok(Some(true)),
        });
        match ended {
            Ok(false) => Ok(()),
            Ok(true) => bail!("{} ended: {}", self.program, self.log_end()),
            Err(error) => Err(error.context(format!("{}: {}", self.program, self.log_end()))),
        }
    }

    fn log_end(&self) -> String {
        let log = std::fs::read(log(self.folder.path())).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(2_000)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// A child that the kernel kills when this process dies, however it dies.
///
/// The kernel looks at the thread that made the child, not at the process. So that thread must live as long as the child.
fn spawn(program: &'static str, arguments: &[String], folder: &Path) -> Result<Running> {
    let output = File::options().create(true).append(true).open(log(folder))?;
    let mut command = if cfg!(target_os = "linux") { Command::new("setpriv") } else { Command::new(program) };
    if cfg!(target_os = "linux") {
        command.args(["--pdeathsig", "KILL", "--", program]);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).current_dir(folder).env("PATH", format!("{path}:/usr/sbin"));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let (give, take) = channel();
    let (keep, kept) = channel::<()>();
    std::thread::Builder::new().name(program.to_owned()).spawn(move || {
        let _ = give.send(command.spawn());
        let _ = kept.recv();
    })?;
    let child = take.recv().map_err(|_| anyhow!("the thread that starts {program} ended"))?;
    let child = child.with_context(|| format!("{program} cannot be started"))?;
    Ok(Running { child, _thread: keep })
}

/// The state letter of a process, such as `T` for stopped; none where the system does not tell.
fn state(id: u32) -> Option<u8> {
    let stat = std::fs::read(format!("/proc/{id}/stat")).ok()?;
    let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_ends + 2).copied()
}
