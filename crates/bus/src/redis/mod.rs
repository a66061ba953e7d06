//! A bus on Redis 7 or newer: sharded pub/sub, on one server or on a cluster.

mod cluster;
mod resp;
mod slots;
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
use cluster::{Cluster, Watched};
use wire::RedisDoor;

const SCHEMES: [&str; 4] = ["redis", "rediss", "redis-cluster", "rediss-cluster"];
const DEFAULT_PORT: u16 = 6379;

/// A bus on Redis. Clones share everything; dropping the last ends the connections.
///
/// A topic is the channel `fd:{site/visitor/ordinal}:conversation`. In a cluster the channel's slot decides the server;
/// subscriptions follow when a slot moves or a replica takes over.
#[derive(Clone)]
pub struct RedisBus {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Arc<Hub>,
    servers: Servers,
}

enum Servers {
    One(Link),
    Many(Watched),
}

impl RedisBus {
    /// A bus on `redis://name:password@host:port`, `rediss://…` (TLS), `redis-cluster://host:port,host:port` or
    /// `rediss-cluster://…`. It connects in the background and for ever; until it has, it is not [ready](Bus::ready).
    ///
    /// TLS trusts the authorities of this machine, or those in the file that `SSL_CERT_FILE` names.
    ///
    /// # Errors
    /// [`BusError::BadUrl`]; [`BusError::NotReady`] if TLS cannot be set up on this machine.
    #[expect(clippy::unused_async, reason = "it starts tasks, so it must run where they can")]
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        let url = Url::parse(url, &SCHEMES, DEFAULT_PORT)?;
        let tls = if url.scheme.starts_with("rediss") { Some(Tls::new()?) } else { None };
        let is_cluster = url.scheme.ends_with("-cluster");
        if url.servers.len() > 1 && !is_cluster {
            return Err(BusError::BadUrl {
                reason: "names several servers; only redis-cluster:// takes them".to_owned(),
            });
        }
        let door = RedisDoor { credentials: url.credentials, tls };
        let shared = Arc::new_cyclic(|shared: &Weak<Shared>| {
            let hub = Arc::new(Hub::new(Options::default(), Some(shared.clone())));
            let servers = match is_cluster {
                true => Servers::Many(Cluster::start(door, url.servers, hub.clone())),
                false => Servers::One(Link::start(door, url.servers, hub.clone(), NoWatcher)),
            };
            Shared { hub, servers }
        });
        Ok(Self { shared })
    }
}

impl Bus for RedisBus {
    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), BusError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(BusError::TooLarge { topic: topic.clone(), bytes: payload.len() });
        }
        let command = Command::Publish { topic: topic.clone(), payload, tries: 0 };
        let pushed = match &self.shared.servers {
            Servers::One(link) => link.interest().outgoing().push(command),
            Servers::Many(cluster) => cluster.with_link(topic, |link| link.interest().outgoing().push(command)),
        };
        pushed.map_err(|reason| BusError::Unavailable { topic: topic.clone(), reason })
    }

    fn subscribe<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<Subscription, BusError>> {
        Box::pin(async move {
            // First here: then nothing that comes with the confirmation finds nobody.
            let subscription = Hub::subscribe(&self.shared.hub, topic);
            let asked = match &self.shared.servers {
                Servers::One(link) => link.interest().want(topic),
                Servers::Many(cluster) => cluster.with_link(topic, |link| link.interest().want(topic)),
            };
            let stands = confirmed(asked).await;
            stands.map_err(|reason| BusError::Unavailable { topic: topic.clone(), reason })?;
            Ok(subscription)
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async {
            let ready = match &self.shared.servers {
                Servers::One(link) => link.ready().await,
                Servers::Many(cluster) => cluster.ready().await,
            };
            ready.map_err(|reason| BusError::NotReady { reason })
        })
    }
}

impl Remote for Shared {
    fn handle_left(&self, topic: &Topic) {
        match &self.servers {
            Servers::One(link) => link.interest().leave(topic, &self.hub),
            Servers::Many(cluster) => cluster.leave(topic),
        }
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").finish_non_exhaustive()
    }
}
