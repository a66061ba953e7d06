//! Connections taken per second, each with handshake, Hello with a token, and Welcome.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Target;
use crate::endpoint::{Endpoint, Pace};
use crate::node::LoadedNode;
use crate::samples::Samples;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::Visitor;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// For how long
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many are being opened at once
    #[arg(long, default_value_t = 32)]
    at_once: usize,
}

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    let pace = Pace { first_token: Duration::ZERO, token: Duration::ZERO, tokens: 1 };
    let endpoint = Endpoint::start(pace, 0).await?;
    let node = Arc::new(LoadedNode::start(target, endpoint.address).await?);
    let sources = Arc::new(Mutex::new(Sources::new(std::process::id())));

    let mut callers = Vec::new();
    for _ in 0..options.at_once {
        let visitor = Visitor::join(&node.address, &node.site, next_source(&sources), "").await?;
        callers.push(visitor.token.clone());
        visitor.connection.close().await;
    }
    let own = crate::process::Process(std::process::id());
    let cpu = |process: Option<crate::process::Process>| process.map(|process| process.cpu_time()).transpose();
    let (node_cpu, own_cpu, began) = (cpu(node.process)?, own.cpu_time()?, Instant::now());
    let until = began + Duration::from_secs(options.seconds);
    let mut calls = JoinSet::new();
    for token in callers {
        calls.spawn(call(Arc::clone(&node), token, Arc::clone(&sources), until));
    }
    let mut samples = Samples::default();
    while let Some(called) = calls.join_next().await {
        samples.extend(called??);
    }
    let took = began.elapsed();
    let each = |before: Duration, after: Duration| {
        let micros = (after - before).as_secs_f64() * 1e6 / samples.len() as f64;
        format!("{micros:.0} µs")
    };
    let node_each = node_cpu.zip(cpu(node.process)?).map_or("?".to_owned(), |(before, after)| each(before, after));
    let head =
        ["what", "n", "median", "p99", "largest", "per second", "node's CPU time each", "this program's CPU time each"];
    let mut table = Table::new(&head);
    let [n, median, p99, largest] = samples.cells();
    let rate = format!("{:.0}", samples.len() as f64 / took.as_secs_f64());
    let own_each = each(own_cpu, own.cpu_time()?);
    table.row(["TCP, handshake, Hello with token, Welcome", &n, &median, &p99, &largest, &rate, &node_each, &own_each]);
    println!("{table}");
    Ok(())
}

/// Connects and leaves, again and again.
async fn call(
    node: Arc<LoadedNode>,
    token: String,
    sources: Arc<Mutex<Sources>>,
    until: Instant,
) -> anyhow::Result<Samples> {
    let mut samples = Samples::default();
    while Instant::now() < until {
        let source = next_source(&sources);
        let began = Instant::now();
        let visitor = Visitor::join(&node.address, &node.site, source, &token).await?;
        samples.push(began.elapsed());
        // A reset leaves nothing behind in the kernel; a goodbye would be the client's time, not an accept's.
        visitor.connection.abort();
    }
    Ok(samples)
}

fn next_source(sources: &Mutex<Sources>) -> SocketAddr {
    sources.lock().unwrap_or_else(PoisonError::into_inner).next()
}
