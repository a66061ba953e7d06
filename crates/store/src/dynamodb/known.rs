//! How far logs are known to reach, so that an append needs no read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conversation::{ConversationId, Seq};

/// How long it is believed that an event is there. A forgotten event leaves a tombstone for at least a day, so as long as
/// this holds, an append after an event that was forgotten meanwhile meets a tombstone and never a hole.
const TRUST: Duration = Duration::from_secs(12 * 60 * 60);

/// The newest event of each log that this client has appended or read lately. Bounded: what was not used for long is
/// forgotten, and asked for again.
#[derive(Debug)]
pub(super) struct Known {
    generations: Mutex<Generations>,
    /// How many logs one generation holds.
    capacity: usize,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<ConversationId, Reach>,
    old: HashMap<ConversationId, Reach>,
}

#[derive(Debug, Clone, Copy)]
struct Reach {
    seq: Seq,
    since: Instant,
}

impl Known {
    /// Remembers `logs` to twice as many logs.
    pub(super) fn new(logs: usize) -> Self {
        Self { generations: Mutex::default(), capacity: logs.max(1) }
    }

    /// The newest event known to have been there when it was learned, if that was not too long before `now`.
    pub(super) fn reach(&self, conversation: &ConversationId, now: Instant) -> Option<Seq> {
        let generations = self.lock();
        let reach = generations.young.get(conversation).or_else(|| generations.old.get(conversation))?;
        (now.saturating_duration_since(reach.since) < TRUST).then_some(reach.seq)
    }

    /// Event `seq` was there at `since`, or after it.
    pub(super) fn learn(&self, conversation: &ConversationId, seq: Seq, since: Instant) {
        let mut generations = self.lock();
        let before = generations.young.get(conversation).or_else(|| generations.old.get(conversation));
        if before.is_some_and(|before| before.seq > seq) {
            return;
        }
        if generations.young.len() >= self.capacity && !generations.young.contains_key(conversation) {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(conversation.clone(), Reach { seq, since });
    }

    /// The log was forgotten.
    pub(super) fn forget(&self, conversation: &ConversationId) {
        let mut generations = self.lock();
        generations.young.remove(conversation);
        generations.old.remove(conversation);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(ordinal: u32) -> ConversationId {
        ConversationId::new("shop", "visitor", ordinal).unwrap()
    }

    #[test]
    fn the_newest_event_counts_until_it_is_too_long_ago() {
        let (known, start) = (Known::new(10), Instant::now());
        known.learn(&conversation(1), 2, start);
        known.learn(&conversation(1), 1, start + Duration::from_secs(1));
        assert_eq!(known.reach(&conversation(1), start), Some(2));
        assert_eq!(known.reach(&conversation(1), start + TRUST), None);
        assert_eq!(known.reach(&conversation(2), start), None);
        known.forget(&conversation(1));
        assert_eq!(known.reach(&conversation(1), start), None);
    }

    #[test]
    fn it_holds_no_more_than_twice_its_capacity_and_keeps_the_latest() {
        let (known, start) = (Known::new(10), Instant::now());
        for ordinal in 1..=1_000 {
            known.learn(&conversation(ordinal), 1, start);
        }
        assert!((991..=1_000).all(|ordinal| known.reach(&conversation(ordinal), start) == Some(1)));
        let kept = (1..=1_000).filter(|ordinal| known.reach(&conversation(*ordinal), start).is_some()).count();
        assert!(kept <= 20, "{kept}");
    }
}
