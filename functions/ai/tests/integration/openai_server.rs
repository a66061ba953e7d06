//! A model's server that does what a test tells it, on a free port of its own.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use futures_util::{Stream, StreamExt, stream};
use http::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How the server answers one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status 200 and a body of these steps.
    Stream(Vec<Step>),
    /// Another status, headers and a body.
    Status(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Nothing, not even headers, for good.
    Silence,
}

/// A part of a body.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    /// The connection breaks.
    Cut,
    /// Comments, for good.
    KeepAlive,
    /// Nothing more, for good. Tells the test when the client has gone.
    Hold,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// The server. Stops when dropped.
#[derive(Debug)]
pub(crate) struct OpenAiServer {
    address: SocketAddr,
    server: JoinHandle<()>,
    pub(crate) requests: mpsc::UnboundedReceiver<Request>,
    /// One message for each body with [`Step::Hold`] that the client has left.
    pub(crate) left: mpsc::UnboundedReceiver<()>,
}

struct Shared {
    replies: Mutex<Vec<Reply>>,
    requests: mpsc::UnboundedSender<Request>,
    left: mpsc::UnboundedSender<()>,
}

impl OpenAiServer {
    /// Starts a server that gives these replies in turn, and the last one for good.
    pub(crate) async fn start(replies: Vec<Reply>) -> Result<Self> {
        let (requests, seen) = mpsc::unbounded_channel();
        let (left, gone) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { replies: Mutex::new(replies), requests, left });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(shared);
        let server = tokio::spawn(async move {
            // It only ends by being aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, server, requests: seen, left: gone })
    }

    /// A server that streams `body` for good.
    pub(crate) async fn streaming(body: &str) -> Result<Self> {
        Self::start(vec![Reply::Stream(vec![Step::Bytes(body.into())])]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many requests came that were not taken from `requests`.
    pub(crate) fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.requests.try_recv().ok()).count()
    }
}

impl Drop for OpenAiServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn complete(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    shared.requests.send(Request { headers, body }).unwrap();
    let reply = {
        let mut replies = shared.replies.lock().unwrap();
        if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
    };
    match reply {
        Reply::Silence => std::future::pending().await,
        Reply::Stream(steps) => Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::from_stream(stream::iter(steps).flat_map(move |step| bytes(step, &shared))))
            .unwrap(),
        Reply::Status(status, headers, body) => {
            let response = Response::builder().status(status);
            let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
            response.body(Body::from(body)).unwrap()
        }
    }
}

fn bytes(step: Step, shared: &Arc<Shared>) -> stream::BoxStream<'static, Result<Bytes, std::io::Error>> {
    match step {
        Step::Bytes(bytes) => stream::iter([Ok(Bytes::from(bytes))]).boxed(),
        Step::Cut => stream::once(async {
            // What came before is only sent once the body has nothing ready.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("cut by the test"))
        })
        .boxed(),
        Step::KeepAlive => keep_alive().map(|bytes: Result<_, Infallible>| Ok(bytes.unwrap())).boxed(),
        Step::Hold => {
            let guard = Left(shared.left.clone());
            stream::once(async move {
                let _guard = guard;
                std::future::pending().await
            })
            .boxed()
        }
    }
}

fn keep_alive() -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold(tokio::time::interval(Duration::from_millis(5)), async |mut ticks| {
        ticks.tick().await;
        Some((Ok(Bytes::from_static(b": keep-alive\n\n")), ticks))
    })
}

struct Left(mpsc::UnboundedSender<()>);

impl Drop for Left {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send(());
    }
}
