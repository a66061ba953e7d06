//! Draining: no new connections, what runs may finish, clients are told when to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conversation::Millis;
use store::{Fence, SetDue};

use crate::clock;
use crate::node::Node;

/// Clients come back between these, milliseconds after they were sent away: spread, so that the nodes that take them are
/// not all asked at once.
const COME_BACK_MS: (Millis, Millis) = (200, 2_000);

/// How often a draining node looks whether it is empty.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long connections may take to say goodbye after the drain's time is over.
const LAST_GOODBYE: Duration = Duration::from_secs(2);

/// Whether a node drains, and until when.
#[derive(Debug, Default)]
pub(crate) struct Drain {
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

    fn begin(&self, until: Millis) {
        self.until.store(until.max(1), Ordering::Relaxed);
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
    hand_over(node).await;
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
    for held in node.conversations.all() {
        if held.is_idle() {
            continue;
        }
        let head = held.look(|live| live.state().head());
        let due = SetDue { conversation: held.id(), head, due: Some(clock::now()), fence: Fence::Unclaimed };
        match node.store.set_due(due).await {
            // After a conflict the newer event has set a mark of its own.
            Ok(_) => tracing::info!(conversation = %held.id(), "handed to a due time"),
            Err(error) => tracing::error!(conversation = %held.id(), %error, "cannot be made due; its own mark stands"),
        }
    }
}
