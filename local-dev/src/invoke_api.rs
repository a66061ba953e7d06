//! The port on which nodes invoke functions, and on which developers look at them.
//!
//! | | |
//! |---|---|
//! | `POST /2015-03-31/functions/{name}/invocations` | Lambda's Invoke: runs the function on a JSON object; the body comes as it is written |
//! | `POST /2021-11-15/functions/{name}/response-streaming-invocations` | Lambda's InvokeWithResponseStream: the same, framed as [`crate::event_stream`] |
//! | `GET /dev/status` | what runs, as [`crate::status::Status`] |
//! | `POST /dev/functions/{name}/fault` | spoils coming invocations, see [`crate::fault::Fault`] |
//! | `POST /dev/nodes/…`, `POST /dev/rolling-restart` | kills, pauses and restarts nodes, see [`crate::nodes_api`] |

//!
//! AWS's own SDKs work against it, with `AWS_ENDPOINT_URL_LAMBDA`. A function may be named by name, `NAME:ALIAS` or ARN; there is
//! one version of each. `X-Amz-Invocation-Type` may be `RequestResponse`, `Event` (answered 202, run once, never repeated) or
//! `DryRun` (204). Signatures are not checked: whoever reaches this port of the own machine may invoke.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::event_stream::{self, EventStream};
use crate::fault::{Fault, MOST_TIMES};
use crate::function::Function;
use crate::invocation::{Invocation, Reply};
use crate::nodes::Nodes;
use crate::nodes_api;
use crate::pool::InvocationId;
use crate::status::Status;

/// The longest payload, bytes: Lambda's 6 MB.
const LONGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// The longest payload of an event, bytes: Lambda's 1 MB.
const LONGEST_EVENT: usize = 1024 * 1024;

/// How many events may run at once, beside what their functions allow.
const MOST_EVENTS: usize = 1_000;

/// The one version there is.
const VERSION: (&str, &str) = ("x-amz-executed-version", "$LATEST");

/// What this port can reach.
#[derive(Clone, Debug)]
pub struct Reachable {
    /// The functions by name.
    pub functions: BTreeMap<String, Function>,
    /// The nodes; none where somebody else runs them.
    pub nodes: Nodes,
}

/// What the routes share.
#[derive(Debug)]
struct Served {
    reachable: Reachable,
    events: Arc<Semaphore>,
}

type Api = State<Arc<Served>>;

/// The routes.
pub fn router(reachable: Reachable) -> Router {
    let nodes = nodes_api::router(reachable.nodes.clone());
    let served = Arc::new(Served { reachable, events: Arc::new(Semaphore::new(MOST_EVENTS)) });
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/2021-11-15/functions/{name}/response-streaming-invocations", post(invoke_streaming))
        .route("/dev/functions/{name}/fault", post(inject))
        .with_state(Arc::clone(&served))
        .merge(nodes)
        .route_layer(middleware::from_fn(refuse_browsers))
        .merge(Router::new().route("/dev/status", get(status)).with_state(served))
        .layer(middleware::from_fn(refuse_other_names))
        .layer(DefaultBodyLimit::max(LONGEST_PAYLOAD))
}

async fn invoke(
    State(api): Api,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Response {
    let (function, kind) = match (function(&api, &name), InvocationType::of(&headers)) {
        (Ok(function), Ok(kind)) => (function, kind),
        (Err(refusal), _) | (_, Err(refusal)) => return *refusal,
    };
    let longest = if kind == InvocationType::Event { LONGEST_EVENT } else { LONGEST_PAYLOAD };
    let invocation = match invocation(payload, longest, &headers) {
        Ok(invocation) => invocation,
        Err(refusal) => return *refusal,
    };
    let id = invocation.id;
    let response = match kind {
        InvocationType::DryRun => StatusCode::NO_CONTENT.into_response(),
        InvocationType::Event => accept_event(&api, function.clone(), invocation),
        InvocationType::RequestResponse => replied(function.invoke(invocation).await),
    };
    with_id(response, id)
}

async fn invoke_streaming(
    State(api): Api,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Response {
    let (function, kind) = match (function(&api, &name), InvocationType::of(&headers)) {
        (Ok(function), Ok(kind)) => (function, kind),
        (Err(refusal), _) | (_, Err(refusal)) => return *refusal,
    };
    let invocation = match invocation(payload, LONGEST_PAYLOAD, &headers) {
        Ok(invocation) => invocation,
        Err(refusal) => return *refusal,
    };
    let id = invocation.id;
    let response = match kind {
        InvocationType::DryRun => StatusCode::NO_CONTENT.into_response(),
        InvocationType::Event => amazon_error(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            "Events have no response to stream.",
        ),
        InvocationType::RequestResponse => match function.invoke(invocation).await {
            Reply::Response(response) => framed(EventStream::of(response)),
            Reply::Error(error) => framed(EventStream::failed(error)),
            Reply::Throttled => throttled(),
        },
    };
    with_id(response, id)
}

/// How the caller wants the function to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

impl InvocationType {
    fn of(headers: &HeaderMap) -> Result<Self, Box<Response>> {
        match headers.get("x-amz-invocation-type").map(HeaderValue::as_bytes) {
            None | Some(b"RequestResponse") => Ok(Self::RequestResponse),
            Some(b"Event") => Ok(Self::Event),
            Some(b"DryRun") => Ok(Self::DryRun),
            Some(_) => {
                let message = "X-Amz-Invocation-Type is RequestResponse, Event or DryRun.";
                Err(Box::new(amazon_error(StatusCode::BAD_REQUEST, "InvalidParameterValueException", message)))
            }
        }
    }
}

/// The function that a caller calls by its name, `NAME:ALIAS` or its ARN.
fn function<'a>(api: &'a Served, called: &str) -> Result<&'a Function, Box<Response>> {
    let name = called.rsplit_once("function:").map_or(called, |(_, name)| name);
    let name = name.split(':').next().unwrap_or(name);
    let functions = &api.reachable.functions;
    functions.get(name).ok_or_else(|| Box::new(unknown_function(&api.reachable, called)))
}

fn invocation(
    payload: Result<Bytes, BytesRejection>,
    longest: usize,
    headers: &HeaderMap,
) -> Result<Invocation, Box<Response>> {
    let payload = match payload {
        Ok(payload) if payload.len() > longest => return Err(Box::new(too_large(longest))),
        Ok(payload) => payload,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(Box::new(too_large(longest)));
        }
        Err(rejection) => return Err(Box::new(bad_request(&rejection.to_string()))),
    };
    let invocation = Invocation::new(payload, headers.get("x-amzn-trace-id").cloned());
    invocation.map_err(|error| Box::new(bad_request(&format!("Could not parse request body into json: {error}"))))
}

/// Runs the function for nobody who waits.
fn accept_event(api: &Served, function: Function, invocation: Invocation) -> Response {
    let Ok(place) = Arc::clone(&api.events).try_acquire_owned() else { return throttled() };
    tokio::spawn(async move {
        let id = invocation.id;
        let outcome = match function.invoke(invocation).await {
            Reply::Response(response) => {
                response.body.collect().await.map(drop).map_err(|broken_off| broken_off.to_string())
            }
            Reply::Throttled => Err("it is throttled".to_owned()),
            Reply::Error(error) => Err(error.kind()),
        };
        if let Err(reason) = outcome {
            tracing::warn!(%id, reason, "an event's invocation failed; here, unlike on Lambda, none is repeated");
        }
        drop(place);
    });
    StatusCode::ACCEPTED.into_response()
}

fn replied(reply: Reply) -> Response {
    match reply {
        Reply::Response(response) => {
            ([VERSION], [(CONTENT_TYPE, response.content_type)], Body::new(response.body)).into_response()
        }
        Reply::Throttled => throttled(),
        Reply::Error(error) => {
            let headers = [VERSION, ("x-amz-function-error", "Unhandled"), ("content-type", "application/json")];
            (headers, error.body).into_response()
        }
    }
}

fn framed(events: EventStream) -> Response {
    ([VERSION, ("content-type", event_stream::CONTENT_TYPE)], Body::new(events)).into_response()
}

fn with_id(mut response: Response, id: InvocationId) -> Response {
    if let Ok(id) = id.to_string().parse() {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

async fn status(State(api): Api) -> Json<Status> {
    let mut functions = BTreeMap::new();
    for (name, function) in &api.reachable.functions {
        if let Some(status) = function.status().await {
            functions.insert(name.clone(), status);
        }
    }
    Json(Status { nodes: api.reachable.nodes.status(), functions })
}

async fn inject(State(api): Api, Path(name): Path<String>, body: Bytes) -> Response {
    let Some(function) = api.reachable.functions.get(&name) else {
        return unknown_function(&api.reachable, &name);
    };
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) if (1..=MOST_TIMES).contains(&fault.times) => {
            function.inject(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(fault) => bad_request(&format!("times is {}; give 1 to {MOST_TIMES}", fault.times)),
        Err(error) => bad_request(&format!(r#"not a fault, such as {{"fault":"crash","times":1}}: {error}"#)),
    }
}

/// A page in the developer's browser could otherwise kill nodes, and run functions, whose model costs money.
async fn refuse_browsers(request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return amazon_error(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "Web pages may not use this port; send no Origin header.",
        );
    }
    next.run(request).await
}

/// A page whose server gives its name this machine's address (DNS rebinding) is no foreign page to the browser: it may read
/// what it gets, and sends no Origin when it does.
async fn refuse_other_names(request: Request, next: Next) -> Response {
    if !request.headers().get_all(HOST).iter().all(is_this_machine) {
        let message = "Name this machine by its address or as localhost; the Host header has another name.";
        return amazon_error(StatusCode::FORBIDDEN, "AccessDeniedException", message);
    }
    next.run(request).await
}

fn is_this_machine(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn unknown_function(api: &Reachable, name: &str) -> Response {
    let known: Vec<&str> = api.functions.keys().map(String::as_str).collect();
    let message = format!("Function not found: {name}. There are: {}.", known.join(", "));
    amazon_error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message)
}

fn throttled() -> Response {
    amazon_error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
}

fn too_large(longest: usize) -> Response {
    let message = format!("Request must be smaller than {longest} bytes.");
    amazon_error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
}

fn bad_request(message: &str) -> Response {
    amazon_error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
}

fn amazon_error(status: StatusCode, kind: &'static str, message: &str) -> Response {
    (status, [("x-amzn-errortype", kind)], Json(json!({ "Type": "User", "message": message }))).into_response()
}
