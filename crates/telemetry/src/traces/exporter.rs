//! Spans are sent in the background, by a thread of its own: neither a turn nor a worker of the program waits for it.
//!
//! A span that has ended goes into a bounded queue; one that finds it full is dropped. The thread sends what has come
//! within a second, or as soon as it is many. What the collector could not take for the moment is tried again a few times,
//! each time later; what it refused is dropped. All that is dropped is counted, and the first failure in a row is logged.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Counts;
use super::collector::{Batch, Collector, NotTaken};

/// Ended spans that wait. A turn with an answer has about six over all processes.
const QUEUE: usize = 2_048;

/// Spans in one request.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// How often a batch is sent before it is given up.
const ATTEMPTS: u32 = 4;

/// The pause after the first attempt. Doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Those who wait for a flush at once; more wait for their turn.
const FLUSHES: usize = 16;

/// Where spans go.
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Takes ended spans.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: Counts,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.counts.dropped.with_label_values(&["queue_full"]).inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(()) // Whoever wants that asks `Traces::flush`, which does not block a thread.
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// How the thread is asked to send at once.
#[derive(Debug, Clone)]
pub(super) struct Flushes {
    pub(super) asked: mpsc::Sender<oneshot::Sender<()>>,
    /// It was asked and did not send in time, and the collector has taken nothing since.
    pub(super) is_late: Arc<AtomicBool>,
}

/// Starts the thread. It ends with the queue.
pub(super) fn start(
    settings: Settings,
    resource: ResourceAttributesWithSchema,
    counts: Counts,
) -> std::io::Result<(Queue, Flushes)> {
    let (spans, queued) = mpsc::channel(QUEUE);
    let (ask, asked) = mpsc::channel(FLUSHES);
    let flushes = Flushes { asked: ask, is_late: Arc::default() };
    let is_late = Arc::clone(&flushes.is_late);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let queue = Queue { spans, counts: counts.clone() };
    let run = move || {
        let exporter = Exporter {
            collector: Collector::new(settings),
            resource,
            counts,
            queued,
            asked,
            gathered: Vec::new(),
            unsent: None,
            has_failed: false,
            is_late,
        };
        runtime.block_on(exporter.run());
    };
    std::thread::Builder::new().name("traces".to_owned()).spawn(run)?;
    Ok((queue, flushes))
}

struct Exporter {
    collector: Collector,
    resource: ResourceAttributesWithSchema,
    counts: Counts,
    queued: mpsc::Receiver<SpanData>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    /// On their way into a batch.
    gathered: Vec<SpanData>,
    /// A batch that the collector could not take, and when it is tried again. Meanwhile nothing is taken from the queue.
    unsent: Option<(Batch, Instant)>,
    /// The last attempt failed.
    has_failed: bool,
    /// Of [`Flushes`].
    is_late: Arc<AtomicBool>,
}

impl Exporter {
    async fn run(mut self) {
        let mut due = None;
        loop {
            let retry_at = self.unsent.as_ref().map(|(_, at)| *at);
            let room = BATCH - self.gathered.len();
            tokio::select! {
                count = self.queued.recv_many(&mut self.gathered, room), if retry_at.is_none() => {
                    if count == 0 {
                        break;
                    }
                    due.get_or_insert_with(|| Instant::now() + GATHER);
                    if self.gathered.len() == BATCH {
                        self.send_gathered().await;
                    }
                }
                Some(done) = self.asked.recv() => {
                    self.flush().await;
                    // Whoever asked may have waited long enough.
                    let _ = done.send(());
                }
                () = at(retry_at.or(due)) => match retry_at {
                    Some(_) => self.send_again().await,
                    None => self.send_gathered().await,
                },
            }
            if self.gathered.is_empty() {
                due = None;
            }
        }
        self.send_gathered().await;
    }

    /// Sends all that has ended until now, unless the collector failed just now.
    async fn flush(&mut self) {
        while self.unsent.is_none() {
            while self.gathered.len() < BATCH
                && let Ok(span) = self.queued.try_recv()
            {
                self.gathered.push(span);
            }
            if self.gathered.is_empty() {
                return;
            }
            self.send_gathered().await;
        }
    }

    async fn send_gathered(&mut self) {
        let spans = std::mem::take(&mut self.gathered);
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        let request =
            ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &self.resource) };
        self.send(Batch { body: request.encode_to_vec().into(), spans: count, attempts: 0 }).await;
    }

    async fn send_again(&mut self) {
        if let Some((batch, _)) = self.unsent.take() {
            self.send(batch).await;
        }
    }

    async fn send(&mut self, mut batch: Batch) {
        batch.attempts += 1;
        let sent = self.collector.send(&batch).await;
        self.say(sent.as_ref().err());
        let drop = |reason, count| self.counts.dropped.with_label_values(&[reason]).inc_by(count);
        match sent {
            Ok(refused) => {
                self.is_late.store(false, Ordering::Relaxed);
                self.counts.exported.inc_by(batch.spans - refused);
                drop("refused", refused);
            }
            Err(NotTaken::Refused(_)) => drop("refused", batch.spans),
            Err(NotTaken::Away(_)) if batch.attempts >= ATTEMPTS => drop("away", batch.spans),
            Err(NotTaken::Away(_)) => {
                let pause = FIRST_PAUSE * 2_u32.pow(batch.attempts - 1);
                self.unsent = Some((batch, Instant::now() + pause));
            }
        }
    }

    /// One line when it begins to fail, and one when it is over.
    fn say(&mut self, error: Option<&NotTaken>) {
        match error {
            Some(error) if !self.has_failed => {
                tracing::warn!(%error, "traces do not reach the collector; turns go on without, and dropped spans are counted");
            }
            None if self.has_failed => tracing::info!("traces reach the collector again"),
            _ => {}
        }
        self.has_failed = error.is_some();
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
