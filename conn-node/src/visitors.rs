//! Which conversation a visitor is in.
//!
//! A visitor's conversations are numbered 1, 2, 3 …; the newest is the current one. One small record keeps its number. A
//! visitor without a record is in the first, so somebody who only looks costs no write.

use bytes::Bytes;
use conversation::{ConversationId, InvalidId, Millis};
use store::{InvalidKey, Key, Put, PutOutcome, Record, Store, StoreError};

/// How often a changed record is read again when others write it too. Each loss means that somebody else won.
const TRIES: usize = 8;

/// Milliseconds of a day; days are counted in UTC.
const DAY_MS: Millis = 86_400_000;

/// How long the number of the next conversation stays after all before it were forgotten: twice as long as a store keeps
/// writers out of a forgotten log at the least, milliseconds.
const LEFT_MS: Millis = 2 * DAY_MS;

/// Why a visitor's conversation cannot be named.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VisitorError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The visitor has begun too many conversations today.
    #[error("the visitor has begun as many conversations today as a visitor may; come back in {retry_after_ms} ms")]
    TooMany {
        /// Until tomorrow, milliseconds.
        retry_after_ms: u64,
    },
    /// A site's key or visitor's id that cannot be one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A site's key or visitor's id that cannot be one.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

/// A visitor's record: the number of the current conversation, and how many were begun on which day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Current {
    ordinal: u32,
    day: u64,
    begun: u32,
}

/// The visitor's current conversation.
pub(crate) async fn current(
    store: &dyn Store,
    site: &str,
    visitor: &str,
    now: Millis,
) -> Result<ConversationId, VisitorError> {
    let (current, _) = load(store, &key(site, visitor)?, now).await?;
    Ok(ConversationId::new(site, visitor, current.ordinal)?)
}

/// Begins the conversation after `after`, unless that has been done: then it is the current one, whoever began it.
///
/// The caller has seen that `after` is closed.
pub(crate) async fn begin(
    store: &dyn Store,
    after: &ConversationId,
    most_per_day: u32,
    now: Millis,
) -> Result<ConversationId, VisitorError> {
    let (site, visitor) = (after.site(), after.visitor());
    let key = key(site, visitor)?;
    for _ in 0..TRIES {
        let (current, record) = load(store, &key, now).await?;
        if current.ordinal > after.ordinal() {
            return Ok(ConversationId::new(site, visitor, current.ordinal)?);
        }
        let next = next(current, most_per_day, now)?;
        let put = Put {
            key: &key,
            expected: record.map(|record| record.version),
            value: write(next),
            expires_at: None,
            listing: None,
            now,
        };
        if let PutOutcome::Stored(_) = store.put(put).await? {
            return Ok(ConversationId::new(site, visitor, next.ordinal)?);
        }
    }
    let what = format!("begin the conversation after {after}");
    let reason = "others keep changing the visitor's record".to_owned();
    Err(StoreError::Unavailable { what, reason, retry_after_ms: 1_000 }.into())
}

/// Sees to it that the visitor's next conversation is another one than `forgotten`, which goes. One that has begun a later one
/// since is in that one already.
pub(crate) async fn leave(store: &dyn Store, forgotten: &ConversationId, now: Millis) -> Result<(), VisitorError> {
    let (site, visitor) = (forgotten.site(), forgotten.visitor());
    move_on(store, site, visitor, |current| current.ordinal <= forgotten.ordinal(), now).await.map(|_newest| ())
}

/// Sees to it that the visitor's next conversation is none of those there are, and returns the newest of these.
pub(crate) async fn leave_all(
    store: &dyn Store,
    site: &str,
    visitor: &str,
    now: Millis,
) -> Result<ConversationId, VisitorError> {
    move_on(store, site, visitor, |_| true, now).await
}

/// Makes the next conversation the current one, if `has_to` says so of the current one, and returns the newest that there
/// was. The record that remains ends by itself: by then nobody knows the conversations before it any more.
async fn move_on(
    store: &dyn Store,
    site: &str,
    visitor: &str,
    has_to: impl Fn(Current) -> bool,
    now: Millis,
) -> Result<ConversationId, VisitorError> {
    let key = key(site, visitor)?;
    for _ in 0..TRIES {
        let (current, record) = load(store, &key, now).await?;
        let newest = ConversationId::new(site, visitor, current.ordinal)?;
        if !has_to(current) {
            return Ok(newest);
        }
        let put = Put {
            key: &key,
            expected: record.map(|record| record.version),
            value: write(Current { ordinal: current.ordinal.saturating_add(1), ..current }),
            expires_at: Some(now.saturating_add(LEFT_MS)),
            listing: None,
            now,
        };
        if let PutOutcome::Stored(_) = store.put(put).await? {
            return Ok(newest);
        }
    }
    let what = format!("leave the conversations of a visitor of {site}");
    let reason = "others keep changing the visitor's record".to_owned();
    Err(StoreError::Unavailable { what, reason, retry_after_ms: 1_000 }.into())
}

fn next(current: Current, most_per_day: u32, now: Millis) -> Result<Current, VisitorError> {
    let day = now / DAY_MS;
    let begun = if current.day == day { current.begun } else { 0 };
    if begun >= most_per_day {
        return Err(VisitorError::TooMany { retry_after_ms: DAY_MS - now % DAY_MS });
    }
    Ok(Current { ordinal: current.ordinal.saturating_add(1), day, begun: begun + 1 })
}

fn key(site: &str, visitor: &str) -> Result<Key, InvalidKey> {
    Key::new(site, "visitor", &[visitor])
}

async fn load(store: &dyn Store, key: &Key, now: Millis) -> Result<(Current, Option<Record>), StoreError> {
    match store.get(key, now).await? {
        None => Ok((Current { ordinal: 1, day: 0, begun: 0 }, None)),
        Some(record) => match read(&record.value) {
            Some(current) => Ok((current, Some(record))),
            None => Err(StoreError::Damaged {
                what: format!("the record {key}"),
                reason: "it does not hold three numbers".to_owned(),
            }),
        },
    }
}

/// `ordinal day begun`, in ASCII: readable for whoever looks into the store.
fn write(current: Current) -> Bytes {
    format!("{} {} {}", current.ordinal, current.day, current.begun).into()
}

fn read(value: &[u8]) -> Option<Current> {
    let mut numbers = std::str::from_utf8(value).ok()?.split(' ');
    let ordinal = numbers.next()?.parse().ok().filter(|ordinal| *ordinal > 0)?;
    let current = Current { ordinal, day: numbers.next()?.parse().ok()?, begun: numbers.next()?.parse().ok()? };
    numbers.next().is_none().then_some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_written_and_nothing_else_is_one() {
        let current = Current { ordinal: 3, day: 20_000, begun: 2 };
        assert_eq!(read(&write(current)), Some(current));
        for damaged in ["", "0 1 1", "1 2", "1 2 3 4", "x 2 3", "1 2 -3"] {
            assert_eq!(read(damaged.as_bytes()), None, "{damaged:?}");
        }
    }

    #[test]
    fn the_bound_on_conversations_is_by_day() {
        let noon = 20_000 * DAY_MS + DAY_MS / 2;
        let mut current = Current { ordinal: 1, day: 0, begun: 0 };
        for _ in 0..2 {
            current = next(current, 2, noon).unwrap();
        }
        match next(current, 2, noon) {
            Err(VisitorError::TooMany { retry_after_ms }) => assert_eq!(retry_after_ms, DAY_MS / 2),
            other => panic!("{other:?}"),
        }
        assert_eq!(next(current, 2, noon + DAY_MS / 2).unwrap(), Current { ordinal: 4, day: 20_001, begun: 1 });
    }
}
