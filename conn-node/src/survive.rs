//! Panics: a fault of ours in one task must not be felt elsewhere as silence.
//!
//! Whoever waits for what a task brings is told that it brings nothing; what must run for ever begins again. Neither line says
//! what the panic said: it may quote a visitor.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

/// Before what panicked begins again.
const PAUSE: Duration = Duration::from_secs(1);

/// What `task` comes to; `None`: it panicked.
pub(crate) async fn survive<T>(what: &'static str, task: impl Future<Output = T>) -> Option<T> {
    // What a panic may have left half done: conversations are as good after one (see `Held`), all else is the task's own.
    let ended = AssertUnwindSafe(task).catch_unwind().await.ok();
    if ended.is_none() {
        tracing::error!(what, "a task panicked, which is a fault of this program: please report it");
    }
    ended
}

/// Runs what must run for as long as the node does: when it panics, it begins again a moment later.
pub(crate) async fn keep<F: Future<Output = ()>>(what: &'static str, begin: impl Fn() -> F) {
    while survive(what, begin()).await.is_none() {
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_panics_comes_to_nothing_and_all_else_to_what_it_is() {
        assert_eq!(survive("a test", async { 7 }).await, Some(7));
        assert_eq!(survive("a test", async { panic!("as the test says") }).await, None::<u8>);
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_run_for_ever_begins_again() {
        let begun = Cell::new(0);
        let begin = async || {
            begun.set(begun.get() + 1);
            assert!(begun.get() > 2, "as the test says");
        };
        keep("a test", begin).await;
        assert_eq!(begun.get(), 3);
    }
}
