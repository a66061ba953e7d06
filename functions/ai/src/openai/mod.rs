//! Any server that speaks OpenAI's chat completions, streamed.
//!
//! reqwest and a reader of our own rather than a full client: the full ones refuse answers that servers really send.

mod body;
mod chunk;
mod refusal;
mod request;
mod retry;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout_at};

use self::body::Body;
use crate::Error;
use crate::model::{Model, ModelError, Piece, Pieces};
use crate::prompt::Prompt;
use crate::settings::OpenAiSettings;

/// How long to wait for the usage, and for `[DONE]`, once the model has said that the answer is over. Some servers never
/// send either and keep the connection open.
const AFTER_END: Duration = Duration::from_millis(200);

/// How long to wait for the end of the body after `[DONE]`. A body read to its end gives its connection back to the pool.
const AFTER_DONE: Duration = Duration::from_millis(20);

/// The most of an error's body that is read, in bytes.
const MAX_ERROR_BYTES: usize = 16 * 1024;

/// A model behind an OpenAI-compatible API.
#[derive(Clone, Debug)]
pub struct OpenAiModel {
    server: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    client: Client,
    url: String,
    name: String,
    max_tokens: u32,
}

impl OpenAiModel {
    /// Prepares the client; connects to nothing.
    ///
    /// # Errors
    /// The key has characters that no header may have, or TLS cannot be set up.
    pub fn new(settings: &OpenAiSettings) -> Result<Self, Error> {
        let client = outbound::client()
            .default_headers(headers(settings.api_key.as_deref())?)
            .connect_timeout(settings.connect)
            .build()
            .map_err(|error| Error::Client(root_cause(&error)))?;
        let url = request::url(&settings.base_url);
        let server = Server { client, url, name: settings.name.clone(), max_tokens: settings.max_tokens };
        Ok(Self { server: Arc::new(server) })
    }
}

impl Model for OpenAiModel {
    fn answer(&self, prompt: Prompt) -> Pieces {
        let server = Arc::clone(&self.server);
        Box::pin(async_stream::try_stream! {
            let request = request::body(&prompt, &server.name, server.max_tokens, &server.url);
            let (mut response, mut bytes) = server.open(request.into(), prompt.try_until).await?;
            let mut body = Body::new();
            let mut over_by = None;
            while let Some(received) = bytes {
                body.handle_bytes(&received)?;
                while let Some(text) = body.poll_text()? {
                    yield Piece::Text(text);
                }
                if body.is_done() {
                    read(&mut response, Some(Instant::now() + AFTER_DONE)).await?;
                    break;
                }
                if body.end().is_some() {
                    over_by = over_by.or_else(|| Some(Instant::now() + AFTER_END));
                }
                bytes = read(&mut response, over_by).await?;
            }
            if let Some(text) = body.finish()? {
                yield Piece::Text(text);
            }
            if let Some(usage) = body.usage() {
                yield Piece::Usage(usage);
            }
            let end = body.end().ok_or_else(|| ModelError::Unreachable("it closed before the answer was over".into()))?;
            yield Piece::End(end);
        })
    }

    fn name(&self) -> &str {
        &self.server.name
    }
}

impl Server {
    /// Asks until the first bytes of an answer come. Only here, before any, is a request repeated.
    async fn open(&self, request: Bytes, try_until: Instant) -> Result<(Response, Option<Bytes>), ModelError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(request.clone()).await {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            let wait = retry::wait(&error, attempts, jitter(attempts), Instant::now(), try_until)
                .ok_or_else(|| error.clone())?;
            tracing::warn!(model = self.name, attempts, %error, wait_ms = wait.as_millis(), "the model is asked again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, request: Bytes) -> Result<(Response, Option<Bytes>), ModelError> {
        let sent = self.client.post(&self.url).body(request).send().await;
        let mut response = sent.map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            let (status, headers) = (response.status(), response.headers().clone());
            return Err(refusal::of_status(status, &headers, &error_body(response).await));
        }
        match response.chunk().await.map_err(|error| unreachable(&error))? {
            Some(bytes) => Ok((response, Some(bytes))),
            None => Err(ModelError::Unreachable("it sent an empty answer".into())),
        }
    }
}

/// The next bytes. Once the answer is over there is a moment until which they are waited for, and no fault counts.
async fn read(response: &mut Response, over_by: Option<Instant>) -> Result<Option<Bytes>, ModelError> {
    match over_by {
        Some(over_by) => Ok(timeout_at(over_by, response.chunk()).await.unwrap_or(Ok(None)).unwrap_or(None)),
        None => response.chunk().await.map_err(|error| unreachable(&error)),
    }
}

async fn error_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > MAX_ERROR_BYTES {
            break;
        }
    }
    body.truncate(MAX_ERROR_BYTES);
    body
}

fn headers(api_key: Option<&str>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(key) = api_key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| Error::ApiKey)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn unreachable(error: &reqwest::Error) -> ModelError {
    let what = if error.is_connect() && error.is_timeout() {
        "connecting took too long".to_owned()
    } else if error.is_connect() {
        format!("no connection ({})", root_cause(error))
    } else {
        format!("the connection broke ({})", root_cause(error))
    };
    ModelError::Unreachable(what)
}

/// The innermost error. The outer ones repeat the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A random number in 0..1, another one in each process.
fn jitter(attempt: u32) -> f64 {
    f64::from(RandomState::new().hash_one(attempt) as u32) / f64::from(u32::MAX)
}
