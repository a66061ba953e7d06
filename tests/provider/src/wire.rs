//! A connection's socket, with what HTTP libraries do not let one do: reset it, and write byte by byte.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::plan::Ending;

/// How many bytes go out one by one: more than the headers have.
const SLOW_BYTES: u64 = 512;

/// What the responses of a connection can do to it.
#[derive(Debug)]
pub(crate) struct Control {
    ending: watch::Sender<Option<Ending>>,
    resets: AtomicBool,
    slow_bytes: AtomicU64,
    slow_us: AtomicU64,
    /// It takes no more requests.
    leaving: watch::Sender<bool>,
    /// Requests that came on it.
    requests: AtomicU64,
    /// Requests that are being answered.
    pub(crate) open: watch::Sender<u64>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            ending: watch::Sender::new(None),
            resets: AtomicBool::new(false),
            slow_bytes: AtomicU64::new(0),
            slow_us: AtomicU64::new(0),
            leaving: watch::Sender::new(false),
            requests: AtomicU64::new(0),
            open: watch::Sender::new(0),
        }
    }

    /// Counts a request; returns how many came before it.
    pub(crate) fn handle_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Ends the connection.
    pub(crate) fn end(&self, ending: Ending) {
        self.resets.store(ending == Ending::Reset, Ordering::Release);
        self.ending.send_replace(Some(ending));
    }

    /// Waits until somebody ends the connection.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as this borrow.
        let _ = self.ending.subscribe().wait_for(Option::is_some).await;
    }

    /// The connection takes no more requests, and ends when those that it has are answered.
    pub(crate) fn go_away(&self) {
        self.leaving.send_replace(true);
    }

    /// Whether it is to take no more requests.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Waits until the connection is to take no more requests.
    pub(crate) async fn left(&self) {
        let _ = self.leaving.subscribe().wait_for(|leaving| *leaving).await;
    }

    /// The next bytes go out one by one.
    pub(crate) fn slow_down(&self, each: Duration) {
        self.slow_us.store(each.as_micros().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        self.slow_bytes.store(SLOW_BYTES, Ordering::Release);
    }
}

/// The socket. Resets the connection when dropped, if it was told to.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    control: std::sync::Arc<Control>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, control: std::sync::Arc<Control>) -> Self {
        Self { stream, control, pause: None }
    }

    /// Waits for the pause before the next byte, and begins the one after it. Nothing: as usual.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let left = self.control.slow_bytes.load(Ordering::Acquire);
        if left == 0 {
            self.pause = None;
            return Poll::Ready(false);
        }
        let each = Duration::from_micros(self.control.slow_us.load(Ordering::Relaxed));
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(each)));
        if pause.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        self.control.slow_bytes.store(left - 1, Ordering::Release);
        Poll::Ready(true)
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Poll::Ready(is_slow) = self.poll_slow(cx) else { return Poll::Pending };
        let bytes = if is_slow { &bytes[..bytes.len().min(1)] } else { bytes };
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.resets.load(Ordering::Acquire) {
            // Where it cannot be set the connection is closed, which is nearly as bad for the other side.
            let _ = self.stream.set_zero_linger();
        }
    }
}
