//! What one turn took, for the metrics.

use std::time::{Duration, Instant};

use conversation::{AnswerEnd, Outcome};
use protocol::function::AiReport;
use telemetry::{AssistantMetrics, TurnTaken};

/// One turn as it goes on.
#[derive(Debug)]
pub(super) struct Record {
    site: String,
    started: Instant,
    first_delta: Option<Duration>,
    report: AiReport,
    fallback: Option<&'static str>,
}

impl Record {
    /// A turn that begins now.
    pub(super) fn new(site: &str) -> Self {
        let (started, report) = (Instant::now(), AiReport::default());
        Self { site: site.to_owned(), started, first_delta: None, report, fallback: None }
    }

    /// Whether a piece of the answer has come.
    pub(super) fn has_begun(&self) -> bool {
        self.first_delta.is_some()
    }

    pub(super) fn handle_delta(&mut self) {
        if self.first_delta.is_none() {
            self.first_delta = Some(self.started.elapsed());
        }
    }

    pub(super) fn handle_report(&mut self, report: AiReport) {
        // Also where the function then answers by itself, no model did.
        self.fallback = report.failure.map(|failure| failure.as_str());
        self.report = report;
    }

    /// The node answers in the function's place.
    pub(super) fn handle_fallback(&mut self, reason: &'static str) {
        self.fallback = Some(reason);
    }

    /// The turn is over.
    pub(super) fn end(self, metrics: &AssistantMetrics, outcome: &Outcome) {
        let Self { site, started, first_delta, report, fallback } = self;
        let model = report.model.as_str();
        let name = name(outcome, first_delta.is_some());
        metrics.turn(TurnTaken { site: &site, model, outcome: name, time: started.elapsed() });
        if report.prompt_tokens + report.completion_tokens > 0 {
            metrics.tokens(&site, model, report.prompt_tokens, report.completion_tokens);
        }
        match (first_delta, fallback) {
            // An intent's reply may come in pieces too.
            (Some(_), _) if model.is_empty() => {}
            (Some(first), _) => {
                metrics.first_token(model, first);
                // Without a report nobody knows how much of it the model took.
                if report.first_token_us.is_some() {
                    let overhead = first.saturating_sub(Duration::from_micros(report.model_us));
                    metrics.overhead.observe(overhead.as_secs_f64() * 1e6);
                }
            }
            (None, Some(reason)) => metrics.fallbacks.with(reason).inc(),
            (None, None) => {}
        }
    }
}

/// The label of `ai_response_duration`; the core makes the site's own words, or a handover, of a failure.
fn name(outcome: &Outcome, has_begun: bool) -> &'static str {
    match outcome {
        Outcome::Answer { end: AnswerEnd::Intent, .. } => "intent",
        Outcome::Answer { end: AnswerEnd::Fallback, .. } => "fallback",
        Outcome::Answer { end: AnswerEnd::Interrupted, .. } => "interrupted",
        Outcome::Answer { end: AnswerEnd::Complete | AnswerEnd::Stopped, .. } => "answer",
        Outcome::Handover { .. } => "handover",
        Outcome::Failure if has_begun => "interrupted",
        Outcome::Failure => "fallback",
    }
}
