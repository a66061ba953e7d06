//! What a response's headers say of the quota: `x-ratelimit-*` and `Retry-After`.
//!
//! | header | read |
//! |---|---|
//! | `x-ratelimit-limit-requests`, `-tokens` | whole numbers; 0 and less count as absent |
//! | `x-ratelimit-remaining-requests`, `-tokens` | whole numbers; less than 0 counts as absent, 0 too unless the limit is known |
//! | `x-ratelimit-reset-requests`, `-tokens` | `1s`, `6m0s`, `20ms`, `1h2m3.5s`, or seconds; 0 and less count as absent |
//! | `retry-after-ms`, `retry-after` | milliseconds; seconds or an HTTP date; 0 and less, and a date that is over, count as absent |
//!
//! Azure sends −1 and 0 and means nothing by them.

use std::time::{Duration, SystemTime};

use protocol::function::{AiLimit, AiQuota};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

/// The longest time believed. A value beyond it is no time.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// What is known after a response of `model`'s server. Nothing if it said nothing.
pub(crate) fn read(model: &str, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<AiQuota> {
    let quota = AiQuota {
        model: model.to_owned(),
        requests: limit(headers, "requests"),
        tokens: limit(headers, "tokens"),
        refused: status == StatusCode::TOO_MANY_REQUESTS,
        retry_after_ms: retry_after(headers, now).map(milliseconds),
    };
    let says_something =
        quota.refused || quota.requests.is_some() || quota.tokens.is_some() || quota.retry_after_ms.is_some();
    says_something.then_some(quota)
}

/// A 429 that came as an error inside a stream with a good status.
pub(crate) fn refused_in_stream(model: &str) -> AiQuota {
    AiQuota { model: model.to_owned(), refused: true, ..AiQuota::default() }
}

/// When the server wants to be asked again.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| text(headers, name)?.parse::<f64>().ok();
    if let Some(milliseconds) = number("retry-after-ms") {
        return seconds(milliseconds / 1000.0);
    }
    match number("retry-after") {
        Some(number) => seconds(number),
        None => httpdate::parse_http_date(text(headers, "retry-after")?).ok()?.duration_since(now).ok(),
    }
    .filter(|wait| (Duration::from_millis(1)..LONGEST).contains(wait))
}

/// The highest limit that is believed: the highest that can be configured.
const MAX_LIMIT: u64 = 1_000_000_000_000;

fn limit(headers: &HeaderMap, of: &str) -> Option<AiLimit> {
    let number = |what: &str| text(headers, &format!("x-ratelimit-{what}-{of}"))?.parse::<u64>().ok();
    let limit = number("limit").filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let remaining = number("remaining").filter(|remaining| *remaining > 0 || limit.is_some());
    let remaining = remaining.map(|remaining| remaining.min(limit.unwrap_or(MAX_LIMIT)));
    let reset = text(headers, &format!("x-ratelimit-reset-{of}")).and_then(duration);
    (limit.is_some() || remaining.is_some()).then(|| AiLimit { limit, remaining, reset_ms: reset.map(milliseconds) })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// `6m0s`, `1.5s`, `20ms`, or a bare number of seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_ends = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        let in_seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * in_seconds;
        rest = after;
    }
    seconds(total)
}

/// Positive and believable.
fn seconds(seconds: f64) -> Option<Duration> {
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (!duration.is_zero() && duration < LONGEST).then_some(duration)
}

/// Rounded up: a little late is better than a little early.
fn milliseconds(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        headers.iter().map(header).collect()
    }

    fn quota(status: u16, values: &[(&'static str, &str)]) -> Option<AiQuota> {
        read("own", StatusCode::from_u16(status).unwrap(), &headers(values), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn both_quotas_are_read_as_openai_sends_them() {
        let read = quota(
            200,
            &[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "1s"),
                ("x-ratelimit-limit-tokens", "150000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
        );
        let expected = AiQuota {
            model: "own".into(),
            requests: Some(AiLimit { limit: Some(60), remaining: Some(59), reset_ms: Some(1_000) }),
            tokens: Some(AiLimit { limit: Some(150_000), remaining: Some(0), reset_ms: Some(360_000) }),
            refused: false,
            retry_after_ms: None,
        };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn a_number_that_no_server_can_mean_is_not_believed() {
        let read = |limit: &str| {
            let most = u64::MAX.to_string();
            quota(200, &[("x-ratelimit-limit-requests", limit), ("x-ratelimit-remaining-requests", &most)])?.requests
        };
        assert_eq!(read("100"), Some(AiLimit { limit: Some(100), remaining: Some(100), reset_ms: None }));
        let alone = AiLimit { limit: None, remaining: Some(MAX_LIMIT), reset_ms: None };
        assert_eq!(read(&u64::MAX.to_string()), Some(alone));
    }

    #[test]
    fn a_response_that_says_nothing_is_no_quota() {
        assert_eq!(quota(200, &[]), None);
        let azure = [
            ("x-ratelimit-limit-requests", "-1"),
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-limit-tokens", "0"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "0s"),
            ("retry-after", "0"),
        ];
        assert_eq!(quota(200, &azure), None);
        assert_eq!(quota(503, &[]), None);
    }

    #[test]
    fn a_refusal_is_one_even_without_headers() {
        let refused = AiQuota { model: "own".into(), refused: true, ..AiQuota::default() };
        assert_eq!(quota(429, &[]), Some(refused.clone()));
        assert_eq!(quota(429, &[("retry-after", "2")]), Some(AiQuota { retry_after_ms: Some(2_000), ..refused }));
    }

    #[test]
    fn durations_are_read_in_every_form_that_is_sent() {
        for (text, milliseconds) in [
            ("1s", 1_000),
            ("6m0s", 360_000),
            ("20ms", 20),
            ("1h2m3.5s", 3_723_500),
            ("7.66s", 7_660),
            ("1d", 86_400_000),
            ("1.2", 1_200),
            ("250us", 1),
        ] {
            assert_eq!(duration(text).map(super::milliseconds), Some(milliseconds), "{text}");
        }
        for nothing in
            ["", "0", "0s", "-1", "-1s", "s", "5 s", "1x", "soon", "1..2s", "inf", "NaN", "1790000000", "1e300"]
        {
            assert_eq!(duration(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_waits_that_lie_ahead_count() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let wait = |name: &'static str, value: &str| retry_after(&headers(&[(name, value)]), now);
        assert_eq!(wait("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("retry-after-ms", "40"), Some(Duration::from_millis(40)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2026 07:28:07 GMT"), Some(Duration::from_secs(7)));
        for nothing in ["0", "-1", "", "soon", "NaN", "inf", "1e300", "Wed, 21 Oct 2026 07:27:59 GMT"] {
            assert_eq!(wait("retry-after", nothing), None, "{nothing}");
        }
        let both = headers(&[("retry-after-ms", "40"), ("retry-after", "9")]);
        assert_eq!(retry_after(&both, now), Some(Duration::from_millis(40)));
    }
}
