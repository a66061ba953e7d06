//! A visitor's tab: a right client, which also looks for what a node must never do.

use std::collections::HashMap;

use client::{Backoff, Change, Client, Command, Id, Profile, Random};
use conversation::Seq;
use protocol::Subprotocol;
use protocol::v1::{ErrorCode, Event, event};

use crate::node::TestNode;
use crate::soon;
use crate::wire::{Incoming, Wire};

/// One tab. It reads and writes only while a method of it is awaited.
pub struct Tab {
    client: Client,
    wire: Wire,
    random: Random,
    visitor: String,
    acked: HashMap<Id, Seq>,
    refused: HashMap<Id, ErrorCode>,
    closed: Option<Option<u16>>,
    dropped: u32,
}

impl Tab {
    /// A new visitor of `shop`.
    pub async fn open(node: &TestNode) -> Self {
        Self::of(node, Profile { site: "shop".to_owned(), ..Profile::default() }).await
    }

    /// A new visitor of `shop` who speaks this subprotocol.
    pub async fn speaking(node: &TestNode, subprotocol: Subprotocol) -> Self {
        Self::connected(node, Profile { site: "shop".to_owned(), ..Profile::default() }, subprotocol).await
    }

    /// A visitor who holds nothing but what the profile says.
    pub async fn of(node: &TestNode, profile: Profile) -> Self {
        Self::connected(node, profile, Subprotocol::Proto).await
    }

    /// Another tab of the same visitor, which holds nothing yet.
    pub async fn another(&self, node: &TestNode) -> Self {
        let profile = Profile { site: "shop".to_owned(), token: self.client.token().to_owned(), ..Profile::default() };
        Self::of(node, profile).await
    }

    async fn connected(node: &TestNode, profile: Profile, subprotocol: Subprotocol) -> Self {
        let seed = u64::from(node.address().port());
        let mut tab = Self {
            client: Client::new(profile, Backoff::default()),
            wire: Wire::speaking(node.address(), subprotocol).await,
            random: Random::new(seed),
            visitor: String::new(),
            acked: HashMap::new(),
            refused: HashMap::new(),
            closed: None,
            dropped: 0,
        };
        tab.greet().await;
        tab
    }

    /// Breaks the connection and comes back with what it holds, here or on another node.
    pub async fn reconnect(&mut self, node: &TestNode) {
        self.leave();
        self.wire = Wire::open(node.address()).await;
        self.greet().await;
    }

    /// The connection breaks; it stays away until [`Tab::reconnect`].
    pub fn leave(&mut self) {
        if self.closed.is_none() {
            self.client.handle_closed(0, None, 0.0);
        }
        self.closed = Some(None);
    }

    async fn greet(&mut self) {
        self.closed = None;
        self.client.handle_connected();
        self.until("a welcome", Client::is_open).await;
    }

    /// Reads until the client has come so far.
    pub async fn until(&mut self, what: &str, has_come: impl Fn(&Client) -> bool) {
        self.flush().await;
        while !has_come(&self.client) {
            assert!(self.closed.is_none(), "closed with {:?} before {what}", self.closed);
            let incoming = soon(what, self.wire.next()).await;
            self.handle(incoming).await;
        }
    }

    /// Wants something, without waiting for what comes of it.
    pub async fn order(&mut self, command: Command) -> Id {
        let id = self.random.id();
        self.client.handle_command(id, command);
        self.flush().await;
        id
    }

    /// Wants something, and waits until it is acknowledged. Returns the seq.
    pub async fn get(&mut self, command: Command) -> Seq {
        let id = self.order(command).await;
        self.ack_of(id).await
    }

    /// Says something, and waits until it is acknowledged. Returns the seq.
    pub async fn say(&mut self, text: &str) -> Seq {
        self.get(Command::Send(text.to_owned())).await
    }

    /// Waits until a command is acknowledged. Returns the seq.
    pub async fn ack_of(&mut self, id: Id) -> Seq {
        while !self.acked.contains_key(&id) {
            assert!(!self.refused.contains_key(&id), "refused: {:?}", self.refused[&id]);
            assert!(self.closed.is_none(), "closed with {:?} before an ack", self.closed);
            let incoming = soon("an ack", self.wire.next()).await;
            self.handle(incoming).await;
        }
        self.acked[&id]
    }

    /// Waits until a command is refused for good.
    pub async fn refusal_of(&mut self, id: Id) -> ErrorCode {
        while !self.refused.contains_key(&id) {
            assert!(!self.acked.contains_key(&id), "acknowledged");
            assert!(self.closed.is_none(), "closed with {:?} before a refusal", self.closed);
            let incoming = soon("a refusal", self.wire.next()).await;
            self.handle(incoming).await;
        }
        self.refused[&id]
    }

    /// Reads until this event is here, and returns it.
    pub async fn event(&mut self, seq: Seq) -> Event {
        self.until(&format!("event {seq}"), |client| client.log().len() >= seq as usize).await;
        self.client.log()[seq as usize - 1].clone()
    }

    /// Reads until this event is here, which must be an answer, and returns its text.
    pub async fn answer(&mut self, seq: Seq) -> String {
        match self.event(seq).await.body {
            Some(event::Body::Answer(answer)) => answer.text,
            other => panic!("event {seq} is no answer: {other:?}"),
        }
    }

    /// Reads until the answer being written has come so far.
    pub async fn reads(&mut self, text: &str) {
        self.until(&format!("the words {text:?}"), |client| client.written().is_some_and(|w| w.text == text)).await;
    }

    /// Starts the next conversation, and waits until it is in it.
    pub async fn begin(&mut self) -> u32 {
        let before = self.conversation();
        self.client.handle_begin();
        self.flush().await;
        while self.conversation() == before {
            assert!(self.closed.is_none(), "closed with {:?}", self.closed);
            let incoming = soon("the next conversation", self.wire.next()).await;
            self.handle(incoming).await;
        }
        self.conversation()
    }

    /// Reads to the end, and returns the close code.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Some(code) = self.closed {
                return code;
            }
            let incoming = self.wire.next().await;
            self.handle(incoming).await;
        }
    }

    /// What the client knows.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The visitor's id.
    pub fn visitor(&self) -> &str {
        &self.visitor
    }

    /// How often it was told to drop what it held.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The number of the conversation it is in.
    pub fn conversation(&self) -> u32 {
        self.client.conversation()
    }

    async fn handle(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame(frame) => self.client.handle_frame(0, frame),
            Incoming::Closed(code) => {
                self.closed = Some(code);
                self.client.handle_closed(0, code, 0.0);
            }
        }
        self.learn();
        self.flush().await;
    }

    fn learn(&mut self) {
        while let Some(change) = self.client.poll_change() {
            match change {
                Change::Welcomed { visitor, .. } => self.visitor = visitor,
                Change::Acked { id, seq } => {
                    self.acked.insert(id, seq);
                }
                Change::Refused { id, code } => {
                    self.refused.insert(id, code);
                }
                Change::Dropped => self.dropped += 1,
                Change::Wrong(what) => panic!("the node did what it must never do: {what}"),
                Change::LeftBehind { .. } | Change::Event(_) | Change::Written { .. } | Change::Disconnected { .. } => {
                }
            }
        }
    }

    async fn flush(&mut self) {
        // The far future: what a client would send again after a wait goes out at once.
        while let Some(frame) = self.client.poll_frame(u64::MAX) {
            self.wire.send(frame).await;
        }
    }
}
