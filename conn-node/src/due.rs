//! The controller of due times: what nobody is doing any more is found here and done.

use std::sync::Arc;
use std::time::Duration;

use conversation::Millis;

use crate::clock;
use crate::node::Node;

/// How often due times are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often memory is looked through for what nobody needs.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// Conversations claimed at once.
const BATCH: usize = 64;

/// How long a claim holds beyond a turn's own deadline, milliseconds; then somebody else may look.
const CLAIM_GRACE_MS: Millis = 5_000;

/// Claims what is due, for ever.
pub(crate) async fn control(node: Arc<Node>) {
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
    let claimed = match node.store.claim_due(now, until, BATCH).await {
        Ok(claimed) => claimed,
        Err(error) => {
            node.metrics.store_errors.with("claim_due").inc();
            tracing::error!(%error, "due times cannot be read");
            return 0;
        }
    };
    for id in &claimed {
        tracing::info!(conversation = %id, "due");
        if let Some(held) = node.load(id).await {
            held.handle(node, |live, now| live.handle_due(now));
        }
    }
    claimed.len()
}

/// Forgets conversations, visitors and addresses that nobody needs, for ever.
pub(crate) async fn forget(node: Arc<Node>) {
    let mut every = tokio::time::interval(FORGET_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        node.conversations.forget_idle(&node, clock::now());
        node.limits.sweep();
    }
}
