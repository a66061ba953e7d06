//! A plan's steps, as time passes: the body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper::body::Frame;
use tokio::time::Instant;

use crate::chunk::{Chunks, event};
use crate::fault::Kind;
use crate::plan::Step;
use crate::respond::Open;
use crate::shared::Ticket;
use crate::stamp;
use crate::wire::Control;

/// What hyper sends.
pub(crate) type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// How long what was written has to leave before its connection ends: on HTTP/2 it passes through another task.
const LEAVING: Duration = Duration::from_millis(2);

/// How the bytes of a body are cut and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    OneByte,
    CarriageReturns,
}

impl From<Kind> for Form {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::OneByte => Self::OneByte,
            Kind::CarriageReturns => Self::CarriageReturns,
            _ => Self::Plain,
        }
    }
}

/// A body under way.
pub(crate) struct Running {
    /// Counts the body as under way on its connection.
    pub(crate) _open: Open,
    pub(crate) control: Arc<Control>,
    /// Counts the body as long as it lives.
    pub(crate) ticket: Ticket,
    pub(crate) chunks: Chunks,
    pub(crate) stamp: bool,
    pub(crate) form: Form,
    pub(crate) steps: std::vec::IntoIter<Step>,
    /// Bytes that wait for their turn, one by one.
    pub(crate) single: std::vec::IntoIter<u8>,
    /// What goes on for good.
    pub(crate) repeated: Option<(Bytes, tokio::time::Interval)>,
}

impl Running {
    /// The frames, each when its time has come.
    pub(crate) fn frames(self) -> Frames {
        Box::pin(stream::unfold(self, async |mut running| {
            let bytes = running.next().await?;
            Some((Ok(Frame::data(bytes)), running))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(byte) = self.single.next() {
            return Some(Bytes::copy_from_slice(&[byte]));
        }
        if let Some((bytes, ticks)) = &mut self.repeated {
            ticks.tick().await;
            return Some(bytes.clone());
        }
        loop {
            let Some(step) = self.steps.next() else {
                self.ticket.handle_whole();
                return None;
            };
            match step {
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Bytes(bytes) => return Some(self.formed(bytes)),
                Step::Token(text) => {
                    let text = if self.stamp { stamp::now() } else { text };
                    let bytes = event(&self.chunks.text(&text)).into_bytes();
                    self.ticket.handle_token();
                    return Some(self.formed(bytes));
                }
                Step::Repeat(bytes, every) => {
                    let bytes = self.formed(bytes);
                    self.repeated = Some((bytes.clone(), tokio::time::interval_at(Instant::now() + every, every)));
                    return Some(bytes);
                }
                Step::Hold => std::future::pending().await,
                Step::End(ending) => {
                    tokio::time::sleep(LEAVING).await;
                    self.control.end(ending);
                    std::future::pending().await
                }
            }
        }
    }

    fn formed(&mut self, bytes: Vec<u8>) -> Bytes {
        match self.form {
            Form::Plain => bytes.into(),
            Form::OneByte => {
                self.single = bytes.into_iter();
                self.single.next().map_or_else(Bytes::new, |byte| Bytes::copy_from_slice(&[byte]))
            }
            Form::CarriageReturns => {
                let doubled = bytes.into_iter().flat_map(|byte| match byte {
                    b'\n' => vec![b'\r', b'\n'],
                    byte => vec![byte],
                });
                doubled.collect::<Vec<_>>().into()
            }
        }
    }
}
