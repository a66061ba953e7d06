//! What turns of the assistant took.

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounterVec};

use crate::metric::{Family, Metrics, MetricsError};

/// What stands for a site or a model that the configuration does not name, so that nothing that came over a wire makes a
/// new series.
const UNNAMED: &str = "other";

/// What stands for the model where none was asked.
const NO_MODEL: &str = "none";

/// What a node counts about its assistants. Part of [`crate::NodeMetrics`]; see docs/telemetry.md for OpenTelemetry's names.
pub struct AssistantMetrics {
    sites: BTreeSet<String>,
    models: BTreeSet<String>,
    response: HistogramVec,
    first_token: HistogramVec,
    tokens: IntCounterVec,
    /// `frontdesk_assistant_overhead_us`: until the first piece of an answer, without the wait for the model.
    pub overhead: Histogram,
    /// `frontdesk_fallbacks_total{reason}`: turns that no model answered, by why, like `model_timeout` or
    /// `function_unreachable`.
    pub fallbacks: Family,
}

/// One turn that ended.
#[derive(Debug, Clone, Copy)]
pub struct TurnTaken<'t> {
    /// The site's key.
    pub site: &'t str,
    /// The model that was asked last, by its name in the configuration. Empty: none.
    pub model: &'t str,
    /// How it ended, like `answer`, `intent`, `fallback`, `handover`.
    pub outcome: &'static str,
    /// All of it.
    pub time: Duration,
}

/// From a scripted model to a turn's longest deadline.
const ANSWER_MS: [f64; 12] =
    [50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 20_000.0, 30_000.0, 60_000.0, 120_000.0];
/// From a server beside the node to the end of a visitor's patience.
const FIRST_TOKEN_MS: [f64; 12] =
    [10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1_500.0, 3_000.0, 5_000.0, 8_000.0, 15_000.0];
/// Around the goal of 1 ms.
const OVERHEAD_US: [f64; 11] =
    [200.0, 300.0, 400.0, 500.0, 700.0, 1_000.0, 1_500.0, 2_500.0, 5_000.0, 20_000.0, 100_000.0];

impl AssistantMetrics {
    pub(crate) fn new(m: &Metrics, sites: BTreeSet<String>, models: BTreeSet<String>) -> Result<Self, MetricsError> {
        Ok(Self {
            sites,
            models,
            response: m.histograms(
                "ai_response_duration",
                "Milliseconds from the start of a turn to its outcome.",
                &["site", "model", "outcome"],
                &ANSWER_MS,
            )?,
            first_token: m.histograms(
                "frontdesk_first_token_ms",
                "Milliseconds from the start of a turn to the first piece of its answer.",
                &["model"],
                &FIRST_TOKEN_MS,
            )?,
            tokens: m.counters(
                "frontdesk_tokens_total",
                "Tokens of questions (input) and answers (output).",
                &["site", "model", "direction"],
            )?,
            overhead: m.histogram(
                "frontdesk_assistant_overhead_us",
                "Microseconds to the first piece of an answer, without the wait for the model.",
                &OVERHEAD_US,
            )?,
            fallbacks: m.family("frontdesk_fallbacks_total", "Turns that no model answered, by reason.", "reason")?,
        })
    }

    /// A turn ended.
    pub fn turn(&self, turn: TurnTaken<'_>) {
        let labels = [self.site(turn.site), self.model(turn.model), turn.outcome];
        self.response.with_label_values(&labels).observe(turn.time.as_secs_f64() * 1_000.0);
    }

    /// The first piece of a model's answer came after `time`.
    pub fn first_token(&self, model: &str, time: Duration) {
        self.first_token.with_label_values(&[self.model(model)]).observe(time.as_secs_f64() * 1_000.0);
    }

    /// A turn took so many tokens for its question and its answer.
    pub fn tokens(&self, site: &str, model: &str, input: u64, output: u64) {
        for (direction, tokens) in [("input", input), ("output", output)] {
            self.tokens.with_label_values(&[self.site(site), self.model(model), direction]).inc_by(tokens);
        }
    }

    fn site<'a>(&self, site: &'a str) -> &'a str {
        if self.sites.contains(site) { site } else { UNNAMED }
    }

    fn model<'a>(&self, model: &'a str) -> &'a str {
        match model {
            "" => NO_MODEL,
            known if self.models.contains(known) => known,
            _ => UNNAMED,
        }
    }
}
