//! One connection node as a process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use client::Random;
use rustix::process::Signal;

use crate::process::Process;

/// What a node is told to take for its drain, seconds.
pub(crate) const DRAIN_SECONDS: u64 = 9;

/// How long a drain may take: its time, the last goodbyes, and one try to reach a store that may be away.
const DRAIN_WITHIN: Duration = Duration::from_secs(DRAIN_SECONDS + 2 + 9);

/// How to start a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeProgram {
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

impl NodeProgram {
    /// Sets a key of the configuration, as in `NODE_NAME`.
    pub(crate) fn set(&mut self, key: &str, value: String) {
        self.variables.push((format!("FRONTDESK_{key}"), value));
    }
}

/// A node that runs, or is to be started again.
#[derive(Debug)]
pub(crate) struct Node {
    program: NodeProgram,
    process: Option<Process>,
}

impl Node {
    pub(crate) fn start(program: NodeProgram) -> anyhow::Result<Self> {
        let mut node = Self { program, process: None };
        node.start_again()?;
        Ok(node)
    }

    /// Starts it, unless it runs.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        if self.process.is_none() {
            let NodeProgram { name, executable, variables, log, .. } = &self.program;
            self.process = Some(Process::start(name, executable, &[], variables, log)?);
        }
        Ok(())
    }

    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.running()?.kill().await
    }

    pub(crate) fn pause(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn drain(&mut self) -> anyhow::Result<()> {
        self.running()?.terminate(DRAIN_WITHIN).await
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.ensure_it_runs()?;
        self.process.as_ref().context("the node does not run")?.signal(signal)
    }

    fn running(&mut self) -> anyhow::Result<Process> {
        self.ensure_it_runs()?;
        self.process.take().context("the node does not run")
    }

    /// A node that ends though nobody wanted it to has a fault.
    pub(crate) fn ensure_it_runs(&mut self) -> anyhow::Result<()> {
        let ended = self.process.as_mut().and_then(Process::ended);
        if ended.is_some() {
            self.process = None;
        }
        ensure!(ended.is_none(), "{} ended by itself: {}", self.program.name, ended.unwrap_or_default());
        Ok(())
    }
}

/// A port that nobody uses, below those that the kernel gives to outgoing connections: between a node's death and its next
/// start none of them takes its port.
pub(crate) fn free_address(random: &mut Random) -> anyhow::Result<SocketAddr> {
    let any = |_| SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + random.below(22_000) as u16));
    (0..1_000).map(any).find(|address| TcpListener::bind(address).is_ok()).context("none of 1,000 ports is free")
}
