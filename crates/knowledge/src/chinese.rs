//! Cuts Chinese text into words, with jieba's dictionary.

mod coder;
#[cfg(test)]
mod pack;
mod word_list;

use std::sync::{Arc, OnceLock};

use jieba_rs::{Jieba, TokenizeMode};

/// jieba's words and their frequencies; `data/README.md` says which.
static DICTIONARY: &[u8] = include_bytes!("../data/chinese.packed");

/// jieba's dictionary, with which Chinese text is cut into words. It is read when the first Chinese text comes: that takes tens
/// of milliseconds and about 15 MB, and a function has to start in ten. Clones share it: one is enough for all sites.
#[derive(Clone, Default)]
pub struct Dictionary {
    jieba: Arc<OnceLock<Jieba>>,
}

impl Dictionary {
    /// Reads the dictionary, if it has not been read yet: to be called on a thread that nobody waits for.
    pub fn warm(&self) {
        self.jieba();
    }

    /// The words of a run of Chinese characters, for a question: each character in one word.
    pub(crate) fn words<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.jieba().cut(text, true).into_iter().map(|token| token.word).collect()
    }

    /// The words of a text to be found: also the shorter words in long ones.
    pub(crate) fn words_for_search<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let tokens = self.jieba().tokenize(text, TokenizeMode::Search, true);
        tokens.into_iter().map(|token| token.word).collect()
    }

    fn jieba(&self) -> &Jieba {
        // Only a broken dictionary fails, and a test reads this one; without any, text is cut into its characters.
        self.jieba.get_or_init(|| read(DICTIONARY).unwrap_or_else(Jieba::empty))
    }
}

fn read(packed: &[u8]) -> Option<Jieba> {
    let mut jieba = Jieba::empty();
    word_list::read(packed, |word, frequency| {
        jieba.add_word(word, Some(frequency as usize), None);
    })?;
    Some(jieba)
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary").field("is_warm", &self.jieba.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn unpacked(packed: &[u8]) -> Option<BTreeMap<String, u32>> {
        let mut words = BTreeMap::new();
        word_list::read(packed, |word, frequency| {
            words.insert(word.to_owned(), frequency);
        })?;
        Some(words)
    }

    #[test]
    fn the_packed_words_are_those_of_the_list() {
        let mut list = String::new();
        GzDecoder::new(&include_bytes!("../data/chinese.txt.gz")[..]).read_to_string(&mut list).unwrap();
        let words = list.lines().map(|line| line.split_once(' ').unwrap());
        let words: BTreeMap<_, _> =
            words.map(|(word, frequency)| (word.to_owned(), frequency.parse().unwrap())).collect();
        let is_same = unpacked(DICTIONARY).unwrap() == words;
        assert!(is_same, "make it anew: cargo run --release -p knowledge --example pack_chinese");
    }

    proptest! {
        #[test]
        fn any_words_are_read_as_they_were_packed(words: BTreeMap<String, u32>) {
            let packable = |word: &str, frequency| (1..=word_list::LONGEST).contains(&word.chars().count()) && frequency > 0;
            let words: BTreeMap<String, u32> =
                words.into_iter().filter(|(word, frequency)| packable(word, *frequency)).collect();
            let packed = pack::pack(&words.iter().map(|(word, frequency)| (word.as_str(), *frequency)).collect());
            prop_assert_eq!(packed.is_none(), words.is_empty());
            prop_assert!(packed.is_none_or(|packed| unpacked(&packed) == Some(words)));
        }

        #[test]
        fn what_was_not_packed_is_refused_and_nothing_panics(bytes: Vec<u8>) {
            // Hundreds of bytes may well be a few words of some alphabet; what matters is that reading them ends.
            let _ = unpacked(&bytes);
        }
    }

    #[test]
    fn what_cannot_be_packed_is_refused_and_so_is_half_a_list() {
        for (word, frequency) in [("", 1), ("茶", 0), ("茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶", 1)] {
            assert_eq!(pack::pack(&[(word, frequency)].into()), None, "{word:?} {frequency}");
        }
        assert!(unpacked(&DICTIONARY[..DICTIONARY.len() / 2]).is_none());
        assert!(unpacked(&DICTIONARY[..DICTIONARY.len() - 8]).is_none());
        assert_eq!(pack::pack(&BTreeMap::new()), None);
    }

    #[test]
    fn text_is_cut_into_words_and_for_search_into_shorter_ones_too() {
        let dictionary = Dictionary::default();
        assert_eq!(dictionary.words("红茶没有咖啡因"), ["红茶", "没有", "咖啡因"]);
        assert_eq!(dictionary.words_for_search("咖啡因"), ["咖啡", "咖啡因"]);
    }

    #[test]
    fn the_dictionary_can_be_read_and_has_the_words_of_shops() {
        let jieba = read(DICTIONARY).unwrap();
        for word in ["红茶", "白茶", "支付宝", "退换货", "快递单号"] {
            assert!(jieba.has_word(word), "{word}");
        }
        assert!(read(b"damaged").is_none());
    }

    #[test]
    fn the_dictionary_is_read_at_the_first_text_and_shared_by_clones() {
        let dictionary = Dictionary::default();
        assert!(dictionary.jieba.get().is_none());
        dictionary.clone().warm();
        assert!(dictionary.jieba.get().is_some());
    }
}
