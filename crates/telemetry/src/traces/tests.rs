use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use config::Config;
use serde_json::Value;
use tracing::info_span;

use super::*;

/// A node's and a trace's, as W3C's Trace Context shows them.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Does something that is traced, with this collector; gives what became of its spans, and its log lines.
fn traced(collector: SocketAddr, does: impl FnOnce()) -> (Traces, Vec<Value>) {
    let toml = format!("log.format = \"json\"\ntraces.url = \"http://{collector}/v1/traces\"");
    let config = Config::parse(&toml, []).unwrap();
    let program = Program { service: "conn-node", node: Some("node-1") };
    let (traces, layer) = open(&config.traces, program).unwrap().unwrap();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = crate::log::with_traces(&config.log, program.node, move || writer.clone(), Some(layer));
    tracing::subscriber::with_default(subscriber, does);
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (traces, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn dropped(traces: &Traces, reason: &str) -> u64 {
    traces.sender.as_ref().unwrap().1.dropped.with_label_values(&[reason]).get()
}

/// It is there, takes connections, and says nothing.
fn silent() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn turn() -> Span {
    info_span!(target: TARGET, parent: None, "turn")
}

#[test]
fn lines_of_a_traced_turn_name_its_trace_as_payloads_do() {
    let collector = silent();
    let mut parent = String::new();
    let (_, lines) = traced(collector.local_addr().unwrap(), || {
        turn().in_scope(|| {
            parent = traceparent();
            tracing::info!("the turn ended");
        });
        tracing::info!("nothing runs");
        assert_eq!((traceparent(), trace_id()), (String::new(), None));
    });

    let [version, trace, span, flags] = parent.split('-').collect::<Vec<_>>()[..] else { panic!("{parent}") };
    assert_eq!((version, trace.len(), span.len(), flags), ("00", 32, 16, "01"));
    assert_eq!((&lines[0]["trace_id"], &lines[0]["node"]), (&Value::from(trace), &Value::from("node-1")));
    assert_eq!((&lines[1]["trace_id"], &lines[1]["node"]), (&Value::Null, &Value::from("node-1")));
}

#[test]
fn a_span_goes_on_with_the_trace_that_a_payload_names_and_with_no_other() {
    let collector = silent();
    traced(collector.local_addr().unwrap(), || {
        let trace_of = |parent: &str| {
            let span = turn();
            follow(&span, parent);
            span.in_scope(|| trace_id().unwrap())
        };
        assert_eq!(trace_of(PARENT), "0af7651916cd43dd8448eb211c80319c");
        for other in ["", "00-0-0-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "\u{0}"] {
            assert_ne!(trace_of(other), "0af7651916cd43dd8448eb211c80319c", "{other}");
        }
        // What the node does not record, the function does not record either.
        let span = turn();
        follow(&span, &PARENT.replace("-01", "-00"));
        assert!(span.in_scope(traceparent).ends_with("-00"));
    });
}

#[test]
fn spans_of_other_targets_are_not_made() {
    let collector = silent();
    traced(collector.local_addr().unwrap(), || {
        assert!(info_span!("request", body = "secret").is_disabled());
        assert!(info_span!(target: "hyper", "request").is_disabled());
        assert!(!turn().is_disabled());
    });
}

#[tokio::test]
async fn a_collector_that_does_not_answer_costs_spans_and_holds_nobody_up() {
    const SPANS: u64 = 8_000;
    let collector = silent();
    let (traces, _) = traced(collector.local_addr().unwrap(), || (0..SPANS).for_each(|_| drop(turn())));

    // As many wait as fit into the queue and two requests; nobody waits for the collector.
    let (dropped, waiting) = (dropped(&traces, "queue_full"), 2_048 + 2 * 512);
    assert!((SPANS - waiting..SPANS).contains(&dropped), "{dropped}");
    traces.flush(Duration::from_millis(1)).await;
    // Nobody waits for it a second time.
    traces.flush(Duration::MAX).await;
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_not_sent_again() {
    let listener = silent();
    let address = listener.local_addr().unwrap();
    let collector = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut head = [0; 512];
        let read = connection.read(&mut head).unwrap();
        connection.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        // The rest, so that the answer is not lost with what was not read.
        let _ = connection.read_to_end(&mut Vec::new());
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let (traces, _) = traced(address, || drop(turn()));
    traces.flush(Duration::from_secs(60)).await;

    assert_eq!((dropped(&traces, "refused"), dropped(&traces, "away")), (1, 0));
    let head = collector.join().unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
}
