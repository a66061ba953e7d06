//! What the model budget does.

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::metric::{Metrics, MetricsError};

/// What a node counts about the budget of its models. Part of [`crate::NodeMetrics`]; clones count together.
#[derive(Debug, Clone)]
pub struct BudgetMetrics {
    wait: HistogramVec,
    refused: IntCounterVec,
    rate: IntGaugeVec,
    store_away: IntGaugeVec,
}

/// From no wait to the end of a visitor's patience.
const WAIT_MS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0];

impl BudgetMetrics {
    /// All series of all models are there from the start.
    pub(crate) fn new(m: &Metrics, models: &BTreeSet<String>) -> Result<Self, MetricsError> {
        let metrics = Self {
            wait: m.histograms(
                "frontdesk_budget_wait_ms",
                "Milliseconds that granted turns waited for budget.",
                &["model"],
                &WAIT_MS,
            )?,
            refused: m.counters(
                "frontdesk_budget_refused_total",
                "Turns that got no budget in time, by reason.",
                &["model", "reason"],
            )?,
            rate: m.gauges(
                "frontdesk_budget_rate",
                "What all nodes together may ask for now, a minute: requests or tokens. 0: not limited.",
                &["model", "of"],
            )?,
            store_away: m.gauges(
                "frontdesk_budget_store_away",
                "1 while this node goes on with its own part of the rate.",
                &["model"],
            )?,
        };
        for model in models {
            metrics.wait.with_label_values(&[model]);
            metrics.rate(model, None, None);
            metrics.store_away(model, false);
        }
        Ok(metrics)
    }

    /// A turn got budget of `model` after `wait`.
    pub fn granted(&self, model: &str, wait: Duration) {
        self.wait.with_label_values(&[model]).observe(wait.as_secs_f64() * 1_000.0);
    }

    /// A turn got none; `reason` is one of the code's own.
    pub fn refused(&self, model: &str, reason: &'static str) {
        self.refused.with_label_values(&[model, reason]).inc();
    }

    /// What `model` is asked for at most now, requests and tokens a minute.
    pub fn rate(&self, model: &str, requests: Option<f64>, tokens: Option<f64>) {
        for (of, rate) in [("requests", requests), ("tokens", tokens)] {
            self.rate.with_label_values(&[model, of]).set(rate.map_or(0, |rate| rate.max(1.0) as i64));
        }
    }

    /// Whether the store is away.
    pub fn store_away(&self, model: &str, is_away: bool) {
        self.store_away.with_label_values(&[model]).set(i64::from(is_away));
    }
}
