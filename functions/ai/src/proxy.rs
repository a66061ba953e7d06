//! The function as an HTTP server, for containers: Lambda's invoke API for this one function.
//!
//! | | |
//! |---|---|
//! | `POST /2015-03-31/functions/{name}/invocations` | one turn, as under Lambda; the body comes as it is written |
//! | `GET /healthz` | 200 while turns are taken, 503 once the server is to stop |
//! | `GET /metrics` | Prometheus' text format |
//!
//! As many turns run at once as are allowed; one more is refused as Lambda refuses it. A caller that leaves ends its turn,
//! and what the turn asked of a model: here nothing is paid for until a deadline, as it is on Lambda. There is no
//! authentication: let only nodes reach this port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use config::Config;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::invocation::{self, Ai};

/// The longest payload, bytes: Lambda's 6 MB.
const LONGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// When the invocation must have ended, Unix milliseconds, beside what the payload says. Lambda's runtime has this header,
/// too.
const DEADLINE: &str = "lambda-runtime-deadline-ms";

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
}

impl ProxySettings {
    /// Takes what is needed from `config`.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            listen: config.ai_proxy.listen,
            function: config.functions.ai_name.clone(),
            concurrency: config.ai_proxy.concurrency,
            stop_within: Duration::from_secs(config.ai_proxy.stop_seconds),
        }
    }
}

/// The function's own part of the page of metrics, in Prometheus' text format.
pub(crate) type MetricsPage = Arc<dyn Fn() -> String + Send + Sync>;

struct Proxy {
    ai: Ai,
    function: String,
    places: Arc<Semaphore>,
    concurrency: usize,
    is_stopping: AtomicBool,
    turns: AtomicU64,
    throttled: AtomicU64,
    metrics: MetricsPage,
}

/// A server that listens, but does not serve yet.
pub(crate) struct Bound {
    listener: TcpListener,
    proxy: Arc<Proxy>,
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
            places: Arc::new(Semaphore::new(settings.concurrency)),
            concurrency: settings.concurrency,
            is_stopping: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            metrics,
        });
        Ok(Self { listener, proxy, stop_within: settings.stop_within })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, and then until the turns that run have ended. Those that take too long are broken off.
    ///
    /// # Errors
    /// The listener failed.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
        let Self { listener, proxy, stop_within } = self;
        // What is written goes out at once: a held-back piece is a token that the visitor waits for.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection cannot be set to send at once");
            }
        });
        let (stopping, stopped) = oneshot::channel::<()>();
        let marked = Arc::clone(&proxy);
        let stop = async move {
            stop.await;
            marked.is_stopping.store(true, Ordering::Relaxed);
            tracing::info!(turns = marked.running(), "stopping: turns that run are finished, none is begun");
            // The receiver is gone only if the server has ended.
            let _ = stopping.send(());
        };
        let serving = axum::serve(listener, router(Arc::clone(&proxy))).with_graceful_shutdown(stop);
        let too_long = async {
            match stopped.await {
                Ok(()) => tokio::time::sleep(stop_within).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            served = serving.into_future() => served,
            () = too_long => {
                tracing::warn!(turns = proxy.running(), "stopped: turns that took too long are broken off");
                Ok(())
            }
        }
    }
}

impl Proxy {
    fn running(&self) -> usize {
        self.concurrency.saturating_sub(self.places.available_permits())
    }
}

fn router(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(LONGEST_PAYLOAD))
        .with_state(proxy)
}

async fn invoke(
    State(proxy): State<Arc<Proxy>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Response {
    if name != proxy.function {
        let message = format!("Function not found: {name}. This server runs {}.", proxy.function);
        return error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    }
    let payload = match payload {
        Ok(payload) => payload,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("Request must be smaller than {LONGEST_PAYLOAD} bytes.");
            return error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message);
        }
        Err(rejection) => return invalid(&rejection.to_string()),
    };
    let Ok(place) = Arc::clone(&proxy.places).try_acquire_owned() else {
        proxy.throttled.fetch_add(1, Ordering::Relaxed);
        return error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.");
    };
    let Some(deadline_ms) = deadline_ms(&headers) else {
        return invalid("the header lambda-runtime-deadline-ms is not a number of milliseconds");
    };
    match serde_json::from_slice(&payload) {
        Ok(payload) => {
            proxy.turns.fetch_add(1, Ordering::Relaxed);
            let body = held_by(proxy.ai.body(payload, deadline_ms), place);
            ([(CONTENT_TYPE, invocation::CONTENT_TYPE)], body).into_response()
        }
        // The error itself may repeat what a visitor wrote.
        Err(_) => invalid("Could not parse request body into json"),
    }
}

/// A place is taken for as long as the body lives.
fn held_by(body: invocation::Body, place: OwnedSemaphorePermit) -> Body {
    Body::from_stream(body.map(move |piece| {
        let _held = &place;
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
        ("ai_proxy_turns_running", "gauge", "Turns that run now.", proxy.running() as u64),
        ("ai_proxy_turns_limit", "gauge", "Turns that may run at once.", proxy.concurrency as u64),
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
