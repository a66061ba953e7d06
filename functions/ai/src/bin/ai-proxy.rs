//! The function `ai` as an HTTP server, for containers.

use std::io::Write;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match std::env::args().nth(1) {
        None => ai::run_proxy(stop_signal()).await,
        Some(argument) => Err(ai::Error::UnknownArgument(argument)),
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
