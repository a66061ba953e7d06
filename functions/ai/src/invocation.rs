//! One invocation: a payload in, a body of lines out. The same under Lambda ([`crate::lambda`]) and over HTTP
//! ([`crate::proxy`]).

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use protocol::function::{AiFailure, AiLine, AiOutcome, AiRequest, FailureReason, encode_line};
use serde_json::Value;
use telemetry::AiMetrics;
use tokio::time::Instant;

use crate::model::Model;
use crate::settings::{OUTCOME_MARGIN, Settings};
use crate::trace;
use crate::turn;

/// What all invocations share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ai {
    /// Whom to ask.
    pub(crate) model: Arc<dyn Model>,
    /// How.
    pub(crate) settings: Arc<Settings>,
    /// What is counted.
    pub(crate) metrics: Arc<AiMetrics>,
}

/// The type of a [`Body`].
pub(crate) const CONTENT_TYPE: &str = "application/x-ndjson";

/// The lines of one turn, as bytes. Dropping it ends the turn, and what it asked of a model.
pub(crate) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, serde_json::Error>> + Send>>;

impl Ai {
    /// Runs one turn. Whatever the payload is, the last line is an outcome.
    ///
    /// `deadline_ms` (Unix milliseconds) is what the invocation itself says; the payload's own `deadline_ms` counts too, the
    /// sooner of the two.
    pub(crate) fn body(&self, payload: Value, deadline_ms: u64) -> Body {
        let parent = trace::parent(&payload);
        let request: AiRequest = match serde_json::from_value(payload) {
            Ok(request) => request,
            // The error itself stays out of the log: it may repeat what a visitor wrote.
            Err(_) => {
                tracing::warn!("the request is not of the agreed shape, see protocol::function::AiRequest");
                return Box::pin(stream::iter([encoded(&failure(FailureReason::InvalidRequest))]));
            }
        };
        let until = Duration::from_millis(deadline_ms.min(request.deadline_ms.try_into().unwrap_or(0)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = Instant::now() + until.saturating_sub(now).min(LONGEST_TURN).saturating_sub(OUTCOME_MARGIN);
        let span = trace::answer(&request, parent.as_deref());
        let lines = turn::lines(
            request,
            Arc::clone(&self.model),
            Arc::clone(&self.settings),
            Arc::clone(&self.metrics),
            deadline,
        );
        trace::within(span, Box::pin(lines.map(|line| encoded(&line))))
    }
}

/// The longest turn: as long as Lambda lets a function run.
const LONGEST_TURN: Duration = Duration::from_secs(900);

fn failure(reason: FailureReason) -> AiLine {
    AiLine::Outcome(AiOutcome::Failure(AiFailure { reason }))
}

fn encoded(line: &AiLine) -> Result<Bytes, serde_json::Error> {
    encode_line(line).map(Bytes::from)
}
