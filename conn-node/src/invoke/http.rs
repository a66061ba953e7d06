//! Functions behind Lambda's invoke API over HTTP: containers, the emulator, `cargo lambda`.

use std::time::Duration;

use bytes::Bytes;
use conversation::Millis;
use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;
use outbound::{Pair, Shared};
use reqwest::Response;

use super::{Body, InvokeError, Invoked, Invoker, chain};
use crate::clock;

/// How long a connection to the invoke API may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long is waited before each new try to connect, where nobody listened: a server that restarts is back in a moment.
const CONNECT_AGAIN: [Duration; 2] = [Duration::from_millis(25), Duration::from_millis(50)];

/// Set by Lambda on the response of a function that ended with an error.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// Names the error that an answer without success is.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// An [`Invoker`] over HTTP, which sends again what broke on a kept connection ([`Pair`]), and tries again to connect where
/// nobody listened.
#[derive(Debug, Clone)]
pub struct HttpInvoker {
    clients: Pair,
    base: String,
}

impl HttpInvoker {
    /// An invoker of the functions under `base`, like `http://127.0.0.1:7003`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(base: &str) -> Result<Self, reqwest::Error> {
        let clients = Pair::new(&Shared::with_http1(base), |client| client.connect_timeout(CONNECT_TIMEOUT))?;
        Ok(Self { clients, base: base.trim_end_matches('/').to_owned() })
    }

    async fn call(&self, function: &str, payload: Bytes, deadline: Millis) -> Result<Body, InvokeError> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.base);
        let unreachable = |reason: String| InvokeError::Unreachable { function: function.to_owned(), reason };
        let request = |client: &reqwest::Client| {
            let request = client.post(&url).header(http::header::CONTENT_TYPE, "application/json");
            request.timeout(clock::until(deadline, clock::now())).body(payload.clone())
        };
        let sent = connecting(deadline, || self.clients.send(request)).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_timeout() && !error.is_connect() => {
                return Err(InvokeError::TimedOut(function.to_owned()));
            }
            Err(error) => return Err(unreachable(chain(&error.without_url()))),
        };
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS => return Err(InvokeError::Throttled(function.to_owned())),
            status if !status.is_success() => {
                return Err(unreachable(format!("it answered {status}{}", error_type(&response))));
            }
            _ if response.headers().contains_key(FUNCTION_ERROR) => {
                return Err(InvokeError::Failed(function.to_owned()));
            }
            _ => {}
        }
        let function = function.to_owned();
        let broken = move |error: reqwest::Error| match error.is_timeout() {
            true => InvokeError::TimedOut(function.clone()),
            false => InvokeError::Failed(function.clone()),
        };
        Ok(response.bytes_stream().map_err(broken).boxed())
    }
}

/// What `send` comes to, which is tried again for a moment while nobody listens. Whoever gives an invocation up drops this,
/// and waits no longer.
async fn connecting<F: Future<Output = reqwest::Result<Response>>>(
    deadline: Millis,
    send: impl Fn() -> F,
) -> reqwest::Result<Response> {
    for wait in CONNECT_AGAIN {
        match send().await {
            Err(error) if is_refused(&error) && fits(wait, clock::now(), deadline) => {
                tracing::debug!(?wait, "nobody listens where the functions are; it is tried again");
                tokio::time::sleep(wait).await;
            }
            sent => return sent,
        }
    }
    send().await
}

/// Whether no connection could be opened, so that nothing was sent. Where that took too long, nobody waits for more of it.
fn is_refused(error: &reqwest::Error) -> bool {
    error.is_connect() && !error.is_timeout()
}

/// Whether something can still begin before `deadline` after a wait.
fn fits(wait: Duration, now: Millis, deadline: Millis) -> bool {
    wait < clock::until(deadline, now)
}

impl Invoker for HttpInvoker {
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes, deadline: Millis) -> Invoked<'a> {
        Box::pin(self.call(function, payload, deadline))
    }
}

/// Like ` (ResourceNotFoundException)`, where the answer says it.
fn error_type(response: &reqwest::Response) -> String {
    let named = response.headers().get(ERROR_TYPE).and_then(|named| named.to_str().ok());
    named.map(|named| format!(" ({named})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    async fn read_request(connection: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n{}") {
            assert_ne!(connection.read_buf(&mut read).await.unwrap(), 0, "the request ends early");
        }
    }

    /// Answers the first request on each of the first `answered` connections, and closes each when another one comes.
    async fn serve(listener: TcpListener, answered: usize) -> usize {
        for number in 0.. {
            let (mut connection, _) = listener.accept().await.unwrap();
            if number > answered {
                return number;
            }
            read_request(&mut connection).await;
            if number < answered {
                connection.write_all(ANSWER).await.unwrap();
                read_request(&mut connection).await;
            }
        }
        0
    }

    async fn invoke(invoker: &HttpInvoker) -> Result<Vec<Bytes>, InvokeError> {
        let body = invoker.invoke("ai", Bytes::from_static(b"{}"), clock::now() + 10_000).await?;
        body.try_collect().await
    }

    #[tokio::test]
    async fn a_kept_connection_that_breaks_as_it_is_used_again_fails_no_invocation() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let invoker = HttpInvoker::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(serve(listener, 2));
        assert_eq!(invoke(&invoker).await.unwrap(), [Bytes::from_static(b"{}")]);
        assert_eq!(invoke(&invoker).await.unwrap(), [Bytes::from_static(b"{}")]);
        server.abort();
    }

    #[tokio::test]
    async fn an_invocation_whose_fresh_connection_breaks_too_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let invoker = HttpInvoker::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(serve(listener, 1));
        invoke(&invoker).await.unwrap();
        assert!(matches!(invoke(&invoker).await, Err(InvokeError::Unreachable { .. })));
        server.abort();
    }

    /// An address at which nobody listens, and the socket that keeps it from others until somebody does.
    fn nobody() -> (TcpSocket, String) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        (socket, url)
    }

    /// How often is asked for `url` before `deadline`, and what comes of it. `after_first` is done between the first two tries.
    async fn tries(url: &str, deadline: Millis, after_first: impl FnOnce()) -> (usize, reqwest::Result<Response>) {
        let clients = Pair::new(&Shared::with_http1(url), |client| client).unwrap();
        let after_first = Cell::new(Some(after_first));
        let count = Cell::new(0);
        let send = || async {
            let sent = clients.send(|client| client.post(url).body("{}")).await;
            count.set(count.get() + 1);
            if let Some(after_first) = after_first.take() {
                after_first();
            }
            sent
        };
        let sent = connecting(deadline, send).await;
        (count.get(), sent)
    }

    #[tokio::test]
    async fn a_server_that_is_back_in_a_moment_fails_no_invocation() {
        let (socket, url) = nobody();
        let back = || drop(tokio::spawn(serve(socket.listen(8).unwrap(), 1)));
        let (count, sent) = tries(&url, clock::now() + 10_000, back).await;
        assert_eq!((count, sent.unwrap().status()), (2, StatusCode::OK));
    }

    #[tokio::test]
    async fn where_nobody_listens_is_tried_three_times_and_not_beyond_the_deadline() {
        let (_socket, url) = nobody();
        for (left, tried) in [(10_000, 3), (0, 1)] {
            let (count, sent) = tries(&url, clock::now() + left, || {}).await;
            assert!(is_refused(&sent.unwrap_err()), "{left} ms");
            assert_eq!(count, tried, "{left} ms");
        }
        assert!(fits(Duration::from_millis(25), 1_000, 1_026) && !fits(Duration::from_millis(25), 1_000, 1_025));
    }

    #[tokio::test]
    async fn what_was_sent_is_not_sent_again_for_want_of_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Takes two requests, and answers neither.
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                read_request(&mut listener.accept().await.unwrap().0).await;
            }
        });
        let (count, sent) = tries(&url, clock::now() + 10_000, || {}).await;
        assert!(!is_refused(&sent.unwrap_err()));
        assert_eq!(count, 1);
        server.abort();
    }
}
