//! Group commit: one thread takes all writes that are waiting, makes them durable together, and answers them all.
//!
//! A batch is whatever came while the one before it was being written. So a lone write waits for nothing but its own
//! sync, and the more writers there are, the more of them share one.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use conversation::ConversationId;
use redb::StorageError;
use tokio::sync::oneshot;

use super::engine::{Engine, Written};
use super::tables::Tables;
use crate::port::Answer;
use crate::{Key, StoreError};

/// The most bytes of writes that one transaction takes. Bounds how long a write waits for those before it.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What a queued write costs beside what it holds, in bytes: the job, its place in the queue and its answer's channel.
const JOB_BYTES: usize = 256;

/// What was asked of the store, for errors.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Append(ConversationId),
    SetDue(ConversationId),
    ClaimDue,
    Forget(ConversationId),
    Put(Key),
    Delete(Key),
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(conversation) => write!(f, "append to {conversation}"),
            Self::SetDue(conversation) => write!(f, "set the due time of {conversation}"),
            Self::ClaimDue => f.write_str("claim what is due"),
            Self::Forget(conversation) => write!(f, "forget {conversation}"),
            Self::Put(key) => write!(f, "put {key}"),
            Self::Delete(key) => write!(f, "delete {key}"),
        }
    }
}

/// A queued write.
trait Job: Send {
    /// Carries it out in a transaction that is not committed yet, and keeps the result.
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), StorageError>;

    /// Gives the result to whoever asked, now that the transaction was committed or not.
    fn answer(self: Box<Self>, written: &Written);
}

struct Write<F, T> {
    task: Task,
    change: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Write<F, T>
where
    F: FnMut(&mut Tables<'_>) -> Result<T, StorageError> + Send,
    T: Send,
{
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), StorageError> {
        self.result = Some((self.change)(tables)?);
        Ok(())
    }

    fn answer(self: Box<Self>, written: &Written) {
        let answer = match (written, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(stopped(&self.task)),
            (Err(failure), _) => Err(failure.explain(&self.task)),
        };
        // Whoever asked may have gone; the write stands all the same.
        let _ = self.reply.send(answer);
    }
}

/// The writer thread is gone: it panicked, which is a fault in this program or in redb.
pub(super) fn stopped(task: impl fmt::Display) -> StoreError {
    let reason = "its writer has stopped; restart the node".to_owned();
    StoreError::Unavailable { what: task.to_string(), reason, retry_after_ms: 1000 }
}

struct Queued {
    bytes: usize,
    job: Box<dyn Job>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Queued>,
    bytes: usize,
    /// No job is taken any more; those in the queue are still written.
    closed: bool,
    /// Somebody wants the writer to look after the engine.
    woken: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for jobs, at most for `patience`, and takes a batch. Empty: the patience is over, or somebody woke the
    /// writer. `None`: closed and empty.
    fn take(&self, patience: Option<Duration>) -> Option<Vec<Queued>> {
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed && !queue.woken;
        let mut queue = match patience {
            None => self.changed.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                self.changed.wait_timeout_while(self.queue(), patience, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        queue.woken = false;
        if queue.jobs.is_empty() && queue.closed {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < MAX_BATCH_BYTES
            && let Some(queued) = queue.jobs.pop_front()
        {
            bytes += queued.bytes;
            batch.push(queued);
        }
        queue.bytes -= bytes;
        Some(batch)
    }
}

/// The writer thread and the way to it. Dropped, it writes what is queued and ends.
pub(super) struct Writer {
    shared: Arc<Shared>,
    max_bytes: usize,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `max_bytes`: how much may be queued before writes are refused.
    pub(super) fn start(engine: Arc<Engine>, max_bytes: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let closing = Closing(shared.clone());
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            run(&engine, &closing.0);
        })?;
        Ok(Self { shared, max_bytes, thread: Some(thread) })
    }

    /// Queues `change`, of about `bytes` bytes, at once; the future waits until it is durable. Dropping the future does not
    /// take the change back.
    pub(super) fn write<T: Send + 'static>(
        &self,
        task: Task,
        bytes: usize,
        change: impl FnMut(&mut Tables<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { task: task.clone(), change, result: None, reply });
        let queued = self.enqueue(&task, Queued { bytes: bytes + JOB_BYTES, job });
        Box::pin(async move {
            queued?;
            answer.await.unwrap_or_else(|_| Err(stopped(&task)))
        })
    }

    /// Whether it still takes writes.
    pub(super) fn is_running(&self) -> bool {
        !self.shared.queue().closed
    }

    /// Makes the writer look after the engine now.
    pub(super) fn wake(&self) {
        self.shared.queue().woken = true;
        self.shared.changed.notify_one();
    }

    fn enqueue(&self, task: &Task, queued: Queued) -> Result<(), StoreError> {
        let mut queue = self.shared.queue();
        if queue.closed {
            return Err(stopped(task));
        }
        if queue.bytes + queued.bytes > self.max_bytes {
            let reason = format!("{} bytes of writes are waiting already", queue.bytes);
            return Err(StoreError::Unavailable { what: task.to_string(), reason, retry_after_ms: 100 });
        }
        queue.bytes += queued.bytes;
        queue.jobs.push_back(queued);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails, and said so on its way.
            let _ = thread.join();
        }
    }
}

/// Refuses all writes when the thread ends, however it ends, so that nobody waits for it in vain.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.closed = true;
        queue.bytes = 0;
        let abandoned = std::mem::take(&mut queue.jobs);
        drop(queue);
        drop(abandoned);
    }
}

fn run(engine: &Engine, shared: &Shared) {
    while let Some(batch) = shared.take(engine.recovery_in()) {
        if batch.is_empty() {
            engine.recover_if_due();
        } else {
            write(engine, batch);
        }
    }
}

fn write(engine: &Engine, mut batch: Vec<Queued>) {
    let written = engine.write(|tables| batch.iter_mut().try_for_each(|queued| queued.job.apply(tables)));
    for queued in batch {
        queued.job.answer(&written);
    }
}
