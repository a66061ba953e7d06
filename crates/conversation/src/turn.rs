//! A running turn: here, or on another node.

use std::sync::Arc;

use crate::decide::Answer;
use crate::event::{AnswerEnd, Choices, HandoverReason, Sources};
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
    /// When the other nodes are to hear something again.
    pub(crate) beat_at: Option<Millis>,
    /// Whether they heard something since the last time.
    pub(crate) spoke: bool,
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
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    pub(crate) turn: Seq,
    pub(crate) run: u32,
    pub(crate) deadline: Millis,
    pub(crate) text: String,
    /// Until when that node may be trusted to be at it.
    pub(crate) until: Millis,
    /// It said nothing until then: it is neither waited for nor shown, but older runs are not shown in its place.
    pub(crate) silent: bool,
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
    /// How many answers right before were fallbacks, in a row.
    pub failures: u32,
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
        /// What it rests on.
        sources: Sources,
        /// What the visitor may say next, to tap.
        choices: Choices,
    },
    /// The assistant gives the conversation to people.
    Handover {
        /// Why.
        reason: HandoverReason,
        /// What the agent should know. Where it is empty, an extract of what was said takes its place.
        summary: Arc<str>,
        /// What the visitor reads first. Where it is empty, what had been written of an answer is kept.
        text: Arc<str>,
    },
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

    /// The answer if the run ends in the middle of it.
    pub(crate) fn interrupted_answer(&self) -> Answer {
        let text = self.text.as_str().into();
        Answer { turn: self.turn, text, end: AnswerEnd::Interrupted, offer_person: true, sources: None, choices: None }
    }

    pub(crate) fn text_from(&self, offset: usize) -> TurnText {
        let text = self.text.get(offset..).unwrap_or_default().into();
        TurnText { turn: self.turn, run: self.run, offset, text, deadline: self.deadline }
    }
}

/// The site's own words, with the offer of a person: never silence.
pub(crate) fn fallback_answer(turn: Seq, policy: &Policy, question: &str) -> Answer {
    Answer {
        turn,
        text: policy.fallback_for(question),
        end: AnswerEnd::Fallback,
        offer_person: true,
        sources: None,
        choices: None,
    }
}

impl Elsewhere {
    /// Whether what was heard belongs to a run that is shown no longer. When two nodes run a turn (each believing that the
    /// other died) all others show the same one: the newer turn, then the later start.
    pub(crate) fn is_preferred_to(&self, heard: &TurnText) -> bool {
        (self.turn, self.deadline, self.run) > (heard.turn, heard.deadline, heard.run)
    }

    /// Takes in what the bus said; false if a piece before it is missing and the runner is to be asked.
    pub(crate) fn hear(&mut self, heard: &TurnText) -> bool {
        if (heard.turn, heard.deadline, heard.run) != (self.turn, self.deadline, self.run) {
            (self.turn, self.deadline, self.run) = (heard.turn, heard.deadline, heard.run);
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

/// A number for a new run, 14 bits: two bytes on the wire.
///
/// It counts the time in steps of 16 ms, so that runs of one turn before and after a node's death differ (turns are given
/// up before it comes round, after 262 s), and onwards from `last` where runs follow faster, so that no late word of an
/// earlier one is taken for a word of this. `salt` differs from node to node, for two that start a turn at one moment.
pub(crate) fn run_number(now: Millis, salt: u32, last: u32) -> u32 {
    let by_time = ((now >> 4) as u32).wrapping_add(salt) & RUN_MASK;
    let is_behind = last != 0 && (by_time.wrapping_sub(last) & RUN_MASK).wrapping_sub(1) > RUN_MASK / 2;
    let run = if is_behind { (last + 1) & RUN_MASK } else { by_time };
    run.max(1)
}

/// Bits of a run's number.
const RUN_MASK: u32 = 0x3fff;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(run: u32, offset: usize, text: &str) -> TurnText {
        TurnText { turn: 1, run, offset, text: text.into(), deadline: 9 }
    }

    #[test]
    fn text_from_another_node_survives_loss_repeat_and_a_new_run() {
        let mut there = Elsewhere::default();
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
        let mut turn = Turn {
            turn: 1,
            run: 1,
            text: String::new(),
            deadline: 9,
            phase: Phase::Waiting,
            beat_at: None,
            spoke: false,
        };
        assert!(turn.push("茶", 4));
        assert!(!turn.push("叶", 4));
        assert_eq!(turn.text, "茶");
    }

    #[test]
    fn run_numbers_do_not_come_back_while_their_run_may_still_speak() {
        let mut last = 0;
        let mut seen = std::collections::HashSet::new();
        for restart in 0..2_000u64 {
            last = run_number(1_000_000 + restart / 10, 5, last);
            assert!(seen.insert(last) && (1..=RUN_MASK).contains(&last), "{last} at {restart}");
        }
    }

    #[test]
    fn run_numbers_differ_across_a_death_and_between_nodes() {
        assert_ne!(run_number(160, 0, 0), run_number(176, 0, 0));
        assert_ne!(run_number(160, 0, 0), run_number(160, 1, 0));
        assert!((0..100_000u64).all(|now| (1..=RUN_MASK).contains(&run_number(now * 16, 7, RUN_MASK))));
    }
}
