//! Prints what the model budget does in virtual time; see `simulation::budget`.

use std::io::{self, Write};

use clap::Parser;
use simulation::budget::{Counting, Demand, Figures, Knowledge, Setting, run};

/// Simulates the model budget and prints a table.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed of all runs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the run of this number, second by second.
    #[arg(long)]
    row: Option<usize>,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| | what is known | callers | window | used | 429s | halved | doubled | Jain | wait p50 | fell back |"
    )?;
    writeln!(out, "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for (number, (name, setting)) in settings(arguments.seed).into_iter().enumerate() {
        if arguments.row.is_some_and(|row| row != number) {
            continue;
        }
        let figures = run(&setting);
        writeln!(out, "{}", row(number, &name, &setting, &figures))?;
        if arguments.row.is_some() {
            writeln!(out, "of their fair shares: {:.2?}", figures.parts)?;
            for (second, (used, refused)) in figures.by_second.iter().zip(&figures.refused_by_second).enumerate() {
                writeln!(out, "{second:4} {used:5.2} {refused}")?;
            }
        }
    }
    Ok(())
}

fn settings(seed: u64) -> Vec<(String, Setting)> {
    let mut settings = Vec::new();
    let base = Setting { seed, ..Setting::default() };
    for (name, knowledge) in
        [("headers", Knowledge::Headers), ("configured", Knowledge::Configured), ("nothing", Knowledge::Nothing)]
    {
        for callers in [1, 4, 32] {
            for window_s in [1, 5, 60] {
                settings.push((name.to_owned(), Setting { callers, window_s, knowledge, ..base.clone() }));
            }
        }
    }
    let mut more = |name: &str, setting: Setting| settings.push((name.to_owned(), setting));
    for window_s in [1, 60] {
        let outage = Some((80_000, 95_000));
        more("headers, store away 15 s", Setting { window_s, outage, ..base.clone() });
        more("headers, store away 15 s", Setting { window_s, outage, callers: 32, ..base.clone() });
    }
    for knowledge in [Knowledge::Headers, Knowledge::Nothing] {
        let no_hint = Setting { knowledge, retry_after: false, ..base.clone() };
        more(&format!("{knowledge:?}, no Retry-After"), no_hint);
    }
    for counting in [Counting::Reserved, Counting::Actual] {
        for knowledge in [Knowledge::Headers, Knowledge::Configured] {
            more(&format!("{knowledge:?}, counts {counting:?}"), Setting { counting, knowledge, ..base.clone() });
        }
    }
    for callers in [4, 32] {
        let uneven = Setting { demand: Demand::Uneven, callers, ..base.clone() };
        more("headers, calm sites on one caller", uneven.clone());
        more("headers, the same at 3×", Setting { demand_percent: 300, ..uneven });
    }
    more("headers, demand 3×", Setting { demand_percent: 300, ..base.clone() });
    more("headers, demand 0.6×", Setting { demand_percent: 60, ..base.clone() });
    more("headers, a tenth", Setting { tokens_per_minute: 300_000, requests_per_minute: 600, ..base.clone() });
    let by_requests = Setting { requests_per_minute: 2_000, ..base };
    more("headers, requests are short", by_requests);
    settings
}

fn row(number: usize, name: &str, setting: &Setting, figures: &Figures) -> String {
    let seconds = |seconds: Option<usize>| seconds.map_or("never".to_owned(), |seconds| format!("{seconds} s"));
    format!(
        "| {number} | {name} | {} | {} s | {:.1} % | {:.3} % | {} | {} | {:.3} | {} ms | {:.0} % |",
        setting.callers,
        setting.window_s,
        figures.used * 100.0,
        figures.refused * 100.0,
        seconds(figures.halved_s),
        seconds(figures.doubled_s),
        figures.jain,
        figures.wait_p50_ms,
        figures.turned_away * 100.0,
    )
}
