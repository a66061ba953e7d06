//! A store inside the process: one redb file, or memory.
//!
//! redb keeps a B-tree on disk, copy on write: a commit writes new pages, then one header that points to them, then syncs.
//! A process that dies at any moment leaves the last committed state, or the one before it; opening finds out which.

mod budget;
mod engine;
mod medium;
mod open;
mod overlay;
mod tables;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conversation::{ConversationId, Event, Millis, Seq};
use redb::{ReadTransaction, TableError};

pub use medium::Medium;
pub use open::{DATA_FILE, LOCK_FILE, OpenError};

use crate::port::Answer;
use crate::{
    Append, Appended, ClaimDue, Delete, Deleted, Key, List, Listed, MAX_EVENT_BYTES, MAX_LIMIT, MAX_READ_BYTES,
    MAX_VALUE_BYTES, Put, PutOutcome, Record, Reserve, SetDue, Store, StoreError,
};
use budget::Budget;
use engine::Engine;
use medium::MemoryMedium;
use tables::{Found, NewDue, NewEvent, NewRecord, Span};
use writer::{Task, Writer, stopped};

/// How an [`EmbeddedStore`] uses memory and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Memory for pages of the file, in bytes. Default: 32 MiB, which holds the recent part of some 10,000 conversations;
    /// what does not fit is in the system's page cache.
    pub cache_bytes: usize,
    /// How many bytes of writes may wait before more are refused. Default: 16 MiB.
    pub queue_bytes: usize,
    /// How long a medium that failed is left alone before it is tried again. Doubles with each failure, up to 30 s.
    /// Default: 500 ms.
    pub retry_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, queue_bytes: 16 << 20, retry_pause: Duration::from_millis(500) }
    }
}

/// A store inside the process. Dropping it writes what is queued, closes the file and unlocks the folder.
pub struct EmbeddedStore {
    // The order matters: the writer ends before the engine closes, and the folder is unlocked last.
    writer: Writer,
    engine: Arc<Engine>,
    budget: Mutex<Budget>,
    _lock: Option<File>,
}

impl EmbeddedStore {
    /// Opens the data folder `dir`, and makes it if it is not there.
    ///
    /// The whole data file is read and verified first, without changing it.
    ///
    /// # Errors
    /// A folder that is in use, a file that is damaged or of another layout, a system that refuses. The file is as before.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let (medium, lock) = open::open_folder(dir, options.cache_bytes)?;
        Self::start(Box::new(medium), options, &dir.join(DATA_FILE), Some(lock))
    }

    /// A store that is gone with the process.
    ///
    /// # Errors
    /// No memory, or no thread.
    pub fn memory(options: Options) -> Result<Self, OpenError> {
        Self::with_medium(Box::new(MemoryMedium::default()), options)
    }

    /// A store on a medium of the caller's. Nothing is verified first.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn with_medium(medium: Box<dyn Medium>, options: Options) -> Result<Self, OpenError> {
        Self::start(medium, options, Path::new("(not a file)"), None)
    }

    fn start(medium: Box<dyn Medium>, options: Options, file: &Path, lock: Option<File>) -> Result<Self, OpenError> {
        let engine = Engine::start(medium, options.cache_bytes, options.retry_pause).map_err(|fault| fault.at(file))?;
        let engine = Arc::new(engine);
        let writer =
            Writer::start(engine.clone(), options.queue_bytes).map_err(|error| open::Fault::Io(error).at(file))?;
        Ok(Self { writer, engine, budget: Mutex::default(), _lock: lock })
    }

    fn read<T>(
        &self,
        what: impl fmt::Display,
        read: impl FnOnce(&ReadTransaction) -> Result<T, TableError>,
    ) -> Result<T, StoreError> {
        let result = self.engine.read(what, read);
        if result.is_err() {
            self.writer.wake();
        }
        result
    }

    fn read_log(&self, conversation: &ConversationId, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let limit = limit.min(MAX_LIMIT);
        let stored = self.read(format_args!("read {conversation}"), |transaction| {
            tables::events(transaction, conversation.as_str(), after, limit, MAX_READ_BYTES)
        })?;
        let expected = (after..).skip(1);
        stored.iter().zip(expected).map(|((seq, bytes), due)| decode(conversation, *seq, due, bytes)).collect()
    }

    fn record(&self, key: &Key, now: Millis) -> Result<Option<Record>, StoreError> {
        let found =
            self.read(format_args!("get {key}"), |transaction| tables::record(transaction, key.as_str(), now))?;
        Ok(found.map(|found| Record { value: found.value, version: found.version }))
    }

    fn listing(&self, list: &List<'_>) -> Result<Vec<Listed>, StoreError> {
        let span = Span {
            index: list.index.as_str(),
            from: list.from,
            to: list.to,
            after: list.after.map(|(position, key)| (position, key.as_str())),
            limit: list.limit.min(MAX_LIMIT),
            max_bytes: MAX_READ_BYTES,
            now: list.now,
        };
        let found = self.read(format_args!("list {}", list.index), |transaction| tables::list(transaction, &span))?;
        found.into_iter().map(listed).collect()
    }

    fn append(&self, append: &Append<'_>) -> Result<Answer<'static, Appended>, StoreError> {
        // Nothing that was acknowledged is ever lost here, so what the caller holds before the event is what is stored.
        let Append { conversation, event, due, fence, previous_at: _ } = append;
        let (conversation, seq, due, fence) = ((*conversation).clone(), event.seq, *due, *fence);
        let bytes = protocol::encode_event(event);
        within(bytes.len(), MAX_EVENT_BYTES, || format!("event {seq} of {conversation}"))?;
        let task = Task::Append(conversation.clone());
        Ok(self.writer.write(task, bytes.len() + conversation.as_str().len(), move |tables| {
            tables.append(&NewEvent { conversation: conversation.as_str(), seq, bytes: &bytes, due, fence })
        }))
    }

    fn put_record(&self, put: Put<'_>) -> Result<Answer<'static, PutOutcome>, StoreError> {
        let Put { key, expected, value, expires_at, listing, now } = put;
        within(value.len(), MAX_VALUE_BYTES, || format!("the value of {key}"))?;
        if let Some(listing) = listing
            && listing.index.owner() != key.owner()
        {
            let reason = format!("the index {} is of another owner", listing.index);
            return Err(StoreError::Invalid { what: format!("put {key}"), reason });
        }
        let (key, listing) = (key.clone(), listing.map(|listing| (listing.index.clone(), listing.position)));
        Ok(self.writer.write(Task::Put(key.clone()), value.len() + key.as_str().len(), move |tables| {
            let listing = listing.as_ref().map(|(index, position)| (index.as_str(), *position));
            tables.put(&NewRecord { key: key.as_str(), expected, value: &value, expires_at, listing, now })
        }))
    }

    async fn claim(&self, claim: ClaimDue) -> Result<Vec<ConversationId>, StoreError> {
        let ClaimDue { now, until, limit, .. } = claim;
        if until <= now {
            let reason = format!("the time it is claimed until, {until}, is not after now, {now}");
            return Err(StoreError::Invalid { what: Task::ClaimDue.to_string(), reason });
        }
        if limit == 0 || !self.read(Task::ClaimDue, |transaction| tables::any_due(transaction, now))? {
            return Ok(Vec::new());
        }
        let claim = ClaimDue { limit: limit.min(MAX_LIMIT), ..claim };
        let claimed = self.writer.write(Task::ClaimDue, 0, move |tables| tables.claim_due(&claim)).await?;
        claimed.iter().map(|text| conversation_id(text)).collect()
    }
}

impl Store for EmbeddedStore {
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended> {
        Box::pin(async move { self.append(&append)?.await })
    }

    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended> {
        Box::pin(async move {
            let SetDue { conversation, head, due, fence } = due;
            let conversation = conversation.clone();
            let (task, bytes) = (Task::SetDue(conversation.clone()), conversation.as_str().len());
            self.writer
                .write(task, bytes, move |tables| {
                    tables.set_due(&NewDue { conversation: conversation.as_str(), head, due, fence })
                })
                .await
        })
    }

    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq> {
        Box::pin(async move {
            self.read(format_args!("read {conversation}"), |transaction| {
                tables::head(transaction, conversation.as_str())
            })
        })
    }

    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(async move { self.read_log(conversation, after, limit) })
    }

    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>> {
        Box::pin(self.claim(claim))
    }

    fn forget<'a>(&'a self, conversation: &'a ConversationId, _now: Millis) -> Answer<'a, ()> {
        Box::pin(async move {
            let conversation = conversation.clone();
            let (task, bytes) = (Task::Forget(conversation.clone()), conversation.as_str().len());
            self.writer.write(task, bytes, move |tables| tables.forget(conversation.as_str())).await
        })
    }

    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>> {
        Box::pin(async move { self.record(key, now) })
    }

    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome> {
        Box::pin(async move { self.put_record(put)?.await })
    }

    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted> {
        Box::pin(async move {
            let Delete { key, expected, now } = delete;
            let key = key.clone();
            let (task, bytes) = (Task::Delete(key.clone()), key.as_str().len());
            self.writer.write(task, bytes, move |tables| tables.delete(key.as_str(), expected, now)).await
        })
    }

    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>> {
        Box::pin(async move { self.listing(&list) })
    }

    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64> {
        Box::pin(async move { Ok(self.budget.lock().unwrap_or_else(PoisonError::into_inner).reserve(&reserve)) })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(
            async move { if self.writer.is_running() { self.engine.ready() } else { Err(stopped("take writes")) } },
        )
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

fn within(bytes: usize, limit: usize, what: impl FnOnce() -> String) -> Result<(), StoreError> {
    if bytes <= limit { Ok(()) } else { Err(StoreError::TooLarge { what: what(), bytes, limit }) }
}

/// Reads one stored event, which must be the one that is `due` at this place of the log.
fn decode(conversation: &ConversationId, seq: Seq, due: Seq, bytes: &[u8]) -> Result<Event, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { what: format!("event {due} of {conversation}"), reason };
    if seq != due {
        return Err(damaged(format!("it is missing, event {seq} follows")));
    }
    let event = protocol::decode_event(bytes).map_err(|error| damaged(error.to_string()))?;
    if event.seq == seq { Ok(event) } else { Err(damaged(format!("it says that it is event {}", event.seq))) }
}

fn conversation_id(text: &str) -> Result<ConversationId, StoreError> {
    ConversationId::parse(text)
        .map_err(|error| StoreError::Damaged { what: "the due index".to_owned(), reason: error.to_string() })
}

fn listed(found: Found) -> Result<Listed, StoreError> {
    let key = Key::parse(&found.key)
        .map_err(|error| StoreError::Damaged { what: "an index".to_owned(), reason: error.to_string() })?;
    let record = Record { value: found.value, version: found.version };
    Ok(Listed { key, position: found.position, record })
}
