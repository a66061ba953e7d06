//! Frontdesk on one machine, with one command: `cargo run -p local-dev`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use local_dev::options::{CommandLine, Options, RoleCommand};
use local_dev::{role, run, signals};

fn main() -> ExitCode {
    let began = Instant::now();
    let CommandLine { role, options } = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(config::EXIT_CODE_BAD_CONFIG) } else { ExitCode::SUCCESS };
        }
    };
    match role {
        Some(RoleCommand::Role(role)) => role::run(role).map_or_else(|error| fail(&error, error.exit_code()), succeed),
        None => start(&options, began),
    }
}

fn start(options: &Options, began: Instant) -> ExitCode {
    let started = std::env::current_exe().and_then(|executable| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async {
            let run = run::run(options, &executable, began, std::io::stdout(), signals::stop());
            tokio::select! {
                result = run => result.map_or_else(|error| fail(&error, error.exit_code().into()), succeed),
                () = twice() => ExitCode::from(130),
            }
        }))
    });
    started.unwrap_or_else(|error| fail(&error, ExitCode::FAILURE))
}

/// Ready when the program has been asked to stop two times.
async fn twice() {
    signals::stop().await;
    signals::stop().await;
}

fn succeed(_: ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn fail(error: &dyn std::fmt::Display, code: ExitCode) -> ExitCode {
    // Where nobody reads it, the exit code says it.
    let _ = writeln!(std::io::stderr(), "local-dev: {error}");
    code
}
