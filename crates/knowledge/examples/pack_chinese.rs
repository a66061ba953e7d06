//! Packs the list of Chinese words: `cargo run --release -p knowledge --example pack_chinese` after a change in
//! `data/chinese.txt.gz`.

#![allow(clippy::print_stdout, reason = "it is a program that says what it did")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use flate2::read::GzDecoder;

#[path = "../src/chinese/coder.rs"]
mod coder;
#[path = "../src/chinese/pack.rs"]
mod pack;
#[path = "../src/chinese/word_list.rs"]
mod word_list;

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(data.join("chinese.txt.gz"))?).read_to_string(&mut text)?;
    let word = |line: &str| -> anyhow::Result<(String, u32)> {
        let (word, frequency) = line.split_once(' ').with_context(|| format!("{line:?} is no word and frequency"))?;
        Ok((word.to_owned(), frequency.parse().with_context(|| format!("the frequency in {line:?}"))?))
    };
    let lines = text.lines().map(word).collect::<anyhow::Result<Vec<_>>>()?;
    let words: BTreeMap<&str, u32> = lines.iter().map(|(word, frequency)| (word.as_str(), *frequency)).collect();
    let packed =
        pack::pack(&words).context("a word is empty or too long, a frequency is 0, or characters are too many")?;

    let mut read = BTreeMap::new();
    let is_read = word_list::read(&packed, |word, frequency| {
        read.insert(word.to_owned(), frequency);
    });
    let is_same = read.iter().map(|(word, frequency)| (word.as_str(), *frequency)).eq(words);
    anyhow::ensure!(is_read.is_some() && is_same, "what was packed reads differently");
    let path = data.join("chinese.packed");
    std::fs::write(&path, &packed)?;
    println!("{}: {} words, {} bytes", path.display(), read.len(), packed.len());
    Ok(())
}
