//! The one place where the node asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversation::Millis;

/// Unix milliseconds. A clock before 1970 counts as 1970.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// How long it is until `at`; nothing if it has passed.
pub(crate) fn until(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(at.saturating_sub(now))
}
