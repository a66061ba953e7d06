//! Cuts Chinese text into words, with jieba's dictionary.

use std::io::BufReader;
use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;
use jieba_rs::{Jieba, TokenizeMode};

/// jieba's words and their frequencies; `data/README.md` says which.
static DICTIONARY: &[u8] = include_bytes!("../data/chinese.txt.gz");

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
        self.jieba.get_or_init(|| read(DICTIONARY).unwrap_or_else(|_| Jieba::empty()))
    }
}

fn read(dictionary: &[u8]) -> Result<Jieba, jieba_rs::Error> {
    let mut jieba = Jieba::empty();
    jieba.load_dict(&mut BufReader::new(GzDecoder::new(dictionary)))?;
    Ok(jieba)
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary").field("is_warm", &self.jieba.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(read(b"damaged").is_err());
    }

    #[test]
    fn the_dictionary_is_read_at_the_first_text_and_shared_by_clones() {
        let dictionary = Dictionary::default();
        assert!(dictionary.jieba.get().is_none());
        dictionary.clone().warm();
        assert!(dictionary.jieba.get().is_some());
    }
}
