//! The deciding part of a client: no I/O, no clock, no chance of its own.

use std::collections::VecDeque;

use conversation::{Cursor, Millis, Offered, Seq};
use protocol::DecodeError;
use protocol::codes::{self, ComeBack};
use protocol::v1::{self, ClientFrame, ErrorCode, Event, event, server_frame};

use crate::backoff::Backoff;
use crate::change::{Change, Command, Id};
use crate::outbox::Outbox;
use crate::written::{Misfit, Written};

/// Who connects, and where to.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// The site's key.
    pub site: String,
    /// BCP 47 tag; empty: the site's first language.
    pub language: String,
    /// A visitor token from before; empty: a new visitor.
    pub token: String,
    /// A JWT of the site's back end; empty: none.
    pub identity: String,
}

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// There is none; the next may be made at this time. `None`: there will be none.
    Down(Option<Millis>),
    /// Hello was said.
    Greeting,
    /// Welcome came.
    Open,
}

/// One visitor's client, over any number of connections one after the other.
///
/// Feed the `handle_*` methods, then take everything out of [`Client::poll_frame`] and [`Client::poll_change`].
#[derive(Debug)]
pub struct Client {
    profile: Profile,
    link: Link,
    backoff: Backoff,
    /// The node said how long to stay away, or will.
    come_back_after: Option<Millis>,
    without_token_tried: bool,
    deltas_may_be_missing: bool,
    conversation: u32,
    cursor: Cursor<Event>,
    log: Vec<Event>,
    written: Written,
    outbox: Outbox,
    frames: VecDeque<ClientFrame>,
    changes: VecDeque<Change>,
}

impl Client {
    /// A client that holds nothing and may connect at once.
    pub fn new(profile: Profile, backoff: Backoff) -> Self {
        Self {
            profile,
            link: Link::Down(Some(0)),
            backoff,
            come_back_after: None,
            without_token_tried: false,
            deltas_may_be_missing: false,
            conversation: 0,
            cursor: Cursor::at(0),
            log: Vec::new(),
            written: Written::default(),
            outbox: Outbox::default(),
            frames: VecDeque::new(),
            changes: VecDeque::new(),
        }
    }

    /// Takes a hole in the pieces of an answer for what it is where nodes hear of each other's pieces by a bus that may
    /// lose them. Without this it is reported as wrong: nothing loses a piece on one node.
    #[must_use]
    pub fn with_missing_deltas(self) -> Self {
        Self { deltas_may_be_missing: true, ..self }
    }

    /// The visitor wants something. It goes out when it can, with this id, until it is acknowledged or refused for good, or
    /// the client is in another conversation.
    pub fn handle_command(&mut self, id: Id, command: Command) {
        self.outbox.push(id, command, self.conversation);
    }

    /// The visitor wants the next conversation; the present one is closed. Lost if there is no connection.
    pub fn handle_begin(&mut self) {
        if self.link == Link::Open {
            self.frames.push_back(v1::Begin { after_conversation: self.conversation }.into());
        }
    }

    /// A WebSocket is open.
    pub fn handle_connected(&mut self) {
        self.link = Link::Greeting;
        self.frames.clear();
        let mut hello = v1::Hello {
            site: self.profile.site.clone(),
            token: self.profile.token.clone(),
            identity: self.profile.identity.clone(),
            conversation: self.conversation,
            after: self.cursor.seq(),
            after_at_ms: self.log.last().map_or(0, |event| event.at_ms),
            language: self.profile.language.clone(),
            ..Default::default()
        };
        if !self.written.text.is_empty() {
            hello.turn = self.written.turn;
            hello.run = self.written.run;
            hello.offset = u32::try_from(self.written.text.len()).unwrap_or(u32::MAX);
        }
        self.frames.push_back(hello.into());
    }

    /// No WebSocket could be opened; the node may have said how long to stay away. `chance` is from 0 to 1.
    pub fn handle_connect_failed(&mut self, now: Millis, retry_after: Option<Millis>, chance: f64) {
        let wait = self.backoff.next_wait(chance).max(retry_after.unwrap_or(0));
        self.link = Link::Down(Some(now + wait));
    }

    /// The connection is gone, with this close code if there was one. `chance` is from 0 to 1.
    pub fn handle_closed(&mut self, now: Millis, code: Option<u16>, chance: f64) {
        self.changes.push_back(Change::Disconnected { code });
        self.frames.clear();
        let come_back = codes::come_back(code.unwrap_or(ABNORMAL));
        let at_once = come_back == ComeBack::WithoutToken && !self.without_token_tried;
        if come_back == ComeBack::WithoutToken {
            self.become_new_visitor();
            self.without_token_tried = true;
        }
        self.link = Link::Down(match come_back {
            ComeBack::Never | ComeBack::WithNewIdentity => None,
            ComeBack::WithoutToken if at_once => Some(now),
            ComeBack::Later | ComeBack::WithoutToken => {
                let wait = self.come_back_after.unwrap_or_else(|| self.backoff.next_wait(chance));
                Some(now + wait)
            }
        });
        self.come_back_after = None;
    }

    /// The node said something.
    pub fn handle_frame(&mut self, now: Millis, frame: server_frame::Kind) {
        match frame {
            server_frame::Kind::Welcome(welcome) => self.welcome(welcome),
            server_frame::Kind::Opened(opened) => {
                self.open(&opened);
                self.move_outbox(false);
            }
            server_frame::Kind::Ack(ack) => self.ack(&ack.id, ack.seq),
            server_frame::Kind::Event(event) => self.event(event),
            server_frame::Kind::Delta(delta) => self.delta(&delta),
            server_frame::Kind::Error(error) => self.error(now, &error),
            server_frame::Kind::Token(token) => self.profile.token = token.token,
            server_frame::Kind::GoAway(go_away) => self.come_back_after = Some(go_away.retry_after_ms.into()),
            server_frame::Kind::Pong(_) => {}
        }
    }

    /// The node sent bytes that are no frame.
    pub fn handle_undecodable(&mut self, error: &DecodeError) {
        self.wrong(&format!("a frame that cannot be read: {error}"));
    }

    /// The next frame to send on the present connection.
    pub fn poll_frame(&mut self, now: Millis) -> Option<ClientFrame> {
        match self.link {
            Link::Down(_) => None,
            Link::Greeting => self.frames.pop_front(),
            Link::Open => self.frames.pop_front().or_else(|| self.outbox.next(now)),
        }
    }

    /// What was learnt.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// When to connect; `None`: there is a connection, or there will never be one.
    pub fn connect_at(&self) -> Option<Millis> {
        match self.link {
            Link::Down(at) => at,
            Link::Greeting | Link::Open => None,
        }
    }

    /// Whether it will never connect again by itself.
    pub fn is_finished(&self) -> bool {
        self.link == Link::Down(None)
    }

    /// When [`Client::poll_frame`] may have something that it has not now.
    pub fn next_frame_at(&self) -> Option<Millis> {
        (self.link == Link::Open).then(|| self.outbox.next_at()).flatten()
    }

    /// Whether it has been welcomed on the present connection.
    pub fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// The token to come back with.
    pub fn token(&self) -> &str {
        &self.profile.token
    }

    /// The number of the conversation it is in; 0: it has not been welcomed yet.
    pub fn conversation(&self) -> u32 {
        self.conversation
    }

    /// Everything it holds of the log, from seq 1.
    pub fn log(&self) -> &[Event] {
        &self.log
    }

    /// The answer being written, if there is one.
    pub fn written(&self) -> Option<&Written> {
        (!self.written.text.is_empty()).then_some(&self.written)
    }

    /// The newest visitor message, if it has no answer yet and the assistant still answers.
    pub fn open_turn(&self) -> Option<Seq> {
        let asked = self.log.iter().rev().find(|event| matches!(event.body, Some(event::Body::VisitorMessage(_))))?;
        (asked.seq > self.answered() && !self.is_handed_over()).then_some(asked.seq)
    }

    /// Commands that are not acknowledged yet.
    pub fn unacknowledged(&self) -> usize {
        self.outbox.len()
    }

    fn welcome(&mut self, welcome: v1::Welcome) {
        if self.link != Link::Greeting {
            return self.wrong("a second Welcome on one connection");
        }
        self.link = Link::Open;
        self.backoff.reset();
        self.without_token_tried = false;
        if !welcome.token.is_empty() {
            self.profile.token = welcome.token;
        }
        match &welcome.opened {
            Some(opened) => self.open(opened),
            None => self.wrong("a Welcome that opens no conversation"),
        }
        self.move_outbox(true);
        self.outbox.restart();
        let (visitor, head) = (welcome.visitor, welcome.opened.map_or(0, |opened| opened.head));
        self.changes.push_back(Change::Welcomed { visitor, conversation: self.conversation, head });
    }

    fn open(&mut self, opened: &v1::Opened) {
        if opened.reset || opened.conversation != self.conversation {
            if !opened.reset && !self.log.is_empty() {
                self.wrong("another conversation was opened without a reset");
            }
            self.drop_log();
        }
        self.conversation = opened.conversation;
        if self.cursor.seq() > opened.head {
            self.wrong("the log is shorter than what this client holds, and no reset was sent");
        }
    }

    fn move_outbox(&mut self, is_new_connection: bool) {
        let left_behind = self.outbox.move_to(self.conversation, is_new_connection);
        self.changes.extend(left_behind.into_iter().map(|id| Change::LeftBehind { id }));
    }

    fn ack(&mut self, id: &[u8], seq: Seq) {
        if let Some(id) = self.outbox.remove(id) {
            self.changes.push_back(Change::Acked { id, seq });
        }
    }

    fn event(&mut self, event: Event) {
        let seq = event.seq;
        match self.cursor.offer(seq, event) {
            Offered::Next => {}
            Offered::Repeat => self.wrong(&format!("event {seq} came twice on one connection")),
            Offered::Gap => self.wrong(&format!("event {seq} came after event {}", self.cursor.seq())),
        }
        while let Some(event) = self.cursor.next() {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match &event.body {
            Some(event::Body::VisitorMessage(message)) => self.ack(&message.id, event.seq),
            Some(event::Body::Answer(answer)) if self.is_handed_over() => {
                self.wrong(&format!("the assistant answered turn {} after a handover", answer.turn));
            }
            Some(event::Body::Answer(answer)) if answer.turn <= self.answered() => {
                self.wrong(&format!("turn {} was answered twice", answer.turn));
            }
            Some(event::Body::Note(_)) => self.wrong("a note was sent to a visitor"),
            Some(_) => {}
            None => self.wrong(&format!("event {} has no body", event.seq)),
        }
        if matches!(event.body, Some(event::Body::Answer(_) | event::Body::Handover(_) | event::Body::Closed(_))) {
            self.written = Written::default();
        }
        self.log.push(event.clone());
        self.changes.push_back(Change::Event(event));
    }

    fn delta(&mut self, delta: &v1::Delta) {
        if self.is_handed_over() || delta.turn <= self.answered() {
            return;
        }
        match self.written.handle_delta(delta) {
            Ok(()) => {
                let bytes = self.written.text.len();
                self.changes.push_back(Change::Written { turn: delta.turn, bytes });
            }
            Err(Misfit::Hole) if self.deltas_may_be_missing => {}
            Err(Misfit::Hole) => self.wrong(&format!("a hole in the answer to turn {}", delta.turn)),
            Err(Misfit::Contradiction) => self.wrong(&format!("two texts for the answer to turn {}", delta.turn)),
        }
    }

    fn error(&mut self, now: Millis, error: &v1::Error) {
        if error.id.is_empty() {
            if error.retry_after_ms > 0 {
                self.come_back_after = Some(error.retry_after_ms.into());
            }
        } else if let Some(id) = self.outbox.handle_refusal(now, error) {
            self.changes.push_back(Change::Refused { id, code: error.code() });
        }
        if matches!(error.code(), ErrorCode::Malformed | ErrorCode::OutOfOrder | ErrorCode::UnknownFrame) {
            self.wrong(&format!("a right frame was refused: {}", error.message));
        }
    }

    /// The newest turn that has an answer.
    fn answered(&self) -> Seq {
        let answer = |event: &Event| match &event.body {
            Some(event::Body::Answer(answer)) => Some(answer.turn),
            _ => None,
        };
        self.log.iter().rev().find_map(answer).unwrap_or(0)
    }

    fn is_handed_over(&self) -> bool {
        let ends = |event: &Event| matches!(event.body, Some(event::Body::Handover(_) | event::Body::Closed(_)));
        self.log.iter().any(ends)
    }

    fn become_new_visitor(&mut self) {
        self.profile.token.clear();
        self.conversation = 0;
        self.drop_log();
    }

    fn drop_log(&mut self) {
        if !self.log.is_empty() {
            self.changes.push_back(Change::Dropped);
        }
        self.cursor.reset();
        self.log.clear();
        self.written = Written::default();
    }

    fn wrong(&mut self, what: &str) {
        self.changes.push_back(Change::Wrong(what.to_owned()));
    }
}

/// RFC 6455, 7.4.1: the connection broke off without a Close frame.
const ABNORMAL: u16 = 1006;
