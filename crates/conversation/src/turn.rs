//! A running turn: here, or on another node.

use std::sync::Arc;

use crate::decide::Answer;
use crate::event::AnswerEnd;
use crate::id::{Millis, Seq};
use crate::policy::Policy;
use crate::window::Line;

/// A turn that this node runs.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) turn: Seq,
    pub(crate) run: u32,
    /// What has been written so far.
    pub(crate) text: String,
    pub(crate) deadline: Millis,
    pub(crate) phase: Phase,
}

/// How far a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing written yet: a newer message restarts it.
    Waiting,
    /// Being written: a newer message waits.
    Streaming,
    /// Its outcome is known and on the way into the log.
    Ending,
}

/// A turn that another node runs, as far as the bus told.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    pub(crate) turn: Seq,
    pub(crate) run: u32,
    pub(crate) text: String,
    /// Until when that node may be trusted to be at it.
    pub(crate) until: Millis,
}

/// What the function is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The turn.
    pub turn: Seq,
    /// Which run of the turn; every input about it names it.
    pub run: u32,
    /// What was said so far; the newest visitor message last.
    pub lines: Vec<Line>,
    /// When the outcome must be there.
    pub deadline: Millis,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The assistant's answer.
    Answer {
        /// The whole text.
        text: Arc<str>,
        /// How it ended.
        end: AnswerEnd,
        /// Whether to offer a person.
        offer_person: bool,
    },
    /// The assistant gives the conversation to people.
    Handover,
    /// No outcome came: the function crashed, was throttled, or ran out of time. What was written is kept; if nothing
    /// was, the visitor gets the site's fallback and the offer of a person.
    Failure,
}

/// What other nodes hear of a turn. Also the answer to a node that asks for the text so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnText {
    /// The turn.
    pub turn: Seq,
    /// Which run of it.
    pub run: u32,
    /// Where `text` starts, UTF-8 bytes. 0 with an empty text: the turn has started.
    pub offset: usize,
    /// What was written.
    pub text: Arc<str>,
    /// When the turn must be over.
    pub deadline: Millis,
}

impl Turn {
    /// Takes a piece in; false if the answer has reached its bound (what fitted is kept).
    pub(crate) fn push(&mut self, piece: &str, max_bytes: usize) -> bool {
        let room = max_bytes.saturating_sub(self.text.len());
        let mut end = piece.len().min(room);
        while !piece.is_char_boundary(end) {
            end -= 1;
        }
        self.text.push_str(&piece[..end]);
        self.phase = Phase::Streaming;
        end == piece.len()
    }

    /// The answer if the run ends without an outcome of its own.
    pub(crate) fn failure_answer(&self, policy: &Policy, question: &str) -> Answer {
        if self.text.is_empty() {
            fallback_answer(self.turn, policy, question)
        } else {
            let text = self.text.as_str().into();
            Answer { turn: self.turn, text, end: AnswerEnd::Interrupted, offer_person: true }
        }
    }

    pub(crate) fn text_from(&self, offset: usize) -> TurnText {
        let text = self.text.get(offset..).unwrap_or_default().into();
        TurnText { turn: self.turn, run: self.run, offset, text, deadline: self.deadline }
    }
}

/// The site's own words, with the offer of a person: never silence.
pub(crate) fn fallback_answer(turn: Seq, policy: &Policy, question: &str) -> Answer {
    Answer { turn, text: policy.fallback_for(question), end: AnswerEnd::Fallback, offer_person: true }
}

impl Elsewhere {
    /// Takes in what the bus said; false if a piece before it is missing and the runner is to be asked.
    pub(crate) fn hear(&mut self, heard: &TurnText) -> bool {
        if heard.run != self.run || heard.turn != self.turn {
            (self.turn, self.run) = (heard.turn, heard.run);
            self.text.clear();
        }
        match (heard.offset == 0, heard.offset.cmp(&self.text.len())) {
            // The text so far, as asked for: at least as long as what is here, or a repeat of the first piece.
            (true, _) if heard.text.len() >= self.text.len() => {
                self.text.clear();
                self.text.push_str(&heard.text);
            }
            (_, std::cmp::Ordering::Equal) => self.text.push_str(&heard.text),
            (_, std::cmp::Ordering::Greater) => return false,
            (_, std::cmp::Ordering::Less) => {}
        }
        true
    }
}

/// A number for a new run: distinct from the last run here, and from runs of the same turn on a node that died, whose
/// start lies at least 16 ms and, because turns are given up, less than 262 s back. 14 bits: two bytes on the wire.
pub(crate) fn run_number(now: Millis, last: u32) -> u32 {
    let run = ((now >> 4) & 0x3fff) as u32;
    let run = if run == 0 { 1 } else { run };
    if run == last { run % 0x3fff + 1 } else { run }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(run: u32, offset: usize, text: &str) -> TurnText {
        TurnText { turn: 1, run, offset, text: text.into(), deadline: 9 }
    }

    #[test]
    fn text_from_another_node_survives_loss_repeat_and_a_new_run() {
        let mut there = Elsewhere { turn: 1, run: 1, text: String::new(), until: 9 };
        assert!(there.hear(&heard(1, 0, "ab")));
        assert!(there.hear(&heard(1, 2, "cd")));
        assert!(there.hear(&heard(1, 0, "ab")), "a repeat");
        assert!(!there.hear(&heard(1, 6, "gh")), "a gap");
        assert_eq!(there.text, "abcd");
        assert!(there.hear(&heard(1, 0, "abcdefgh")), "the text so far");
        assert_eq!(there.text, "abcdefgh");
        assert!(there.hear(&heard(2, 0, "x")));
        assert_eq!((there.run, there.text.as_str()), (2, "x"));
    }

    #[test]
    fn an_answer_is_cut_at_its_bound_between_characters() {
        let mut turn = Turn { turn: 1, run: 1, text: String::new(), deadline: 9, phase: Phase::Waiting };
        assert!(turn.push("茶", 4));
        assert!(!turn.push("叶", 4));
        assert_eq!(turn.text, "茶");
    }

    #[test]
    fn run_numbers_differ_from_the_last_and_fit_two_bytes() {
        assert_ne!(run_number(160, 10), 10);
        assert!((0..100_000u64).all(|now| (1..0x4000).contains(&run_number(now * 16, 0x3fff))));
    }
}
