//! The port on which nodes invoke functions, and on which developers look at them.
//!
//! | | |
//! |---|---|
//! | `POST /2015-03-31/functions/{name}/invocations` | runs the function on a JSON object; the body comes as it is written |
//! | `GET /dev/status` | what runs, as [`crate::status::Status`] |
//! | `POST /dev/functions/{name}/fault` | spoils coming invocations, see [`crate::fault::Fault`] |
//! | `POST /dev/nodes/…`, `POST /dev/rolling-restart` | kills, pauses and restarts nodes, see [`crate::nodes_api`] |

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::fault::{Fault, MOST_TIMES};
use crate::function::Function;
use crate::invocation::{Invocation, Reply};
use crate::nodes::Nodes;
use crate::nodes_api;
use crate::status::Status;

/// The longest payload, bytes: Lambda's 6 MB.
const LONGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// What this port can reach.
#[derive(Clone, Debug)]
pub struct Reachable {
    /// The functions by name.
    pub functions: BTreeMap<String, Function>,
    /// The nodes; none where somebody else runs them.
    pub nodes: Nodes,
}

type Api = State<Arc<Reachable>>;

/// The routes.
pub fn router(reachable: Reachable) -> Router {
    let nodes = nodes_api::router(reachable.nodes.clone());
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/dev/functions/{name}/fault", post(inject))
        .with_state(Arc::new(reachable.clone()))
        .merge(nodes)
        .route_layer(middleware::from_fn(refuse_browsers))
        .merge(Router::new().route("/dev/status", get(status)).with_state(Arc::new(reachable)))
        .layer(DefaultBodyLimit::max(LONGEST_PAYLOAD))
}

async fn invoke(
    State(api): Api,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(function) = api.functions.get(&name) else { return unknown_function(&api, &name) };
    let payload = match payload {
        Ok(payload) => payload,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => return too_large(),
        Err(rejection) => return bad_request(&rejection.to_string()),
    };
    match Invocation::new(payload, headers.get("x-amzn-trace-id").cloned()) {
        Ok(invocation) => {
            let id = invocation.id.to_string();
            let mut response = replied(function.invoke(invocation).await);
            if let Ok(id) = id.parse() {
                response.headers_mut().insert("x-amzn-requestid", id);
            }
            response
        }
        Err(error) => bad_request(&format!("Could not parse request body into json: {error}")),
    }
}

fn replied(reply: Reply) -> Response {
    match reply {
        Reply::Response(response) => {
            ([(CONTENT_TYPE, response.content_type)], Body::new(response.body)).into_response()
        }
        Reply::Throttled => amazon_error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded."),
        Reply::Error(error) => {
            let headers = [("x-amz-function-error", "Unhandled"), ("content-type", "application/json")];
            (headers, error.body).into_response()
        }
    }
}

async fn status(State(api): Api) -> Json<Status> {
    let mut functions = BTreeMap::new();
    for (name, function) in &api.functions {
        if let Some(status) = function.status().await {
            functions.insert(name.clone(), status);
        }
    }
    Json(Status { nodes: api.nodes.status(), functions })
}

async fn inject(State(api): Api, Path(name): Path<String>, body: Bytes) -> Response {
    let Some(function) = api.functions.get(&name) else { return unknown_function(&api, &name) };
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

fn unknown_function(api: &Reachable, name: &str) -> Response {
    let known: Vec<&str> = api.functions.keys().map(String::as_str).collect();
    let message = format!("Function not found: {name}. There are: {}.", known.join(", "));
    amazon_error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message)
}

fn too_large() -> Response {
    let message = format!("Request must be smaller than {LONGEST_PAYLOAD} bytes.");
    amazon_error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
}

fn bad_request(message: &str) -> Response {
    amazon_error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
}

fn amazon_error(status: StatusCode, kind: &'static str, message: &str) -> Response {
    (status, [("x-amzn-errortype", kind)], Json(json!({ "Type": "User", "message": message }))).into_response()
}
