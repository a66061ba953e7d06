//! What the nodes share: a store and a bus, as real servers that can be killed and paused.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use client::Random;
use servers::{ClusterOptions, NatsOptions, NatsServer, RedisCluster, RedisOptions, RedisServer};
#[cfg(feature = "dynamodb")]
use store::dynamodb::DynamoStore;
use store::redis::RedisStore;
use store::{EmbeddedStore, Store};

use crate::Options;
#[cfg(feature = "dynamodb")]
use crate::dynamodb::{self, DynamoDb};
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
    /// A DynamoDB with its data in a file
    #[cfg(feature = "dynamodb")]
    Dynamodb,
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
    #[cfg(feature = "dynamodb")]
    DynamoDb(Arc<DynamoDb>),
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
    /// Starts them; those that write logs do so in the folder given, and the data of those that have none lies in `data`.
    ///
    /// # Errors
    /// One is not installed, or does not start.
    pub(crate) async fn start(
        options: &Options,
        data: &Path,
        logs: &Path,
        random: &mut Random,
    ) -> anyhow::Result<Self> {
        let replicas = options.replicas;
        let bus = match (options.store, options.bus) {
            (StoreKind::Embedded, _) => None,
            (_, BusKind::Nats) => {
                Some(BusServer::Nats(blocking(|| NatsServer::start(NatsOptions::default())).await?.into()))
            }
            (_, BusKind::Redis) => {
                Some(BusServer::Redis(blocking(|| RedisServer::start(RedisOptions::default())).await?.into()))
            }
        };
        let store = StoreServers::start(options.store, data, logs, random).await?;
        Ok(Self { store, replicas, bus })
    }

    /// Where one server of the store listens; `None`: there is none, or there are several.
    pub(crate) fn store_address(&self) -> Option<SocketAddr> {
        match &self.store {
            StoreServers::Redis(redis) => Some(local(redis.port())),
            #[cfg(feature = "dynamodb")]
            StoreServers::DynamoDb(server) => Some(server.address()),
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
            (StoreServers::Redis(redis), address) => {
                set("STORE_URL", format!("redis://{}", address.unwrap_or_else(|| local(redis.port()))));
            }
            (StoreServers::Cluster(cluster), _) => set("STORE_URL", cluster.url()),
            #[cfg(feature = "dynamodb")]
            (StoreServers::DynamoDb(server), address) => {
                set("STORE_URL", dynamodb::url(address.unwrap_or_else(|| server.address())));
            }
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
            #[cfg(feature = "dynamodb")]
            StoreServers::DynamoDb(_) => 1,
            StoreServers::Cluster(cluster) => cluster.nodes().len(),
        }
    }

    /// Breaks or mends one process of the store.
    pub(crate) async fn act_on_store(&self, server: usize, act: Act) -> anyhow::Result<()> {
        match self.store.clone() {
            StoreServers::Embedded(_) => Ok(()),
            StoreServers::Redis(redis) => blocking(move || act_on_redis(&redis, act)).await,
            StoreServers::Cluster(cluster) => {
                blocking(move || act_on_redis(cluster.nodes().get(server).context("no such server")?, act)).await
            }
            #[cfg(feature = "dynamodb")]
            StoreServers::DynamoDb(server) => server.act(act).await,
        }
    }

    /// The number of the process of the store that takes the writes of a part of the keys now.
    pub(crate) async fn primary_of(&self, any: usize) -> anyhow::Result<usize> {
        match &self.store {
            StoreServers::Cluster(cluster) => {
                let cluster = Arc::clone(cluster);
                blocking(move || cluster.primary_of(&format!("{{{any}}}"))).await
            }
            _ => Ok(0),
        }
    }

    /// Waits until all of the store is well.
    pub(crate) async fn store_is_well(&self) -> anyhow::Result<()> {
        match &self.store {
            StoreServers::Cluster(cluster) => {
                let cluster = Arc::clone(cluster);
                blocking(move || cluster.wait_until_ok()).await
            }
            _ => Ok(()),
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
            #[cfg(feature = "dynamodb")]
            StoreServers::DynamoDb(server) => {
                let options = store::dynamodb::Options::default();
                Ok(Arc::new(DynamoStore::connect(&dynamodb::url(server.address()), options).await?))
            }
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

impl StoreServers {
    async fn start(kind: StoreKind, data: &Path, logs: &Path, random: &mut Random) -> anyhow::Result<Self> {
        #[cfg(not(feature = "dynamodb"))]
        let _ = (logs, random);
        Ok(match kind {
            StoreKind::Embedded => Self::Embedded(data.to_owned()),
            StoreKind::Redis => Self::Redis(blocking(|| RedisServer::start(durable())).await?.into()),
            StoreKind::RedisCluster => {
                let options = ClusterOptions { node: durable(), ..ClusterOptions::default() };
                Self::Cluster(blocking(move || RedisCluster::start_with(&options)).await?.into())
            }
            #[cfg(feature = "dynamodb")]
            StoreKind::Dynamodb => {
                Self::DynamoDb(DynamoDb::start(data, &logs.join("dynamodb.log"), random).await?.into())
            }
        })
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
