//! What a function sent for one invocation.

use anyhow::{Result, bail};
use bytes::Bytes;
use protocol::function::Lines;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

/// One thing that a function sent.
#[derive(Debug)]
pub enum Sent {
    /// Bytes of the response.
    Bytes(Bytes),
    /// Trailers: the function says that its response failed.
    Trailers,
    /// The response is whole.
    End,
    /// The connection broke off.
    Cut,
    /// The function reported an error instead of a response.
    Error(String),
}

/// The response to one invocation, as it comes.
#[derive(Debug)]
pub struct Reply {
    sent: mpsc::UnboundedReceiver<Sent>,
    lines: Lines,
}

impl Reply {
    pub(crate) fn new(sent: mpsc::UnboundedReceiver<Sent>) -> Self {
        Self { sent, lines: Lines::default() }
    }

    /// The next line; nothing at a good end.
    ///
    /// # Errors
    /// The response broke off, is an error, or has a line of another shape.
    pub async fn line<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(line) = self.lines.poll_line()? {
                return Ok(Some(line));
            }
            match self.sent.recv().await {
                Some(Sent::Bytes(bytes)) => self.lines.handle_chunk(&bytes),
                Some(Sent::End) if self.lines.is_partial() => bail!("the response ends inside a line"),
                Some(Sent::End) => return Ok(None),
                Some(Sent::Error(error)) => bail!("the function reported an error: {error}"),
                other => bail!("the response broke off: {other:?}"),
            }
        }
    }

    /// All lines.
    ///
    /// # Errors
    /// As [`Reply::line`].
    pub async fn lines<T: DeserializeOwned>(mut self) -> Result<Vec<T>> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await? {
            lines.push(line);
        }
        Ok(lines)
    }
}
