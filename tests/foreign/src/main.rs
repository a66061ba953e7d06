//! The function `ai` in front of models' servers that nobody here wrote.
//!
//! Our own mock provider can only be wrong where we are. LiteLLM's proxy is the gateway that most people put in front of
//! their models; LLMock breaks what it sends on purpose and judges its clients. Both are started here, on ports of their
//! own, and the real program of the function asks them. Needs their Python packages, see `requirements.txt` and
//! `tests/run foreign`.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod assistant;
mod http;
mod litellm;
mod llmock;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;

/// What the program is told.
#[derive(Debug, Parser)]
struct Options {
    /// The virtual environment of Python with the packages
    #[arg(long)]
    packages: PathBuf,
    /// The executable of the function; else the one beside this program
    #[arg(long)]
    ai: Option<PathBuf>,
}

/// What was checked, and what came of it.
#[derive(Debug, Default)]
struct Report {
    passed: u32,
    failed: u32,
}

impl Report {
    fn add(&mut self, name: &str, result: anyhow::Result<()>) {
        match result {
            Ok(()) => {
                self.passed += 1;
                println!("ok      {name}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED  {name}: {error:#}");
            }
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let ai = match options.ai {
        Some(ai) => ai,
        None => std::env::current_exe()?.with_file_name("ai"),
    };
    // Each of its processes has a folder of its own.
    let ai = ai.canonicalize().with_context(|| format!("{} is not built", ai.display()))?;
    let ai = ai.to_str().context("the path of the function is no text")?;
    let programs = options.packages.canonicalize().context("there are no packages")?.join("bin");
    let (start, mut report) = (Instant::now(), Report::default());
    // LiteLLM takes ten seconds to start; meanwhile the other one is asked.
    let litellm = tokio::spawn(litellm::LiteLlm::start(programs.clone()));
    if let Err(error) = llmock::check(&programs, ai, &mut report).await {
        report.add("LLMock runs", Err(error));
    }
    match litellm.await? {
        Ok(litellm) => litellm.check(ai, &mut report).await?,
        Err(error) => report.add("LiteLLM's proxy runs", Err(error)),
    }
    println!("all of it: {} s", start.elapsed().as_secs());
    println!("{} passed, {} failed", report.passed, report.failed);
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
