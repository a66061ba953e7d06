//! A visitor as small as can be: one connection, and no memory of what was said.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use client::{Address, Connection, Random, Received, SocketOptions};
use protocol::Subprotocol;
use protocol::v1::server_frame::Kind;
use protocol::v1::{self, event};

/// Read at once. Thousands of these live in one process.
const READ_BUFFER_BYTES: usize = 1024;

/// A welcomed connection.
pub(crate) struct Visitor {
    pub(crate) connection: Connection,
    /// The token it was given; empty if it came with one that is still good.
    pub(crate) token: String,
}

/// What a visitor waits for while an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A piece of the answer.
    Delta,
    /// The answer is stored.
    Answer,
}

impl Visitor {
    /// Connects from `source`, says Hello with this token (empty: as a new visitor) and is welcomed.
    ///
    /// # Errors
    /// The node refuses, or the connection breaks.
    pub(crate) async fn join(address: &Address, site: &str, source: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let options = SocketOptions { source: Some(source), read_buffer_bytes: READ_BUFFER_BYTES };
        let mut connection = Connection::open(address, Subprotocol::Proto, options).await?;
        let hello = v1::Hello { site: site.to_owned(), token: token.to_owned(), ..Default::default() };
        connection.send(&hello.into()).await?;
        match next(&mut connection).await? {
            Kind::Welcome(welcome) => Ok(Self { connection, token: welcome.token }),
            Kind::Error(error) => bail!("the node refuses: {}", error.message),
            other => bail!("{other:?} in place of Welcome"),
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) async fn say(&mut self, random: &mut Random, text: String) -> anyhow::Result<()> {
        let send = v1::Send { id: random.id().to_vec(), text };
        Ok(self.connection.send(&send.into()).await?)
    }

    /// Waits for the next piece of an answer, or its end.
    ///
    /// # Errors
    /// A refusal, another end of the turn, or the end of the connection.
    pub(crate) async fn hear(&mut self) -> anyhow::Result<Heard> {
        loop {
            match self.next().await? {
                Kind::Delta(_) => return Ok(Heard::Delta),
                Kind::Event(v1::Event { body: Some(event::Body::Answer(answer)), .. }) => {
                    if answer.end() != v1::AnswerEnd::Complete {
                        bail!("an answer ended as {:?}", answer.end());
                    }
                    return Ok(Heard::Answer);
                }
                Kind::Error(error) => bail!("the node refuses: {}", error.message),
                _ => {}
            }
        }
    }

    /// The next frame, whatever it is.
    ///
    /// # Errors
    /// The end of the connection, or bytes that are no frame.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Kind> {
        next(&mut self.connection).await
    }
}

async fn next(connection: &mut Connection) -> anyhow::Result<Kind> {
    match connection.receive().await {
        Received::Frame(kind, _) => Ok(kind),
        Received::Unknown => bail!("a frame of an unknown kind"),
        Received::Undecodable(error) => Err(error).context("a frame that cannot be read"),
        Received::Closed(code) => bail!("the connection was closed with {code:?}"),
    }
}
