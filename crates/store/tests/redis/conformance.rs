//! The suite of the port: on one Redis; with TLS, as a user who may do only what is necessary; with a replica that is waited
//! for; on a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use servers::{RedisCluster, RedisOptions, RedisServer};
use store::conformance::Fixture;
use store::redis::{Options, RedisStore};
use store::{BoxFuture, Store};

use crate::access::Secured;
use crate::{FOREVER, conversation, insist, start, start_cluster};

/// A store that is opened again by a new store on the same servers.
struct OnRedis {
    url: String,
    options: Options,
    store: Option<Arc<RedisStore>>,
    _server: Option<RedisServer>,
}

impl OnRedis {
    async fn open(url: String, options: Options, server: Option<RedisServer>) -> Self {
        let store = RedisStore::connect(&url, options.clone()).await.unwrap();
        Self { url, options, store: Some(Arc::new(store)), _server: server }
    }
}

impl Fixture for OnRedis {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().unwrap()
    }

    fn reopen(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            drop(self.store.take());
            self.store = Some(Arc::new(RedisStore::connect(&self.url, self.options.clone()).await.unwrap()));
            true
        })
    }
}

/// Servers that all cases share, each with keys of its own.
struct Shared<S> {
    url: String,
    replicas: u32,
    cases: AtomicU32,
    _servers: S,
}

impl<S> Shared<S> {
    fn new(url: String, replicas: u32, servers: S) -> Self {
        Self { url, replicas, cases: AtomicU32::new(0), _servers: servers }
    }

    async fn fixture(&self) -> OnRedis {
        let prefix = format!("fd:{}", self.cases.fetch_add(1, Ordering::Relaxed));
        OnRedis::open(self.url.clone(), Options { replicas: self.replicas, prefix }, None).await
    }
}

mod one {
    use super::*;

    async fn new_store() -> Option<OnRedis> {
        let server = start(RedisOptions::default())?;
        Some(OnRedis::open(server.url(), Options::default(), Some(server)).await)
    }

    store::store_conformance!(if_installed new_store);
}

mod secured {
    use super::*;

    async fn start_secured() -> Option<Shared<Secured>> {
        let secured = Secured::start()?;
        Some(Shared::new(secured.url(), 0, secured))
    }

    store::store_conformance!(in_turn start_secured);
}

mod with_a_replica {
    use super::*;

    async fn start_pair() -> Option<Shared<[RedisServer; 2]>> {
        let primary = start(RedisOptions::default())?;
        let replica = start(RedisOptions { replica_of: Some(primary.port()), ..RedisOptions::default() })?;
        let pair = Shared::new(primary.url(), 1, [primary, replica]);
        // For up to a second after it came, Redis sends a replica nothing.
        let warm = pair.fixture().await.store();
        tokio::time::timeout(FOREVER, insist(&*warm, &conversation(1), 1, &AtomicU32::new(0))).await.unwrap();
        Some(pair)
    }

    store::store_conformance!(in_turn start_pair);
}

mod on_a_cluster {
    use super::*;

    async fn start_six() -> Option<Shared<RedisCluster>> {
        let cluster = start_cluster()?;
        Some(Shared::new(cluster.url(), 0, cluster))
    }

    store::store_conformance!(in_turn start_six);
}
