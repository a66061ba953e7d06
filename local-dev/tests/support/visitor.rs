//! A visitor of a node, with a tab of the tests' own client.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use client::{Address, Backoff, Change, Client, Command, Order, Profile, Random, SocketOptions, Tab, TabOptions};
use protocol::Subprotocol;
use protocol::v1::event;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::program::LONGEST_WAIT;

/// A visitor's tab, and what it learns.
pub(crate) struct Visitor {
    orders: mpsc::Sender<Order>,
    changes: mpsc::UnboundedReceiver<(String, Change)>,
}

impl Visitor {
    pub(crate) fn connect(node: SocketAddr, token: String, seed: u64) -> Self {
        let profile = Profile { site: "shop".to_owned(), token, ..Profile::default() };
        let client = Client::new(profile, Backoff::new(20, 400)).with_missing_deltas();
        let (address, socket) = (Address::of(node), SocketOptions::default());
        let options = TabOptions { address, subprotocol: Subprotocol::Proto, socket };
        let (orders, taken) = mpsc::channel(8);
        let (learn, changes) = mpsc::unbounded_channel();
        let learn = move |client: &Client, change: Change| drop(learn.send((client.token().to_owned(), change)));
        tokio::spawn(Tab::new(client, options, Random::new(seed)).run(taken, learn));
        Self { orders, changes }
    }

    pub(crate) async fn say(&self, id: u8, text: &str) -> Result<()> {
        Ok(self.orders.send(Order::Command([id; 16], Command::Send(text.to_owned()))).await?)
    }

    /// Waits for a change, and gives the visitor's token as it was then.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Change) -> bool) -> Result<String> {
        let found = async {
            loop {
                let (token, change) = self.changes.recv().await.context("the tab has ended")?;
                if let Change::Wrong(wrong) = &change {
                    anyhow::bail!("{wrong}");
                }
                if wanted(&change) {
                    return Ok(token);
                }
            }
        };
        timeout(LONGEST_WAIT, found).await.context("it never came")?
    }

    pub(crate) async fn welcomed(&mut self) -> Result<String> {
        self.until(|change| matches!(change, Change::Welcomed { .. })).await
    }

    pub(crate) async fn answered(&mut self) -> Result<()> {
        let is_answer = |change: &Change| matches!(change, Change::Event(event) if matches!(event.body, Some(event::Body::Answer(_))));
        self.until(is_answer).await.map(drop)
    }
}
