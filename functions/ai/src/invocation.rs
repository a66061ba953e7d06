//! The edge to Lambda's runtime: an invocation in, a streamed body of lines out.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use lambda_runtime::streaming::Response;
use lambda_runtime::{LambdaEvent, service_fn};
use protocol::function::{AiFailure, AiLine, AiOutcome, AiRequest, FailureReason, encode_line};
use serde_json::Value;
use tokio::time::Instant;

use crate::Error;
use crate::model::Model;
use crate::settings::{OUTCOME_MARGIN, Settings};
use crate::turn;

/// What the runtime sends as the response's body.
type Body = Pin<Box<dyn Stream<Item = Result<Bytes, serde_json::Error>> + Send>>;

/// The runtime's variables without which it panics.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Takes invocations until the runtime API is gone.
pub(crate) async fn serve(model: Arc<dyn Model>, settings: Arc<Settings>) -> Result<(), Error> {
    if let Some(missing) = VARIABLES.iter().find(|variable| std::env::var_os(variable).is_none()) {
        return Err(Error::NoRuntime(missing));
    }
    let serve = service_fn(|event: LambdaEvent<Value>| {
        let deadline_ms = event.context.deadline;
        let body = body(event.payload, deadline_ms, Arc::clone(&model), Arc::clone(&settings));
        async move { Ok::<_, lambda_runtime::Error>(response(body)) }
    });
    lambda_runtime::run(serve).await.map_err(|error| Error::Runtime(error.to_string()))
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::from(body);
    response.metadata_prelude.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// The lines of one turn, as bytes. Whatever the payload is, the last line is an outcome.
fn body(payload: Value, deadline_ms: u64, model: Arc<dyn Model>, settings: Arc<Settings>) -> Body {
    let request: AiRequest = match serde_json::from_value(payload) {
        Ok(request) => request,
        // The error itself stays out of the log: it may repeat what a visitor wrote.
        Err(_) => {
            tracing::warn!("the request is not of the agreed shape, see protocol::function::AiRequest");
            return Box::pin(stream::iter([encoded(&failure(FailureReason::InvalidRequest))]));
        }
    };
    let until = Duration::from_millis(deadline_ms.min(request.deadline_ms.try_into().unwrap_or(0)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = Instant::now() + until.saturating_sub(now).saturating_sub(OUTCOME_MARGIN);
    Box::pin(turn::lines(request, model, settings, deadline).map(|line| encoded(&line)))
}

fn failure(reason: FailureReason) -> AiLine {
    AiLine::Outcome(AiOutcome::Failure(AiFailure { reason }))
}

fn encoded(line: &AiLine) -> Result<Bytes, serde_json::Error> {
    encode_line(line).map(Bytes::from)
}
