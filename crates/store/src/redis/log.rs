//! Logs: append, read, forget.

use conversation::{ConversationId, Event, Fence, Millis, Seq};
use redis::Value;

use super::servers::Kind;
use super::trouble::Trouble;
use super::{Fault, RedisStore, array, bytes, integer, script};
use crate::{Append, Appended, MAX_EVENT_BYTES, MAX_LIMIT, MAX_READ_BYTES, SetDue, StoreError};

/// Each element of a log begins with its event's `at`, so that a script can compare it without reading the event.
const AT_BYTES: usize = size_of::<Millis>();

impl RedisStore {
    pub(super) async fn append(&self, append: Append<'_>) -> Result<Appended, Fault> {
        let Append { conversation, event, due, fence, previous_at } = append;
        let encoded = protocol::encode_event(event);
        if encoded.len() > MAX_EVENT_BYTES {
            let what = format!("event {} of {conversation}", event.seq);
            return Err(StoreError::TooLarge { what, bytes: encoded.len(), limit: MAX_EVENT_BYTES }.into());
        }
        let keys = self.names.conversation(conversation);
        let call = script::APPEND
            .call([keys.log, keys.due, keys.claims])
            .arg(conversation.as_str())
            .arg(event.seq)
            .arg(&previous_at.to_be_bytes()[..])
            .arg(element(event, &encoded))
            .option(due)
            .option(fence_number(fence));
        Ok(appended(&self.servers.call(keys.slot, &call, Kind::Replicated).await?)?)
    }

    pub(super) async fn move_due(&self, due: SetDue<'_>) -> Result<Appended, Fault> {
        let SetDue { conversation, head, due, fence } = due;
        let keys = self.names.conversation(conversation);
        let call = script::SET_DUE
            .call([keys.log, keys.due, keys.claims])
            .arg(conversation.as_str())
            .arg(head)
            .option(due)
            .option(fence_number(fence));
        Ok(appended(&self.servers.call(keys.slot, &call, Kind::Replicated).await?)?)
    }

    pub(super) async fn log_length(&self, conversation: &ConversationId) -> Result<Seq, Fault> {
        let keys = self.names.conversation(conversation);
        let length = self.servers.send(keys.slot, redis::cmd("LLEN").arg(keys.log), Kind::Plain).await?;
        Ok(Seq::try_from(integer(&length)?).map_err(|_| Trouble::nonsense())?)
    }

    pub(super) async fn events(
        &self,
        conversation: &ConversationId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, Fault> {
        let keys = self.names.conversation(conversation);
        let call = script::READ.call([keys.log]).arg(after).arg(limit.min(MAX_LIMIT)).arg(MAX_READ_BYTES);
        let elements = array(self.servers.call(keys.slot, &call, Kind::Plain).await?)?;
        let seqs = (after..).skip(1);
        elements.into_iter().zip(seqs).map(|(element, seq)| decode(conversation, seq, &bytes(element)?)).collect()
    }

    pub(super) async fn remove_log(&self, conversation: &ConversationId) -> Result<(), Fault> {
        let keys = self.names.conversation(conversation);
        let call = script::FORGET.call([keys.log, keys.due, keys.claims]).arg(conversation.as_str());
        self.servers.call(keys.slot, &call, Kind::Replicated).await?;
        Ok(())
    }
}

fn element(event: &Event, encoded: &[u8]) -> Vec<u8> {
    [&event.at.to_be_bytes()[..], encoded].concat()
}

/// What the scripts take for a fence: nothing, a claim that nobody has, or the one claim that is let through.
fn fence_number(fence: Fence) -> Option<u64> {
    match fence {
        Fence::Open => None,
        Fence::Unclaimed => Some(0),
        Fence::Claimed(claim) => Some(claim.get()),
    }
}

fn appended(answer: &Value) -> Result<Appended, Trouble> {
    match integer(answer)? {
        0 => Ok(Appended::Stored),
        1 => Ok(Appended::Conflict),
        2 => Ok(Appended::Fenced),
        _ => Err(Trouble::nonsense()),
    }
}

/// Reads the element that is event `seq`, and says so.
fn decode(conversation: &ConversationId, seq: Seq, element: &[u8]) -> Result<Event, Fault> {
    let damaged = |reason: String| StoreError::Damaged { what: format!("event {seq} of {conversation}"), reason };
    let (at, encoded) = element.split_at_checked(AT_BYTES).ok_or_else(|| damaged("it is too short".to_owned()))?;
    let event = protocol::decode_event(encoded).map_err(|error| damaged(error.to_string()))?;
    if event.seq != seq {
        return Err(damaged(format!("it says that it is event {}", event.seq)).into());
    }
    if at != event.at.to_be_bytes() {
        return Err(damaged("it names two times".to_owned()).into());
    }
    Ok(event)
}
