//! A network that can be broken: connections are carried from one socket to another, until somebody cuts them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Read at once.
const CHUNK_BYTES: usize = 8 * 1024;

/// Chunks under way in one direction. More are left in the sender's kernel.
const MAX_UNDER_WAY: usize = 64;

/// How long both ends of a silent connection are kept open. Longer than any node or client waits for a sign of life.
const SILENCE: Duration = Duration::from_secs(25);

/// What a network does at this moment to everything on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// New connections are refused.
    pub(crate) refuses: bool,
    /// Bytes are taken and not delivered, for now. Nobody is told.
    pub(crate) stalls: bool,
    /// How much later every byte arrives.
    pub(crate) delay: Duration,
}

/// How one connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ends are told by a reset.
    Reset,
    /// Both ends read the end of the stream.
    Close,
    /// Nobody is told anything: both ends stay open and nothing arrives.
    Silence,
}

/// A network between a client and a server.
#[derive(Debug)]
pub(crate) struct Wire {
    weather: watch::Sender<Weather>,
    /// By number: how to end each connection that is open.
    open: Mutex<BTreeMap<u64, watch::Sender<Option<Cut>>>>,
    carried: AtomicU64,
}

impl Wire {
    pub(crate) fn new() -> Arc<Self> {
        let (weather, _) = watch::channel(Weather::default());
        Arc::new(Self { weather, open: Mutex::default(), carried: AtomicU64::new(0) })
    }

    /// The weather now.
    pub(crate) fn weather(&self) -> Weather {
        *self.weather.borrow()
    }

    /// Changes the weather.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.open().len()
    }

    /// Ends every connection. Returns how many.
    pub(crate) fn cut_all(&self, how: Cut) -> u64 {
        let open = std::mem::take(&mut *self.open());
        for fate in open.values() {
            fate.send_replace(Some(how));
        }
        open.len() as u64
    }

    /// Ends one connection, if there is one.
    pub(crate) fn cut_one(&self, how: Cut, random: &mut Random) -> bool {
        let mut open = self.open();
        let chosen = open.keys().nth(random.below(open.len() as u64) as usize).copied();
        let fate = chosen.and_then(|number| open.remove(&number));
        fate.map(|fate| fate.send_replace(Some(how))).is_some()
    }

    /// Carries bytes between two sockets until either ends, or the connection is cut.
    pub(crate) async fn carry(self: &Arc<Self>, mut client: TcpStream, mut server: TcpStream) {
        // Nagle's algorithm would add delays of its own. A socket that is gone already fails at the first read.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (number, mut fate) = self.register();
        let cut = tokio::select! {
            () = self.both_ways(&mut client, &mut server) => None,
            cut = cut(&mut fate) => Some(cut),
        };
        self.open().remove(&number);
        match cut {
            Some(Cut::Reset) => reset(client, server),
            Some(Cut::Silence) => {
                sleep(SILENCE).await;
                reset(client, server);
            }
            Some(Cut::Close) | None => {}
        }
    }

    fn register(&self) -> (u64, watch::Receiver<Option<Cut>>) {
        let (sender, fate) = watch::channel(None);
        let number = self.carried.fetch_add(1, Ordering::Relaxed);
        self.open().insert(number, sender);
        (number, fate)
    }

    async fn both_ways(&self, client: &mut TcpStream, server: &mut TcpStream) {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = one_way(from_client, to_server, self.weather.subscribe());
        let down = one_way(from_server, to_client, self.weather.subscribe());
        // An end that breaks ends both directions; one that has only said its last word still listens.
        let _ = tokio::try_join!(up, down);
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, watch::Sender<Option<Cut>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a connection at once, with a reset.
pub(crate) fn refuse(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}

fn reset(client: TcpStream, server: TcpStream) {
    refuse(client);
    refuse(server);
}

async fn cut(fate: &mut watch::Receiver<Option<Cut>>) -> Cut {
    match fate.wait_for(Option::is_some).await.map(|cut| *cut) {
        Ok(Some(cut)) => cut,
        _ => std::future::pending().await,
    }
}

/// Bytes under way, and when each chunk arrives.
struct UnderWay {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    weather: watch::Receiver<Weather>,
}

impl UnderWay {
    fn push(&mut self, chunk: &[u8]) {
        let arrives = Instant::now() + self.weather.borrow().delay;
        self.chunks.push_back((arrives, chunk.to_vec()));
    }

    /// Waits until the first chunk has arrived; nothing is taken out, so it may be dropped while it waits.
    async fn arrived(&mut self) {
        let Some((arrives, _)) = self.chunks.front() else { return std::future::pending().await };
        sleep_until(*arrives).await;
        // The sender lives as long as the wire, which outlives what it carries.
        let _ = self.weather.wait_for(|weather| !weather.stalls).await;
    }
}

async fn one_way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, weather: watch::Receiver<Weather>) -> io::Result<()> {
    let mut under_way = UnderWay { chunks: VecDeque::new(), weather };
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut has_ended = false;
    while !has_ended || !under_way.chunks.is_empty() {
        tokio::select! {
            read = from.read(&mut buffer), if !has_ended && under_way.chunks.len() < MAX_UNDER_WAY => match read? {
                0 => has_ended = true,
                bytes => under_way.push(buffer.get(..bytes).unwrap_or_default()),
            },
            () = under_way.arrived() => {
                if let Some((_, chunk)) = under_way.chunks.pop_front() {
                    to.write_all(&chunk).await?;
                }
            }
        }
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests;
