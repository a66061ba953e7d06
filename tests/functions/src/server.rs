//! Programs that are started for a while.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);

/// A program of this build.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is not built", path.display());
    Ok(path)
}

/// A command that reads no configuration of this machine, and whose process ends with this program.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FRONTDESK_") || name == "OPENAI_API_KEY" {
            command.env_remove(name);
        }
    }
    command
}

/// An address that nobody listens on now.
pub(crate) async fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?)
}

/// Waits until the server listens.
pub(crate) async fn listens(address: SocketAddr, server: &mut Child) -> Result<()> {
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = server.try_wait()? {
                anyhow::bail!("it ended with {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(START, listening).await.with_context(|| format!("nobody listens on {address}"))?
}

/// Ends a program in order and waits for it.
pub(crate) async fn terminate(mut server: Child) -> Result<std::process::ExitStatus> {
    let pid = server.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())).context("it has ended")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    tokio::time::timeout(START, server.wait()).await.context("it did not stop")?.context("it cannot be waited for")
}
