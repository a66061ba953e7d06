//! Log lines, for people or as JSON.

mod line;

use config::{Log, LogFormat, LogLevel};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use self::line::Marked;
use crate::panics;
use crate::traces;

/// Crates whose inner life is of no use to an operator: they are heard from `warn` on, whatever the level. Below it,
/// `lambda_runtime` would write whole requests, with what visitors said.
const QUIET: [&str; 7] =
    ["hyper", "hyper_util", "lambda_runtime", "reqwest", "rustls", "tungstenite", "tokio_tungstenite"];

/// Sends the lines of a program that makes no traces to standard error. To be called once, first thing in `main`. Nodes and
/// functions call [`crate::start`] instead.
///
/// # Errors
/// The program has set up its log lines before.
pub fn init(log: &Log) -> Result<(), SetGlobalDefaultError> {
    set(subscriber(log, std::io::stderr))
}

/// Makes `lines` those of this process, and every panic one of them.
pub(crate) fn set(lines: impl Subscriber + Send + Sync) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(lines)?;
    panics::say_where_only();
    Ok(())
}

/// Writes log lines to `writer`, one line each.
///
/// The JSON format is one object a line: `timestamp` (RFC 3339), `level`, `target`, `message` and the event's fields; the
/// lines of a node also have `node`, and those of a turn that is traced `trace_id`.
pub fn subscriber<W>(log: &Log, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    with_traces(log, None, writer, None)
}

/// The same for the node with this name, beside what records spans.
pub(crate) fn with_traces<W>(
    log: &Log,
    node: Option<&str>,
    writer: W,
    traces: Option<traces::Layer>,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => lines.with_ansi(false).map_event_format(|format| Marked::text(format, node)).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            lines.map_event_format(|format| Marked::json(format, node)).boxed()
        }
    };
    let level = level(log.level);
    // Spans are for traces: where there are none, they are not even made.
    let is_line = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(level);
    let lines = lines.with_filter(filter(level).and(is_line)).boxed();
    Registry::default().with([lines].into_iter().chain(traces).collect::<Vec<_>>())
}

fn filter(level: LevelFilter) -> Targets {
    let quiet = level.min(LevelFilter::WARN);
    // The stand-in for DynamoDB warns of every condition that was not met, which is how conflicts are found.
    let all = Targets::new().with_default(level).with_target("dynoxide", level.min(LevelFilter::ERROR));
    QUIET.into_iter().fold(all, |filter, target| filter.with_target(target, quiet))
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use config::Config;
    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(toml: &str) -> String {
        written_by(None, toml)
    }

    /// What is written for one event of each kind that matters here.
    fn written_by(node: Option<&str>, toml: &str) -> String {
        let log = Config::parse(toml, []).unwrap().log;
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(with_traces(&log, node, move || writer.clone(), None), || {
            let turn = tracing::error_span!("turn", site = "shop");
            assert!(turn.is_disabled(), "without traces no span is made");
            tracing::info!(site = "shop", bytes = 12, "a message was stored");
            tracing::debug!("a frame arrived");
            tracing::info!(target: "hyper::proto", "a connection was kept alive");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_beside_the_message() {
        let lines = written("log.format = \"json\"");
        let line: Value = serde_json::from_str(lines.trim_end()).unwrap();

        assert_eq!(line["message"], "a message was stored");
        assert_eq!(line["site"], "shop");
        assert_eq!(line["bytes"], 12);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn every_line_of_a_node_names_it() {
        let json = written_by(Some("node-2"), "log.format = \"json\"\nlog.level = \"debug\"");
        for line in json.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["node"], "node-2");
        }
        assert_eq!(json.lines().count(), 2);

        let text = written_by(Some("node-2"), "log.level = \"debug\"");
        assert_eq!(text.lines().filter(|line| line.ends_with(" node=\"node-2\"")).count(), 2, "{text}");
        assert!(!written("").contains("node="));
    }

    #[test]
    fn text_has_no_colour_codes() {
        let lines = written("");

        assert!(lines.contains("a message was stored site=\"shop\" bytes=12"), "{lines}");
        assert!(!lines.contains('\u{1b}'), "{lines}");
    }

    #[test]
    fn the_level_holds_for_our_crates_and_others_stay_quiet() {
        let lines = written("log.level = \"debug\"");

        assert!(lines.contains("a frame arrived"), "{lines}");
        assert!(!lines.contains("kept alive"), "{lines}");
        assert_eq!(written("log.level = \"warn\""), "");
    }
}
