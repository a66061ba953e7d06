//! What a site and its node allow: the numbers and texts that decisions depend on.

use std::sync::Arc;

use crate::id::Millis;

/// Bounds and times of conversations. Shared by all conversations of a site.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Longest text of a visitor's message, UTF-8 bytes.
    pub max_text_bytes: usize,
    /// Longest text of an answer, UTF-8 bytes. A longer one is cut here and marked interrupted.
    pub max_answer_bytes: usize,
    /// Most events of one conversation. The last [`RESERVED_EVENTS`] are kept for answers, handover, close and rating.
    pub max_events: u32,
    /// Most commands that wait for the store in one conversation; more are refused.
    pub max_waiting: usize,
    /// Text of recent events kept in memory and sent along with a turn, bytes.
    pub recent_bytes: usize,
    /// A turn's whole time, from its start to its outcome.
    pub turn_deadline: Millis,
    /// How long after the deadline the node waits for the function's own last word.
    pub turn_grace: Millis,
    /// An unanswered message older than this gets the fallback, not another run.
    pub give_up_after: Millis,
    /// How long a node that finds an unanswered turn waits for the node that runs it to speak up.
    pub patience: Millis,
    /// How often a node that runs a turn gives the others a sign of life, if it has said nothing else. `None`: there are no
    /// others.
    pub heartbeat: Option<Millis>,
    /// How long nothing may be heard of a turn that another node runs before it is taken for dead. Longer than
    /// `heartbeat` by what a bus may lose or hold up.
    pub runner_silence: Millis,
    /// How long a handed-over conversation may be without an assignment before it is due.
    pub routing_grace: Millis,
    /// After how many turns in a row without an answer people take over. 0: never.
    pub failures_to_handover: u32,
    /// First wait before an append that the store refused is tried again; doubles up to [`MAX_RETRY_WAIT`].
    pub retry_wait: Millis,
    /// Any number that differs from node to node: it keeps apart the runs of two nodes that start one turn at one moment.
    pub run_salt: u32,
    /// What the visitor reads when the assistant has nothing to say, by language tag; the first is the default.
    pub fallback: Vec<(Arc<str>, Arc<str>)>,
    /// A deliberate fault, for the simulation.
    #[cfg(feature = "faults")]
    pub fault: Option<crate::fault::Fault>,
}

/// Events at the end of a log that only an ending may use.
pub const RESERVED_EVENTS: u32 = 16;

/// The longest wait between two tries of one append, milliseconds.
pub const MAX_RETRY_WAIT: Millis = 8_000;

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_text_bytes: 4_000,
            max_answer_bytes: 32 * 1024,
            max_events: 10_000,
            max_waiting: 64,
            recent_bytes: 16 * 1024,
            turn_deadline: 30_000,
            turn_grace: 1_000,
            give_up_after: 120_000,
            patience: 1_000,
            heartbeat: Some(1_500),
            runner_silence: 5_000,
            routing_grace: 5_000,
            failures_to_handover: 2,
            retry_wait: 500,
            run_salt: 0,
            fallback: vec![
                ("en".into(), "I can't answer right now. Would you like to talk to a person?".into()),
                ("zh".into(), "我暂时无法回答。需要我为您转接人工客服吗？".into()),
            ],
            #[cfg(feature = "faults")]
            fault: None,
        }
    }
}

impl Policy {
    /// The fallback text in the language that `message` seems to be written in.
    ///
    /// Chinese is told by its characters; everything else gets the site's first language.
    pub fn fallback_for(&self, message: &str) -> Arc<str> {
        let wanted = if is_mostly_han(message) { "zh" } else { "" };
        let matching = self.fallback.iter().find(|(tag, _)| !wanted.is_empty() && tag.starts_with(wanted));
        let default = self.fallback.iter().find(|(tag, _)| !tag.starts_with("zh")).or(self.fallback.first());
        matching.or(default).map(|(_, text)| Arc::clone(text)).unwrap_or_else(|| "…".into())
    }
}

/// Whether at least a third of the letters are Han characters: product names in Latin letters are common in Chinese.
pub(crate) fn is_mostly_han(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let han = text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
    han > 0 && han * 3 >= letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fallback_is_in_the_language_of_the_message() {
        let policy = Policy::default();
        assert!(policy.fallback_for("Where is my order?").starts_with("I can't"));
        assert!(policy.fallback_for("我的 iPhone 订单在哪里").starts_with("我暂时"));
        assert!(policy.fallback_for("").starts_with("I can't"));
    }

    #[test]
    fn a_site_without_fallback_texts_is_still_not_silent() {
        let policy = Policy { fallback: vec![], ..Policy::default() };
        assert!(!policy.fallback_for("hello").is_empty());
    }
}
