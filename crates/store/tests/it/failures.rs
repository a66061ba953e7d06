//! What is acknowledged outlives every failure of the disk.

use std::sync::Arc;
use std::time::Duration;

use conversation::{ConversationId, Event};
use store::embedded::{EmbeddedStore, Options};
use store::{Appended, Store, StoreError};
use tokio::task::JoinSet;

use crate::disk::{Disk, Fault};
use crate::{Random, append, conversation, event, log};

const WRITERS: u32 = 4;

fn open(disk: &Disk) -> EmbeddedStore {
    // Tried again at the next write, so that no test waits for a clock.
    let options = Options { retry_pause: Duration::ZERO, ..Options::default() };
    EmbeddedStore::with_medium(Box::new(disk.clone()), options).unwrap()
}

/// What one writer knows of its log: what was acknowledged, and then perhaps one event of which it does not know.
#[derive(Debug, Clone)]
struct Known {
    conversation: ConversationId,
    acknowledged: Vec<Event>,
    unknown: Option<Event>,
}

impl Known {
    fn nothing() -> Vec<Self> {
        let known = |n| Self { conversation: conversation(n), acknowledged: Vec::new(), unknown: None };
        (1..=WRITERS).map(known).collect()
    }

    /// Reads what became of the unknown event; the rest must be as known.
    async fn check(&mut self, store: &dyn Store, seed: u64) {
        let stored = log(store, &self.conversation).await;
        let mut with_unknown = self.acknowledged.clone();
        with_unknown.extend(self.unknown.take());
        assert!(
            stored == self.acknowledged || stored == with_unknown,
            "seed {seed}, {}: {} are stored, {} were acknowledged",
            self.conversation,
            stored.len(),
            self.acknowledged.len()
        );
        self.acknowledged = stored;
    }

    /// Appends up to `count` events until the first error.
    async fn write(mut self, store: &dyn Store, count: usize, bytes: usize) -> (Self, Result<(), StoreError>) {
        for _ in 0..count {
            let seq = self.acknowledged.len() as u32 + 1;
            let event = event(seq, &format!("{seq}{}", "x".repeat(bytes)));
            match append(store, &self.conversation, &event).await {
                Ok(Appended::Stored) => self.acknowledged.push(event),
                Ok(Appended::Conflict | Appended::Fenced) => panic!("{} has one writer", self.conversation),
                Err(error) => {
                    self.unknown = Some(event);
                    return (self, Err(error));
                }
            }
        }
        (self, Ok(()))
    }
}

/// All writers at once, each until `count` events or the first error.
async fn write_all(store: &Arc<EmbeddedStore>, known: Vec<Known>, count: usize) -> (Vec<Known>, Vec<StoreError>) {
    let mut writers = JoinSet::new();
    for (number, known) in known.into_iter().enumerate() {
        let store = store.clone();
        writers.spawn(async move { known.write(&*store, count, 300 * number).await });
    }
    let (mut known, mut errors) = (Vec::new(), Vec::new());
    for (one, result) in writers.join_all().await {
        known.push(one);
        errors.extend(result.err());
    }
    (known, errors)
}

async fn check_all(store: &dyn Store, known: &mut [Known], seed: u64) {
    for one in known {
        one.check(store, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_space() {
    let mut failures = 0;
    for seed in 0..60 {
        let mut random = Random(seed);
        let disk = Disk::default();
        let store = Arc::new(open(&disk));
        let (mut known, errors) = write_all(&store, Known::nothing(), 5).await;
        assert_eq!(errors, []);
        for _ in 0..3 {
            disk.fail_after(random.below(60), Fault::Full);
            let (now_known, errors) = write_all(&store, known, 20).await;
            known = now_known;
            for error in &errors {
                assert!(matches!(error, StoreError::Unavailable { .. }), "seed {seed}: {error}");
                assert!(error.retry_after_ms().is_some());
            }
            if disk.failures() > failures && !errors.is_empty() {
                assert!(store.ready().await.is_err(), "seed {seed}");
            }
            failures += disk.failures();
            check_all(&*store, &mut known, seed).await;
            disk.mend();
            let (now_known, errors) = write_all(&store, known, 3).await;
            known = now_known;
            assert_eq!(errors, [], "seed {seed}");
            assert_eq!(store.ready().await, Ok(()), "seed {seed}");
        }
        drop(store);
        check_all(&open(&disk), &mut known, seed).await;
    }
    assert!(failures > 100, "only {failures} writes failed: nothing was tried out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_acknowledges_nothing() {
    let mut errors_seen = 0;
    for seed in 0..60 {
        let mut random = Random(seed);
        let disk = Disk::default();
        let store = Arc::new(open(&disk));
        disk.fail_after(random.below(30), Fault::SyncFails);
        let (mut known, errors) = write_all(&store, Known::nothing(), 20).await;
        errors_seen += errors.len();
        let mut after = disk.after_power_loss(&mut random);
        check_all(&open(&after), &mut known.clone(), seed).await;
        disk.mend();
        check_all(&*store, &mut known, seed).await;
        let (mut known, errors) = write_all(&store, known, 3).await;
        assert_eq!(errors, [], "seed {seed}");
        after = disk.after_power_loss(&mut random);
        check_all(&open(&after), &mut known, seed).await;
    }
    assert!(errors_seen > 60, "only {errors_seen} appends failed: nothing was tried out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_loss_at_any_moment_loses_nothing_that_was_acknowledged() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut disk = Disk::default();
        let mut known = Known::nothing();
        for _ in 0..3 {
            let store = Arc::new(open(&disk));
            check_all(&*store, &mut known, seed).await;
            disk.fail_after(random.below(150), Fault::Dead);
            (known, _) = write_all(&store, known, 20).await;
            drop(store);
            disk = disk.after_power_loss(&mut random);
        }
        let store = Arc::new(open(&disk));
        check_all(&*store, &mut known, seed).await;
        let (_, errors) = write_all(&store, known, 1).await;
        assert_eq!(errors, [], "seed {seed}");
    }
}

#[tokio::test]
async fn a_dead_disk_is_an_error_and_not_an_empty_log() {
    let disk = Disk::default();
    let options = Options { retry_pause: Duration::ZERO, cache_bytes: 0, ..Options::default() };
    let store = EmbeddedStore::with_medium(Box::new(disk.clone()), options).unwrap();
    for seq in 1..=50 {
        assert_eq!(append(&store, &conversation(1), &event(seq, "kept")).await, Ok(Appended::Stored));
    }
    disk.fail_after(0, Fault::Dead);
    assert!(matches!(store.read(&conversation(1), 0, 10).await, Err(StoreError::Unavailable { .. })));
    assert!(store.ready().await.is_err());
    disk.mend();
    assert_eq!(append(&store, &conversation(1), &event(51, "again")).await, Ok(Appended::Stored));
    assert_eq!(log(&store, &conversation(1)).await.len(), 51);
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_are_refused_and_the_rest_is_stored() {
    let disk = Disk::default();
    let options = Options { queue_bytes: 100_000, ..Options::default() };
    let store = Arc::new(EmbeddedStore::with_medium(Box::new(disk.clone()), options).unwrap());
    let text = "x".repeat(30_000);
    let still = disk.stop();
    let mut writers = JoinSet::new();
    for n in 1..=64 {
        let (store, text) = (store.clone(), text.clone());
        writers.spawn(async move { append(&*store, &conversation(n), &event(1, &text)).await });
    }
    // Three fit into the queue, and three more may have been taken out of it before the disk stood still.
    for _ in 0..64 - 6 {
        let error = writers.join_next().await.unwrap().unwrap().expect_err("the disk stands still");
        assert_eq!(error.retry_after_ms(), Some(100), "{error}");
    }
    drop(still);
    let mut stored = 0;
    for result in writers.join_all().await {
        stored += u32::from(result == Ok(Appended::Stored));
    }
    assert!(stored >= 3, "only {stored} were stored");
    let mut heads = 0;
    for n in 1..=64 {
        heads += store.head(&conversation(n)).await.unwrap();
    }
    assert_eq!(heads, stored, "what was refused was not stored");
}

#[tokio::test]
async fn a_writer_that_panicked_refuses_and_keeps_nobody_waiting() {
    let disk = Disk::default();
    let store = Arc::new(open(&disk));
    assert_eq!(append(&*store, &conversation(1), &event(1, "kept")).await, Ok(Appended::Stored));
    disk.fail_after(0, Fault::Panics);
    for _ in 0..2 {
        let error = append(&*store, &conversation(1), &event(2, "lost")).await.expect_err("the writer is gone");
        assert!(error.to_string().contains("its writer has stopped; restart the node"), "{error}");
    }
    assert!(store.ready().await.is_err());
    disk.mend();
    drop(store);
    assert_eq!(log(&open(&disk), &conversation(1)).await[..1], [event(1, "kept")]);
}
