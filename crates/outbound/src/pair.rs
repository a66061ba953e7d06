//! A client whose kept connections may have gone stale, and what is done about it.

use reqwest::{Client, ClientBuilder, RequestBuilder, Response};

use crate::Shared;

/// Two clients of one server: one keeps its connections, the other opens one for every request.
///
/// A server closes connections that are idle, also in the moment in which one is used again. A request whose connection
/// breaks before a response begins is sent once more, at once, on a connection that is new. Cheap to clone; clones share the
/// connections.
#[derive(Clone, Debug)]
pub struct Pair {
    kept: Client,
    fresh: Client,
}

impl Pair {
    /// Both as `set` sets them. They connect to nothing.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(shared: &Shared, set: impl Fn(ClientBuilder) -> ClientBuilder) -> reqwest::Result<Self> {
        let fresh = set(shared.client()).pool_max_idle_per_host(0).build()?;
        Ok(Self { kept: set(shared.client()).build()?, fresh })
    }

    /// Another one, with connections of its own; the client that keeps none does for both.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn another(&self, shared: &Shared, set: impl Fn(ClientBuilder) -> ClientBuilder) -> reqwest::Result<Self> {
        Ok(Self { kept: set(shared.client()).build()?, fresh: self.fresh.clone() })
    }

    /// The client that keeps its connections.
    #[must_use]
    pub fn kept(&self) -> &Client {
        &self.kept
    }

    /// Sends what `request` makes: once, and once more if a connection that was kept breaks.
    ///
    /// # Errors
    /// Those of reqwest. Of two requests, the second's.
    pub async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> reqwest::Result<Response> {
        match request(&self.kept).send().await {
            Err(error) if is_broken(&error) => {
                tracing::debug!("a connection broke before a response; a fresh one is tried");
                request(&self.fresh).send().await
            }
            sent => sent,
        }
    }
}

/// Whether a connection that was there broke before a response began. One that was idle may have been closed by the server just
/// then, and nothing of the request was done: it can be sent again, on a connection that is new.
fn is_broken(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    fn read_request(connection: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 1_024];
            let count = connection.read(&mut bytes).unwrap();
            assert_ne!(count, 0, "the request ends early");
            read.extend_from_slice(&bytes[..count]);
        }
    }

    /// Takes `all` connections, one after the other. Answers the first request on each of the first `answered`, and closes each
    /// after the next request on it, the last one at once.
    fn serve(answered: usize, all: usize) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            for number in 0..all {
                let (mut connection, _) = listener.accept().unwrap();
                read_request(&mut connection);
                if number < answered {
                    connection.write_all(ANSWER).unwrap();
                    if number + 1 < all {
                        read_request(&mut connection);
                    }
                }
            }
        });
        (url, serving)
    }

    fn pair(url: &str) -> Pair {
        Pair::new(&Shared::with_http1(url), |client| client).unwrap()
    }

    #[tokio::test]
    async fn a_request_whose_kept_connection_breaks_is_sent_again_on_a_fresh_one() {
        let (url, serving) = serve(2, 2);
        let pair = pair(&url);
        for _ in 0..2 {
            assert_eq!(pair.send(|client| client.get(&url)).await.unwrap().status(), 200);
        }
        serving.join().unwrap();
    }

    #[tokio::test]
    async fn a_request_is_sent_twice_at_most() {
        let (url, serving) = serve(1, 2);
        let pair = pair(&url);
        pair.send(|client| client.get(&url)).await.unwrap();
        assert!(is_broken(&pair.send(|client| client.get(&url)).await.unwrap_err()));
        // A third one would be refused: nobody listens any more.
        serving.join().unwrap();
    }
}
