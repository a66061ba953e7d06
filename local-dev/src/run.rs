//! Starts everything in order, says where it is, and stops it in the reverse order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::demo;
use crate::function::RunningFunction;
use crate::invoke_api::{self, Reachable};
use crate::listener::PromptListener;
use crate::node::{NodeError, NodeProgram, RunningNode};
use crate::options::{Options, Role};
use crate::pool::PoolLimits;
use crate::ports::{KeptPort, PortError, WantedPort};
use crate::process::FunctionProgram;
use crate::settings::{Addresses, Settings, SettingsError};

/// `EX_UNAVAILABLE` of sysexits.h: a port is in use.
const EXIT_CODE_UNAVAILABLE: u8 = 69;
/// `EX_SOFTWARE` of sysexits.h: a part of Frontdesk does not run.
const EXIT_CODE_SOFTWARE: u8 = 70;

/// Why nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port cannot be had.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The configuration or the options cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The log lines cannot be set up.
    #[error("the log cannot be set up: {0}")]
    Log(String),
    /// The node does not run.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl RunError {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Port(_) => EXIT_CODE_UNAVAILABLE,
            RunError::Settings(SettingsError::Config(_)) => config::EXIT_CODE_BAD_CONFIG,
            RunError::Node(NodeError::Ended { status }) => {
                status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1)
            }
            RunError::Settings(_) | RunError::Log(_) | RunError::Node(_) => EXIT_CODE_SOFTWARE,
        }
    }
}

/// The ports, all taken before anything is started: one that is in use is the commonest failure.
struct Ports {
    demo: TcpListener,
    functions: TcpListener,
    node: KeptPort,
    metrics: KeptPort,
}

impl Ports {
    fn take(options: &Options) -> Result<Self, PortError> {
        let wanted = |host, port, purpose, option| WantedPort { host, port, purpose, option };
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ok(Self {
            demo: wanted(options.host, options.demo_port, "the demo shop", "--demo-port").listen()?,
            node: wanted(options.host, options.node_port, "the node", "--node-port").keep()?,
            metrics: wanted(local, options.metrics_port, "the node's metrics", "--metrics-port").keep()?,
            functions: wanted(local, options.functions_port, "the functions", "--functions-port").listen()?,
        })
    }

    fn addresses(&self) -> Result<Addresses, PortError> {
        let local = |listener: &TcpListener, purpose, option| {
            listener.local_addr().map_err(|source| {
                let host = Ipv4Addr::UNSPECIFIED.into();
                PortError::Refused { host, port: 0, purpose, option, source }
            })
        };
        Ok(Addresses {
            demo: local(&self.demo, "the demo shop", "--demo-port")?,
            node: self.node.address(),
            metrics: self.metrics.address(),
            functions: local(&self.functions, "the functions", "--functions-port")?,
        })
    }
}

/// Runs everything until `stop` is ready. `executable` is this program, which is also its own children.
///
/// # Errors
/// A port is in use, the configuration cannot be used, or the node does not start.
pub async fn run(
    options: &Options,
    executable: &Path,
    began: Instant,
    mut out: impl Write,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let ports = Ports::take(options)?;
    let addresses = ports.addresses()?;
    let settings = Settings::new(options, addresses, config::environment())?;
    telemetry::log::init(&settings.config.log).map_err(|error| RunError::Log(error.to_string()))?;

    let functions = start_functions(options, executable, &settings);
    let mut stop = std::pin::pin!(stop);
    let node = tokio::select! {
        node = async {
            let node = start_node(options, executable, &settings, addresses.node).await;
            for running in functions.values() {
                running.function.settled().await;
            }
            node
        } => node,
        () = &mut stop => Ok(None),
    };
    let node = match node {
        Ok(node) => node,
        Err(error) => {
            stop_functions(functions).await;
            return Err(error.into());
        }
    };

    let reachable = Reachable {
        functions: functions.iter().map(|(name, running)| (name.clone(), running.function.clone())).collect(),
        node: node.as_ref().map(|node| node.status.clone()),
    };
    let serving =
        [serve(ports.functions, invoke_api::router(reachable)), serve(ports.demo, demo::router(addresses.node))];
    // Whoever started this may have closed the other end; that is no reason to stop.
    let _ = writeln!(out, "{}", welcome(options, addresses, &settings, began.elapsed()));
    if options.open {
        open_in_browser(&demo_url(addresses.demo));
    }

    stop.await;
    let _ = writeln!(out, "Stopping; running answers may end. Ctrl-C again stops at once.");
    if let Some(node) = node {
        node.stop().await;
    }
    stop_functions(functions).await;
    for task in serving {
        task.abort();
    }
    Ok(())
}

fn serve(listener: TcpListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async {
        if let Err(error) = axum::serve(PromptListener::new(listener), router).await {
            tracing::error!(%error, "a port is no longer served");
        }
    })
}

fn start_functions(options: &Options, executable: &Path, settings: &Settings) -> BTreeMap<String, RunningFunction> {
    let mut programs: BTreeMap<String, (PathBuf, Vec<OsString>)> =
        [Role::Ai, Role::Routing].map(|role| (role.name().to_owned(), (executable.to_owned(), role_args(role)))).into();
    for named in &options.functions {
        programs.insert(named.name.clone(), (named.executable.clone(), Vec::new()));
    }
    let limits = PoolLimits { most: options.max_functions.into(), ..PoolLimits::default() };
    let start = |(name, (executable, args)): (String, (PathBuf, Vec<OsString>))| {
        let program = FunctionProgram { name: name.clone(), executable, args, env: settings.env.clone() };
        (name, RunningFunction::start(program, limits))
    };
    programs.into_iter().map(start).collect()
}

async fn stop_functions(functions: BTreeMap<String, RunningFunction>) {
    for function in functions.into_values() {
        function.stop().await;
    }
}

async fn start_node(
    options: &Options,
    executable: &Path,
    settings: &Settings,
    address: SocketAddr,
) -> Result<Option<RunningNode>, NodeError> {
    if options.no_node {
        return Ok(None);
    }
    let program = NodeProgram {
        executable: executable.to_owned(),
        args: role_args(Role::Node),
        env: settings.env.clone(),
        address,
        drain: Duration::from_secs(settings.config.node.drain_seconds),
    };
    RunningNode::start(program).await.map(Some)
}

fn role_args(role: Role) -> Vec<OsString> {
    vec!["role".into(), role.name().into()]
}

fn demo_url(demo: SocketAddr) -> String {
    format!("http://{}", SocketAddr::new(demo::reachable(demo.ip()), demo.port()))
}

fn welcome(options: &Options, addresses: Addresses, settings: &Settings, took: Duration) -> String {
    let Addresses { node, metrics, functions, demo } = addresses;
    let (url, data, model) = (demo_url(demo), settings.data(), settings.model());
    let node = match options.no_node {
        true => format!("none; one fits that is started with\n\n{}\n", settings.node_command()),
        false => format!("ws://{node}/v1/connect"),
    };
    let mut text = format!(
        "Frontdesk is up after {} ms. Ctrl-C stops it.\n\n  \
         Open this     {url}\n\n  \
         node          {node}\n  \
         metrics       http://{metrics}/metrics\n  \
         functions     http://{functions}/dev/status\n  \
         model         {model}\n  \
         data          {data}\n",
        took.as_millis()
    );
    if !options.host.is_loopback() {
        text.push_str("\n  Other machines can reach the demo shop and the node.\n");
    }
    text
}

fn open_in_browser(url: &str) {
    let (program, args): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    if let Err(error) = std::process::Command::new(program).args(args).arg(url).spawn() {
        tracing::warn!(%error, program, "no browser could be opened; open the address by hand");
    }
}
