//! Records, their listings, and the model's budget.

use bytes::Bytes;
use conversation::Millis;
use redis::{Cmd, Value};

use super::keys::{self, OwnerKeys};
use super::servers::{Kind, Placed};
use super::trouble::Trouble;
use super::{Fault, RedisStore, array, bytes, integer, script, text};
use crate::{
    Delete, Deleted, Key, List, Listed, MAX_CLOCK_SKEW_MS, MAX_LIMIT, MAX_READ_BYTES, MAX_VALUE_BYTES, Put, PutOutcome,
    Record, Reserve, StoreError, Version,
};

/// How many entries of a listing are looked at together: at the longest values, 4 MB.
const PAGE: usize = 64;

/// How often a page is read again of which records were moved meanwhile.
const TRIES: usize = 4;

/// Redis is not asked to forget what would be kept for longer, in milliseconds: 35,000 years.
const LONGEST_KEEP_MS: u64 = 1 << 50;

/// A moment is the lowest version that may be given then, shifted by this many bits: should a fail-over lose the newest
/// version, none is given twice. Versions stay below 2^53, which is what a script can count to.
const VERSION_BITS: u32 = 10;

/// The latest moment that counts for versions: in the year 2109.
const LATEST_VERSION_MS: u64 = 1 << 42;

/// The longest value of a record that may be written into a Redis that is full, in bytes.
const SMALL_BYTES: usize = 128;

/// A record as it is stored.
struct Stored {
    version: Version,
    expires_at: Option<Millis>,
    listing: Option<String>,
    value: Bytes,
}

impl RedisStore {
    pub(super) async fn record(&self, key: &Key, now: Millis) -> Result<Option<Record>, Fault> {
        let owner = self.names.owner(key.owner());
        let answer = self.servers.send(owner.slot, &fields(&owner, key.as_str()), Kind::Plain).await?;
        Ok(Stored::read(answer)?.filter(|stored| stored.is_live(now)).map(Stored::into_record))
    }

    pub(super) async fn put_record(&self, put: Put<'_>) -> Result<PutOutcome, Fault> {
        let script = if helps_to_forget(&put) { &script::PUT_WHEN_FULL } else { &script::PUT };
        let Put { key, expected, value, expires_at, listing, now } = put;
        if value.len() > MAX_VALUE_BYTES {
            let what = format!("the value of {key}");
            return Err(StoreError::TooLarge { what, bytes: value.len(), limit: MAX_VALUE_BYTES }.into());
        }
        if let Some(listing) = listing
            && listing.index.owner() != key.owner()
        {
            let reason = format!("the index {} is of another owner", listing.index);
            return Err(StoreError::Invalid { what: format!("put {key}"), reason }.into());
        }
        let owner = self.names.owner(key.owner());
        let call = script
            .call([owner.record(key.as_str()), owner.version(), owner.listings(), owner.expiring()])
            .option(expected)
            .arg(now)
            .arg(value.as_ref())
            .option(expires_at)
            .option(expires_at.and_then(|expires_at| keep_ms(expires_at, now)))
            .option(listing.map(|listing| keys::listing(listing.index, listing.position, key.as_str())))
            .arg(now.min(LATEST_VERSION_MS) << VERSION_BITS);
        let version = integer(&self.servers.call(owner.slot, &call, Kind::Replicated).await?)?;
        match u64::try_from(version).map_err(|_| Trouble::nonsense())? {
            0 => Ok(PutOutcome::Conflict),
            version => Ok(PutOutcome::Stored(version)),
        }
    }

    pub(super) async fn delete_record(&self, delete: Delete<'_>) -> Result<Deleted, Fault> {
        let Delete { key, expected, now } = delete;
        let owner = self.names.owner(key.owner());
        let call = script::DELETE
            .call([owner.record(key.as_str()), owner.listings(), owner.expiring()])
            .option(expected)
            .arg(now);
        match integer(&self.servers.call(owner.slot, &call, Kind::Replicated).await?)? {
            1 => Ok(Deleted::Removed),
            0 => Ok(Deleted::Conflict),
            _ => Err(Trouble::nonsense().into()),
        }
    }

    pub(super) async fn listing(&self, list: List<'_>) -> Result<Vec<Listed>, Fault> {
        let limit = list.limit.min(MAX_LIMIT);
        let after = list.after.filter(|(position, _)| *position >= list.from);
        let mut after = after.map(|(position, key)| keys::listing(list.index, position, key.as_str()));
        let (mut found, mut bytes) = (Vec::new(), 0);
        while found.len() < limit && bytes < MAX_READ_BYTES && list.from <= list.to {
            let page = self.page(&list, after.as_deref(), PAGE.min(limit - found.len())).await?;
            if page.last.is_none() {
                break;
            }
            after = page.last;
            for listed in page.found {
                bytes += listed.record.value.len();
                found.push(listed);
            }
        }
        Ok(found)
    }

    /// The next entries. A record that is moved while the page is read is at neither place, so the page is read again.
    async fn page(&self, list: &List<'_>, after: Option<&str>, limit: usize) -> Result<Page, Fault> {
        let mut page = self.read_page(list, after, limit).await?;
        for _ in 1..TRIES {
            if !page.has_moved {
                break;
            }
            page = self.read_page(list, after, limit).await?;
        }
        Ok(page)
    }

    async fn read_page(&self, list: &List<'_>, after: Option<&str>, limit: usize) -> Result<Page, Fault> {
        let owner = self.names.owner(list.index.owner());
        let (first, last) = keys::listing_range(list.index, list.from, list.to, after);
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(owner.listings()).arg(first).arg(last).arg("LIMIT").arg(0).arg(limit);
        let entries = array(self.servers.send(owner.slot, &command, Kind::Plain).await?)?;
        let entries = entries.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let mut places = Vec::with_capacity(entries.len());
        for entry in &entries {
            places.push(place(entry)?);
        }
        let reads = places.iter().map(|(_, key)| Placed { slot: owner.slot, command: fields(&owner, key.as_str()) });
        let records = self.servers.send_each(&reads.collect::<Vec<_>>()).await;
        let mut page = Page { found: Vec::new(), last: entries.last().cloned(), has_moved: false };
        for ((entry, (position, key)), record) in entries.iter().zip(places).zip(records) {
            match Stored::read(record?)? {
                Some(stored) if stored.listing.as_ref() != Some(entry) => page.has_moved = true,
                Some(stored) if stored.is_live(list.now) => {
                    page.found.push(Listed { key, position, record: stored.into_record() });
                }
                _ => {}
            }
        }
        Ok(page)
    }

    pub(super) async fn take(&self, reserve: Reserve<'_>) -> Result<u64, Fault> {
        let Reserve { key, amount, per_minute, burst, remaining, now } = reserve;
        let owner = self.names.owner(key.owner());
        let call = script::RESERVE
            .call([owner.budget(key)])
            .arg(amount)
            .arg(per_minute.get())
            .arg(burst)
            .option(remaining)
            .arg(now)
            .arg(MAX_CLOCK_SKEW_MS);
        let wait_ms = integer(&self.servers.call(owner.slot, &call, Kind::Plain).await?)?;
        Ok(u64::try_from(wait_ms).map_err(|_| Trouble::nonsense())?)
    }
}

/// A part of a listing.
struct Page {
    found: Vec<Listed>,
    /// The last entry that was looked at. `None`: the listing ends.
    last: Option<String>,
    /// Whether a record was elsewhere than its entry says.
    has_moved: bool,
}

impl Stored {
    /// Reads the answer to [`fields`]. `None`: there is no such record.
    fn read(answer: Value) -> Result<Option<Self>, Trouble> {
        let fields = array(answer)?;
        let [version, expires_at, listing, value] = <[Value; 4]>::try_from(fields).map_err(|_| Trouble::nonsense())?;
        if version == Value::Nil {
            return Ok(None);
        }
        Ok(Some(Self {
            version: number(version)?,
            expires_at: if expires_at == Value::Nil { None } else { Some(number(expires_at)?) },
            listing: if listing == Value::Nil { None } else { Some(text(listing)?) },
            value: bytes(value)?.into(),
        }))
    }

    fn is_live(&self, now: Millis) -> bool {
        self.expires_at.is_none_or(|expires_at| expires_at > now)
    }

    fn into_record(self) -> Record {
        Record { value: self.value, version: self.version }
    }
}

fn fields(owner: &OwnerKeys, key: &str) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(owner.record(key)).arg("version").arg("expires_at").arg("listing").arg("value");
    command
}

/// Whether a record may be written although all memory is used up: without leases, without the number of the next conversation
/// of a visitor who is forgotten, and without moving in the index what cannot be closed just now, nothing would be forgotten,
/// and the memory stay full. What takes the place of another record adds next to nothing; what ends by itself and is in no index
/// is written only by who removes more than that.
fn helps_to_forget(put: &Put<'_>) -> bool {
    let ends = put.expires_at.is_some() && put.listing.is_none();
    put.value.len() <= SMALL_BYTES && (put.expected.is_some() || ends)
}

/// For how long Redis keeps a record: beyond its expiry, because somebody's clock may be behind.
fn keep_ms(expires_at: Millis, now: Millis) -> Option<u64> {
    let keep_ms = expires_at.saturating_sub(now).saturating_add(MAX_CLOCK_SKEW_MS);
    (keep_ms <= LONGEST_KEEP_MS).then_some(keep_ms)
}

fn place(entry: &str) -> Result<(u64, Key), StoreError> {
    let damaged = |reason: String| StoreError::Damaged { what: "an index".to_owned(), reason };
    let (position, key) = keys::parse_listing(entry).ok_or_else(|| damaged(format!("{entry:?} is no entry")))?;
    Ok((position, Key::parse(key).map_err(|error| damaged(error.to_string()))?))
}

fn number(value: Value) -> Result<u64, Trouble> {
    text(value)?.parse().map_err(|_| Trouble::nonsense())
}
