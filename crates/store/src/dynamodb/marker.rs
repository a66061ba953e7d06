//! The task that writes marks, many in one item.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use conversation::Millis;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinSet;

use super::fault::Fault;
use super::item::{Item, bytes, key, ttl};
use super::marks::{KEPT_MS, MAX_ITEM_BYTES, Mark, SLOTS, Sheet, Slot, end_of, slot_of};
use super::table::Table;
use super::token::Tokens;

/// How many marks may wait to be taken by the task.
const QUEUE: usize = 1_024;

/// How many items may be on their way at once.
const MAX_IN_FLIGHT: usize = 64;

/// Of how many slots the task remembers which numbers it used.
const MAX_SHEETS: usize = 4_096;

/// Marks for the task that writes them. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Marker {
    queue: mpsc::Sender<Waiting>,
}

/// A mark, and who waits for it.
#[derive(Debug)]
struct Waiting {
    mark: Mark,
    done: oneshot::Sender<Result<(), Fault>>,
}

/// What a client knows of the time: the newest it was told, and what passed since.
///
/// The store has no clock of its own; this only tells slots that are over from those that are not, with a wide margin.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Option<(Millis, Instant)>>>);

impl Seen {
    /// A caller says that it is `now`.
    pub(super) fn tell(&self, now: Millis) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if estimate(*seen).is_none_or(|estimate| estimate < now) {
            *seen = Some((now, Instant::now()));
        }
    }

    fn estimate(&self) -> Option<Millis> {
        estimate(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn estimate(seen: Option<(Millis, Instant)>) -> Option<Millis> {
    let (now, since) = seen?;
    Some(now.saturating_add(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

impl Marker {
    /// Starts the task. `linger` is how long a mark waits for others to share an item with.
    pub(super) fn start(table: Table, tokens: Arc<Tokens>, seen: Seen, linger: Duration) -> Self {
        let (queue, marks) = mpsc::channel(QUEUE);
        let writer = Writer { table, tokens, seen, linger, open: HashMap::new(), sheets: Sheets::default() };
        tokio::spawn(writer.run(marks));
        Self { queue }
    }

    /// Makes `mark` durable.
    pub(super) async fn mark(&self, mark: Mark) -> Result<(), Fault> {
        let (done, answer) = oneshot::channel();
        let stopped = || Fault::passing("the task that writes due times has ended; start this process anew");
        self.queue.send(Waiting { mark, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

struct Writer {
    table: Table,
    tokens: Arc<Tokens>,
    seen: Seen,
    linger: Duration,
    open: HashMap<Slot, Batch>,
    sheets: Sheets,
}

/// Marks that will share an item.
struct Batch {
    marks: Vec<u8>,
    waiting: Vec<oneshot::Sender<Result<(), Fault>>>,
    until: tokio::time::Instant,
}

/// What was written of each slot.
#[derive(Default)]
struct Sheets {
    by_slot: HashMap<Slot, Progress>,
    /// Where sheets that are not among them begin, so that no number is used twice.
    first: u64,
}

struct Progress {
    next: u64,
    listed: Arc<OnceCell<()>>,
}

impl Writer {
    async fn run(mut self, mut marks: mpsc::Receiver<Waiting>) {
        let mut in_flight = JoinSet::new();
        loop {
            let next = self.open.iter().min_by_key(|(_, batch)| batch.until).map(|(slot, batch)| (*slot, batch.until));
            let until = next.map_or_else(tokio::time::Instant::now, |(_, until)| until);
            let may_send = in_flight.len() < MAX_IN_FLIGHT;
            tokio::select! {
                biased;
                Some(_) = in_flight.join_next() => {}
                () = tokio::time::sleep_until(until), if next.is_some() && may_send => {
                    if let Some((slot, _)) = next {
                        self.send(slot, &mut in_flight);
                    }
                }
                waiting = marks.recv(), if may_send => match waiting {
                    Some(waiting) => self.take(waiting, &mut in_flight),
                    None => break,
                },
            }
        }
        // Whoever waited is gone; what is on its way may arrive.
        in_flight.join_all().await;
    }

    fn take(&mut self, waiting: Waiting, in_flight: &mut JoinSet<()>) {
        let slot = slot_of(waiting.mark.due);
        let mut stored = Vec::new();
        waiting.mark.write_to(&mut stored);
        if self.open.get(&slot).is_some_and(|batch| batch.marks.len() + stored.len() > MAX_ITEM_BYTES) {
            self.send(slot, in_flight);
        }
        let until = tokio::time::Instant::now() + self.linger;
        let batch = self.open.entry(slot).or_insert_with(|| Batch { marks: Vec::new(), waiting: Vec::new(), until });
        batch.marks.extend_from_slice(&stored);
        batch.waiting.push(waiting.done);
    }

    fn send(&mut self, slot: Slot, in_flight: &mut JoinSet<()>) {
        let Some(batch) = self.open.remove(&slot) else { return };
        let (number, listed) = self.sheets.next(slot);
        // The list of a slot that is over may be without this sheet by now: somebody may have found nothing left to do.
        let listed = self.seen.estimate().is_some_and(|now| now < end_of(slot)).then_some(listed);
        let (table, tokens) = (self.table.clone(), self.tokens.clone());
        let sheet = Sheet { slot, writer: self.tokens.writer() };
        in_flight.spawn(async move {
            let mut item = key(sheet.partition(), format!("{number:010}"));
            item.insert("m".to_owned(), bytes(batch.marks));
            item.insert("t".to_owned(), ttl(end_of(slot).saturating_add(KEPT_MS)));
            let written = write(&table, &sheet, item, tokens.next(), listed.as_deref()).await;
            for waiting in batch.waiting {
                // Whoever does not wait any more needs no answer.
                let _ = waiting.send(written.clone());
            }
        });
    }
}

/// Writes the item first and the list after it, so that whoever took the sheet off the list in between did not see that
/// there is more, and its removal is undone.
async fn write(
    table: &Table,
    sheet: &Sheet,
    item: Item,
    token: [u8; 8],
    listed: Option<&OnceCell<()>>,
) -> Result<(), Fault> {
    table.put(item, None).await?;
    let list = async || {
        let mut entry = key(SLOTS, sheet.name());
        entry.insert("w".to_owned(), bytes(token));
        table.put(entry, None).await.map(drop)
    };
    match listed {
        Some(listed) => listed.get_or_try_init(list).await.map(drop),
        None => list().await,
    }
}

impl Sheets {
    /// The number of the next item of a slot, from 1, and whether its sheet is on the list.
    fn next(&mut self, slot: Slot) -> (u64, Arc<OnceCell<()>>) {
        if self.by_slot.len() >= MAX_SHEETS && !self.by_slot.contains_key(&slot) {
            self.first = self.by_slot.values().map(|progress| progress.next).max().unwrap_or(0).max(self.first);
            self.by_slot.clear();
        }
        let first = self.first.max(1);
        let progress = self.by_slot.entry(slot).or_insert_with(|| Progress { next: first, listed: Arc::default() });
        progress.next += 1;
        (progress.next - 1, progress.listed.clone())
    }
}
