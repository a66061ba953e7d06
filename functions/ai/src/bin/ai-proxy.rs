//! The function `ai` as an HTTP server, for containers.

use std::io::Write;
use std::process::ExitCode;

use config::Asked;

/// What `--help` says first.
const DOES: &str = "The function `ai` as an HTTP server, for containers.";

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match config::asked("ai-proxy", env!("CARGO_PKG_VERSION"), DOES, std::env::args_os().skip(1)) {
        Ok(Asked::Run) => ai::run_proxy(stop_signal()).await,
        Ok(Asked::Print(text)) => {
            // Whoever closed the other end does not want to read it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a standard error that cannot be written to.
            let _ = writeln!(std::io::stderr(), "ai-proxy: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// SIGTERM or SIGINT. Where neither can be heard, the server runs until it is killed.
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
