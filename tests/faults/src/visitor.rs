//! A visitor: sends a message, and notes what comes and when.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{Address, Backoff, Change, Client, Command, Order, Profile, Random, SocketOptions, Tab, TabOptions};
use protocol::Subprotocol;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::seen;

/// How long a turn may take: longer than all clocks.
const PATIENCE: Duration = Duration::from_secs(20);

/// A visitor with one tab.
#[derive(Debug)]
pub(crate) struct Visitor {
    orders: mpsc::Sender<Order>,
    changes: mpsc::UnboundedReceiver<(Instant, Change)>,
    random: Random,
}

/// How a turn went.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) what: String,
    pub(crate) first: Option<Duration>,
    pub(crate) over: Duration,
}

impl Visitor {
    /// A new visitor of this site.
    pub(crate) async fn open(node: SocketAddr, site: &str, number: u64) -> anyhow::Result<Self> {
        let profile = Profile { site: site.to_owned(), ..Profile::default() };
        let client = Client::new(profile, Backoff::default());
        let options = TabOptions {
            address: Address::of(node),
            subprotocol: Subprotocol::Proto,
            socket: SocketOptions::default(),
        };
        let (orders, taken) = mpsc::channel(4);
        let (learnt, changes) = mpsc::unbounded_channel();
        let learn = move |_: &Client, change: Change| {
            // Nobody listens any more when the visitor has gone.
            let _ = learnt.send((Instant::now(), change));
        };
        tokio::spawn(Tab::new(client, options, Random::new(number)).run(taken, learn));
        let mut visitor = Self { orders, changes, random: Random::new(!number) };
        while !matches!(visitor.next().await?.1, Change::Welcomed { .. }) {}
        Ok(visitor)
    }

    /// Says something, and waits for what comes of it.
    pub(crate) async fn say(&mut self, text: &str) -> anyhow::Result<Turn> {
        let (sent, mut first) = (Instant::now(), None);
        self.orders.send(Order::Command(self.random.id(), Command::Send(text.to_owned()))).await?;
        loop {
            match self.next().await? {
                (at, Change::Written { .. }) => first = first.or(Some(at - sent)),
                (at, Change::Event(event)) => {
                    if let Some(what) = seen::words(&event) {
                        return Ok(Turn { what, first, over: at - sent });
                    }
                }
                (_, Change::Refused { code, .. }) => bail!("refused with {}", code.as_str_name()),
                (_, Change::Wrong(what)) => bail!("the node did what it must never do: {what}"),
                (_, Change::Disconnected { code }) => bail!("disconnected with {code:?}"),
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> anyhow::Result<(Instant, Change)> {
        let change = timeout(PATIENCE, self.changes.recv()).await.context("nothing came in time")?;
        change.context("the tab has ended")
    }
}
