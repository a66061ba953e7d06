//! Everything that runs: store, bus, functions, nodes, and the networks between them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use client::Random;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, interval};

use crate::Options;
use crate::backing::Backing;
use crate::balancer::Balancer;
use crate::functions::Functions;
use crate::node::{DRAIN_SECONDS, Node, NodeProgram, free_address};
use crate::proxy::Proxy;
use crate::schedule::{Link, Scope};
use crate::wire::Wire;

/// How long the nodes may take to be ready when nothing is broken.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The most processes of the function `ai`: more turns than ever run.
const MOST_FUNCTIONS: usize = 400;

/// A running cluster. Everything in it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Before what they use.
    nodes: Vec<Mutex<Node>>,
    pub(crate) balancer: Balancer,
    store_links: Vec<Proxy>,
    bus_links: Vec<Proxy>,
    functions: Functions,
    pub(crate) backing: Backing,
    /// Held by whoever breaks the store, or the bus, until it works again: what starts must not be killed by somebody else.
    pub(crate) store_in_trouble: Mutex<()>,
    pub(crate) bus_in_trouble: Mutex<()>,
    /// Configuration, and the data of the embedded store.
    _folder: TempDir,
}

impl Cluster {
    /// Starts everything and waits until every node is ready. Logs go to the folder given.
    pub(crate) async fn start(options: &Options, logs: &Path, random: &mut Random) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("chaos-").context("no folder for the configuration")?;
        let config = folder.path().join("frontdesk.toml");
        std::fs::write(&config, configuration(options.visitors)).context("the configuration cannot be written")?;
        let backing = Backing::start(options, &folder.path().join("data"), logs, random).await?;
        let log = logs.join("functions.log");
        let functions = Functions::start(&executable("local-dev")?, &config, MOST_FUNCTIONS, &log, random).await?;
        let mut addresses = Vec::new();
        for _ in 0..options.nodes {
            addresses.push(free_address(random)?);
        }
        let mut cluster = Self {
            nodes: Vec::new(),
            balancer: Balancer::start(&addresses).await?,
            store_links: proxies(backing.store_address(), options.nodes).await?,
            bus_links: proxies(backing.bus_address(), options.nodes).await?,
            functions,
            backing,
            store_in_trouble: Mutex::default(),
            bus_in_trouble: Mutex::default(),
            _folder: folder,
        };
        for (number, address) in addresses.into_iter().enumerate() {
            let mut program = cluster.program(number, address, logs)?;
            program.set("CONFIG", config.display().to_string());
            program.set("NODE_METRICS_LISTEN", free_address(random)?.to_string());
            cluster.nodes.push(Mutex::new(Node::start(program)?));
        }
        cluster.ready().await?;
        Ok(cluster)
    }

    fn program(&self, number: usize, address: SocketAddr, logs: &Path) -> anyhow::Result<NodeProgram> {
        let name = format!("node-{}", number + 1);
        let link = |links: &[Proxy]| links.get(number).map(Proxy::address);
        let variables = self.backing.variables(link(&self.store_links), link(&self.bus_links));
        let log = logs.join(format!("{name}.log"));
        let mut program = NodeProgram { name, executable: executable("conn-node")?, variables, log };
        program.set("NODE_NAME", program.name.clone());
        program.set("NODE_LISTEN", address.to_string());
        program.set("FUNCTIONS_URL", format!("http://{}", self.functions.address));
        Ok(program)
    }

    /// Waits until every node is ready.
    ///
    /// # Errors
    /// One ended by itself, or is not ready in time.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut ticks = interval(Duration::from_millis(50));
        while self.balancer.ready_nodes() < self.nodes.len() {
            ticks.tick().await;
            for node in &self.nodes {
                node.lock().await.ensure_it_runs()?;
            }
            let (ready, all) = (self.balancer.ready_nodes(), self.nodes.len());
            let most = READY_WITHIN.as_secs();
            anyhow::ensure!(began.elapsed() < READY_WITHIN, "{ready} of {all} nodes are ready after {most} s");
        }
        Ok(())
    }

    /// The node `number`, or the next one that nobody else has: whoever drains a node, or keeps it paused or dead, has it
    /// to himself. `None`: all are taken.
    pub(crate) fn free_node(&self, number: usize) -> Option<MutexGuard<'_, Node>> {
        let (before, from) = self.nodes.split_at_checked(number)?;
        from.iter().chain(before).find_map(|node| node.try_lock().ok())
    }

    /// The network between a node and what it is connected to, if it can be broken.
    pub(crate) fn wire(&self, node: usize, link: Link) -> Option<&Arc<Wire>> {
        match link {
            Link::Visitors => self.balancer.wire(node),
            Link::Store => self.store_links.get(node).map(Proxy::wire),
            Link::Bus => self.bus_links.get(node).map(Proxy::wire),
        }
    }

    /// What there is to break.
    pub(crate) fn scope(&self, options: &Options) -> Scope {
        Scope {
            seconds: options.seconds,
            visitors: options.visitors,
            nodes: self.nodes.len(),
            store_servers: self.backing.store_servers(),
            store_links: !self.store_links.is_empty(),
            bus: !self.bus_links.is_empty(),
        }
    }

    /// Stops everything that stops by itself, in order; store and bus end when the last of it is dropped.
    pub(crate) async fn stop_nodes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for node in &self.nodes {
            if let Err(error) = node.lock().await.drain().await {
                wrong.push(format!("at the end: {error:#}"));
            }
        }
        wrong
    }

    /// Stops what is left, once the nodes are.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.functions.stop().await
    }
}

async fn proxies(server: Option<SocketAddr>, count: usize) -> anyhow::Result<Vec<Proxy>> {
    let mut proxies = Vec::new();
    if let Some(server) = server {
        for _ in 0..count {
            proxies.push(Proxy::start(server).await?);
        }
    }
    Ok(proxies)
}

/// An executable of this workspace: the build has put it beside this one.
fn executable(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.is_file(), "{} is not built; tests/run build makes it", path.display());
    Ok(path)
}

/// Short turns, so that takeovers happen while somebody looks; short silences, so that black holes are noticed; no limit
/// that visitors in a hurry, all from one address, would meet.
fn configuration(visitors: usize) -> String {
    let connections = visitors * 20;
    format!(
        r#"
[node]
drain_seconds = {DRAIN_SECONDS}

[store]
timeout_ms = 3_000

[turn]
deadline_ms = 8_000

[limits]
keepalive_ms = 4_000
silent_ms = 9_000
hello_timeout_ms = 5_000
slow_reader_ms = 5_000
connections_per_address = {connections}
connects_per_address_per_second = 1_000_000
connects_per_address_burst = 1_000_000
new_visitors_per_address_per_minute = 60_000_000
new_visitors_per_address_burst = 1_000_000
messages_per_visitor_per_minute = 60_000
messages_per_visitor_burst = 60_000
conversations_per_visitor_per_day = 10_000
connections_per_visitor = 100

[ai]
first_token_ms = 6_000
gap_ms = 3_000
total_ms = 7_500
scripted_first_token_ms = 300
scripted_tokens_per_second = 4
test_directives = true

[[tokens.keys]]
id = "chaos"
secret = "for a few minutes on one machine, and nothing else"

[sites.shop]
name = "Shop"
origins = ["*"]
"#
    )
}
