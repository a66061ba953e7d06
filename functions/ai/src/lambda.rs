//! The edge to Lambda's runtime.

use std::pin::Pin;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::Peekable;
use http::HeaderValue;
use http::header;
use lambda_runtime::streaming::Response;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use telemetry::Traces;

use crate::Error;
use crate::invocation::{Ai, Body, CONTENT_TYPE};
use crate::trace;

/// The runtime's variables without which it panics.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Takes invocations until the runtime API is gone: one at a time, or as many as `AWS_LAMBDA_MAX_CONCURRENCY` says, as on
/// Lambda's managed instances.
pub(crate) async fn serve(ai: Ai, traces: &Traces) -> Result<(), Error> {
    if let Some(missing) = VARIABLES.iter().find(|variable| std::env::var_os(variable).is_none()) {
        return Err(Error::NoRuntime(missing));
    }
    let traces = traces.clone();
    let serve = service_fn(move |event: LambdaEvent<Value>| {
        let body = ai.body(event.payload, moment(event.context.deadline));
        let body = trace::flushed(body, &traces);
        async move { Ok::<_, lambda_runtime::Error>(response(begun(body).await)) }
    });
    lambda_runtime::run_concurrent(serve).await.map_err(|error| Error::Runtime(error.to_string()))
}

/// Begins the turn. The runtime would do that only when the head of the response is sent, so that the model would be asked
/// 0.2 ms later.
async fn begun(body: Body) -> Begun {
    let mut body = body.peekable();
    // Its first line stays where it is, whenever it comes.
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_peek(cx).is_ready())).await;
    // The request is with its connection now, and this lets that send it.
    tokio::task::yield_now().await;
    body
}

/// A turn that is under way.
type Begun = Peekable<Body>;

/// No deadline of an invocation is before this: 2001, Unix milliseconds.
const EARLIEST_MS: u64 = 1_000_000_000_000;

/// The runtime's deadline, Unix milliseconds. `cargo lambda watch` sends 600000, which is how long and not when; then the
/// payload's own deadline is all there is.
fn moment(deadline_ms: u64) -> u64 {
    if deadline_ms < EARLIEST_MS { u64::MAX } else { deadline_ms }
}

fn response(body: Begun) -> Response<Begun> {
    let mut response = Response::from(body);
    response.metadata_prelude.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_no_moment_does_not_end_turns_before_they_begin() {
        assert_eq!(moment(600_000), u64::MAX);
        assert_eq!(moment(1_790_000_000_000), 1_790_000_000_000);
    }
}
