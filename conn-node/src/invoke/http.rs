//! Functions behind Lambda's invoke API over HTTP: containers, the emulator, `cargo lambda`.

use std::time::Duration;

use bytes::Bytes;
use conversation::Millis;
use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;
use outbound::{Pair, Shared};

use super::{Body, InvokeError, Invoked, Invoker, chain};
use crate::clock;

/// How long a connection to the invoke API may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Set by Lambda on the response of a function that ended with an error.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// Names the error that an answer without success is.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// An [`Invoker`] over HTTP, which sends again what broke on a kept connection ([`Pair`]).
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
        let sent = self.clients.send(request).await;
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

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
}
