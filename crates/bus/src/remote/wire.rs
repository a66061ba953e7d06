//! A protocol.

use bytes::{Bytes, BytesMut};

use super::address::Address;
use super::interest::Ticket;
use super::outgoing::Command;
use super::socket::Socket;
use crate::Topic;

/// What a connection of one protocol has in flight, and how its bytes read. Does no I/O.
pub(crate) trait Wire: Send {
    /// Appends a command's bytes to `output`.
    fn encode(&mut self, command: Command, output: &mut BytesMut);

    /// Appends what must follow the commands since the last call, before `output` is written.
    fn end_batch(&mut self, output: &mut BytesMut);

    /// Takes one thing off `input`; none: it is not whole yet.
    ///
    /// # Errors
    /// Why the connection is of no use any more.
    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Heard>, String>;

    /// What was encoded and the server has not answered, in order.
    fn unanswered(self) -> impl Iterator<Item = Command>;
}

/// What a server says.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Topic, Bytes),
    Subscribed(Topic, Ticket),
    /// It refused a command.
    Refused {
        command: Command,
        reason: String,
        why: Refusal,
    },
    /// It has ended a subscription by itself.
    Ended(Topic),
    /// Something that nobody needs to know.
    Other,
}

/// What to do about a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another server has this slot (Redis Cluster).
    Moved(u16, Address),
    /// Later it may be possible.
    Later,
    /// Nothing, unless an operator does something.
    Final,
}

/// How to get a connection.
pub(crate) trait Door: Clone + Send + Sync + 'static {
    type Wire: Wire;

    /// Connects, and is let in.
    ///
    /// # Errors
    /// Why not, without a password.
    fn open(&self, address: &Address) -> impl Future<Output = Result<Opened<Self::Wire>, String>> + Send;
}

/// A connection that was let in.
pub(crate) struct Opened<W> {
    pub(crate) socket: Socket,
    pub(crate) wire: W,
    /// What was read beyond the server's consent.
    pub(crate) input: BytesMut,
    /// Other servers that do as well (NATS).
    pub(crate) others: Vec<Address>,
}
