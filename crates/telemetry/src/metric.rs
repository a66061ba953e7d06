use std::collections::HashMap;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// The metrics could not be set up or written out. Either is a mistake in the code, not of the operator.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// Counters that differ by one label, whose values come from the code.
#[derive(Debug, Clone)]
pub struct Family(IntCounterVec);

impl Family {
    /// The counter of `value`.
    #[must_use]
    pub fn with(&self, value: &'static str) -> IntCounter {
        self.0.with_label_values(&[value])
    }
}

/// Makes metrics and keeps them together.
pub(crate) struct Metrics(Registry);

impl Metrics {
    /// Every metric carries the label `node`.
    pub(crate) fn new(node: &str) -> Result<Self, MetricsError> {
        let labels = HashMap::from([("node".to_owned(), node.to_owned())]);
        Ok(Self(Registry::new_custom(None, Some(labels))?))
    }

    pub(crate) fn gauge(&self, name: &str, about: &str) -> Result<IntGauge, MetricsError> {
        let gauge = IntGauge::new(name, about)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    pub(crate) fn counter(&self, name: &str, about: &str) -> Result<IntCounter, MetricsError> {
        let counter = IntCounter::new(name, about)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    pub(crate) fn family(&self, name: &str, about: &str, label: &str) -> Result<Family, MetricsError> {
        Ok(Family(self.counters(name, about, &[label])?))
    }

    pub(crate) fn counters(&self, name: &str, about: &str, labels: &[&str]) -> Result<IntCounterVec, MetricsError> {
        let counters = IntCounterVec::new(Opts::new(name, about), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    pub(crate) fn gauges(&self, name: &str, about: &str, labels: &[&str]) -> Result<IntGaugeVec, MetricsError> {
        let gauges = IntGaugeVec::new(Opts::new(name, about), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    pub(crate) fn histograms(
        &self,
        name: &str,
        about: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricsError> {
        let histograms = HistogramVec::new(HistogramOpts::new(name, about).buckets(buckets.to_vec()), labels)?;
        self.0.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }

    pub(crate) fn histogram(&self, name: &str, about: &str, buckets: &[f64]) -> Result<Histogram, MetricsError> {
        let histogram = Histogram::with_opts(HistogramOpts::new(name, about).buckets(buckets.to_vec()))?;
        self.0.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    pub(crate) fn render(&self) -> Result<String, MetricsError> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}
