//! Time that the node adds: frame in to function invoked, and delta in to frame out.
//!
//! The function is played by this program, so that all four moments are read from one clock: the visitor's frame is
//! handed to the kernel (0), the invocation has arrived (1), the first delta is handed to the kernel (2), its frame has
//! arrived (3). What the kernel and this program need to carry and read the bytes is part of both times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use client::Random;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Target;
use crate::endpoint::{Endpoint, Pace, Stamps};
use crate::node::LoadedNode;
use crate::samples::Samples;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::{Heard, Visitor};

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Turns one after the other
    #[arg(long, default_value_t = 500)]
    turns: usize,
    /// Turns per second, in the second part
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Seconds of the second part
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

/// Turns at the start that are not counted: connections to the function are opened then.
const WARM_UP: usize = 50;

/// Visitors who take turns in the second part. Each waits for its answer before it asks again.
const VISITORS: usize = 100;

/// The outcome comes a little after the delta, as it does in life, and is not taken for it.
const PACE: Pace = Pace { first_token: Duration::from_millis(2), token: Duration::from_millis(5), tokens: 1 };

/// The two times of many turns.
#[derive(Debug, Default)]
struct Added {
    frame_to_invoked: Samples,
    delta_to_frame: Samples,
}

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(target.url.is_none(), "this program must be the function, so it must start the node itself");
    let mut table = Table::new(&["what", "store", "turns", "n", "median", "p99", "largest"]);
    for data in ["memory", "disk"] {
        let target = Target { data: data.to_owned(), ..target.clone() };
        let steady = options.rate as usize * options.seconds as usize;
        let endpoint = Endpoint::start(PACE, WARM_UP + options.turns + steady).await?;
        let node = Arc::new(LoadedNode::start(&target, endpoint.address).await?);
        let alone = one_at_a_time(&node, &endpoint.stamps, options.turns).await?;
        rows(&mut table, data, "one at a time", &alone);
        let first = WARM_UP + options.turns;
        let many = at_a_rate(&node, &endpoint.stamps, first..first + steady, options.rate).await?;
        rows(&mut table, data, &format!("{} a second", options.rate), &many);
    }
    println!("{table}");
    println!("A message is stored, on a disk with fsync, before the function is invoked: compare `memory` and `disk`.");
    Ok(())
}

fn rows(table: &mut Table, data: &str, turns: &str, added: &Added) {
    for (what, samples) in
        [("frame in to function invoked", &added.frame_to_invoked), ("delta in to frame out", &added.delta_to_frame)]
    {
        let [n, median, p99, largest] = samples.cells();
        table.row([what, data, turns, &n, &median, &p99, &largest]);
    }
}

async fn one_at_a_time(node: &LoadedNode, stamps: &Stamps, turns: usize) -> anyhow::Result<Added> {
    let mut random = Random::new(1);
    let source = Sources::new(std::process::id()).next();
    let mut visitor = Visitor::join(&node.address, &node.site, source, "").await?;
    let mut added = Added::default();
    for turn in 0..WARM_UP + turns {
        let times = take_turn(&mut visitor, stamps, turn, &mut random).await?;
        if turn >= WARM_UP {
            added.push(times);
        }
    }
    Ok(added)
}

async fn at_a_rate(
    node: &LoadedNode,
    stamps: &Arc<Stamps>,
    turns: std::ops::Range<usize>,
    rate: u32,
) -> anyhow::Result<Added> {
    let mut sources = Sources::new(std::process::id() + 1);
    let mut idle = Vec::new();
    for _ in 0..VISITORS {
        idle.push(Visitor::join(&node.address, &node.site, sources.next(), "").await?);
    }
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut running = JoinSet::new();
    let mut added = Added::default();
    for turn in turns {
        ticks.tick().await;
        while let Some(ended) = running.try_join_next() {
            let (visitor, times) = ended??;
            idle.insert(0, visitor);
            added.push(times);
        }
        let mut visitor = idle.pop().context("the node is too slow for this rate: all visitors wait for an answer")?;
        let stamps = Arc::clone(stamps);
        running.spawn(async move {
            let times = take_turn(&mut visitor, &stamps, turn, &mut Random::new(turn as u64)).await?;
            anyhow::Ok((visitor, times))
        });
    }
    while let Some(ended) = running.join_next().await {
        added.push(ended??.1);
    }
    Ok(added)
}

/// Asks, waits for the answer, and gives the two times.
async fn take_turn(
    visitor: &mut Visitor,
    stamps: &Stamps,
    turn: usize,
    random: &mut Random,
) -> anyhow::Result<(Duration, Duration)> {
    let sent = Instant::now();
    visitor.say(random, format!("{turn} how long does it take?")).await?;
    while visitor.hear().await? != Heard::Delta {}
    let arrived = Instant::now();
    while visitor.hear().await? != Heard::Answer {}
    let (invoked, written) = stamps.of(turn).context("an answer to a turn that was never invoked")?;
    Ok((invoked.saturating_duration_since(sent), arrived.saturating_duration_since(written)))
}

impl Added {
    fn push(&mut self, (frame_to_invoked, delta_to_frame): (Duration, Duration)) {
        self.frame_to_invoked.push(frame_to_invoked);
        self.delta_to_frame.push(delta_to_frame);
    }
}
