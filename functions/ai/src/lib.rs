//! The function `ai`: one turn in, a stream out.
//!
//! A node sends the recent messages of a conversation; the function asks a [`model::Model`] and streams back what it says,
//! piece by piece, and then one outcome. It keeps nothing between turns and reaches nothing but the model. When the model
//! fails before its first word the outcome is the site's fallback text with the offer of a person; afterwards it is the
//! part that came, marked as interrupted. It is never silence.
//!
//! [`run`] serves Lambda's runtime API, [`run_proxy`] the same turns as an HTTP server; [`turn::lines`] is one turn alone.

pub mod clocks;
mod draft;
mod handover;
mod invocation;
mod lambda;
mod language;
pub mod model;
pub mod openai;
pub mod prompt;
mod proxy;
mod record;
pub mod scripted;
pub mod settings;
mod sse;
mod text;
pub mod turn;

use std::sync::Arc;

use config::Config;

use crate::invocation::Ai;
use crate::model::Model;
use crate::openai::OpenAiModel;
use crate::proxy::{Bound, ProxySettings};
use crate::scripted::ScriptedModel;
use crate::settings::{ModelSettings, Settings};

/// Serves invocations with the configuration of this process, until the runtime API is gone.
///
/// Sets up this process's log lines.
///
/// # Errors
/// See [`Error`].
pub async fn run() -> Result<(), Error> {
    let config = begin()?;
    lambda::serve(ai(&config)?).await
}

/// Serves the same turns over HTTP, see [`proxy`], until `stop`; then those that run are finished.
///
/// Sets up this process's log lines.
///
/// # Errors
/// See [`Error`].
pub async fn run_proxy(stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let config = begin()?;
    let settings = ProxySettings::new(&config);
    let listen = settings.listen;
    let cannot_listen = |reason: std::io::Error| Error::Listen { address: listen, reason };
    let bound = Bound::new(ai(&config)?, settings, Arc::new(String::new)).await.map_err(cannot_listen)?;
    let address = bound.address().map_err(cannot_listen)?;
    tracing::info!(%address, "serving");
    bound.serve(stop).await.map_err(cannot_listen)
}

/// The configuration of this process, and its log lines.
fn begin() -> Result<Config, Error> {
    let config = Config::load(None, config::environment())?;
    telemetry::log::init(&config.log).map_err(|error| Error::Log(error.to_string()))?;
    Ok(config)
}

fn ai(config: &Config) -> Result<Ai, Error> {
    Ok(Ai { model: model(config)?, settings: Arc::new(Settings::new(config)) })
}

fn model(config: &Config) -> Result<Arc<dyn Model>, Error> {
    Ok(match ModelSettings::new(config) {
        ModelSettings::OpenAi(settings) => Arc::new(OpenAiModel::new(&settings)?),
        ModelSettings::Scripted(settings) => Arc::new(ScriptedModel::new(&settings)?),
    })
}

/// Why the function cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A site's texts cannot be used.
    #[error("sites.{site}.knowledge: {reason}")]
    Knowledge {
        /// The site's key.
        site: String,
        /// What is wrong.
        reason: String,
    },
    /// The key has characters that no header may have.
    #[error("ai.api_key (or OPENAI_API_KEY): has characters that cannot be sent in a header; copy it again")]
    ApiKey,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
    /// The log lines cannot be set up.
    #[error("the log cannot be set up: {0}")]
    Log(String),
    /// This process was not started by a Lambda runtime.
    #[error("{0} is not set: this program is started by Lambda, or by local-dev")]
    NoRuntime(&'static str),
    /// The proxy cannot listen.
    #[error("{address}: cannot be listened on: {reason}; change ai_proxy.listen, or end what listens there")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        reason: std::io::Error,
    },
    /// An argument that the program does not know.
    #[error(
        "{0:?} is not understood: this program takes no arguments; it reads frontdesk.toml, or what FRONTDESK_CONFIG names"
    )]
    UnknownArgument(String),
    /// The runtime API failed.
    #[error("the Lambda runtime API failed: {0}")]
    Runtime(String),
}

impl Error {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Knowledge { .. } | Self::ApiKey | Self::UnknownArgument(_) => {
                config::EXIT_CODE_BAD_CONFIG
            }
            Self::Client(_) | Self::Log(_) | Self::Listen { .. } | Self::NoRuntime(_) | Self::Runtime(_) => 1,
        }
    }
}
