//! Packs a list of words, for `word_list.rs` to read. Only `examples/pack_chinese.rs` and tests do.

use std::collections::BTreeMap;

use super::coder::{Chance, Coder, Interval};
use super::word_list::{CHARACTER_BITS, LONGEST, Model, PLAIN, frequency};

/// A word up to some character, and how it goes on.
#[derive(Debug, Default)]
struct Node {
    frequency: Option<u32>,
    next: BTreeMap<usize, Node>,
}

/// Packs words with their frequencies, which are at least 1. Nothing: there are no words, one is empty or too long, a frequency
/// is 0, or there are too many characters.
pub(super) fn pack(words: &BTreeMap<&str, u32>) -> Option<Vec<u8>> {
    let mut alphabet: Vec<char> = words.keys().flat_map(|word| word.chars()).collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    let is_packable =
        |(word, frequency): (&&str, &u32)| (1..=LONGEST).contains(&word.chars().count()) && *frequency > 0;
    if alphabet.is_empty() || alphabet.len() > 1 << CHARACTER_BITS || !words.iter().all(is_packable) {
        return None;
    }
    let (mut model, mut writer) = (Model::new(), Writer::new());
    model.number(&mut writer, PLAIN, words.len() as u32);
    model.number(&mut writer, PLAIN, alphabet.len() as u32);
    let mut last = 0;
    for &character in &alphabet {
        model.number(&mut writer, PLAIN, u32::from(character) - last);
        last = u32::from(character);
    }
    let tree = tree(words, &alphabet);
    for character in 0..alphabet.len() {
        let node = tree.next.get(&character);
        writer.bit(&mut model.begins, node.is_some());
        if let Some(node) = node {
            node.write(&mut model, &mut writer, 1);
        }
    }
    Some(writer.end())
}

fn tree(words: &BTreeMap<&str, u32>, alphabet: &[char]) -> Node {
    let mut root = Node::default();
    for (word, &frequency) in words {
        let numbers = word.chars().filter_map(|character| alphabet.binary_search(&character).ok());
        let node = numbers.fold(&mut root, |node, number| node.next.entry(number).or_default());
        node.frequency = Some(frequency);
    }
    root
}

impl Node {
    fn write(&self, model: &mut Model, writer: &mut Writer, place: usize) {
        let goes_on = !self.next.is_empty();
        writer.bit(&mut model.goes_on[place.min(7)], goes_on);
        if goes_on {
            writer.bit(&mut model.ends[place.min(7)], self.frequency.is_some());
        }
        if let Some(number) = self.frequency {
            model.number(writer, frequency(place, goes_on), number);
        }
        let mut before = None;
        for (count, (&character, next)) in self.next.iter().enumerate() {
            if count > 0 {
                model.more(writer, place, count, true);
            }
            model.character(writer, place, before, character);
            before = Some(character);
            next.write(model, writer, place + 1);
        }
        if goes_on {
            model.more(writer, place, self.next.len(), false);
        }
    }
}

struct Writer {
    interval: Interval,
    bytes: Vec<u8>,
}

impl Writer {
    fn new() -> Self {
        Self { interval: Interval::ALL, bytes: Vec::new() }
    }

    /// Writes a number that is left.
    fn end(mut self) -> Vec<u8> {
        self.bytes.extend(self.interval.low.to_be_bytes());
        self.bytes
    }
}

impl Coder for Writer {
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool {
        self.interval.take(chance, |_| bit);
        while let Some(byte) = self.interval.settled() {
            self.bytes.push(byte);
        }
        bit
    }
}
