//! What the rest of Frontdesk asks of a bus, and what every implementation promises.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use conversation::ConversationId;

use crate::hub::Hub;
use crate::inbox::Inbox;

/// A future that a `dyn Bus` can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The longest payload, in bytes: twice the longest event. NATS takes 1 MB by default.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// Carries messages between those who care about the same topic, on this node and on others.
///
/// - **Nearly always once.** A message may be lost, and messages may change their order. One arrives twice only if a
///   connection was lost, or a server's place was taken, before it was known that the message had arrived.
/// - **Nothing is kept.** A subscription hears what is published after it was made; what was under way just then, perhaps.
/// - **Nobody waits.** Publishing never blocks on a reader; one that falls behind loses messages and is told so.
///
/// The log is the truth: payloads carry the seq, so that a gap shows and is filled from the store.
pub trait Bus: Send + Sync + 'static {
    /// Sends `payload` to every subscription of `topic`, the publisher's own too.
    ///
    /// # Errors
    /// [`BusError::TooLarge`] beyond [`MAX_PAYLOAD_BYTES`]. [`BusError::Unavailable`] if it cannot be sent now; it may be
    /// sent later, if the servers are back within half a minute, and it may be lost.
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError>;

    /// Hears what is published on `topic` from the moment the future is ready. Read the log after that moment, and
    /// nothing can fall between the two.
    ///
    /// A subscription that stands stays: where messages may have been lost, as when a server was away, it hears
    /// [`Received::Lagged`].
    ///
    /// # Errors
    /// [`BusError::Unavailable`], after a second at most. Nothing is subscribed then; try again later.
    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>>;

    /// Asks whether messages get through: a round trip to every server that the bus needs. It takes a second at most.
    ///
    /// # Errors
    /// [`BusError::NotReady`].
    fn ready(&self) -> BoxFuture<'_, Result<(), BusError>>;
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The events, and the answer being written, of one conversation.
    Conversation(ConversationId),
    /// What nodes say of themselves, to all others.
    Nodes,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation(id) => write!(f, "conversation {id}"),
            Self::Nodes => f.write_str("nodes"),
        }
    }
}

/// Why a bus did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// More bytes than a bus must take.
    #[error("a message on {topic} has {bytes} bytes, a bus takes at most {MAX_PAYLOAD_BYTES}; make it shorter")]
    TooLarge {
        /// Where it was to go.
        topic: Topic,
        /// How large it is.
        bytes: usize,
    },
    /// The bus cannot be reached.
    #[error("the bus cannot be reached for {topic}: {reason}; subscribers fill the gap from the log")]
    Unavailable {
        /// What was asked for.
        topic: Topic,
        /// Why, and what an operator can do.
        reason: String,
    },
    /// The bus as a whole cannot be used now.
    #[error("the bus is not ready: {reason}")]
    NotReady {
        /// Why, and what an operator can do.
        reason: String,
    },
    /// An address that no bus can have. It is not shown, because it may hold a password.
    #[error("the address of the bus {reason}")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
}

/// What a subscription hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Bytes),
    /// Messages were lost at this point, or may have been. What comes after is newer than what was lost; read the log.
    Lagged,
}

/// Hears one topic until it is dropped.
pub struct Subscription {
    topic: Topic,
    inbox: Arc<Inbox>,
    hub: Arc<Hub>,
}

impl Subscription {
    pub(crate) fn new(topic: Topic, inbox: Arc<Inbox>, hub: Arc<Hub>) -> Self {
        Self { topic, inbox, hub }
    }

    /// The next message. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Received {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`Subscription::recv`] for those who write their own `poll`. Only the newest waker is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        self.inbox.poll(cx, self.hub.load())
    }

    /// The next message, if one is here already.
    pub fn try_recv(&mut self) -> Option<Received> {
        self.inbox.take(self.hub.load())
    }

    /// What it hears.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.unsubscribe(&self.topic, &self.inbox);
        self.inbox.clear(self.hub.load());
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("topic", &self.topic).finish_non_exhaustive()
    }
}
