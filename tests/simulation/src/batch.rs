//! Many histories, on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::{History, Options, Tally, run};

/// Which histories.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The first seed.
    pub start_seed: u64,
    /// How many; the seeds are consecutive.
    pub histories: u64,
    /// Threads.
    pub jobs: usize,
}

/// What many histories came to.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The breach with the lowest seed among those seen before everybody stopped.
    pub breach: Option<History>,
    /// Histories run.
    pub histories: u64,
    /// All counts.
    pub tally: Tally,
}

/// Runs until all are done or one shows a breach.
pub fn run_many(batch: &Batch, options: &Options) -> Found {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let found = Mutex::new(Found::default());
    thread::scope(|scope| {
        for _ in 0..batch.jobs.max(1) {
            scope.spawn(|| {
                let mine = work(batch, options, &next, &stop);
                let mut found = found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                found.histories += mine.histories;
                found.tally.add(&mine.tally);
                let seeds = [&found.breach, &mine.breach].map(|b| b.as_ref().map_or(u64::MAX, |history| history.seed));
                if seeds[1] < seeds[0] {
                    found.breach = mine.breach;
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn work(batch: &Batch, options: &Options, next: &AtomicU64, stop: &AtomicBool) -> Found {
    let mut mine = Found::default();
    while !stop.load(Ordering::Relaxed) {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        if nth >= batch.histories {
            break;
        }
        let history = run(batch.start_seed + nth, options);
        mine.histories += 1;
        mine.tally.add(&history.tally);
        if history.breach.is_some() {
            stop.store(true, Ordering::Relaxed);
            mine.breach = Some(history);
        }
    }
    mine
}
