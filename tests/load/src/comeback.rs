//! A node goes away: how soon its clients are back at the others, and what the others' own visitors notice of it.
//!
//! The clients are those of `tests/client`: they come back after an exponential back-off with full jitter, say hello with
//! their token and their cursor, and look for what a node must never do. In front of the nodes stands, as it were, a balancer
//! that sends each new connection to one of the nodes that it takes for alive, in turn.

mod balancer;
mod crowd;
mod talkers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::sleep;

use crate::Target;
use crate::backing::{Backing, BusKind};
use crate::endpoint::{Endpoint, Pace};
use crate::node::LoadedNode;
use crate::samples::{Samples, show};
use crate::table::Table;
use balancer::Balancer;
use crowd::Crowd;
use talkers::Talkers;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Nodes; the first one goes away
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=10))]
    nodes: u16,
    /// Clients, spread evenly over the nodes. Each has a message and an answer in its log
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..=17_000))]
    connections: u32,
    /// All of them at the node that goes away, instead
    #[arg(long)]
    all_on_first: bool,
    /// The node drains (SIGTERM), instead of being killed (kill -9)
    #[arg(long)]
    drain: bool,
    /// Milliseconds until the balancer notices that a killed node is gone. Before, connections that it is given fail
    #[arg(long, default_value_t = 0)]
    notice_ms: u64,
    /// Visitors of the nodes that stay, with two tabs each, who go on talking
    #[arg(long, default_value_t = 500)]
    talkers: u32,
    /// Seconds between two messages of one of these
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=20))]
    every_seconds: u64,
    /// Seconds of talk before the node goes away, and after all are back
    #[arg(long, default_value_t = 12)]
    around_seconds: u64,
    /// Seconds after which it is not waited any longer for those who are not back
    #[arg(long, default_value_t = 60)]
    most_seconds: u64,
    /// How many clients say their first message per second
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    asks_per_second: u32,
    /// The bus
    #[arg(long, value_enum, default_value = "nats")]
    bus: BusKind,
}

/// Answers are short: what is looked at is the connections.
const PACE: Pace = Pace { first_token: Duration::from_millis(50), token: Duration::from_millis(20), tokens: 5 };

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(target.url.is_none(), "a node is killed here, so this program must start the nodes itself");
    let endpoint = Endpoint::start(PACE, 0).await?;
    let backing = Backing::start(options.bus)?;
    let mut nodes = Vec::new();
    for number in 1..=options.nodes {
        let name = format!("node-{number}");
        nodes.push(LoadedNode::start_with(target, &name, endpoint.address, &backing.variables()).await?);
    }
    let balancer = Arc::new(Balancer::new(nodes.iter().map(|node| node.address.clone()).collect()));
    let mut nodes = nodes.into_iter();
    let first = nodes.next().context("there are two nodes at least")?;

    let began = Instant::now();
    let crowd = Crowd::gather(&balancer, options.connections, options.all_on_first, options.asks_per_second).await?;
    println!("{} clients have had an answer after {:.1} s", options.connections, began.elapsed().as_secs_f64());
    let every = Duration::from_secs(options.every_seconds);
    let talkers = Talkers::start(balancer.staying(), &first.site, options.talkers, every).await?;
    let around = Duration::from_secs(options.around_seconds);
    sleep(around).await;

    let gone_at = Instant::now();
    let expected = crowd.at_first_node();
    // A node that drains is not ready any more, which a balancer is told.
    let notice = if options.drain { Duration::ZERO } else { Duration::from_millis(options.notice_ms) };
    balancer.first_goes_away(gone_at + notice);
    if options.drain {
        first.drain().await?;
        println!("the node has drained after {}", show(gone_at.elapsed()));
    } else {
        first.kill().await?;
    }
    crowd.wait_for(expected, gone_at + Duration::from_secs(options.most_seconds)).await;
    let back_at = crowd.last_return().unwrap_or(gone_at);
    sleep(around).await;

    println!("\n{}", returns(&crowd, expected, gone_at));
    println!("{}", crowd.faults(expected));
    let (talks, failed) = talkers.stop().await?;
    println!("\n{}", talk(&talks, gone_at, back_at));
    println!("{failed} of the {} visitors who talked were cut off.", options.talkers);
    for node in nodes {
        node.kill().await?;
    }
    Ok(())
}

fn returns(crowd: &Crowd, expected: usize, gone_at: Instant) -> Table {
    let (mut since, mut without) = (Samples::default(), Samples::default());
    for back in crowd.returns() {
        since.push(back.welcomed_at.saturating_duration_since(gone_at));
        without.push(back.welcomed_at.saturating_duration_since(back.lost_at));
    }
    let mut table = Table::new(&["what", "clients", "back", "50 %", "90 %", "99 %", "100 %"]);
    let rows = [("back at another node, since the node went away", &since), ("each without a connection", &without)];
    for (what, samples) in rows {
        let at = |percent| show(samples.percentile(percent));
        let (clients, back) = (expected.to_string(), samples.len().to_string());
        table.row([what, &clients, &back, &at(50.0), &at(90.0), &at(99.0), &at(100.0)]);
    }
    table
}

fn talk(talks: &[talkers::Talk], gone_at: Instant, back_at: Instant) -> Table {
    let mut table = Table::new(&["the others' visitors", "what", "n", "median", "p99", "largest"]);
    let phases = [
        ("before", None, Some(gone_at)),
        ("until all are back", Some(gone_at), Some(back_at)),
        ("after", Some(back_at), None),
    ];
    for (phase, from, to) in phases {
        let (mut acks, mut events) = (Samples::default(), Samples::default());
        let is_in =
            |talk: &&talkers::Talk| from.is_none_or(|from| talk.sent >= from) && to.is_none_or(|to| talk.sent < to);
        for talk in talks.iter().filter(is_in) {
            acks.push(talk.to_ack);
            events.push(talk.to_event);
        }
        for (what, samples) in [("message to ack", &acks), ("send to event, other tab", &events)] {
            let [n, median, p99, largest] = samples.cells();
            table.row([phase, what, &n, &median, &p99, &largest]);
        }
    }
    table
}
