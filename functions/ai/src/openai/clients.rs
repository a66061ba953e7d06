//! The HTTP clients of one server.
//!
//! Over HTTP/2 a client has one connection per host, on which a server may allow 100 streams at a time: requests are spread
//! over several clients, each time to the one with the fewest. Over HTTP/1.1 it makes no difference.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outbound::{Pair, Shared};
use reqwest::header::HeaderMap;
use reqwest::{ClientBuilder, Url};
use tokio::time::timeout;

use super::{headers, root_cause};
use crate::Error;
use crate::settings::OpenAiSettings;

/// How long a request that only keeps a connection warm may take.
const WARM_UP_WITHIN: Duration = Duration::from_secs(5);

/// How often an HTTP/2 connection is asked whether it still lives. A dead one is found out within this and the next.
const PING_EVERY: Duration = Duration::from_secs(15);

/// How long an answer to that may take.
const PING_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Clients {
    first: Arc<Counted>,
    others: Vec<Arc<Counted>>,
}

#[derive(Debug)]
struct Counted {
    pair: Pair,
    running: AtomicUsize,
}

/// A client while a request runs on it.
#[derive(Debug)]
pub(crate) struct Lease {
    client: Arc<Counted>,
}

impl Clients {
    /// Connects to nothing.
    ///
    /// # Errors
    /// The key has characters that no header may have, or TLS cannot be set up.
    pub(crate) fn new(settings: &OpenAiSettings) -> Result<Self, Error> {
        let headers = headers(settings.api_key.as_deref()).ok_or_else(|| Error::ApiKey(settings.path()))?;
        let shared = Shared::with_http2(&settings.base_url);
        let set = |client| set(client, settings, &headers);
        let counted = |pair: reqwest::Result<Pair>| match pair {
            Ok(pair) => Ok(Arc::new(Counted { pair, running: AtomicUsize::new(0) })),
            Err(error) => Err(Error::Client(root_cause(&error))),
        };
        let first = counted(Pair::new(&shared, set))?;
        let others = (1..settings.connections).map(|_| counted(first.pair.another(&shared, set)));
        Ok(Self { others: others.collect::<Result<_, _>>()?, first })
    }

    /// The client with the fewest requests.
    pub(crate) fn take(&self) -> Lease {
        let fewest = self.all().min_by_key(|client| client.running.load(Ordering::Relaxed)).unwrap_or(&self.first);
        fewest.running.fetch_add(1, Ordering::Relaxed);
        Lease { client: Arc::clone(fewest) }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Counted>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// A light request on each client. Whatever the server answers, a connection is open then.
    pub(crate) fn warm_up(&self, url: &Url) -> impl Future<Output = ()> + Send + use<> {
        let requests: Vec<_> = self.all().map(|client| client.pair.kept().head(url.clone()).send()).collect();
        async move {
            let answered = timeout(WARM_UP_WITHIN, futures_util::future::join_all(requests)).await;
            let open = answered.map_or(0, |answers| answers.iter().filter(|answer| answer.is_ok()).count());
            tracing::debug!(open, "connections to the model's server are open");
        }
    }
}

impl Lease {
    pub(crate) fn pair(&self) -> &Pair {
        &self.client.pair
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.client.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn set(client: ClientBuilder, settings: &OpenAiSettings, headers: &HeaderMap) -> ClientBuilder {
    client
        .default_headers(headers.clone())
        .connect_timeout(settings.connect)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_WITHIN)
        .http2_keep_alive_while_idle(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_the_client_with_the_fewest_and_give_their_place_back() {
        let settings = OpenAiSettings {
            model: "own".into(),
            base_url: "http://127.0.0.1:1/v1".into(),
            name: "tiny".into(),
            api_key: None,
            connect: Duration::from_secs(1),
            max_tokens: 1,
            connections: 3,
        };
        let clients = Clients::new(&settings).unwrap();
        let running = || clients.all().map(|client| client.running.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let mut leases: Vec<_> = (0..7).map(|_| clients.take()).collect();
        assert_eq!(running(), [3, 2, 2]);
        leases.remove(1);
        assert_eq!(running(), [3, 1, 2]);
        leases.push(clients.take());
        assert_eq!(running(), [3, 2, 2]);
        drop(leases);
        assert_eq!(running(), [0, 0, 0]);
    }
}
