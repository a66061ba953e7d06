//! What a turn took: for the node (its report), for the operator (metrics and one log line), never what was said.

use std::sync::Arc;
use std::time::Duration;

use protocol::function::{AiOutcome, AiReport, AiRequest, FailureReason};
use telemetry::{AiMetrics, AiTurn};
use tokio::time::Instant;

use crate::model::{ModelError, Piece, Usage};
use crate::prompt::Prompt;
use crate::tokens;
use crate::trace;

/// What happened in a turn. Writes its line when dropped, so that a turn whose reader has gone is seen too.
#[derive(Debug)]
pub(crate) struct Record {
    metrics: Arc<AiMetrics>,
    site: String,
    conversation: String,
    turn: u32,
    /// The model that answers, or that failed last.
    model: String,
    started: Instant,
    attempts: u32,
    /// The server of a model is waited for since then.
    waiting_since: Option<Instant>,
    /// How long servers were waited for before.
    waited: Duration,
    /// An attempt failed then, and none has begun since.
    failed_at: Option<Instant>,
    first_delta: Option<Instant>,
    last_delta: Option<Instant>,
    deltas: u32,
    bytes: usize,
    prompt_estimate: u64,
    /// Characters are counted one delta at a time, so this is a little high.
    completion_estimate: u64,
    usage: Option<Usage>,
    error: Option<ModelError>,
    failure: Option<FailureReason>,
    outcome: Option<&'static str>,
}

impl Record {
    pub(crate) fn new(request: &AiRequest, metrics: Arc<AiMetrics>, started: Instant) -> Self {
        Self {
            metrics,
            site: request.site.clone(),
            conversation: request.conversation.clone(),
            turn: request.turn,
            model: String::new(),
            started,
            attempts: 0,
            waiting_since: None,
            waited: Duration::ZERO,
            failed_at: None,
            first_delta: None,
            last_delta: None,
            deltas: 0,
            bytes: 0,
            prompt_estimate: 0,
            completion_estimate: 0,
            usage: None,
            error: None,
            failure: None,
            outcome: None,
        }
    }

    /// This is about to be asked.
    pub(crate) fn handle_prompt(&mut self, prompt: &Prompt) {
        let texts = prompt.messages.iter().map(|message| message.text.as_str());
        self.prompt_estimate = texts.chain([prompt.rules.as_str()]).map(tokens::estimate_message).sum();
    }

    /// A piece has come at `now`. Texts count as deltas, once they are sent.
    pub(crate) fn handle_piece(&mut self, piece: &Piece, now: Instant) {
        match piece {
            Piece::Asking(model) => self.handle_attempt(model, now),
            Piece::Quota(quota) if quota.refused => self.metrics.handle_refusal(&quota.model),
            Piece::Heard(at) => self.stop_waiting(*at),
            Piece::Failed(error) => {
                self.stop_waiting(now);
                self.failed_at = Some(now);
                self.metrics.handle_failed_attempt(&self.model, error.reason().as_str());
            }
            Piece::Usage(usage) => self.usage = Some(*usage),
            Piece::Quota(_) | Piece::Text(_) | Piece::OfferPerson | Piece::Handover { .. } | Piece::End(_) => {}
        }
    }

    /// This piece of the answer is sent at `now`.
    pub(crate) fn handle_delta(&mut self, delta: &str, now: Instant) {
        self.stop_waiting(now);
        if self.first_delta.is_none() {
            self.first_delta = Some(now);
            trace::handle_first_token();
        }
        self.last_delta = Some(now);
        self.deltas += 1;
        self.bytes += delta.len();
        self.completion_estimate += tokens::estimate(delta);
    }

    /// The model has failed, or a clock ran out.
    pub(crate) fn handle_error(&mut self, error: ModelError, now: Instant) {
        self.stop_waiting(now);
        if !self.model.is_empty() {
            self.metrics.handle_failed_attempt(&self.model, error.reason().as_str());
        }
        self.failure = Some(error.reason());
        self.error = Some(error);
    }

    pub(crate) fn handle_outcome(&mut self, outcome: &AiOutcome) {
        self.outcome = Some(match outcome {
            AiOutcome::Answer(answer) if answer.fallback => "fallback",
            AiOutcome::Answer(answer) if answer.intent => "intent",
            AiOutcome::Answer(answer) if answer.interrupted => "interrupted",
            AiOutcome::Answer(_) => "answer",
            AiOutcome::Handover(_) => "handover",
            AiOutcome::Failure(failure) => {
                self.failure = Some(failure.reason);
                "failure"
            }
        });
    }

    /// For the node, right before the outcome at `now`.
    pub(crate) fn report(&self, now: Instant) -> AiReport {
        let usage = self.usage();
        AiReport {
            model: self.model.clone(),
            attempts: self.attempts,
            first_token_us: self.first_delta.map(|at| micros(at - self.started)),
            total_us: micros(now - self.started),
            model_us: micros(self.waited_until(now)),
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            counted: self.usage.is_some_and(|usage| usage.prompt_tokens > 0 && usage.completion_tokens > 0),
            failure: self.failure.filter(|_| self.first_delta.is_none()),
        }
    }

    fn handle_attempt(&mut self, model: &str, now: Instant) {
        self.stop_waiting(now);
        if let Some(failed_at) = self.failed_at.take() {
            self.metrics.handle_wait(model, now - failed_at);
        }
        self.metrics.handle_attempt(model);
        self.attempts += 1;
        model.clone_into(&mut self.model);
        self.usage = None;
        self.waiting_since = Some(now);
    }

    fn stop_waiting(&mut self, at: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += at - since;
        }
    }

    fn waited_until(&self, now: Instant) -> Duration {
        self.waited + self.waiting_since.map_or(Duration::ZERO, |since| now - since)
    }

    /// What the server counted, else estimates. A part of it that is zero was not counted.
    fn usage(&self) -> Usage {
        if self.attempts == 0 || self.was_turned_away() {
            return Usage::default();
        }
        let counted = self.usage.unwrap_or_default();
        let or = |count: u64, estimate: u64| if count > 0 { count } else { estimate };
        Usage {
            prompt_tokens: or(counted.prompt_tokens, self.prompt_estimate),
            completion_tokens: or(counted.completion_tokens, self.completion_estimate),
        }
    }

    /// No server took the question, so that none has counted it.
    fn was_turned_away(&self) -> bool {
        use FailureReason::{ModelOverloaded, ModelRefused, ModelUnreachable};
        let turned_away = matches!(self.failure, Some(ModelUnreachable | ModelRefused | ModelOverloaded));
        turned_away && self.usage.is_none() && self.first_delta.is_none()
    }

    fn per_piece(&self) -> Option<Duration> {
        Some((self.last_delta? - self.first_delta?) / self.deltas.checked_sub(1).filter(|gaps| *gaps > 0)?)
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}

impl Drop for Record {
    fn drop(&mut self) {
        let (now, usage) = (Instant::now(), self.usage());
        let first_token = self.first_delta.map(|at| at - self.started);
        let outcome = self.outcome.unwrap_or("abandoned");
        let failure = self.failure.filter(|_| self.first_delta.is_none()).map(FailureReason::as_str);
        trace::handle_end(&trace::Ended {
            model: &self.model,
            attempts: self.attempts,
            outcome,
            failure,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
        });
        self.metrics.handle_turn(&AiTurn {
            site: &self.site,
            model: &self.model,
            outcome,
            total: now - self.started,
            first_token,
            added: first_token.filter(|_| self.attempts > 0).map(|first| first.saturating_sub(self.waited)),
            per_piece: self.per_piece(),
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            failure,
        });
        let error = self.error.as_ref().map(ToString::to_string);
        tracing::info!(
            site = self.site,
            conversation = self.conversation,
            turn = self.turn,
            model = self.model,
            outcome,
            error,
            attempts = self.attempts,
            first_token_ms = first_token.map(|first| first.as_millis()),
            model_ms = self.waited_until(now).as_millis(),
            duration_ms = (now - self.started).as_millis(),
            deltas = self.deltas,
            bytes = self.bytes,
            prompt_tokens = usage.prompt_tokens,
            completion_tokens = usage.completion_tokens,
            counted = self.usage.is_some(),
            "turn ended"
        );
    }
}

#[cfg(test)]
mod tests;
