//! A simple balancer in front of several nodes.
//!
//! It copies bytes and knows nothing of what they mean. A new connection goes to the ready node with the fewest; a node that
//! cannot be connected to is passed over for the next one. Nodes are asked whether they are ready twice a second, as a
//! balancer in a cloud does, and like one it is told before a node drains. When a node dies, its connections break.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, copy_buf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::node_process::is_ready;
use crate::spread::Spread;
use crate::status::{NodeLife, NodeState};

/// How often each node is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to answer that, and to take a connection.
const LONGEST_ANSWER: Duration = Duration::from_millis(500);
/// Bytes held in each direction of a connection. Small, for there may be thousands.
const BUFFER_BYTES: usize = 4096;
/// After a connection could not be taken (too many open files): how long to wait before the next.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// A node as the balancer sees it.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    life: watch::Receiver<NodeLife>,
    ready: Arc<watch::Sender<bool>>,
}

impl Target {
    /// A node that counts as not ready until it has been asked.
    #[must_use]
    pub fn new(address: SocketAddr, life: watch::Receiver<NodeLife>) -> Self {
        Self { address, life, ready: Arc::new(watch::Sender::new(false)) }
    }

    /// Whether it gets new connections.
    fn is_candidate(&self) -> bool {
        *self.ready.borrow() && matches!(self.life.borrow().state, NodeState::Ready | NodeState::Paused)
    }

    /// Asks the node again and again, and at once when something happens to its process. Ends with whoever keeps it running.
    async fn watch(mut self) {
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = self.life.changed() => if changed.is_err() { return },
            }
            let ready = matches!(timeout(LONGEST_ANSWER, is_ready(self.address)).await, Ok(Ok(true)));
            self.ready.send_if_modified(|before| std::mem::replace(before, ready) != ready);
        }
    }
}

/// Spreads connections over nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Balancer {
    targets: Arc<[Target]>,
    spread: Arc<Mutex<Spread>>,
}

impl Balancer {
    /// A balancer in front of these nodes. Nothing is asked or taken before [`Balancer::serve`].
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Self {
        let spread = Arc::new(Mutex::new(Spread::new(targets.len())));
        Self { targets: targets.into(), spread }
    }

    /// Takes connections for ever.
    pub async fn serve(self, listener: TcpListener) {
        for target in self.targets.iter() {
            tokio::spawn(target.clone().watch());
        }
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    tokio::spawn(self.clone().carry(client));
                }
                Err(error) => {
                    tracing::warn!(%error, "the balancer cannot take a connection");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    /// How many connections are open to a node.
    #[must_use]
    pub fn open(&self, node: usize) -> usize {
        self.spread().open(node)
    }

    /// Waits until a node gets new connections.
    pub async fn takes(&self, node: usize) {
        let Some(target) = self.targets.get(node) else { return };
        let mut ready = target.ready.subscribe();
        // The sender is held by the target itself.
        let _ = ready.wait_for(|_| target.is_candidate()).await;
    }

    async fn carry(self, client: TcpStream) {
        let mut tried = Vec::new();
        while let Some(seat) = self.seat(&tried) {
            match timeout(LONGEST_ANSWER, TcpStream::connect(self.targets[seat.node].address)).await {
                Ok(Ok(node)) => return copy_both_ways(client, node).await,
                Ok(Err(_)) | Err(_) => tried.push(seat.node),
            }
        }
        // A client that has left needs no answer.
        let _ = timeout(LONGEST_ANSWER, say_unavailable(client)).await;
    }

    /// The next node to try.
    fn seat(&self, tried: &[usize]) -> Option<Seat<'_>> {
        let is_candidate = |node: usize| !tried.contains(&node) && self.targets[node].is_candidate();
        let node = self.spread().choose(is_candidate)?;
        Some(Seat { balancer: self, node })
    }

    fn spread(&self) -> MutexGuard<'_, Spread> {
        self.spread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place at a node; given back when it is dropped.
struct Seat<'b> {
    balancer: &'b Balancer,
    node: usize,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.balancer.spread().handle_closed(self.node);
    }
}

/// Until the node has said its last, or either side breaks. Then both are closed.
async fn copy_both_ways(mut client: TcpStream, mut node: TcpStream) {
    for stream in [&client, &node] {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be set to send at once");
        }
    }
    let (from_client, mut to_client) = client.split();
    let (from_node, mut to_node) = node.split();
    let up = async {
        copy_buf(&mut BufReader::with_capacity(BUFFER_BYTES, from_client), &mut to_node).await?;
        to_node.shutdown().await
    };
    let down = async {
        copy_buf(&mut BufReader::with_capacity(BUFFER_BYTES, from_node), &mut to_client).await?;
        to_client.shutdown().await
    };
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    // An error is how a connection breaks here; both sides see it by the end of theirs.
    let _ = tokio::select! {
        ended = &mut down => ended,
        ended = &mut up => match ended {
            Ok(()) => down.await,
            broken => broken,
        },
    };
}

/// No node is ready. The request is read first: closing with bytes unread would take the answer away again.
async fn say_unavailable(mut client: TcpStream) -> io::Result<()> {
    let _ = client.read(&mut [0; BUFFER_BYTES]).await?;
    client
        .write_all(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 18\r\n\r\nno node is ready.\n")
        .await?;
    client.shutdown().await
}
