//! A bus that loses messages on command, and one that cannot be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus::{BoxFuture, Bus, BusError, LocalBus, Subscription, Topic};
use bytes::Bytes;

/// A bus that loses messages on command, and one that cannot be reached.
#[derive(Debug, Default)]
pub struct LossyBus {
    bus: LocalBus,
    loses: AtomicBool,
    away: AtomicBool,
}

impl LossyBus {
    /// A bus that loses nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on everything published is lost, or nothing is.
    pub fn lose(&self, loses: bool) {
        self.loses.store(loses, Ordering::SeqCst);
    }

    /// From now on it cannot be reached, or it can.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn reach(&self, topic: &Topic) -> Result<(), BusError> {
        if !self.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(BusError::Unavailable { topic: topic.clone(), reason: "the test says so".to_owned() })
    }
}

impl Bus for LossyBus {
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError> {
        self.reach(topic)?;
        if self.loses.load(Ordering::SeqCst) { Ok(()) } else { self.bus.publish(topic, payload) }
    }

    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>> {
        Box::pin(async move {
            self.reach(topic)?;
            self.bus.subscribe(topic).await
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async {
            if self.loses.load(Ordering::SeqCst) || self.away.load(Ordering::SeqCst) {
                return Err(BusError::NotReady { reason: "the test says so".to_owned() });
            }
            self.bus.ready().await
        })
    }
}
