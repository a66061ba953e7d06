//! What a message consists of, as hashes: words, pairs of words, and pieces of 2 to 5 characters that run across words.

use language::is_han;

use crate::text::Normal;

/// Lengths of the pieces of characters.
const SHORTEST_PIECE: usize = 2;
const LONGEST_PIECE: usize = 5;

/// The lowest two bits of a hash say what kind of feature it is of.
const KIND: u64 = 3;

/// What a feature is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A piece of characters.
    Piece,
    /// One or two words.
    Words,
    /// One Chinese character that stands for a word, or it and the word after it.
    Han,
}

/// One feature of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feature {
    pub hash: u64,
    /// Where it is in [`Normal::letters`].
    pub start: usize,
    pub end: usize,
}

/// What the feature with this hash is made of.
pub(crate) fn kind(hash: u64) -> Kind {
    match hash & KIND {
        0 => Kind::Piece,
        1 => Kind::Words,
        _ => Kind::Han,
    }
}

/// Calls `visit` with each feature of `message`, in the same order every time; one that occurs twice comes twice.
pub(crate) fn visit(message: &Normal, mut visit: impl FnMut(Feature)) {
    let letters = &message.letters;
    for (index, &(start, end)) in message.words.iter().enumerate() {
        let one = hash_of(Hash::new(1), letters, start, end);
        let kind = if letters.get(start).is_some_and(|letter| is_han(*letter)) { Kind::Han } else { Kind::Words };
        visit(Feature { hash: one.end(kind), start, end });
        if let Some(&(next_start, next_end)) = message.words.get(index + 1) {
            let pair = hash_of(one.with(' '), letters, next_start, next_end);
            visit(Feature { hash: pair.end(kind), start, end: next_end });
        }
    }
    for start in 0..letters.len() {
        let mut hash = Hash::new(2);
        for (length, letter) in letters.iter().skip(start).take(LONGEST_PIECE).enumerate() {
            hash = hash.with(*letter);
            if length + 1 >= SHORTEST_PIECE {
                visit(Feature { hash: hash.end(Kind::Piece), start, end: start + length + 1 });
            }
        }
    }
}

fn hash_of(hash: Hash, letters: &[char], start: usize, end: usize) -> Hash {
    letters.get(start..end).unwrap_or_default().iter().fold(hash, |hash, letter| hash.with(*letter))
}

/// FNV-1a over characters, with the last step of SplitMix64, because a vocabulary looks at the highest bits alone.
/// Part of the file format: a change needs a new version of it.
#[derive(Debug, Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn new(kind: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325 ^ kind)
    }

    fn with(self, letter: char) -> Self {
        Self((self.0 ^ u64::from(u32::from(letter))).wrapping_mul(0x0000_0100_0000_01b3))
    }

    fn end(self, kind: Kind) -> u64 {
        let one = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (two ^ (two >> 31)) & !KIND | kind as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        let message = Normal::new(text);
        let mut pieces = Vec::new();
        visit(&message, |feature| {
            let kind = if kind(feature.hash) == Kind::Piece { "" } else { "w:" };
            pieces.push(format!("{kind}{}", message.piece(feature.start, feature.end)));
        });
        pieces
    }

    #[test]
    fn a_message_is_its_words_its_pairs_and_its_pieces() {
        let expected = ["w:a", "w:a b", "w:b", " a", " a ", " a b", " a b ", "a ", "a b", "a b ", " b", " b ", "b "];
        assert_eq!(pieces("A b"), expected);
        assert!(pieces("运费").contains(&"w:运 费".replace(' ', "")));
    }

    #[test]
    fn equal_pieces_have_equal_hashes_and_others_do_not() {
        let mut hashes = Vec::new();
        visit(&Normal::new("tea tea"), |feature| hashes.push((feature.start, feature.end, feature.hash)));
        let hash = |start, end| hashes.iter().find(|one| (one.0, one.1) == (start, end)).map(|one| one.2).unwrap();
        assert_eq!(hash(1, 3), hash(5, 7));
        assert_ne!(hash(1, 3), hash(2, 4));
    }

    #[test]
    fn hashes_never_change_because_files_hold_them() {
        let mut hashes = Vec::new();
        visit(&Normal::new("茶?"), |feature| hashes.push(feature.hash));
        expect_test::expect!["[d45a7a47e941c28a, 3cec0b054859d006, e932be494c472cb5]"]
            .assert_eq(&format!("{:016x?}", &hashes[..3]));
    }
}
