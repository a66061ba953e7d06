//! A DynamoDB in this process, on a free port and in memory, with one table.

use std::net::SocketAddr;

use dynoxide::Database;
use store::dynamodb::{DynamoStore, Options, create_table};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) database: Database,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let database = Database::memory().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(dynoxide::server::serve_on(listener, database.clone())).abort_handle();
        let server = Self { address, database, task };
        create_table(&server.url()).await.unwrap();
        server
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    pub(crate) async fn client(&self) -> DynamoStore {
        client(&self.url()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("dynamodb://frontdesk?endpoint=http://{address}")
}

/// A client that counts what it consumes.
pub(crate) async fn client(url: &str) -> DynamoStore {
    DynamoStore::connect(url, Options { count_capacity: true, ..Options::default() }).await.unwrap()
}
