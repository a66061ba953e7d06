//! Breaks processes, stores and networks while hundreds of visitors talk, and looks for what was lost.
//!
//! Real processes on 127.0.0.1: nodes, functions, a store, a bus; between them networks that can be cut, stalled and slowed
//! down. A seed decides what is broken when. In the end everything is mended, the visitors come to rest, and each log in
//! the store is compared with what every tab saw and was promised.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod backing;
mod balancer;
mod cluster;
mod crowd;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod functions;
mod http;
mod node;
mod process;
mod proxy;
mod record;
mod report;
mod schedule;
mod storm;
mod tally;
mod verify;
mod visitor;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use client::Random;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::backing::{BusKind, StoreKind};
use crate::cluster::Cluster;
use crate::crowd::Crowd;
use crate::schedule::Scope;
use crate::tally::Tally;
use crate::verify::History;

/// What the program is told.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// Chooses what is broken when, and what visitors do; printed at the start
    #[arg(long)]
    seed: Option<u64>,
    /// For how long things are broken
    #[arg(long, default_value_t = 70)]
    pub(crate) seconds: u64,
    /// How many visitors talk; of ten, four have more than one tab
    #[arg(long, default_value_t = 500)]
    pub(crate) visitors: usize,
    /// How many nodes there are
    #[arg(long, default_value_t = 3)]
    pub(crate) nodes: usize,
    /// Where the logs are kept
    #[arg(long, value_enum, default_value = "redis")]
    pub(crate) store: StoreKind,
    /// How many replicas of the cluster must have a write before it counts as stored
    #[arg(long, default_value_t = 0)]
    pub(crate) replicas: u32,
    /// How nodes tell each other
    #[arg(long, value_enum, default_value = "nats")]
    pub(crate) bus: BusKind,
    /// Is nothing but a DynamoDB on this address, for this program itself
    #[cfg(feature = "dynamodb")]
    #[arg(long, hide = true, requires = "data")]
    serve_dynamodb: Option<std::net::SocketAddr>,
    /// The file of that DynamoDB
    #[cfg(feature = "dynamodb")]
    #[arg(long, hide = true)]
    data: Option<PathBuf>,
}

/// How long everything may take to be answered once nothing is broken any more.
const CALM_DOWN: Duration = Duration::from_secs(60);

/// How long tabs that have nothing more to say may take to get what others have said.
const CATCH_UP: Duration = Duration::from_secs(20);

/// What `tests/run` takes for "cannot run here".
const SKIPPED: u8 = 77;

/// The most lines of what is wrong that are printed.
const MOST_LINES: usize = 60;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    #[cfg(feature = "dynamodb")]
    if let (Some(address), Some(data)) = (options.serve_dynamodb, &options.data) {
        dynamodb::serve(address, data).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Dropping the run ends every process that it has started.
    tokio::select! {
        done = run(&options) => done,
        _ = terminate.recv() => Ok(stopped()),
        _ = interrupt.recv() => Ok(stopped()),
    }
}

fn stopped() -> ExitCode {
    println!("stopped before the end; nothing is known");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.store != StoreKind::Embedded && (servers::missing("redis-server") || servers::missing("nats-server")) {
        return Ok(ExitCode::from(SKIPPED));
    }
    let seed = options.seed.unwrap_or_else(|| std::process::id().into());
    let logs = logs(seed)?;
    println!("seed {seed}; the processes' logs are in {}", logs.display());
    let mut random = Random::new(seed);
    let cluster = Arc::new(Cluster::start(options, &logs, &mut random).await?);
    let scope = cluster.scope(options);
    let plan = schedule::plan(&scope, &mut random.fork());
    report::write_lines(&logs.join("plan"), &plan)?;
    println!("{} visitors, {} nodes, {} faults in {} s", options.visitors, options.nodes, plan.len(), options.seconds);

    let tally = Arc::new(Tally::default());
    let crowd = Crowd::start(options.visitors, cluster.balancer.address(), &mut random);
    let mut seen = Vec::new();
    tokio::select! {
        () = storm::run(&cluster, plan, &mut random, &tally) => {}
        () = crowd.watch(&mut seen) => {}
    }
    report::write_lines(&logs.join("crowd"), &seen)?;
    println!("{}", report::glances(&seen));
    let (histories, wrong) = come_to_rest(&cluster, crowd, &tally).await?;
    stop(cluster).await?;
    count_logs(&logs, &tally)?;
    Ok(report(&histories, wrong, &tally, &scope, seed))
}

/// Everything works again: everybody comes to rest. Returns what everybody ended with, and what is wrong with it.
async fn come_to_rest(cluster: &Cluster, crowd: Crowd, tally: &Tally) -> anyhow::Result<(Vec<History>, Vec<String>)> {
    crowd.listen();
    let end = Instant::now() + CALM_DOWN;
    if let Err(error) = cluster.ready().await {
        tally.wrong(format!("{error:#}"));
    }
    if let Err(error) = cluster.backing.store_is_well().await {
        tally.wrong(format!("{error:#}"));
    }
    crowd.settle(end).await;
    let mut wrong = crowd.unsettled();
    if !cluster.backing.is_shared() {
        wrong.extend(cluster.stop_nodes().await);
    }
    let store = cluster.backing.open_store().await?;
    let end_of_comparing = end.min(Instant::now() + CATCH_UP);
    let (histories, different) = crowd.compare(store.as_ref(), cluster.backing.rules(), end_of_comparing).await?;
    println!("at rest after {} s", (CALM_DOWN - end.saturating_duration_since(Instant::now())).as_secs());
    wrong.extend(different);
    crowd.leave().await?;
    if cluster.backing.is_shared() {
        wrong.extend(cluster.stop_nodes().await);
    }
    wrong.extend(tally.take_wrong());
    Ok((histories, wrong))
}

async fn stop(cluster: Arc<Cluster>) -> anyhow::Result<()> {
    let cluster = Arc::into_inner(cluster).context("somebody still breaks something")?;
    cluster.stop().await
}

/// The folder of the processes' logs, empty.
fn logs(seed: u64) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).context("this program lies in no target folder")?;
    let logs = target.join("chaos").join(seed.to_string());
    if logs.exists() {
        std::fs::remove_dir_all(&logs).context("the logs of an earlier run cannot be removed")?;
    }
    std::fs::create_dir_all(&logs).context("no folder for logs")?;
    Ok(logs)
}

fn count_logs(logs: &Path, tally: &Tally) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(logs)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            report::count_log(&String::from_utf8_lossy(&std::fs::read(path)?), tally);
        }
    }
    Ok(())
}

fn report(histories: &[History], mut wrong: Vec<String>, tally: &Tally, scope: &Scope, seed: u64) -> ExitCode {
    report::count(histories, tally);
    println!("{tally}{}", report::connections(histories));
    wrong.extend(tally.take_wrong());
    wrong.extend(report::too_little(tally, scope));
    for what in wrong.iter().take(MOST_LINES) {
        println!("wrong: {what}");
    }
    if wrong.len() > MOST_LINES {
        println!("… and {} more", wrong.len() - MOST_LINES);
    }
    if !wrong.is_empty() {
        println!("to see it again: chaos --seed {seed} (moments differ a little from run to run)");
    }
    println!("{} passed, {} failed", histories.len(), wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
