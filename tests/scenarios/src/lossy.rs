//! A bus that loses messages on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus::{BoxFuture, Bus, BusError, LocalBus, Subscription, Topic};
use bytes::Bytes;

/// A bus that loses messages on command.
#[derive(Debug, Default)]
pub struct LossyBus {
    bus: LocalBus,
    loses: AtomicBool,
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
}

impl Bus for LossyBus {
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError> {
        if self.loses.load(Ordering::SeqCst) { Ok(()) } else { self.bus.publish(topic, payload) }
    }

    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>> {
        self.bus.subscribe(topic)
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async {
            if !self.loses.load(Ordering::SeqCst) {
                return self.bus.ready().await;
            }
            Err(BusError::NotReady { reason: "it is told to lose everything".to_owned() })
        })
    }
}
