//! Time to the first visible token, and CPU time, in ordinary traffic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use client::{Random, Received};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::Target;
use crate::endpoint::{Endpoint, Pace};
use crate::node::LoadedNode;
use crate::samples::Samples;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::{Heard, Visitor};

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many visitors are connected
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Seconds between two messages of one visitor
    #[arg(long, default_value_t = 60)]
    every_seconds: u64,
    /// For how long
    #[arg(long, default_value_t = 90)]
    seconds: u64,
    /// Milliseconds until the model's first token
    #[arg(long, default_value_t = 100)]
    first_token_ms: u64,
    /// Tokens per second after it
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tokens_per_second: u32,
    /// Tokens of an answer
    #[arg(long, default_value_t = 100)]
    tokens: usize,
}

/// Connections that are being opened at once.
const AT_ONCE: usize = 128;

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    let pace = Pace {
        first_token: Duration::from_millis(options.first_token_ms),
        token: Duration::from_secs(1) / options.tokens_per_second,
        tokens: options.tokens,
    };
    let endpoint = Endpoint::start(pace, 0).await?;
    let node = Arc::new(LoadedNode::start(target, endpoint.address).await?);
    let mut sources = Sources::new(std::process::id());
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let (start, started) = watch::channel(None);
    let (joined, mut all_joined) = watch::channel(0);
    let mut visitors = JoinSet::new();
    for number in 0..options.connections {
        let (node, at_once, started, joined) =
            (Arc::clone(&node), Arc::clone(&at_once), started.clone(), joined.clone());
        let (source, options) = (sources.next(), options.clone());
        visitors.spawn(async move {
            let permit = at_once.acquire().await?;
            let visitor = Visitor::join(&node.address, &node.site, source, "").await?;
            drop(permit);
            joined.send_modify(|joined| *joined += 1);
            talk(visitor, started, number, &options).await
        });
    }
    tokio::select! {
        all = all_joined.wait_for(|joined| *joined == options.connections) => drop(all?),
        Some(ended) = visitors.join_next() => drop(ended??),
    }
    sleep(Duration::from_secs(1)).await;

    // Traffic is measured when as many answers are under way as there will be: not from the first message on.
    let warm_up = Duration::from_secs(options.every_seconds.min(10));
    let began = Instant::now();
    start.send_replace(Some(began));
    let counted = Duration::from_secs(options.seconds).saturating_sub(warm_up);
    let cpu = async {
        sleep(warm_up).await;
        let before = node.process.map(|process| process.cpu_time()).transpose()?;
        sleep(counted).await;
        let after = node.process.map(|process| process.cpu_time()).transpose()?;
        anyhow::Ok(before.zip(after).map(|(before, after)| (after - before).as_secs_f64() / counted.as_secs_f64()))
    };
    let cpu = cpu.await?;
    let mut samples = Samples::default();
    while let Some(visitor) = visitors.join_next().await {
        samples.extend(visitor??);
    }
    let mut table =
        Table::new(&["what", "connections", "n", "median", "p99", "largest", "turns per second", "node's CPU"]);
    let [n, median, p99, largest] = samples.cells();
    let rate = format!("{:.0}", options.connections as f64 / options.every_seconds as f64);
    let cpu = cpu.map_or("?".to_owned(), |share| format!("{:.1} % of one core", share * 100.0));
    let what = format!("message to first visible token, of a model that takes {} ms", options.first_token_ms);
    table.row([&what, &options.connections.to_string(), &n, &median, &p99, &largest, &rate, &cpu]);
    println!("{table}");
    Ok(())
}

/// Asks once in every interval, at a moment of its own, until the time is over.
async fn talk(
    mut visitor: Visitor,
    mut started: watch::Receiver<Option<Instant>>,
    number: usize,
    options: &Options,
) -> anyhow::Result<Samples> {
    let mut samples = Samples::default();
    let mut random = Random::new(number as u64);
    let began = started.wait_for(Option::is_some).await?.unwrap_or_else(Instant::now);
    let every = Duration::from_secs(options.every_seconds);
    let end = began + Duration::from_secs(options.seconds);
    let mut next = began + every.mul_f64(random.fraction());
    while next < end {
        idle_until(&mut visitor, next).await?;
        let sent = Instant::now();
        visitor.say(&mut random, format!("{number} what does it cost?")).await?;
        while visitor.hear().await? != Heard::Delta {}
        samples.push(sent.elapsed());
        while visitor.hear().await? != Heard::Answer {}
        next += every;
    }
    idle_until(&mut visitor, end).await?;
    Ok(samples)
}

/// Only answers pings.
async fn idle_until(visitor: &mut Visitor, at: Instant) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = sleep_until(at.into()) => return Ok(()),
            received = visitor.connection.receive() => {
                ensure!(matches!(received, Received::Frame(..)), "an idle connection ended: {received:?}");
            }
        }
    }
}
