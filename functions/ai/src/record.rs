//! One log line for each turn: times, sizes and outcome, never what was said.

use protocol::function::{AiOutcome, AiRequest};
use tokio::time::Instant;

use crate::model::{ModelError, Usage};

/// What happened in a turn. Writes its line when dropped, so that a turn whose reader has gone is seen too.
#[derive(Debug)]
pub(crate) struct Record {
    site: String,
    conversation: String,
    turn: u32,
    model: String,
    started: Instant,
    first_token_ms: Option<u128>,
    deltas: u32,
    bytes: usize,
    usage: Option<Usage>,
    error: Option<ModelError>,
    outcome: Option<&'static str>,
}

impl Record {
    pub(crate) fn new(request: &AiRequest, model: &str, started: Instant) -> Self {
        Self {
            site: request.site.clone(),
            conversation: request.conversation.clone(),
            turn: request.turn,
            model: model.to_owned(),
            started,
            first_token_ms: None,
            deltas: 0,
            bytes: 0,
            usage: None,
            error: None,
            outcome: None,
        }
    }

    pub(crate) fn handle_delta(&mut self, bytes: usize, now: Instant) {
        self.first_token_ms.get_or_insert((now - self.started).as_millis());
        self.deltas += 1;
        self.bytes += bytes;
    }

    pub(crate) fn handle_usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    pub(crate) fn handle_error(&mut self, error: ModelError) {
        self.error = Some(error);
    }

    pub(crate) fn handle_outcome(&mut self, outcome: &AiOutcome) {
        self.outcome = Some(match outcome {
            AiOutcome::Answer(answer) if answer.fallback => "fallback",
            AiOutcome::Answer(answer) if answer.interrupted => "interrupted",
            AiOutcome::Answer(_) => "answer",
            AiOutcome::Handover(_) => "handover",
            AiOutcome::Failure(failure) => failure.reason.as_str(),
        });
    }

    /// The server's count of the answer's tokens, else an estimate: about four bytes make a token, in English.
    fn completion_tokens(&self) -> u64 {
        let estimate = (self.bytes as u64).div_ceil(4);
        self.usage.map(|usage| usage.completion_tokens).filter(|tokens| *tokens > 0).unwrap_or(estimate)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let error = self.error.as_ref().map(ToString::to_string);
        tracing::info!(
            site = self.site,
            conversation = self.conversation,
            turn = self.turn,
            model = self.model,
            outcome = self.outcome.unwrap_or("abandoned"),
            error,
            first_token_ms = self.first_token_ms,
            duration_ms = self.started.elapsed().as_millis(),
            deltas = self.deltas,
            bytes = self.bytes,
            prompt_tokens = self.usage.map(|usage| usage.prompt_tokens),
            completion_tokens = self.completion_tokens(),
            "turn ended"
        );
    }
}
