//! The function `routing`: a queue and a roster in, assignments out.
//!
//! A node sends the conversations of a site that wait for a person, and the site's agents. The function says who takes
//! each one. It keeps nothing and reaches nothing.
//!
//! [`run`] serves Lambda's runtime API; [`assignments::assign`] is the decision alone.

pub mod assignments;
mod invocation;

use config::Config;

/// Serves invocations with the configuration of this process, until the runtime API is gone.
///
/// Sets up this process's log lines.
///
/// # Errors
/// See [`Error`].
pub async fn run() -> Result<(), Error> {
    let config = Config::load(None, config::environment())?;
    let program = telemetry::Program { service: "routing", node: None };
    let traces = telemetry::start(&config, program).map_err(|error| Error::Log(error.to_string()))?;
    invocation::serve(&traces).await
}

/// Why the function cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The log lines cannot be set up.
    #[error("the log cannot be set up: {0}")]
    Log(String),
    /// This process was not started by a Lambda runtime.
    #[error("{0} is not set: this program is started by Lambda, or by local-dev")]
    NoRuntime(&'static str),
    /// The runtime API failed.
    #[error("the Lambda runtime API failed: {0}")]
    Runtime(String),
}

impl Error {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => config::EXIT_CODE_BAD_CONFIG,
            Self::Log(_) | Self::NoRuntime(_) | Self::Runtime(_) => 1,
        }
    }
}
