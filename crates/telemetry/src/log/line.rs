//! What every line says beside its event: which node wrote it, and which trace it belongs to.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::traces;

/// A format whose lines are marked.
pub(super) struct Marked<F> {
    format: F,
    is_json: bool,
    /// As it stands in a line, quoted. Names have no characters that would have to be escaped.
    node: Option<String>,
}

impl<F> Marked<F> {
    pub(super) fn text(format: F, node: Option<&str>) -> Self {
        Self { format, is_json: false, node: node.map(|name| format!("node=\"{name}\"")) }
    }

    pub(super) fn json(format: F, node: Option<&str>) -> Self {
        Self { format, is_json: true, node: node.map(|name| format!("\"node\":\"{name}\"")) }
    }

    /// Puts the marks at the end of a line: before its brace, or after its last field.
    fn marked(&self, line: &str, trace: Option<&str>, mut writer: Writer<'_>) -> fmt::Result {
        let line = line.trim_end_matches('\n');
        let (before, between, end) =
            if self.is_json { (line.strip_suffix('}').unwrap_or(line), ',', "}") } else { (line, ' ', "") };
        writer.write_str(before)?;
        if let Some(node) = &self.node {
            write!(writer, "{between}{node}")?;
        }
        match (trace, self.is_json) {
            (Some(trace), true) => write!(writer, "{between}\"trace_id\":\"{trace}\"")?,
            (Some(trace), false) => write!(writer, "{between}trace_id={trace}")?,
            (None, _) => {}
        }
        writeln!(writer, "{end}")
    }
}

impl<S, N, F> FormatEvent<S, N> for Marked<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let trace = traces::trace_id();
        if self.node.is_none() && trace.is_none() {
            return self.format.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        self.marked(&line, trace.as_deref(), writer)
    }
}
