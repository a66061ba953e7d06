//! How many tokens a turn will take, learnt from those that were.

/// How fast a new turn changes what is expected of the next.
const LEARNING: f64 = 0.1;

/// The most tokens one Latin byte or one wide character is thought to be.
const MAX_RATIO: f64 = 4.0;

/// By how much one turn may exceed what was expected, and these tokens more; what is above that is not learnt from. A server that
/// says something absurd once must not make every later turn look too large to be served. A true change is learnt in a few turns.
const MOST_GROWTH: f64 = 4.0;
const GROWS_FROM: f64 = 100.0;

/// How much text a turn sends, by what tokenizers treat alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of characters of one or two bytes: Latin and its kin.
    pub narrow_bytes: u64,
    /// Characters of three or four bytes: Chinese, Japanese, emoji.
    pub wide_chars: u64,
}

impl Size {
    /// Of all these texts together.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut size = Self::default();
        for char in texts.into_iter().flat_map(str::chars) {
            match char.len_utf8() {
                narrow @ (1 | 2) => size.narrow_bytes += narrow as u64,
                _ => size.wide_chars += 1,
            }
        }
        size
    }
}

/// What is expected of a model's turns: `base + narrow_bytes × a + wide_chars × b` tokens of question, and so many of answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    base: f64,
    narrow: f64,
    wide: f64,
    completion: f64,
    max_tokens: f64,
    turns: u64,
}

impl Estimates {
    /// Before the first turn. English has about four bytes to a token, Chinese up to one token a character. The instructions
    /// and passages that the function adds are in `base`. `max_tokens` bounds the answer; 0: nothing does.
    pub fn new(max_tokens: u64) -> Self {
        let max_tokens = if max_tokens == 0 { f64::INFINITY } else { max_tokens as f64 };
        Self { base: 300.0, narrow: 0.27, wide: 0.8, completion: max_tokens.min(300.0), max_tokens, turns: 0 }
    }

    /// Tokens that a turn of this size is expected to take, question and answer. At least 1.
    pub fn tokens(&self, size: Size) -> u64 {
        (self.prompt(size) + self.completion).round().max(1.0) as u64
    }

    fn prompt(&self, size: Size) -> f64 {
        self.base + self.narrow * size.narrow_bytes as f64 + self.wide * size.wide_chars as f64
    }

    /// A turn of `size` took these. Zero tokens of question mean that nobody counted them.
    pub fn handle_used(&mut self, size: Size, prompt: u64, completion: u64) {
        self.turns += 1;
        // The first turns count more: what is not known yet cannot be held on to.
        let step = LEARNING.max(1.0 / self.turns as f64);
        let learnt = |said: u64, expected: f64| (said as f64).min(MOST_GROWTH * (expected + GROWS_FROM));
        if prompt > 0 {
            self.learn_prompt(size, learnt(prompt, self.prompt(size)), step);
        }
        self.completion += step * (learnt(completion, self.completion).min(self.max_tokens) - self.completion);
    }

    /// Normalised least mean squares: the error is divided among the three by how much each had to do with it.
    fn learn_prompt(&mut self, size: Size, prompt: f64, step: f64) {
        // In thousands, so that the base moves as readily as the ratios.
        let (narrow, wide) = (size.narrow_bytes as f64 / 1_000.0, size.wide_chars as f64 / 1_000.0);
        let share = step * (prompt - self.prompt(size)) / (1.0 + narrow * narrow + wide * wide);
        self.base = (self.base + share).max(0.0);
        self.narrow = (self.narrow + share * narrow / 1_000.0).clamp(0.0, MAX_RATIO);
        self.wide = (self.wide + share * wide / 1_000.0).clamp(0.0, MAX_RATIO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After `turns` of `actual(size)` tokens: the mean error of the last tenth, as a fraction.
    fn error_after(turns: u64, actual: impl Fn(Size) -> u64) -> f64 {
        let mut estimates = Estimates::new(500);
        let (mut off, mut whole) = (0.0, 0.0);
        for turn in 0..turns {
            let spread = turn * 7_919 % 3_000;
            let size = Size { narrow_bytes: spread, wide_chars: if turn % 2 == 0 { 0 } else { 1_500 - spread / 2 } };
            let (prompt, completion) = (actual(size), 150);
            if turn >= turns - turns / 10 {
                off += (estimates.tokens(size) as f64 - (prompt + completion) as f64).abs();
                whole += (prompt + completion) as f64;
            }
            estimates.handle_used(size, prompt, completion);
        }
        off / whole
    }

    #[test]
    fn narrow_and_wide_text_are_told_apart() {
        let size = Size::of(["Hallö", "你好🙂"]);
        assert_eq!(size, Size { narrow_bytes: 6, wide_chars: 3 });
    }

    #[test]
    fn the_estimate_comes_near_whatever_the_tokenizer_and_the_instructions() {
        let english = |size: Size| 80 + size.narrow_bytes / 4 + size.wide_chars * 6 / 10;
        let wasteful = |size: Size| 2_000 + size.narrow_bytes / 2 + size.wide_chars * 2;
        assert!(error_after(400, english) < 0.05, "{}", error_after(400, english));
        assert!(error_after(400, wasteful) < 0.05, "{}", error_after(400, wasteful));
    }

    #[test]
    fn an_answer_is_never_expected_to_be_longer_than_it_may() {
        let mut estimates = Estimates::new(100);
        for _ in 0..50 {
            estimates.handle_used(Size::default(), 0, 5_000);
        }
        assert_eq!(estimates.tokens(Size::default()), 400, "the base, which nobody counted, and the longest answer");
    }
}
