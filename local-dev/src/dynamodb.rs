//! DynamoDB's API, served by this program: what `--store dynamodb` means. The nodes speak to it as they would to Amazon's.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

use config::{Data, StoreUrl};
use dynoxide::Database;
use store::StoreError;

use crate::settings::Settings;

/// The file in the data folder.
const FILE_NAME: &str = "dynamodb.sqlite";

/// DynamoDB's API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The data folder cannot be made.
    #[error("the folder {} for DynamoDB's data cannot be made: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data cannot be opened.
    #[error("DynamoDB's data cannot be opened: {0}")]
    Open(String),
    /// The server cannot be started.
    #[error("DynamoDB's API cannot be served: {0}")]
    Serve(#[from] io::Error),
    /// The table cannot be made.
    #[error(transparent)]
    Table(#[from] StoreError),
}

/// Serves DynamoDB's API on `listener` for as long as this program runs, and makes the table if it is not there: in memory,
/// or in the data folder.
///
/// It has a thread of its own, because it waits for the disk.
///
/// # Errors
/// See [`DynamoDbError`].
pub async fn serve(listener: tokio::net::TcpListener, settings: &Settings) -> Result<(), DynamoDbError> {
    let database = open(&settings.config.store.data)?;
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(run(listener, database)) {
            tracing::error!(%error, "DynamoDB's API is no longer served");
        }
    })?;
    if let StoreUrl::DynamoDb(url) = &settings.config.store.url {
        store::dynamodb::create_table(url.reveal()).await?;
    }
    Ok(())
}

async fn run(listener: TcpListener, database: Database) -> Result<(), String> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
    dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await
}

fn open(data: &Data) -> Result<Database, DynamoDbError> {
    let opened = match data {
        Data::Memory => Database::memory(),
        Data::Folder(folder) => {
            let failed = |source| DynamoDbError::Folder { path: folder.clone(), source };
            // What people wrote is for this account only, as in the embedded store's folder.
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder).map_err(failed)?;
            Database::new(&folder.join(FILE_NAME).to_string_lossy())
        }
    };
    opened.map_err(|error| DynamoDbError::Open(error.to_string()))
}
