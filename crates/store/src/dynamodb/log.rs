//! Logs: one item for each event, and one past the newest that can say more about it.
//!
//! An append is one conditional put at its seq, and nothing else is written: the event carries its due time. The item one
//! past the newest event, the **stub**, says what became of the due time since: who claimed it, and when it is due now. It
//! stands where the next event goes, so that event replaces it, and claim and stub end in the same write.

use std::time::Instant;

use conversation::{Claim, ConversationId, Event, Fence, Millis, Seq};

use super::Inner;
use super::fault::Fault;
use super::item::{Item, bytes, bytes_at, key, number, number_at, text};
use super::marks::Mark;
use super::table::{Condition, Span, Wrote};
use crate::{Append, Appended, MAX_EVENT_BYTES, MAX_LIMIT, SetDue, StoreError};

/// The partition of a log.
pub(super) fn partition(conversation: &ConversationId) -> String {
    format!("c#{conversation}")
}

/// The sort key of a place in a log. One more than [`Seq::MAX`] has as many digits.
pub(super) fn place(seq: u64) -> String {
    format!("{seq:010}")
}

pub(super) fn place_key(conversation: &ConversationId, seq: u64) -> Item {
    key(partition(conversation), place(seq))
}

pub(super) fn seq_of(item: &Item) -> Option<u64> {
    super::item::text_at(item, "sk")?.parse().ok()
}

pub(super) fn is_event(item: &Item) -> bool {
    item.contains_key("e")
}

pub(super) fn is_tombstone(item: &Item) -> bool {
    item.contains_key("g")
}

/// What is known of the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The seq of the newest event; 0: there is none, or the log is forgotten.
    pub(super) head: Seq,
    /// Whether the log is forgotten.
    pub(super) forgotten: bool,
}

impl Inner {
    /// See [`Store::append_at`](crate::Store::append_at).
    pub(super) async fn append(&self, append: &Append<'_>) -> Result<Appended, StoreError> {
        let Append { conversation, event, due, fence, previous_at: _ } = append;
        let stored = protocol::encode_event(event);
        if stored.len() > MAX_EVENT_BYTES {
            let what = format!("event {} of {conversation}", event.seq);
            return Err(StoreError::TooLarge { what, bytes: stored.len(), limit: MAX_EVENT_BYTES });
        }
        let Some(before) = event.seq.checked_sub(1) else { return Ok(Appended::Conflict) };
        let written = async {
            if !self.ends_at(conversation, before).await? {
                return Ok(Appended::Conflict);
            }
            self.marked(conversation, event.seq, *due, self.put_event(conversation, event, &stored, *due, *fence)).await
        };
        written.await.map_err(|fault: Fault| fault.during(format_args!("append to {conversation}")))
    }

    async fn put_event(
        &self,
        conversation: &ConversationId,
        event: &Event,
        stored: &[u8],
        due: Option<Millis>,
        fence: Fence,
    ) -> Result<Appended, Fault> {
        let (token, since) = (self.tokens.next(), Instant::now());
        let mut item = place_key(conversation, event.seq.into());
        item.insert("e".to_owned(), bytes(stored));
        item.insert("w".to_owned(), bytes(token));
        if let Some(due) = due {
            item.insert("d".to_owned(), number(due));
        }
        let appended = match self.table.put(item, Some(open_place(fence))).await? {
            Wrote::Done(_) => Appended::Stored,
            Wrote::Refused(there) => refused(&there, token),
        };
        if appended == Appended::Stored {
            self.known.learn(conversation, event.seq, since);
        }
        Ok(appended)
    }

    /// See [`Store::set_due`](crate::Store::set_due).
    pub(super) async fn move_due(&self, new: &SetDue<'_>) -> Result<Appended, StoreError> {
        let SetDue { conversation, head, due, fence } = *new;
        if head == 0 {
            return Ok(Appended::Conflict);
        }
        let written = async {
            if !self.ends_at(conversation, head).await? {
                return Ok(Appended::Conflict);
            }
            self.marked(conversation, head, due, async {
                let (token, condition) = (self.tokens.next(), open_place(fence));
                match self.write_stub(conversation, head, due, None, token, condition).await? {
                    Wrote::Done(_) => Ok(Appended::Stored),
                    Wrote::Refused(there) => Ok(refused(&there, token)),
                }
            })
            .await
        };
        written.await.map_err(|fault: Fault| fault.during(format_args!("move the due time of {conversation}")))
    }

    /// Says in the stub after event `head` when it is due now and who claims it, if `condition` holds.
    pub(super) async fn write_stub(
        &self,
        conversation: &ConversationId,
        head: Seq,
        due: Option<Millis>,
        claim: Option<Claim>,
        token: [u8; 8],
        condition: Condition,
    ) -> Result<Wrote, Fault> {
        let (mut set, mut remove) = (vec!["w = :w".to_owned()], Vec::new());
        let mut condition = condition.with(":w", bytes(token));
        for (name, value) in [("d", due), ("k", claim.map(Claim::get))] {
            if let Some(value) = value {
                set.push(format!("{name} = :new_{name}"));
                condition = condition.with(&format!(":new_{name}"), number(value));
            } else {
                remove.push(name);
            }
        }
        let removal = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        let change = format!("SET {}{removal}", set.join(", "));
        self.table.update(place_key(conversation, u64::from(head) + 1), change, condition).await
    }

    /// Runs `write`, which makes event `seq` or its stub due at `due`, such that nobody who looks for what is due misses it:
    /// the mark is there before the write, and the write is not later than a mark holds.
    async fn marked(
        &self,
        conversation: &ConversationId,
        seq: Seq,
        due: Option<Millis>,
        write: impl Future<Output = Result<Appended, Fault>>,
    ) -> Result<Appended, Fault> {
        let Some(due) = due else { return write.await };
        let mark = Mark { due, seq, conversation: conversation.clone() };
        let begin = Instant::now();
        self.marker.mark(mark.clone()).await?;
        if begin.elapsed() > self.mark_holds {
            return Err(Fault::passing("this process stood still for too long"));
        }
        let appended = write.await?;
        if appended == Appended::Stored && begin.elapsed() > self.mark_holds {
            self.marker.mark(mark).await?;
        }
        Ok(appended)
    }

    /// Whether event `seq` is there and nothing is known to follow. 0 is before the first. What follows unknown to us is
    /// found by the write's own condition.
    async fn ends_at(&self, conversation: &ConversationId, seq: Seq) -> Result<bool, Fault> {
        let begin = Instant::now();
        match self.known.reach(conversation, begin) {
            Some(reach) if reach >= seq => return Ok(reach == seq),
            _ if seq == 0 => return Ok(true),
            _ => {}
        }
        let there = self.table.get(place_key(conversation, seq.into())).await?.is_some_and(|item| is_event(&item));
        if there {
            self.known.learn(conversation, seq, begin);
        }
        Ok(there)
    }

    /// The end of a log, by one look-up.
    pub(super) async fn tail(&self, conversation: &ConversationId) -> Result<Tail, Fault> {
        let begin = Instant::now();
        let keys = Condition::new("pk = :pk").with(":pk", text(partition(conversation)));
        let span = Span { backward: true, limit: 2, ..Span::new(keys) };
        let page = self.table.query(span).await?;
        let forgotten = page.items.first().is_some_and(is_tombstone);
        let newest = page.items.iter().find(|item| is_event(item)).filter(|_| !forgotten);
        let head = newest.and_then(seq_of).and_then(|seq| Seq::try_from(seq).ok()).unwrap_or(0);
        if head > 0 {
            self.known.learn(conversation, head, begin);
        }
        Ok(Tail { head, forgotten })
    }

    /// See [`Store::read`](crate::Store::read).
    pub(super) async fn read_log(
        &self,
        conversation: &ConversationId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let begin = Instant::now();
        let keys = Condition::new("pk = :pk AND sk > :sk")
            .with(":pk", text(partition(conversation)))
            .with(":sk", text(place(after.into())));
        let span = Span { limit: limit.min(MAX_LIMIT), ..Span::new(keys) };
        let page = self.table.query(span).await.map_err(|fault| fault.during(format_args!("read {conversation}")))?;
        let events = (page.items.iter().zip(u64::from(after) + 1..))
            .map_while(|(item, expected)| Some((item, bytes_at(item, "e")?, expected)))
            .map(|(item, stored, expected)| decode(conversation, seq_of(item), expected, stored));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        if let Some(newest) = events.last() {
            self.known.learn(conversation, newest.seq, begin);
        }
        Ok(events)
    }
}

/// That a place takes a write: no event is there, it was never forgotten, and no claim keeps the writer out.
fn open_place(fence: Fence) -> Condition {
    let open = Condition::new("attribute_not_exists(e) AND attribute_not_exists(g)");
    match fence {
        Fence::Open => open,
        Fence::Unclaimed => open.and("attribute_not_exists(k)"),
        Fence::Claimed(own) => open.and("attribute_not_exists(k) OR k = :k").with(":k", number(own)),
    }
}

/// Why a place did not take the write `token`. If it stands there itself, only the answer to it was lost.
fn refused(there: &Item, token: [u8; 8]) -> Appended {
    if bytes_at(there, "w") == Some(&token) {
        Appended::Stored
    } else if is_event(there) || is_tombstone(there) {
        Appended::Conflict
    } else {
        Appended::Fenced
    }
}

/// When the log that ends with `event` and `stub` is due.
pub(super) fn due_of(event: Option<&Item>, stub: Option<&Item>) -> Option<Millis> {
    number_at(stub.or(event)?, "d")
}

/// Reads one stored event, which must be the one that is `expected` at this place of the log.
fn decode(conversation: &ConversationId, seq: Option<u64>, expected: u64, stored: &[u8]) -> Result<Event, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { what: format!("event {expected} of {conversation}"), reason };
    if seq != Some(expected) {
        return Err(damaged("it is missing, and others follow".to_owned()));
    }
    let event = protocol::decode_event(stored).map_err(|error| damaged(error.to_string()))?;
    let says = u64::from(event.seq);
    if says == expected { Ok(event) } else { Err(damaged(format!("it says that it is event {says}"))) }
}
