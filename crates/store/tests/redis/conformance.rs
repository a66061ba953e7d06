//! The suite of the port, on one Redis, with TLS and a user who may do only what is necessary, and on a cluster.

use std::sync::Arc;

use servers::{RedisOptions, RedisServer};
use store::conformance::Fixture;
use store::redis::{Options, RedisStore};
use store::{BoxFuture, Store};

use crate::start;

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

mod one {
    use super::*;

    async fn new_store() -> Option<OnRedis> {
        let server = start(RedisOptions::default())?;
        Some(OnRedis::open(server.url(), Options::default(), Some(server)).await)
    }

    store::store_conformance!(if_installed new_store);
}
