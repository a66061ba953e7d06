//! The function `ai`: one turn in, a stream out.
//!
//! A node sends the recent messages of a conversation; the function asks a [`model::Model`] and streams back what it says,
//! piece by piece, and then one outcome. It keeps nothing between turns and reaches nothing but the model. When the model
//! fails before its first word the outcome is the site's fallback text with the offer of a person; afterwards it is the
//! part that came, marked as interrupted. It is never silence.
//!
//! [`run`] serves Lambda's runtime API, [`run_proxy`] the same turns as an HTTP server; [`turn::lines`] is one turn alone.

mod cite;
#[cfg(feature = "preparing")]
pub mod cli;
pub mod clocks;
mod demo;
mod draft;
mod intents;
mod invocation;
mod known;
mod lambda;
mod mask;
pub mod model;
pub mod models;
pub mod openai;
mod plan;
pub mod prompt;
mod proxy;
mod record;
mod safety;
pub mod scripted;
pub mod settings;
pub mod site;
mod speech;
mod sse;
mod stands_alone;
mod summary;
mod text;
mod texts;
pub mod tokens;
mod trace;
pub mod turn;
mod warm;
use std::time::Duration;

use std::sync::Arc;

use config::{Config, DEFAULT_MODEL};
use telemetry::{AiMetrics, Program, Traces};

use crate::invocation::Ai;
use crate::models::Models;
use crate::proxy::{Bound, ProxySettings};
use crate::settings::Settings;
use crate::texts::Preparing;

pub use crate::known::check_knowledge;

/// Serves invocations with the configuration of this process, until the runtime API is gone. Without a site's index it goes on
/// and says so in the log: whoever starts it again would get no further.
///
/// Sets up this process's log lines.
///
/// # Errors
/// See [`Error`].
pub async fn run() -> Result<(), Error> {
    let (config, traces) = begin()?;
    let (ai, preparing) = ai(&config)?;
    warm::start(&ai.model).await;
    tokio::select! {
        served = lambda::serve(ai, &traces) => served,
        error = cannot_go_on(preparing) => Err(error),
    }
}

/// Why the function cannot go on. What it can do without is said in the log.
async fn cannot_go_on(mut preparing: Preparing) -> Error {
    loop {
        match preparing.failed().await {
            error @ Error::KnowledgeIndex { .. } => {
                tracing::error!(
                    "{error}. The assistant goes on without this site's texts until it is started with an index"
                );
            }
            error => return error,
        }
    }
}

/// Serves the same turns over HTTP, see [`proxy`], until `stop`; then those that run are finished.
///
/// Sets up this process's log lines.
///
/// # Errors
/// See [`Error`].
pub async fn run_proxy(stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let (config, traces) = begin()?;
    let settings = ProxySettings::new(&config);
    let listen = settings.listen;
    let cannot_listen = |reason: std::io::Error| Error::Listen { address: listen, reason };
    let (ai, mut preparing) = ai(&config)?;
    let (model, metrics) = (Arc::clone(&ai.model), Arc::clone(&ai.metrics));
    metrics.count_spans(&traces).map_err(|error| Error::Metrics(error.to_string()))?;
    let page = Arc::new(move || metrics.render().unwrap_or_default());
    let bound = Bound::new(ai, settings, page).await.map_err(cannot_listen)?;
    let address = bound.address().map_err(cannot_listen)?;
    tracing::info!(%address, "serving");
    let served = tokio::select! {
        () = bound.serve(stop) => Ok(()),
        never = warm::keep(model) => match never {},
        error = preparing.failed() => Err(error),
    };
    traces.flush(LAST_SPANS).await;
    served
}

/// How long the last spans may take to reach the collector when the server ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The configuration of this process, its log lines and its traces.
fn begin() -> Result<(Config, Traces), Error> {
    let config = Config::load(None, config::environment())?;
    let traces = telemetry::start(&config, Program { service: "ai", node: None });
    let traces = traces.map_err(|error| Error::Log(error.to_string()))?;
    Ok((config, traces))
}

fn ai(config: &Config) -> Result<(Ai, Preparing), Error> {
    let models = std::iter::once(DEFAULT_MODEL).chain(config.models.keys().map(String::as_str));
    let metrics = AiMetrics::new(config.sites.keys().map(String::as_str), models);
    let metrics = Arc::new(metrics.map_err(|error| Error::Metrics(error.to_string()))?);
    let (settings, preparing) = Settings::load(config)?;
    let model = Arc::new(Models::configured(config)?);
    Ok((Ai { model, settings: Arc::new(settings), metrics }, preparing))
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
    /// A site's index is missing or damaged.
    #[error("sites.{site}.knowledge_index: {reason}")]
    KnowledgeIndex {
        /// The site's key.
        site: String,
        /// What is wrong, where, and what to do.
        reason: String,
    },
    /// A site's intents cannot be used.
    #[error("sites.{site}.intents: {reason}")]
    Intents {
        /// The site's key.
        site: String,
        /// What is wrong.
        reason: String,
    },
    /// Nothing can be done in the background.
    #[error("no thread can be started: {0}")]
    Thread(String),
    /// The key has characters that no header may have.
    #[error("{0}.api_key: has characters that cannot be sent in a header; copy it again")]
    ApiKey(String),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
    /// The log lines cannot be set up.
    #[error("the log cannot be set up: {0}")]
    Log(String),
    /// What is counted cannot be set up.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(String),
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
    #[error(transparent)]
    UnknownArgument(#[from] config::UnknownArgument),
    /// The runtime API failed.
    #[error("the Lambda runtime API failed: {0}")]
    Runtime(String),
}

impl Error {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Knowledge { .. }
            | Self::KnowledgeIndex { .. }
            | Self::Intents { .. }
            | Self::ApiKey(_)
            | Self::UnknownArgument(_) => config::EXIT_CODE_BAD_CONFIG,
            Self::Thread(_)
            | Self::Client(_)
            | Self::Log(_)
            | Self::Metrics(_)
            | Self::Listen { .. }
            | Self::NoRuntime(_)
            | Self::Runtime(_) => 1,
        }
    }
}
