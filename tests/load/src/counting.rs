//! A node on DynamoDB that counts what it consumes, and tells it whoever started it.
//!
//! Each line on its standard input is answered by one on its standard output: write units and read units so far.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, bail};
use config::StoreUrl;
use store::DynamoStore;
use store::dynamodb::{Consumed, Options};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::node::Pipes;

/// Is such a node, until it is killed. The parent has set everything in the environment.
pub(crate) async fn run() -> anyhow::Result<()> {
    let config = config::Config::load(None, config::environment())?;
    telemetry::log::init(&config.log)?;
    let StoreUrl::DynamoDb(url) = &config.store.url else { bail!("only a store on DynamoDB is counted") };
    let options = Options { count_capacity: true, ..Options::default() };
    let store = Arc::new(DynamoStore::connect(url.reveal(), options).await?);
    let bus: Option<Arc<dyn bus::Bus>> = match &config.bus.url {
        config::BusUrl::Nats(url) => Some(Arc::new(bus::nats::NatsBus::connect(url.reveal()).await?)),
        config::BusUrl::Redis(url) => Some(Arc::new(bus::redis::RedisBus::connect(url.reveal()).await?)),
        config::BusUrl::None => None,
    };
    let invoker = conn_node::invoke::connect(&config.functions.url).await?;
    let bound = conn_node::bind(config, conn_node::Parts { store: store.clone(), bus, invoker }).await?;
    bound.serve(tell(store)).await;
    Ok(())
}

/// Answers until nobody asks any more.
async fn tell(store: Arc<DynamoStore>) {
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    let mut out = tokio::io::stdout();
    while let Ok(Some(_)) = asked.next_line().await {
        let Consumed { write_units, read_units } = store.consumed();
        let line = format!("{write_units} {read_units}\n");
        if out.write_all(line.as_bytes()).await.is_err() || out.flush().await.is_err() {
            return;
        }
    }
}

/// The parent's end.
pub(crate) struct Meter {
    ask: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Meter {
    /// Makes the command's input and output pipes.
    pub(crate) fn prepare(command: &mut Command) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
    }

    /// # Errors
    /// The command was not prepared.
    pub(crate) fn of((input, output): Pipes) -> anyhow::Result<Self> {
        let told = BufReader::new(output.context("the node has no output")?).lines();
        Ok(Self { ask: input.context("the node has no input")?, told })
    }

    /// What the node has consumed so far.
    ///
    /// # Errors
    /// The node is gone.
    pub(crate) async fn read(&mut self) -> anyhow::Result<Consumed> {
        self.ask.write_all(b"\n").await?;
        let line = self.told.next_line().await?.context("the node is gone")?;
        let mut units = line.split(' ').map(str::parse);
        let mut next = || anyhow::Ok(units.next().context("the node tells nothing")??);
        Ok(Consumed { write_units: next()?, read_units: next()? })
    }
}
