//! The program `conn-node`.

use std::io::Write;
use std::process::ExitCode;

use config::{Asked, Config, EXIT_CODE_BAD_CONFIG};

/// What `--help` says first.
const DOES: &str = "The node that visitors connect to: WebSocket, conversations, and the widget's files.";

fn main() -> ExitCode {
    match config::asked("conn-node", env!("CARGO_PKG_VERSION"), DOES, std::env::args_os().skip(1)) {
        Ok(Asked::Run) => {}
        Ok(Asked::Print(text)) => return print(&text),
        Err(error) => return failed(&error, EXIT_CODE_BAD_CONFIG),
    }
    let config = match Config::load(None, config::environment()) {
        Ok(config) => config,
        Err(error) => return failed(&error, EXIT_CODE_BAD_CONFIG),
    };
    let program = telemetry::Program { service: "conn-node", node: Some(&config.node.name) };
    let traces = match telemetry::start(&config, program) {
        Ok(traces) => traces,
        Err(error) => return failed(&error, 1),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, 1),
    };
    match runtime.block_on(async { conn_node::run(config, traces, stop_signal()).await }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, error.exit_code()),
    }
}

fn print(text: &str) -> ExitCode {
    // Whoever closed the other end does not want to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[allow(clippy::print_stderr)] // Log lines may not be set up yet, and a person waits for the reason.
fn failed(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("conn-node: {error}");
    ExitCode::from(code)
}

/// SIGTERM or SIGINT. Where neither can be heard, the node runs until it is killed, as it would without a drain.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (term, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (term, interrupt) {
        (Ok(mut term), Ok(mut interrupt)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}
