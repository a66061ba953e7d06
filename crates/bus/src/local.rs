//! A bus inside the process.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::Hub;
use crate::{BoxFuture, Bus, BusError, MAX_PAYLOAD_BYTES, Subscription, Topic};

/// How much may wait in this process for its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// For one subscription, in bytes. Default: 512 KiB, two payloads of the largest size.
    pub inbox_bytes: usize,
    /// For all subscriptions together, in bytes; what several have waiting counts several times. Default: 64 MiB.
    pub all_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { inbox_bytes: 512 << 10, all_bytes: 64 << 20 }
    }
}

/// A bus inside the process. Clones share everything.
#[derive(Debug, Clone)]
pub struct LocalBus {
    hub: Arc<Hub>,
}

impl LocalBus {
    /// A bus without subscriptions.
    pub fn new(options: Options) -> Self {
        Self { hub: Arc::new(Hub::new(options, None)) }
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Bus for LocalBus {
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(BusError::TooLarge { topic: topic.clone(), bytes: payload.len() });
        }
        self.hub.publish(topic, &payload);
        Ok(())
    }

    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>> {
        Box::pin(async { Ok(Hub::subscribe(&self.hub, topic)) })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
