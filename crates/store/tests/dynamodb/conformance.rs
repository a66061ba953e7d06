//! The suite of the port.

use std::sync::Arc;

use store::conformance::Fixture;
use store::{BoxFuture, DynamoStore, Store};

use super::server::Server;

struct InTable {
    store: Arc<DynamoStore>,
    server: Server,
}

impl Fixture for InTable {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn reopen(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.store = Arc::new(self.server.client().await);
            true
        })
    }
}

async fn new_store() -> InTable {
    let server = Server::start().await;
    InTable { store: Arc::new(server.client().await), server }
}

store::store_conformance!(new_store);
