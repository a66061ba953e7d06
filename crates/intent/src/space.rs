//! A message as a sparse vector of length 1: one value for each feature that the vocabulary knows.

use crate::features::{self, Kind};
use crate::text::Normal;
use crate::vocabulary::Vocabulary;

/// Rarity (`ln((1 + n) / (1 + df)) + 1`) counts to this power: between "every feature alike" and plain tf-idf.
const RARITY_POWER: f32 = 0.7;

/// What features of words weigh beside a piece of characters. A single Chinese character says as much as a word, and
/// has no pieces that would say it too.
const WORDS_WEIGHT: f32 = 0.85;
const HAN_WEIGHT: f32 = 2.5;

/// How much of a feature that is not known counts for the length of the vector: a message of unknown words is less
/// like every intent.
const UNKNOWN_SHARE: f32 = 1.0;

/// A known feature's row, and its value in a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value {
    pub row: u32,
    pub value: f32,
}

/// The known features and how much each counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Space {
    pub vocabulary: Vocabulary,
    /// One for each row: rarity and kind.
    pub importance: Vec<f32>,
    /// What a piece that no example has counts.
    pub unknown: f32,
}

impl Space {
    /// The space that `messages` span: the hashes of each, sorted, each as often as it occurs.
    pub(crate) fn build(messages: &[&[u64]], most_rows: usize) -> Self {
        let distinct: Vec<Vec<u64>> = messages
            .iter()
            .map(|hashes| {
                let mut hashes = hashes.to_vec();
                hashes.dedup();
                hashes
            })
            .collect();
        let (vocabulary, counts) = Vocabulary::build(distinct.iter().map(Vec::as_slice), most_rows);
        let mut importance: Vec<f32> = counts.iter().map(|count| rarity(messages.len(), *count)).collect();
        let mut is_weighed = vec![false; importance.len()];
        for hash in distinct.iter().flatten() {
            let Some(row) = vocabulary.row(*hash).and_then(|row| usize::try_from(row).ok()) else { continue };
            if let (Some(importance), Some(is_weighed)) = (importance.get_mut(row), is_weighed.get_mut(row))
                && !std::mem::replace(is_weighed, true)
            {
                *importance *= weight(*hash);
            }
        }
        let unknown = UNKNOWN_SHARE * rarity(messages.len(), 0);
        Self { vocabulary, importance, unknown }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.importance.len()
    }

    /// The vector of a message with these hashes, in the order in which features first occur.
    pub(crate) fn vector(&self, hashes: &[u64]) -> Vec<Value> {
        let mut counts = Counts::new(hashes.len());
        let mut squares = 0.0;
        for hash in hashes {
            match self.vocabulary.row(*hash) {
                Some(row) => counts.add(row),
                None => squares += (self.unknown * weight(*hash)).powi(2),
            }
        }
        let mut values = Vec::with_capacity(counts.rows.len());
        for (row, count) in counts.rows {
            let importance = usize::try_from(row).ok().and_then(|row| self.importance.get(row)).copied();
            let value = importance.unwrap_or_default() * damped(count);
            squares += value * value;
            values.push(Value { row, value });
        }
        let length = squares.sqrt();
        if length > 0.0 {
            values.iter_mut().for_each(|one| one.value /= length);
        }
        values
    }
}

/// How often each row occurs: a small hash table, because sorting rows took most of a long message's time.
struct Counts {
    rows: Vec<(u32, usize)>,
    /// One more than the place in `rows`; 0: free. At least twice as many as rows, and a power of two.
    places: Vec<u32>,
}

impl Counts {
    fn new(most: usize) -> Self {
        Self { rows: Vec::with_capacity(most), places: vec![0; (most.max(1) * 2).next_power_of_two()] }
    }

    fn add(&mut self, row: u32) {
        let mask = self.places.len() - 1;
        let mut at = (row.wrapping_mul(0x9e37_79b9) >> 8) as usize & mask;
        loop {
            let Some(place) = self.places.get_mut(at) else { return };
            match self.rows.get_mut((*place as usize).wrapping_sub(1)) {
                Some((known, count)) if *known == row => {
                    *count += 1;
                    return;
                }
                Some(_) => at = (at + 1) & mask,
                None => {
                    self.rows.push((row, 1));
                    *place = self.rows.len() as u32;
                    return;
                }
            }
        }
    }
}

/// The hashes of a message's features; one that occurs twice is there twice.
pub(crate) fn hashes(message: &Normal) -> Vec<u64> {
    let mut hashes = Vec::with_capacity(message.letters.len() * 4 + message.words.len() * 2);
    features::visit(message, |feature| hashes.push(feature.hash));
    hashes
}

fn weight(hash: u64) -> f32 {
    match features::kind(hash) {
        Kind::Piece => 1.0,
        Kind::Words => WORDS_WEIGHT,
        Kind::Han => HAN_WEIGHT,
    }
}

fn rarity(messages: usize, count: u32) -> f32 {
    let share = (1.0 + messages as f32) / (1.0 + count as f32);
    libm::powf(libm::logf(share) + 1.0, RARITY_POWER)
}

/// What `count` times the same feature count: sublinear.
fn damped(count: usize) -> f32 {
    if count == 1 { 1.0 } else { 1.0 + libm::logf(count as f32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(text: &str) -> Vec<u64> {
        let mut hashes = hashes(&Normal::new(text));
        hashes.sort_unstable();
        hashes
    }

    fn space(texts: &[&str]) -> Space {
        let messages: Vec<_> = texts.iter().map(|text| sorted(text)).collect();
        Space::build(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>(), 10_000)
    }

    fn length(values: &[Value]) -> f32 {
        values.iter().map(|one| one.value * one.value).sum::<f32>().sqrt()
    }

    #[test]
    fn a_known_message_has_length_one_and_unknown_words_make_it_shorter() {
        let space = space(&["where is my tea", "brew green tea"]);
        assert!((length(&space.vector(&sorted("where is my tea"))) - 1.0).abs() < 1e-6);
        let mixed = length(&space.vector(&sorted("tea xylophone")));
        assert!(mixed > 0.1 && mixed < 0.9, "{mixed}");
        assert_eq!(space.vector(&sorted("zzz")), []);
        assert_eq!(space.vector(&[]), []);
    }

    #[test]
    fn rare_features_count_more_than_frequent_ones() {
        let space = space(&["ab cd", "ab ef", "ab gh"]);
        let of = |text: &str| {
            let message = Normal::new(text);
            let mut found = None;
            features::visit(&message, |feature| found = found.or(space.vocabulary.row(feature.hash)));
            space.importance[found.unwrap() as usize]
        };
        assert!(of("cd") > of("ab"));
    }
}
