//! Any server that speaks OpenAI's chat completions, streamed.
//!
//! reqwest and a reader of our own rather than a full client: the full ones refuse answers that servers really send, and
//! drop the headers that tell what is left of the quota.
//!
//! One call of [`Model::answer`] is one attempt. Two things are repeated inside it, at once and once each: a request whose
//! connection broke before one byte of a response (it may have been idle too long: the next one is fresh), and a request
//! that a server refused for the tool it offered.

mod answer;
mod body;
mod chunk;
mod clients;
mod quota;
mod refusal;
mod request;
mod span;
mod tool;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt;
use outbound::Pair;
use protocol::function::AiQuota;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout_at};

use self::answer::Answer;
use self::clients::Clients;
use crate::Error;
use crate::model::{Model, ModelError, Piece, Pieces};
use crate::prompt::Prompt;
use crate::settings::OpenAiSettings;

/// The most of an error's body that is read, in bytes.
const MAX_ERROR_BYTES: usize = 16 * 1024;

/// A model behind an OpenAI-compatible API.
#[derive(Clone, Debug)]
pub struct OpenAiModel {
    server: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    clients: Clients,
    /// The model's name in the configuration.
    name: String,
    /// The model's name at the server.
    model: String,
    url: Url,
    models_url: Url,
    max_tokens: u32,
    /// It refused a request with a tool, and took the same one without.
    refuses_tools: AtomicBool,
}

/// What came of a request that reached the server.
struct Opened {
    quota: Option<AiQuota>,
    response: Result<Response, Refusal>,
}

struct Refusal {
    error: ModelError,
    may_be_about_tools: bool,
}

impl OpenAiModel {
    /// Prepares the clients; connects to nothing.
    ///
    /// # Errors
    /// The key has characters that no header may have, or TLS cannot be set up.
    pub fn new(settings: &OpenAiSettings) -> Result<Self, Error> {
        let url = request::url(&settings.base_url);
        let parse = |url: &str| url.parse().map_err(|_| Error::Client(format!("{url}: not an address")));
        let server = Server {
            clients: Clients::new(settings)?,
            name: settings.model.clone(),
            model: settings.name.clone(),
            models_url: parse(&request::models_url(&url))?,
            url: parse(&url)?,
            max_tokens: settings.max_tokens,
            refuses_tools: AtomicBool::new(false),
        };
        Ok(Self { server: Arc::new(server) })
    }
}

impl Model for OpenAiModel {
    fn answer(&self, prompt: Prompt) -> Pieces {
        let server = Arc::clone(&self.server);
        let span = span::chat(&server.model, &server.url, server.max_tokens);
        let watched = span.clone();
        let pieces = async_stream::try_stream! {
            let lease = server.clients.take();
            let with_tool = prompt.may_hand_over && !server.refuses_tools.load(Ordering::Relaxed);
            let mut opened = server.ask(lease.pair(), &prompt, with_tool).await?;
            if with_tool && let Err(refusal) = &opened.response && refusal.may_be_about_tools {
                if let Some(quota) = opened.quota.take() {
                    yield Piece::Quota(quota);
                }
                yield Piece::Failed(refusal.error.clone());
                yield Piece::Asking(server.name.clone());
                opened = server.ask(lease.pair(), &prompt, false).await?;
                server.handle_answer_without_tool(&opened);
            }
            if let Some(quota) = opened.quota {
                yield Piece::Quota(quota);
            }
            let mut response = opened.response.map_err(|refusal| refusal.error)?;
            let mut answer = Answer::new(&server.name);
            while let Some(bytes) = read(&mut response, answer.over_by()).await? {
                let taken = answer.handle_bytes(&bytes, Instant::now());
                while let Some(piece) = answer.poll_piece() {
                    yield piece;
                }
                taken?;
            }
            span::handle_answer(&span, &answer);
            let ended = answer.handle_end();
            while let Some(piece) = answer.poll_piece() {
                yield piece;
            }
            ended?;
        };
        Box::pin(pieces.inspect(move |piece| span::handle_piece(&watched, piece)))
    }

    fn name(&self) -> &str {
        &self.server.name
    }

    fn warm_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.server.clients.warm_up(&self.server.models_url))
    }
}

impl Server {
    /// Asks, and waits for the head of the response.
    async fn ask(&self, clients: &Pair, prompt: &Prompt, with_tool: bool) -> Result<Opened, ModelError> {
        let body = Bytes::from(request::body(prompt, &self.model, self.max_tokens, self.url.as_str(), with_tool));
        let response = clients.send(|client| client.post(self.url.clone()).body(body.clone())).await;
        let response = response.map_err(|error| unreachable(&error))?;
        let (status, now) = (response.status(), SystemTime::now());
        let quota = quota::read(&self.name, status, response.headers(), now);
        if status.is_success() {
            return Ok(Opened { quota, response: Ok(response) });
        }
        let retry_after = quota::retry_after(response.headers(), now);
        let body = error_body(response).await;
        let error = refusal::of_status(status, retry_after, &body);
        let may_be_about_tools = refusal::may_be_about_tools(status, &body);
        Ok(Opened { quota, response: Err(Refusal { error, may_be_about_tools }) })
    }

    /// The same request was refused with a tool. If it was taken without, the next ones carry none.
    fn handle_answer_without_tool(&self, opened: &Opened) {
        if opened.response.is_ok() {
            tracing::warn!(model = self.name, "the model's server refuses tools: the model cannot hand over");
            self.refuses_tools.store(true, Ordering::Relaxed);
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

fn headers(api_key: Option<&str>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(key) = api_key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
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
