//! A bus on NATS 2: core subjects, without JetStream.

mod wire;

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::hub::{Hub, Remote};
use crate::remote::address::Url;
use crate::remote::link::{Link, NoWatcher, confirmed};
use crate::remote::outgoing::Command;
use crate::remote::socket::Tls;
use crate::{BoxFuture, Bus, BusError, MAX_PAYLOAD_BYTES, Options, Subscription, Topic};
use wire::{DEFAULT_PORT, NatsDoor};

/// A bus on NATS. Clones share everything; dropping the last ends the connection.
///
/// A topic is the subject `fd.conversation.SITE.VISITOR.ORDINAL`. The server names the others of its cluster; when it goes
/// away, the bus goes to one of them.
#[derive(Clone)]
pub struct NatsBus {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Arc<Hub>,
    link: Link,
}

impl NatsBus {
    /// A bus on `nats://name:password@host:port` or `nats://token@host:port`; `tls://` for a server with TLS. It connects
    /// in the background and for ever; until it has, it is not [ready](Bus::ready).
    ///
    /// TLS trusts the authorities of this machine, or those in the file that `SSL_CERT_FILE` names.
    ///
    /// # Errors
    /// [`BusError::BadUrl`]; [`BusError::NotReady`] if TLS cannot be set up on this machine.
    #[expect(clippy::unused_async, reason = "it starts a task, so it must run where that can")]
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        let url = Url::parse(url, &["nats", "tls"], DEFAULT_PORT)?;
        let tls = if url.scheme == "tls" { Some(Tls::new()?) } else { None };
        let door = NatsDoor { credentials: url.credentials, tls };
        let shared = Arc::new_cyclic(|shared: &Weak<Shared>| {
            let hub = Arc::new(Hub::new(Options::default(), Some(shared.clone())));
            let link = Link::start(door, url.servers, hub.clone(), NoWatcher);
            Shared { hub, link }
        });
        Ok(Self { shared })
    }
}

impl Bus for NatsBus {
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(BusError::TooLarge { topic: topic.clone(), bytes: payload.len() });
        }
        let pushed =
            self.shared.link.interest().outgoing().push(Command::Publish { topic: topic.clone(), payload, tries: 0 });
        pushed.map_err(|reason| BusError::Unavailable { topic: topic.clone(), reason })
    }

    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>> {
        Box::pin(async move {
            // First here: then nothing that comes with the confirmation finds nobody.
            let subscription = Hub::subscribe(&self.shared.hub, topic);
            let stands = confirmed(self.shared.link.interest().want(topic)).await;
            stands.map_err(|reason| BusError::Unavailable { topic: topic.clone(), reason })?;
            Ok(subscription)
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async { self.shared.link.ready().await.map_err(|reason| BusError::NotReady { reason }) })
    }
}

impl Remote for Shared {
    fn handle_left(&self, topic: &Topic) {
        self.link.interest().leave(topic, &self.hub);
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus").finish_non_exhaustive()
    }
}
