//! The greeting: from the open socket to the Welcome, or to a refusal that says what to do.

use std::sync::Arc;
use std::time::Duration;

use conversation::{ConversationId, Live, Millis, Position, Resume};
use protocol::codes::{self, CloseCode, MAX_BAD_FRAMES};
use protocol::v1::{self, ErrorCode, client_frame};
use protocol::wire;

use crate::admission::Admitted;
use crate::arrival::Caller;
use crate::clock;
use crate::closing::Closing;
use crate::connection::Connection;
use crate::held::Held;
use crate::limits::{FrameRate, VisitorSeat};
use crate::node::{Node, Site};
use crate::origin;
use crate::refusal::Refusal;
use crate::socket::{Received, Socket};
use crate::visitor::VisitorId;
use crate::visitors;

/// When to try again after the store failed, milliseconds.
const UNAVAILABLE_WAIT: Millis = 1_000;

/// What a connection knows of its visitor.
pub(crate) struct Welcomed {
    site: Box<str>,
    visitor: Admitted,
    /// Whether nobody knew this visitor before.
    is_new: bool,
    /// Whether the cursor of the hello speaks of this visitor's conversations.
    owns_cursor: bool,
    frames: FrameRate,
    _seat: VisitorSeat,
}

/// Greets the client. `None`: it was not let in, and has been told why.
pub(crate) async fn greet(node: &Arc<Node>, mut socket: Socket, caller: &Caller) -> Option<Box<Connection>> {
    match exchange(node, &mut socket, caller).await {
        Ok((welcomed, held, position)) => {
            Some(Box::new(Connection::new(Arc::clone(node), socket, welcomed, held, position)))
        }
        Err(closing) => {
            if let Closing::With(code) = closing {
                socket.close(code).await;
            }
            node.metrics.closed.with(closing.name()).inc();
            None
        }
    }
}

type Greeted = (Welcomed, Arc<Held>, Position);

async fn exchange(node: &Arc<Node>, socket: &mut Socket, caller: &Caller) -> Result<Greeted, Closing> {
    let limit = Duration::from_millis(node.config.limits.hello_timeout_ms);
    let frames = node.limits.frame_rate();
    let said = tokio::select! {
        said = tokio::time::timeout(limit, hello(node, socket, &frames)) => Some(said),
        () = node.drain.begun() => None,
    };
    let hello = match said {
        Some(Ok(hello)) => hello?,
        Some(Err(_)) => return Err(refuse_code(node, socket, ErrorCode::HelloTimeout, 0).await),
        // Nobody is to wait for one who may never say it.
        None => {
            let wait = node.drain.retry_after_ms();
            return Err(refuse_code(node, socket, ErrorCode::Draining, wait).await);
        }
    };
    match admit(node, caller, &hello, frames) {
        Ok(welcomed) => welcome(node, socket, hello, welcomed).await,
        Err(refusal) => Err(refuse(node, socket, refusal).await),
    }
}

/// Waits for Hello. A Ping is answered; everything else is refused, and closed if it goes on.
async fn hello(node: &Node, socket: &mut Socket, frames: &FrameRate) -> Result<v1::Hello, Closing> {
    let mut bad_frames = 0;
    while bad_frames < MAX_BAD_FRAMES {
        let received = socket.receive().await;
        if let Err(refusal) = frames.check() {
            return Err(refuse(node, socket, refusal).await);
        }
        let code = match received {
            Received::Alive => continue,
            Received::End => return Err(Closing::Gone),
            Received::Broken(code, close) => {
                refuse_code(node, socket, code, 0).await;
                return Err(Closing::With(close));
            }
            Received::TooLarge => ErrorCode::FrameTooLarge,
            Received::WrongKind => ErrorCode::Malformed,
            Received::Frame(bytes) => match wire::decode_client(&bytes, socket.subprotocol()) {
                Ok(client_frame::Kind::Hello(hello)) => return Ok(hello),
                Ok(client_frame::Kind::Ping(_)) => {
                    socket.send(v1::Pong {}).await?;
                    continue;
                }
                Ok(_) => ErrorCode::OutOfOrder,
                Err(error) => error.code(),
            },
        };
        bad_frames += 1;
        node.metrics.refusals.with(code.as_str_name()).inc();
        socket.send(codes::error(code, &[], 0)).await?;
    }
    Err(Closing::With(CloseCode::ProtocolViolation))
}

/// Everything that can be said without the store.
fn admit(node: &Node, caller: &Caller, hello: &v1::Hello, frames: FrameRate) -> Result<Welcomed, Refusal> {
    let (Some(config), Some(site)) = (node.config.sites.get(&hello.site), node.sites.get(&hello.site)) else {
        let message = "no site has this key: check data-site in the page's script tag";
        return Err(Refusal::new(ErrorCode::SiteUnknown, message));
    };
    origin::check(config, &caller.origin)?;
    let now = clock::now();
    let known = site.admission.identify(&node.tokens, &hello.token, &hello.identity, now)?;
    let is_new = known.is_none();
    let visitor = match known {
        Some(visitor) => visitor,
        None => stranger(node, site, caller, now)?,
    };
    let seat = node.limits.join(&hello.site, &visitor.visitor)?;
    let owns_cursor = hello.identity.is_empty() || owner(node, hello, now).as_ref() == Some(&visitor.visitor);
    Ok(Welcomed { site: hello.site.as_str().into(), visitor, is_new, owns_cursor, frames, _seat: seat })
}

/// Whose cursor a client names that sends an identity: by its token it was welcomed before. An identity may name somebody
/// else than then, whose conversation has the same number.
fn owner(node: &Node, hello: &v1::Hello, now: Millis) -> Option<VisitorId> {
    node.tokens.verify(&hello.token, &hello.site, now).ok().map(|verified| verified.visitor)
}

fn stranger(node: &Node, site: &Site, caller: &Caller, now: Millis) -> Result<Admitted, Refusal> {
    node.limits.new_visitor(caller.address)?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| Refusal::new(ErrorCode::Internal, "the system gives no random bytes"))?;
    site.admission.stranger(&node.tokens, random, now)
}

async fn welcome(
    node: &Arc<Node>,
    socket: &mut Socket,
    hello: v1::Hello,
    mut welcomed: Welcomed,
) -> Result<Greeted, Closing> {
    let now = clock::now();
    let id = match current(node, &welcomed, now).await {
        Ok(id) => id,
        Err(error) => {
            tracing::error!(site = %welcomed.site, %error, "a visitor's conversation cannot be found");
            return Err(refuse_code(node, socket, ErrorCode::Unavailable, UNAVAILABLE_WAIT).await);
        }
    };
    let Some(held) = node.load(&id).await else {
        return Err(refuse_code(node, socket, ErrorCode::Unavailable, UNAVAILABLE_WAIT).await);
    };
    held.set_language(hello.language.get(..hello.language.len().min(35)).unwrap_or_default());
    let is_ahead = |live: &Live| hello.after > live.state().head();
    if held.look(is_ahead) {
        // The client may know better: the bus may have lost the news of an event.
        node.refresh(&held).await;
        if held.look(|live| is_ahead(live) && !live.is_current()) {
            // As long as the store does not answer, nobody knows which of the two is right.
            return Err(refuse_code(node, socket, ErrorCode::Unavailable, UNAVAILABLE_WAIT).await);
        }
    }
    let (opened, position) = open(&held, &hello, welcomed.owns_cursor);
    let token = welcomed.visitor.token.take();
    let frame = v1::Welcome {
        visitor: welcomed.visitor.visitor.as_str().to_owned(),
        token_expires_at_ms: token.as_ref().map_or(0, |token| signed(token.expires_at_ms)),
        token: token.map(|token| token.text).unwrap_or_default(),
        opened: Some(opened),
        now_ms: signed(now),
        max_text_bytes: u32::try_from(node.config.limits.max_text_bytes).unwrap_or(u32::MAX),
    };
    socket.send(frame).await?;
    Ok((welcomed, held, position))
}

fn after_at(hello: &v1::Hello) -> Millis {
    Millis::try_from(hello.after_at_ms).unwrap_or(0)
}

async fn current(node: &Node, welcomed: &Welcomed, now: Millis) -> Result<ConversationId, visitors::VisitorError> {
    let visitor = welcomed.visitor.visitor.as_str();
    if welcomed.is_new {
        // A name made a moment ago has no record.
        return Ok(ConversationId::new(&welcomed.site, visitor, 1)?);
    }
    visitors::current(&*node.store, &welcomed.site, visitor, now).await
}

/// Where the client goes on: after what it holds, if that is of this log.
fn open(held: &Held, hello: &v1::Hello, owns_cursor: bool) -> (v1::Opened, Position) {
    let conversation = held.id().ordinal();
    let (head, resume, epoch) = held.look(|live| {
        let resume = live.resume(hello.after, after_at(hello));
        (live.state().head(), resume, live.epoch())
    });
    let holds_something = hello.conversation != 0 || hello.after != 0;
    let is_of_this_log = hello.conversation == conversation && owns_cursor;
    match resume {
        Resume::After(seq) if is_of_this_log || !holds_something => {
            let offset = usize::try_from(hello.offset).unwrap_or(usize::MAX);
            let position = Position { epoch, seq, at: after_at(hello), turn: hello.turn, run: hello.run, offset };
            (v1::Opened { conversation, head, reset: false }, position)
        }
        _ => (v1::Opened { conversation, head, reset: true }, Position { epoch, ..Position::default() }),
    }
}

async fn refuse_code(node: &Node, socket: &mut Socket, code: ErrorCode, wait: Millis) -> Closing {
    send_error(node, socket, code, codes::error(code, &[], wait)).await
}

async fn refuse(node: &Node, socket: &mut Socket, refusal: Refusal) -> Closing {
    send_error(node, socket, refusal.code, refusal.into_error(Vec::new())).await
}

async fn send_error(node: &Node, socket: &mut Socket, code: ErrorCode, error: v1::Error) -> Closing {
    node.metrics.refusals.with(code.as_str_name()).inc();
    match socket.send(error).await {
        Ok(()) => Closing::With(code.row().closes.unwrap_or(CloseCode::Unavailable)),
        Err(error) => error.into(),
    }
}

fn signed(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

impl Welcomed {
    /// Whether one more frame may come now.
    pub(crate) fn admit_frame(&self) -> Result<(), Refusal> {
        self.frames.check()
    }

    /// Whether one more message may come now.
    pub(crate) fn admit_message(&self, node: &Node) -> Result<(), Refusal> {
        node.limits.message(&self.site, &self.visitor.visitor)
    }

    /// A new token, when it is time for one.
    pub(crate) fn renew_token(&mut self, node: &Node, now: Millis) -> Option<v1::Token> {
        self.visitor.renew_at_ms.filter(|at| now >= *at)?;
        let admission = &node.sites.get(&*self.site)?.admission;
        self.visitor = admission.renew(&node.tokens, &self.visitor.visitor, now).ok()?;
        let token = self.visitor.token.take()?;
        Some(v1::Token { expires_at_ms: signed(token.expires_at_ms), token: token.text })
    }
}
