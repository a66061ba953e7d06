//! Cuts Chinese text into words, with jieba's dictionary.

use std::sync::{Arc, OnceLock};

use jieba_rs::{Jieba, TokenizeMode};

/// jieba, whose dictionary is read when the first Chinese text comes: that takes about a tenth of a second, and a function
/// has to start in ten milliseconds. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Segmenter {
    jieba: Arc<OnceLock<Jieba>>,
}

impl Segmenter {
    /// Reads the dictionary, if it has not been read yet.
    pub(crate) fn warm(&self) {
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
        self.jieba.get_or_init(Jieba::new)
    }
}

impl std::fmt::Debug for Segmenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segmenter").field("is_warm", &self.jieba.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_into_words_and_for_search_into_shorter_ones_too() {
        let segmenter = Segmenter::default();
        assert_eq!(segmenter.words("红茶没有咖啡因"), ["红茶", "没有", "咖啡因"]);
        assert_eq!(segmenter.words_for_search("咖啡因"), ["咖啡", "咖啡因"]);
    }

    #[test]
    fn the_dictionary_is_read_at_the_first_text_and_shared_by_clones() {
        let segmenter = Segmenter::default();
        assert!(segmenter.jieba.get().is_none());
        segmenter.clone().warm();
        assert!(segmenter.jieba.get().is_some());
    }
}
