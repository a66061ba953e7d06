//! Forgetting a log.
//!
//! Nothing is deleted at once: each event is replaced by an empty tombstone, which DynamoDB removes later for nothing. As long
//! as it stands, nobody who still knows the log can append to it. The place after the newest event is first: from then on the
//! log counts as gone, and what is left of an attempt that did not end is finished by the next one.

use conversation::{ConversationId, Millis};
use futures_util::TryStreamExt;
use futures_util::stream;

use super::Inner;
use super::fault::Fault;
use super::item::{Item, number, text, ttl};
use super::log::{partition, place_key, seq_of};
use super::table::{Condition, MAX_BATCH, Span, Wrote};
use crate::StoreError;

/// How long a tombstone stands, at least.
const TOMBSTONE_MS: Millis = 24 * 60 * 60 * 1000;

/// How much longer that of the first event stands: a new log may begin only when the others are gone, and DynamoDB takes some
/// days.
const FIRST_MS: Millis = 10 * TOMBSTONE_MS;

/// How many batches of tombstones are on their way at once.
const BATCHES_AT_ONCE: usize = 4;

/// How often it is tried to be the next after the newest event.
const TRIES: usize = 10;

impl Inner {
    /// See [`Store::forget`](crate::Store::forget).
    pub(super) async fn forget(&self, conversation: &ConversationId, now: Millis) -> Result<(), StoreError> {
        let forgotten = async {
            if self.end_log(conversation, now).await? {
                self.bury_events(conversation, now).await?;
            }
            Ok(())
        };
        let result = forgotten.await.map_err(|fault: Fault| fault.during(format_args!("forget {conversation}")));
        self.known.forget(conversation);
        result
    }

    /// Puts a tombstone after the newest event. `false`: there is no log.
    async fn end_log(&self, conversation: &ConversationId, now: Millis) -> Result<bool, Fault> {
        for _ in 0..TRIES {
            let tail = self.tail(conversation).await?;
            if tail.forgotten || tail.head == 0 {
                return Ok(tail.forgotten);
            }
            let end = tombstone(conversation, u64::from(tail.head) + 1, now);
            let no_event = Condition::new("attribute_not_exists(e)");
            if let Wrote::Done(_) = self.table.put(end, Some(no_event)).await? {
                return Ok(true);
            }
        }
        Err(Fault::passing("others keep appending to it"))
    }

    async fn bury_events(&self, conversation: &ConversationId, now: Millis) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let keys = Condition::new("pk = :pk").with(":pk", text(partition(conversation)));
            let events = Span { filter: Some("attribute_exists(e)"), only: Some("sk"), after, ..Span::new(keys) };
            let page = self.table.query(events).await?;
            let tombstones: Vec<Item> =
                page.items.iter().filter_map(seq_of).map(|seq| tombstone(conversation, seq, now)).collect();
            stream::iter(tombstones.chunks(MAX_BATCH).map(|batch| Ok(batch.to_vec())))
                .try_for_each_concurrent(BATCHES_AT_ONCE, |batch| self.table.put_all(batch))
                .await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

fn tombstone(conversation: &ConversationId, seq: u64, now: Millis) -> Item {
    let longer = if seq == 1 { FIRST_MS } else { 0 };
    let mut item = place_key(conversation, seq);
    item.insert("g".to_owned(), number(now));
    item.insert("t".to_owned(), ttl(now.saturating_add(TOMBSTONE_MS).saturating_add(longer)));
    item
}
