//! One connection after its greeting: commands in, events and deltas out, until somebody leaves.
//!
//! A connection has no queue of its own. It is woken when its conversation has changed and pulls what it has not got.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::Refusal as Refused;
use conversation::{Audience, Command, ConversationId, Live, MessageId, Millis, Piece, Position, Reply, Seq};
use protocol::codes::{self, CloseCode, MAX_BAD_FRAMES};
use protocol::v1::{self, ErrorCode, client_frame};
use protocol::{convert, wire};
use tokio::sync::oneshot;

use crate::arrival::Open;
use crate::clock;
use crate::closing::Closing;
use crate::greet::Welcomed;
use crate::held::{Held, PAGE};
use crate::node::Node;
use crate::outgoing::SendError;
use crate::refusal::Refusal;
use crate::socket::{Received, Socket};
use crate::visitors::{self, VisitorError};

/// Commands of one connection that wait for the store. More are not read from the socket until some are done.
const MAX_PENDING: usize = 16;

/// By how many the frames over the rate may outnumber those within it before the connection is closed: a client that does
/// not listen to errors.
const MAX_FLOODED: u32 = 200;

/// How often a conversation is compared with its log while the bus works. A bus that loses messages says so (`hear`), and one
/// that is away is seen by `health`; this is for what neither notices, and costs one small read.
const REFRESH_EVERY: Duration = Duration::from_secs(120);

/// When to try again after the store failed, milliseconds.
const UNAVAILABLE_WAIT: Millis = 1_000;

/// A command whose reply is still to be sent. Replies go out in the order of the commands.
enum Pending {
    /// It is on its way into the log.
    Promised { id: Vec<u8>, reply: oneshot::Receiver<Reply> },
    /// It did not get so far.
    Refused(v1::Error),
}

/// A reply whose turn has come.
enum Due {
    /// The log's; `None`: it will never come.
    Promised { id: Vec<u8>, reply: Option<Reply> },
    /// A refusal.
    Refused(v1::Error),
}

/// What a connection was woken by.
enum Woken {
    Received(Received),
    Due(Due),
    Tick,
}

/// Serves a welcomed connection to its end. `open` counts it until then.
pub(crate) async fn serve(mut connection: Box<Connection>, open: Open) {
    let node = Arc::clone(&connection.node);
    node.metrics.sessions.inc();
    let closing = connection.converse().await;
    if let Closing::With(code) = closing {
        Box::pin(connection.socket.close(code)).await;
    }
    node.metrics.sessions.dec();
    node.metrics.closed.with(closing.name()).inc();
    drop(open);
}

/// A welcomed connection.
pub(crate) struct Connection {
    node: Arc<Node>,
    socket: Socket,
    welcomed: Welcomed,
    held: Arc<Held>,
    position: Position,
    pending: VecDeque<Pending>,
    heard_at: Instant,
    refreshed_at: Instant,
    bad_frames: u32,
    flooded: u32,
}

impl Connection {
    pub(crate) fn new(
        node: Arc<Node>,
        socket: Socket,
        welcomed: Welcomed,
        held: Arc<Held>,
        position: Position,
    ) -> Self {
        let pending = VecDeque::new();
        let now = Instant::now();
        Self {
            node,
            socket,
            welcomed,
            held,
            position,
            pending,
            heard_at: now,
            refreshed_at: now,
            bad_frames: 0,
            flooded: 0,
        }
    }

    /// Serves the connection to its end and says why it ended.
    ///
    /// This future is what an idle connection costs, so it holds only what waiting needs; what is done in between lives
    /// on the heap for as long as it takes. Boxing it halved what a connection takes.
    async fn converse(&mut self) -> Closing {
        let keepalive = Duration::from_millis(self.node.config.limits.keepalive_ms);
        // Spread over the interval: connections that came together must not all be pinged together.
        let first = keepalive.mul_f64(0.5 + 0.5 * rand::random::<f64>());
        let mut tick = pin!(tokio::time::sleep(first));
        loop {
            let held = Arc::clone(&self.held);
            let mut changed = pin!(held.changed().notified());
            // From here on no change is missed, also one that comes while the pieces are sent.
            changed.as_mut().enable();
            if let Err(closing) = Box::pin(self.deliver()).await {
                return closing;
            }
            let woken = tokio::select! {
                received = self.socket.receive(), if self.pending.len() < MAX_PENDING => Woken::Received(received),
                due = next_reply(&mut self.pending) => Woken::Due(due),
                () = changed => continue,
                () = &mut tick => {
                    tick.as_mut().reset(tokio::time::Instant::now() + keepalive);
                    Woken::Tick
                }
            };
            if let Err(closing) = Box::pin(self.act(woken)).await {
                return closing;
            }
        }
    }

    async fn act(&mut self, woken: Woken) -> Result<(), Closing> {
        match woken {
            Woken::Received(received) => self.handle(received).await,
            Woken::Due(due) => self.answer(due).await,
            Woken::Tick => self.keep_alive().await,
        }
    }

    /// Sends everything that this connection has not got; and goodbye, when the node drains and nothing is left to do.
    async fn deliver(&mut self) -> Result<(), Closing> {
        if self.held.is_forgotten() {
            // Whoever comes back is in the next conversation. The token would only lead to what is gone.
            return Err(Closing::With(CloseCode::TokenRefused));
        }
        // Asked before the last look at what there is to send: an answer that comes after it wakes this connection again, and one
        // that came before is sent below.
        let leaves = self.node.drain.is_draining() && self.may_leave();
        let mut fed = 0;
        while let Some(piece) = self.held.next_piece(&mut self.position, Audience::Visitor) {
            fed += match piece {
                Piece::Reset(head) => self.reset(head).await?,
                Piece::History(_) => self.deliver_history().await?,
                piece => self.feed(piece).await?,
            };
        }
        if fed > 0 {
            self.socket.flush().await?;
        }
        if leaves {
            return Err(self.go_away().await);
        }
        Ok(())
    }

    /// The store has lost events that this client may hold: it is told so, and gets what there is.
    async fn start_anew(&mut self) -> Result<usize, Closing> {
        let (head, epoch) = self.held.look(|live| (live.state().head(), live.epoch()));
        self.position = Position { epoch, ..Position::default() };
        self.reset(head).await
    }

    async fn reset(&mut self, head: Seq) -> Result<usize, Closing> {
        if head == 0 {
            // The whole log is gone: coming back leads to where the visitor is now.
            let code = if self.held.is_forgotten() { CloseCode::TokenRefused } else { CloseCode::Unavailable };
            return Err(Closing::With(code));
        }
        let conversation = self.held.id().ordinal();
        self.socket.send(v1::Opened { conversation, head, reset: true }).await?;
        Ok(0)
    }

    async fn feed(&mut self, piece: Piece) -> Result<usize, SendError> {
        let bytes = match piece {
            Piece::Event(event) => self.socket.feed(convert::event_for(&event, Audience::Visitor)).await?,
            Piece::Hidden(seq, at) => self.socket.feed(convert::hidden(seq, at)).await?,
            Piece::Delta { turn, run, offset, text } => {
                let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                self.socket.feed_delta(turn, run, offset, &text).await?
            }
            Piece::History(_) | Piece::Reset(_) => 0,
        };
        self.node.metrics.frames_sent.inc();
        self.node.metrics.bytes_sent.inc_by(bytes as u64);
        Ok(bytes)
    }

    /// Events that are no longer in memory, a page at a time; the rest is pulled after it.
    async fn deliver_history(&mut self) -> Result<usize, Closing> {
        let from = self.position.seq.saturating_sub(1);
        let events = self.node.store.read(self.held.id(), from, PAGE).await.map_err(|error| {
            tracing::error!(conversation = %self.held.id(), %error, "history cannot be read");
            Closing::With(CloseCode::Unavailable)
        })?;
        if !self.position.is_continued_by(&events) {
            // Whether what the node knows was lost as well is looked into; what this client holds was.
            self.held.handle(&self.node, Live::handle_refresh);
            return self.start_anew().await;
        }
        let (before, mut fed) = (self.position.seq, 0);
        for event in events {
            if let Some(piece) = self.position.take(Arc::new(event), Audience::Visitor) {
                fed += self.feed(piece).await?;
            }
        }
        if self.position.seq == before {
            tracing::error!(conversation = %self.held.id(), after = before, "the log is shorter than it was");
            self.held.handle(&self.node, Live::handle_refresh);
            return Err(Closing::With(CloseCode::Unavailable));
        }
        self.socket.flush().await?;
        Ok(fed)
    }

    async fn handle(&mut self, received: Received) -> Result<(), Closing> {
        self.heard_at = Instant::now();
        let bytes = match received {
            Received::Alive => return self.count_sign_of_life(),
            Received::End => return Err(Closing::Gone),
            Received::Broken(code, close) => {
                self.refuse(code, Vec::new(), 0).await?;
                return Err(Closing::With(close));
            }
            Received::TooLarge => return self.bad_frame(ErrorCode::FrameTooLarge).await,
            Received::WrongKind => return self.bad_frame(ErrorCode::Malformed).await,
            Received::Frame(bytes) => bytes,
        };
        self.node.metrics.frames_received.inc();
        let decoded = wire::decode_client(&bytes, self.socket.subprotocol());
        drop(bytes); // They pin the socket's read buffer.
        if let Err(refusal) = self.welcomed.admit_frame() {
            return self.flood(decoded.as_ref().map(id_of).unwrap_or_default(), refusal).await;
        }
        self.flooded = self.flooded.saturating_sub(1);
        match decoded {
            Ok(client_frame::Kind::Ping(_)) => Ok(self.socket.send(v1::Pong {}).await?),
            Ok(client_frame::Kind::Hello(_)) => self.bad_frame(ErrorCode::OutOfOrder).await,
            Ok(client_frame::Kind::Begin(begin)) => self.begin(begin).await,
            Ok(command) => {
                self.command(command);
                Ok(())
            }
            Err(error) if error.code() == ErrorCode::Malformed => self.bad_frame(ErrorCode::Malformed).await,
            Err(error) => self.refuse(error.code(), Vec::new(), 0).await,
        }
    }

    /// WebSocket's own pings and pongs count as frames. Nobody is told an error for them: they have no words for it.
    fn count_sign_of_life(&mut self) -> Result<(), Closing> {
        if self.welcomed.admit_frame().is_ok() {
            return Ok(());
        }
        self.flooded += 1;
        if self.flooded >= MAX_FLOODED { Err(Closing::With(CloseCode::Overloaded)) } else { Ok(()) }
    }

    fn command(&mut self, kind: client_frame::Kind) {
        let id = id_of(&kind);
        let Some(name) = convert::message_id(&id) else {
            return self.refuse_command(codes::error(ErrorCode::InvalidId, &id, 0));
        };
        let Some(command) = command_of(kind, name) else { return };
        if self.node.drain.is_draining() {
            let wait = self.node.drain.retry_after_ms();
            return self.refuse_command(codes::error(ErrorCode::Draining, &id, wait));
        }
        // Both keep a text of the visitor's.
        if matches!(command, Command::Send { .. } | Command::Rate { .. })
            && let Err(refusal) = self.welcomed.admit_message(&self.node)
        {
            return self.refuse_command(refusal.into_error(id));
        }
        let reply = self.held.command(&self.node, command);
        self.pending.push_back(Pending::Promised { id, reply });
    }

    fn refuse_command(&mut self, error: v1::Error) {
        self.node.metrics.refusals.with(error.code().as_str_name()).inc();
        self.pending.push_back(Pending::Refused(error));
    }

    async fn answer(&mut self, due: Due) -> Result<(), Closing> {
        match due {
            Due::Promised { id, reply: Some(Reply::Acked(seq)) } => Ok(self.socket.send(v1::Ack { id, seq }).await?),
            Due::Promised { id, reply: Some(Reply::Refused(refusal, wait)) } => {
                self.refuse(refusal.into(), id, wait).await?;
                if refusal == Refused::Unavailable { self.leave_if_forgotten().await } else { Ok(()) }
            }
            // The conversation was dropped with the command in it, which happens only when the node ends.
            Due::Promised { reply: None, .. } => Err(Closing::With(CloseCode::Unavailable)),
            Due::Refused(error) => Ok(self.socket.send(error).await?),
        }
    }

    /// In a conversation that was forgotten before anything of it was heard here nothing can be said for a while: the visitor
    /// is in another one by now, and coming back leads there.
    async fn leave_if_forgotten(&mut self) -> Result<(), Closing> {
        if self.held.look(|live| live.state().head()) > 0 {
            return Ok(());
        }
        let (site, visitor) = (self.held.id().site(), self.held.id().visitor());
        match visitors::current(&*self.node.store, site, visitor, clock::now()).await {
            Ok(current) if current != *self.held.id() => Err(Closing::With(CloseCode::Unavailable)),
            // The store fails, and the visitor has been told so.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The visitor's next conversation.
    async fn begin(&mut self, begin: v1::Begin) -> Result<(), Closing> {
        // The Close that came right before must be in the log by now, and replies come in the order of the commands.
        while !self.pending.is_empty() {
            let due = next_reply(&mut self.pending).await;
            self.answer(due).await?;
        }
        if self.node.load(&self.held.id().clone()).await.is_none() {
            return self.refuse(ErrorCode::Unavailable, Vec::new(), UNAVAILABLE_WAIT).await;
        }
        let here = self.held.id().ordinal();
        let is_open = begin.after_conversation == here && self.held.look(|live| live.state().closed() == 0);
        if is_open || begin.after_conversation > here {
            return self.refuse(ErrorCode::ConversationOpen, Vec::new(), 0).await;
        }
        if begin.after_conversation < here {
            // Repeated: this connection has been moved already, and goes on where it is.
            let head = self.held.look(|live| live.state().head());
            return Ok(self.socket.send(v1::Opened { conversation: here, head, reset: false }).await?);
        }
        let most = self.node.config.limits.conversations_per_visitor_per_day;
        match visitors::begin(&*self.node.store, self.held.id(), most, clock::now()).await {
            Ok(id) => self.enter(&id).await,
            Err(VisitorError::TooMany { retry_after_ms }) => {
                self.refuse(ErrorCode::TooManyConversations, Vec::new(), retry_after_ms).await
            }
            Err(error) => {
                tracing::error!(conversation = %self.held.id(), %error, "the next conversation cannot be begun");
                self.refuse(ErrorCode::Unavailable, Vec::new(), UNAVAILABLE_WAIT).await
            }
        }
    }

    async fn enter(&mut self, id: &ConversationId) -> Result<(), Closing> {
        let Some(held) = self.node.load(id).await else {
            return self.refuse(ErrorCode::Unavailable, Vec::new(), UNAVAILABLE_WAIT).await;
        };
        self.held = held;
        let (head, epoch) = self.held.look(|live| (live.state().head(), live.epoch()));
        self.position = Position { epoch, ..Position::default() };
        Ok(self.socket.send(v1::Opened { conversation: id.ordinal(), head, reset: true }).await?)
    }

    /// Whether a draining node may send this connection away: nothing of it is under way here.
    fn may_leave(&self) -> bool {
        // When the time is over, the store may never answer: the client sends again what was not acknowledged.
        self.node.drain.is_over() || (self.pending.is_empty() && self.held.is_idle())
    }

    async fn go_away(&mut self) -> Closing {
        let retry_after_ms = self.node.drain.retry_after_ms();
        match self.socket.send(v1::GoAway { retry_after_ms: as_u32(retry_after_ms) }).await {
            Ok(()) => Closing::With(CloseCode::Draining),
            Err(error) => error.into(),
        }
    }

    async fn keep_alive(&mut self) -> Result<(), Closing> {
        if self.heard_at.elapsed() > Duration::from_millis(self.node.config.limits.silent_ms) {
            self.refuse(ErrorCode::Silent, Vec::new(), 0).await?;
            return Err(Closing::With(CloseCode::SilentPeer));
        }
        if let Some(token) = self.welcomed.renew_token(&self.node, clock::now()) {
            self.socket.send(token).await?;
        }
        if self.node.bus.is_some() && self.refreshed_at.elapsed() >= REFRESH_EVERY {
            // News that were lost though the bus seemed to work show at last when nothing follows them.
            self.refreshed_at = Instant::now();
            self.node.look_again(&self.held).await;
        }
        Ok(self.socket.ping().await?)
    }

    /// Refuses a frame that a right client never sends; one that goes on regardless is closed.
    async fn bad_frame(&mut self, code: ErrorCode) -> Result<(), Closing> {
        self.bad_frames += 1;
        self.refuse(code, Vec::new(), 0).await?;
        if self.bad_frames >= MAX_BAD_FRAMES { Err(Closing::With(CloseCode::ProtocolViolation)) } else { Ok(()) }
    }

    /// Refuses a frame over the rate. A client that goes on regardless is closed.
    async fn flood(&mut self, id: Vec<u8>, refusal: Refusal) -> Result<(), Closing> {
        self.flooded += 1;
        if self.flooded >= MAX_FLOODED {
            return Err(Closing::With(CloseCode::Overloaded));
        }
        if !id.is_empty() {
            self.refuse_command(refusal.into_error(id));
            return Ok(());
        }
        self.node.metrics.refusals.with(refusal.name()).inc();
        Ok(self.socket.send(refusal.into_error(id)).await?)
    }

    async fn refuse(&mut self, code: ErrorCode, id: Vec<u8>, wait: Millis) -> Result<(), Closing> {
        self.node.metrics.refusals.with(code.as_str_name()).inc();
        Ok(self.socket.send(codes::error(code, &id, wait)).await?)
    }
}

/// The oldest command's reply; commands are answered in their order. Safe to drop while it waits.
async fn next_reply(pending: &mut VecDeque<Pending>) -> Due {
    let reply = match pending.front_mut() {
        None => return std::future::pending().await,
        Some(Pending::Promised { reply, .. }) => reply.await.ok(),
        Some(Pending::Refused(_)) => None,
    };
    let due = match pending.pop_front() {
        Some(Pending::Promised { id, .. }) => Due::Promised { id, reply },
        Some(Pending::Refused(error)) => Due::Refused(error),
        None => return std::future::pending().await,
    };
    if pending.is_empty() {
        *pending = VecDeque::new(); // An idle connection keeps no room for what it once sent.
    }
    due
}

/// The id of a command; empty for what is none.
fn id_of(kind: &client_frame::Kind) -> Vec<u8> {
    match kind {
        client_frame::Kind::Send(send) => send.id.clone(),
        client_frame::Kind::Stop(stop) => stop.id.clone(),
        client_frame::Kind::AskPerson(ask) => ask.id.clone(),
        client_frame::Kind::Close(close) => close.id.clone(),
        client_frame::Kind::Rate(rate) => rate.id.clone(),
        client_frame::Kind::Hello(_) | client_frame::Kind::Begin(_) | client_frame::Kind::Ping(_) => Vec::new(),
    }
}

fn command_of(kind: client_frame::Kind, id: MessageId) -> Option<Command> {
    Some(match kind {
        client_frame::Kind::Send(send) => Command::Send { id, text: send.text.into() },
        client_frame::Kind::Stop(stop) => Command::Stop { turn: stop.turn },
        client_frame::Kind::AskPerson(_) => Command::AskPerson,
        client_frame::Kind::Close(_) => Command::Close,
        client_frame::Kind::Rate(rate) => Command::Rate { score: rate.score, comment: rate.comment.into() },
        client_frame::Kind::Hello(_) | client_frame::Kind::Begin(_) | client_frame::Kind::Ping(_) => return None,
    })
}

fn as_u32(wait: Millis) -> u32 {
    u32::try_from(wait).unwrap_or(u32::MAX)
}
