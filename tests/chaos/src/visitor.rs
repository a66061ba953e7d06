//! One tab of a visitor: what it does, and when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::{
    Address, Backoff, Change, Client, Command, Keepalive, Order, Profile, Random, SocketOptions, Tab, TabOptions,
};
use protocol::Subprotocol;
use protocol::v1::event::Body;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::record::TabRecord;

/// The site of all visitors.
pub(crate) const SITE: &str = "shop";

/// When a tab gives a silent connection up: sooner than a widget, so that a short run sees it.
const KEEPALIVE: Keepalive = Keepalive { quiet: Duration::from_secs(4), patience: Duration::from_secs(3) };

/// The shortest and the longest pause of a visitor between two things.
const PAUSE_MS: (u64, u64) = (4_000, 16_000);

/// What the visitors are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    /// Say things, press Stop, lose the network.
    Talk,
    /// Only listen.
    Listen,
    /// Leave.
    Leave,
}

/// How far a tab is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) token: String,
    /// Connected, and welcomed.
    pub(crate) is_open: bool,
    pub(crate) unacknowledged: usize,
    /// The turn that waits for its answer; 0: none.
    pub(crate) open_turn: u32,
    pub(crate) conversation: u32,
    pub(crate) held: usize,
    is_closed: bool,
}

impl Progress {
    /// Connected, everything sent is acknowledged, everything asked is answered.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_open && self.unacknowledged == 0 && self.open_turn == 0
    }

    fn handle_change(&mut self, client: &Client) {
        if self.token != client.token() {
            self.token = client.token().to_owned();
        }
        self.is_open = client.is_open();
        self.unacknowledged = client.unacknowledged();
        self.open_turn = client.open_turn().unwrap_or(0);
        self.conversation = client.conversation();
        self.held = client.log().len();
        // A rating may follow the close.
        let newest = client.log().iter().rev().take(2);
        self.is_closed = newest.into_iter().any(|event| matches!(event.body, Some(Body::Closed(_))));
    }
}

/// What one tab needs to live.
pub(crate) struct Life {
    /// Who it is, in texts and reports.
    pub(crate) name: String,
    pub(crate) balancer: SocketAddr,
    pub(crate) subprotocol: Subprotocol,
    pub(crate) random: Random,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) record: Arc<Mutex<TabRecord>>,
    /// Whether the visitor asks for a person some day; then the assistant answers nothing any more.
    pub(crate) asks_for_person: bool,
    /// Whether the visitor closes conversations and begins new ones.
    pub(crate) closes: bool,
}

impl Life {
    /// The life of a visitor's second tab: it starts when the first is known to a node.
    pub(crate) async fn join(self, mut first: watch::Receiver<Progress>) {
        let token = match first.wait_for(|progress| !progress.token.is_empty()).await {
            Ok(progress) => progress.token.clone(),
            // The program ends.
            Err(_) => return,
        };
        self.live(token).await;
    }

    /// The life of a tab, from its first connection until it is to leave.
    pub(crate) async fn live(mut self, token: String) {
        let profile = Profile { site: SITE.to_owned(), token, ..Profile::default() };
        let client = Client::new(profile, Backoff::new(200, 3_000)).with_missing_deltas();
        let (address, socket) = (Address::of(self.balancer), SocketOptions::default());
        let options = TabOptions { address, subprotocol: self.subprotocol, socket };
        let (orders, taken) = mpsc::channel(64);
        let (record, progress) = (Arc::clone(&self.record), self.progress.clone());
        let learn = move |client: &Client, change: Change| {
            lock(&record).handle_change(client, change, Instant::now());
            progress.send_modify(|progress| progress.handle_change(client));
        };
        let tab = Tab::new(client, options, self.random.fork()).with_keepalive(KEEPALIVE);
        let tab = tokio::spawn(tab.run(taken, learn));
        self.talk(&orders).await;
        // An error means that the program ends.
        let _ = self.phase.wait_for(|phase| *phase == Phase::Leave).await;
        drop(orders);
        if let Err(panic) = tab.await {
            lock(&self.record).wrong.push(format!("its client panicked: {panic}"));
        }
    }

    /// Gives the tab orders as long as there is to be talk.
    async fn talk(&mut self, orders: &mpsc::Sender<Order>) {
        let mut phase = self.phase.clone();
        // Not all at the same moment at the beginning.
        let mut pause = self.random.below(PAUSE_MS.1);
        loop {
            tokio::select! {
                _ = phase.wait_for(|phase| *phase != Phase::Talk) => return,
                () = sleep(Duration::from_millis(pause)) => {}
            }
            pause = PAUSE_MS.0 + self.random.below(PAUSE_MS.1 - PAUSE_MS.0);
            let order = self.next_order();
            if orders.send(order).await.is_err() {
                return;
            }
        }
    }

    fn next_order(&mut self) -> Order {
        let id = self.random.id();
        if self.progress.borrow().is_closed {
            return Order::Begin;
        }
        let said = lock(&self.record).sent.len();
        match self.random.below(40) {
            0..4 => Order::StopAnswer(id),
            4 => Order::Break,
            5 => Order::Reconnect,
            6 | 11 if self.asks_for_person && said > 3 => Order::Command(id, Command::AskPerson),
            7..10 if self.closes && said > 2 => Order::Command(id, Command::Close),
            10 if self.closes => Order::Command(id, Command::Rate(1 + self.random.below(5) as u32, String::new())),
            _ => self.say(id, said + 1),
        }
    }

    /// Texts differ, so that one in the place of another is seen.
    fn say(&mut self, id: [u8; 16], number: usize) -> Order {
        let directive = match self.random.below(40) {
            0..6 => format!("/slow {}", 500 + self.random.below(4_000)),
            6 => "/crash 3".to_owned(),
            7 => "/crash 0".to_owned(),
            8 => "/fail 4".to_owned(),
            9 => "/stall 2".to_owned(),
            10 if self.asks_for_person => "/handover".to_owned(),
            _ => format!("/long {}", 4 + self.random.below(14)),
        };
        let text = format!("{directive} {}, message {number}", self.name);
        lock(&self.record).sent.push((id, text.clone()));
        Order::Command(id, Command::Send(text))
    }
}

/// Nobody panics while he holds it.
pub(crate) fn lock(record: &Mutex<TabRecord>) -> MutexGuard<'_, TabRecord> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
