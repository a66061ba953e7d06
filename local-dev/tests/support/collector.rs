//! A stand-in for OpenTelemetry's collector: takes spans over HTTP in protobuf, and keeps them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode as SpanStatus};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::program::LONGEST_WAIT;

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Take,
    Refuse,
    /// It never answers.
    Hang,
}

/// A running collector.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    kept: Arc<Kept>,
}

struct Kept {
    manner: Manner,
    requests: Mutex<Vec<(HeaderMap, Bytes)>>,
    count: watch::Sender<usize>,
}

/// A span, and the process that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Collector {
    pub(crate) async fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let kept = Arc::new(Kept { manner, requests: Mutex::default(), count: watch::channel(0).0 });
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { address, kept })
    }

    /// What came, as it came.
    pub(crate) fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for so many requests.
    pub(crate) async fn asked(&self, times: usize) -> Result<()> {
        let mut count = self.kept.count.subscribe();
        timeout(LONGEST_WAIT, count.wait_for(|count| *count >= times)).await??;
        Ok(())
    }

    /// Waits until these spans have come, by name, and gives all that have.
    pub(crate) async fn spans(&self, wanted: &[&str]) -> Result<Vec<Seen>> {
        let mut count = self.kept.count.subscribe();
        let found = async {
            loop {
                count.borrow_and_update();
                let seen = self.seen()?;
                let has = |name: &&str| seen.iter().any(|seen| seen.span.name == *name);
                if wanted.iter().all(has) {
                    return Ok(seen);
                }
                count.changed().await?;
            }
        };
        match timeout(LONGEST_WAIT, found).await {
            Ok(found) => found,
            Err(_) => anyhow::bail!("not all of {wanted:?} came: {:?}", self.seen()?),
        }
    }

    fn seen(&self) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for (_, body) in self.requests() {
            for from in ExportTraceServiceRequest::decode(body)?.resource_spans {
                let resource = from.resource.context("no resource")?;
                let service = text(&resource.attributes, "service.name").context("no service.name")?;
                let spans = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
                seen.extend(spans.map(|span| Seen { service: service.clone(), span }));
            }
        }
        Ok(seen)
    }
}

async fn take(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    kept.requests.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
    kept.count.send_modify(|count| *count += 1);
    match kept.manner {
        Manner::Take => (StatusCode::OK, ""),
        Manner::Refuse => (StatusCode::BAD_REQUEST, ""),
        Manner::Hang => std::future::pending().await,
    }
}

impl Seen {
    /// An attribute, as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code() == SpanStatus::Error)
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    shown(found.value.as_ref()?)
}

fn shown(value: &AnyValue) -> Option<String> {
    Some(match value.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::ArrayValue(list) => {
            format!("[{}]", list.values.iter().filter_map(shown).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    })
}
