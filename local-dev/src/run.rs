//! Starts everything in order, says where it is, and stops it in the reverse order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::demo;
use crate::function::{Function, RunningFunction};
use crate::invoke_api::{self, Reachable};
use crate::keys;
use crate::listener::PromptListener;
use crate::node::RunningNode;
use crate::node_process::{NodeError, NodeProgram};
use crate::nodes::{self, Nodes};
use crate::options::{Options, Role, StoreChoice};
use crate::pool::PoolLimits;
use crate::ports::{KeptPort, PortError, WantedPort};
use crate::process::FunctionProgram;
use crate::settings::{Addresses, NodeAddresses, Settings, SettingsError};

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
    /// The function `ai` cannot use what the configuration names.
    #[error(transparent)]
    Ai(#[from] ai::Error),
    /// The node does not run.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// DynamoDB's API cannot be served.
    #[cfg(feature = "dynamodb")]
    #[error(transparent)]
    DynamoDb(#[from] crate::dynamodb::DynamoDbError),
}

impl RunError {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Port(_) => EXIT_CODE_UNAVAILABLE,
            RunError::Settings(SettingsError::Config(_) | SettingsError::Options(_)) => config::EXIT_CODE_BAD_CONFIG,
            RunError::Ai(error) => error.exit_code(),
            RunError::Node(NodeError::Ended { status }) => {
                status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1)
            }
            RunError::Settings(_) | RunError::Log(_) | RunError::Node(_) => EXIT_CODE_SOFTWARE,
            #[cfg(feature = "dynamodb")]
            RunError::DynamoDb(_) => EXIT_CODE_SOFTWARE,
        }
    }
}

/// The ports, all taken before anything is started: one that is in use is the commonest failure.
struct Ports {
    demo: TcpListener,
    functions: TcpListener,
    /// For visitors and for metrics of each node.
    nodes: Vec<(KeptPort, KeptPort)>,
    /// In front of several nodes.
    balancer: Option<TcpListener>,
    dynamodb: Option<TcpListener>,
}

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The ports of the first of several nodes, above the ports that a node alone would have: 7011 and 7021.
const FIRST_NODE_ABOVE: u16 = 10;
const FIRST_METRICS_ABOVE: u16 = 19;

impl Ports {
    fn take(options: &Options) -> Result<Self, PortError> {
        let wanted = |host, port, purpose, option| WantedPort { host, port, purpose, option };
        let demo = wanted(options.host, options.demo_port, "the demo shop", "--demo-port").listen()?;
        let (purpose, option) = ("the node", "--node-port");
        let (nodes, balancer) = match options.nodes {
            0 | 1 => {
                let node = wanted(options.host, options.node_port, purpose, option).keep()?;
                let metrics = wanted(LOCAL, options.metrics_port, "the node's metrics", "--metrics-port").keep()?;
                (vec![(node, metrics)], None)
            }
            several => {
                let balancer = wanted(options.host, options.node_port, "the balancer", option).listen()?;
                (several_nodes(options, several.into())?, Some(balancer))
            }
        };
        let dynamodb = match options.store {
            Some(StoreChoice::DynamoDb) => Some(wanted(LOCAL, 0, "DynamoDB's API", "--store").listen()?),
            _ => None,
        };
        let functions = wanted(LOCAL, options.functions_port, "the functions", "--functions-port").listen()?;
        Ok(Self { demo, functions, nodes, balancer, dynamodb })
    }

    fn addresses(&self) -> Result<Addresses, PortError> {
        let local = |listener: &TcpListener, purpose, option| {
            listener.local_addr().map_err(|source| {
                let host = Ipv4Addr::UNSPECIFIED.into();
                PortError::Refused { host, port: 0, purpose, option, source }
            })
        };
        let nodes: Vec<_> = (self.nodes.iter())
            .map(|(node, metrics)| NodeAddresses { node: node.address(), metrics: metrics.address() })
            .collect();
        let front = match (&self.balancer, nodes.first()) {
            (None, Some(only)) => only.node,
            (Some(balancer), _) => local(balancer, "the balancer", "--node-port")?,
            (None, None) => SocketAddr::new(LOCAL, 0),
        };
        let dynamodb = self.dynamodb.as_ref().map(|listener| local(listener, "DynamoDB's API", "--store"));
        Ok(Addresses {
            demo: local(&self.demo, "the demo shop", "--demo-port")?,
            front,
            nodes,
            functions: local(&self.functions, "the functions", "--functions-port")?,
            dynamodb: dynamodb.transpose()?,
        })
    }
}

/// Ports in a row, where they are free; else any.
fn several_nodes(options: &Options, nodes: u16) -> Result<Vec<(KeptPort, KeptPort)>, PortError> {
    let keep = |first: u16, above: u16, at: u16, option| {
        let (host, purpose) = (LOCAL, "a node");
        let port = if first == 0 { None } else { first.checked_add(above + at) };
        let in_a_row = port.and_then(|port| WantedPort { host, port, purpose, option }.keep().ok());
        in_a_row.map_or_else(|| WantedPort { host, port: 0, purpose, option }.keep(), Ok)
    };
    (0..nodes)
        .map(|at| {
            let node = keep(options.node_port, FIRST_NODE_ABOVE, at, "--node-port")?;
            Ok((node, keep(options.metrics_port, FIRST_METRICS_ABOVE, at, "--metrics-port")?))
        })
        .collect()
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
    let settings = Settings::new(options, addresses.clone(), config::environment())?;
    telemetry::log::init(&settings.config.log).map_err(|error| RunError::Log(error.to_string()))?;
    #[cfg(feature = "dynamodb")]
    if let Some(listener) = ports.dynamodb {
        crate::dynamodb::serve(listener, &settings).await?;
    }

    // The function itself goes on without an index that it cannot use; here somebody can mend it now.
    ai::check_knowledge(&settings.config)?;
    let functions = start_functions(options, executable, &settings);
    let mut stop = std::pin::pin!(stop);
    let running = tokio::select! {
        running = async {
            let running = start_nodes(options, executable, &settings, &addresses).await;
            for running in functions.values() {
                running.function.settled().await;
            }
            running
        } => running,
        () = &mut stop => {
            // The nodes that were starting end with the future that waited for them.
            stop_functions(functions).await;
            return Ok(());
        }
    };
    let running = match running {
        Ok(running) => running,
        Err(error) => {
            stop_functions(functions).await;
            return Err(error.into());
        }
    };

    let nodes = Nodes::new(&running);
    let reachable = Reachable {
        functions: functions.iter().map(|(name, running)| (name.clone(), running.function.clone())).collect(),
        nodes: nodes.clone(),
    };
    let mut warnings = settings.warnings();
    warnings.extend(cannot_start(&reachable.functions).await);
    let mut serving =
        vec![serve(ports.functions, invoke_api::router(reachable)), serve(ports.demo, demo::router(addresses.front))];
    if let (Some(balancer), Some(listener)) = (nodes.balancer(), ports.balancer) {
        serving.push(tokio::spawn(balancer.clone().serve(listener)));
        for at in 0..running.len() {
            balancer.takes(at).await;
        }
    }
    // Whoever started this may have closed the other end; that is no reason to stop.
    let _ = writeln!(out, "{}", welcome(options, &addresses, &settings, &warnings, began.elapsed()));
    if options.open {
        open_in_browser(&demo_url(addresses.demo));
    }

    let obeying = tokio::spawn(keys::obey(nodes, std::io::stdout()));
    stop.await;
    obeying.abort();
    let _ = writeln!(out, "Stopping; running answers may end. Ctrl-C again stops at once.");
    nodes::stop(running).await;
    stop_functions(functions).await;
    for task in serving {
        task.abort();
    }
    Ok(())
}

/// The functions of which a process has ended and none has asked for an invocation, a line each.
async fn cannot_start(functions: &BTreeMap<String, Function>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, function) in functions {
        let Some(status) = function.status().await else { continue };
        if status.ended > 0 && status.processes.iter().all(|process| process.state == "starting") {
            lines.push(format!(
                "The function {name} does not start; its own message says why. It is tried again ever more rarely, and when \
                 it is invoked."
            ));
        }
    }
    lines
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
        let per_process = if name == Role::Ai.name() { options.turns_per_process.into() } else { 1 };
        let limits = PoolLimits { per_process, ..limits };
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

async fn start_nodes(
    options: &Options,
    executable: &Path,
    settings: &Settings,
    addresses: &Addresses,
) -> Result<Vec<RunningNode>, NodeError> {
    if options.no_node {
        return Ok(Vec::new());
    }
    let program = |(at, own): (usize, &NodeAddresses)| NodeProgram {
        name: settings.node_name(at),
        executable: executable.to_owned(),
        args: role_args(Role::Node),
        env: settings.node_env(at),
        address: own.node,
        metrics: own.metrics,
        drain: Duration::from_secs(settings.config.node.drain_seconds),
    };
    nodes::start(addresses.nodes.iter().enumerate().map(program).collect()).await
}

fn role_args(role: Role) -> Vec<OsString> {
    vec!["role".into(), role.name().into()]
}

fn demo_url(demo: SocketAddr) -> String {
    format!("http://{}", SocketAddr::new(demo::reachable(demo.ip()), demo.port()))
}

fn welcome(
    options: &Options,
    addresses: &Addresses,
    settings: &Settings,
    warnings: &[String],
    took: Duration,
) -> String {
    let mut rows = Vec::new();
    match &addresses.nodes[..] {
        _ if options.no_node => {
            let command = format!("none; one fits that is started with\n\n{}\n", settings.node_command());
            rows.push(("node".to_owned(), command));
        }
        [only] => {
            rows.push(("node".to_owned(), format!("ws://{}/v1/connect", only.node)));
            rows.push(("metrics".to_owned(), format!("http://{}/metrics", only.metrics)));
        }
        several => {
            let front = format!("ws://{}/v1/connect, to the node with the fewest", addresses.front);
            rows.push(("balancer".to_owned(), front));
            rows.extend(several.iter().enumerate().map(|(at, own)| {
                let row = format!("ws://{}/v1/connect   metrics http://{}/metrics", own.node, own.metrics);
                (settings.node_name(at), row)
            }));
        }
    }
    rows.push(("functions".to_owned(), format!("http://{}/dev/status", addresses.functions)));
    rows.push(("model".to_owned(), settings.model()));
    rows.extend(settings.bus().map(|bus| ("bus".to_owned(), bus)));
    rows.push(("data".to_owned(), settings.data()));
    let keys = if std::io::stdin().is_terminal() { " ? lists what can be typed." } else { "" };
    let mut text = format!("Frontdesk is up after {} ms. Ctrl-C stops it.{keys}\n\n", took.as_millis(),);
    for warning in warnings {
        text.push_str(&format!("  Note: {warning}\n\n"));
    }
    text.push_str(&format!("  Open this     {}\n\n", demo_url(addresses.demo)));
    for (what, row) in rows {
        text.push_str(&format!("  {what:<13} {row}\n"));
    }
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
