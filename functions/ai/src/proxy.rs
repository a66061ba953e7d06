//! The function as an HTTP server, for containers: Lambda's invoke API for this one function.
//!
//! | | |
//! |---|---|
//! | `POST /2015-03-31/functions/{name}/invocations` | one turn, as under Lambda; the body comes as it is written |
//! | `GET /healthz` | 200 while turns are taken; a server that is to stop refuses connections |
//! | `GET /metrics` | Prometheus' text format |
//!
//! As many turns run at once as are allowed; one more is refused as Lambda refuses it, before its payload is read. Payloads,
//! one and all, heads and connections have bounds, too. A caller that leaves ends its turn,
//! and what the turn asked of a model: here nothing is paid for until a deadline, as it is on Lambda. There is no
//! authentication: let only nodes reach this port.

mod connections;
mod permits;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use config::Config;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::permits::{Permit, Permits};
use crate::invocation::{self, Ai};

/// The longest payload, bytes: Lambda's 6 MB.
const LONGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// What the payload of a turn may have on average where all permits are taken, in texts of `turn.recent_bytes`: a node sends about
/// one.
const TEXTS_FOR_EACH_TURN: usize = 8;

/// After how many seconds a turn may be asked for again that found no room for its payload: about as long as a turn takes that
/// gives room back.
const ROOM_AFTER: HeaderValue = HeaderValue::from_static("1");

/// When the invocation must have ended, Unix milliseconds, beside what the payload says. Lambda's runtime has this header,
/// too.
const DEADLINE: &str = "lambda-runtime-deadline-ms";

/// Once the turns have ended, how long their callers may take to read the last of them.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How the server runs.
#[derive(Debug, Clone)]
pub(crate) struct ProxySettings {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The function's name in its path.
    pub(crate) function: String,
    /// How many turns run at once.
    pub(crate) concurrency: usize,
    /// How long turns that run may take to end once the server is to stop.
    pub(crate) stop_within: Duration,
    /// What callers may take.
    pub(crate) bounds: Bounds,
}

/// What callers may take of the server's memory and time.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Connections at once, beside one for each turn that may run: idle ones of callers, and questions for health and metrics.
    /// More wait until one is closed.
    pub(crate) more_connections: usize,
    /// How long the head of a request may take to come, and how long a connection may idle.
    pub(crate) head_within: Duration,
    /// How long the payload may take to come after the head.
    pub(crate) payload_within: Duration,
    /// The payloads of all turns that run, and those that come, bytes.
    pub(crate) payloads: usize,
}

impl Bounds {
    /// What suits as many turns at once of at most so much text. The longest payload has room if it comes alone.
    fn of(concurrency: usize, text: usize) -> Self {
        let payload = text.saturating_mul(TEXTS_FOR_EACH_TURN).min(LONGEST_PAYLOAD);
        Self {
            more_connections: 1024,
            head_within: Duration::from_secs(20),
            payload_within: Duration::from_secs(5),
            payloads: concurrency.saturating_mul(payload).max(LONGEST_PAYLOAD),
        }
    }
}

impl ProxySettings {
    /// Takes what is needed from `config`.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            listen: config.ai_proxy.listen,
            function: config.functions.ai_name.clone(),
            concurrency: config.ai_proxy.concurrency,
            stop_within: Duration::from_secs(config.ai_proxy.stop_seconds),
            bounds: Bounds::of(config.ai_proxy.concurrency, config.turn.recent_bytes),
        }
    }
}

/// The function's own part of the page of metrics, in Prometheus' text format.
pub(crate) type MetricsPage = Arc<dyn Fn() -> String + Send + Sync>;

struct Proxy {
    ai: Ai,
    function: String,
    permits: Permits,
    /// Each permit is a byte.
    payloads: Permits,
    payload_within: Duration,
    is_stopping: AtomicBool,
    turns: AtomicU64,
    throttled: AtomicU64,
    metrics: MetricsPage,
}

/// A server that listens, but does not serve yet.
pub(crate) struct Bound {
    listener: TcpListener,
    proxy: Arc<Proxy>,
    connections: Permits,
    head_within: Duration,
    stop_within: Duration,
}

impl Bound {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn new(ai: Ai, settings: ProxySettings, metrics: MetricsPage) -> std::io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let proxy = Arc::new(Proxy {
            ai,
            function: settings.function,
            permits: Permits::new(settings.concurrency),
            payloads: Permits::new(settings.bounds.payloads),
            payload_within: settings.bounds.payload_within,
            is_stopping: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            metrics,
        });
        let connections = Permits::new(settings.concurrency.saturating_add(settings.bounds.more_connections));
        let Bounds { head_within, .. } = settings.bounds;
        Ok(Self { listener, proxy, connections, head_within, stop_within: settings.stop_within })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, and then until the turns that run have ended. Those that take too long are broken off.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let Self { listener, proxy, connections, head_within, stop_within } = self;
        let (stopping, stopped) = watch::channel(false);
        let accepting =
            connections::accept(listener, router(Arc::clone(&proxy)), connections.clone(), head_within, stopped);
        let marked = Arc::clone(&proxy);
        let stopping = async move {
            stop.await;
            marked.is_stopping.store(true, Ordering::Relaxed);
            tracing::info!(turns = marked.permits.taken(), "stopping: turns that run are finished, none is begun");
            stopping.send_replace(true);
        };
        tokio::join!(accepting, stopping);
        // Connections without a turn, such as one with half a head, are not waited for.
        let turns_and_last_bytes = async {
            proxy.permits.all_free().await;
            tokio::time::sleep(LAST_BYTES).await;
        };
        tokio::select! {
            () = connections.all_free() => {}
            () = turns_and_last_bytes => {}
            () = tokio::time::sleep(stop_within) => {
                tracing::warn!(turns = proxy.permits.taken(), "stopped: turns that took too long are broken off");
            }
        }
    }
}

impl Proxy {
    /// A permit for a turn, unless all are taken or the server is to stop.
    fn permit(&self) -> Option<Permit> {
        let permit = if self.is_stopping.load(Ordering::Relaxed) { None } else { self.permits.take() };
        if permit.is_none() {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        permit
    }
}

fn router(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .with_state(proxy)
}

async fn invoke(
    State(proxy): State<Arc<Proxy>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if name != proxy.function {
        let message = format!("Function not found: {name}. This server runs {}.", proxy.function);
        return error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    }
    // Before the payload is read: a turn that cannot run takes no memory.
    let mut pieces = request.into_body().into_data_stream();
    let Some(permit) = proxy.permit() else {
        tokio::spawn(pass_over(pieces, proxy.payload_within));
        return error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.");
    };
    let read = Payload::read(&mut pieces, &proxy.payloads);
    let payload = match tokio::time::timeout(proxy.payload_within, read).await {
        Ok(Ok(payload)) => payload,
        Ok(Err(refused)) => {
            if let Refused::NoRoom = refused {
                proxy.throttled.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass_over(pieces, proxy.payload_within));
            }
            return refused.response(proxy.payloads.all());
        }
        Err(_) => {
            let message = format!("The request body did not come within {} ms.", proxy.payload_within.as_millis());
            return error(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", &message);
        }
    };
    let Some(deadline_ms) = deadline_ms(&headers) else {
        return invalid("the header lambda-runtime-deadline-ms is not a number of milliseconds");
    };
    match serde_json::from_slice(&payload.bytes) {
        Ok(request) => {
            proxy.turns.fetch_add(1, Ordering::Relaxed);
            let body = held_by(proxy.ai.body(request, deadline_ms), (permit, payload.room));
            ([(CONTENT_TYPE, invocation::CONTENT_TYPE)], body).into_response()
        }
        // The error itself may repeat what a visitor wrote.
        Err(_) => invalid("Could not parse request body into json"),
    }
}

/// A payload that has come, and the room that it takes: as long as its turn runs, which keeps what is in it.
struct Payload {
    bytes: Vec<u8>,
    room: Permit,
}

/// Why a payload is not read to its end.
enum Refused {
    TooLong,
    NoRoom,
    Broken(String),
}

impl Payload {
    /// Reads a payload, and takes a permit of `room` for each byte when it comes.
    async fn read(pieces: &mut BodyDataStream, room: &Permits) -> Result<Self, Refused> {
        let mut payload = Self { bytes: Vec::new(), room: room.none() };
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Refused::Broken(error.to_string()))?;
            if payload.bytes.len() + piece.len() > LONGEST_PAYLOAD {
                return Err(Refused::TooLong);
            }
            if !payload.room.take(piece.len()) {
                return Err(Refused::NoRoom);
            }
            payload.bytes.extend_from_slice(&piece);
        }
        Ok(payload)
    }
}

impl Refused {
    /// `room`: how many bytes all payloads may have.
    fn response(self, room: usize) -> Response {
        match self {
            Self::TooLong => {
                let message = format!("Request must be smaller than {LONGEST_PAYLOAD} bytes.");
                error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
            }
            Self::NoRoom => {
                let message =
                    format!("The payloads of the turns that run leave no room for this one: {room} bytes for all.");
                let mut response = error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", &message);
                response.headers_mut().insert(RETRY_AFTER, ROOM_AFTER);
                response
            }
            Self::Broken(reason) => invalid(&reason),
        }
    }
}

/// Reads a refused payload and keeps nothing of it, so that a caller that still writes can read the refusal and use the
/// connection again.
async fn pass_over(mut pieces: BodyDataStream, within: Duration) {
    let pass = async { while let Some(Ok(_)) = pieces.next().await {} };
    // One that takes longer loses its connection.
    let _ = tokio::time::timeout(within, pass).await;
}

/// The permits are taken for as long as the body lives.
fn held_by(body: invocation::Body, permits: (Permit, Permit)) -> Body {
    Body::from_stream(body.map(move |piece| {
        let _held = &permits;
        piece
    }))
}

/// What the header says, and the end of time without one.
fn deadline_ms(headers: &HeaderMap) -> Option<u64> {
    headers.get(DEADLINE).map_or(Some(u64::MAX), |value| value.to_str().ok()?.parse().ok())
}

async fn health(State(proxy): State<Arc<Proxy>>) -> Response {
    match proxy.is_stopping.load(Ordering::Relaxed) {
        false => "ok\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn metrics(State(proxy): State<Arc<Proxy>>) -> Response {
    let mut page = String::new();
    for (name, kind, about, value) in [
        ("ai_proxy_turns_running", "gauge", "Turns that run now.", proxy.permits.taken() as u64),
        ("ai_proxy_turns_limit", "gauge", "Turns that may run at once.", proxy.permits.all() as u64),
        (
            "ai_proxy_payload_bytes",
            "gauge",
            "Payloads of these turns, and of those that come.",
            proxy.payloads.taken() as u64,
        ),
        ("ai_proxy_payload_bytes_limit", "gauge", "Payloads that there is room for.", proxy.payloads.all() as u64),
        ("ai_proxy_turns_total", "counter", "Turns taken.", proxy.turns.load(Ordering::Relaxed)),
        ("ai_proxy_throttled_total", "counter", "Turns refused with 429.", proxy.throttled.load(Ordering::Relaxed)),
    ] {
        page += &format!("# HELP {name} {about}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    page += &(proxy.metrics)();
    ([(CONTENT_TYPE, METRICS_TYPE)], page).into_response()
}

fn invalid(message: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
}

/// An error as Lambda's invoke API says it.
fn error(status: StatusCode, kind: &'static str, message: &str) -> Response {
    (status, [("x-amzn-errortype", kind)], Json(json!({ "Type": "User", "message": message }))).into_response()
}

#[cfg(test)]
mod tests;
