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
    /// So many seeds from that one on: the median of each figure, and the worst.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Only the run of this number, second by second.
    #[arg(long)]
    row: Option<usize>,
    /// Only the runs whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut out = io::stdout().lock();
    let seeds = if arguments.row.is_some() { 1 } else { arguments.seeds.max(1) };
    writeln!(
        out,
        "| | what is known | callers | window | used | 429s | halved | doubled | Jain | wait p50 | fell back |"
    )?;
    writeln!(out, "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for (number, (name, setting)) in settings(arguments.seed).into_iter().enumerate() {
        if arguments.row.is_some_and(|row| row != number) || !name.contains(&arguments.only) {
            continue;
        }
        let runs: Vec<Figures> =
            (0..seeds).map(|more| run(&Setting { seed: arguments.seed + more, ..setting.clone() })).collect();
        writeln!(out, "{}", row(number, &name, &setting, &runs))?;
        if arguments.row.is_some() {
            writeln!(out, "of their fair shares: {:.2?}", runs[0].parts)?;
            for (second, (used, refused)) in runs[0].by_second.iter().zip(&runs[0].refused_by_second).enumerate() {
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
    for (name, knowledge) in [("real: headers", Knowledge::Headers), ("real: nothing", Knowledge::Nothing)] {
        for callers in [1, 4, 32] {
            more(name, Setting { callers, knowledge, seed, ..Setting::real() });
        }
    }
    settings
}

fn row(number: usize, name: &str, setting: &Setting, runs: &[Figures]) -> String {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let finely = |part: f64| format!("{:.2} %", part * 100.0);
    let seconds = |seconds: f64| if seconds.is_finite() { format!("{seconds:.0} s") } else { "never".to_owned() };
    let settled = |seconds: Option<usize>| seconds.map_or(f64::INFINITY, |seconds| seconds as f64);
    let used = spread(runs, |run| -run.used, |used| percent(-used));
    let refused = spread(runs, |run| run.refused, finely);
    let halved = spread(runs, |run| settled(run.halved_s), seconds);
    let doubled = spread(runs, |run| settled(run.doubled_s), seconds);
    let jain = spread(runs, |run| -run.jain, |jain| format!("{:.3}", -jain));
    let wait = spread(runs, |run| run.wait_p50_ms as f64, |wait| format!("{wait:.0} ms"));
    let turned_away = spread(runs, |run| run.turned_away, percent);
    let (callers, window) = (setting.callers, setting.window_s);
    format!(
        "| {number} | {name} | {callers} | {window} s | {used} | {refused} | {halved} | {doubled} | {jain} | {wait} | {turned_away} |"
    )
}

/// The median and, where there are several runs, the worst, which is the largest.
fn spread(runs: &[Figures], of: impl Fn(&Figures) -> f64, show: impl Fn(f64) -> String) -> String {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let (median, worst) = (values[values.len() / 2], values[values.len() - 1]);
    if runs.len() == 1 { show(median) } else { format!("{} ({})", show(median), show(worst)) }
}
