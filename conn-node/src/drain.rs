//! Draining: no new connections, what runs may finish, clients are told when to come back.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conversation::Fence;
use conversation::Millis;
use futures_util::stream::{self, StreamExt as _};
use store::SetDue;
use tokio::sync::Notify;

use crate::clock;
use crate::held::Held;
use crate::node::Node;

/// Clients come back between these, milliseconds after they were sent away: spread, so that the nodes that take them are
/// not all asked at once, and soon enough that 99 of 100 are back within two seconds.
const COME_BACK_MS: (Millis, Millis) = (100, 1_500);

/// How often a draining node looks whether it is empty.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long connections may take to say goodbye after the drain's time is over.
const LAST_GOODBYE: Duration = Duration::from_secs(2);

/// How long making unfinished turns due may take. With the longest `node.drain_seconds`, 90, and the last goodbye a drain is
/// over within 100 s, whatever the store does: Fargate kills after 120.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Turns made due at one time.
const AT_ONCE: usize = 64;

/// Whether a node drains, and until when.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    begun: Notify,
    /// Unix milliseconds; 0: it does not drain.
    until: AtomicU64,
}

impl Drain {
    pub(crate) fn is_draining(&self) -> bool {
        self.until.load(Ordering::Relaxed) > 0
    }

    /// Whether the time for running turns is over.
    pub(crate) fn is_over(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until > 0 && clock::now() >= until
    }

    /// When a client is to come back, milliseconds from now; different for each.
    pub(crate) fn retry_after_ms(&self) -> Millis {
        rand::random_range(COME_BACK_MS.0..=COME_BACK_MS.1)
    }

    /// Waits until the node drains.
    pub(crate) async fn begun(&self) {
        let mut begun = pin!(self.begun.notified());
        // From here on the beginning is not missed.
        begun.as_mut().enable();
        if !self.is_draining() {
            begun.await;
        }
    }

    fn begin(&self, until: Millis) {
        self.until.store(until.max(1), Ordering::Relaxed);
        self.begun.notify_waiters();
    }
}

/// Drains the node. Returns when no connection and no turn is left, or the time is over; then what still runs has been
/// made due, so that whoever looks next does it.
pub(crate) async fn drain(node: &Arc<Node>) {
    let seconds = node.config.node.drain_seconds;
    tracing::info!(connections = node.open_connections(), seconds, "draining");
    node.drain.begin(clock::now() + seconds * 1_000);
    wake_all(node);
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while !is_empty(node) && tokio::time::Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    wake_all(node);
    let end = tokio::time::Instant::now() + LAST_GOODBYE;
    while node.open_connections() > 0 && tokio::time::Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    if tokio::time::timeout(HAND_OVER, hand_over(node)).await.is_err() {
        tracing::error!("not every running turn could be made due in time; their own due times stand");
    }
}

fn is_empty(node: &Node) -> bool {
    node.open_connections() == 0 && node.conversations.all().iter().all(|held| held.is_idle())
}

/// Connections look at the drain when they are woken.
fn wake_all(node: &Node) {
    for held in node.conversations.all() {
        held.changed().notify_waiters();
    }
}

/// Turns that did not finish become due at once.
async fn hand_over(node: &Node) {
    let unfinished = node.conversations.all().into_iter().filter(|held| !held.is_idle());
    let one = async |held: Arc<Held>| {
        let (head, claim) = held.look(|live| (live.state().head(), live.claim()));
        let fence = claim.map_or(Fence::Unclaimed, Fence::Claimed);
        let due = SetDue { conversation: held.id(), head, due: Some(clock::now()), fence };
        match node.store.set_due(due).await {
            // After a conflict the newer event has set a mark of its own.
            Ok(_) => tracing::info!(conversation = %held.id(), "handed to a due time"),
            Err(error) => tracing::error!(conversation = %held.id(), %error, "cannot be made due; its own mark stands"),
        }
    };
    stream::iter(unfinished).for_each_concurrent(AT_ONCE, one).await;
}
