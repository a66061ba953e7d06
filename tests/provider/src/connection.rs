//! Connections: accepted, served, closed.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use crate::options::Connections;
use crate::respond::respond;
use crate::shared::{Closing, HowToClose, Shared};
use crate::wire::{Control, Wire};

/// How long to wait when the system has no sockets left.
const PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until `stopped` says so; with TLS if there is a configuration for it.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(shared.settings().connections.most));
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            accepted = accept_one(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        shared.count_connections(|counts| counts.accepted += 1);
        if shared.settings().connections.refuse {
            // Dropping it with this is a reset.
            let _ = stream.set_zero_linger();
            shared.count_connections(|counts| counts.refused += 1);
            continue;
        }
        // Without it Nagle's algorithm holds small events back for 40 ms.
        let _ = stream.set_nodelay(true);
        let (shared, tls, mut stopped) = (Arc::clone(&shared), tls.clone(), stopped.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = serve(stream, tls, shared) => {}
            }
        });
    }
}

async fn accept_one(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    let (stream, _) = listener.accept().await.ok()?;
    Some((stream, permit))
}

async fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    let open = OpenConnection::new(&shared);
    let control = Arc::new(Control::new());
    let wire = Wire::new(stream, Arc::clone(&control));
    let settings = shared.settings().connections.clone();
    match tls {
        None => serve_http(wire, &settings, &shared, &control).await,
        Some(tls) => {
            if settings.tls_delay_ms > 0 {
                sleep(Duration::from_millis(settings.tls_delay_ms)).await;
            }
            // A client that does not trust the certificate, or has gone.
            let Ok(wire) = TlsAcceptor::from(tls).accept(wire).await else { return };
            shared.count_connections(|counts| counts.tls += 1);
            serve_http(wire, &settings, &shared, &control).await;
        }
    }
    drop(open);
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    settings: &Connections,
    shared: &Arc<Shared>,
    control: &Arc<Control>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(settings.streams);
    let (most, mut closing) = (settings.requests, shared.closing.subscribe());
    let service = service_fn(|request: Request<Incoming>| {
        let is_http2 = request.version() == Version::HTTP_2;
        let number = control.requests() + 1;
        if number == 1 {
            shared.count_connections(|counts| *(if is_http2 { &mut counts.http2 } else { &mut counts.http1 }) += 1);
        }
        if most.is_some_and(|most| number >= most) {
            control.go_away();
        }
        respond(Arc::clone(shared), Arc::clone(control), request)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut leaves = false;
    loop {
        tokio::select! {
            // The responses' own wishes come first: hyper would send more.
            biased;
            () = control.ended() => return,
            // How it went is the client's matter.
            _ = connection.as_mut() => return,
            how = told(&mut closing) => match how {
                HowToClose::Gently => control.go_away(),
                HowToClose::AtOnce => return,
                HowToClose::Reset => return control.end(crate::plan::Ending::Reset),
            },
            () = control.left(), if !leaves => {
                leaves = true;
                connection.as_mut().graceful_shutdown();
            }
            () = idle(control, settings.idle_ms), if !leaves => control.go_away(),
        }
    }
}

async fn told(closing: &mut watch::Receiver<Closing>) -> HowToClose {
    match closing.changed().await {
        Ok(()) => closing.borrow_and_update().how,
        Err(_) => std::future::pending().await,
    }
}

/// Waits until the connection has had no request for so long.
async fn idle(control: &Control, idle_ms: Option<u64>) {
    let Some(idle_ms) = idle_ms else { return std::future::pending().await };
    let mut open = control.open.subscribe();
    loop {
        let until = Instant::now() + Duration::from_millis(idle_ms);
        let is_idle = *open.borrow_and_update() == 0;
        tokio::select! {
            () = sleep_until(until), if is_idle => return,
            changed = open.changed() => if changed.is_err() { return std::future::pending().await },
        }
    }
}

/// Counts a connection as long as it lives.
struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.count_connections(|counts| counts.open += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.count_connections(|counts| counts.open -= 1);
    }
}
