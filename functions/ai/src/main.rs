//! The function `ai` as a program of its own, as Lambda starts it, and the commands that prepare what it goes by.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Lambda gives no arguments: there is nothing to parse when the function has to start quickly.
    if std::env::args_os().len() > 1 { command() } else { serve() }
}

#[cfg(feature = "preparing")]
fn command() -> ExitCode {
    ai::cli::run(std::env::args_os())
}

#[cfg(not(feature = "preparing"))]
fn command() -> ExitCode {
    let reason = "this is the program for Lambda, which has no commands; `cargo run --release -p ai --` has them";
    // Nothing is left to do about a standard error that cannot be written to.
    let _ = writeln!(std::io::stderr(), "ai: {reason}");
    ExitCode::from(config::EXIT_CODE_BAD_CONFIG)
}

#[tokio::main]
async fn serve() -> ExitCode {
    match ai::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a standard error that cannot be written to.
            let _ = writeln!(std::io::stderr(), "ai: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
