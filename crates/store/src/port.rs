//! What the rest of Frontdesk asks of a store, and what every implementation promises.

use std::num::NonZeroU64;
use std::pin::Pin;

use bytes::Bytes;
use conversation::{Claim, ConversationId, Event, Fence, Millis, Seq};

use crate::{Index, Key, StoreError};

/// A future that a `dyn Store` can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer of every operation.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The longest stored form of one event, in bytes. The longest answer is 32 KiB of text; a DynamoDB item holds 400 KB.
pub const MAX_EVENT_BYTES: usize = 128 * 1024;

/// The longest value of one record, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// After how many stored bytes one read or listing ends early. A DynamoDB query ends a page at 1 MB too.
pub const MAX_READ_BYTES: usize = 1024 * 1024;

/// The largest `limit` that has an effect.
pub const MAX_LIMIT: usize = 10_000;

/// How far the clocks of two callers may differ, in milliseconds.
pub const MAX_CLOCK_SKEW_MS: u64 = 60_000;

/// Keeps logs, the due index, records and the model's budget.
///
/// - **Durable.** A write is answered with success only when it survives the death of the process and, where the store has
///   a disk, of the machine. [`Store::reserve`] is the exception.
/// - **Unknown after an error.** After an `Err` from a write, or when its future is dropped, nobody knows whether the
///   write happened. Read to find out; never assume.
/// - **Read your writes.** What was answered is seen by every read that starts afterwards, by anybody.
/// - **No clock.** Time is always an argument, in Unix milliseconds.
///
/// Callers may hold it as `Arc<dyn Store>`; every operation may run at the same time as every other.
pub trait Store: Send + Sync + 'static {
    /// Appends one event to a log and, in the same atomic write, places the conversation in the due index and ends the
    /// claim on it, if there is one.
    ///
    /// It is stored only if its seq is one past the head. A seq that is taken, or that would leave a hole, is a
    /// [`Appended::Conflict`]; one that its [`Append::fence`] keeps out is [`Appended::Fenced`]. In both cases nothing
    /// changes, the due index neither.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond [`MAX_EVENT_BYTES`]; those every operation has.
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended>;

    /// Moves a conversation in the due index without appending, if its log still ends at [`SetDue::head`].
    ///
    /// For a node that drains (its running turns become due at once) and for a claim that finds nothing to do. It is
    /// ordered with appends: a newer event's place is never overwritten by an older writer. It ends the claim on the
    /// conversation, if there is one.
    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended>;

    /// The seq of the newest event; 0: nothing is stored. Costs one look-up, however long the log is.
    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq>;

    /// The events after `after`, in order and without holes, at most `limit`, at most about [`MAX_READ_BYTES`].
    ///
    /// It may hold fewer than `limit` though there are more. Only an empty answer (to a limit above 0) says that the log
    /// ends at `after`, or before it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a stored event cannot be read.
    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>>;

    /// Takes up to [`ClaimDue::limit`] conversations whose due time is at or before [`ClaimDue::now`], the most overdue
    /// first, and moves each to [`ClaimDue::until`] in the same step, so that no other caller gets it before then.
    ///
    /// Whoever claims and dies is followed by the next claimer at `until`. It may return fewer than are due; ask again until
    /// it returns none. What a claim keeps others from doing is said at [`Fence`].
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if `until` is not after `now`; those every operation has.
    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>>;

    /// Removes a log with all its events, its place in the due index and the claim on it. One that does not exist is
    /// removed already.
    ///
    /// Nobody who still knows the removed events can append after them: for at least a day from `now` such an append is a
    /// [`Appended::Conflict`]. Whether a new log may begin at seq 1 before that day is over differs from store to store, so
    /// a conversation that was forgotten must not be used again; its visitor's next one has another number.
    fn forget<'a>(&'a self, conversation: &'a ConversationId, now: Millis) -> Answer<'a, ()>;

    /// The record at `key`, unless it expired at or before `now`.
    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>>;

    /// Writes a record if it is as expected, and replaces its place in the index, in one atomic step.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond [`MAX_VALUE_BYTES`]; those every operation has.
    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome>;

    /// Removes a record and its place in the index.
    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted>;

    /// The records of an index that have not expired, ordered by position and then by key.
    ///
    /// As with [`Store::read`], fewer than the limit does not mean the end; an empty answer does.
    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>>;

    /// Takes [`Reserve::amount`] from a bucket that refills steadily, and returns how many milliseconds to wait before
    /// using it.
    ///
    /// The level may go below zero: then the wait is the time until it is back at zero. So every caller is served, in the
    /// order of its calls, and the sum of what is used never exceeds `burst` and the refill. A store may forget a bucket
    /// when it restarts; it is then full.
    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64>;

    /// Whether the store can be reached and would take a write now, as far as it knows without writing. For readiness
    /// probes; a store elsewhere is asked, so it may take as long as any operation.
    fn ready(&self) -> Answer<'_, ()>;
}

/// One event for one log.
#[derive(Debug, Clone)]
pub struct Append<'a> {
    /// Whose log.
    pub conversation: &'a ConversationId,
    /// The event; its seq says where it goes.
    pub event: &'a Event,
    /// When the conversation needs attention once this event is stored. `None`: it leaves the due index.
    pub due: Option<Millis>,
    /// Whose claim keeps it out.
    pub fence: Fence,
    /// The `at` of the event before it; 0 for the first. A store that can lose what it has acknowledged compares it with the
    /// event that it has there, and answers [`Appended::Conflict`] if it is another one. Two events at one seq that were
    /// decided in the same millisecond cannot be told apart.
    pub previous_at: Millis,
}

/// What to take out of the due index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimDue {
    /// The time.
    pub now: Millis,
    /// When what is claimed is due again. After `now`.
    pub until: Millis,
    /// The most conversations to claim.
    pub limit: usize,
    /// The claim's name. Replaces the claim that was there.
    pub claim: Claim,
}

/// A new place in the due index.
#[derive(Debug, Clone)]
pub struct SetDue<'a> {
    /// Which conversation.
    pub conversation: &'a ConversationId,
    /// The seq of the newest event the caller knows.
    pub head: Seq,
    /// The new due time. `None`: it leaves the index.
    pub due: Option<Millis>,
    /// Whose claim keeps it out.
    pub fence: Fence,
}

/// What became of an [`Append`] or a [`SetDue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// It is stored.
    Stored,
    /// The log has another head than the caller thought. Nothing changed: read, fold and decide again.
    Conflict,
    /// The seq is free, but another claim stands (see [`Fence`]). Nothing changed: it is the claimer's business now.
    Fenced,
}

/// Tells one state of a record from every other one.
///
/// The versions of one key only grow, also across deletion and expiry, so one can serve as a fencing token.
pub type Version = u64;

/// A small value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What was put.
    pub value: Bytes,
    /// Which state this is.
    pub version: Version,
}

/// A record to write.
#[derive(Debug, Clone)]
pub struct Put<'a> {
    /// Where.
    pub key: &'a Key,
    /// The version it must have now. `None`: there must be none, or an expired one.
    pub expected: Option<Version>,
    /// The new value.
    pub value: Bytes,
    /// From when on it counts as absent. `None`: never.
    pub expires_at: Option<Millis>,
    /// Where it is listed. `None`: nowhere.
    pub listing: Option<Listing<'a>>,
    /// The time.
    pub now: Millis,
}

/// Where a record is listed. The index belongs to the same owner as the record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing<'a> {
    /// The index; its owner must be the key's.
    pub index: &'a Index,
    /// What it is ordered by.
    pub position: u64,
}

/// What became of a [`Put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PutOutcome {
    /// It is stored, with this version.
    Stored(Version),
    /// The record is not as expected. Nothing changed.
    Conflict,
}

/// A record to remove.
#[derive(Debug, Clone)]
pub struct Delete<'a> {
    /// Which.
    pub key: &'a Key,
    /// The version it must have. `None`: any, or there may be none.
    pub expected: Option<Version>,
    /// The time.
    pub now: Millis,
}

/// What became of a [`Delete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Deleted {
    /// There is no such record now.
    Removed,
    /// The record is not as expected. Nothing changed.
    Conflict,
}

/// A part of an index.
#[derive(Debug, Clone)]
pub struct List<'a> {
    /// Which index.
    pub index: &'a Index,
    /// The first position.
    pub from: u64,
    /// The last position, inclusive.
    pub to: u64,
    /// Continue after this position and key: those of the last entry of the page before.
    pub after: Option<(u64, &'a Key)>,
    /// The most entries to return.
    pub limit: usize,
    /// The time.
    pub now: Millis,
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The record's key.
    pub key: Key,
    /// Its position in the index.
    pub position: u64,
    /// The record.
    pub record: Record,
}

/// A share of a budget that refills.
#[derive(Debug, Clone)]
pub struct Reserve<'a> {
    /// Which bucket.
    pub key: &'a Key,
    /// How much to take. Negative: give back what an estimate took too much.
    pub amount: i64,
    /// How much flows back in a minute.
    pub per_minute: NonZeroU64,
    /// How much the bucket holds when full.
    pub burst: u64,
    /// What the owner of the quota says is left. The level is pulled down to it first, never up.
    pub remaining: Option<u64>,
    /// The time. One that is behind an earlier caller's counts as that one's, so that clocks that differ gain nothing; one
    /// that is behind by more than [`MAX_CLOCK_SKEW_MS`] means that the clock was set back, and counts from now on.
    pub now: Millis,
}
