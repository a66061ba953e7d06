//! Where traces of turns go: `[traces]`.

use crate::ConfigError;
use crate::schema::{join, section, unset};
use crate::values::{BaseUrl, Secret};

section! {
    /// Traces of turns, for a collector that takes OpenTelemetry's protocol over HTTP (OTLP, protobuf). They never hold a
    /// message's text, a token or a key. Off without `url`. See [telemetry.md](telemetry.md).
    pub struct Traces {
        /// Where the collector takes traces, the whole address, like `http://127.0.0.1:4318/v1/traces`. Where it is not set,
        /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is taken, else `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` after it; neither
        /// with `OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none`.
        url: Option<BaseUrl> = unset();
        /// Headers for the collector, such as its key: `name=value,name=value`, values percent-encoded. Where it is not set,
        /// `OTEL_EXPORTER_OTLP_TRACES_HEADERS` is taken, else `OTEL_EXPORTER_OTLP_HEADERS`.
        headers: Option<Secret> = unset();
    }
}

impl Traces {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        let is_header = |(name, value): (String, String)| {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            !name.is_empty() && name.bytes().all(is_name) && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        match self.headers().into_iter().all(is_header) {
            true => Ok(()),
            false => {
                Err(ConfigError::new(join(path, "headers"), "must be name=value,name=value, values percent-encoded"))
            }
        }
    }

    /// The headers by name. Do not log them.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let written = self.headers.as_ref().map_or("", Secret::reveal);
        let header = |one: &str| {
            let (name, value) = one.split_once('=').unwrap_or((one, "%0A")); // No header may have that value.
            (name.trim().to_owned(), decoded(value.trim()))
        };
        written.split(',').filter(|one| !one.trim().is_empty()).map(header).collect()
    }
}

/// Without its `%XX`. What cannot be decoded stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| char::from(*tail.get(at)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
