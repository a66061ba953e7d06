//! Functions on AWS Lambda, by InvokeWithResponseStream. Behind the cargo feature `lambda`.
//!
//! Region and credentials come from where AWS's tools look for them. `AWS_ENDPOINT_URL_LAMBDA` leads elsewhere, such as to
//! the emulator.
//!
//! On Lambda a caller that leaves stops nothing: the function runs to its end, and is paid for. The connection ends all the
//! same, and nothing more is read.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region, SharedHttpClient, StalledStreamProtectionConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};

use aws_sdk_lambda::operation::invoke_with_response_stream::InvokeWithResponseStreamError as SendError;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::primitives::event_stream::EventReceiver;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::types::error::InvokeWithResponseStreamResponseEventError as EventError;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use bytes::Bytes;
use conversation::Millis;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::{Body, InvokeError, Invoked, Invoker, chain};
use crate::clock;

/// How long a connection to Lambda may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often an invocation is tried that did not reach Lambda, or that Lambda had a fault with. What is throttled is not
/// tried again here: the node knows how long a visitor waits.
const ATTEMPTS: u32 = 3;

/// The pause before the second attempt, at most: it is random. Doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// Where AWS's tools look for an endpoint of this service, and of all.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"];

/// Where Lambda is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Like `eu-central-1`. Without it the environment, the profile or the machine's metadata say which.
    pub region: Option<String>,
    /// Like `http://127.0.0.1:7003`, instead of AWS's own.
    pub endpoint: Option<String>,
}

impl Place {
    /// In `region`, or where the environment says, and at the endpoint that AWS's variables name.
    pub fn from_environment(region: Option<String>) -> Self {
        let endpoint = ENDPOINTS.iter().find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
        Self { region, endpoint }
    }

    /// Without TLS no signature of real credentials may be sent, so they are made up.
    fn is_open(&self) -> bool {
        self.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"))
    }
}

/// Nothing says in which region the functions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no region is known; write lambda://REGION, such as lambda://eu-central-1, or set AWS_REGION")]
pub struct NoRegion;

/// An [`Invoker`] of functions on Lambda. A function is named by its name, `NAME:ALIAS` or its ARN.
#[derive(Debug, Clone)]
pub struct LambdaInvoker {
    client: Client,
}

impl LambdaInvoker {
    /// An invoker of the functions at `place`. Nothing is asked of Lambda yet.
    ///
    /// # Errors
    /// [`NoRegion`].
    pub async fn connect(place: Place) -> Result<Self, NoRegion> {
        let is_open = place.is_open();
        let mut config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client(is_open))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            // A model that thinks for half a minute sends nothing; the turn's own clocks watch over it.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if is_open {
            config = config.credentials_provider(Credentials::new("local", "local", None, None, "made up"));
        }
        if let Some(region) = place.region.or_else(|| is_open.then(|| "local".to_owned())) {
            config = config.region(Region::new(region));
        }
        if let Some(endpoint) = place.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let config = config.load().await;
        config.region().ok_or(NoRegion)?;
        Ok(Self { client: Client::new(&config) })
    }

    async fn call(&self, function: &str, payload: Bytes, deadline: Millis) -> Result<Body, InvokeError> {
        let ends = Instant::now() + clock::until(deadline, clock::now());
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        while Instant::now() < ends {
            match self.attempt(function, &payload, ends).await {
                Ok(events) => return Ok(body(function, events, ends)),
                Err(Refusal { is_transient: true, .. }) if attempt < ATTEMPTS && Instant::now() + pause < ends => {
                    tokio::time::sleep(pause.mul_f64(rand::random::<f64>())).await;
                    pause *= 2;
                    attempt += 1;
                }
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(InvokeError::TimedOut(function.to_owned()))
    }

    async fn attempt(&self, function: &str, payload: &Bytes, ends: Instant) -> Result<Events, Refusal> {
        let request = self.client.invoke_with_response_stream();
        let sent = request.function_name(function).payload(Blob::new(payload.clone())).send();
        match timeout_at(ends, sent).await {
            Ok(Ok(response)) => Ok(response.event_stream),
            Ok(Err(error)) => Err(Refusal::of(function, &error)),
            Err(_elapsed) => Err(Refusal::lasting(InvokeError::TimedOut(function.to_owned()))),
        }
    }
}

impl Invoker for LambdaInvoker {
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes, deadline: Millis) -> Invoked<'a> {
        Box::pin(self.call(function, payload, deadline))
    }
}

type Events = EventReceiver<Event, EventError>;

/// Why an attempt brought no response.
struct Refusal {
    error: InvokeError,
    /// The same may succeed a moment later. The function may have run all the same; it keeps nothing, so that is harmless.
    is_transient: bool,
}

impl Refusal {
    fn lasting(error: InvokeError) -> Self {
        Self { error, is_transient: false }
    }

    fn of(function: &str, error: &SdkError<SendError>) -> Self {
        let unreachable = |reason: String| InvokeError::Unreachable { function: function.to_owned(), reason };
        match error {
            SdkError::ServiceError(answer) => match answer.err() {
                SendError::TooManyRequestsException(_) | SendError::Ec2ThrottledException(_) => {
                    Self::lasting(InvokeError::Throttled(function.to_owned()))
                }
                known => {
                    let status = answer.raw().status();
                    let (code, message) = (known.code().unwrap_or("no code"), known.message().unwrap_or("no message"));
                    let error = unreachable(format!("Lambda answered {} ({code}): {message}", status.as_u16()));
                    Self { error, is_transient: status.is_server_error() }
                }
            },
            SdkError::ConstructionFailure(_) => Self::lasting(unreachable(chain(error))),
            _ => Self { error: unreachable(chain(error)), is_transient: true },
        }
    }
}

/// The pieces as they come. Dropping the stream drops the HTTP request.
fn body(function: &str, events: Events, ends: Instant) -> Body {
    let function = function.to_owned();
    stream::unfold(Some(events), move |state| {
        let function = function.clone();
        async move {
            let mut events = state?;
            match timeout_at(ends, next(&function, &mut events)).await {
                Ok(Ok(Some(piece))) => Some((Ok(piece), Some(events))),
                Ok(Ok(None)) => None,
                Ok(Err(error)) => Some((Err(error), None)),
                Err(_elapsed) => Some((Err(InvokeError::TimedOut(function)), None)),
            }
        }
    })
    .boxed()
}

/// The next piece that is not empty; nothing at a good end, which Lambda says with an event of its own.
async fn next(function: &str, events: &mut Events) -> Result<Option<Bytes>, InvokeError> {
    let failed = || InvokeError::Failed(function.to_owned());
    while let Some(event) = events.recv().await.map_err(|_| failed())? {
        match event {
            Event::PayloadChunk(chunk) => {
                let piece = chunk.payload.map(Blob::into_inner).unwrap_or_default();
                if !piece.is_empty() {
                    return Ok(Some(Bytes::from(piece)));
                }
            }
            Event::InvokeComplete(end) => match end.error_code {
                None => return Ok(None),
                Some(code) => {
                    // The details stay out of the log: a function may write there what it was given.
                    tracing::debug!(function, code, "the function ended with an error");
                    return Err(failed());
                }
            },
            // Of a kind that Lambda will have one day.
            _ => {}
        }
    }
    Err(failed())
}

/// TLS as everywhere else in Frontdesk: rustls with ring. Its certificates are the system's.
fn http_client(is_open: bool) -> SharedHttpClient {
    if is_open {
        Builder::new().build_http()
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    }
}
