//! The functions as programs: under `cargo lambda`, as a server, and what starting them and streaming from them costs.
//!
//! | | |
//! |---|---|
//! | `watch --cargo-lambda PROGRAM` | invokes the functions of this build through the endpoints of `cargo lambda watch` |
//! | `proxy` | a turn through `ai-proxy`, and its end at SIGTERM |
//! | `node` | a visitor's turn through a node and `ai-proxy`, and through one that invokes Lambda |
//! | `starts --executable PROGRAM` | from exec to the first request for an invocation, as a table |
//! | `first-byte` | from a function's write to the caller's read through the emulator, as a table |
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod first_byte;
mod node;
mod proxy;
mod samples;
mod server;
mod starts;
mod turn;
mod watch;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What the program is told.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Invokes the functions through the endpoints of `cargo lambda watch`
    Watch {
        /// The program cargo-lambda
        #[arg(long)]
        cargo_lambda: PathBuf,
    },
    /// Invokes the function ai through ai-proxy, and stops it in mid-stream
    Proxy,
    /// Asks something as a visitor of a node, in front of ai-proxy and, by AWS's SDK, of local-dev
    Node,
    /// Measures how long a function takes to ask for its first invocation
    Starts {
        /// The function's program; the faster the build, the truer
        #[arg(long)]
        executable: PathBuf,
        /// The configuration; without one the function has the scripted model, which learns the demo shop's texts meanwhile
        #[arg(long)]
        config: Option<PathBuf>,
        /// How many starts
        #[arg(long, default_value_t = 200)]
        times: usize,
    },
    /// Measures how long a streamed byte takes through the emulator
    FirstByte {
        /// How many invocations
        #[arg(long, default_value_t = 1_000)]
        times: usize,
    },
    /// The function of first-byte; started by it
    #[command(hide = true)]
    Stamp,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Options::parse().command {
        Command::Watch { cargo_lambda } => watch::run(&cargo_lambda).await,
        Command::Proxy => proxy::run().await,
        Command::Node => node::run().await,
        Command::Starts { executable, config, times } => starts::run(&executable, config.as_deref(), times).await,
        Command::FirstByte { times } => first_byte::run(times).await,
        Command::Stamp => first_byte::serve().await,
    }
}
