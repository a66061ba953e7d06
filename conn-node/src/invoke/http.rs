//! Functions behind Lambda's invoke API over HTTP: containers, the emulator, `cargo lambda`.

use bytes::Bytes;
use conversation::Millis;
use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;

use super::{Body, InvokeError, Invoked, Invoker, chain};
use crate::clock;

/// How long a connection to the invoke API may take to open.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

/// Set by Lambda on the response of a function that ended with an error.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// Names the error that an answer without success is.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// An [`Invoker`] over HTTP.
#[derive(Debug, Clone)]
pub struct HttpInvoker {
    client: reqwest::Client,
    base: String,
}

impl HttpInvoker {
    /// An invoker of the functions under `base`, like `http://127.0.0.1:7003`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(base: &str) -> Result<Self, reqwest::Error> {
        let client = outbound::client().connect_timeout(CONNECT_TIMEOUT).build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    async fn call(&self, function: &str, payload: Bytes, deadline: Millis) -> Result<Body, InvokeError> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.base);
        let unreachable = |reason: String| InvokeError::Unreachable { function: function.to_owned(), reason };
        let sent = self
            .client
            .post(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .timeout(clock::until(deadline, clock::now()))
            .body(payload)
            .send()
            .await;
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
