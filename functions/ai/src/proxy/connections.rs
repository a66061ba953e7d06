//! Connections: accepted within bounds, served, and ended once the server is to stop.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use super::permits::{Permit, Permits};

/// Largest head of a request, bytes. It is also how much of a body is read ahead.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// After a failed accept (no file descriptor left, mostly) the next try waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `stop` is true or its sender is gone. A connection on which nothing runs then is closed at once; the
/// others live on until their response has ended. More connections than there are `permits` wait in the system's backlog.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    permits: Permits,
    head_within: Duration,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let next = async {
            let permit = permits.wait().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stopped(&mut stop) => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                // What is written goes out at once: a held-back piece is a token that the visitor waits for.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection cannot be set to send at once");
                }
                tokio::spawn(serve(stream, router.clone(), permit, head_within, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted; more files may have to be allowed (ulimit -n)");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until the server is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only if the server is.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve(
    stream: TcpStream,
    router: Router,
    permit: Permit,
    head_within: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
        }
    });
    // A head must come in time, the first one and those after it, so that a connection without requests ends, too.
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(permit);
}
