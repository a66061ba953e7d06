//! DynamoDB's API in this process, in memory: dynoxide.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::anyhow;
use dynoxide::Database;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::types::AttributeValue;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

const TABLE: &str = "frontdesk";

/// A DynamoDB with the table that nodes need. Ends when it is dropped.
pub(crate) struct DynamoDb {
    address: SocketAddr,
    database: Database,
    task: AbortHandle,
}

impl DynamoDb {
    /// Starts one.
    ///
    /// # Errors
    /// No port, or the table cannot be made.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let database = Database::memory().map_err(|error| anyhow!("dynoxide cannot be started: {error}"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(dynoxide::server::serve_on(listener, database.clone())).abort_handle();
        let server = Self { address, database, task };
        store::dynamodb::create_table(&server.url()).await?;
        Ok(server)
    }

    /// The address of its table.
    pub(crate) fn url(&self) -> String {
        format!("dynamodb://{TABLE}?endpoint=http://{}", self.address)
    }

    /// The size of all items whose partition key begins so, by DynamoDB's published rules.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) fn stored_bytes(&self, partitions: &str) -> anyhow::Result<u64> {
        let (mut bytes, mut start) = (0, None);
        loop {
            let request =
                ScanRequest { table_name: TABLE.to_owned(), exclusive_start_key: start, ..ScanRequest::default() };
            let page = self.database.scan(request).map_err(|error| anyhow!("the table cannot be read: {error}"))?;
            let is_asked = |item: &&HashMap<String, AttributeValue>| matches!(item.get("pk"), Some(AttributeValue::S(key)) if key.starts_with(partitions));
            bytes += page.items.iter().flatten().filter(is_asked).map(item_bytes).sum::<u64>();
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(bytes);
            }
        }
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Names and values as they are; a number takes a byte for two digits and one more. DynamoDB bills 100 bytes more for each
/// item's storage, which is not counted here.
fn item_bytes(item: &HashMap<String, AttributeValue>) -> u64 {
    item.iter().map(|(name, value)| name.len() as u64 + value_bytes(value)).sum()
}

/// Of the kinds that the store writes; others count nothing.
fn value_bytes(value: &AttributeValue) -> u64 {
    match value {
        AttributeValue::S(text) => text.len() as u64,
        AttributeValue::N(number) => number.trim_start_matches('-').len().div_ceil(2) as u64 + 1,
        AttributeValue::B(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_as_large_as_its_names_and_values() {
        let item = HashMap::from([
            ("pk".to_owned(), AttributeValue::S("c#é".to_owned())),
            ("d".to_owned(), AttributeValue::N("1790000000000".to_owned())),
            ("e".to_owned(), AttributeValue::B(vec![0; 100])),
        ]);
        assert_eq!(item_bytes(&item), (2 + 4) + (1 + 8) + (1 + 100));
    }
}
