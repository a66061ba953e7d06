//! The function `routing` as a program of its own, as Lambda starts it.

use std::io::Write;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match routing::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a standard error that cannot be written to.
            let _ = writeln!(std::io::stderr(), "routing: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
