//! Spans from `tracing` to OpenTelemetry's SDK.

use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::oneshot;
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer as _;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{FilterFn, LevelFilter};

use super::exporter::{self, Flushes, Queue};
use super::{Counts, Program, StartError, TARGET, Traces};

pub(crate) type Layer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

/// W3C's header, and the field of a function's payload.
const TRACEPARENT: &str = "traceparent";

/// OpenTelemetry's own variable for `service.name`.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// The way to the thread that sends spans.
#[derive(Debug, Clone)]
pub(super) struct Sender(Flushes);

impl Sender {
    pub(super) async fn flush(&self, within: Duration) {
        let (done, is_done) = oneshot::channel();
        if self.0.is_late.load(Ordering::Relaxed) {
            // Whoever waited last waited in vain. Where as many are asked for already, one more changes nothing.
            let _ = self.0.asked.try_send(done);
            return;
        }
        let flushed = async {
            if self.0.asked.send(done).await.is_ok() {
                // Nobody answers any more only where the thread has ended, and then there is nothing to wait for.
                let _ = is_done.await;
            }
        };
        if tokio::time::timeout(within, flushed).await.is_err() {
            self.0.is_late.store(true, Ordering::Relaxed);
        }
    }
}

/// What records spans and sends them, where the configuration names a collector.
pub(super) fn open(config: &config::Traces, program: Program<'_>) -> Result<Option<(Traces, Layer)>, StartError> {
    let Some(url) = &config.url else { return Ok(None) };
    let counts = Counts::new()?;
    let resource = resource(program);
    let exporter = exporter::Settings { url: url.as_str().to_owned(), headers: config.headers() };
    let (queue, flushes) = exporter::start(exporter, (&resource).into(), counts.clone()).map_err(StartError::Thread)?;
    let traces = Traces { sender: Some((Sender(flushes), counts)) };
    Ok(Some((traces, layer(queue, resource))))
}

/// Which spans are recorded of all, and of their rate, `OTEL_TRACES_SAMPLER` decides in the SDK; a function does as its node.
fn layer(queue: Queue, resource: Resource) -> Layer {
    let provider = SdkTracerProvider::builder().with_span_processor(queue).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("frontdesk"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false);
    let is_ours = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TARGET;
    layer.with_filter(FilterFn::new(is_ours).with_max_level_hint(LevelFilter::INFO)).boxed()
}

/// What all spans of this process share. OpenTelemetry's variables go over what the program says of itself.
fn resource(program: Program<'_>) -> Resource {
    let own = [
        ("service.name", Some(program.service)),
        ("service.namespace", Some("frontdesk")),
        ("service.version", Some(env!("CARGO_PKG_VERSION"))),
        ("service.instance.id", program.node),
    ];
    let own = own.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?.to_owned())));
    let environment: [Box<dyn ResourceDetector>; 2] =
        [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
    let builder = Resource::builder_empty().with_attributes(own).with_detectors(&environment);
    match std::env::var(SERVICE_NAME).ok().filter(|name| !name.is_empty()) {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

/// The current span, for a function's payload. Empty: there is none.
#[must_use]
pub fn traceparent() -> String {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    match span.is_valid() {
        true => format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8() & 1),
        false => String::new(),
    }
}

/// The current trace, in 32 hexadecimal digits.
#[must_use]
pub fn trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// Lets `span` go on with the trace that a payload named. A text that names none leaves it the first of its own.
pub fn follow(span: &Span, traceparent: &str) {
    if span.is_disabled() || traceparent.is_empty() {
        return;
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Field(traceparent));
    // A span that has begun already keeps its parent.
    let _ = span.set_parent(context);
}

/// Notes in `span` that this has just happened.
pub fn mark(span: &Span, name: &'static str) {
    if !span.is_disabled() {
        span.add_event(name, Vec::new());
    }
}

/// Sets an attribute of `span` that is a list of one.
pub fn set_list(span: &Span, key: &'static str, value: &str) {
    if !span.is_disabled() {
        let list = vec![StringValue::from(value.to_owned())];
        span.set_attribute(key, Value::Array(Array::String(list)));
    }
}

/// A payload's field, as the propagator wants to read it.
struct Field<'t>(&'t str);

impl Extractor for Field<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
