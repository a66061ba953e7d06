//! The features a model knows. A feature's hash falls into one of 2^bits buckets; the bits of those that training saw
//! are set, and a bucket's row is the number of set bits before it. Unknown features thus cost one look at a small map.

/// A map of 2^12 to 2^22 buckets: 512 bytes to 512 KiB.
pub(crate) const LEAST_BITS: u32 = 12;
pub(crate) const MOST_BITS: u32 = 22;

/// Buckets for each known feature: how seldom (1 in 32) an unknown one is taken for a known one.
const BUCKETS_PER_FEATURE: usize = 32;

/// Which buckets are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    bits: u32,
    map: Vec<u64>,
    /// How many buckets are known before each word of `map`.
    ranks: Vec<u32>,
    len: usize,
}

impl Vocabulary {
    /// Of 2^`bits` buckets, those set in `map`. None where the sizes do not fit each other.
    pub(crate) fn new(bits: u32, map: Vec<u64>) -> Option<Self> {
        if !(LEAST_BITS..=MOST_BITS).contains(&bits) || map.len() != words(bits) {
            return None;
        }
        let mut len = 0;
        let mut ranks = Vec::with_capacity(map.len());
        for word in &map {
            ranks.push(len);
            len += word.count_ones();
        }
        Some(Self { bits, map, ranks, len: usize::try_from(len).ok()? })
    }

    /// The features of `messages` (hashes, each at most once a message) with the number of messages that have each,
    /// row by row. Where there are more than `most`, those that occur most often.
    pub(crate) fn build<'a>(messages: impl Iterator<Item = &'a [u64]> + Clone, most: usize) -> (Self, Vec<u32>) {
        let distinct = distinct(messages.clone());
        let wanted = (distinct * BUCKETS_PER_FEATURE).next_power_of_two().trailing_zeros();
        let bits = wanted.clamp(LEAST_BITS, MOST_BITS);
        let mut counts = count(messages, bits);
        keep_most_frequent(&mut counts, most);
        let mut map = vec![0_u64; words(bits)];
        for (word, counts) in map.iter_mut().zip(counts.chunks(64)) {
            *word = counts.iter().enumerate().fold(0, |word, (bit, count)| word | (u64::from(*count > 0) << bit));
        }
        counts.retain(|count| *count > 0);
        let vocabulary = Self::new(bits, map).unwrap_or(Self { bits, map: Vec::new(), ranks: Vec::new(), len: 0 });
        (vocabulary, counts)
    }

    /// How many features are known.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    pub(crate) fn map(&self) -> &[u64] {
        &self.map
    }

    /// The row of the feature with this hash, if it is known.
    pub(crate) fn row(&self, hash: u64) -> Option<u32> {
        let bucket = bucket(hash, self.bits);
        let (word, bit) = (bucket / 64, bucket % 64);
        let known = *self.map.get(word)?;
        if known >> bit & 1 == 0 {
            return None;
        }
        let before = known & ((1 << bit) - 1);
        Some(self.ranks.get(word)? + before.count_ones())
    }
}

/// How many words of 64 bits a map of 2^`bits` buckets has.
pub(crate) fn words(bits: u32) -> usize {
    (1_usize << bits) / 64
}

fn bucket(hash: u64, bits: u32) -> usize {
    usize::try_from(hash >> (64 - bits)).unwrap_or_default()
}

fn distinct<'a>(messages: impl Iterator<Item = &'a [u64]>) -> usize {
    let mut buckets: Vec<u32> =
        messages.flatten().filter_map(|hash| u32::try_from(bucket(*hash, MOST_BITS)).ok()).collect();
    buckets.sort_unstable();
    buckets.dedup();
    buckets.len()
}

fn count<'a>(messages: impl Iterator<Item = &'a [u64]>, bits: u32) -> Vec<u32> {
    let mut counts = vec![0_u32; 1 << bits];
    for hash in messages.flatten() {
        if let Some(count) = counts.get_mut(bucket(*hash, bits)) {
            *count += 1;
        }
    }
    counts
}

/// Sets all but the `most` highest counts to 0; among equals, the first stay. Their order is that of hashes: by chance,
/// but the same every time.
fn keep_most_frequent(counts: &mut [u32], most: usize) {
    let mut known: Vec<u32> = counts.iter().copied().filter(|count| *count > 0).collect();
    if known.len() <= most {
        return;
    }
    known.sort_unstable_by(|one, other| other.cmp(one));
    let least = known.get(most.saturating_sub(1)).copied().unwrap_or_default();
    let mut places = most - known.iter().filter(|count| **count > least).count().min(most);
    for count in counts.iter_mut() {
        let is_kept = *count > least || (*count == least && places > 0);
        places -= usize::from(*count == least && is_kept);
        if !is_kept {
            *count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 0x1111_0000_0000_0000;
    const B: u64 = 0x2222_0000_0000_0000;
    const C: u64 = 0xffff_0000_0000_0000;

    #[test]
    fn known_features_have_rows_in_order_and_others_none() {
        let messages: [&[u64]; 2] = [&[A, C], &[B, C]];
        let (vocabulary, counts) = Vocabulary::build(messages.into_iter(), 10);
        assert_eq!((vocabulary.row(A), vocabulary.row(B), vocabulary.row(C)), (Some(0), Some(1), Some(2)));
        assert_eq!(vocabulary.row(0x3333_0000_0000_0000), None);
        assert_eq!(counts, [1, 1, 2]);
        assert_eq!(vocabulary.len(), 3);
        assert_eq!(Vocabulary::new(vocabulary.bits(), vocabulary.map().to_vec()), Some(vocabulary));
    }

    #[test]
    fn where_there_are_too_many_the_rare_ones_go() {
        let messages: [&[u64]; 2] = [&[A, C], &[B, C]];
        let (vocabulary, counts) = Vocabulary::build(messages.into_iter(), 2);
        assert_eq!((vocabulary.row(A), vocabulary.row(B), vocabulary.row(C)), (Some(0), None, Some(1)));
        assert_eq!(counts, [1, 2]);
    }

    #[test]
    fn a_map_of_another_size_is_refused() {
        assert_eq!(Vocabulary::new(12, vec![0; 63]), None);
        assert_eq!(Vocabulary::new(40, vec![0; 64]), None);
        assert_eq!(Vocabulary::new(12, vec![u64::MAX; 64]).unwrap().len(), 4096);
    }
}
