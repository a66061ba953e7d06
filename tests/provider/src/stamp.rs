//! Moments inside an answer's text, so that a reader on the same machine can tell how long a token was on its way.

use std::time::{SystemTime, UNIX_EPOCH};

/// Digits of a moment: microseconds since 1970 have so many until the year 2286.
const DIGITS: usize = 16;

/// The moment of now, as a token of an answer: `@1790000000000000 `.
pub(crate) fn now() -> String {
    format!("@{:0DIGITS$} ", unix_us())
}

/// The moments in a text, Unix microseconds. A moment that was cut in two by the end of the text is left out: put the
/// pieces of an answer together before, or keep what follows the last space.
pub fn stamps(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split('@').skip(1).filter_map(|rest| {
        let digits = rest.get(..DIGITS)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    })
}

/// Microseconds since 1970.
pub fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_found_in_a_text() {
        let before = unix_us();
        let text = format!("{}{}a@b {}", now(), now(), &now()[..9]);
        let found: Vec<_> = stamps(&text).collect();
        assert_eq!(found.len(), 2);
        assert!(before <= found[0] && found[0] <= found[1] && found[1] <= unix_us(), "{found:?}");
    }
}
