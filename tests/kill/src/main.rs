//! Kills node and functions at random moments while visitors talk, and looks for what was lost.
//!
//! Real processes: `local-dev` with its node and functions, a data folder on the disk, and visitors who send, stop, lose
//! their network and come back all the time. In each round one process gets SIGKILL at a moment that a seed chose. Then
//! everything that was acknowledged is looked for: in the tabs that lived through it, in a fresh client, in the store.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod killer;
mod local_dev;
mod record;
mod verify;
mod visitor;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use client::Random;

use crate::killer::Kills;
use crate::local_dev::LocalDev;
use crate::record::Records;
use crate::visitor::Visitors;

/// What the program is told.
#[derive(Debug, Parser)]
struct Options {
    /// Chooses what is killed when, and what visitors do; printed at the start
    #[arg(long)]
    seed: Option<u64>,
    /// How many processes are killed
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// How many visitors talk; every third has two tabs
    #[arg(long, default_value_t = 12)]
    visitors: usize,
    /// Seconds for all rounds together
    #[arg(long, default_value_t = 240)]
    most_seconds: u64,
    /// The executable of local-dev; else the one beside this program
    #[arg(long)]
    local_dev: Option<PathBuf>,
}

/// How long everything may take to be answered once nothing is killed any more.
const CALM_DOWN: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| std::process::id().into());
    println!("seed {seed}");
    let data = tempfile::tempdir().context("no folder for the data")?;
    let executable = match options.local_dev {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("local-dev"),
    };
    let local_dev = LocalDev::start(&executable, data.path()).await?;

    let mut random = Random::new(seed);
    let records = Arc::new(Records::default());
    let began = Instant::now();
    let visitors = Visitors::start(options.visitors, local_dev.node(), &mut random, &records);
    let time_limit = Duration::from_secs(options.most_seconds);
    let kills = killer::run(&local_dev, options.rounds, time_limit, &mut random).await?;
    println!("killed {} in {} s", kills, began.elapsed().as_secs());

    let histories = visitors.finish(CALM_DOWN).await?;
    local_dev.stop().await?;
    let stored = verify::read_store(data.path(), &histories).await?;

    let figures = verify::figures(&histories, &records);
    println!("{figures}");
    let mut wrong = verify::wrong(&histories, &stored);
    wrong.extend(records.wrong());
    wrong.extend(too_little(&kills, &figures, options.rounds));
    for what in &wrong {
        println!("wrong: {what}");
    }
    if !wrong.is_empty() {
        println!("to see it again: kill --seed {seed} (moments differ a little from run to run)");
    }
    println!("{} passed, {} failed", kills.total(), wrong.len());
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A run in which too little happened shows nothing.
fn too_little(kills: &Kills, figures: &verify::Figures, rounds: u32) -> Vec<String> {
    let wanted = u64::from(rounds);
    let counts = [
        ("kills", u64::from(kills.total()), wanted),
        ("kills of the node", u64::from(kills.node), wanted / 4),
        ("kills of functions", u64::from(kills.function), wanted / 4),
        ("kills of functions at work", u64::from(kills.busy_function), wanted / 10),
        ("acknowledged messages", figures.acknowledged, wanted * 2),
        ("answers", figures.answers, wanted),
        ("stopped answers", figures.stopped, wanted / 20),
        ("connections lost", figures.connections_lost, wanted),
    ];
    let few = counts.into_iter().filter(|(_, count, least)| count < least);
    few.map(|(what, count, least)| format!("only {count} {what}; the run needs {least} to show anything")).collect()
}
