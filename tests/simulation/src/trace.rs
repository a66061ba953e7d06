//! What happened, for a person to read. Off while many histories run; a failed one is run again with it on.

use std::fmt;

use conversation::Millis;

/// The lines of a history's story.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Self {
        Self { lines: on.then(Vec::new) }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    pub(crate) fn tell(&mut self, at: Millis, what: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>9.3}  {what}", (at as f64) / 1_000.0));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// Tells the trace, at no cost when nobody listens.
macro_rules! tell {
    ($world:expr, $($what:tt)+) => {
        if $world.trace.is_on() {
            let at = $world.elapsed();
            $world.trace.tell(at, format_args!($($what)+));
        }
    };
}
pub(crate) use tell;
