use std::collections::BTreeSet;
use std::fmt;

use prometheus::{Histogram, IntCounter, IntGauge};

use crate::assistant::AssistantMetrics;
use crate::budget::BudgetMetrics;
use crate::metric::{Family, Metrics, MetricsError};
use crate::traces::Traces;

/// What a node counts. Every metric carries the label `node`.
///
/// Times are in the unit that the name ends with; `ai_response_duration` is in milliseconds.
pub struct NodeMetrics {
    metrics: Metrics,
    /// `chat_session_active`: connections that have been welcomed and are open.
    pub sessions: IntGauge,
    /// `frontdesk_connections_open`: sockets that are open, welcomed or not.
    pub connections: IntGauge,
    /// `frontdesk_connections_accepted_total`.
    pub accepted: IntCounter,
    /// `frontdesk_connections_closed_total{reason}`: by the name of the close code.
    pub closed: Family,
    /// `frontdesk_refusals_total{code}`: errors sent to clients, by the name of the error code.
    pub refusals: Family,
    /// `frontdesk_http_responses_total{status}`: answers to plain requests, by class: `2xx`, `3xx`, `4xx`, `5xx`.
    pub http_responses: Family,
    /// `frontdesk_frames_received_total`.
    pub frames_received: IntCounter,
    /// `frontdesk_frames_sent_total`.
    pub frames_sent: IntCounter,
    /// `frontdesk_bytes_sent_total`: payload bytes of frames.
    pub bytes_sent: IntCounter,
    /// `frontdesk_queue_bytes`: waiting to be written, over all connections.
    pub queue_bytes: IntGauge,
    /// `frontdesk_messages_total`: visitors' messages that were stored.
    pub messages: IntCounter,
    /// `frontdesk_deltas_total`: pieces of answers that came from functions.
    pub deltas: IntCounter,
    /// `frontdesk_conversations_loaded`: conversations in memory.
    pub conversations: IntGauge,
    /// `frontdesk_turns_running`.
    pub turns_running: IntGauge,
    /// `frontdesk_turns_total{outcome}`: by how they ended, like `complete`, `stopped`, `fallback`, `handover`.
    pub turns: Family,
    /// `frontdesk_invocations_total{result}`: by how they ended, like `ok`, `throttled`, `failed`.
    pub invocations: Family,
    /// `frontdesk_store_errors_total{operation}`.
    pub store_errors: Family,
    /// `frontdesk_bus_errors_total`: messages to other nodes that the bus did not take.
    pub bus_errors: IntCounter,
    /// `frontdesk_due_claimed_total`: conversations taken over because their due time had come.
    pub due_claimed: IntCounter,
    /// `frontdesk_appends_fenced_total`: appends kept out because another node had claimed the conversation.
    pub fenced: IntCounter,
    /// `frontdesk_logs_lost_total`: logs that were found shorter than, or other than, they had been.
    pub resets: IntCounter,
    /// `frontdesk_conversations_ended_total{by}`: by the site's rules: `closed`, `forgotten`; on request: `erased`.
    pub ended: Family,
    /// `frontdesk_store_reachable`: 1 while the store answers.
    pub store_reachable: IntGauge,
    /// `frontdesk_bus_reachable`: 1 while the bus answers, or if there is none.
    pub bus_reachable: IntGauge,
    /// `frontdesk_clock_difference_ms`: by how much this node's clock is apart from that of another one, the largest.
    pub clock_difference: IntGauge,
    /// What turns of the assistant took, `ai_response_duration` among it.
    pub assistant: AssistantMetrics,
    /// What the budget of the models does.
    pub budget: BudgetMetrics,
    /// `frontdesk_append_ms`: one append to the store, until it is durable.
    pub append: Histogram,
}

/// From memory to a disk that is in trouble.
const APPEND_MS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 100.0, 500.0, 2_500.0];

impl NodeMetrics {
    /// Metrics of the node called `node`, all at zero, with the keys of its sites and the names of its models.
    ///
    /// # Errors
    /// A metric is declared wrongly.
    pub fn new(node: &str, sites: &[&str], models: &[&str]) -> Result<Self, MetricsError> {
        let m = Metrics::new(node)?;
        Ok(Self {
            sessions: m.gauge("chat_session_active", "Connections that have been welcomed and are open.")?,
            connections: m.gauge("frontdesk_connections_open", "Sockets that are open, welcomed or not.")?,
            accepted: m.counter("frontdesk_connections_accepted_total", "Connections that were taken.")?,
            closed: m.family(
                "frontdesk_connections_closed_total",
                "Connections that ended, by close code.",
                "reason",
            )?,
            refusals: m.family("frontdesk_refusals_total", "Errors sent to clients, by code.", "code")?,
            http_responses: m.family("frontdesk_http_responses_total", "Answers to plain requests.", "status")?,
            frames_received: m.counter("frontdesk_frames_received_total", "Frames from clients.")?,
            frames_sent: m.counter("frontdesk_frames_sent_total", "Frames to clients.")?,
            bytes_sent: m.counter("frontdesk_bytes_sent_total", "Payload bytes of frames to clients.")?,
            queue_bytes: m.gauge("frontdesk_queue_bytes", "Bytes waiting to be written, over all connections.")?,
            messages: m.counter("frontdesk_messages_total", "Visitors' messages that were stored.")?,
            deltas: m.counter("frontdesk_deltas_total", "Pieces of answers that came from functions.")?,
            conversations: m.gauge("frontdesk_conversations_loaded", "Conversations in memory.")?,
            turns_running: m.gauge("frontdesk_turns_running", "Turns whose function is running.")?,
            turns: m.family("frontdesk_turns_total", "Turns that ended, by outcome.", "outcome")?,
            invocations: m.family("frontdesk_invocations_total", "Invocations of functions, by result.", "result")?,
            store_errors: m.family("frontdesk_store_errors_total", "Operations the store failed.", "operation")?,
            bus_errors: m
                .counter("frontdesk_bus_errors_total", "Messages to other nodes that the bus did not take.")?,
            due_claimed: m
                .counter("frontdesk_due_claimed_total", "Conversations whose due time this node took over.")?,
            fenced: m.counter("frontdesk_appends_fenced_total", "Appends kept out by another node's claim.")?,
            resets: m.counter("frontdesk_logs_lost_total", "Logs in which acknowledged events were missing.")?,
            ended: m.family("frontdesk_conversations_ended_total", "Conversations closed or forgotten.", "by")?,
            store_reachable: m.gauge("frontdesk_store_reachable", "1 while the store answers.")?,
            bus_reachable: m.gauge("frontdesk_bus_reachable", "1 while the bus answers.")?,
            clock_difference: m.gauge(
                "frontdesk_clock_difference_ms",
                "Milliseconds by which this node's clock is apart from another node's, the largest.",
            )?,
            assistant: AssistantMetrics::new(&m, owned(sites), owned(models))?,
            budget: BudgetMetrics::new(&m, &owned(models))?,
            append: m.histogram("frontdesk_append_ms", "Milliseconds of one append to the store.", &APPEND_MS)?,
            metrics: m,
        })
    }

    /// Counts what becomes of these spans, too.
    ///
    /// # Errors
    /// It does so already.
    pub fn count_spans(&self, traces: &Traces) -> Result<(), MetricsError> {
        traces.register(self.metrics.registry())
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// A metric is declared wrongly.
    pub fn render(&self) -> Result<String, MetricsError> {
        self.metrics.render()
    }
}

fn owned(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl fmt::Debug for NodeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeMetrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use std::time::Duration;

    use super::*;
    use crate::TurnTaken;

    fn metrics(node: &str) -> NodeMetrics {
        NodeMetrics::new(node, &["shop"], &["default"]).unwrap()
    }

    fn taken<'t>(site: &'t str, model: &'t str, ms: u64) -> TurnTaken<'t> {
        TurnTaken { site, model, outcome: "answer", time: Duration::from_millis(ms) }
    }

    /// The page without its comments and buckets.
    fn values(metrics: &NodeMetrics) -> String {
        let page = metrics.render().unwrap();
        let shown = |line: &&str| !line.starts_with('#') && !line.contains("_bucket") && !line.ends_with(" 0");
        page.lines().filter(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_was_counted_is_on_the_page_under_the_nodes_name() {
        let metrics = metrics("node-1");
        metrics.sessions.add(3);
        metrics.refusals.with("rate_limited").inc();
        metrics.refusals.with("rate_limited").inc();
        metrics.turns.with("complete").inc();
        metrics.assistant.turn(taken("shop", "default", 1_234));
        metrics.assistant.tokens("shop", "default", 30, 7);

        expect![[r#"
            ai_response_duration_sum{model="default",outcome="answer",site="shop",node="node-1"} 1234
            ai_response_duration_count{model="default",outcome="answer",site="shop",node="node-1"} 1
            chat_session_active{node="node-1"} 3
            frontdesk_refusals_total{code="rate_limited",node="node-1"} 2
            frontdesk_tokens_total{direction="input",model="default",site="shop",node="node-1"} 30
            frontdesk_tokens_total{direction="output",model="default",site="shop",node="node-1"} 7
            frontdesk_turns_total{outcome="complete",node="node-1"} 1"#]]
        .assert_eq(&values(&metrics));
    }

    #[test]
    fn two_nodes_in_one_process_count_apart() {
        let (first, second) = (metrics("a"), metrics("b"));
        first.messages.inc();

        assert_eq!(values(&first), "frontdesk_messages_total{node=\"a\"} 1");
        assert_eq!(values(&second), "");
    }

    #[test]
    fn the_answers_time_is_counted_in_milliseconds() {
        let metrics = metrics("a");
        metrics.assistant.turn(taken("shop", "default", 99));

        let page = metrics.render().unwrap();
        let bucket = |le: &str| {
            let labels = r#"model="default",outcome="answer",site="shop",node="a""#;
            page.contains(&format!("ai_response_duration_bucket{{{labels},le=\"{le}\"}} {}", u8::from(le == "100")))
        };
        assert!(bucket("50") && bucket("100"), "{page}");
    }

    #[test]
    fn names_that_no_configuration_has_make_no_series_of_their_own() {
        let metrics = metrics("a");
        for model in ["gpt-1", "gpt-2", ""] {
            metrics.assistant.turn(taken("elsewhere", model, 1));
        }

        let page = values(&metrics);
        let counts: Vec<_> = page.lines().filter(|line| line.starts_with("ai_response_duration_count")).collect();
        assert_eq!(
            counts,
            [
                r#"ai_response_duration_count{model="none",outcome="answer",site="other",node="a"} 1"#,
                r#"ai_response_duration_count{model="other",outcome="answer",site="other",node="a"} 2"#,
            ]
        );
    }
}
