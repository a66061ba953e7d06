//! A model provider for tests and benchmarks: OpenAI's streamed chat completions, with real limits, paces and faults.
//!
//! In a test:
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use provider::{Options, Provider, Settings};
//!
//! let provider = Provider::start(Options::default()).await?;
//! let base_url = provider.url(); // http://127.0.0.1:54321/v1
//! // A model named mock/stall-after:5 stalls after five tokens; mock/ok does not. All names are in `Kind`.
//! provider.change(|settings| settings.quota.requests_per_minute = Some(60))?;
//! assert_eq!(provider.counts().requests.received, 0);
//! # Ok(())
//! # }
//! ```
//!
//! For a benchmark there is a program of the same name, changed and watched over HTTP: `provider --help` and [`admin`].

pub mod admin;
mod body;
mod bucket;
mod chunk;
mod connection;
mod counts;
mod fault;
mod headers;
mod latency;
mod options;
mod plan;
mod quota;
mod request;
mod respond;
mod rules;
mod shared;
mod stamp;
mod tls;
mod usage;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use crate::bucket::Bucket;
pub use crate::counts::{Answered, ConnectionCounts, Counts, Record, Requests, Share};
pub use crate::fault::{Fault, Kind, PREFIX, names};
pub use crate::headers::{HeaderStyle, RetryAfter};
pub use crate::latency::Latency;
pub use crate::options::{Answers, Connections, Options, Settings};
pub use crate::quota::{Counting, QuotaOptions};
pub use crate::rules::{Rule, RuleSet};
pub use crate::shared::HowToClose;
pub use crate::stamp::{stamps, unix_us};
pub use crate::usage::Second;

use crate::admin::Admin;
use crate::shared::Shared;
use crate::tls::Tls;

/// A running provider. Stops, with all its connections, when dropped.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    admin_address: SocketAddr,
    authority_pem: Option<String>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

impl Provider {
    /// Starts one on the current runtime.
    ///
    /// # Errors
    /// A port is taken, an address is none of loopback, or a rule names a fault that does not exist.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        options.check()?;
        let shared = Arc::new(Shared::new(options.settings)?);
        let (stop, stopped) = watch::channel(false);
        let listener = bind(options.listen).await?;
        let address = listener.local_addr()?;
        let admin_listener = bind(options.admin_listen).await?;
        let admin_address = admin_listener.local_addr()?;
        let (mut tls_address, mut authority_pem) = (None, None);
        if let Some(tls_listen) = options.tls_listen {
            let (tls, listener) = (Tls::new()?, bind(tls_listen).await?);
            (tls_address, authority_pem) = (Some(listener.local_addr()?), Some(tls.authority_pem));
            tokio::spawn(connection::accept(listener, Some(tls.config), Arc::clone(&shared), stopped.clone()));
        }
        tokio::spawn(connection::accept(listener, None, Arc::clone(&shared), stopped.clone()));
        let router = admin::router(Admin { shared: Arc::clone(&shared), authority_pem: authority_pem.clone() });
        tokio::spawn(serve_admin(admin_listener, router, stopped));
        Ok(Self { address, tls_address, admin_address, authority_pem, shared, stop })
    }

    /// Where it listens without TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens with TLS, if it does.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where it is watched and changed over HTTP, see [`admin`].
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The base of its API: `http://127.0.0.1:54321/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The base of its API over TLS, if there is one.
    pub fn tls_url(&self) -> Option<String> {
        self.tls_address.map(|address| format!("https://{address}/v1"))
    }

    /// What clients of the TLS port must trust, PEM.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// Changes settings from now on.
    ///
    /// # Errors
    /// A rule names a fault that does not exist; then nothing is changed.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) -> anyhow::Result<()> {
        let mut settings = self.shared.settings().as_ref().clone();
        change(&mut settings);
        self.shared.change(settings)
    }

    /// Multiplies both limits: 0.5 halves them.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn scale_quota(&self, by: f64) -> anyhow::Result<()> {
        self.change(|settings| settings.quota = admin::scaled(&settings.quota, by))
    }

    /// Closes the connections that there are.
    pub fn close_connections(&self, how: HowToClose) {
        self.shared.close_connections(how);
    }

    /// What it counted.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// What was used of the quota, second by second.
    pub fn seconds(&self) -> Vec<Second> {
        self.shared.seconds()
    }

    /// The last requests after this number, one by one.
    pub fn records_after(&self, number: u64) -> Vec<Record> {
        self.shared.records_after(number)
    }

    /// Counts anew.
    pub fn reset_counts(&self) {
        self.shared.reset_counts();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))
}

async fn serve_admin(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        // It only ends by being stopped.
        _ = async { axum::serve(listener, router).await } => {}
    }
}
