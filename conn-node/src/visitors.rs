//! Which conversation a visitor is in.
//!
//! A visitor's conversations are numbered 1, 2, 3 …; the newest is the current one. One small record keeps its number. A
//! visitor without a record is in the first, so somebody who only looks costs no write.

use std::ops::RangeInclusive;

use bytes::Bytes;
use conversation::{ConversationId, InvalidId, Millis};
use store::{InvalidKey, Key, Put, PutOutcome, Record, Store, StoreError, Version};

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

/// A visitor's record: the number of the current conversation, how many were begun on which day, and up to which number all
/// are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Current {
    ordinal: u32,
    day: u64,
    begun: u32,
    gone: u32,
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
    let key = key(forgotten.site(), forgotten.visitor())?;
    for _ in 0..TRIES {
        let (current, record) = load(store, &key, now).await?;
        if current.ordinal > forgotten.ordinal() {
            return Ok(());
        }
        let next = Current { ordinal: forgotten.ordinal().saturating_add(1), ..current };
        let put = leaving(&key, record.map(|record| record.version), next, now);
        if let PutOutcome::Stored(_) = store.put(put).await? {
            return Ok(());
        }
    }
    Err(contended(format!("leave {forgotten}")))
}

/// What is to be forgotten of a visitor who is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// The conversations, by number: those that have not been forgotten before.
    pub(crate) ordinals: RangeInclusive<u32>,
    /// The record as it was left.
    record: Option<(Current, Version)>,
}

/// Sees to it that the visitor's next conversation is none in which anything was said. `has_begun`: whether that is so of
/// `newest`, which the caller takes for the newest there is.
pub(crate) async fn leave_all(
    store: &dyn Store,
    newest: &ConversationId,
    has_begun: bool,
    now: Millis,
) -> Result<Left, VisitorError> {
    let key = key(newest.site(), newest.visitor())?;
    for _ in 0..TRIES {
        let (current, record) = load(store, &key, now).await?;
        let version = record.map(|record| record.version);
        let first = current.gone.saturating_add(1);
        if current.ordinal == newest.ordinal() && !has_begun {
            let record = version.map(|version| (current, version));
            return Ok(Left { ordinals: first..=current.ordinal - 1, record });
        }
        let next = Current { ordinal: current.ordinal.saturating_add(1), ..current };
        if let PutOutcome::Stored(version) = store.put(leaving(&key, version, next, now)).await? {
            return Ok(Left { ordinals: first..=current.ordinal, record: Some((next, version)) });
        }
    }
    Err(contended(format!("leave the conversations of a visitor of {}", newest.site())))
}

/// Notes that all of it is forgotten now, so that nobody looks for it again. Not if the record has changed since: then the
/// next time everything is gone through once more, which does no harm.
pub(crate) async fn note_forgotten(
    store: &dyn Store,
    site: &str,
    visitor: &str,
    left: &Left,
    now: Millis,
) -> Result<(), VisitorError> {
    if let Some((current, version)) = left.record
        && !left.ordinals.is_empty()
    {
        let noted = Current { gone: *left.ordinals.end(), ..current };
        let _noted = store.put(leaving(&key(site, visitor)?, Some(version), noted, now)).await?;
    }
    Ok(())
}

/// Sees to it, once something was said in `begun`, that this stays the visitor's current conversation. `false`: the visitor
/// has been moved on from it.
pub(crate) async fn settle(store: &dyn Store, begun: &ConversationId, now: Millis) -> Result<bool, VisitorError> {
    let key = key(begun.site(), begun.visitor())?;
    for _ in 0..TRIES {
        let (current, record) = load(store, &key, now).await?;
        if current.ordinal > begun.ordinal() {
            return Ok(false);
        }
        if begun.ordinal() == 1 {
            return Ok(true);
        }
        let put = Put {
            key: &key,
            expected: record.map(|record| record.version),
            value: write(Current { ordinal: begun.ordinal(), ..current }),
            // From now on it is needed: without it the visitor would be taken back to the first.
            expires_at: None,
            listing: None,
            now,
        };
        if let PutOutcome::Stored(_) = store.put(put).await? {
            return Ok(true);
        }
    }
    Err(contended(format!("begin {begun}")))
}

/// The put of a record that ends by itself: by then nobody knows the conversations before it any more.
fn leaving(key: &Key, expected: Option<Version>, current: Current, now: Millis) -> Put<'_> {
    let expires_at = Some(now.saturating_add(LEFT_MS));
    Put { key, expected, value: write(current), expires_at, listing: None, now }
}

fn contended(what: String) -> VisitorError {
    let reason = "others keep changing the visitor's record".to_owned();
    StoreError::Unavailable { what, reason, retry_after_ms: 1_000 }.into()
}

fn next(current: Current, most_per_day: u32, now: Millis) -> Result<Current, VisitorError> {
    let day = now / DAY_MS;
    let begun = if current.day == day { current.begun } else { 0 };
    if begun >= most_per_day {
        return Err(VisitorError::TooMany { retry_after_ms: DAY_MS - now % DAY_MS });
    }
    Ok(Current { ordinal: current.ordinal.saturating_add(1), day, begun: begun + 1, ..current })
}

fn key(site: &str, visitor: &str) -> Result<Key, InvalidKey> {
    Key::new(site, "visitor", &[visitor])
}

async fn load(store: &dyn Store, key: &Key, now: Millis) -> Result<(Current, Option<Record>), StoreError> {
    match store.get(key, now).await? {
        None => Ok((Current { ordinal: 1, day: 0, begun: 0, gone: 0 }, None)),
        Some(record) => match read(&record.value) {
            Some(current) => Ok((current, Some(record))),
            None => Err(StoreError::Damaged {
                what: format!("the record {key}"),
                reason: "it does not hold three or four numbers".to_owned(),
            }),
        },
    }
}

/// `ordinal day begun`, and `gone` unless it is 0, in ASCII: readable for whoever looks into the store.
fn write(current: Current) -> Bytes {
    let Current { ordinal, day, begun, gone } = current;
    if gone == 0 { format!("{ordinal} {day} {begun}").into() } else { format!("{ordinal} {day} {begun} {gone}").into() }
}

fn read(value: &[u8]) -> Option<Current> {
    let mut numbers = std::str::from_utf8(value).ok()?.split(' ');
    let ordinal = numbers.next()?.parse().ok().filter(|ordinal| *ordinal > 0)?;
    let (day, begun) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let gone = numbers.next().map_or(Some(0), |gone| gone.parse().ok())?;
    let current = Current { ordinal, day, begun, gone };
    numbers.next().is_none().then_some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_written_and_nothing_else_is_one() {
        for gone in [0, 2] {
            let current = Current { ordinal: 3, day: 20_000, begun: 2, gone };
            assert_eq!(read(&write(current)), Some(current));
        }
        for damaged in ["", "0 1 1", "1 2", "1 2 3 4 5", "x 2 3", "1 2 -3", "1 2 3 x"] {
            assert_eq!(read(damaged.as_bytes()), None, "{damaged:?}");
        }
    }

    #[test]
    fn the_bound_on_conversations_is_by_day() {
        let noon = 20_000 * DAY_MS + DAY_MS / 2;
        let mut current = Current { ordinal: 1, day: 0, begun: 0, gone: 0 };
        for _ in 0..2 {
            current = next(current, 2, noon).unwrap();
        }
        match next(current, 2, noon) {
            Err(VisitorError::TooMany { retry_after_ms }) => assert_eq!(retry_after_ms, DAY_MS / 2),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            next(current, 2, noon + DAY_MS / 2).unwrap(),
            Current { ordinal: 4, day: 20_001, begun: 1, gone: 0 }
        );
    }
}
