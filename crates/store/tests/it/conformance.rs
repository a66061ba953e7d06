//! The suite of the port, on a file and in memory.

use std::sync::Arc;

use store::conformance::Fixture;
use store::embedded::{EmbeddedStore, Options};
use store::{BoxFuture, Store};
use tempfile::TempDir;

struct OnDisk {
    store: Option<Arc<EmbeddedStore>>,
    dir: TempDir,
}

impl OnDisk {
    fn open(&mut self) {
        self.store = Some(Arc::new(EmbeddedStore::open(self.dir.path(), Options::default()).unwrap()));
    }
}

impl Fixture for OnDisk {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().unwrap()
    }

    fn reopen(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let closed = Arc::into_inner(self.store.take().unwrap());
            drop(closed.expect("nobody else holds the store"));
            self.open();
            true
        })
    }
}

struct InMemory(Arc<EmbeddedStore>);

impl Fixture for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn reopen(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

mod on_disk {
    use super::*;

    async fn new_store() -> OnDisk {
        let mut fixture = OnDisk { store: None, dir: TempDir::new().unwrap() };
        fixture.open();
        fixture
    }

    store::store_conformance!(new_store);
}

mod in_memory {
    use super::*;

    async fn new_store() -> InMemory {
        InMemory(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()))
    }

    store::store_conformance!(new_store);
}
