//! A visitor's turn through a real node, by both ways to its functions.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use client::{Address, Backoff, Change, Client, Order, Profile, Random, SocketOptions, Tab, TabOptions};
use protocol::Subprotocol;
use protocol::v1::event;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::server::{built, command, free_address, listens, terminate};

/// Far more than a turn takes here.
const LONGEST: Duration = Duration::from_secs(60);

/// What a node needs, and a model that does not let wait.
const CONFIGURATION: &str = "[store]\ndata = \"memory\"\n[ai]\nscripted_first_token_ms = 20\n\
                             [sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\n";

/// A node in front of `ai-proxy`, and one in front of the emulator by AWS's SDK if this was built with it.
pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("frontdesk.toml"), CONFIGURATION)?;
    through_ai_proxy(folder.path()).await?;
    println!("ok: a visitor was answered through a node and ai-proxy");
    #[cfg(feature = "lambda")]
    {
        through_lambda(folder.path()).await?;
        println!("ok: a visitor was answered through a node that invokes Lambda, served by local-dev");
    }
    println!("{} passed, 0 failed", 1 + usize::from(cfg!(feature = "lambda")));
    Ok(())
}

async fn through_ai_proxy(folder: &Path) -> Result<()> {
    let address = free_address().await?;
    let mut proxy = command(&built("ai-proxy")?, folder)
        .env("FRONTDESK_AI_PROXY_LISTEN", address.to_string())
        .stdin(Stdio::null())
        .spawn()?;
    listens(address, &mut proxy).await.context("ai-proxy")?;
    answered(folder, &[("FRONTDESK_FUNCTIONS_URL", format!("http://{address}"))]).await?;
    ensure!(terminate(proxy).await?.success(), "ai-proxy ended badly");
    Ok(())
}

/// Nothing leads the node to the emulator but the variable of AWS's SDKs.
#[cfg(feature = "lambda")]
async fn through_lambda(folder: &Path) -> Result<()> {
    let [functions, demo] = [free_address().await?, free_address().await?];
    let mut local_dev = command(&built("local-dev")?, folder)
        .args(["--no-node", "--demo-port", &demo.port().to_string(), "--functions-port", &functions.port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    listens(functions, &mut local_dev).await.context("local-dev")?;
    let variables = [
        ("FRONTDESK_FUNCTIONS_URL", "lambda://eu-central-1".to_owned()),
        ("AWS_ENDPOINT_URL_LAMBDA", format!("http://{functions}")),
    ];
    answered(folder, &variables).await?;
    ensure!(terminate(local_dev).await?.success(), "local-dev ended badly");
    Ok(())
}

/// Starts a node with these variables, asks it something as a visitor, and stops it.
async fn answered(folder: &Path, variables: &[(&str, String)]) -> Result<()> {
    let (node, address) = node(folder, variables).await?;
    let pieces = ask(address).await?;
    ensure!(pieces > 1, "the answer came in {pieces} piece");
    ensure!(terminate(node).await?.success(), "the node ended badly");
    Ok(())
}

async fn node(folder: &Path, variables: &[(&str, String)]) -> Result<(Child, SocketAddr)> {
    let (address, metrics) = (free_address().await?, free_address().await?);
    let mut node = command(&built("conn-node")?, folder)
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .env("FRONTDESK_NODE_LISTEN", address.to_string())
        .env("FRONTDESK_NODE_METRICS_LISTEN", metrics.to_string())
        .stdin(Stdio::null())
        .spawn()?;
    listens(address, &mut node).await.context("conn-node")?;
    Ok((node, address))
}

/// Says something and waits for the model's whole answer; in how many pieces it came.
async fn ask(node: SocketAddr) -> Result<usize> {
    let profile = Profile { site: "shop".to_owned(), ..Profile::default() };
    let client = Client::new(profile, Backoff::new(20, 400)).with_missing_deltas();
    let options =
        TabOptions { address: Address::of(node), subprotocol: Subprotocol::Proto, socket: SocketOptions::default() };
    let (orders, taken) = mpsc::channel(1);
    let (learn, mut changes) = mpsc::unbounded_channel();
    tokio::spawn(Tab::new(client, options, Random::new(1)).run(taken, move |_, change| drop(learn.send(change))));
    orders.send(Order::Command([1; 16], client::Command::Send("Hello!".to_owned()))).await?;
    let answered = async {
        let mut pieces = 0;
        while let Some(change) = changes.recv().await {
            match change {
                Change::Written { .. } => pieces += 1,
                Change::Wrong(wrong) => anyhow::bail!("{wrong}"),
                Change::Event(event) => {
                    if let Some(event::Body::Answer(answer)) = event.body {
                        ensure!(!answer.text.is_empty(), "the answer is empty");
                        return Ok(pieces);
                    }
                }
                _ => {}
            }
        }
        anyhow::bail!("the tab has ended")
    };
    timeout(LONGEST, answered).await.context("no answer came")?
}
