//! One request in, one response out.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use serde_json::json;

use crate::body::{Form, Frames, Running};
use crate::chunk;
use crate::fault::{self, PREFIX};
use crate::plan::{self, Head, Plan};
use crate::request::Completion;
use crate::shared::{Asker, Decided, Shared};
use crate::wire::Control;

/// The largest request, bytes.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// A response as hyper sends it.
pub(crate) type Sent = Response<StreamBody<Frames>>;

/// Answers a request. May take for ever, and may end the connection.
pub(crate) async fn respond(
    shared: Arc<Shared>,
    control: Arc<Control>,
    request: Request<Incoming>,
) -> Result<Sent, Infallible> {
    let is_used = control.handle_request() > 0;
    control.open.send_modify(|open| *open += 1);
    let _open = Open(Arc::clone(&control));
    let path = request.uri().path();
    if request.method() == Method::POST && path.ends_with("/chat/completions") {
        return Ok(complete(shared, control, request, is_used).await);
    }
    if request.method() == Method::GET && path.ends_with("/models") {
        return Ok(plain(plan::json(200, models())));
    }
    let message = format!("Invalid URL ({} {path})", request.method());
    Ok(plain(plan::json(404, chunk::error(&message, "invalid_request_error", None))))
}

async fn complete(shared: Arc<Shared>, control: Arc<Control>, request: Request<Incoming>, is_used: bool) -> Sent {
    let asker = asker(request.headers(), format!("{:?}", request.version()), is_used);
    let body = Limited::new(request.into_body(), MAX_REQUEST_BYTES).collect().await;
    let completion = body.ok().and_then(|body| Completion::parse(&body.to_bytes()));
    let mut decided = shared.decide(&asker, completion);
    match decided.plan.head {
        Head::AtOnce => {}
        Head::Slowly(each) => control.slow_down(each),
        Head::Never => {
            decided.ticket.handle_no_response();
            return std::future::pending().await;
        }
        Head::Instead(ending) => {
            decided.ticket.handle_no_response();
            control.end(ending);
            return std::future::pending().await;
        }
    }
    response_of(decided, control, &asker.protocol)
}

fn response_of(decided: Decided, control: Arc<Control>, protocol: &str) -> Sent {
    let Decided { plan, headers, chunks, chosen, stamp, ticket } = decided;
    control.open.send_modify(|open| *open += 1);
    if chosen.fault.kind == fault::Kind::GoAway {
        control.go_away();
    }
    let says_close = control.is_leaving() && protocol.starts_with("HTTP/1");
    let running = Running {
        _open: Open(Arc::clone(&control)),
        control,
        ticket,
        chunks,
        stamp,
        form: Form::from(chosen.fault.kind),
        steps: plan.steps.into_iter(),
        single: Vec::new().into_iter(),
        repeated: None,
    };
    let mut response = Response::new(StreamBody::new(running.frames()));
    *response.status_mut() = StatusCode::from_u16(plan.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in plan.headers.into_iter().chain(headers) {
        // All of them are plain ASCII.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    if says_close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request or a response under way on a connection.
pub(crate) struct Open(Arc<Control>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

fn asker(headers: &HeaderMap, protocol: String, is_used: bool) -> Asker {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let key = text(AUTHORIZATION.as_str()).and_then(|value| Some(value.strip_prefix("Bearer ")?.to_owned()));
    Asker { key, site: text("x-site"), protocol, is_used }
}

/// A response without limits and counts.
fn plain(plan: Plan) -> Sent {
    let body = plan.steps.into_iter().find_map(|step| match step {
        plan::Step::Bytes(bytes) => Some(Bytes::from(bytes)),
        _ => None,
    });
    let frame = Ok(hyper::body::Frame::data(body.unwrap_or_default()));
    let frames: Frames = Box::pin(futures_util::stream::iter([frame]));
    let mut response = Response::new(StreamBody::new(frames));
    *response.status_mut() = StatusCode::from_u16(plan.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

fn models() -> String {
    let model =
        |name: &str| json!({"id": format!("{PREFIX}{name}"), "object": "model", "created": 0, "owned_by": "mock"});
    let data: Vec<_> = fault::names().into_iter().map(model).collect();
    json!({"object": "list", "data": data}).to_string()
}
