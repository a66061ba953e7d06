//! A tab: a client and its connections.

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversation::Millis;
use protocol::Subprotocol;
use protocol::v1;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::change::{Change, Command, Id};
use crate::connection::{Address, ConnectError, Connection, Received, SocketOptions};
use crate::core::Client;
use crate::random::Random;

/// What somebody wants of a tab.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// The visitor wants something.
    Command(Id, Command),
    /// Stop the answer that is being written or waited for, if there is one.
    StopAnswer(Id),
    /// The network breaks, without a word to the node.
    Break,
    /// The visitor goes to another network or closes the lid for a moment: a clean close.
    Reconnect,
    /// The visitor wants the next conversation; the present one is closed. Lost if there is no connection.
    Begin,
}

/// How a tab connects.
#[derive(Debug, Clone)]
pub struct TabOptions {
    /// The node.
    pub address: Address,
    /// How frames are written.
    pub subprotocol: Subprotocol,
    /// How sockets are made.
    pub socket: SocketOptions,
}

/// How a tab notices that nobody is at the other end any more: a browser's page cannot see WebSocket pings.
#[derive(Debug, Clone, Copy)]
pub struct Keepalive {
    /// After so long without a frame it sends a Ping.
    pub quiet: Duration,
    /// After so long without a frame after that, the connection is given up.
    pub patience: Duration,
}

/// A client and its connections. Dropping it breaks the connection.
pub struct Tab {
    client: Client,
    options: TabOptions,
    route: Option<Route>,
    random: Random,
    connection: Option<Connection>,
    keepalive: Option<Keepalive>,
    heard_at: Instant,
    is_asked: bool,
}

/// Where to connect next.
type Route = Box<dyn Fn() -> Address + Send + Sync>;

/// What happened while a tab waited.
enum Happened {
    Ordered(Option<Order>),
    Received(Received),
    Due,
    Quiet,
}

impl Tab {
    /// A tab that connects when it is run.
    pub fn new(client: Client, options: TabOptions, random: Random) -> Self {
        let heard_at = Instant::now();
        Self { client, options, route: None, random, connection: None, keepalive: None, heard_at, is_asked: false }
    }

    /// Asks before each connection where it goes, as a balancer decides. Without it, to [`TabOptions::address`].
    #[must_use]
    pub fn with_route(self, route: impl Fn() -> Address + Send + Sync + 'static) -> Self {
        Self { route: Some(Box::new(route)), ..self }
    }

    /// Without it, a tab waits for ever for a node that says nothing.
    #[must_use]
    pub fn with_keepalive(self, keepalive: Keepalive) -> Self {
        Self { keepalive: Some(keepalive), ..self }
    }

    /// Carries out orders and tells what is learnt, until there are no more orders or the client has finished. Gives the
    /// client back.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>, mut learn: impl FnMut(&Client, Change)) -> Client {
        loop {
            self.send_frames().await;
            while let Some(change) = self.client.poll_change() {
                learn(&self.client, change);
            }
            if self.client.is_finished() {
                break;
            }
            match self.wait(&mut orders).await {
                Happened::Ordered(None) => break,
                Happened::Ordered(Some(order)) => self.handle_order(order).await,
                Happened::Received(received) => self.handle_received(received),
                Happened::Due if self.connection.is_none() => self.connect().await,
                Happened::Due => {}
                Happened::Quiet => self.handle_quiet().await,
            }
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.client
    }

    async fn wait(&mut self, orders: &mut mpsc::Receiver<Order>) -> Happened {
        let due_at = match self.connection {
            Some(_) => self.client.next_frame_at(),
            None => self.client.connect_at(),
        };
        let due = async {
            match due_at {
                Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(now()))).await,
                None => pending().await,
            }
        };
        let quiet_at = self.quiet_at();
        let quiet = async {
            match quiet_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        let received = async {
            match &mut self.connection {
                Some(connection) => connection.receive().await,
                None => pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => Happened::Ordered(order),
            received = received => Happened::Received(received),
            () = due => Happened::Due,
            () = quiet => Happened::Quiet,
        }
    }

    /// When to ask for a sign of life, or to give the connection up.
    fn quiet_at(&self) -> Option<Instant> {
        let keepalive = self.keepalive.filter(|_| self.connection.is_some())?;
        let patience = if self.is_asked { keepalive.patience } else { Duration::ZERO };
        Some(self.heard_at + keepalive.quiet + patience)
    }

    async fn handle_quiet(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if self.is_asked {
            return self.break_off();
        }
        self.is_asked = true;
        // If it cannot be sent, the end of the connection is still to be read.
        let _ = connection.send(&v1::Ping {}.into()).await;
    }

    async fn connect(&mut self) {
        if let Some(route) = &self.route {
            self.options.address = route();
        }
        let opening = Connection::open(&self.options.address, self.options.subprotocol, self.options.socket);
        let most = self.keepalive.map_or(Duration::MAX, |keepalive| keepalive.quiet + keepalive.patience);
        match tokio::time::timeout(most, opening).await.unwrap_or(Err(ConnectError::TimedOut)) {
            Ok(connection) => {
                self.connection = Some(connection);
                (self.heard_at, self.is_asked) = (Instant::now(), false);
                self.client.handle_connected();
            }
            Err(error) => {
                let retry_after = match error {
                    ConnectError::Refused { retry_after, .. } => retry_after,
                    ConnectError::Tcp(_) | ConnectError::Handshake(_) | ConnectError::TimedOut => None,
                };
                self.client.handle_connect_failed(now(), retry_after, self.random.fraction());
            }
        }
    }

    async fn send_frames(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        while let Some(frame) = self.client.poll_frame(now()) {
            if connection.send(&frame).await.is_err() {
                // What the node said last, its close code above all, is still to be read.
                return;
            }
        }
    }

    async fn handle_order(&mut self, order: Order) {
        match order {
            Order::Command(id, command) => self.client.handle_command(id, command),
            Order::StopAnswer(id) => {
                if let Some(turn) = self.client.open_turn() {
                    self.client.handle_command(id, Command::Stop(turn));
                }
            }
            Order::Break => self.break_off(),
            Order::Begin => self.client.handle_begin(),
            Order::Reconnect => {
                if let Some(connection) = self.connection.take() {
                    connection.close().await;
                    self.closed(Some(1000));
                }
            }
        }
    }

    fn break_off(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.abort();
            self.closed(None);
        }
    }

    fn handle_received(&mut self, received: Received) {
        (self.heard_at, self.is_asked) = (Instant::now(), false);
        match received {
            Received::Frame(frame, _) => self.client.handle_frame(now(), frame),
            Received::Unknown => {}
            Received::Undecodable(error) => self.client.handle_undecodable(&error),
            Received::Closed(code) => self.closed(code),
        }
    }

    fn closed(&mut self, code: Option<u16>) {
        self.connection = None;
        self.client.handle_closed(now(), code, self.random.fraction());
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
