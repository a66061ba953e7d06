//! Asks the measured questions of the demo shop and prints what came of them.
#[path = "../tests/asked/mod.rs"]
mod asked;

use asked::{Asked, Half, demo, tally};

#[allow(clippy::print_stdout)]
fn main() -> anyhow::Result<()> {
    let knowledge = demo()?;
    let all = Asked::all()?;
    let verbose = std::env::args().any(|a| a == "-v");
    let halves =
        if std::env::args().any(|a| a == "all") { vec![Half::Tuning, Half::HeldOut] } else { vec![Half::Tuning] };
    for half in halves {
        if verbose && half == Half::Tuning {
            for q in all.iter().filter(|q| q.half == half) {
                let f = q.ask(&knowledge)?;
                let bad = if q.is_answerable() { q.rank(&f) != Some(1) || !f.is_answerable } else { f.is_answerable };
                let score = f.passages.first().map_or(0.0, |s| s.score);
                println!(
                    "{} {} {:.2} {:?} {} {:?} => {:?}",
                    if bad { "BAD" } else { "ok " },
                    if q.is_answerable() { "A" } else { "N" },
                    score,
                    q.rank(&f),
                    q.text,
                    q.headings,
                    f.passages.iter().take(2).map(|s| format!("{:.2} {}", s.score, s.passage)).collect::<Vec<_>>()
                );
            }
        }
        for language in ["en", "zh"] {
            println!("{half:?} {language} {:?}", tally(&knowledge, &all, language, half)?);
        }
    }
    Ok(())
}
