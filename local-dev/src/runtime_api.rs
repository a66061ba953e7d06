//! The Lambda Runtime API, as one process of a function sees it.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, and for streamed responses
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::oneshot;

use crate::function::{Claim, Function};
use crate::invocation::{FunctionError, Invocation, Reply};
use crate::pool::InvocationId;
use crate::process::ProcessId;
use crate::relay::{self, Relayed};

/// The longest response that is not streamed, bytes: Lambda's 6 MB.
const LONGEST_BUFFERED: u64 = 6 * 1024 * 1024;
/// The longest error report, bytes.
const LONGEST_ERROR: usize = 256 * 1024;

/// One process's Runtime API.
struct ProcessApi {
    function: Function,
    process: ProcessId,
    arn: HeaderValue,
}

type Api = State<Arc<ProcessApi>>;

/// The routes for one process of a function. `arn` names the function.
pub fn router(function: Function, process: ProcessId, arn: &str) -> Router {
    let arn = HeaderValue::from_str(arn).unwrap_or(HeaderValue::from_static("arn:aws:lambda"));
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(LONGEST_ERROR))
        .with_state(Arc::new(ProcessApi { function, process, arn }))
}

/// Waits for an invocation, however long.
async fn next(State(api): Api) -> Response {
    let Some(Invocation { id, payload, deadline_ms, trace_id, .. }) = api.function.next(api.process).await else {
        return refuse(StatusCode::FORBIDDEN, "Shutdown", "this process is no longer wanted");
    };
    let request_id = HeaderValue::from_str(&id.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
    let headers = [
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", HeaderValue::from(deadline_ms)),
        ("lambda-runtime-invoked-function-arn", api.arn.clone()),
        ("lambda-runtime-trace-id", trace_id),
        ("content-type", HeaderValue::from_static("application/json")),
    ];
    (headers, payload).into_response()
}

/// Takes a response, streamed or whole, and passes it on as it comes.
async fn response(State(api): Api, Path(id): Path<InvocationId>, headers: HeaderMap, body: Body) -> Response {
    match api.function.respond(api.process, id).await {
        Claim::Caller(reply) => respond(&api, id, reply, &headers, body, || {}).await,
        Claim::CallerThenCrash(reply) => {
            respond(&api, id, reply, &headers, body, || api.function.kill(api.process)).await
        }
        Claim::Discard => {
            relay::discard(body).await;
            std::future::pending().await
        }
        Claim::Unknown => unknown_invocation(id),
    }
}

async fn respond(
    api: &ProcessApi,
    id: InvocationId,
    reply: oneshot::Sender<Reply>,
    headers: &HeaderMap,
    body: Body,
    after_first_piece: impl Fn(),
) -> Response {
    if !is_streamed(headers) && content_length(headers) > LONGEST_BUFFERED {
        let message = format!("Response payload size exceeded the largest allowed, {LONGEST_BUFFERED} bytes");
        // A caller that has left needs no reply.
        let _ = reply.send(Reply::Error(FunctionError::new("Function.ResponseSizeTooLarge", &message)));
        api.function.responded(api.process, id);
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
    }
    let ended = || api.function.responded(api.process, id);
    match relay::relay(id, reply, headers.get(CONTENT_TYPE), body, after_first_piece, ended).await {
        Relayed::Whole => accepted(),
        Relayed::TooLong => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the response is longer than 200 MB")
        }
        Relayed::BrokenOff => accepted(),
    }
}

/// Takes the report that an invocation failed.
async fn error(State(api): Api, Path(id): Path<InvocationId>, body: Bytes) -> Response {
    let error = FunctionError { body };
    if api.function.failed(api.process, id, error).await { accepted() } else { unknown_invocation(id) }
}

/// Takes the report that the process cannot start.
async fn init_error(State(api): Api, body: Bytes) -> Response {
    tracing::error!(arn = ?api.arn, error = %String::from_utf8_lossy(&body), "a function cannot start");
    api.function.kill(api.process);
    accepted()
}

fn is_streamed(headers: &HeaderMap) -> bool {
    let mode = headers.get("lambda-runtime-function-response-mode");
    mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

fn content_length(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
}

fn unknown_invocation(id: InvocationId) -> Response {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", &format!("this process does not run the invocation {id}"))
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(json!({ "errorType": kind, "errorMessage": message }))).into_response()
}
