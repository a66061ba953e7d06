//! Data frames on their way out.
//!
//! tungstenite copies every frame into a buffer that it keeps for as long as the connection lives: after one long answer,
//! a kilobyte and more for each idle visitor. Data frames of a server are a header and the payload as it is, so they are
//! put together here, written to the stream and let go. Everything else about the protocol stays with tungstenite, whose
//! own frames (pongs, closes) are always written out before ours begin.

use std::io;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt};
use protocol::EncodeError;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Why nothing can be sent any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The peer is gone.
    #[error("the connection is gone: {0}")]
    Gone(#[from] Box<WsError>),
    /// The peer does not read.
    #[error("the peer did not read for too long")]
    Slow,
    /// The frame cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Frames that go out with one write.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
}

impl Batch {
    /// Adds a data frame. The payload is UTF-8 if `kind` is text.
    pub(crate) fn push(&mut self, kind: Data, payload: &[u8]) -> Result<(), SendError> {
        let header = FrameHeader { opcode: OpCode::Data(kind), ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut self.bytes).map_err(Box::new)?;
        self.bytes.extend_from_slice(payload);
        Ok(())
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes all of it. A peer that takes nothing for as long as `patience` is slow.
    ///
    /// Not to be dropped before it is done, unless the connection ends: the rest of a frame would be missing.
    pub(crate) async fn write_out(
        &mut self,
        ws: &mut WebSocketStream<TcpStream>,
        patience: Duration,
    ) -> Result<(), SendError> {
        // Mostly there is nothing of tungstenite's, and the kernel takes ours at once: no timer, no waiting.
        match ws.flush().now_or_never() {
            Some(flushed) => flushed.map_err(Box::new)?,
            None => in_time(patience, Box::pin(ws.flush())).await?.map_err(Box::new)?,
        }
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match ws.get_ref().try_write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    in_time(patience, Box::pin(ws.get_ref().writable())).await?.map_err(gone)?;
                }
                Err(error) => return Err(gone(error)),
            }
        }
        Ok(())
    }
}

/// `Slow` if it takes longer than `patience`.
pub(crate) async fn in_time<T>(patience: Duration, write: impl Future<Output = T>) -> Result<T, SendError> {
    tokio::time::timeout(patience, write).await.map_err(|_| SendError::Slow)
}

fn gone(error: io::Error) -> SendError {
    SendError::Gone(Box::new(WsError::Io(error)))
}
