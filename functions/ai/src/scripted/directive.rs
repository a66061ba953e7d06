//! Messages that tell the scripted model to fail, for tests. Understood only where the configuration allows it.

use std::time::Duration;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// `/crash [TOKENS]`: the process ends, after so many tokens.
    Crash(usize),
    /// `/hang [TOKENS]`: the process stops doing anything for this turn, clocks included, after so many tokens.
    Hang(usize),
    /// `/fail [TOKENS]`: the model's connection breaks, after so many tokens.
    Fail(usize),
    /// `/stall [TOKENS]`: the model says nothing more, after so many tokens; the turn's clocks go on.
    Stall(usize),
    /// `/slow MILLISECONDS`: the first token comes so late.
    Slow(Duration),
    /// `/long TOKENS`: an answer of so many tokens.
    Long(usize),
    /// `/handover`: the assistant gives the conversation to people.
    Handover,
}

/// Text for answers whose contents do not matter: eight tokens.
pub(crate) const FILLER: &str = "One two three four five six seven eight\n";

/// The most tokens `/long` writes.
const MAX_TOKENS: usize = 100_000;

/// Reads a message.
pub(crate) fn parse(message: &str) -> Option<Directive> {
    let mut words = message.split_whitespace();
    let word = words.next()?;
    let number: Option<usize> = words.next().and_then(|number| number.parse().ok());
    let tokens = number.unwrap_or(0).min(MAX_TOKENS);
    match word {
        "/crash" => Some(Directive::Crash(tokens)),
        "/hang" => Some(Directive::Hang(tokens)),
        "/fail" => Some(Directive::Fail(tokens)),
        "/stall" => Some(Directive::Stall(tokens)),
        "/slow" => Some(Directive::Slow(Duration::from_millis(number.unwrap_or(3_000) as u64))),
        "/long" => Some(Directive::Long(number.map_or(1_000, |_| tokens))),
        "/handover" => Some(Directive::Handover),
        _ => None,
    }
}

/// `tokens` tokens of filler.
pub(crate) fn filler(tokens: usize) -> String {
    let text = FILLER.repeat(tokens.div_ceil(8));
    super::pace::tokens(&text).take(tokens).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_with_and_without_their_number() {
        assert_eq!(parse("/crash"), Some(Directive::Crash(0)));
        assert_eq!(parse(" /fail 7 "), Some(Directive::Fail(7)));
        assert_eq!(parse("/slow 50"), Some(Directive::Slow(Duration::from_millis(50))));
        assert_eq!(parse("/long"), Some(Directive::Long(1_000)));
        assert_eq!(parse("/long 9999999"), Some(Directive::Long(MAX_TOKENS)));
        assert_eq!(parse("crash"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn filler_has_the_tokens_asked_for() {
        for tokens in [0, 1, 8, 20] {
            assert_eq!(super::super::pace::tokens(&filler(tokens)).count(), tokens);
        }
    }
}
