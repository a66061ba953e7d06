//! A node in this process, on a runtime of its own so that it can die at any moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use config::Config;
use conn_node::Parts;
use store::Store;
use store::embedded::{EmbeddedStore, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::functions::Functions;
use crate::http::request;
use crate::jwt::{SHOP_SECRET, TOKEN_SECRET};
use crate::soon;

/// What a node is made of.
#[derive(Clone)]
pub struct Setup {
    overrides: Vec<(String, String)>,
    /// Where logs are.
    pub store: Arc<dyn Store>,
    /// The other nodes, if there are any.
    pub bus: Option<Arc<dyn Bus>>,
    /// What the test answers.
    pub functions: Functions,
}

/// Sites: `shop` (English and Chinese), `other`, `strict` (signed identities only), `browsers` (an origin is needed), `keeper`
/// (forgets nothing).
/// Rates are beyond what tests do; a test of a rate sets it.
fn configuration() -> String {
    let identity = format!("keys = [{{ algorithm = \"HS256\", secret = \"{SHOP_SECRET}\" }}]");
    format!(
        r#"
        node.listen = "127.0.0.1:0"
        node.metrics_listen = "127.0.0.1:0"
        store.data = "memory"
        tokens.keys = [{{ id = "test", secret = "{TOKEN_SECRET}" }}]
        [limits]
        messages_per_visitor_per_minute = 60000
        messages_per_visitor_burst = 60000
        frames_per_connection_per_second = 10000
        frames_per_connection_burst = 10000
        connects_per_address_per_second = 100000
        connects_per_address_burst = 100000
        new_visitors_per_address_burst = 100000
        [sites.shop]
        name = "Shop"
        origins = ["https://shop.example"]
        languages = ["en", "zh"]
        fallback = {{ en = "Sorry, not now.", zh = "抱歉，现在不行。" }}
        [sites.shop.identity]
        {identity}
        [sites.other]
        name = "Other"
        origins = ["https://other.example"]
        [sites.strict]
        name = "Strict"
        origins = ["https://strict.example"]
        [sites.strict.identity]
        required = true
        {identity}
        [sites.keeper]
        name = "Keeper"
        origins = ["https://keeper.example"]
        life.keep_days = 0
        [sites.browsers]
        name = "Browsers only"
        origins = ["https://browsers.example"]
        allow_no_origin = false
        "#
    )
}

impl Setup {
    /// A node that is alone, with a store in memory.
    pub fn new() -> Self {
        Self::on(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()))
    }

    /// A node that is alone, on this store.
    pub fn on(store: Arc<dyn Store>) -> Self {
        Self { overrides: Vec::new(), store, bus: None, functions: Functions::new() }
    }

    /// Sets one key of the configuration, as `limits.max_frame_bytes`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        let name = format!("FRONTDESK_{}", key.replace(['.', '-'], "_").to_uppercase());
        self.overrides.push((name, value.to_string()));
        self
    }

    /// Turns end after a second, and one of grace.
    #[must_use]
    pub fn with_quick_turns(self) -> Self {
        let ai = [("ai.connect_ms", 100), ("ai.first_token_ms", 400), ("ai.gap_ms", 400), ("ai.total_ms", 900)];
        ai.into_iter().fold(self.with("turn.deadline_ms", 1_000), |setup, (key, value)| setup.with(key, value))
    }

    /// Joins other nodes.
    #[must_use]
    pub fn joined_by(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// The configuration.
    pub fn config(&self) -> Config {
        Config::parse(&configuration(), self.overrides.clone()).unwrap()
    }

    /// Starts a node with functions of its own, which tell who calls.
    pub async fn start_with_functions(mut self) -> (TestNode, Functions) {
        self.functions = Functions::new();
        (self.start().await, self.functions)
    }

    /// The node as it would start.
    ///
    /// # Errors
    /// It would not.
    pub async fn bind(&self) -> Result<conn_node::Bound, conn_node::RunError> {
        conn_node::bind(self.config(), self.parts()).await
    }

    fn parts(&self) -> Parts {
        Parts { store: Arc::clone(&self.store), bus: self.bus.clone(), invoker: Arc::new(self.functions.clone()) }
    }

    /// Starts the node.
    pub async fn start(&self) -> TestNode {
        TestNode::start(self).await
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// A running node. Dropping it kills it.
pub struct TestNode {
    address: SocketAddr,
    metrics_address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl TestNode {
    async fn start(setup: &Setup) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (config, parts) = (setup.config(), setup.parts());
        let bound = runtime.spawn(async move { conn_node::bind(config, parts).await.unwrap() }).await.unwrap();
        let (address, metrics_address) = (bound.address(), bound.metrics_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = runtime.spawn(async move {
            bound
                .serve(async {
                    let _ = stopped.await;
                })
                .await;
        });
        Self { address, metrics_address, stop: Some(stop), served: Some(served), runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its metrics are.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// The value of the first metric whose line contains all of `words`; 0 when there is none.
    pub async fn metric(&self, words: &[&str]) -> f64 {
        let mut stream = TcpStream::connect(self.metrics_address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.metrics_address);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        let mut lines = page.lines().filter(|line| !line.starts_with('#'));
        let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Looks at a metric until it has this value.
    pub async fn until_metric(&self, words: &[&str], value: f64) {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let reached = async {
            while self.metric(words).await != value {
                looks.tick().await;
            }
        };
        soon(&format!("{words:?} at {value}"), reached).await;
    }

    /// What it says when it is asked whether to send it visitors: the status, and why.
    pub async fn readiness(&self) -> (u16, String) {
        let response = request(self.address, "GET", "/readyz", &[]).await;
        (response.status, response.body)
    }

    /// Asks until it says so.
    pub async fn until_readiness(&self, status: u16, reason: &str) {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let said = async {
            loop {
                let (said, why) = self.readiness().await;
                if said == status && why.contains(reason) {
                    break;
                }
                looks.tick().await;
            }
        };
        soon(&format!("{status} {reason} of /readyz"), said).await;
    }

    /// Tells it to stop; [`TestNode::stopped`] waits for the end.
    pub fn drain(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until it has drained, and ends it as a process ends.
    pub async fn stopped(mut self) {
        self.drain();
        if let Some(served) = self.served.take() {
            soon("the end of a drain", served).await.unwrap();
        }
        self.kill().await;
    }

    /// Ends everything of it at once, wherever it is, as `kill -9` does. Its share of the store is free afterwards.
    pub async fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10)));
            soon("the end of a node's tasks", ended).await.unwrap();
        }
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // From within a test's own runtime nothing may block.
            runtime.shutdown_background();
        }
    }
}
