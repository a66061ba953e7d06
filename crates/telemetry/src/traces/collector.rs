//! One request to a collector: OTLP over HTTP, in protobuf.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use prost::bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};

use super::exporter::Settings;

/// How long a collector may take for one request, as OpenTelemetry advises.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most of a response that is read, in bytes. What it says is short.
const MAX_RESPONSE: usize = 64 * 1024;

/// Spans, as they are sent.
pub(super) struct Batch {
    pub(super) body: Bytes,
    pub(super) spans: u64,
    pub(super) attempts: u32,
}

/// Why the collector has not got a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// Trying again is of no use.
    #[error("it answered {0}; check traces.url and traces.headers")]
    Refused(StatusCode),
    /// The same may succeed later.
    #[error("{0}")]
    Away(String),
}

pub(super) struct Collector {
    /// Why there is none, in its place.
    client: Result<Client, String>,
    url: String,
}

impl Collector {
    pub(super) fn new(settings: Settings) -> Self {
        let client = outbound::client().timeout(TIMEOUT).default_headers(headers(settings.headers)).build();
        Self { client: client.map_err(|error| format!("no HTTP client can be made: {error}")), url: settings.url }
    }

    /// Sends a batch; gives how many spans of it the collector did not want.
    pub(super) async fn send(&self, batch: &Batch) -> Result<u64, NotTaken> {
        let client = self.client.as_ref().map_err(|error| NotTaken::Away(error.clone()))?;
        let sent = client.post(&self.url).body(batch.body.clone()).send().await;
        let response = sent.map_err(|error| NotTaken::Away(reason(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(refused(response).await.min(batch.spans)),
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Err(NotTaken::Away(format!("it answered {status}"))),
            status => Err(NotTaken::Refused(status)),
        }
    }
}

/// How many spans the collector says that it left out. One that says nothing took all.
async fn refused(mut response: Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > MAX_RESPONSE {
            return 0;
        }
    }
    let said = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
    said.partial_success.map_or(0, |partial| partial.rejected_spans.try_into().unwrap_or(0))
}

/// The configuration has checked that each of them can be sent.
fn headers(pairs: Vec<(String, String)>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))]);
    for (name, value) in pairs {
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

/// The innermost error. The outer ones repeat the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
