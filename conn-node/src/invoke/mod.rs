//! The `Invoker` port: a function is invoked by name, with a deadline; a stream of bytes comes back.
//!
//! Every implementation passes the same tests, `local-dev/tests/invokers.rs`.

pub mod http;
#[cfg(feature = "lambda")]
pub mod lambda;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use config::FunctionsUrl;
use conversation::Millis;
use futures_util::Stream;

/// A function's response. Where a chunk ends means nothing. It may begin with Lambda's prelude, which
/// [`protocol::function::Lines`] skips.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, InvokeError>> + Send>>;

/// What an invocation comes to.
pub type Invoked<'a> = Pin<Box<dyn Future<Output = Result<Body, InvokeError>> + Send + 'a>>;

/// Invokes functions. Dropping the returned future or body gives the invocation up.
pub trait Invoker: Send + Sync + 'static {
    /// Invokes `function` with `payload` (JSON). `deadline` is when the caller stops listening: until then there is a
    /// response, or a reason why there is none, and the body has ended, or failed.
    ///
    /// # Errors
    /// See [`InvokeError`]; one may also come in the middle of the body, and then it is the last that comes.
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
    /// The deadline came before the end of the response.
    #[error("the function {0} took too long: its response had not ended by the deadline")]
    TimedOut(String),
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
            Self::TimedOut(_) => "timed_out",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// The invoker of the functions at `url`. Nothing is asked of them yet.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(url: &FunctionsUrl) -> Result<Arc<dyn Invoker>, ConnectError> {
    match url {
        FunctionsUrl::Http(base) => Ok(Arc::new(http::HttpInvoker::new(base.as_str())?)),
        #[cfg(feature = "lambda")]
        FunctionsUrl::Lambda { region } => {
            let place = lambda::Place::from_environment(region.clone());
            Ok(Arc::new(lambda::LambdaInvoker::connect(place).await?))
        }
        #[cfg(not(feature = "lambda"))]
        FunctionsUrl::Lambda { .. } => Err(ConnectError::NotBuilt),
    }
}

/// Why functions cannot be invoked as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The HTTP client cannot be made.
    #[error("the client of the invoke API cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// Nothing says in which region the functions are.
    #[cfg(feature = "lambda")]
    #[error(transparent)]
    NoRegion(#[from] lambda::NoRegion),
    /// This program knows no Lambda.
    #[cfg(not(feature = "lambda"))]
    #[error(
        "is Lambda, and this program was built without it: build it with cargo build --release -p conn-node --features lambda"
    )]
    NotBuilt,
}

/// The causes too: the texts of clients often say only that sending failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
