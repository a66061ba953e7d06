//! Traces: what a turn spends its time with, over node and functions, for a collector.
//!
//! Spans are made with `tracing` and the target [`TARGET`]; nothing else becomes a span, so that no library's fields leave
//! the process, and log lines stay log lines. Without a collector no such span is enabled: it costs one comparison, and
//! nothing is allocated. Spans hold names of the configuration, ids, times and counts, never a message's text, a token or a
//! key.
//!
//! A trace goes on in a function by the field `traceparent` of its payload ([`traceparent`], [`follow`]), as W3C's Trace
//! Context writes it: Lambda's invoke API hands no header of the caller to a function, but every byte of the payload.
//!
//! The cargo feature `otlp` holds all that talks to a collector. Without it everything here does nothing.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(not(feature = "otlp"))]
#[path = "off.rs"]
mod otlp;
#[cfg(feature = "otlp")]
#[path = "on.rs"]
mod otlp;

use std::time::Duration;

use config::Config;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::metric::MetricsError;

pub(crate) use otlp::Layer;
pub use otlp::{follow, mark, set_list, trace_id, traceparent};

/// The target of every span that goes to a collector.
pub const TARGET: &str = "frontdesk::trace";

/// Who makes spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program<'p> {
    /// `service.name`, such as `conn-node`.
    pub service: &'static str,
    /// `service.instance.id`, and in every log line: the node's name.
    pub node: Option<&'p str>,
}

/// Why a program cannot say what it does.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Log lines were set up before.
    #[error("the log lines cannot be set up: {0}")]
    Log(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// Nothing can be sent in the background.
    #[error("no thread can be started that sends traces: {0}")]
    Thread(std::io::Error),
    /// A fault in the declaration of metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

/// The traces of this process, on their way to the collector, or the absence of any. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    sender: Option<(otlp::Sender, Counts)>,
}

/// What became of spans.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// `frontdesk_spans_exported_total`: taken by the collector.
    pub(crate) exported: IntCounter,
    /// `frontdesk_spans_dropped_total{reason}`: `queue_full`, `refused` or `away`.
    pub(crate) dropped: IntCounterVec,
}

impl Counts {
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is sent"))]
    pub(crate) fn new() -> Result<Self, MetricsError> {
        let exported = IntCounter::new("frontdesk_spans_exported_total", "Spans that the collector took.")?;
        let opts = Opts::new("frontdesk_spans_dropped_total", "Spans that were given up, by reason.");
        let dropped = IntCounterVec::new(opts, &["reason"])?;
        for reason in ["queue_full", "refused", "away"] {
            dropped.with_label_values(&[reason]);
        }
        Ok(Self { exported, dropped })
    }
}

impl Traces {
    /// None: spans are not made.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Whether spans are made.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.sender.is_some()
    }

    /// Sends what has been recorded, and waits for it, at most `within`. A collector that failed
    /// just now, or that took longer the last time, is not waited for.
    pub async fn flush(&self, within: Duration) {
        if let Some((sender, _)) = &self.sender {
            sender.flush(within).await;
        }
    }

    /// Puts the counters of spans among these.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), MetricsError> {
        if let Some((_, counts)) = &self.sender {
            registry.register(Box::new(counts.exported.clone()))?;
            registry.register(Box::new(counts.dropped.clone()))?;
        }
        Ok(())
    }
}

/// Begins to send log lines to standard error, and traces to the collector where the configuration names one. To be called
/// once, first thing in `main`.
///
/// # Errors
/// See [`StartError`].
pub fn start(config: &Config, program: Program<'_>) -> Result<Traces, StartError> {
    let opened = otlp::open(&config.traces, program)?;
    let (traces, layer) = opened.map_or((Traces::off(), None), |(traces, layer)| (traces, Some(layer)));
    let lines = crate::log::with_traces(&config.log, program.node, std::io::stderr, layer);
    crate::log::set(lines)?;
    if config.traces.url.is_some() && !traces.are_on() {
        tracing::warn!(
            "traces.url is set, and this program was built without traces: build it with cargo build --release -p {} --features otlp",
            program.service
        );
    }
    Ok(traces)
}
