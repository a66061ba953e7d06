//! One turn as a span of the node's trace, where the node traces it. Without a word of what was said.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use protocol::function::AiRequest;
use serde_json::Value;
use telemetry::Traces;
use telemetry::traces::{self, TARGET};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::invocation::Body;

/// The field of the payload that names the node's span.
const TRACEPARENT: &str = "traceparent";

/// How long a process under Lambda may wait at the end of an invocation for its spans to be sent. The node has its outcome by
/// then, and waits a second for the end of the response.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// The node's span, if it traces the turn.
pub(crate) fn parent(payload: &Value) -> Option<String> {
    payload.get(TRACEPARENT).and_then(Value::as_str).map(str::to_owned)
}

/// The function's part of the turn.
pub(crate) fn answer(request: &AiRequest, parent: Option<&str>) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "answer",
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        frontdesk.site = request.site,
        frontdesk.turn = request.turn,
        frontdesk.model = Empty,
        frontdesk.attempts = Empty,
        frontdesk.outcome = Empty,
        gen_ai.conversation.id = request.conversation,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
    );
    traces::follow(&span, parent.unwrap_or_default());
    span
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) struct Ended<'t> {
    /// The model that answered or failed last. Empty: none was asked.
    pub(crate) model: &'t str,
    pub(crate) attempts: u32,
    pub(crate) outcome: &'static str,
    /// Why no model answered.
    pub(crate) failure: Option<&'static str>,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// The turn of the current span has ended.
pub(crate) fn handle_end(ended: &Ended<'_>) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("frontdesk.outcome", ended.outcome);
    span.record("frontdesk.attempts", ended.attempts);
    if !ended.model.is_empty() {
        span.record("frontdesk.model", ended.model);
        span.record("gen_ai.usage.input_tokens", ended.prompt_tokens);
        span.record("gen_ai.usage.output_tokens", ended.completion_tokens);
    }
    if let Some(reason) = ended.failure {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", reason);
    }
}

/// The first piece of the answer of the current span is sent.
pub(crate) fn handle_first_token() {
    traces::mark(&Span::current(), "first_token");
}

/// Whatever `body` does, it does in `span`.
pub(crate) fn within(span: Span, body: Body) -> Body {
    match span.is_disabled() {
        true => body,
        false => Box::pin(Within { span, body: Some(body) }),
    }
}

struct Within {
    span: Span,
    /// `None`: it is dropped, in its span.
    body: Option<Body>,
}

impl Stream for Within {
    type Item = Result<Bytes, serde_json::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { span, body } = &mut *self;
        let _entered = span.enter();
        match body {
            Some(body) => body.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        self.body = None;
    }
}

/// As `body`, and what was recorded is sent before it ends: afterwards the process may be frozen.
pub(crate) fn flushed(mut body: Body, traces: &Traces) -> Body {
    if !traces.are_on() {
        return body;
    }
    let traces = traces.clone();
    Box::pin(async_stream::stream! {
        while let Some(piece) = body.next().await {
            yield piece;
        }
        drop(body);
        traces.flush(FLUSH_WITHIN).await;
    })
}
