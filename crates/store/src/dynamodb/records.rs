//! Records: one item each, and each item's own place in the index.

use bytes::Bytes;
use conversation::Millis;

use super::Inner;
use super::fault::Fault;
use super::item::{Item, bytes, bytes_at, key, number, number_at, text, text_at, ttl};
use super::table::{Condition, Span, Wrote};
use crate::{
    Delete, Deleted, Index, Key, List, Listed, MAX_LIMIT, MAX_VALUE_BYTES, Put, PutOutcome, Record, StoreError, Version,
};

/// The index of `table.json`.
const INDEX: &str = "listing";

/// How long the version of a record that was deleted or has expired stays. It takes up little, and nobody holds one for so
/// long.
const VERSION_KEPT_MS: Millis = 7 * 24 * 60 * 60 * 1000;

/// That there is no record: none was put, it was deleted, or it has expired.
const ABSENT: &str = "attribute_not_exists(b) OR x <= :now";

/// That there is a record.
const PRESENT: &str = "attribute_exists(b) AND (attribute_not_exists(x) OR x > :now)";

fn record_key(of: &Key) -> Item {
    key(partition(of.owner()), of.as_str())
}

fn partition(owner: &str) -> String {
    format!("r#{owner}")
}

/// The sort key in the index: index, position with leading zeros, key. The owner is in the partition already.
fn place(index: &Index, position: u64, key: &str) -> String {
    format!("{}/{position:020}/{key}", name(index))
}

fn name(index: &Index) -> &str {
    index.as_str().split_once('/').map_or(index.as_str(), |(_, name)| name)
}

impl Inner {
    /// See [`Store::get`](crate::Store::get).
    pub(super) async fn get(&self, key: &Key, now: Millis) -> Result<Option<Record>, StoreError> {
        let item = self.table.get(record_key(key)).await.map_err(|fault| fault.during(format_args!("get {key}")))?;
        item.as_ref().and_then(|item| live(item, now)).transpose()
    }

    /// See [`Store::put`](crate::Store::put).
    pub(super) async fn put(&self, put: Put<'_>) -> Result<PutOutcome, StoreError> {
        let what = || format!("put {}", put.key);
        if put.value.len() > MAX_VALUE_BYTES {
            let what = format!("the value of {}", put.key);
            return Err(StoreError::TooLarge { what, bytes: put.value.len(), limit: MAX_VALUE_BYTES });
        }
        if let Some(listing) = put.listing
            && listing.index.owner() != put.key.owner()
        {
            let reason = format!("the index {} is of another owner", listing.index);
            return Err(StoreError::Invalid { what: what(), reason });
        }
        self.write_record(&put).await.map_err(|fault| fault.during(what()))
    }

    async fn write_record(&self, put: &Put<'_>) -> Result<PutOutcome, Fault> {
        let token = self.tokens.next();
        let condition = match put.expected {
            None => Condition::new(ABSENT),
            Some(version) => Condition::new(PRESENT).and("v = :v").with(":v", number(version)),
        };
        let (change, values) = change(put, token);
        let condition = Condition { values: condition.values.into_iter().chain(values).collect(), ..condition };
        match self.table.update(record_key(put.key), change, condition).await? {
            Wrote::Done(new) => number_at(&new, "v").map(PutOutcome::Stored).ok_or_else(no_version),
            // The answer to the first attempt was lost.
            Wrote::Refused(there) if bytes_at(&there, "w") == Some(&token) => {
                number_at(&there, "v").map(PutOutcome::Stored).ok_or_else(no_version)
            }
            Wrote::Refused(_) => Ok(PutOutcome::Conflict),
        }
    }

    /// See [`Store::delete`](crate::Store::delete).
    pub(super) async fn delete(&self, delete: Delete<'_>) -> Result<Deleted, StoreError> {
        let Delete { key, expected, now } = delete;
        let token = self.tokens.next();
        let condition = match expected {
            // A record that expired is removed too; of none, nothing need be written.
            None => Condition::new("attribute_exists(b)"),
            Some(version) => {
                Condition::new(PRESENT).and("v = :v").with(":v", number(version)).with(":now", number(now))
            }
        };
        let condition = condition.with(":w", bytes(token)).with(":t", ttl(now.saturating_add(VERSION_KEPT_MS)));
        let change = "SET t = :t, w = :w REMOVE b, x, li".to_owned();
        let wrote = self.table.update(record_key(key), change, condition).await;
        match wrote.map_err(|fault| fault.during(format_args!("delete {key}")))? {
            Wrote::Done(_) => Ok(Deleted::Removed),
            Wrote::Refused(_) if expected.is_none() => Ok(Deleted::Removed),
            Wrote::Refused(there) if bytes_at(&there, "w") == Some(&token) => Ok(Deleted::Removed),
            Wrote::Refused(_) => Ok(Deleted::Conflict),
        }
    }

    /// See [`Store::list`](crate::Store::list).
    pub(super) async fn list(&self, list: List<'_>) -> Result<Vec<Listed>, StoreError> {
        let limit = list.limit.min(MAX_LIMIT);
        let mut listed = Vec::new();
        let Some((first, last)) = range(&list).filter(|(first, last)| first <= last && limit > 0) else {
            return Ok(listed);
        };
        let mut after = None;
        // An empty answer means the end, so pages that hold only what has expired are passed over.
        loop {
            let keys = Condition::new("pk = :pk AND li BETWEEN :first AND :last")
                .with(":pk", text(partition(list.index.owner())))
                .with(":first", text(&*first))
                .with(":last", text(&*last));
            let span = Span { index: Some(INDEX), limit: limit - listed.len(), after, ..Span::new(keys) };
            let page = self.table.query(span).await;
            let page = page.map_err(|fault| fault.during(format_args!("list {}", list.index)))?;
            for item in &page.items {
                listed.extend(entry(item, list.now).transpose()?);
            }
            after = page.next;
            if after.is_none() || !listed.is_empty() {
                return Ok(listed);
            }
        }
    }
}

/// The first and the last place to list, inclusive.
fn range(list: &List<'_>) -> Option<(String, String)> {
    let first = match list.after {
        // No key has a space: this is before all that begin with this key, and after the key itself.
        Some((position, key)) if position >= list.from => format!("{} ", place(list.index, position, key.as_str())),
        _ => place(list.index, list.from, ""),
    };
    // The next character after the slash that ends a position.
    let last = format!("{}/{:020}0", name(list.index), list.to);
    (list.from <= list.to).then_some((first, last))
}

/// What a put sets and removes.
fn change(put: &Put<'_>, token: [u8; 8]) -> (String, Item) {
    let mut set = vec!["b = :b", "w = :w", "v = if_not_exists(v, :now) + :one"];
    let mut remove = Vec::new();
    let mut values = Item::from([
        (":b".to_owned(), bytes(put.value.to_vec())),
        (":w".to_owned(), bytes(token)),
        // Later than any version that was given before this one was forgotten: fewer than one was given in a millisecond.
        (":now".to_owned(), number(put.now)),
        (":one".to_owned(), number(1)),
    ]);
    if let Some(at) = put.expires_at {
        set.extend(["x = :x", "t = :t"]);
        values.insert(":x".to_owned(), number(at));
        values.insert(":t".to_owned(), ttl(at.saturating_add(VERSION_KEPT_MS)));
    } else {
        remove.extend(["x", "t"]);
    }
    if let Some(listing) = put.listing {
        set.push("li = :li");
        values.insert(":li".to_owned(), text(place(listing.index, listing.position, put.key.as_str())));
    } else {
        remove.push("li");
    }
    let removal = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
    (format!("SET {}{removal}", set.join(", ")), values)
}

fn no_version() -> Fault {
    Fault::passing("DynamoDB's answer is without the new version")
}

/// The record in an item, unless it has expired or was deleted.
fn live(item: &Item, now: Millis) -> Option<Result<Record, StoreError>> {
    let value = bytes_at(item, "b")?;
    if number_at::<Millis>(item, "x").is_some_and(|at| at <= now) {
        return None;
    }
    let version: Option<Version> = number_at(item, "v");
    Some(match version {
        Some(version) => Ok(Record { value: Bytes::copy_from_slice(value), version }),
        None => Err(damaged(item, "it has no version")),
    })
}

fn entry(item: &Item, now: Millis) -> Option<Result<Listed, StoreError>> {
    let record = match live(item, now)? {
        Ok(record) => record,
        Err(error) => return Some(Err(error)),
    };
    let position = text_at(item, "li").and_then(|place| place.split('/').nth(1)?.parse().ok());
    let key = text_at(item, "sk").and_then(|key| Key::parse(key).ok());
    Some(match (key, position) {
        (Some(key), Some(position)) => Ok(Listed { key, position, record }),
        _ => Err(damaged(item, "its key or its place in the index cannot be read")),
    })
}

fn damaged(item: &Item, reason: &str) -> StoreError {
    let what = format!("the record {}", text_at(item, "sk").unwrap_or_default());
    StoreError::Damaged { what, reason: reason.to_owned() }
}
