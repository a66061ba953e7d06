//! Rounds: in each, one process is killed.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use client::Random;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::local_dev::{LocalDev, Status};

/// The longest time between the end of one round and the next kill: an answer takes about as long.
const LONGEST_PAUSE_MS: u64 = 1_200;

/// How long a node that was killed may take to be ready again.
const NODE_RESTART: Duration = Duration::from_secs(20);

/// What was killed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Kills {
    pub(crate) node: u32,
    pub(crate) function: u32,
    /// Of the functions: those that ran an invocation.
    pub(crate) busy_function: u32,
    /// Nodes that were killed again before they were ready.
    pub(crate) starting_node: u32,
}

impl Kills {
    pub(crate) fn total(&self) -> u32 {
        self.node + self.function
    }
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kills { node, function, busy_function, starting_node } = self;
        write!(
            f,
            "{} processes: the node {node} times ({starting_node} times while it started), functions {function} times \
             ({busy_function} times in an invocation)",
            self.total()
        )
    }
}

/// Kills until there were so many rounds, or the time is over.
pub(crate) async fn run(
    local_dev: &LocalDev,
    rounds: u32,
    most: Duration,
    random: &mut Random,
) -> anyhow::Result<Kills> {
    let mut kills = Kills::default();
    let began = Instant::now();
    while kills.total() < rounds && began.elapsed() < most {
        sleep(Duration::from_millis(random.below(LONGEST_PAUSE_MS))).await;
        let status = local_dev.status().await?;
        if random.below(2) == 0 {
            kill_node(local_dev, &status, random, &mut kills).await?;
        } else {
            kill_function(&status, random, &mut kills);
        }
    }
    Ok(kills)
}

async fn kill_node(
    local_dev: &LocalDev,
    status: &Status,
    random: &mut Random,
    kills: &mut Kills,
) -> anyhow::Result<()> {
    let Some(pid) = status.nodes[0].pid else { return Ok(()) };
    if !kill(pid) {
        return Ok(());
    }
    kills.node += 1;
    if random.below(8) == 0 {
        // The next one is killed as soon as it is there, while it opens the store.
        let next = timeout(NODE_RESTART, next_node(local_dev, pid)).await.context("no node was started again")??;
        if kill(next) {
            kills.node += 1;
            kills.starting_node += 1;
        }
        return until_ready(local_dev, next).await;
    }
    until_ready(local_dev, pid).await
}

fn kill_function(status: &Status, random: &mut Random, kills: &mut Kills) {
    let processes = status.functions.values().flat_map(|function| &function.processes);
    let (busy, others): (Vec<_>, Vec<_>) = processes.partition(|process| process.state == "busy");
    let choice = if busy.is_empty() || random.below(5) == 0 { &others } else { &busy };
    let Some(process) = choice.get(random.below(choice.len() as u64) as usize) else { return };
    if kill(process.pid) {
        kills.function += 1;
        kills.busy_function += u32::from(process.state == "busy");
    }
}

/// Waits for a node other than `old`, and returns its process id.
async fn next_node(local_dev: &LocalDev, old: i32) -> anyhow::Result<i32> {
    let mut ticks = interval(Duration::from_millis(2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(pid) = local_dev.status().await?.nodes[0].pid.filter(|pid| *pid != old) {
            return Ok(pid);
        }
    }
}

/// Waits until a node other than `old` takes connections.
async fn until_ready(local_dev: &LocalDev, old: i32) -> anyhow::Result<()> {
    let ready = async {
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let [node] = local_dev.status().await?.nodes;
            if node.state == "ready" && node.pid != Some(old) {
                return anyhow::Ok(());
            }
        }
    };
    let ready = timeout(NODE_RESTART, ready).await;
    ensure!(ready.is_ok(), "the node was not ready again after {} s", NODE_RESTART.as_secs());
    ready?
}

/// Whether there was such a process.
fn kill(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}
