//! Loads a node and prints what it takes: memory, time, bytes.
//!
//! `cargo run -p load --release -- idle` starts a node of its own, in a process of its own, and a function that answers as
//! a model would; `--url` takes a node that runs already. Only loopback and small counts are meant for the latter unless
//! its limits are raised: one address may open a few hundred connections by default.
#![allow(clippy::print_stdout, clippy::print_stderr)] // What it prints is what it is for.

mod accepts;
mod added;
mod appends;
mod backing;
mod budget;
mod comeback;
#[cfg(feature = "dynamodb")]
mod cost;
#[cfg(feature = "dynamodb")]
mod counting;
mod cross;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod endpoint;
mod fallback;
mod idle;
mod machine;
mod node;
mod overhead;
mod pair;
mod process;
mod recording;
mod samples;
mod sources;
mod table;
mod tokens;
mod visitor;
mod wire;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Loads a node and prints what it takes.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    scenario: Scenario,
}

/// What is loaded.
#[derive(Debug, Clone, Args)]
struct Target {
    /// A node that runs already, such as ws://127.0.0.1:7001/v1/connect; without it, one is started
    #[arg(long, global = true)]
    url: Option<String>,
    /// The process id of that node, to read its memory and CPU time
    #[arg(long, global = true, requires = "url")]
    pid: Option<u32>,
    /// The site's key on that node
    #[arg(long, global = true, default_value = "shop")]
    site: String,
    /// Where a node that is started keeps its conversations: `disk` (a folder beside this program, removed at the end) or
    /// `memory`
    #[arg(long, global = true, default_value = "disk", value_parser = ["disk", "memory"])]
    data: String,
    /// The executable of the node to start; else this program is the node too
    #[arg(long, global = true)]
    node: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
enum Scenario {
    /// Resident bytes of connections that are idle
    Idle(idle::Options),
    /// Connections taken per second, each with handshake, Hello with a token, and Welcome
    Accepts(accepts::Options),
    /// Time that the node adds: frame in to function invoked, and delta in to frame out
    Added(added::Options),
    /// How late the first byte of a fallback is, where the model hangs and where the function does
    Fallback(fallback::Options),
    /// Time to the first visible token, and CPU time, in ordinary traffic
    Tokens(tokens::Options),
    /// Bytes on the wire of a recorded conversation, protobuf against JSON
    Wire(wire::Options),
    /// Appends per second of a store, and what it keeps of a message
    Appends(appends::Options),
    /// From node to node: a visitor's tabs on two nodes, with a Redis and a bus
    Cross(cross::Options),
    /// A node is killed or drained: how soon its clients are back, and what the others' visitors notice
    Comeback(comeback::Options),
    /// The model budget in real time: how much of a provider's quota callers use, and how many requests it refuses
    Budget(budget::Options),
    /// Is a caller of `budget`; for this program itself
    #[command(hide = true)]
    BudgetCaller(budget::Caller),
    /// What node and function add to the time to the first token, through the emulator, with a provider that keeps its time
    Overhead(overhead::Options),
    /// What turns, and nodes that do nothing, cost on DynamoDB
    #[cfg(feature = "dynamodb")]
    Cost(cost::Options),
    /// Records a conversation for `wire` with a node that runs already
    Record(recording::Options),
    /// Is the node; for this program itself
    #[command(hide = true)]
    Node,
    /// Is a node that counts what it consumes; for this program itself
    #[cfg(feature = "dynamodb")]
    #[command(hide = true)]
    CountingNode,
}

fn main() -> anyhow::Result<()> {
    let Options { target, scenario } = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if matches!(scenario, Scenario::Node) {
        return runtime.block_on(node::run());
    }
    if let Scenario::BudgetCaller(caller) = &scenario {
        return runtime.block_on(budget::run_caller(caller));
    }
    #[cfg(feature = "dynamodb")]
    if matches!(scenario, Scenario::CountingNode) {
        return runtime.block_on(counting::run());
    }
    println!("{}\n", machine::description());
    runtime.block_on(async {
        match scenario {
            Scenario::Idle(options) => idle::run(&target, &options).await,
            Scenario::Accepts(options) => accepts::run(&target, &options).await,
            Scenario::Added(options) => added::run(&target, &options).await,
            Scenario::Fallback(options) => fallback::run(&target, &options).await,
            Scenario::Tokens(options) => tokens::run(&target, &options).await,
            Scenario::Wire(options) => wire::run(&options),
            Scenario::Appends(options) => appends::run(&options).await,
            Scenario::Cross(options) => cross::run(&target, &options).await,
            Scenario::Comeback(options) => comeback::run(&target, &options).await,
            Scenario::Overhead(options) => overhead::run(&options).await,
            Scenario::Budget(options) => budget::run(&options).await,
            #[cfg(feature = "dynamodb")]
            Scenario::Cost(options) => cost::run(&target, &options).await,
            #[cfg(feature = "dynamodb")]
            Scenario::CountingNode => Ok(()),
            Scenario::Record(options) => recording::run(&target, &options).await,
            Scenario::Node | Scenario::BudgetCaller(_) => Ok(()),
        }
    })
}
