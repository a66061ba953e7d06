//! The edge to Lambda's runtime: an invocation in, one line out, as the function `ai` sends its lines.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use lambda_runtime::streaming::Response;
use lambda_runtime::{LambdaEvent, service_fn};
use protocol::function::{AiFailure, FailureReason, RoutingLine, RoutingOutcome, RoutingRequest, encode_line};
use serde_json::Value;
use telemetry::Traces;
use telemetry::traces::{self, TARGET};
use tracing::info_span;

use crate::Error;
use crate::assignments::assign;

/// The runtime's variables without which it panics.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// How long the end of an invocation may wait for its spans to be sent.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// Takes invocations until the runtime API is gone.
pub(crate) async fn serve(traces: &Traces) -> Result<(), Error> {
    if let Some(missing) = VARIABLES.iter().find(|variable| std::env::var_os(variable).is_none()) {
        return Err(Error::NoRuntime(missing));
    }
    let serve = service_fn(|event: LambdaEvent<Value>| async move {
        let line = encode_line(&RoutingLine::Outcome(traced(event.payload))).map(Bytes::from);
        // Spans are sent after the line, and before the end of the response: then the process may be frozen.
        let traces = traces.clone();
        let rest = stream::once(async move { traces.flush(FLUSH_WITHIN).await }).filter_map(async |()| None);
        let mut response = Response::from(Box::pin(stream::iter([line]).chain(rest)));
        response.metadata_prelude.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        Ok::<_, lambda_runtime::Error>(response)
    });
    lambda_runtime::run(serve).await.map_err(|error| Error::Runtime(error.to_string()))
}

/// The outcome, in a span of the node's trace.
fn traced(payload: Value) -> RoutingOutcome {
    let span = info_span!(target: TARGET, parent: None, "route", otel.kind = "server");
    traces::follow(&span, payload.get("traceparent").and_then(Value::as_str).unwrap_or_default());
    span.in_scope(|| outcome(payload))
}

fn outcome(payload: Value) -> RoutingOutcome {
    match serde_json::from_value::<RoutingRequest>(payload) {
        Ok(request) => {
            let assignments = assign(&request);
            tracing::info!(site = request.site, assigned = assignments.len(), "the queue was routed");
            RoutingOutcome::Assignments(assignments)
        }
        Err(_) => {
            tracing::warn!("the request is not of the agreed shape, see protocol::function::RoutingRequest");
            RoutingOutcome::Failure(AiFailure { reason: FailureReason::InvalidRequest })
        }
    }
}
