//! Makes `docs/faults.md`, or compares it with what is seen now.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use faults::rows::sections;
use faults::{World, page};

/// What the program is told.
#[derive(Debug, Parser)]
struct Options {
    /// Write the page, instead of comparing it
    #[arg(long)]
    write: bool,
    /// Where the page is
    #[arg(long, default_value = "docs/faults.md")]
    page: PathBuf,
    /// The executable of local-dev; else the one beside this program
    #[arg(long)]
    local_dev: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let sections = sections();
    let mut world = World::start(options.local_dev, &sections).await?;
    let (mut seen, mut rows) = (Vec::new(), 0);
    for section in &sections {
        let mut seen_here = Vec::new();
        for row in &section.rows {
            let one = world.see(row).await?;
            println!("{:<20} {:>5} ms  {}", row.name, one.over_ms, one.what);
            seen_here.push(one);
            rows += 1;
        }
        seen.push(seen_here);
    }
    world.stop().await?;
    let made = page::page(&sections, &seen);
    if options.write {
        std::fs::write(&options.page, made).with_context(|| format!("{}", options.page.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let there = std::fs::read_to_string(&options.page).with_context(|| format!("{}", options.page.display()))?;
    let differences = page::differences(&there, &made);
    for difference in &differences {
        println!("{difference}");
    }
    let failed =
        differences.iter().filter(|line| line.starts_with('+')).count().max(usize::from(!differences.is_empty()));
    println!("{} passed, {failed} failed", rows - failed.min(rows));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
