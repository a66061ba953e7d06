//! The rules of a log, written down a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conversation::{Body, Event, MAX_SUMMARY_BYTES, MessageId, Policy, Seq};

use crate::watch::{Checked, ensure};

/// What the events of a log so far mean for the next one.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) ids: BTreeMap<MessageId, Seq>,
    messages: BTreeSet<Seq>,
    answered: Seq,
    person: bool,
    closed: bool,
}

impl Rules {
    /// The rules after these events.
    pub(crate) fn after(log: &[Arc<Event>]) -> Checked<Self> {
        let mut rules = Self::default();
        log.iter().try_for_each(|event| rules.check_body(event))?;
        Ok(rules)
    }

    /// The next event.
    pub(crate) fn check_body(&mut self, event: &Event) -> Checked {
        let seq = event.seq;
        let after_close = matches!(event.body, Body::Rated { .. } | Body::Note { .. });
        ensure!(1, !self.closed || after_close, "event {seq} after the close: {:?}", event.body);
        match &event.body {
            Body::VisitorMessage { id, .. } | Body::AgentMessage { id, .. } => {
                let first = self.ids.insert(*id, seq);
                ensure!(3, first.is_none(), "id {id:?} at {first:?} and again at {seq}");
                if matches!(event.body, Body::VisitorMessage { .. }) {
                    self.messages.insert(seq);
                }
            }
            Body::Answer { turn, .. } => {
                ensure!(6, !self.person, "answer {seq} after the handover");
                ensure!(5, *turn > self.answered, "answer {seq} to turn {turn}, answered before");
                ensure!(5, self.messages.contains(turn), "answer {seq} to turn {turn}, which is no visitor message");
                self.answered = *turn;
            }
            Body::Handover { .. } => {
                ensure!(6, !self.person, "handed over again at {seq}");
                self.person = true;
            }
            Body::Assigned { .. } => ensure!(6, self.person, "assigned at {seq} before a handover"),
            Body::Closed { .. } => self.closed = true,
            Body::Note { .. } | Body::Rated { .. } => {}
        }
        Ok(())
    }
}

/// What every event keeps to.
pub(crate) fn check_bounds(policy: &Policy, event: &Event) -> Checked {
    let longest_fallback = policy.fallback.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    let (bytes, bound) = match &event.body {
        Body::VisitorMessage { text, .. } => (text.len(), policy.max_text_bytes),
        Body::Rated { comment, .. } => (comment.len(), policy.max_text_bytes),
        Body::Answer { text, .. } => (text.len(), policy.max_answer_bytes.max(longest_fallback)),
        Body::Handover { summary, text, .. } => {
            ensure!(
                8,
                summary.len() <= MAX_SUMMARY_BYTES,
                "event {} has a summary of {} bytes",
                event.seq,
                summary.len()
            );
            (text.len(), policy.max_answer_bytes)
        }
        _ => (0, 0),
    };
    ensure!(8, bytes <= bound, "event {} has {bytes} bytes of text, {bound} are allowed", event.seq);
    if matches!(event.body, Body::VisitorMessage { .. }) {
        ensure!(8, event.seq < policy.max_events, "message {} in a log of {} at most", event.seq, policy.max_events);
    }
    Ok(())
}
