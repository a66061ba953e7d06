//! Accepting: TCP connections become HTTP requests, and those to `/v1/connect` become WebSockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::Subprotocol;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tower::ServiceExt;

use crate::arrival::{Caller, address, admit, arrive};
use crate::connection;
use crate::greet;
use crate::node::Node;
use crate::socket::Socket;

/// The WebSocket endpoint.
pub(crate) const CONNECT: &str = "/v1/connect";

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest head of a request, bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Connections that have not become WebSockets. More wait in the system's backlog until some are done.
const MAX_REQUESTS: usize = 4_096;

/// How long a connection may stay with HTTP, all of its requests together: one that reads nothing is not kept for ever.
/// Then it may finish one more, for as long as [`HEAD_TIMEOUT`].
const HTTP_TIMEOUT: Duration = Duration::from_secs(60);

/// After a failed accept (no file descriptor left, mostly) the next try waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for ever. `router` answers everything but [`CONNECT`].
pub(crate) async fn accept(node: Arc<Node>, listener: Arc<TcpListener>, router: Router) {
    let places = Arc::new(Semaphore::new(MAX_REQUESTS));
    // Nobody closes the semaphore.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Batching is done by the program; the kernel's would delay single deltas by 40 ms.
                let _ = stream.set_nodelay(true);
                let Ok(seat) = arrive(&node, peer) else { continue };
                let requests = serve(Arc::clone(&node), stream, peer, router.clone());
                tokio::spawn(async move {
                    requests.await;
                    drop((place, seat));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted; more files may have to be allowed (ulimit -n)");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(node: Arc<Node>, stream: TcpStream, peer: SocketAddr, router: Router) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (node, router) = (Arc::clone(&node), router.clone());
        async move { Ok::<_, Infallible>(answer(node, request, peer, router).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = match tokio::time::timeout(HTTP_TIMEOUT, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            // The request that is being answered may be finished, if the client reads.
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(HEAD_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a request ended early");
    }
}

async fn answer(node: Arc<Node>, mut request: Request<Incoming>, peer: SocketAddr, router: Router) -> Response<Body> {
    if request.uri().path() != CONNECT {
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        let Ok(response) = router.oneshot(request.map(Body::new)).await;
        return response;
    }
    upgrade(node, request, peer).unwrap_or_else(|refused| *refused)
}

/// Checks the handshake and, if it is good, starts a task that takes the socket over.
fn upgrade(node: Arc<Node>, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Body>, Refused> {
    let accept = handshake(&request)?;
    let subprotocol = subprotocol(request.headers())?;
    let address = address(&node, peer, request.headers());
    let open = admit(&node, address)?;
    let origins = request.headers().get_all(header::ORIGIN).iter().cloned();
    let caller = Caller { address, origin: origins.map(|origin| (header::ORIGIN, origin)).collect() };
    let (mut response, stream) = switch(request, accept);
    tokio::spawn(async move {
        let Some((stream, read)) = stream.await else { return };
        let socket = Socket::new(stream, read, subprotocol, node.socket_limits()).await;
        if let Some(connection) = greet::greet(&node, socket, &caller).await {
            // A task of its own: the greeting needs kilobytes for a moment, the connection little for hours.
            tokio::spawn(connection::serve(connection, open));
        }
    });
    let name = HeaderValue::from_static(subprotocol.name());
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    Ok(response)
}

/// What refuses a handshake.
type Refused = Box<Response<Body>>;

/// The response that switches to WebSocket, and the bare TCP stream to come, with what was read beyond the request: the
/// WebSocket needs none of HTTP's buffers.
pub(crate) fn switch(
    mut request: Request<Incoming>,
    accept: HeaderValue,
) -> (Response<Body>, impl Future<Output = Option<(TcpStream, Bytes)>> + Send) {
    let upgrade = hyper::upgrade::on(&mut request);
    let stream = async {
        let parts = upgrade.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
        Some((parts.io.into_inner(), parts.read_buf))
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    (response, stream)
}

/// Checks what RFC 6455, section 4.2.1, asks of a client, and gives the value of `Sec-WebSocket-Accept`.
pub(crate) fn handshake(request: &Request<Incoming>) -> Result<HeaderValue, Refused> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "open a WebSocket here, with GET"));
    }
    let upgrades =
        has_token(headers, &header::CONNECTION, "upgrade") && has_token(headers, &header::UPGRADE, "websocket");
    if !upgrades {
        let mut response = refusal(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket endpoint: open a WebSocket here");
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Err(response);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = refusal(StatusCode::UPGRADE_REQUIRED, "use version 13 of the WebSocket protocol");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(response);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
    accept.ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"))
}

fn subprotocol(headers: &HeaderMap) -> Result<Subprotocol, Refused> {
    let mut offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let reason = "Sec-WebSocket-Protocol must name frontdesk.v1.proto or frontdesk.v1.json";
    offered.find_map(Subprotocol::choose).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, reason))
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn refusal(status: StatusCode, reason: &'static str) -> Refused {
    let mut response = Response::new(Body::from(reason));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Box::new(response)
}
