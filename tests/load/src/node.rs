//! The node that is loaded: one that runs already, or one of our own in a process of its own.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use client::Address;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{interval, timeout};

use crate::Target;
use crate::backing::own_folder;
use crate::process::Process;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One machine plays thousands of visitors: what bounds one visitor or address must not bound it.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("NODE_MAX_CONNECTIONS", "19500"),
    ("NODE_MAX_ACCEPTS_PER_SECOND", "1000000"),
    ("LIMITS_CONNECTS_PER_ADDRESS_PER_SECOND", "1000000"),
    ("LIMITS_CONNECTS_PER_ADDRESS_BURST", "1000000"),
    ("LIMITS_NEW_VISITORS_PER_ADDRESS_PER_MINUTE", "60000000"),
    ("LIMITS_NEW_VISITORS_PER_ADDRESS_BURST", "1000000"),
    ("LIMITS_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("LIMITS_CONNECTIONS_PER_VISITOR", "10000"),
    ("LIMITS_MESSAGES_PER_VISITOR_PER_MINUTE", "60000"),
    ("LIMITS_MESSAGES_PER_VISITOR_BURST", "60000"),
    ("LIMITS_FRAMES_PER_CONNECTION_PER_SECOND", "10000"),
    ("LIMITS_FRAMES_PER_CONNECTION_BURST", "10000"),
    ("SITES_SHOP_NAME", "Shop"),
    ("SITES_SHOP_ORIGINS", "*"),
    ("LOG_LEVEL", "warn"),
];

/// A node to load.
pub(crate) struct LoadedNode {
    /// Where it is.
    pub(crate) address: Address,
    /// The site on it.
    pub(crate) site: String,
    /// Its process, if that is known.
    pub(crate) process: Option<Process>,
    /// What ends with this value, if it was started here.
    own: Option<Own>,
}

/// The process first, then its data.
struct Own {
    child: Child,
    _folder: Option<TempDir>,
}

/// A node's input and output, if they were asked for.
pub(crate) type Pipes = (Option<ChildStdin>, Option<ChildStdout>);

/// Keys of the configuration, as in `NODE_NAME`, and their values.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// How long a node may take to end after SIGTERM, by its own promise and some seconds more.
const DRAIN_WITHIN: Duration = Duration::from_secs(110);

impl LoadedNode {
    /// The node that `target` names, or a new one that invokes functions at `functions`.
    ///
    /// # Errors
    /// It cannot be started, or does not become ready.
    pub(crate) async fn start(target: &Target, functions: SocketAddr) -> anyhow::Result<Self> {
        if let Some(url) = &target.url {
            let (address, process) = (Address::parse(url)?, target.pid.map(Process));
            return Ok(Self { address, site: target.site.clone(), process, own: None });
        }
        Self::start_with(target, "node-1", functions, &Variables::new()).await
    }

    /// A new node of this name, with these keys set besides those that every node here has.
    ///
    /// # Errors
    /// As [`LoadedNode::start`].
    pub(crate) async fn start_with(
        target: &Target,
        name: &str,
        functions: SocketAddr,
        variables: &Variables,
    ) -> anyhow::Result<Self> {
        let command = command(target, "node")?;
        Ok(Self::launch(target, command, name, functions, variables).await?.0)
    }

    /// As [`LoadedNode::start_with`], a node on DynamoDB that counts what it consumes.
    ///
    /// # Errors
    /// As [`LoadedNode::start`].
    #[cfg(feature = "dynamodb")]
    pub(crate) async fn start_counting(
        target: &Target,
        name: &str,
        functions: SocketAddr,
        variables: &Variables,
    ) -> anyhow::Result<(Self, crate::counting::Meter)> {
        anyhow::ensure!(target.node.is_none(), "only this program's own node counts what it consumes");
        let mut command = command(target, "counting-node")?;
        crate::counting::Meter::prepare(&mut command);
        let (node, pipes) = Self::launch(target, command, name, functions, variables).await?;
        Ok((node, crate::counting::Meter::of(pipes)?))
    }

    async fn launch(
        target: &Target,
        mut command: Command,
        name: &str,
        functions: SocketAddr,
        variables: &Variables,
    ) -> anyhow::Result<(Self, Pipes)> {
        let is_alone = !variables.iter().any(|(key, _)| *key == "STORE_URL");
        let folder = match target.data.as_str() {
            "disk" if is_alone => Some(TempDir::with_prefix_in("load-", own_folder()?)?),
            _ => None,
        };
        let (listen, metrics) = (free_address()?, free_address()?);
        let data = folder.as_ref().map_or("memory".into(), |folder| folder.path().as_os_str().to_owned());
        command
            .env("FRONTDESK_NODE_NAME", name)
            .env("FRONTDESK_NODE_LISTEN", listen.to_string())
            .env("FRONTDESK_NODE_METRICS_LISTEN", metrics.to_string())
            .env("FRONTDESK_FUNCTIONS_URL", format!("http://{functions}"))
            .env("FRONTDESK_STORE_DATA", data)
            .envs(variables.iter().map(|(key, value)| (format!("FRONTDESK_{key}"), value)));
        let mut child = command.spawn().context("the node cannot be started")?;
        // Whoever waits for a child closes its input.
        let pipes = (child.stdin.take(), child.stdout.take());
        tokio::select! {
            ready = timeout(PATIENCE, until_ready(listen)) => ready.context("the node does not become ready")?,
            ended = child.wait() => bail!("the node ended before it was ready: {}", ended?),
        }
        let process = child.id().map(Process);
        let own = Some(Own { child, _folder: folder });
        Ok((Self { address: Address::of(listen), site: "shop".to_owned(), process, own }, pipes))
    }

    /// Kills it (`kill -9`) and waits until it is gone.
    ///
    /// # Errors
    /// It was not started here, or the system refuses.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        let own = self.own.as_mut().context("this node was started by somebody else")?;
        Ok(own.child.kill().await?)
    }

    /// Tells it to end (SIGTERM), and waits until it has drained.
    ///
    /// # Errors
    /// It was not started here, or it takes longer than it may.
    pub(crate) async fn drain(mut self) -> anyhow::Result<()> {
        let own = self.own.as_mut().context("this node was started by somebody else")?;
        let id = own.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        rustix::process::kill_process(id.context("the node has ended already")?, rustix::process::Signal::TERM)?;
        let status = timeout(DRAIN_WITHIN, own.child.wait()).await.context("the drain takes longer than it may")??;
        anyhow::ensure!(status.success(), "the drained node ended with {status}");
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// It was started by somebody else, who did not say which it is.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        self.process.context("give the node's process id with --pid")
    }
}

/// Is a node, until it is killed or told to end. The parent has set everything in the environment.
pub(crate) async fn run() -> anyhow::Result<()> {
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let config = config::Config::load(None, config::environment())?;
    telemetry::log::init(&config.log)?;
    let until_told = async move {
        told.recv().await;
    };
    conn_node::run(config, telemetry::Traces::off(), until_told).await?;
    Ok(())
}

/// A node's program, in this role if it is this program, with the keys that every node here has.
fn command(target: &Target, role: &str) -> anyhow::Result<Command> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(target.node.as_ref().unwrap_or(&program));
    if target.node.is_none() {
        command.arg(role);
    }
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRONTDESK_")) {
        command.env_remove(name);
    }
    command.envs(SETTINGS.iter().map(|(key, value)| (format!("FRONTDESK_{key}"), value)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// An address that is free now; nobody else on this machine is expected to take it in the next moment.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

pub(crate) async fn until_ready(address: SocketAddr) {
    let mut ticks = interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
        if is_ready(address).await.unwrap_or(false) {
            return;
        }
    }
}

async fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).await?;
    Ok(&status_line == b"HTTP/1.1 200")
}
