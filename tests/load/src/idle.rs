//! Resident bytes of connections that are idle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use client::{Random, Received};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Target;
use crate::endpoint::{Endpoint, Pace};
use crate::node::LoadedNode;
use crate::process::Process;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::{Heard, Visitor};

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many connections
    #[arg(long, default_value_t = 18_000)]
    connections: usize,
    /// Seconds of silence before memory is read
    #[arg(long, default_value_t = 5)]
    settle_seconds: u64,
    /// How many of them ask per second; 0: as fast as they can
    #[arg(long, default_value_t = 600)]
    asks_per_second: u64,
    /// Seconds after the last message in which the node lets conversations rest
    #[arg(long, default_value_t = 45)]
    rest_seconds: u64,
}

/// Connections that are being opened at once, and messages under way at once.
const AT_ONCE: usize = 128;

/// What all visitors are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Join,
    Ask,
    Leave,
}

/// How far they are.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    joined: usize,
    answered: usize,
}

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    let pace = Pace { first_token: Duration::ZERO, token: Duration::ZERO, tokens: 10 };
    let endpoint = Endpoint::start(pace, 0).await?;
    let node = Arc::new(LoadedNode::start(target, endpoint.address).await?);
    let process = node.process()?;
    let settle = Duration::from_secs(options.settle_seconds);
    let mut table = Table::new(&["state", "connections", "resident in all", "resident each"]);

    warm_up(&node).await?;
    sleep(settle).await;
    let before = process.resident_bytes()?;
    table.row(["none", "0", &mib(before), ""]);

    let (phase, phases) = watch::channel(Phase::Join);
    let (progress, mut seen) = watch::channel(Progress::default());
    let mut visitors = JoinSet::new();
    let mut sources = Sources::new(std::process::id());
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    for number in 0..options.connections {
        let life = Life {
            node: Arc::clone(&node),
            phases: phases.clone(),
            progress: progress.clone(),
            at_once: Arc::clone(&at_once),
            number,
            asks_after: match options.asks_per_second {
                0 => Duration::ZERO,
                rate => Duration::from_micros(number as u64 * 1_000_000 / rate),
            },
        };
        visitors.spawn(life.live(sources.next()));
    }
    let mut row = |name: &str, process: Process| -> anyhow::Result<()> {
        let resident = process.resident_bytes()?;
        let each = resident.saturating_sub(before) / options.connections as u64;
        table.row([name, &options.connections.to_string(), &mib(resident), &format!("{each} B")]);
        Ok(())
    };
    until(&mut visitors, &mut seen, |progress| progress.joined == options.connections).await?;
    sleep(settle).await;
    row("welcomed", process)?;
    phase.send_replace(Phase::Ask);
    until(&mut visitors, &mut seen, |progress| progress.answered == options.connections).await?;
    sleep(settle).await;
    row("a message asked and answered", process)?;
    sleep(Duration::from_secs(options.rest_seconds)).await;
    row(&format!("{} seconds later", options.rest_seconds), process)?;
    phase.send_replace(Phase::Leave);
    while let Some(left) = visitors.join_next().await {
        left??;
    }
    sleep(Duration::from_secs(options.rest_seconds)).await;
    table.row(["all have left", "0", &mib(process.resident_bytes()?), ""]);
    println!("{table}");
    Ok(())
}

/// The first connections make the node allocate what it keeps for all.
async fn warm_up(node: &LoadedNode) -> anyhow::Result<()> {
    let mut sources = Sources::new(std::process::id() + 1);
    let mut random = Random::new(1);
    for number in 0..50 {
        let mut visitor = Visitor::join(&node.address, &node.site, sources.next(), "").await?;
        visitor.say(&mut random, format!("{number} hello")).await?;
        while visitor.hear().await? != Heard::Answer {}
        visitor.connection.close().await;
    }
    Ok(())
}

/// Waits until it is so, or a visitor has ended, which it must not yet.
async fn until(
    visitors: &mut JoinSet<anyhow::Result<()>>,
    progress: &mut watch::Receiver<Progress>,
    is_so: impl Fn(&Progress) -> bool,
) -> anyhow::Result<()> {
    tokio::select! {
        progress = progress.wait_for(|progress| is_so(progress)) => drop(progress?),
        Some(ended) = visitors.join_next() => {
            ended??;
            bail!("a visitor left too early");
        }
    }
    Ok(())
}

/// One visitor.
struct Life {
    node: Arc<LoadedNode>,
    phases: watch::Receiver<Phase>,
    progress: watch::Sender<Progress>,
    at_once: Arc<Semaphore>,
    number: usize,
    asks_after: Duration,
}

impl Life {
    async fn live(mut self, source: SocketAddr) -> anyhow::Result<()> {
        let permit = self.at_once.acquire().await?;
        let mut visitor = Visitor::join(&self.node.address, &self.node.site, source, "").await?;
        drop(permit);
        self.progress.send_modify(|progress| progress.joined += 1);
        self.idle_until(Phase::Ask, &mut visitor).await?;
        sleep(self.asks_after).await;

        let permit = self.at_once.acquire().await?;
        visitor.say(&mut Random::new(self.number as u64), format!("{} hello", self.number)).await?;
        while visitor.hear().await? != Heard::Answer {}
        drop(permit);
        self.progress.send_modify(|progress| progress.answered += 1);
        self.idle_until(Phase::Leave, &mut visitor).await?;
        visitor.connection.close().await;
        Ok(())
    }

    /// Only answers pings.
    async fn idle_until(&mut self, phase: Phase, visitor: &mut Visitor) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                reached = self.phases.wait_for(|now| *now >= phase) => {
                    reached?;
                    return Ok(());
                }
                received = visitor.connection.receive() => {
                    ensure!(matches!(received, Received::Frame(..)), "an idle connection ended: {received:?}");
                }
            }
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0)
}
