//! Measures the model on the public data sets BANKING77 and CLINC150.
//!
//! `cargo run --release -p intent --example public_data -- FOLDER [--test]`
//!
//! `FOLDER` holds `banking77/train.csv`, `banking77/test.csv` (columns text, category) and `clinc150/data_full.json`, as
//! their authors publish them. Without `--test` only the parts for training and validation are read: choose settings by
//! that, and use `--test` once.

#![allow(clippy::print_stdout, reason = "a program that prints a table")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod public_data {
    pub(crate) mod data;
    pub(crate) mod machine;
}

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use intent::{Messages, Model, Trained};

use public_data::data::{self, Split};
use public_data::machine;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let folder = arguments.iter().find(|argument| !argument.starts_with("--"));
    let folder = Path::new(folder.context("name the folder of the data sets")?);
    println!("{}", machine::description());
    println!("judged on: {}\n", if is_test { "test" } else { "validation (BANKING77: cross-validation)" });
    report("BANKING77", &data::banking(folder, is_test)?)?;
    report("CLINC150", &data::clinc(folder, is_test)?)
}

fn report(name: &str, split: &Split) -> anyhow::Result<()> {
    let (start, start_of_work) = (Instant::now(), machine::time_on_a_core());
    let Trained { model, report } = Model::train(&split.intents);
    let waited = start.elapsed();
    let training = machine::time_on_a_core().zip(start_of_work).map_or(waited, |(end, start)| end - start);
    let mut file = Vec::new();
    model.write(&mut file)?;
    let start = Instant::now();
    let read = Model::read(&file)?;
    let reading = start.elapsed();
    anyhow::ensure!(read == model, "the file does not hold the model");
    println!("## {name}: {} intents, {} examples", model.intents().len(), split.intents.examples());
    println!("| what | |\n|---|---|");
    println!("| training, thresholds included: time on one core | {:.1} s |", training.as_secs_f64());
    println!("| file | {:.2} MB |", file.len() as f64 / 1e6);
    println!("| reading the file | {:.2} ms |", reading.as_secs_f64() * 1e3);
    println!("| accuracy by cross-validation | {:.2} % |", report.accuracy() * 100.0);
    if let Some(messages) = &split.messages {
        judged(&model, messages)?;
    }
    let texts = split.messages.clone().unwrap_or_else(|| Messages::from(&split.intents)).messages;
    let (median, p99) = speed(&model, &texts);
    println!("| a message | median {median:.1} µs, p99 {p99:.1} µs |\n");
    Ok(())
}

fn judged(model: &Model, messages: &Messages) -> anyhow::Result<()> {
    let report = model.evaluate(messages)?;
    let share = |part: usize, all: usize| part as f64 * 100.0 / all.max(1) as f64;
    let (inside, all) = (report.in_scope.messages, report.in_scope.messages + report.out_of_scope);
    println!("| **right intent, of those in scope** | **{:.2} %** of {inside} |", report.accuracy() * 100.0);
    println!("| kept, of those in scope | {:.1} % |", share(report.kept, inside));
    if report.out_of_scope > 0 {
        println!(
            "| refused, of those out of scope | {:.1} % of {} |",
            share(report.refused, report.out_of_scope),
            report.out_of_scope
        );
    }
    if report.out_of_scope > 0 {
        println!("| refused where exactly 95 % are kept | {:.1} % |", refused_at_95_kept(model, messages) * 100.0);
    }
    let instant = report.instant;
    println!(
        "| instant answers | {:.1} % of all, {:.2} % of them right |",
        share(instant.messages, all),
        instant.share() * 100.0
    );
    println!(
        "| sure decisions | {:.1} % of all, {:.2} % of them right |",
        share(report.sure.messages, all),
        report.sure.share() * 100.0
    );
    println!(
        "| asked back | {:.1} % of all, one of the two right in {:.1} % |",
        share(report.asked_back.messages, all),
        report.asked_back.share() * 100.0
    );
    println!("| calibration error | {:.1} points |", report.calibration_error * 100.0);
    Ok(())
}

/// The share of messages out of scope below the score that 95 % of those in scope reach: what others report.
fn refused_at_95_kept(model: &Model, messages: &Messages) -> f64 {
    let scores = |is_inside: bool| {
        let own = messages.messages.iter().filter(move |(_, key)| key.is_some() == is_inside);
        own.map(|(text, _)| model.classify(text).score()).collect::<Vec<_>>()
    };
    let (mut inside, outside) = (scores(true), scores(false));
    inside.sort_unstable_by(f32::total_cmp);
    let least = inside.get(inside.len() / 20).copied().unwrap_or_default();
    outside.iter().filter(|score| **score < least).count() as f64 / outside.len().max(1) as f64
}

/// How often each message is judged; the middle time counts, so that what else the machine does is left out.
const ROUNDS: usize = 5;

/// Microseconds of `decide`, over all messages: median and 99th percentile.
fn speed(model: &Model, messages: &[(String, Option<String>)]) -> (f64, f64) {
    let decide = |text: &str| {
        let start = Instant::now();
        std::hint::black_box(model.decide(std::hint::black_box(text), "en"));
        start.elapsed()
    };
    let mut rounds: Vec<Vec<Duration>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(messages.iter().map(|(text, _)| decide(text)).collect());
    }
    let middle = |index: usize| {
        let mut times: Vec<_> = rounds.iter().filter_map(|round| round.get(index)).copied().collect();
        times.sort_unstable();
        times.get(ROUNDS / 2).copied().unwrap_or_default()
    };
    let mut times: Vec<_> = (0..messages.len()).map(middle).collect();
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    (at(0.5), at(0.99))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANKING: &str = "text,category\n\
        where is my refund,Refund_not_showing_up\n\"my refund, it is not there\",Refund_not_showing_up\n\
        the refund has not come,Refund_not_showing_up\nwhy was my payment reverted,reverted_card_payment?\n\
        a card payment was reverted,reverted_card_payment?\nthe payment came back to me,reverted_card_payment?\n";

    const CLINC: &str = r#"{
        "train": [["what is my balance", "balance"], ["show my balance", "balance"], ["book a flight", "book_flight"],
            ["a flight to Rome please", "book_flight"]],
        "val": [["my balance please", "balance"]], "test": [["book me a flight", "book_flight"]],
        "oos_train": [["how tall is the tower", "oos"]], "oos_val": [["who won", "oos"]], "oos_test": [["tell a joke", "oos"]]
    }"#;

    /// The keys of both sets, one with a capital and one with a question mark, and intents without titles and replies.
    #[test]
    fn sets_in_their_authors_form_are_measured_from_end_to_end() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("banking77/train.csv", BANKING), ("banking77/test.csv", BANKING), ("clinc150/data_full.json", CLINC)]
        {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for is_test in [false, true] {
            report("BANKING77", &data::banking(folder.path(), is_test).unwrap()).unwrap();
            report("CLINC150", &data::clinc(folder.path(), is_test).unwrap()).unwrap();
        }
    }
}
