//! Asking until the answer is right.

use std::time::Duration;

use anyhow::Result;

/// Times that something is asked, at most. With [`PAUSE`] between them: 30 s.
const TRIES: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer. `Ok(None)` and an error both mean: not yet.
///
/// # Errors
/// The last error, or that there was no answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut last = Ok(None);
    for _ in 0..TRIES {
        last = ask();
        if let Ok(Some(answer)) = last {
            return Ok(answer);
        }
        std::thread::sleep(PAUSE);
    }
    let why = last.err().unwrap_or_else(|| anyhow::anyhow!("it never said so"));
    Err(why.context(format!("waited in vain until {what}")))
}
