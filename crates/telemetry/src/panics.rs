//! What a program says of a panic: where it was, and never what it said, which may quote a visitor.

use std::backtrace::Backtrace;
use std::panic::Location;

/// Each panic is one log line from here on, in the place of the standard library's words. Those quote the text that could not be
/// cut, for one, which may be a visitor's. To be called when log lines are set up.
pub(crate) fn say_where_only() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(Location::to_string).unwrap_or_default();
        // The place is often in the standard library: only the calls say which line of ours it was. Written so, it is one line.
        let calls = Backtrace::force_capture();
        tracing::error!(at, ?calls, "a panic, which is a fault of this program: please report it");
    }));
}
