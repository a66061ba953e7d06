use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

use crate::metric::MetricsError;
use crate::traces::Traces;

/// The label of what the configuration does not know, so that the number of labels is bounded.
const OTHER: &str = "other";

/// What the function `ai` counts.
///
/// Times are in the unit that the name ends with; `ai_response_duration` is in milliseconds. The labels `site` and `model`
/// are names of the configuration, or `other`; the others come from the code.
pub struct AiMetrics {
    registry: Registry,
    known: BTreeSet<String>,
    response: HistogramVec,
    first_token: HistogramVec,
    added: HistogramVec,
    tokens: IntCounterVec,
    waits: HistogramVec,
    attempts: IntCounterVec,
    failed_attempts: IntCounterVec,
    refusals: IntCounterVec,
    fallbacks: IntCounterVec,
    operation: HistogramVec,
    first_chunk: HistogramVec,
    output_chunk: HistogramVec,
    token_usage: HistogramVec,
}

/// What one turn took.
#[derive(Clone, Copy, Debug, Default)]
pub struct AiTurn<'a> {
    /// The site's key.
    pub site: &'a str,
    /// The model that answered or failed last. Empty: none was asked.
    pub model: &'a str,
    /// How the turn ended: a word of the code.
    pub outcome: &'static str,
    /// The whole turn.
    pub total: Duration,
    /// Until the first piece of the answer.
    pub first_token: Option<Duration>,
    /// What of that was not waiting for a model's server.
    pub added: Option<Duration>,
    /// Between two pieces, on average.
    pub per_piece: Option<Duration>,
    /// Of the question.
    pub prompt_tokens: u64,
    /// Of the answer.
    pub completion_tokens: u64,
    /// Why no model answered.
    pub failure: Option<&'static str>,
}

/// From a scripted model to a turn's longest deadline.
const ANSWER_MS: [f64; 12] =
    [50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 20_000.0, 30_000.0, 60_000.0, 120_000.0];
/// Around the goal of 1 ms for node and function together.
const ADDED_US: [f64; 11] = [25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0, 2_500.0, 10_000.0, 100_000.0];
/// From the first random wait to the longest that a first token's clock allows.
const WAIT_MS: [f64; 8] = [10.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 10_000.0];
/// As OpenTelemetry's conventions for generative AI advise.
const OPERATION_S: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_CHUNK_S: [f64; 14] = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 10.0];
const OUTPUT_CHUNK_S: [f64; 12] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 2.5];
const USAGE: [f64; 11] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

impl AiMetrics {
    /// Metrics for these sites and models of the configuration, all at zero.
    ///
    /// # Errors
    /// A metric is declared wrongly.
    pub fn new<'a>(
        sites: impl IntoIterator<Item = &'a str>,
        models: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let histogram = |name: &str, about: &str, buckets: &[f64], labels: &[&str]| {
            let histogram = HistogramVec::new(HistogramOpts::new(name, about).buckets(buckets.to_vec()), labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, MetricsError>(histogram)
        };
        let counter = |name: &str, about: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, about), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, MetricsError>(counter)
        };
        Ok(Self {
            known: sites.into_iter().chain(models).map(str::to_owned).collect(),
            response: histogram(
                "ai_response_duration",
                "Milliseconds of a whole turn in the function.",
                &ANSWER_MS,
                &["site", "model", "outcome"],
            )?,
            first_token: histogram(
                "frontdesk_ai_first_token_ms",
                "Milliseconds from the start of a turn to the first piece of its answer.",
                &ANSWER_MS,
                &["site", "model"],
            )?,
            added: histogram(
                "frontdesk_ai_added_us",
                "Microseconds to the first piece of an answer without the model's own time.",
                &ADDED_US,
                &["model"],
            )?,
            tokens: counter("frontdesk_ai_tokens_total", "Tokens.", &["site", "model", "kind"])?,
            waits: histogram(
                "frontdesk_ai_wait_ms",
                "Milliseconds between a failed attempt and the next one.",
                &WAIT_MS,
                &["model"],
            )?,
            attempts: counter("frontdesk_ai_attempts_total", "Requests to models' servers.", &["model"])?,
            failed_attempts: counter(
                "frontdesk_ai_failed_attempts_total",
                "Requests that brought no answer, by reason.",
                &["model", "reason"],
            )?,
            refusals: counter("frontdesk_ai_refusals_total", "Requests refused with 429.", &["model"])?,
            fallbacks: counter(
                "frontdesk_ai_fallbacks_total",
                "Turns that no model answered, by reason.",
                &["site", "reason"],
            )?,
            operation: histogram(
                "gen_ai_client_operation_duration_seconds",
                "Duration of a chat with a model.",
                &OPERATION_S,
                &["gen_ai_request_model"],
            )?,
            first_chunk: histogram(
                "gen_ai_client_operation_time_to_first_chunk_seconds",
                "Time to the first piece of an answer.",
                &FIRST_CHUNK_S,
                &["gen_ai_request_model"],
            )?,
            output_chunk: histogram(
                "gen_ai_client_operation_time_per_output_chunk_seconds",
                "Time between two pieces of an answer, on its average.",
                &OUTPUT_CHUNK_S,
                &["gen_ai_request_model"],
            )?,
            token_usage: histogram(
                "gen_ai_client_token_usage",
                "Tokens of a chat.",
                &USAGE,
                &["gen_ai_request_model", "gen_ai_token_type"],
            )?,
            registry,
        })
    }

    /// A request to a model's server is sent.
    pub fn handle_attempt(&self, model: &str) {
        self.attempts.with_label_values(&[self.label(model)]).inc();
    }

    /// A request brought no answer.
    pub fn handle_failed_attempt(&self, model: &str, reason: &'static str) {
        self.failed_attempts.with_label_values(&[self.label(model), reason]).inc();
    }

    /// A server refused a request with 429.
    pub fn handle_refusal(&self, model: &str) {
        self.refusals.with_label_values(&[self.label(model)]).inc();
    }

    /// A turn waited so long before it asked this model again, or next.
    pub fn handle_wait(&self, model: &str, wait: Duration) {
        self.waits.with_label_values(&[self.label(model)]).observe(wait.as_secs_f64() * 1_000.0);
    }

    /// A turn has ended.
    pub fn handle_turn(&self, turn: &AiTurn<'_>) {
        let (site, model) = (self.label(turn.site), self.label(turn.model));
        self.response.with_label_values(&[site, model, turn.outcome]).observe(turn.total.as_secs_f64() * 1_000.0);
        if let Some(reason) = turn.failure {
            self.fallbacks.with_label_values(&[site, reason]).inc();
        }
        if turn.model.is_empty() {
            return;
        }
        self.operation.with_label_values(&[model]).observe(turn.total.as_secs_f64());
        for (kind, tokens) in [("input", turn.prompt_tokens), ("output", turn.completion_tokens)] {
            self.tokens.with_label_values(&[site, model, kind]).inc_by(tokens);
            self.token_usage.with_label_values(&[model, kind]).observe(tokens as f64);
        }
        if let Some(first_token) = turn.first_token {
            self.first_token.with_label_values(&[site, model]).observe(first_token.as_secs_f64() * 1_000.0);
            self.first_chunk.with_label_values(&[model]).observe(first_token.as_secs_f64());
        }
        if let Some(added) = turn.added {
            self.added.with_label_values(&[model]).observe(added.as_secs_f64() * 1_000_000.0);
        }
        if let Some(per_piece) = turn.per_piece {
            self.output_chunk.with_label_values(&[model]).observe(per_piece.as_secs_f64());
        }
    }

    /// Counts what becomes of these spans, too.
    ///
    /// # Errors
    /// It does so already.
    pub fn count_spans(&self, traces: &Traces) -> Result<(), MetricsError> {
        traces.register(&self.registry)
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// A metric is declared wrongly.
    pub fn render(&self) -> Result<String, MetricsError> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    /// `name`, if it is one of the configuration; a node may know sites that this function does not.
    fn label<'n>(&self, name: &'n str) -> &'n str {
        match name {
            "" => "none",
            name if self.known.contains(name) => name,
            _ => OTHER,
        }
    }
}

impl fmt::Debug for AiMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiMetrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// The page without its comments and buckets.
    fn values(metrics: &AiMetrics) -> String {
        let page = metrics.render().unwrap();
        let shown = |line: &&str| !line.starts_with('#') && !line.contains("_bucket");
        page.lines().filter(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_turn_is_on_the_page_by_site_model_and_outcome() {
        let metrics = AiMetrics::new(["shop"], ["own"]).unwrap();
        metrics.handle_attempt("own");
        metrics.handle_refusal("own");
        metrics.handle_failed_attempt("own", "model_overloaded");
        metrics.handle_wait("own", Duration::from_millis(120));
        metrics.handle_turn(&AiTurn {
            site: "shop",
            model: "own",
            outcome: "answer",
            total: Duration::from_millis(2_000),
            first_token: Some(Duration::from_millis(400)),
            added: Some(Duration::from_micros(90)),
            per_piece: Some(Duration::from_millis(25)),
            prompt_tokens: 70,
            completion_tokens: 20,
            failure: None,
        });

        expect![[r#"
            ai_response_duration_sum{model="own",outcome="answer",site="shop"} 2000
            ai_response_duration_count{model="own",outcome="answer",site="shop"} 1
            frontdesk_ai_added_us_sum{model="own"} 90
            frontdesk_ai_added_us_count{model="own"} 1
            frontdesk_ai_attempts_total{model="own"} 1
            frontdesk_ai_failed_attempts_total{model="own",reason="model_overloaded"} 1
            frontdesk_ai_first_token_ms_sum{model="own",site="shop"} 400
            frontdesk_ai_first_token_ms_count{model="own",site="shop"} 1
            frontdesk_ai_refusals_total{model="own"} 1
            frontdesk_ai_tokens_total{kind="input",model="own",site="shop"} 70
            frontdesk_ai_tokens_total{kind="output",model="own",site="shop"} 20
            frontdesk_ai_wait_ms_sum{model="own"} 120
            frontdesk_ai_wait_ms_count{model="own"} 1
            gen_ai_client_operation_duration_seconds_sum{gen_ai_request_model="own"} 2
            gen_ai_client_operation_duration_seconds_count{gen_ai_request_model="own"} 1
            gen_ai_client_operation_time_per_output_chunk_seconds_sum{gen_ai_request_model="own"} 0.025
            gen_ai_client_operation_time_per_output_chunk_seconds_count{gen_ai_request_model="own"} 1
            gen_ai_client_operation_time_to_first_chunk_seconds_sum{gen_ai_request_model="own"} 0.4
            gen_ai_client_operation_time_to_first_chunk_seconds_count{gen_ai_request_model="own"} 1
            gen_ai_client_token_usage_sum{gen_ai_request_model="own",gen_ai_token_type="input"} 70
            gen_ai_client_token_usage_count{gen_ai_request_model="own",gen_ai_token_type="input"} 1
            gen_ai_client_token_usage_sum{gen_ai_request_model="own",gen_ai_token_type="output"} 20
            gen_ai_client_token_usage_count{gen_ai_request_model="own",gen_ai_token_type="output"} 1"#]]
        .assert_eq(&values(&metrics));
    }

    #[test]
    fn names_that_the_configuration_does_not_know_share_one_label() {
        let metrics = AiMetrics::new(["shop"], ["own"]).unwrap();
        for site in ["a", "b"] {
            metrics.handle_turn(&AiTurn { site, outcome: "fallback", failure: Some("budget"), ..AiTurn::default() });
        }

        expect![[r#"
            ai_response_duration_sum{model="none",outcome="fallback",site="other"} 0
            ai_response_duration_count{model="none",outcome="fallback",site="other"} 2
            frontdesk_ai_fallbacks_total{reason="budget",site="other"} 2"#]]
        .assert_eq(&values(&metrics));
    }
}
