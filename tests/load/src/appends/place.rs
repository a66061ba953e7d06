//! A store of each kind, new and empty, and how to ask how much it holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use servers::{ClusterOptions, RedisCluster, RedisOptions, RedisServer};
use store::embedded::{DATA_FILE, EmbeddedStore, Options as EmbeddedOptions};
use store::{RedisStore, Store};
use tempfile::TempDir;
use tokio::time::{interval, timeout};

use super::Options;
use crate::backing::{filesystem, installed, own_folder};
#[cfg(feature = "dynamodb")]
use crate::dynamodb::DynamoDb;

/// How long a store may take until it would take a write.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Embedded,
    Redis,
    RedisCluster,
    #[cfg(feature = "dynamodb")]
    #[value(name = "dynamodb")]
    DynamoDb,
}

/// When Redis's append-only file is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sync {
    Always,
    Everysec,
    Off,
}

/// A store and what it needs to live.
pub(super) struct Place {
    pub(super) name: String,
    /// What is to be known beside its figures.
    pub(super) about: String,
    pub(super) store: Arc<dyn Store>,
    ground: Ground,
}

/// Where it keeps its data. Ends when it is dropped.
enum Ground {
    Folder(TempDir),
    /// A primary, and its replicas after it.
    Redis(Vec<RedisServer>),
    Cluster(RedisCluster),
    #[cfg(feature = "dynamodb")]
    DynamoDb(DynamoDb),
}

/// What a store holds now.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) bytes: u64,
    /// Where that was read.
    pub(super) what: &'static str,
}

impl Place {
    /// Starts what `options` ask for.
    ///
    /// # Errors
    /// A server is not installed or does not start; a folder cannot be used.
    pub(super) async fn prepare(options: &Options) -> anyhow::Result<Self> {
        match options.store {
            Kind::Embedded => embedded(options.folder.clone()),
            Kind::Redis => redis(options).await,
            Kind::RedisCluster => cluster(options).await,
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb => dynamodb().await,
        }
    }

    /// Waits until it would take a write.
    ///
    /// # Errors
    /// It does not in time.
    pub(super) async fn is_ready(&self) -> anyhow::Result<()> {
        let ready = async {
            let mut ticks = interval(Duration::from_millis(20));
            while self.store.ready().await.is_err() {
                ticks.tick().await;
            }
        };
        timeout(PATIENCE, ready).await.context("the store does not become ready")
    }

    /// How much it holds.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(super) fn held(&self) -> anyhow::Result<Held> {
        match &self.ground {
            Ground::Folder(folder) => {
                let bytes = std::fs::metadata(folder.path().join(DATA_FILE))?.len();
                Ok(Held { bytes, what: "size of the file as it is, free pages included" })
            }
            Ground::Redis(servers) => {
                let primary = servers.first().context("there is no primary")?;
                Ok(Held { bytes: used_memory(primary)?, what: "used_memory of the primary" })
            }
            Ground::Cluster(cluster) => {
                let mut bytes = 0;
                for node in cluster.nodes() {
                    if node.info("role")? == "master" {
                        bytes += used_memory(node)?;
                    }
                }
                Ok(Held { bytes, what: "used_memory of the three primaries" })
            }
            #[cfg(feature = "dynamodb")]
            Ground::DynamoDb(server) => {
                Ok(Held { bytes: server.stored_bytes("")?, what: "all items, by DynamoDB's rules for their size" })
            }
        }
    }

    /// What of it are logs alone, where that can be told.
    ///
    /// # Errors
    /// As [`Place::held`].
    pub(super) fn logs(&self) -> anyhow::Result<Option<Held>> {
        #[cfg(feature = "dynamodb")]
        if let Ground::DynamoDb(server) = &self.ground {
            return Ok(Some(Held { bytes: server.stored_bytes("c#")?, what: "the events' items alone" }));
        }
        Ok(None)
    }
}

fn embedded(folder: Option<PathBuf>) -> anyhow::Result<Place> {
    let parent = folder.map_or_else(own_folder, Ok)?;
    let folder = TempDir::with_prefix_in("load-", &parent)?;
    let store = Arc::new(EmbeddedStore::open(folder.path(), EmbeddedOptions::default())?);
    let about = format!("Each append is answered after an fsync that covers it. Data on {}.", filesystem(&parent));
    Ok(Place { name: "embedded".to_owned(), about, store, ground: Ground::Folder(folder) })
}

async fn redis(options: &Options) -> anyhow::Result<Place> {
    installed("redis-server")?;
    let mut servers = vec![RedisServer::start(redis_options(options.appendfsync))?];
    let (port, url) = (servers[0].port(), servers[0].url());
    for _ in 0..options.replicas {
        let replica = RedisOptions { replica_of: Some(port), ..redis_options(options.appendfsync) };
        servers.push(RedisServer::start(replica)?);
    }
    let store = connect(&url, options.replicas).await?;
    let ground = Ground::Redis(servers);
    Ok(Place { name: name("Redis", options), about: about_redis(), store, ground })
}

async fn cluster(options: &Options) -> anyhow::Result<Place> {
    installed("redis-server")?;
    let node = redis_options(options.appendfsync);
    let cluster = RedisCluster::start_with(&ClusterOptions { node, ..ClusterOptions::default() })?;
    let store = connect(&cluster.url(), options.replicas).await?;
    Ok(Place { name: name("Redis Cluster", options), about: about_redis(), store, ground: Ground::Cluster(cluster) })
}

async fn connect(url: &str, replicas: u32) -> anyhow::Result<Arc<dyn Store>> {
    let options = store::redis::Options { replicas, ..store::redis::Options::default() };
    Ok(Arc::new(RedisStore::connect(url, options).await?))
}

fn redis_options(sync: Sync) -> RedisOptions {
    let settings = match sync {
        Sync::Always => vec![("appendfsync".to_owned(), "always".to_owned())],
        Sync::Everysec | Sync::Off => Vec::new(),
    };
    RedisOptions { keeps_data: sync != Sync::Off, settings, ..RedisOptions::default() }
}

fn name(kind: &str, options: &Options) -> String {
    let sync = match options.appendfsync {
        Sync::Always => "appendfsync always",
        Sync::Everysec => "appendfsync everysec",
        Sync::Off => "no file",
    };
    match options.replicas {
        0 => format!("{kind}, {sync}"),
        1 => format!("{kind}, {sync}, WAIT for 1 replica"),
        replicas => format!("{kind}, {sync}, WAIT for {replicas} replicas"),
    }
}

fn about_redis() -> String {
    format!("Redis's file on {}.", filesystem(&std::env::temp_dir()))
}

fn used_memory(server: &RedisServer) -> anyhow::Result<u64> {
    server.info("used_memory")?.parse().context("Redis does not tell its used_memory")
}

#[cfg(feature = "dynamodb")]
async fn dynamodb() -> anyhow::Result<Place> {
    let server = DynamoDb::start().await?;
    let store = Arc::new(store::DynamoStore::connect(&server.url(), store::dynamodb::Options::default()).await?);
    let about = "This is dynoxide in this process, in memory: its times say nothing of DynamoDB's.".to_owned();
    Ok(Place { name: "DynamoDB (imitated)".to_owned(), about, store, ground: Ground::DynamoDb(server) })
}
