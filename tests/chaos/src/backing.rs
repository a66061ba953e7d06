//! What the nodes share: a store and a bus, as real servers that can be killed and paused.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use servers::{ClusterOptions, NatsOptions, NatsServer, RedisCluster, RedisOptions, RedisServer};
use store::redis::RedisStore;
use store::{EmbeddedStore, Store};

use crate::Options;
use crate::verify::Rules;

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// The one inside of a node, which is alone then
    Embedded,
    /// One Redis, which loses nothing when it is killed
    Redis,
    /// A Redis Cluster of six
    RedisCluster,
}

/// Which bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BusKind {
    Nats,
    Redis,
}

/// The servers.
#[derive(Debug)]
pub(crate) struct Backing {
    store: StoreServers,
    /// How many replicas must have a write.
    replicas: u32,
    bus: Option<BusServer>,
}

#[derive(Debug, Clone)]
enum StoreServers {
    Embedded(PathBuf),
    Redis(Arc<RedisServer>),
    Cluster(Arc<RedisCluster>),
}

#[derive(Debug, Clone)]
enum BusServer {
    Nats(Arc<NatsServer>),
    Redis(Arc<RedisServer>),
}

/// How a server is broken, or mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Kill,
    Restart,
    Pause,
    Resume,
}

impl Backing {
    /// Starts them.
    ///
    /// # Errors
    /// One is not installed, or does not start.
    pub(crate) async fn start(options: &Options, folder: &Path) -> anyhow::Result<Self> {
        let (folder, store, bus, replicas) = (folder.to_owned(), options.store, options.bus, options.replicas);
        blocking(move || {
            let store = match store {
                StoreKind::Embedded => {
                    return Ok(Self { store: StoreServers::Embedded(folder), replicas, bus: None });
                }
                StoreKind::Redis => StoreServers::Redis(Arc::new(RedisServer::start(durable())?)),
                StoreKind::RedisCluster => {
                    let options = ClusterOptions { node: durable(), ..ClusterOptions::default() };
                    StoreServers::Cluster(Arc::new(RedisCluster::start_with(&options)?))
                }
            };
            let bus = match bus {
                BusKind::Nats => BusServer::Nats(Arc::new(NatsServer::start(NatsOptions::default())?)),
                BusKind::Redis => BusServer::Redis(Arc::new(RedisServer::start(RedisOptions::default())?)),
            };
            Ok(Self { store, replicas, bus: Some(bus) })
        })
        .await
    }

    /// Where one server of the store listens; `None`: there is none, or there are several.
    pub(crate) fn store_address(&self) -> Option<SocketAddr> {
        match &self.store {
            StoreServers::Redis(redis) => Some(local(redis.port())),
            StoreServers::Embedded(_) | StoreServers::Cluster(_) => None,
        }
    }

    /// Where the bus listens.
    pub(crate) fn bus_address(&self) -> Option<SocketAddr> {
        match self.bus.as_ref()? {
            BusServer::Nats(nats) => Some(local(nats.port())),
            BusServer::Redis(redis) => Some(local(redis.port())),
        }
    }

    /// What a node is told: variables of its configuration. It reaches servers through the addresses given, if there are.
    pub(crate) fn variables(&self, store: Option<SocketAddr>, bus: Option<SocketAddr>) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        let mut set = |name: &str, value: String| variables.push((format!("FRONTDESK_{name}"), value));
        match (&self.store, store) {
            (StoreServers::Embedded(folder), _) => set("STORE_DATA", folder.display().to_string()),
            (StoreServers::Redis(_), Some(address)) => set("STORE_URL", format!("redis://{address}")),
            (StoreServers::Redis(redis), None) => set("STORE_URL", redis.url()),
            (StoreServers::Cluster(cluster), _) => set("STORE_URL", cluster.url()),
        }
        match (&self.bus, bus) {
            (Some(BusServer::Nats(_)), Some(address)) => set("BUS_URL", format!("nats://{address}")),
            (Some(BusServer::Redis(_)), Some(address)) => set("BUS_URL", format!("redis://{address}")),
            _ => {}
        }
        if self.replicas > 0 {
            set("STORE_REPLICAS", self.replicas.to_string());
        }
        variables
    }

    /// How many processes the store has.
    pub(crate) fn store_servers(&self) -> usize {
        match &self.store {
            StoreServers::Embedded(_) => 0,
            StoreServers::Redis(_) => 1,
            StoreServers::Cluster(cluster) => cluster.nodes().len(),
        }
    }

    /// Breaks or mends one process of the store.
    pub(crate) async fn act_on_store(&self, server: usize, act: Act) -> anyhow::Result<()> {
        let store = self.store.clone();
        blocking(move || match &store {
            StoreServers::Embedded(_) => Ok(()),
            StoreServers::Redis(redis) => act_on_redis(redis, act),
            StoreServers::Cluster(cluster) => act_on_redis(cluster.nodes().get(server).context("no such server")?, act),
        })
        .await
    }

    /// The number of the process of the store that takes the writes of a part of the keys now.
    pub(crate) async fn primary_of(&self, any: usize) -> anyhow::Result<usize> {
        match &self.store {
            StoreServers::Cluster(cluster) => {
                let cluster = Arc::clone(cluster);
                blocking(move || cluster.primary_of(&format!("{{{any}}}"))).await
            }
            StoreServers::Embedded(_) | StoreServers::Redis(_) => Ok(0),
        }
    }

    /// Waits until all of the store is well.
    pub(crate) async fn store_is_well(&self) -> anyhow::Result<()> {
        match &self.store {
            StoreServers::Cluster(cluster) => {
                let cluster = Arc::clone(cluster);
                blocking(move || cluster.wait_until_ok()).await
            }
            StoreServers::Embedded(_) | StoreServers::Redis(_) => Ok(()),
        }
    }

    /// Breaks or mends the bus.
    pub(crate) async fn act_on_bus(&self, act: Act) -> anyhow::Result<()> {
        let bus = self.bus.clone();
        blocking(move || match &bus {
            None => Ok(()),
            Some(BusServer::Redis(redis)) => act_on_redis(redis, act),
            Some(BusServer::Nats(nats)) => match act {
                Act::Kill => nats.kill(),
                Act::Restart => nats.restart(),
                Act::Pause => nats.pause(),
                Act::Resume => nats.resume(),
            },
        })
        .await
    }

    /// The store, for reading what is in it. The embedded one can be read only when no node uses it.
    pub(crate) async fn open_store(&self) -> anyhow::Result<Arc<dyn Store>> {
        match &self.store {
            StoreServers::Embedded(folder) => {
                let store = EmbeddedStore::open(folder, store::embedded::Options::default());
                Ok(Arc::new(store.context("the store cannot be opened")?))
            }
            StoreServers::Redis(redis) => open_redis(&redis.url()).await,
            StoreServers::Cluster(cluster) => open_redis(&cluster.url()).await,
        }
    }

    /// What the store promises. A cluster may forget what its replica had not got when a primary died: what somebody has
    /// read, and, if no replica was waited for, also what was acknowledged.
    pub(crate) fn rules(&self) -> Rules {
        let is_cluster = matches!(self.store, StoreServers::Cluster(_));
        Rules { may_reset: is_cluster, may_lose: is_cluster && self.replicas == 0 }
    }

    /// Whether the store can be read while nodes use it.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.store, StoreServers::Embedded(_))
    }
}

/// What is acknowledged is on the disk.
fn durable() -> RedisOptions {
    let settings = vec![("appendfsync".to_owned(), "always".to_owned())];
    RedisOptions { keeps_data: true, settings, ..RedisOptions::default() }
}

fn act_on_redis(redis: &RedisServer, act: Act) -> anyhow::Result<()> {
    match act {
        Act::Kill => redis.kill(),
        Act::Restart => redis.restart(),
        Act::Pause => redis.pause(),
        Act::Resume => redis.resume(),
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn open_redis(url: &str) -> anyhow::Result<Arc<dyn Store>> {
    Ok(Arc::new(RedisStore::connect(url, store::redis::Options::default()).await?))
}

/// The servers' own calls wait for processes.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(call).await.context("a call to a server panicked")?
}
