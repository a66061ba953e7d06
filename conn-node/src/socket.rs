//! One WebSocket: frames out, frames in, within bounds of bytes and time.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use protocol::codes::CloseCode;
use protocol::v1::{ErrorCode, ServerFrame};
use protocol::{Subprotocol, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::outgoing::{Batch, SendError, in_time};

/// Read at once per connection. The default of 128 KiB is allocated for every idle connection; most frames of a visitor
/// fit into this, and longer ones take several reads.
const READ_BUFFER_BYTES: usize = 256;

/// Written out when so much has gathered, without waiting for the end of a batch.
const WRITE_THROUGH_BYTES: usize = 8 * 1_024;

/// How much more than the longest frame is read before the connection is closed for it. Up to there the frame is refused
/// by name and the connection kept.
const OVERSIZE_FACTOR: usize = 4;

/// How long the goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What bounds a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketLimits {
    /// The longest frame that is decoded, bytes.
    pub(crate) max_frame_bytes: usize,
    /// Most bytes waiting to be written.
    pub(crate) write_buffer_bytes: usize,
    /// How long a write may make no progress.
    pub(crate) slow_reader: Duration,
}

/// The settings of tungstenite for these limits.
pub(crate) fn websocket_config(limits: &SocketLimits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_THROUGH_BYTES)
        .max_write_buffer_size(limits.write_buffer_bytes)
        .max_message_size(Some(limits.max_frame_bytes * OVERSIZE_FACTOR))
        .max_frame_size(Some(limits.max_frame_bytes * OVERSIZE_FACTOR))
}

/// A socket after the handshake.
pub(crate) struct Socket {
    ws: WebSocketStream<TcpStream>,
    batch: Batch,
    subprotocol: Subprotocol,
    limits: SocketLimits,
    /// Nothing more can be made of what comes in.
    is_broken: bool,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Received {
    /// A frame's bytes.
    Frame(Bytes),
    /// A message longer than a frame may be.
    TooLarge,
    /// Text where the subprotocol has binary, or the reverse.
    WrongKind,
    /// A sign of life.
    Alive,
    /// The peer left.
    End,
    /// The peer broke the WebSocket protocol, or sent far more than a frame may hold. Say this error and close with this
    /// code: nothing that follows can be read.
    Broken(ErrorCode, CloseCode),
}

impl Socket {
    /// Wraps a stream on which the handshake is done; `read` is what was read beyond it.
    pub(crate) async fn new(stream: TcpStream, read: Bytes, subprotocol: Subprotocol, limits: SocketLimits) -> Self {
        let config = Some(websocket_config(&limits));
        let ws = if read.is_empty() {
            WebSocketStream::from_raw_socket(stream, Role::Server, config).await
        } else {
            WebSocketStream::from_partially_read(stream, read.to_vec(), Role::Server, config).await
        };
        Self { ws, batch: Batch::default(), subprotocol, limits, is_broken: false }
    }

    pub(crate) fn subprotocol(&self) -> Subprotocol {
        self.subprotocol
    }

    /// The next thing that comes in. Safe to drop while it waits.
    pub(crate) async fn receive(&mut self) -> Received {
        let message = match self.ws.next().await {
            None => return Received::End,
            Some(Err(error)) => {
                self.is_broken = true;
                return broken(&error);
            }
            Some(Ok(message)) => message,
        };
        let (bytes, fits) = match message {
            Message::Binary(bytes) => (bytes, self.subprotocol == Subprotocol::Proto),
            Message::Text(text) => (Bytes::from(text), self.subprotocol == Subprotocol::Json),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Received::Alive,
            Message::Close(_) => {
                // Our half of the goodbye waits in the write buffer. A peer that takes nothing any more does without.
                let _ = self.ws.flush().now_or_never();
                return Received::End;
            }
        };
        match () {
            () if bytes.len() > self.limits.max_frame_bytes => Received::TooLarge,
            () if !fits => Received::WrongKind,
            () => Received::Frame(bytes),
        }
    }

    /// Takes a frame into the batch; a batch that has become large is written out.
    pub(crate) async fn feed(&mut self, frame: impl Into<ServerFrame>) -> Result<usize, SendError> {
        let bytes = wire::encode(&frame.into(), self.subprotocol)?;
        self.feed_bytes(&bytes).await
    }

    /// As [`Socket::feed`], of a piece of an answer.
    pub(crate) async fn feed_delta(
        &mut self,
        turn: u32,
        run: u32,
        offset: u32,
        text: &str,
    ) -> Result<usize, SendError> {
        let bytes = wire::encode_delta(turn, run, offset, text, self.subprotocol)?;
        self.feed_bytes(&bytes).await
    }

    /// Writes out what was fed.
    pub(crate) async fn flush(&mut self) -> Result<(), SendError> {
        self.batch.write_out(&mut self.ws, self.limits.slow_reader).await
    }

    /// Feeds and writes out.
    pub(crate) async fn send(&mut self, frame: impl Into<ServerFrame>) -> Result<(), SendError> {
        self.feed(frame).await?;
        self.flush().await
    }

    /// Asks the peer for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), SendError> {
        let ping = self.ws.send(Message::Ping(Bytes::new()));
        Ok(in_time(self.limits.slow_reader, ping).await?.map_err(Box::new)?)
    }

    /// Says goodbye with a close code, and waits a little for the peer's own goodbye, so that the last frames are not lost
    /// to a reset.
    pub(crate) async fn close(mut self, code: CloseCode) {
        let frame = CloseFrame { code: code.number().into(), reason: Utf8Bytes::from_static(code.row().name) };
        let goodbye = async {
            if self.ws.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.ws.next().await {}
                if self.is_broken {
                    discard(self.ws.get_mut()).await;
                }
            }
        };
        // A peer that does not answer is dropped.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
    }

    async fn feed_bytes(&mut self, bytes: &[u8]) -> Result<usize, SendError> {
        let kind = match self.subprotocol {
            Subprotocol::Proto => Data::Binary,
            Subprotocol::Json => Data::Text,
        };
        self.batch.push(kind, bytes)?;
        if self.batch.len() > WRITE_THROUGH_BYTES {
            self.flush().await?;
        }
        Ok(bytes.len())
    }
}

/// Takes what still comes, to the peer's end. A socket closed with unread bytes resets the connection, and the reset would
/// destroy the goodbye before the peer has read it.
async fn discard(stream: &mut TcpStream) {
    let mut bytes = [0; READ_BUFFER_BYTES];
    if stream.shutdown().await.is_ok() {
        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    }
}

fn broken(error: &WsError) -> Received {
    match error {
        WsError::Capacity(_) => Received::Broken(ErrorCode::FrameTooLarge, CloseCode::FrameTooLarge),
        WsError::Protocol(_) | WsError::Utf8(_) => Received::Broken(ErrorCode::Malformed, CloseCode::ProtocolViolation),
        _ => Received::End,
    }
}
