//! Clients that have said something, are connected, and come back when their node goes away.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use client::{Backoff, Change, Client, Command, Order, Profile, Random, SocketOptions, Tab, TabOptions};
use protocol::Subprotocol;
use protocol::v1::event;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};

use super::balancer::Balancer;

/// First messages that are not answered yet, at most.
const AT_ONCE: usize = 256;

/// How long all of them together may take to get an answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Read at once by each client. Thousands of them live in one process.
const READ_BUFFER_BYTES: usize = 1024;

/// A client that lost its connection and is welcomed again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Return {
    pub(super) lost_at: Instant,
    pub(super) welcomed_at: Instant,
}

/// All clients. They leave when it is dropped.
pub(super) struct Crowd {
    board: Arc<Board>,
    _orders: Vec<mpsc::Sender<Order>>,
    _tabs: JoinSet<()>,
}

/// What the clients write down.
struct Board {
    /// The node that each is at, or tries.
    at: Vec<AtomicUsize>,
    tries: AtomicUsize,
    answered: watch::Sender<usize>,
    returned: watch::Sender<usize>,
    returns: Mutex<Vec<Return>>,
    dropped: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Crowd {
    /// Connects so many clients; each asks and is answered. `rate` ask per second.
    ///
    /// # Errors
    /// They are not all answered in time.
    pub(super) async fn gather(
        balancer: &Arc<Balancer>,
        clients: u32,
        all_on_first: bool,
        rate: u32,
    ) -> anyhow::Result<Self> {
        let clients = clients as usize;
        let board = Arc::new(Board::new(clients));
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let (mut orders, mut tabs) = (Vec::new(), JoinSet::new());
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..clients {
            ticks.tick().await;
            let permit = timeout(PATIENCE, Arc::clone(&at_once).acquire_owned()).await;
            let permit = permit.context("the clients' first messages are not answered")??;
            let (sender, receiver) = mpsc::channel(1);
            let mut random = Random::new(number as u64);
            sender
                .try_send(Order::Command(random.id(), Command::Send(format!("{number} hello, is somebody there?"))))?;
            orders.push(sender);
            let tab = tab(balancer, &board, number, all_on_first, random);
            let mut member = Member { board: Arc::clone(&board), lost_at: None, permit: Some(permit) };
            tabs.spawn(async move {
                tab.run(receiver, |_, change| member.learn(change)).await;
            });
        }
        let mut answered = board.answered.subscribe();
        let all = timeout(PATIENCE, answered.wait_for(|answered| *answered >= clients)).await;
        drop(all.context("not all clients have got an answer")??);
        board.tries.store(0, Ordering::Relaxed);
        Ok(Self { board, _orders: orders, _tabs: tabs })
    }

    /// How many are connected to the first node.
    pub(super) fn at_first_node(&self) -> usize {
        self.board.at.iter().filter(|at| at.load(Ordering::Relaxed) == 0).count()
    }

    /// Waits until so many have returned, at most until `deadline`.
    pub(super) async fn wait_for(&self, expected: usize, deadline: Instant) {
        let mut returned = self.board.returned.subscribe();
        // Those who are not back by then are seen in the table.
        let _in_time = timeout_at(deadline.into(), returned.wait_for(|returned| *returned >= expected)).await;
    }

    pub(super) fn returns(&self) -> Vec<Return> {
        self.board.returns.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the last one was welcomed again.
    pub(super) fn last_return(&self) -> Option<Instant> {
        self.returns().iter().map(|back| back.welcomed_at).max()
    }

    /// What else they have seen.
    pub(super) fn faults(&self, expected: usize) -> String {
        let (tries, dropped) = (self.board.tries.load(Ordering::Relaxed), self.board.dropped.load(Ordering::Relaxed));
        let wrong = self.board.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let each = tries as f64 / expected.max(1) as f64;
        let first = wrong.first().map_or(String::new(), |what| format!(", the first: {what}"));
        format!(
            "{each:.2} tries to connect each; {dropped} clients were told to reset; wrong things seen: {}{first}",
            wrong.len()
        )
    }
}

impl Board {
    fn new(clients: usize) -> Self {
        Self {
            at: (0..clients).map(|_| AtomicUsize::new(usize::MAX)).collect(),
            tries: AtomicUsize::new(0),
            answered: watch::Sender::new(0),
            returned: watch::Sender::new(0),
            returns: Mutex::default(),
            dropped: AtomicUsize::new(0),
            wrong: Mutex::default(),
        }
    }
}

/// One client, as it is watched.
struct Member {
    board: Arc<Board>,
    lost_at: Option<Instant>,
    /// Until it is answered.
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl Member {
    fn learn(&mut self, change: Change) {
        let board = &self.board;
        match change {
            Change::Disconnected { .. } => self.lost_at = Some(Instant::now()),
            Change::Welcomed { .. } => {
                if let Some(lost_at) = self.lost_at.take() {
                    let back = Return { lost_at, welcomed_at: Instant::now() };
                    board.returns.lock().unwrap_or_else(PoisonError::into_inner).push(back);
                    board.returned.send_modify(|returned| *returned += 1);
                }
            }
            Change::Event(stored) if matches!(stored.body, Some(event::Body::Answer(_))) => {
                self.permit = None;
                board.answered.send_modify(|answered| *answered += 1);
            }
            Change::Dropped => drop(board.dropped.fetch_add(1, Ordering::Relaxed)),
            Change::Wrong(what) => board.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what),
            _ => {}
        }
    }
}

fn tab(balancer: &Arc<Balancer>, board: &Arc<Board>, number: usize, all_on_first: bool, random: Random) -> Tab {
    let profile = Profile { site: "shop".to_owned(), ..Profile::default() };
    let client = Client::new(profile, Backoff::default()).with_missing_deltas();
    let socket = SocketOptions { source: Some(source(number)), read_buffer_bytes: READ_BUFFER_BYTES };
    let address = balancer.staying()[0].clone();
    let (balancer, board) = (Arc::clone(balancer), Arc::clone(board));
    let route = move || {
        let (node, address) = match balancer.first() {
            Some(first) if all_on_first => first,
            _ => balancer.choose(),
        };
        board.at[number].store(node, Ordering::Relaxed);
        board.tries.fetch_add(1, Ordering::Relaxed);
        address
    };
    Tab::new(client, TabOptions { address, subprotocol: Subprotocol::Proto, socket }, random).with_route(route)
}

/// An address of its own for each client, as they have in life; the kernel chooses the port.
fn source(number: usize) -> SocketAddr {
    let octet = |number: usize| (number % 250) as u8 + 1;
    SocketAddr::from((Ipv4Addr::new(127, 230, octet(number / 250), octet(number)), 0))
}
