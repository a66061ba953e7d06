//! A DynamoDB that can be killed and paused: dynoxide in a process of its own, with its data in a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use client::Random;
use dynoxide::Database;
use rustix::process::Signal;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::{interval, timeout};

use crate::backing::Act;
use crate::node::free_address;
use crate::process::Process;

const TABLE: &str = "frontdesk";

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A DynamoDB. Killed when dropped.
#[derive(Debug)]
pub(crate) struct DynamoDb {
    address: SocketAddr,
    data: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Process>>,
}

impl DynamoDb {
    /// Starts one with the table that nodes need. Its data is a file in this folder.
    ///
    /// # Errors
    /// It cannot be started, or the table cannot be made.
    pub(crate) async fn start(folder: &Path, log: &Path, random: &mut Random) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).context("no folder for DynamoDB's data")?;
        let (address, data, log) = (free_address(random)?, folder.join("dynamodb.sqlite"), log.to_owned());
        let server = Self { address, data, log, process: Mutex::new(None) };
        server.act(Act::Restart).await?;
        store::dynamodb::create_table(&url(address)).await?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks or mends it.
    pub(crate) async fn act(&self, act: Act) -> anyhow::Result<()> {
        let mut process = self.process.lock().await;
        let running = "DynamoDB does not run";
        match act {
            Act::Kill => process.take().context(running)?.kill().await,
            Act::Pause => process.as_ref().context(running)?.signal(Signal::STOP),
            Act::Resume => process.as_ref().context(running)?.signal(Signal::CONT),
            Act::Restart => {
                *process = Some(self.start_process()?);
                timeout(PATIENCE, until_it_listens(self.address)).await.context("DynamoDB does not answer")
            }
        }
    }

    fn start_process(&self) -> anyhow::Result<Process> {
        let arguments = ["--serve-dynamodb", &self.address.to_string(), "--data", &self.data.display().to_string()];
        let arguments = arguments.map(str::to_owned);
        Process::start("DynamoDB", &std::env::current_exe()?, &arguments, &[], &self.log)
    }
}

/// The table of the DynamoDB that listens there.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("dynamodb://{TABLE}?endpoint=http://{address}")
}

/// Is a DynamoDB, until it is killed.
pub(crate) async fn serve(address: SocketAddr, data: &Path) -> anyhow::Result<()> {
    let database =
        Database::new(&data.to_string_lossy()).map_err(|error| anyhow!("the data cannot be opened: {error}"))?;
    let listener = TcpListener::bind(address).await.context("DynamoDB's port is in use")?;
    let served = dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await;
    served.map_err(|error| anyhow!("DynamoDB's API is no longer served: {error}"))
}

async fn until_it_listens(address: SocketAddr) {
    let mut ticks = interval(Duration::from_millis(10));
    while TcpStream::connect(address).await.is_err() {
        ticks.tick().await;
    }
}
