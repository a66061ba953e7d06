//! Asks the demo shop's questions and prints what came of them: `cargo run --release -p knowledge --example measure`.
//!
//! With `misses`, it lists what went wrong in the half that the search was tuned with; the other half stays unseen.

#![allow(clippy::print_stdout, reason = "it is a program that prints figures")]

use std::time::{Duration, Instant};

use knowledge::{Knowledge, Options, build};

#[path = "../tests/asked/mod.rs"]
mod asked;

use asked::{Asked, Half, Tally, demo, demo_without_synonyms, folder, tally};

/// How often each question is asked for the times.
const ROUNDS: usize = 20;

fn main() -> anyhow::Result<()> {
    let all = Asked::all()?;
    let (knowledge, report) = Knowledge::read(&folder(), &Options::default())?;
    println!("in memory: {report}");
    if std::env::args().any(|argument| argument == "misses") {
        return misses(&knowledge, &all);
    }
    on_disk()?;
    table("with the site's synonyms.toml", &demo()?, &all)?;
    table("without it", &demo_without_synonyms()?, &all)?;
    times(&knowledge, &all)
}

fn on_disk() -> anyhow::Result<()> {
    let out = tempfile::tempdir()?;
    println!("on disk: {}", build(&folder(), out.path(), &Options::default())?);
    let start = Instant::now();
    let knowledge = Knowledge::open(out.path())?;
    let opened = start.elapsed();
    let start = Instant::now();
    knowledge.search("How much is shipping?".into())?;
    let english = start.elapsed();
    let start = Instant::now();
    knowledge.search("运费多少钱".into())?;
    println!(
        "opened in {}, first question {}, first Chinese question {}",
        ms(opened),
        ms(english),
        ms(start.elapsed())
    );
    Ok(())
}

fn table(what: &str, knowledge: &Knowledge, all: &[Asked]) -> anyhow::Result<()> {
    println!("\n{what}\n| half | language | recall@1 | recall@5 | MRR | answerable kept | unanswerable refused |");
    println!("|---|---|---|---|---|---|---|");
    for half in [Half::Tuning, Half::HeldOut] {
        for language in ["en", "zh"] {
            let Tally { answerable, first, among_five, reciprocal, kept, unanswerable, refused } =
                tally(knowledge, all, language, half)?;
            let share = |count: usize, of: usize| format!("{count}/{of} ({:.1} %)", 100.0 * count as f64 / of as f64);
            println!(
                "| {half:?} | {language} | {} | {} | {:.3} | {} | {} |",
                share(first, answerable),
                share(among_five, answerable),
                reciprocal / answerable as f64,
                share(kept, answerable),
                share(refused, unanswerable),
            );
        }
    }
    Ok(())
}

/// How long searches take: of each question the median of its rounds, so that other programs on the machine count less.
fn times(knowledge: &Knowledge, all: &[Asked]) -> anyhow::Result<()> {
    println!();
    for language in ["en", "zh"] {
        let mut medians = Vec::new();
        for asked in all.iter().filter(|asked| asked.language == language) {
            let mut times = Vec::with_capacity(ROUNDS);
            for _ in 0..ROUNDS {
                let start = Instant::now();
                asked.ask(knowledge)?;
                times.push(start.elapsed());
            }
            times.sort();
            medians.push(times[ROUNDS / 2]);
        }
        medians.sort();
        let at = |share: f64| medians[((medians.len() - 1) as f64 * share) as usize].as_micros();
        println!("{language}: median {} µs, p99 {} µs, of {} questions", at(0.5), at(0.99), medians.len());
    }
    Ok(())
}

fn misses(knowledge: &Knowledge, all: &[Asked]) -> anyhow::Result<()> {
    for asked in all.iter().filter(|asked| asked.half == Half::Tuning) {
        let found = asked.ask(knowledge)?;
        let is_right =
            asked.is_answerable() == found.is_answerable && (!asked.is_answerable() || asked.rank(&found) == Some(1));
        if !is_right {
            println!("\n{} → {:?}\n{found}", asked.text, asked.headings);
        }
    }
    Ok(())
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
