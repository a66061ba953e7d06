//! Visitors who go on talking at the nodes that stay.

use std::time::{Duration, Instant};

use client::{Address, Random};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::pair::Pair;
use crate::sources::Sources;

/// One message, and how it fared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talk {
    pub(super) sent: Instant,
    /// Until it was acknowledged to the tab that sent it.
    pub(super) to_ack: Duration,
    /// Until the other tab had it.
    pub(super) to_event: Duration,
}

/// Everybody who talks. They fall silent when it is dropped.
pub(super) struct Talkers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<(Vec<Talk>, bool)>,
}

impl Talkers {
    /// Joins so many visitors, each with two tabs on two of these nodes, or on the one. Each says something every so often.
    ///
    /// # Errors
    /// A node refuses one.
    pub(super) async fn start(nodes: &[Address], site: &str, visitors: u32, every: Duration) -> anyhow::Result<Self> {
        let mut sources = Sources::new(std::process::id());
        let mut pairs = Vec::new();
        for (number, _) in (0..visitors).enumerate() {
            let node = |number: usize| &nodes[number % nodes.len()];
            pairs.push(Pair::join(node(number), node(number + 1), site, &mut sources).await?);
        }
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for (number, pair) in pairs.into_iter().enumerate() {
            let first = began + every.mul_f64(number as f64 / f64::from(visitors));
            tasks.spawn(talk(pair, number, first, every, stopped.clone()));
        }
        Ok(Self { stop, tasks })
    }

    /// Lets everybody end their turn. What was said, and how many were cut off.
    ///
    /// # Errors
    /// A fault of this program.
    pub(super) async fn stop(mut self) -> anyhow::Result<(Vec<Talk>, usize)> {
        self.stop.send_replace(true);
        let (mut talks, mut failed) = (Vec::new(), 0);
        while let Some(ended) = self.tasks.join_next().await {
            let (said, is_whole) = ended?;
            talks.extend(said);
            failed += usize::from(!is_whole);
        }
        Ok((talks, failed))
    }
}

/// What was said, and whether nothing went wrong.
async fn talk(
    mut pair: Pair,
    number: usize,
    first: Instant,
    every: Duration,
    mut stopped: watch::Receiver<bool>,
) -> (Vec<Talk>, bool) {
    let mut random = Random::new((1 << 32) + number as u64);
    let (mut said, mut next) = (Vec::new(), first);
    loop {
        tokio::select! {
            () = sleep_until(next.into()) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return (said, true),
        }
        let text = format!("{number} do you ship jasmine tea to Norway, and what does it cost?");
        let Ok(turn) = pair.take_turn(&mut random, text).await else { return (said, false) };
        let since = |at: Instant| at.saturating_duration_since(turn.sent);
        // A message whose event came before its acknowledgement needs none any more.
        let to_ack = since(turn.near.acked.unwrap_or(turn.near.event));
        said.push(Talk { sent: turn.sent, to_ack, to_event: since(turn.far.event) });
        next = (next + every).max(Instant::now());
    }
}
