//! An echo server on the node's own WebSocket stack, for the conformance suite. Exists only with the feature `echo`, which
//! no program turns on.

use std::convert::Infallible;

use axum::body::Body;
use futures_util::StreamExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::accept::{handshake, switch};
use crate::outgoing::Batch;
use crate::socket::{SocketLimits, websocket_config};

/// The suite's longest message has 16 MiB.
const LIMITS: SocketLimits = SocketLimits {
    max_frame_bytes: 16 << 20,
    write_buffer_bytes: 128 << 20,
    slow_reader: std::time::Duration::from_secs(30),
};

/// Sends every message back, for ever.
///
/// # Errors
/// A connection cannot be accepted.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream));
    }
}

async fn connection(stream: TcpStream) {
    let service = hyper::service::service_fn(async |request| Ok::<_, Infallible>(upgrade(request)));
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.with_upgrades().await {
        tracing::debug!(%error, "a request ended early");
    }
}

fn upgrade(request: Request<Incoming>) -> Response<Body> {
    let accept = match handshake(&request) {
        Ok(accept) => accept,
        Err(refused) => return *refused,
    };
    let (response, stream) = switch(request, accept);
    tokio::spawn(async move {
        if let Some((stream, read)) = stream.await {
            echo(stream, read.to_vec()).await;
        }
    });
    response
}

async fn echo(stream: TcpStream, read: Vec<u8>) {
    let config = Some(websocket_config(&LIMITS));
    let mut ws = WebSocketStream::from_partially_read(stream, read, Role::Server, config).await;
    let mut batch = Batch::default();
    // Pings and closes are answered by the stack itself.
    while let Some(Ok(message)) = ws.next().await {
        let kind = match &message {
            Message::Text(_) => Data::Text,
            Message::Binary(_) => Data::Binary,
            _ => continue,
        };
        let pushed = batch.push(kind, &message.into_data());
        if pushed.is_err() || batch.write_out(&mut ws, LIMITS.slow_reader).await.is_err() {
            return;
        }
    }
}
