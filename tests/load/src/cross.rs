//! From node to node: a visitor's two tabs are on two nodes, and what happens on one is heard on the other.
//!
//! The function is played by this program, which is also both tabs, so that all moments are read from one clock. Every
//! second visitor speaks on the second node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use client::Random;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Target;
use crate::backing::{Backing, BusKind};
use crate::endpoint::{Endpoint, Pace, Stamps};
use crate::node::LoadedNode;
use crate::pair::{Pair, Turn};
use crate::samples::Samples;
use crate::sources::Sources;
use crate::table::Table;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The bus; both, one after the other, if it is not given
    #[arg(long, value_enum)]
    bus: Option<BusKind>,
    /// Turns one after the other
    #[arg(long, default_value_t = 200)]
    turns: usize,
    /// Messages per second, in the second part
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Seconds of the second part
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Pieces of each answer
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pieces: u16,
    /// Milliseconds from piece to piece
    #[arg(long, default_value_t = 20)]
    piece_ms: u64,
}

/// Turns at the start that are not counted: connections to the function are opened then.
const WARM_UP: usize = 20;

/// Visitors who take turns in the second part, for each second of an answer and each turn a second; and some more.
const SPARE_VISITORS: usize = 40;

/// The times of many turns.
#[derive(Debug, Default)]
struct Times {
    acked: Samples,
    event_near: Samples,
    event_far: Samples,
    delta_near: Samples,
    delta_far: Samples,
}

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(target.url.is_none(), "this program must be the function, so it must start the nodes itself");
    let mut table = Table::new(&["what", "bus", "turns", "n", "median", "p99", "largest"]);
    let kinds = options.bus.map_or(vec![BusKind::Redis, BusKind::Nats], |bus| vec![bus]);
    for bus in kinds {
        measure(target, options, bus, &mut table).await?;
    }
    println!("{table}");
    println!(
        "Two nodes, a Redis as the store (appendfsync everysec). A message is stored before it is told to anybody."
    );
    Ok(())
}

async fn measure(target: &Target, options: &Options, bus: BusKind, table: &mut Table) -> anyhow::Result<()> {
    let pace = Pace {
        first_token: Duration::from_millis(options.piece_ms),
        token: Duration::from_millis(options.piece_ms),
        tokens: options.pieces.into(),
    };
    let steady = options.rate as usize * options.seconds as usize;
    let first = WARM_UP + options.turns;
    let endpoint = Endpoint::start(pace, first + steady).await?;
    let backing = Backing::start(bus)?;
    let variables = backing.variables();
    let near = LoadedNode::start_with(target, "node-1", endpoint.address, &variables).await?;
    let far = LoadedNode::start_with(target, "node-2", endpoint.address, &variables).await?;
    let name = match bus {
        BusKind::Redis => "Redis",
        BusKind::Nats => "NATS",
    };
    let alone = one_at_a_time([&near, &far], &endpoint.stamps, options.turns).await?;
    rows(table, name, "one at a time", &alone);
    let visitors = (options.rate as usize * (usize::from(options.pieces) + 2) * options.piece_ms as usize) / 1_000;
    let many =
        at_a_rate([&near, &far], &endpoint.stamps, first..first + steady, options.rate, visitors + SPARE_VISITORS);
    let many = many.await?;
    let pieces = u64::from(options.rate) * u64::from(options.pieces);
    rows(table, name, &format!("{} messages, {pieces} pieces a second", options.rate), &many);
    near.kill().await?;
    far.kill().await
}

fn rows(table: &mut Table, bus: &str, turns: &str, times: &Times) {
    let rows = [
        ("send to ack, same node", &times.acked),
        ("send to event, same node", &times.event_near),
        ("send to event, other node", &times.event_far),
        ("piece written to frame, node of the turn", &times.delta_near),
        ("piece written to frame, other node", &times.delta_far),
    ];
    for (what, samples) in rows {
        let [n, median, p99, largest] = samples.cells();
        table.row([what, bus, turns, &n, &median, &p99, &largest]);
    }
}

async fn one_at_a_time(nodes: [&LoadedNode; 2], stamps: &Stamps, turns: usize) -> anyhow::Result<Times> {
    let mut random = Random::new(1);
    let mut sources = Sources::new(std::process::id());
    let mut pairs = [join(nodes, 0, &mut sources).await?, join(nodes, 1, &mut sources).await?];
    let mut times = Times::default();
    for turn in 0..WARM_UP + turns {
        let taken = pairs[turn % 2].take_turn(&mut random, text(turn)).await?;
        if turn >= WARM_UP {
            times.push(turn, &taken, stamps);
        }
    }
    Ok(times)
}

async fn at_a_rate(
    nodes: [&LoadedNode; 2],
    stamps: &Arc<Stamps>,
    turns: std::ops::Range<usize>,
    rate: u32,
    visitors: usize,
) -> anyhow::Result<Times> {
    let mut sources = Sources::new(std::process::id() + 1);
    let mut idle = std::collections::VecDeque::new();
    for number in 0..visitors {
        idle.push_back(join(nodes, number, &mut sources).await?);
    }
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut running = JoinSet::new();
    let mut times = Times::default();
    for turn in turns {
        ticks.tick().await;
        while let Some(ended) = running.try_join_next() {
            let (pair, turn, taken) = ended??;
            idle.push_back(pair);
            times.push(turn, &taken, stamps);
        }
        let mut pair =
            idle.pop_front().context("the nodes are too slow for this rate: all visitors wait for an answer")?;
        running.spawn(async move {
            let taken = pair.take_turn(&mut Random::new(turn as u64), text(turn)).await?;
            anyhow::Ok((pair, turn, taken))
        });
    }
    while let Some(ended) = running.join_next().await {
        let (_, turn, taken) = ended??;
        times.push(turn, &taken, stamps);
    }
    Ok(times)
}

/// A visitor who speaks on the first node, or, every second one, on the second.
async fn join(nodes: [&LoadedNode; 2], number: usize, sources: &mut Sources) -> anyhow::Result<Pair> {
    let [near, far] = if number.is_multiple_of(2) { nodes } else { [nodes[1], nodes[0]] };
    Pair::join(&near.address, &far.address, &near.site, sources).await
}

/// About 60 bytes, with the turn's number in front.
fn text(turn: usize) -> String {
    format!("{turn} how long does it take to Norway, and is it more in winter?")
}

impl Times {
    fn push(&mut self, number: usize, turn: &Turn, stamps: &Stamps) {
        let since = |at: Instant| at.saturating_duration_since(turn.sent);
        if let Some(at) = turn.near.acked {
            self.acked.push(since(at));
        }
        self.event_near.push(since(turn.near.event));
        self.event_far.push(since(turn.far.event));
        for (samples, heard) in [(&mut self.delta_near, &turn.near), (&mut self.delta_far, &turn.far)] {
            for (piece, at) in &heard.pieces {
                if let Some(written) = stamps.piece(number, *piece) {
                    samples.push(at.saturating_duration_since(written));
                }
            }
        }
    }
}
