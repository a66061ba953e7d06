//! Connections to the models' servers are opened before the first turn, and kept.
//!
//! Under Lambda only at the start: a frozen process has no timers, and a connection that died meanwhile costs its turn one
//! repetition and no failure. The server for containers asks again and again, more often than connections are dropped for
//! being idle. What is asked is `HEAD …/models`, which counts against no quota of tokens or chats.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::model::Model;

/// How often connections are used so that they are kept. Load balancers and our own pool close them after 60 s and more.
const EVERY: Duration = Duration::from_secs(30);

/// Says why the process was started, where it runs under Lambda.
const INITIALISATION: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// Opens connections. Where the process was started ahead of any turn, they are open when this ends; else a turn waits
/// already, and they are opened beside it.
pub(crate) async fn start(model: &Arc<dyn Model>) {
    let opened = tokio::spawn(model.warm_up());
    if std::env::var_os(INITIALISATION).is_some_and(|kind| kind == "provisioned-concurrency") {
        // It only fails if it panicked, and then the first turn opens them.
        let _ = opened.await;
    }
}

/// Opens connections, and keeps them for good.
pub(crate) async fn keep(model: Arc<dyn Model>) -> Infallible {
    loop {
        model.warm_up().await;
        sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::model::Pieces;
    use crate::prompt::Prompt;

    #[derive(Default)]
    struct Counted(Arc<AtomicU32>);

    impl Model for Counted {
        fn answer(&self, _prompt: Prompt) -> Pieces {
            Box::pin(futures_util::stream::pending())
        }

        fn name(&self) -> &str {
            "counted"
        }

        fn warm_up(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            let count = Arc::clone(&self.0);
            Box::pin(async move {
                count.fetch_add(1, Ordering::Relaxed);
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_used_at_once_and_then_every_half_minute() {
        let model = Counted::default();
        let count = Arc::clone(&model.0);
        let kept = tokio::time::timeout(EVERY * 2 + Duration::from_secs(1), keep(Arc::new(model))).await;
        assert!(kept.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }
}
