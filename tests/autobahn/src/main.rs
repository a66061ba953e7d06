//! Runs Autobahn's fuzzing client against the node's own WebSocket stack, which echoes here what it is sent.
//!
//! It needs Python 2.7 and the packages of `requirements.txt`; `tests/run autobahn` installs them and starts this. It
//! prints every case that failed and ends with the totals.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod report;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::report::Report;

/// All cases but those of compression (12.* and 13.*), which the node does not offer.
const CASES: usize = 301;

/// The suite takes about a minute.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// Starts the suite from its folder. PYTHONPATH would not do: one of the packages needs its .pth file read.
const START: &str = "import os, site; site.addsitedir(os.environ['AUTOBAHN_PACKAGES']); \
                     from autobahntestsuite.wstest import run; run()";

/// What the program is told.
#[derive(Debug, Parser)]
struct Options {
    /// A Python 2.7
    #[arg(long)]
    python: PathBuf,
    /// The folder that autobahntestsuite was installed into
    #[arg(long)]
    packages: PathBuf,
    /// The folder for the suite's reports, to look at
    #[arg(long)]
    reports: PathBuf,
    /// Cases to run, such as 1.* or 6.4.1
    #[arg(long, default_value = "*")]
    cases: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port to listen on")?;
    let address = listener.local_addr()?;
    let echo = tokio::spawn(conn_node::echo::serve(listener));
    fuzz(&options, address).await?;
    echo.abort();

    let index = options.reports.join("index.json");
    let index = std::fs::read(&index).with_context(|| format!("{} was not written", index.display()))?;
    let report = Report::parse(&index)?;
    for case in &report.failed {
        println!("case {} {}: see {}", case.number, case.behavior, options.reports.join(&case.report_file).display());
    }
    println!("{} cases, {} failed", report.cases, report.failed.len());
    println!("{} passed, {} failed", report.cases - report.failed.len(), report.failed.len());
    let is_whole = report.cases == CASES || options.cases != ["*"];
    ensure!(is_whole, "{CASES} cases were to be run");
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the suite to its end; the reports are in their folder then.
async fn fuzz(options: &Options, address: SocketAddr) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.reports)?;
    let reports = std::fs::canonicalize(&options.reports)?;
    // A report of an earlier run must not pass for this one's.
    for entry in std::fs::read_dir(&reports)? {
        std::fs::remove_file(entry?.path())?;
    }
    let plan = reports.join("fuzzingclient.json");
    std::fs::write(&plan, serde_json::to_vec_pretty(&plan_of(address, &reports, &options.cases))?)?;

    let mut suite = Command::new(&options.python)
        .args(["-c", START, "--mode", "fuzzingclient", "--spec"])
        .arg(&plan)
        .env("AUTOBAHN_PACKAGES", std::fs::canonicalize(&options.packages)?)
        .current_dir(&reports)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started", options.python.display()))?;
    let ended = tokio::time::timeout(TIME_LIMIT, suite.wait()).await;
    let status = ended.with_context(|| format!("the suite took longer than {} s", TIME_LIMIT.as_secs()))??;
    ensure!(status.success(), "the suite ended with {status}");
    Ok(())
}

fn plan_of(address: SocketAddr, reports: &Path, cases: &[String]) -> serde_json::Value {
    serde_json::json!({
        "outdir": reports,
        "servers": [{"agent": report::AGENT, "url": format!("ws://{address}/")}],
        "cases": cases,
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    })
}
