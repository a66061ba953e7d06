//! Lambda's runtime API for tests of functions: it starts the real program, gives it invocations and reads what it sends.
//!
//! It follows <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html> and listens on a free port of its own.

mod process;
mod reply;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use crate::process::{Ended, Process};
pub use crate::reply::{Reply, Sent};

/// How long an invocation may take where the test names no other time.
const DEADLINE: Duration = Duration::from_secs(600);

/// A runtime API for one process of a function. Stops when dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    has_ended: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    invoke: mpsc::UnboundedSender<Invocation>,
    replies: Mutex<HashMap<String, mpsc::UnboundedSender<Sent>>>,
    has_ended: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    payload: Vec<u8>,
    deadline_ms: u64,
}

impl RuntimeApi {
    /// Starts to listen.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> Result<Self> {
        let (invoke, waiting) = mpsc::unbounded_channel();
        let (has_ended, ended) = watch::channel(false);
        let waiting = tokio::sync::Mutex::new(waiting);
        let shared = Arc::new(Shared { waiting, invoke, replies: Mutex::default(), has_ended: ended });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It only ends by being aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, server, has_ended })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Invokes the function; it gets ten minutes.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn invoke(&self, payload: &Value) -> Result<Reply> {
        self.invoke_within(payload, DEADLINE)
    }

    /// Invokes the function with a deadline.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn invoke_within(&self, payload: &Value, within: Duration) -> Result<Reply> {
        self.invoke_raw(serde_json::to_vec(payload)?, deadline_ms(within)?)
    }

    /// Invokes the function with bytes that may be no JSON.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn invoke_raw(&self, payload: Vec<u8>, deadline_ms: u64) -> Result<Reply> {
        let (sent, reply) = mpsc::unbounded_channel();
        let mut replies = self.shared.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let id = format!("invocation-{}", replies.len());
        replies.insert(id.clone(), sent);
        self.shared.invoke.send(Invocation { id, payload, deadline_ms })?;
        Ok(Reply::new(reply))
    }
}

impl RuntimeApi {
    /// Ends it. Until what is returned is dropped its port refuses connections: another test's server that happened to take
    /// the port would answer in its place, or say nothing.
    ///
    /// # Errors
    /// The port was taken by somebody else in this moment.
    pub async fn end(mut self) -> std::io::Result<TcpSocket> {
        self.server.abort();
        // It was broken off, which is what was wanted.
        let _aborted = (&mut self.server).await;
        // Its connections live on until what they wait for has come.
        self.has_ended.send_replace(true);
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        Ok(socket)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A moment so far in the future, in Unix milliseconds.
///
/// # Errors
/// The clock is before 1970.
pub fn deadline_ms(within: Duration) -> Result<u64> {
    Ok((SystemTime::now().duration_since(UNIX_EPOCH)? + within).as_millis().try_into()?)
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let mut has_ended = shared.has_ended.clone();
    let invocation = tokio::select! {
        _ = has_ended.wait_for(|ended| *ended) => None,
        invocation = async { shared.waiting.lock().await.recv().await } => invocation,
    };
    let Some(invocation) = invocation else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:test".to_owned()),
    ];
    (headers, invocation.payload).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, mut body: Body) -> StatusCode {
    while let Some(frame) = body.frame().await {
        let sent = match frame {
            Ok(frame) => frame.into_data().map_or(Sent::Trailers, Sent::Bytes),
            Err(_) => Sent::Cut,
        };
        shared.pass_on(&id, sent);
    }
    shared.pass_on(&id, Sent::End);
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: String) -> StatusCode {
    shared.pass_on(&id, Sent::Error(body));
    StatusCode::ACCEPTED
}

impl Shared {
    fn pass_on(&self, id: &str, sent: Sent) {
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reply) = replies.get(id) {
            // A test that has read enough drops its reply.
            let _ = reply.send(sent);
        }
    }
}
