//! What a response's headers tell about the limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quota::{Level, Levels};

/// How the headers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderStyle {
    /// `x-ratelimit-limit-requests: 5000`, `-remaining-requests: 4999`, `-reset-requests: 12ms`, the same for tokens.
    #[default]
    OpenAi,
    /// As some deployments of Azure: a limit of 0, −1 remaining, reset at once.
    Azure,
    /// None at all.
    None,
}

/// What a 429 tells about when to come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `retry-after` in whole seconds, rounded up, and `retry-after-ms`.
    #[default]
    Both,
    /// Only `retry-after`.
    Seconds,
    /// Only `retry-after-ms`.
    Milliseconds,
    /// Nothing.
    None,
}

/// A header's name and value.
pub(crate) type Header = (&'static str, String);

/// The headers about the limits.
pub(crate) fn limits(style: HeaderStyle, levels: &Levels) -> Vec<Header> {
    let names = [
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    ];
    let values = |level: &Level| match style {
        HeaderStyle::OpenAi => [level.per_minute.to_string(), level.remaining.to_string(), duration(level.reset)],
        _ => ["0".to_owned(), "-1".to_owned(), "0".to_owned()],
    };
    let told = if style == HeaderStyle::None { [&None, &None] } else { [&levels.requests, &levels.tokens] };
    let of_one =
        |(names, level): ([&'static str; 3], &Option<Level>)| level.as_ref().map(|l| names.into_iter().zip(values(l)));
    names.into_iter().zip(told).filter_map(of_one).flatten().collect()
}

/// The headers about when to come back.
pub(crate) fn retry_after(style: RetryAfter, wait: Duration) -> Vec<Header> {
    let milliseconds = wait.as_micros().div_ceil(1000);
    let (seconds, exact) = match style {
        RetryAfter::Both => (true, true),
        RetryAfter::Seconds => (true, false),
        RetryAfter::Milliseconds => (false, true),
        RetryAfter::None => (false, false),
    };
    let headers = [
        seconds.then(|| ("retry-after", milliseconds.div_ceil(1000).to_string())),
        exact.then(|| ("retry-after-ms", milliseconds.to_string())),
    ];
    headers.into_iter().flatten().collect()
}

/// A time as OpenAI writes it: `0s`, `20ms`, `1s`, `8.64s`, `6m0s`, `1h2m3s`.
pub(crate) fn duration(time: Duration) -> String {
    let milliseconds = time.as_micros().div_ceil(1000);
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let mut text = match (hours, minutes) {
        (0, 0) => String::new(),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    };
    text.push_str(&(rest / 1000).to_string());
    if rest % 1000 > 0 {
        text.push_str(format!(".{:03}", rest % 1000).trim_end_matches('0'));
    }
    text + "s"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_writes_them() {
        let expected = [
            (0, "0s"),
            (20, "20ms"),
            (999, "999ms"),
            (1000, "1s"),
            (8640, "8.64s"),
            (60_000, "1m0s"),
            (86_400, "1m26.4s"),
            (179_005, "2m59.005s"),
            (360_000, "6m0s"),
            (3_723_000, "1h2m3s"),
        ];
        for (milliseconds, text) in expected {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(duration(Duration::from_micros(1)), "1ms", "a reset is never told too early");
    }

    fn levels() -> Levels {
        let requests = Level { per_minute: 60, remaining: 59, reset: Duration::from_secs(1) };
        let tokens = Level { per_minute: 150_000, remaining: 149_984, reset: Duration::from_millis(7) };
        Levels { requests: Some(requests), tokens: Some(tokens) }
    }

    fn text(headers: &[Header]) -> String {
        headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    #[test]
    fn limits_are_told_as_openai_tells_them() {
        let expected = "x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 59\nx-ratelimit-reset-requests: 1s\n\
            x-ratelimit-limit-tokens: 150000\nx-ratelimit-remaining-tokens: 149984\nx-ratelimit-reset-tokens: 7ms\n";
        assert_eq!(text(&limits(HeaderStyle::OpenAi, &levels())), expected);
    }

    #[test]
    fn limits_may_say_nothing_or_nonsense() {
        assert_eq!(limits(HeaderStyle::None, &levels()), []);
        assert_eq!(limits(HeaderStyle::OpenAi, &Levels::default()), []);
        let azure = text(&limits(HeaderStyle::Azure, &Levels { tokens: None, ..levels() }));
        assert_eq!(
            azure,
            "x-ratelimit-limit-requests: 0\nx-ratelimit-remaining-requests: -1\nx-ratelimit-reset-requests: 0\n"
        );
    }

    #[test]
    fn a_wait_is_told_in_seconds_and_milliseconds_rounded_up() {
        let wait = Duration::from_micros(1_200_001);
        assert_eq!(text(&retry_after(RetryAfter::Both, wait)), "retry-after: 2\nretry-after-ms: 1201\n");
        assert_eq!(text(&retry_after(RetryAfter::Seconds, wait)), "retry-after: 2\n");
        assert_eq!(text(&retry_after(RetryAfter::Milliseconds, wait)), "retry-after-ms: 1201\n");
        assert_eq!(retry_after(RetryAfter::None, wait), []);
    }
}
