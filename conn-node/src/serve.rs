//! A node from its configuration to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bus::nats::NatsBus;
use bus::redis::RedisBus;
use bus::{Bus, BusError};
use config::{BusUrl, Config, ConfigError, DEFAULT_MODEL, Data, EXIT_CODE_BAD_CONFIG, Model, StoreUrl};
use governor::clock::DefaultClock;
use intent::PersonRequests;
use store::embedded::{EmbeddedStore, OpenError, Options};
use store::{RedisStore, Store, StoreError};
use telemetry::{MetricsError, NodeMetrics, Traces};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::budget::{Budgets, ModelLimits};
use crate::conversations::Conversations;
use crate::drain::{self, Drain};
use crate::health::Health;
use crate::invoke::{self, ConnectError, Invoker};
use crate::limits::Limits;
use crate::node::{Node, sites};
use crate::survive::keep;
use crate::timed::TimedStore;
use crate::token_key::{self, TokenKeyError};
use crate::tokens::{NoKey, TokenKeys};
use crate::{accept, clocks, due, erase, health, http, life, metrics_http};

/// What a node works with; tests and clusters give their own.
pub struct Parts {
    /// Where logs are kept.
    pub store: Arc<dyn Store>,
    /// How other nodes are told; `None`: there are none.
    pub bus: Option<Arc<dyn Bus>>,
    /// How functions are invoked.
    pub invoker: Arc<dyn Invoker>,
}

/// Why a node does not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The node's own key cannot be read or kept.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
    /// There is no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {reason}; stop what uses it, or choose another")]
    Listen {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// What is served cannot be prepared.
    #[error("the widget's files or a site's settings cannot be prepared: {0}")]
    Files(std::io::Error),
    /// A fault in the declaration of metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

impl RunError {
    /// The process's exit code: 64 where the configuration is to blame.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CODE_BAD_CONFIG,
            _ => 1,
        }
    }
}

/// A node that listens, but does not serve yet.
pub struct Bound {
    node: Arc<Node>,
    listener: TcpListener,
    metrics_listener: TcpListener,
    router: Router,
}

/// How long the last spans may take to reach the collector when a node has drained.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Runs a node until `shutdown`, then drains it. `traces`: what [`telemetry::start`] gave.
///
/// # Errors
/// It cannot start; see [`RunError`].
pub async fn run(config: Config, traces: Traces, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let parts = parts(&config).await?;
    let bound = bind(config, parts).await?;
    bound.node.metrics.count_spans(&traces)?;
    tracing::info!(address = %bound.address(), metrics = %bound.metrics_address(), "serving");
    bound.serve(shutdown).await;
    traces.flush(LAST_SPANS).await;
    Ok(())
}

/// The store, the bus and the invoker that the configuration asks for. A server that cannot be reached now is no error: the
/// node is not ready until it can.
async fn parts(config: &Config) -> Result<Parts, RunError> {
    config.check_node()?;
    let (store, bus) = (store(config).await?, bus(config).await?);
    let bad = |error: ConnectError| ConfigError::new("functions.url", error.to_string());
    let invoker = invoke::connect(&config.functions.url).await.map_err(bad)?;
    Ok(Parts { store, bus, invoker })
}

async fn store(config: &Config) -> Result<Arc<dyn Store>, RunError> {
    let bad = |error: StoreError| ConfigError::new("store.url", error.to_string());
    match (&config.store.url, &config.store.data) {
        (StoreUrl::Embedded, Data::Folder(folder)) => Ok(Arc::new(EmbeddedStore::open(folder, Options::default())?)),
        (StoreUrl::Embedded, Data::Memory) => Ok(Arc::new(EmbeddedStore::memory(Options::default())?)),
        (StoreUrl::Redis(url), _) => {
            let options = store::redis::Options { replicas: config.store.replicas, ..Default::default() };
            Ok(Arc::new(RedisStore::connect(url.reveal(), options).await.map_err(bad)?))
        }
        #[cfg(feature = "dynamodb")]
        (StoreUrl::DynamoDb(url), _) => {
            let options = store::dynamodb::Options::default();
            Ok(Arc::new(store::dynamodb::DynamoStore::connect(url.reveal(), options).await.map_err(bad)?))
        }
        #[cfg(not(feature = "dynamodb"))]
        (StoreUrl::DynamoDb(_), _) => {
            let reason = "is DynamoDB, and this program was built without it: build it with cargo build --release -p \
                          conn-node --features dynamodb";
            Err(ConfigError::new("store.url", reason).into())
        }
    }
}

async fn bus(config: &Config) -> Result<Option<Arc<dyn Bus>>, RunError> {
    let bad = |error: BusError| ConfigError::new("bus.url", error.to_string());
    Ok(match &config.bus.url {
        BusUrl::None => None,
        BusUrl::Redis(url) => Some(Arc::new(RedisBus::connect(url.reveal()).await.map_err(bad)?)),
        BusUrl::Nats(url) => Some(Arc::new(NatsBus::connect(url.reveal()).await.map_err(bad)?)),
    })
}

/// Makes a node of `parts` and listens.
///
/// # Errors
/// It cannot start; see [`RunError`].
pub async fn bind(config: Config, parts: Parts) -> Result<Bound, RunError> {
    let own_key = match config.tokens.keys.is_empty() {
        true => Some(token_key::load_or_make(&config.store.data)?),
        false => None,
    };
    if config.sites.is_empty() {
        tracing::warn!("no site is configured, so no visitor is let in: set FRONTDESK_CONFIG, or add a [sites.KEY]");
    }
    let tokens = TokenKeys::new(&config.tokens, own_key)?;
    let listener = listen("node.listen", config.node.listen).await?;
    let metrics_listener = listen("node.metrics_listen", config.node.metrics_listen).await?;
    let store: Arc<dyn Store> = Arc::new(TimedStore::new(parts.store, Duration::from_millis(config.store.timeout_ms)));
    let (metrics, process) = (metrics(&config)?, rand::random::<u32>());
    let node = Node {
        budgets: Budgets::new(models(&config), &store, &format!("{process:08x}-{}", config.node.name), &metrics.budget),
        store,
        sites: sites(&config, parts.bus.is_some())?,
        health: Health::default(),
        person_requests: PersonRequests::new(),
        speaker: format!("{}/{process:08x}", config.node.name),
        bus: parts.bus,
        invoker: parts.invoker,
        metrics,
        conversations: Conversations::new(),
        tokens,
        limits: Limits::new(&config.node, &config.limits, DefaultClock::default()),
        drain: Drain::default(),
        config,
    };
    let node = Arc::new(node);
    let asked = Arc::clone(&node);
    let responses = node.metrics.http_responses.clone();
    let router = http::router(&node.config, move || asked.readiness(), responses, erase::router(Arc::clone(&node)));
    let router = router.map_err(RunError::Files)?;
    Ok(Bound { node, listener, metrics_listener, router })
}

/// All models of the configuration, and what they are known to allow.
fn models(config: &Config) -> impl Iterator<Item = (String, ModelLimits)> {
    let default = (DEFAULT_MODEL.to_owned(), Model::from(&config.ai));
    let all = config.models.iter().map(|(name, model)| (name.clone(), model.clone())).chain([default]);
    all.map(|(name, model)| {
        let limits = ModelLimits {
            requests_per_minute: model.requests_per_minute,
            tokens_per_minute: model.tokens_per_minute,
            max_tokens: model.max_tokens.into(),
        };
        (name, limits)
    })
}

fn metrics(config: &Config) -> Result<NodeMetrics, MetricsError> {
    let sites: Vec<_> = config.sites.keys().map(String::as_str).collect();
    let models: Vec<_> = config.models.keys().map(String::as_str).chain([DEFAULT_MODEL]).collect();
    NodeMetrics::new(&config.node.name, &sites, &models)
}

async fn serve_metrics(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the metrics are no longer served");
    }
}

/// Connections that wait to be accepted while the node is busy; the system may allow fewer.
const BACKLOG: u32 = 4_096;

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        // A node that comes back must not wait for its old connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|reason| RunError::Listen { key, address, reason })
}

impl Bound {
    /// Where visitors connect.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.node.config.node.listen)
    }

    /// Where the metrics are.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_listener.local_addr().unwrap_or(self.node.config.node.metrics_listen)
    }

    /// Serves until `shutdown`, then drains.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { node, listener, metrics_listener, router } = self;
        let metered = Arc::clone(&node);
        let metrics = metrics_http::router(move || metered.metrics.render());
        health::look(&node, 0).await;
        let listener = Arc::new(listener);
        let accepting = Arc::clone(&node);
        let accept = move || accept::accept(Arc::clone(&accepting), Arc::clone(&listener), router.clone());
        let tasks = [
            tokio::spawn(keep("accepting", accept)),
            tokio::spawn(serve_metrics(metrics_listener, metrics)),
            always("claiming what is due", &node, due::control),
            always("forgetting what nobody needs", &node, due::forget),
            always("the life of conversations", &node, life::control),
            always("watching store and bus", &node, health::watch),
            always("comparing clocks", &node, clocks::compare),
            always("budgets", &node, |node| Arc::clone(&node.budgets).run()),
        ];
        shutdown.await;
        drain::drain(&node).await;
        for task in tasks {
            task.abort();
        }
        tracing::info!("drained");
    }
}

/// Has a task of the node run for as long as it does.
fn always<F>(what: &'static str, node: &Arc<Node>, run: fn(Arc<Node>) -> F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let node = Arc::clone(node);
    tokio::spawn(keep(what, move || run(Arc::clone(&node))))
}

#[cfg(test)]
mod tests;
