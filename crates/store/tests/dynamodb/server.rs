//! A DynamoDB in this process, on a free port and in memory, with one table.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use dynoxide::Database;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::types::AttributeValue;
use store::dynamodb::{DynamoStore, Options, create_table};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

const TABLE: &str = "frontdesk";

/// Ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    database: Database,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self::without_table(listener);
        create_table(&server.url()).await.unwrap();
        server
    }

    pub(crate) fn without_table(listener: TcpListener) -> Self {
        let database = Database::memory().unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(dynoxide::server::serve_on(listener, database.clone())).abort_handle();
        Self { address, database, task }
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    pub(crate) async fn client(&self) -> DynamoStore {
        client(&self.url()).await
    }

    /// Every item whose partition key begins with `start`, as it is in the table.
    pub(crate) fn items(&self, start: &str) -> Vec<HashMap<String, AttributeValue>> {
        let request = ScanRequest { table_name: TABLE.to_owned(), ..ScanRequest::default() };
        let items = self.database.scan(request).unwrap().items.unwrap_or_default();
        let is_asked =
            |key: Option<&AttributeValue>| matches!(key, Some(AttributeValue::S(key)) if key.starts_with(start));
        items.into_iter().filter(|item| is_asked(item.get("pk"))).collect()
    }

    /// Removes an item, as the time to live does.
    pub(crate) fn remove(&self, item: &HashMap<String, AttributeValue>) {
        let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())).into();
        let request = DeleteItemRequest { table_name: TABLE.to_owned(), key, ..DeleteItemRequest::default() };
        self.database.delete_item(request).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("dynamodb://{TABLE}?endpoint=http://{address}")
}

/// Counts what is consumed, and waits as long as a machine with too much to do needs.
pub(crate) fn options() -> Options {
    Options { count_capacity: true, timeout: Duration::from_secs(60), ..Options::default() }
}

pub(crate) async fn client(url: &str) -> DynamoStore {
    DynamoStore::connect(url, options()).await.unwrap()
}
