//! The functions: `local-dev` without a node serves the invoke API and runs `ai` and `routing`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use client::Random;
use tokio::time::{interval, timeout};

use crate::http;
use crate::node::free_address;
use crate::process::Process;

/// How long its start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The functions, and where they are invoked.
#[derive(Debug)]
pub(crate) struct Functions {
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Functions {
    /// Starts them, at most so many processes of each.
    ///
    /// # Errors
    /// `local-dev` cannot be started, or does not answer in time.
    pub(crate) async fn start(
        executable: &Path,
        config: &Path,
        most: usize,
        log: &Path,
        random: &mut Random,
    ) -> anyhow::Result<Self> {
        let address = free_address(random)?;
        let arguments = [
            ("--config", config.display().to_string()),
            ("--demo-port", "0".to_owned()),
            ("--node-port", "0".to_owned()),
            ("--metrics-port", "0".to_owned()),
            ("--functions-port", address.port().to_string()),
            ("--max-functions", most.to_string()),
        ];
        let mut arguments: Vec<_> = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        arguments.push("--no-node".to_owned());
        let mut process = Process::start("local-dev", executable, &arguments, &[], log)?;
        timeout(PATIENCE, until_it_answers(address, &mut process)).await.context("local-dev does not answer")??;
        Ok(Self { address, process })
    }

    /// Tells them to end, and waits for it.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.terminate(PATIENCE).await
    }
}

async fn until_it_answers(address: SocketAddr, process: &mut Process) -> anyhow::Result<()> {
    let mut ticks = interval(Duration::from_millis(20));
    while http::get(address, "/dev/status").await.is_err() {
        ticks.tick().await;
        anyhow::ensure!(process.ended().is_none(), "local-dev ended before it answered; its log says why");
    }
    Ok(())
}
