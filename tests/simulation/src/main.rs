//! Runs histories; see the library.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::{Batch, History, Options, run, run_many};

/// Runs seeded histories of Frontdesk's core in virtual time and checks its invariants at every step.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many histories, with consecutive seeds.
    #[arg(long, default_value_t = 10_000)]
    histories: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    start_seed: u64,
    /// How many at once. Default: one for each core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Runs only the history of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Tells the whole story of that history.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Breaks the core on purpose, for example ShowNotes.
    #[cfg(feature = "faults")]
    #[arg(long, value_parser = fault)]
    fault: Option<simulation::Fault>,
}

/// In so many histories everything that is counted has happened many times.
const ENOUGH: u64 = 10_000;

/// Lines of a failed history that are printed without `--trace`.
const LAST_LINES: usize = 60;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = Options {
        trace: false,
        #[cfg(feature = "faults")]
        fault: arguments.fault,
    };
    match arguments.seed {
        Some(seed) => {
            let history = run(seed, &options.telling());
            tell(&history, if arguments.trace { usize::MAX } else { LAST_LINES })
        }
        None => run_all(&arguments, &options),
    }
}

fn run_all(arguments: &Arguments, options: &Options) -> anyhow::Result<ExitCode> {
    let jobs = match arguments.jobs {
        Some(jobs) => jobs,
        None => std::thread::available_parallelism()?.get(),
    };
    let started = Instant::now();
    let batch = Batch { start_seed: arguments.start_seed, histories: arguments.histories, jobs };
    let found = run_many(&batch, options);
    let seconds = started.elapsed().as_secs_f64();
    let per_minute = found.tally.steps as f64 / seconds * 60.0 / 1e6;
    write!(io::stdout(), "{}", found.tally)?;
    writeln!(
        io::stdout(),
        "{} histories from seed {} in {seconds:.1} s with {jobs} jobs: {per_minute:.0} million steps a minute",
        found.histories,
        arguments.start_seed,
    )?;
    let missed = found.tally.missed();
    match found.breach {
        None if found.histories >= ENOUGH && !missed.is_empty() => {
            writeln!(io::stdout(), "a run that never saw this proves nothing about it: {missed:?}")?;
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
        Some(history) => tell(&run(history.seed, &options.clone().telling()), LAST_LINES),
    }
}

fn tell(history: &History, last: usize) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let skipped = history.story.len().saturating_sub(last);
    if skipped > 0 {
        writeln!(out, "({skipped} lines before; --trace shows all)")?;
    }
    for line in &history.story[skipped..] {
        writeln!(out, "{line}")?;
    }
    match &history.breach {
        None => {
            writeln!(out, "seed {}: nothing wrong in {} steps", history.seed, history.tally.steps)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(breach) => {
            writeln!(out, "seed {}: {breach}", history.seed)?;
            writeln!(out, "again: cargo run -p simulation -- --seed {} --trace", history.seed)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

#[cfg(feature = "faults")]
fn fault(name: &str) -> Result<simulation::Fault, String> {
    let named = simulation::ALL_FAULTS.into_iter().find(|fault| format!("{fault:?}") == name);
    named.ok_or_else(|| format!("no such fault; there are {:?}", simulation::ALL_FAULTS))
}
