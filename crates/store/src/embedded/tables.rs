//! The tables of the data file, and each operation of the port as a change to them.

use bytes::Bytes;
use conversation::{Claim, Fence, Millis, Seq};
use redb::{ReadTransaction, ReadableTable, StorageError, Table, TableDefinition, TableError, WriteTransaction};

use crate::port::{Appended, ClaimDue, Deleted, PutOutcome, Version};

/// Conversation, seq → the event's bytes.
type EventsKey = (&'static str, Seq);
/// Conversation → its head, and its due time or [`NEVER`].
type Place = (Seq, Millis);
/// Due time, conversation.
type DueKey = (Millis, &'static str);
/// Version, expiry or [`NEVER`], index or "", position, value.
type StoredRecord = (Version, Millis, &'static str, u64, &'static [u8]);
/// Index, position, record key.
type ListingKey = (&'static str, u64, &'static str);
/// Expiry, record key.
type ExpiryKey = (Millis, &'static str);

pub(super) const EVENTS: TableDefinition<'_, EventsKey, &[u8]> = TableDefinition::new("events");
pub(super) const CONVERSATIONS: TableDefinition<'_, &str, Place> = TableDefinition::new("conversations");
pub(super) const DUE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("due");
/// Conversation → the claim on it. Only conversations that are claimed have one.
pub(super) const CLAIMS: TableDefinition<'_, &str, u64> = TableDefinition::new("claims");
pub(super) const RECORDS: TableDefinition<'_, &str, StoredRecord> = TableDefinition::new("records");
pub(super) const LISTINGS: TableDefinition<'_, ListingKey, ()> = TableDefinition::new("listings");
pub(super) const EXPIRIES: TableDefinition<'_, ExpiryKey, ()> = TableDefinition::new("expiries");
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Where [`META`] keeps the version of this layout.
pub(super) const META_SCHEMA: &str = "schema";
/// Where [`META`] keeps the newest version given to a record.
const META_RECORD_VERSION: &str = "record_version";
/// Where [`META`] counts the times the file took writes again after a failure.
const META_RECOVERIES: &str = "recoveries";

/// Stands for "no time". Nothing is ever due or expires then.
pub(super) const NEVER: Millis = Millis::MAX;

/// How many expired records one put removes. More than one, so that they are removed faster than they are made.
const SWEEP: usize = 4;

/// One append, ready to store.
pub(super) struct NewEvent<'a> {
    pub(super) conversation: &'a str,
    pub(super) seq: Seq,
    pub(super) bytes: &'a [u8],
    pub(super) due: Option<Millis>,
    pub(super) fence: Fence,
}

/// A new place in the due index, ready to store.
pub(super) struct NewDue<'a> {
    pub(super) conversation: &'a str,
    pub(super) head: Seq,
    pub(super) due: Option<Millis>,
    pub(super) fence: Fence,
}

/// One put, ready to store.
pub(super) struct NewRecord<'a> {
    pub(super) key: &'a str,
    pub(super) expected: Option<Version>,
    pub(super) value: &'a [u8],
    pub(super) expires_at: Option<Millis>,
    pub(super) listing: Option<(&'a str, u64)>,
    pub(super) now: Millis,
}

/// All tables, open for one transaction.
pub(super) struct Tables<'t> {
    events: Table<'t, EventsKey, &'static [u8]>,
    conversations: Table<'t, &'static str, Place>,
    due: Table<'t, DueKey, ()>,
    claims: Table<'t, &'static str, u64>,
    records: Table<'t, &'static str, StoredRecord>,
    listings: Table<'t, ListingKey, ()>,
    expiries: Table<'t, ExpiryKey, ()>,
    meta: Table<'t, &'static str, u64>,
    changed: bool,
}

impl<'t> Tables<'t> {
    /// Opens all tables, and makes those that are not there.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            events: transaction.open_table(EVENTS)?,
            conversations: transaction.open_table(CONVERSATIONS)?,
            due: transaction.open_table(DUE)?,
            claims: transaction.open_table(CLAIMS)?,
            records: transaction.open_table(RECORDS)?,
            listings: transaction.open_table(LISTINGS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            meta: transaction.open_table(META)?,
            changed: false,
        })
    }

    /// Whether anything was changed, so that there is something to commit.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn append(&mut self, new: &NewEvent<'_>) -> Result<Appended, StorageError> {
        let (head, due) = self.place(new.conversation)?;
        if head.checked_add(1) != Some(new.seq) {
            return Ok(Appended::Conflict);
        }
        if !new.fence.lets_through(self.claim(new.conversation)?) {
            return Ok(Appended::Fenced);
        }
        self.claims.remove(new.conversation)?;
        self.events.insert((new.conversation, new.seq), new.bytes)?;
        self.move_to(new.conversation, new.seq, due, new.due.unwrap_or(NEVER))?;
        Ok(Appended::Stored)
    }

    pub(super) fn set_due(&mut self, new: &NewDue<'_>) -> Result<Appended, StorageError> {
        let (head, due) = self.place(new.conversation)?;
        if head != new.head || head == 0 {
            return Ok(Appended::Conflict);
        }
        if !new.fence.lets_through(self.claim(new.conversation)?) {
            return Ok(Appended::Fenced);
        }
        self.claims.remove(new.conversation)?;
        self.move_to(new.conversation, head, due, new.due.unwrap_or(NEVER))?;
        Ok(Appended::Stored)
    }

    pub(super) fn claim_due(&mut self, claim: &ClaimDue) -> Result<Vec<String>, StorageError> {
        let mut claimed = Vec::new();
        for entry in self.due.range(..(claim.now.saturating_add(1), ""))?.take(claim.limit) {
            claimed.push(entry?.0.value().1.to_owned());
        }
        for conversation in &claimed {
            let (head, due) = self.place(conversation)?;
            self.move_to(conversation, head, due, claim.until)?;
            self.claims.insert(conversation.as_str(), claim.claim.get())?;
        }
        Ok(claimed)
    }

    pub(super) fn forget(&mut self, conversation: &str) -> Result<(), StorageError> {
        let (head, due) = self.place(conversation)?;
        if due != NEVER {
            self.due.remove((due, conversation))?;
        }
        self.claims.remove(conversation)?;
        self.events.retain_in((conversation, 0)..=(conversation, Seq::MAX), |_, _| false)?;
        self.changed |= self.conversations.remove(conversation)?.is_some() || head > 0;
        Ok(())
    }

    fn claim(&self, conversation: &str) -> Result<Option<Claim>, StorageError> {
        Ok(self.claims.get(conversation)?.and_then(|claim| Claim::new(claim.value())))
    }

    fn place(&self, conversation: &str) -> Result<Place, StorageError> {
        Ok(self.conversations.get(conversation)?.map_or((0, NEVER), |place| place.value()))
    }

    fn move_to(&mut self, conversation: &str, head: Seq, from: Millis, to: Millis) -> Result<(), StorageError> {
        if from != to && from != NEVER {
            self.due.remove((from, conversation))?;
        }
        if from != to && to != NEVER {
            self.due.insert((to, conversation), ())?;
        }
        self.conversations.insert(conversation, (head, to))?;
        self.changed = true;
        Ok(())
    }

    pub(super) fn put(&mut self, new: &NewRecord<'_>) -> Result<PutOutcome, StorageError> {
        if self.live_version(new.key, new.now)? != new.expected {
            return Ok(PutOutcome::Conflict);
        }
        self.unlist(new.key)?;
        let version = self.meta.get(META_RECORD_VERSION)?.map_or(0, |version| version.value()) + 1;
        self.meta.insert(META_RECORD_VERSION, version)?;
        let expires_at = new.expires_at.unwrap_or(NEVER);
        if expires_at != NEVER {
            self.expiries.insert((expires_at, new.key), ())?;
        }
        if let Some((index, position)) = new.listing {
            self.listings.insert((index, position, new.key), ())?;
        }
        let (index, position) = new.listing.unwrap_or(("", 0));
        self.records.insert(new.key, (version, expires_at, index, position, new.value))?;
        self.changed = true;
        self.sweep(new.now)?;
        Ok(PutOutcome::Stored(version))
    }

    pub(super) fn delete(
        &mut self,
        key: &str,
        expected: Option<Version>,
        now: Millis,
    ) -> Result<Deleted, StorageError> {
        let live = self.live_version(key, now)?;
        if expected.is_some() && expected != live {
            return Ok(Deleted::Conflict);
        }
        self.remove(key)?;
        Ok(Deleted::Removed)
    }

    fn live_version(&self, key: &str, now: Millis) -> Result<Option<Version>, StorageError> {
        let record = self.records.get(key)?;
        Ok(record.and_then(|record| {
            let (version, expires_at, ..) = record.value();
            (expires_at > now).then_some(version)
        }))
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        self.unlist(key)?;
        let removed = self.records.remove(key)?.is_some();
        self.changed |= removed;
        Ok(())
    }

    /// Takes a record out of the tables that point to it.
    fn unlist(&mut self, key: &str) -> Result<(), StorageError> {
        let Some(record) = self.records.get(key)? else { return Ok(()) };
        let (_, expires_at, index, position, _) = record.value();
        if expires_at != NEVER {
            self.expiries.remove((expires_at, key))?;
        }
        if !index.is_empty() {
            self.listings.remove((index, position, key))?;
        }
        Ok(())
    }

    /// Removes a few records that have expired, the oldest first.
    fn sweep(&mut self, now: Millis) -> Result<(), StorageError> {
        let mut expired = Vec::new();
        for entry in self.expiries.range(..(now.saturating_add(1), ""))?.take(SWEEP) {
            expired.push(entry?.0.value().1.to_owned());
        }
        for key in expired {
            self.remove(&key)?;
        }
        Ok(())
    }

    /// A small write that shows whether the file takes writes.
    pub(super) fn probe(&mut self) -> Result<(), StorageError> {
        let count = self.meta.get(META_RECOVERIES)?.map_or(0, |count| count.value());
        self.meta.insert(META_RECOVERIES, count.saturating_add(1))?;
        self.changed = true;
        Ok(())
    }

    pub(super) fn set_schema(&mut self, version: u64) -> Result<(), StorageError> {
        self.meta.insert(META_SCHEMA, version)?;
        self.changed = true;
        Ok(())
    }
}

pub(super) fn schema(transaction: &ReadTransaction) -> Result<Option<u64>, TableError> {
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get(META_SCHEMA)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn head(transaction: &ReadTransaction, conversation: &str) -> Result<Seq, TableError> {
    let conversations = transaction.open_table(CONVERSATIONS)?;
    Ok(conversations.get(conversation)?.map_or(0, |place| place.value().0))
}

/// The bytes of events after `after`: at most `limit`, and none once `max_bytes` are reached.
pub(super) fn events(
    transaction: &ReadTransaction,
    conversation: &str,
    after: Seq,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<(Seq, Bytes)>, TableError> {
    let mut found = Vec::new();
    let Some(first) = after.checked_add(1) else { return Ok(found) };
    let mut bytes = 0;
    let events = transaction.open_table(EVENTS)?;
    for entry in events.range((conversation, first)..=(conversation, Seq::MAX))?.take(limit) {
        let (key, value) = entry?;
        bytes += value.value().len();
        found.push((key.value().1, Bytes::copy_from_slice(value.value())));
        if bytes >= max_bytes {
            break;
        }
    }
    Ok(found)
}

/// Whether any conversation is due. Asked often, and most often nothing is: no write is spent on that.
pub(super) fn any_due(transaction: &ReadTransaction, now: Millis) -> Result<bool, TableError> {
    let due = transaction.open_table(DUE)?;
    let any = due.range(..(now.saturating_add(1), ""))?.next().transpose()?.is_some();
    Ok(any)
}

/// A record as stored.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) position: u64,
    pub(super) version: Version,
    pub(super) value: Bytes,
}

pub(super) fn record(transaction: &ReadTransaction, key: &str, now: Millis) -> Result<Option<Found>, TableError> {
    let records = transaction.open_table(RECORDS)?;
    let Some(record) = records.get(key)? else { return Ok(None) };
    let (version, expires_at, _, position, value) = record.value();
    let live = expires_at > now;
    Ok(live.then(|| Found { key: key.to_owned(), position, version, value: Bytes::copy_from_slice(value) }))
}

/// Which entries of an index to list.
pub(super) struct Span<'a> {
    pub(super) index: &'a str,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) after: Option<(u64, &'a str)>,
    pub(super) limit: usize,
    pub(super) max_bytes: usize,
    pub(super) now: Millis,
}

pub(super) fn list(transaction: &ReadTransaction, span: &Span<'_>) -> Result<Vec<Found>, TableError> {
    let listings = transaction.open_table(LISTINGS)?;
    let mut found = Vec::new();
    let mut bytes = 0;
    let start = span.after.filter(|(position, _)| *position >= span.from).unwrap_or((span.from, ""));
    for entry in listings.range((span.index, start.0, start.1)..)? {
        let (entry, _) = entry?;
        let (index, position, key) = entry.value();
        if index != span.index || position > span.to || found.len() >= span.limit || bytes >= span.max_bytes {
            break;
        }
        if span.after == Some((position, key)) {
            continue;
        }
        if let Some(record) = record(transaction, key, span.now)? {
            bytes += record.value.len();
            found.push(record);
        }
    }
    Ok(found)
}
