//! What a child process of `local-dev` is, and what it has to do for its parent.

use std::io::Read;
use std::process::ExitCode;

use crate::options::Role;

/// Runs one part of Frontdesk until it is told to stop or its parent is gone.
///
/// # Errors
/// The part cannot run; the code says whether its configuration is to blame.
pub fn run(role: Role) -> Result<(), RoleError> {
    end_with_parent();
    match role {
        Role::Node => multi_thread(node()),
        Role::Ai => {
            current_thread(async { ai::run().await.map_err(|error| RoleError::new(&error, error.exit_code())) })
        }
        Role::Routing => {
            current_thread(async { routing::run().await.map_err(|error| RoleError::new(&error, error.exit_code())) })
        }
    }
}

/// Why a part cannot run.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RoleError {
    message: String,
    exit_code: u8,
}

impl RoleError {
    fn new(error: &dyn std::fmt::Display, exit_code: u8) -> Self {
        Self { message: error.to_string(), exit_code }
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit_code)
    }
}

async fn node() -> Result<(), RoleError> {
    let config = config::Config::load(None, config::environment())
        .map_err(|error| RoleError::new(&error, config::EXIT_CODE_BAD_CONFIG))?;
    let program = telemetry::Program { service: "conn-node", node: Some(&config.node.name) };
    let traces = telemetry::start(&config, program).map_err(|error| RoleError::new(&error, 1))?;
    conn_node::run(config, traces, crate::signals::stop())
        .await
        .map_err(|error| RoleError::new(&error, error.exit_code()))
}

/// Ends this process when the parent is gone, for whatever reason: without it there is nothing to finish.
///
/// The parent holds the other end of standard input and writes nothing to it, so its end comes only with the parent's.
/// A thread of its own watches it, so that even a function that hangs ends. Programs that were not started with such a
/// pipe must not call this.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(1..) => {}
                Ok(0) | Err(_) => std::process::exit(0),
            }
        }
    });
}

/// Functions run one invocation at a time.
fn current_thread(part: impl Future<Output = Result<(), RoleError>>) -> Result<(), RoleError> {
    block_on(tokio::runtime::Builder::new_current_thread(), part)
}

fn multi_thread(part: impl Future<Output = Result<(), RoleError>>) -> Result<(), RoleError> {
    block_on(tokio::runtime::Builder::new_multi_thread(), part)
}

fn block_on(
    mut builder: tokio::runtime::Builder,
    part: impl Future<Output = Result<(), RoleError>>,
) -> Result<(), RoleError> {
    builder.enable_all().build().map_err(|error| RoleError::new(&error, 1))?.block_on(part)
}
