//! One invocation of a function: what goes in, and what comes back to its caller.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::function::Caller;
use crate::pool::{Ending, InvocationId};

/// How long a function may run when its payload names no earlier moment: Lambda's longest.
pub const LONGEST_RUN: Duration = Duration::from_secs(900);

/// How many pieces of a response wait for a caller that reads slowly; then the function waits.
///
/// A piece is at most what one read of the function's socket returns, so this is bounded in bytes too.
const PIECES_IN_FLIGHT: usize = 8;

/// What a function is given.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its name; as text, the request id.
    pub id: InvocationId,
    /// The JSON that the caller sent.
    pub payload: Bytes,
    /// When it must have ended, Unix milliseconds.
    pub deadline_ms: u64,
    /// The same moment on the clock that the pool uses.
    pub deadline: Instant,
    /// X-Ray's header, passed through or made up.
    pub trace_id: HeaderValue,
}

/// The one field of a payload that matters here.
#[derive(Deserialize)]
struct Deadline {
    deadline_ms: Option<u64>,
}

impl Invocation {
    /// Takes the deadline from the payload's `deadline_ms`, if it has one, and never later than [`LONGEST_RUN`]. Nothing at all
    /// is an empty object.
    ///
    /// # Errors
    /// The payload is not a JSON object.
    pub fn new(payload: Bytes, trace_id: Option<HeaderValue>) -> Result<Self, serde_json::Error> {
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        let Deadline { deadline_ms } = serde_json::from_slice(&payload)?;
        let (now, now_ms) = (Instant::now(), now_ms());
        let longest_ms = now_ms + millis(LONGEST_RUN);
        let deadline_ms = deadline_ms.map_or(longest_ms, |named| named.min(longest_ms));
        let id = InvocationId::new_v4();
        let deadline = now + Duration::from_millis(deadline_ms.saturating_sub(now_ms));
        let trace_id = trace_id.unwrap_or_else(|| made_up_trace_id(id, now_ms));
        Ok(Self { id, payload, deadline_ms, deadline, trace_id })
    }
}

/// What the caller gets.
#[derive(Debug)]
pub enum Reply {
    /// The function responds.
    Response(Response),
    /// As many processes as allowed are at work.
    Throttled,
    /// The function failed before it responded.
    Error(FunctionError),
}

/// A response that is still being written.
#[derive(Debug)]
pub struct Response {
    /// The type of the body.
    pub content_type: HeaderValue,
    /// What the function wrote before its body to name that type, with the NUL bytes that end it; empty without one.
    pub prelude: Bytes,
    /// The body as it comes.
    pub body: ResponseBody,
}

/// Why a function gave no response, as Lambda's JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// The JSON that the caller gets as body.
    pub body: Bytes,
}

impl FunctionError {
    /// `kind` in Lambda's words, such as `Runtime.ExitError`; `message` says what happened.
    #[must_use]
    pub fn new(kind: &str, message: &str) -> Self {
        let body = json!({ "errorType": kind, "errorMessage": message });
        Self { body: Bytes::from(body.to_string()) }
    }

    /// What kind of error the function, or Lambda for it, reported: `Runtime.ExitError`, or a name of the function's own.
    #[must_use]
    pub fn kind(&self) -> String {
        let error: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let kind = error.as_ref().and_then(|error| error.get("errorType")?.as_str());
        kind.unwrap_or("Unhandled").to_owned()
    }

    /// The error for an invocation that the pool ended.
    #[must_use]
    pub fn ended(id: InvocationId, ending: Ending) -> Self {
        match ending {
            Ending::TimedOut => Self::new("Sandbox.Timedout", &format!("RequestId: {id} Error: Task timed out")),
            Ending::StartFailed => {
                Self::new("Runtime.InitError", &format!("RequestId: {id} Error: The function did not start"))
            }
            Ending::Exited | Ending::Throttled => {
                Self::new("Runtime.ExitError", &format!("RequestId: {id} Error: Runtime exited without a response"))
            }
        }
    }
}

/// The function broke off: its process died, its deadline passed, or it said so in a trailer.
#[derive(Debug, thiserror::Error)]
#[error("the function broke off in the middle of its response")]
pub struct BrokenOff;

/// The sending end of a response's body.
pub type Pieces = mpsc::Sender<Result<Bytes, BrokenOff>>;

/// The caller's end of a response's body. Ends with [`BrokenOff`] unless the function finished.
#[derive(Debug)]
pub struct ResponseBody {
    pieces: mpsc::Receiver<Result<Bytes, BrokenOff>>,
    /// Dropped with the body, when the caller has left or has everything.
    caller: Option<Caller>,
}

impl Response {
    /// A response of this type, and the end to write it to.
    #[must_use]
    pub fn new(content_type: HeaderValue, prelude: Bytes) -> (Self, Pieces) {
        let (sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
        (Self { content_type, prelude, body: ResponseBody { pieces, caller: None } }, sender)
    }

    /// Lets the caller live as long as the body.
    #[must_use]
    pub fn held_by(mut self, caller: Caller) -> Self {
        self.body.caller = Some(caller);
        self
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// Now, in Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn made_up_trace_id(id: InvocationId, now_ms: u64) -> HeaderValue {
    let (high, low) = id.as_u64_pair();
    let text = format!("Root=1-{:08x}-{:024x};Parent={low:016x};Sampled=0", now_ms / 1000, u128::from(high));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Sampled=0"))
}
