//! Visitors: each has one tab or two, and never a quiet moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use client::{Address, Backoff, Change, Client, Command, Order, Profile, Random, SocketOptions, Tab, TabOptions};
use protocol::Subprotocol;
use protocol::v1::Event;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout, timeout_at};

use crate::record::{History, Records, TabHistory, TabRecord};

/// The site of the demo shop.
const SITE: &str = "shop";

/// The longest pause between two things a visitor does. Answers take about a second: some are waited for, some are not.
const LONGEST_PAUSE_MS: u64 = 1_500;

/// How long a tab may take to get events that others have.
const CATCH_UP: Duration = Duration::from_secs(10);

/// What the visitors ask.
const QUESTIONS: [&str; 6] = [
    "How long does shipping take?",
    "Can I return opened tea?",
    "How do I brew green tea?",
    "配送需要多长时间？",
    "Do you ship to Norway, and what does it cost?",
    "绿茶怎么泡？",
];

/// What visitors are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    /// Say things, press Stop, lose the network.
    Talk,
    /// Only listen.
    Listen,
    /// Leave.
    Leave,
}

/// How far a tab is.
#[derive(Debug, Clone, Default)]
struct Progress {
    visitor: String,
    token: String,
    /// Events held.
    held: usize,
    /// Connected, everything sent is acknowledged, everything asked is answered.
    is_settled: bool,
}

/// All visitors.
pub(crate) struct Visitors {
    phase: watch::Sender<Phase>,
    visitors: Vec<Vec<LiveTab>>,
    node: SocketAddr,
}

struct LiveTab {
    progress: watch::Receiver<Progress>,
    task: JoinHandle<(Client, TabRecord)>,
}

/// What one tab needs to live.
struct Life {
    name: String,
    node: SocketAddr,
    subprotocol: Subprotocol,
    random: Random,
    records: Arc<Records>,
    phase: watch::Receiver<Phase>,
    progress: watch::Sender<Progress>,
    /// Whether the visitor asks for a person some day; then the assistant answers nothing any more.
    asks_for_person: bool,
}

impl Visitors {
    /// Starts visitors. Every third has a second tab, every sixth asks for a person at some time.
    pub(crate) fn start(count: usize, node: SocketAddr, random: &mut Random, records: &Arc<Records>) -> Self {
        let (phase, watched) = watch::channel(Phase::Talk);
        let life = |visitor: usize, tab: usize, random: &mut Random| {
            let (progress, seen) = watch::channel(Progress::default());
            let life = Life {
                name: format!("visitor {visitor}, tab {tab}"),
                node,
                subprotocol: Subprotocol::ALL[(visitor + tab) % 2],
                random: random.fork(),
                records: Arc::clone(records),
                phase: watched.clone(),
                progress,
                asks_for_person: visitor % 6 == 5,
            };
            (life, seen)
        };
        let mut start_one = |visitor: usize| {
            let (first, progress) = life(visitor, 1, random);
            let mut tabs = vec![LiveTab { progress: progress.clone(), task: tokio::spawn(first.live(String::new())) }];
            if visitor.is_multiple_of(3) {
                let (second, seen) = life(visitor, 2, random);
                tabs.push(LiveTab { progress: seen, task: tokio::spawn(second.join(progress)) });
            }
            tabs
        };
        Self { phase, visitors: (0..count).map(&mut start_one).collect(), node }
    }

    /// Lets everybody finish: what was said is acknowledged and answered, and everybody has read it. What is not so after
    /// `most` shows in the histories.
    pub(crate) async fn finish(self, most: Duration) -> anyhow::Result<Vec<History>> {
        self.phase.send_replace(Phase::Listen);
        let deadline = tokio::time::Instant::now() + most;
        let mut fresh = Vec::new();
        for tabs in &self.visitors {
            for tab in tabs {
                let mut progress = tab.progress.clone();
                // Who is not settled in time is found by what it lacks.
                let _ = timeout_at(deadline, progress.wait_for(|progress| progress.is_settled)).await;
            }
        }
        for tabs in &self.visitors {
            let token = tabs.first().map(|tab| tab.progress.borrow().token.clone()).unwrap_or_default();
            let log = read_anew(self.node, token).await?;
            for tab in tabs {
                let mut progress = tab.progress.clone();
                let _ = timeout(CATCH_UP, progress.wait_for(|progress| progress.held >= log.len())).await;
            }
            fresh.push(log);
        }
        self.phase.send_replace(Phase::Leave);
        let mut histories = Vec::new();
        for (tabs, fresh) in self.visitors.into_iter().zip(fresh) {
            histories.push(history(tabs, fresh).await?);
        }
        Ok(histories)
    }
}

async fn history(tabs: Vec<LiveTab>, fresh: Vec<Event>) -> anyhow::Result<History> {
    let visitor = tabs.first().map(|tab| tab.progress.borrow().visitor.clone()).unwrap_or_default();
    let mut histories = Vec::new();
    for tab in tabs {
        let (client, record) = tab.task.await.context("a tab panicked")?;
        let (log, unacknowledged) = (client.log().to_vec(), client.unacknowledged());
        histories.push(TabHistory { record, log, unacknowledged });
    }
    Ok(History { site: SITE.to_owned(), visitor, fresh, tabs: histories })
}

impl Life {
    /// The life of a visitor's second tab: it starts when the first is known to the node.
    async fn join(self, mut first: watch::Receiver<Progress>) -> (Client, TabRecord) {
        let token = match first.wait_for(|progress| !progress.token.is_empty()).await {
            Ok(progress) => progress.token.clone(),
            Err(_) => String::new(),
        };
        self.live(token).await
    }

    /// The life of a tab, from its first connection until it is to leave.
    async fn live(mut self, token: String) -> (Client, TabRecord) {
        let profile = Profile { site: SITE.to_owned(), token, ..Profile::default() };
        let client = Client::new(profile, Backoff::new(20, 400));
        let options = options(self.node, self.subprotocol);
        let record = Arc::new(Mutex::new(TabRecord::default()));
        let (orders, taken) = mpsc::channel(64);
        let learn = {
            let (record, records) = (Arc::clone(&record), Arc::clone(&self.records));
            let (name, progress) = (self.name.clone(), self.progress.clone());
            move |client: &Client, change: Change| {
                records.handle_change(&name, &change);
                record.lock().unwrap_or_else(PoisonError::into_inner).handle_change(&change);
                progress.send_modify(|progress| progress.handle_change(client, change));
            }
        };
        let tab = tokio::spawn(Tab::new(client, options, self.random.fork()).run(taken, learn));
        self.talk(&orders, &record).await;
        // An error means that the program ends.
        let _ = self.phase.wait_for(|phase| *phase == Phase::Leave).await;
        drop(orders);
        let client = tab.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let record = record.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (client, record)
    }

    /// Gives the tab orders as long as there is to be talk.
    async fn talk(&mut self, orders: &mpsc::Sender<Order>, record: &Mutex<TabRecord>) {
        let mut phase = self.phase.clone();
        loop {
            let pause = Duration::from_millis(self.random.below(LONGEST_PAUSE_MS));
            tokio::select! {
                _ = phase.wait_for(|phase| *phase != Phase::Talk) => return,
                () = sleep(pause) => {}
            }
            let order = self.next_order(&mut record.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(order) = order
                && orders.send(order).await.is_err()
            {
                return;
            }
        }
    }

    fn next_order(&mut self, record: &mut TabRecord) -> Option<Order> {
        let id = self.random.id();
        Some(match self.random.below(20) {
            0..12 => {
                let question = QUESTIONS[self.random.below(QUESTIONS.len() as u64) as usize];
                // Texts differ, so that one in the place of another is seen.
                let text = format!("{question} ({}, message {})", self.name, record.sent.len() + 1);
                record.sent.push((id, text.clone()));
                Order::Command(id, Command::Send(text))
            }
            12..16 => Order::StopAnswer(id),
            16..18 => Order::Break,
            18 => Order::Reconnect,
            _ if self.asks_for_person && record.sent.len() > 30 => Order::Command(id, Command::AskPerson),
            _ => return None,
        })
    }
}

impl Progress {
    fn handle_change(&mut self, client: &Client, change: Change) {
        if let Change::Welcomed { visitor, .. } = change {
            self.visitor = visitor;
        }
        if self.token != client.token() {
            self.token = client.token().to_owned();
        }
        self.held = client.log().len();
        self.is_settled = client.is_open() && client.unacknowledged() == 0 && client.open_turn().is_none();
    }
}

fn options(node: SocketAddr, subprotocol: Subprotocol) -> TabOptions {
    TabOptions { address: Address::of(node), subprotocol, socket: SocketOptions::default() }
}

/// Reads a conversation from its first event, as a client that holds nothing.
async fn read_anew(node: SocketAddr, token: String) -> anyhow::Result<Vec<Event>> {
    let profile = Profile { site: SITE.to_owned(), token, ..Profile::default() };
    let client = Client::new(profile, Backoff::new(20, 400));
    let (orders, taken) = mpsc::channel(1);
    let (whole, mut is_whole) = watch::channel(false);
    let mut wanted = usize::MAX;
    let learn = move |client: &Client, change: Change| {
        if let Change::Welcomed { head, .. } = change {
            wanted = head as usize;
        }
        whole.send_replace(client.log().len() >= wanted);
    };
    let tab = Tab::new(client, options(node, Subprotocol::Proto), Random::new(0)).run(taken, learn);
    let tab = tokio::spawn(tab);
    let read = timeout(CATCH_UP, is_whole.wait_for(|whole| *whole)).await;
    read.map_err(|_| anyhow!("a conversation could not be read within {} s", CATCH_UP.as_secs()))??;
    drop(orders);
    Ok(tab.await?.log().to_vec())
}
