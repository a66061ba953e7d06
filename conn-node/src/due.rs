//! The controller of due times: what nobody is doing any more is found here and done.

use std::sync::Arc;
use std::time::Duration;

use conversation::{Claim, Millis};
use store::ClaimDue;

use crate::clock;
use crate::node::Node;

/// How often due times are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often conversations are looked through for those that nobody needs. 18,000 take 2 ms.
const FORGET_EVERY: Duration = Duration::from_millis(500);

/// Every how many of these rounds the rates are looked through.
const SWEEP_ROUNDS: u64 = 20;

/// Conversations claimed at once.
const BATCH: usize = 64;

/// How long a claim holds beyond a turn's own deadline, milliseconds; then somebody else may look.
const CLAIM_GRACE_MS: Millis = 5_000;

/// Claims what is due, for ever.
pub(crate) async fn control(node: Arc<Node>) {
    // Apart from the other nodes' looks: they started together.
    tokio::time::sleep(LOOK_EVERY.mul_f64(rand::random())).await;
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        while claim(&node).await == BATCH {}
    }
}

/// One round; how many were claimed.
async fn claim(node: &Arc<Node>) -> usize {
    let now = clock::now();
    let until = now + node.config.turn.deadline_ms + CLAIM_GRACE_MS;
    // A name of its own for each round: a claim that this node has lost must not be taken for a newer one.
    let claim: Claim = rand::random();
    let claimed = match node.store.claim_due(ClaimDue { now, until, limit: BATCH, claim }).await {
        Ok(claimed) => claimed,
        Err(error) => {
            node.metrics.store_errors.with("claim_due").inc();
            // While the store is known to be away, nobody wants to be told so every second.
            if node.health.store_answers() {
                tracing::warn!(%error, "due times cannot be read");
            }
            return 0;
        }
    };
    for id in &claimed {
        tracing::info!(conversation = %id, "due");
        node.metrics.due_claimed.inc();
        if let Some(held) = node.load(id).await {
            held.handle(node, |live, now| live.handle_due(now, claim));
        }
    }
    claimed.len()
}

/// Forgets what nobody needs, for ever: conversations soon, visitors' and addresses' rates when they are back at rest.
pub(crate) async fn forget(node: Arc<Node>) {
    let mut every = tokio::time::interval(FORGET_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 1_u64.. {
        every.tick().await;
        node.conversations.forget_idle(&node, clock::now());
        if round.is_multiple_of(SWEEP_ROUNDS) {
            node.limits.sweep();
        }
    }
}
