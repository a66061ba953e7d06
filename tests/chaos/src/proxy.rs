//! A port that leads to one server, over a wire that can be broken.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wire::{Wire, refuse};

/// A port on loopback that leads somewhere else. Closed when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens, and carries every connection to `server`.
    pub(crate) async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a proxy")?;
        let address = listener.local_addr()?;
        let wire = Wire::new();
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&wire)));
        Ok(Self { address, wire, accepting })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it carries connections over.
    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, wire: Arc<Wire>) {
    loop {
        // An error is one connection's: it was given up before it was taken, or there are too many files for now.
        let Ok((client, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        if wire.weather().refuses {
            refuse(client);
            continue;
        }
        let wire = Arc::clone(&wire);
        tokio::spawn(async move {
            match TcpStream::connect(server).await {
                Ok(server) => wire.carry(client, server).await,
                Err(_) => refuse(client),
            }
        });
    }
}
