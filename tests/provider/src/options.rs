//! What the provider is told: at its start, and most of it also while it runs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::headers::{HeaderStyle, RetryAfter};
use crate::latency::Latency;
use crate::quota::QuotaOptions;
use crate::rules::RuleSet;

/// What it answers where nobody asks for anything else.
const ANSWER: &str = "Thank you for asking. An order that was paid before noon leaves the same day, and you get an e-mail \
    with its number as soon as the parcel is on its way. Most parcels arrive after two days.";

/// Where to listen, and how to begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// HTTP/1.1 and HTTP/2 by prior knowledge; port 0 picks a free one. Loopback only, as all of them.
    pub listen: SocketAddr,
    /// The same with TLS, the protocol chosen by ALPN; nothing: no TLS.
    pub tls_listen: Option<SocketAddr>,
    /// Where it is watched and changed.
    pub admin_listen: SocketAddr,
    /// Everything else.
    pub settings: Settings,
}

/// What may also be changed while it runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The key that every request must carry; nothing: any, or none.
    pub api_key: Option<String>,
    /// What is let through.
    pub quota: QuotaOptions,
    /// How headers tell about the quota.
    pub headers: HeaderStyle,
    /// What a 429 tells about when to come back.
    pub retry_after: RetryAfter,
    /// What is answered, and how fast.
    pub answers: Answers,
    /// How connections are treated.
    pub connections: Connections,
    /// Which requests get a fault.
    pub rules: RuleSet,
    /// Chooses all times and chances.
    pub seed: u64,
}

/// What is answered, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answers {
    /// The text. Its words are the tokens.
    pub text: String,
    /// Exactly so many tokens: the text is cut, or begins again.
    pub tokens: Option<usize>,
    /// From the request to the first token, milliseconds.
    pub first_token_ms: Latency,
    /// From one token to the next, milliseconds.
    pub per_token_ms: Latency,
    /// Every token is the moment at which it is written instead, see [`crate::stamps`].
    pub stamp: bool,
}

/// How connections are treated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connections {
    /// New ones are reset at once.
    pub refuse: bool,
    /// How long TLS waits before its first byte, milliseconds.
    pub tls_delay_ms: u64,
    /// Those without a request are closed after so long, milliseconds; GOAWAY on HTTP/2.
    pub idle_ms: Option<u64>,
    /// Those that had so many requests are closed; GOAWAY on HTTP/2.
    pub requests: Option<u64>,
    /// Streams at once on one connection of HTTP/2.
    pub streams: u32,
    /// The most at once; more wait to be accepted.
    pub most: usize,
}

impl Default for Options {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen: any, tls_listen: None, admin_listen: any, settings: Settings::default() }
    }
}

impl Options {
    /// On free ports, with these settings.
    pub fn with(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// With TLS too, on a free port.
    #[must_use]
    pub fn and_tls(mut self) -> Self {
        self.tls_listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        self
    }

    /// # Errors
    /// An address that others can reach.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for address in [Some(self.listen), self.tls_listen, Some(self.admin_listen)].into_iter().flatten() {
            ensure!(address.ip().is_loopback(), "{address} can be reached from elsewhere: use a loopback address");
        }
        Ok(())
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            text: ANSWER.to_owned(),
            tokens: None,
            first_token_ms: Latency::NONE,
            per_token_ms: Latency::NONE,
            stamp: false,
        }
    }
}

impl Answers {
    /// The tokens of `text`, or of the usual one.
    pub(crate) fn tokens(&self, text: Option<&str>) -> Vec<String> {
        let words = words(text.unwrap_or(&self.text));
        match self.tokens {
            Some(count) if text.is_none() && !words.is_empty() => words.iter().cycle().take(count).cloned().collect(),
            _ => words,
        }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self { refuse: false, tls_delay_ms: 0, idle_ms: None, requests: None, streams: 100, most: 8192 }
    }
}

/// Words with the space after them; where there are no spaces, two characters each.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split_inclusive(' ') {
        if word.is_ascii() {
            words.push(word.to_owned());
            continue;
        }
        let characters: Vec<char> = word.chars().collect();
        words.extend(characters.chunks(2).map(|pair| pair.iter().collect::<String>()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_and_lose_nothing() {
        assert_eq!(words("one  two\nthree "), ["one ", " ", "two\nthree "]);
        assert_eq!(words("你好吗 ok"), ["你好", "吗 ", "ok"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn a_number_of_tokens_cuts_the_text_or_repeats_it() {
        let answers = Answers { text: "a b".into(), tokens: Some(3), ..Answers::default() };
        assert_eq!(answers.tokens(None), ["a ", "b", "a "]);
        assert_eq!(answers.tokens(Some("c d")), ["c ", "d"]);
    }

    #[test]
    fn only_loopback_is_listened_on() {
        let reachable = Options { listen: ([0, 0, 0, 0], 0).into(), ..Options::default() };
        assert!(reachable.check().is_err());
        assert!(Options::default().and_tls().check().is_ok());
    }
}
