//! The `Invoker` port: a function is invoked by name, with a deadline; a stream of bytes comes back.

use std::pin::Pin;

use bytes::Bytes;
use conversation::Millis;
use futures_util::Stream;

/// A function's response. Where a chunk ends means nothing.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, InvokeError>> + Send>>;

/// What an invocation comes to.
pub type Invoked<'a> = Pin<Box<dyn Future<Output = Result<Body, InvokeError>> + Send + 'a>>;

/// Invokes functions. Dropping the returned future or body gives the invocation up.
pub trait Invoker: Send + Sync + 'static {
    /// Invokes `function` with `payload` (JSON). `deadline` is when the caller stops listening.
    ///
    /// # Errors
    /// See [`InvokeError`]; one may also come in the middle of the body.
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes, deadline: Millis) -> Invoked<'a>;
}

/// Why there is no response, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// As many invocations run as are allowed. Nothing was run; try again.
    #[error("the function {0} is throttled: all of its places are taken; allow more, or wait")]
    Throttled(String),
    /// The function ended with an error.
    #[error("the function {0} failed: see its own log")]
    Failed(String),
    /// The invoke API did not answer, or answered something else.
    #[error("the function {function} cannot be invoked: {reason}; check functions.url and that it is served there")]
    Unreachable {
        /// Which.
        function: String,
        /// Why.
        reason: String,
    },
}

impl InvokeError {
    /// The name in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Throttled(_) => "throttled",
            Self::Failed(_) => "failed",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

pub mod http {
    //! Functions behind Lambda's invoke API over HTTP: containers, the emulator, `cargo lambda`.

    use futures_util::{StreamExt, TryStreamExt};
    use http::StatusCode;

    use super::{Body, Bytes, InvokeError, Invoked, Invoker, Millis};
    use crate::clock;

    /// How long a connection to the invoke API may take to open.
    const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

    /// Set by Lambda on the response of a function that ended with an error.
    const FUNCTION_ERROR: &str = "x-amz-function-error";

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
            let response = self
                .client
                .post(url)
                .header(http::header::CONTENT_TYPE, "application/json")
                .timeout(clock::until(deadline, clock::now()))
                .body(payload)
                .send()
                .await
                .map_err(|error| unreachable(chain(&error.without_url())))?;
            match response.status() {
                StatusCode::TOO_MANY_REQUESTS => return Err(InvokeError::Throttled(function.to_owned())),
                status if !status.is_success() => return Err(unreachable(format!("it answered {status}"))),
                _ if response.headers().contains_key(FUNCTION_ERROR) => {
                    return Err(InvokeError::Failed(function.to_owned()));
                }
                _ => {}
            }
            let function = function.to_owned();
            let failed = move |_: reqwest::Error| InvokeError::Failed(function.clone());
            Ok(response.bytes_stream().map_err(failed).boxed())
        }
    }

    impl Invoker for HttpInvoker {
        fn invoke<'a>(&'a self, function: &'a str, payload: Bytes, deadline: Millis) -> Invoked<'a> {
            Box::pin(self.call(function, payload, deadline))
        }
    }

    /// The causes too: reqwest's own text says only that sending failed.
    fn chain(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
