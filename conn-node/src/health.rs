//! Whether the store and the bus can be reached, and what the node does about the bus meanwhile.
//!
//! A store that fails is felt by every conversation itself: sends are refused with a time to retry, and nothing is
//! acknowledged. A bus that fails is felt by nobody: what other nodes say is just not heard. So while it is away the logs
//! of the conversations that somebody looks at are compared with what is known, and when it is back as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use crate::node::Node;

/// How often both are asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long either may take to answer.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// In how many parts the conversations are looked through while the bus is away, one part a look: each is compared with its
/// log every two seconds.
const PARTS: usize = 2;

/// Comparisons with the store under way at one time.
const AT_ONCE: usize = 64;

/// What the node knows of the two.
#[derive(Debug)]
pub(crate) struct Health {
    store: AtomicBool,
    bus: AtomicBool,
}

/// A node starts with the belief that both are there: the first look comes before the first visitor.
impl Default for Health {
    fn default() -> Self {
        Self { store: AtomicBool::new(true), bus: AtomicBool::new(true) }
    }
}

impl Health {
    /// Whether the store answered last time.
    pub(crate) fn store_answers(&self) -> bool {
        self.store.load(Ordering::Relaxed)
    }

    /// Whether the bus answered last time; true for a node without one.
    pub(crate) fn bus_answers(&self) -> bool {
        self.bus.load(Ordering::Relaxed)
    }
}

/// Looks after both, for ever.
pub(crate) async fn watch(node: Arc<Node>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0_usize.. {
        every.tick().await;
        look(&node, round).await;
    }
}

/// One look; also before the node takes its first visitor.
pub(crate) async fn look(node: &Arc<Node>, round: usize) {
    let store = async {
        match tokio::time::timeout(PATIENCE, node.store.ready()).await {
            Ok(ready) => ready.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
        }
    };
    let bus = async {
        match &node.bus {
            None => Ok(()),
            Some(bus) => match tokio::time::timeout(PATIENCE, bus.ready()).await {
                Ok(ready) => ready.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
            },
        }
    };
    let (store, bus) = tokio::join!(store, bus);
    note("store", &node.health.store, &store);
    node.metrics.store_reachable.set(i64::from(store.is_ok()));
    let bus_was_away = !node.health.bus_answers();
    note("bus", &node.health.bus, &bus);
    node.metrics.bus_reachable.set(i64::from(bus.is_ok()));
    match (bus_was_away, bus.is_ok()) {
        (true, true) => make_up_for(node, |_| true).await,
        (_, false) => make_up_for(node, |at| at % PARTS == round % PARTS).await,
        (false, true) => {}
    }
}

fn note(what: &str, state: &AtomicBool, answer: &Result<(), String>) {
    let was_there = state.swap(answer.is_ok(), Ordering::Relaxed);
    match answer {
        Err(error) if was_there => tracing::error!(%error, "the {what} cannot be reached: this node is not ready"),
        Ok(()) if !was_there => tracing::info!("the {what} is back"),
        _ => {}
    }
}

/// Has the conversations of this part compared with their logs, and tells the others again what they may have missed.
async fn make_up_for(node: &Arc<Node>, is_in_part: impl Fn(usize) -> bool) {
    let all = node.conversations.all().into_iter().enumerate();
    let part = all.filter(|(at, _)| is_in_part(*at));
    stream::iter(part)
        .for_each_concurrent(AT_ONCE, async |(_, held)| {
            held.publish_again(node);
            node.look_again(&held).await;
        })
        .await;
}
