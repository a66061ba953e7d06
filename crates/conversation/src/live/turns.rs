//! The running turn: what the function writes, what other nodes say of theirs, and what ends it.

use std::sync::Arc;

use super::{CommandKey, Intent, Live, Notice, Output};
use crate::decide::{Answer, Command, Farewell};
use crate::event::{AnswerEnd, HandoverReason};
use crate::id::{Millis, Seq};
use crate::turn::{Elsewhere, Invocation, Outcome, Phase, Turn, TurnText, fallback_answer, run_number};

impl Live {
    /// The function wrote a piece.
    pub fn handle_delta(&mut self, now: Millis, run: u32, piece: &str) {
        let max_bytes = self.policy.max_answer_bytes;
        let Some(turn) = self.running(run).filter(|_| !piece.is_empty()) else { return };
        let offset = turn.text.len();
        let fits = turn.push(piece, max_bytes);
        let written = turn.text_from(offset);
        if !written.text.is_empty() {
            turn.spoke = true;
            self.outputs.push_back(Output::Publish(Notice::Turn(written)));
            self.wake = true;
        }
        if !fits {
            self.end_turn(run, Outcome::Failure);
            self.outputs.push_back(Output::Cancel { run });
        }
        self.advance(now);
    }

    /// The run is over.
    pub fn handle_outcome(&mut self, now: Millis, run: u32, outcome: Outcome) {
        if outcome == Outcome::Failure && broken!(self.policy, WaitForever) {
            return;
        }
        self.end_turn(run, outcome);
        self.advance(now);
    }

    /// The bus says how far another node's turn is.
    pub fn handle_heard_turn(&mut self, now: Millis, heard: &TurnText) {
        if heard.turn > self.state.head() {
            self.stale = true; // The message that it answers is in the log, and was not heard of here.
        }
        // A word that comes after its run's time may be old, and another run may have been shown since.
        let is_over =
            heard.turn <= self.state.answered() || heard.deadline.saturating_add(self.policy.turn_grace) <= now;
        if !is_over && self.turn.is_none() {
            self.hear(now, heard);
        }
        self.advance(now);
    }

    fn hear(&mut self, now: Millis, heard: &TurnText) {
        let there = self.elsewhere.get_or_insert_default();
        if there.is_preferred_to(heard) {
            return;
        }
        if !there.hear(heard) {
            self.outputs.push_back(Output::Publish(Notice::AskTurn));
        }
        // A runner that dies says nothing more; whoever would wait for its deadline waits for long.
        let until = heard.deadline.saturating_add(self.policy.turn_grace).min(now + self.policy.runner_silence);
        (there.until, there.silent) = (until, false);
        if self.may_act_at.is_some() {
            self.may_act_at = Some(until);
        }
        self.wake = true;
    }

    /// Another node asks who runs the open turn.
    pub fn handle_ask_turn(&mut self) {
        if let Some(turn) = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending) {
            self.outputs.push_back(Output::Publish(Notice::Turn(turn.text_from(0))));
        }
    }

    /// The answer being written: turn, run, text so far. What the log has moved past is not shown, nor what it has not
    /// reached here.
    pub(crate) fn written(&self) -> Option<(Seq, u32, &str)> {
        let here = self.turn.as_ref().map(|turn| (turn.turn, turn.run, turn.text.as_str()));
        let written = here.or_else(|| self.runner().map(|there| (there.turn, there.run, there.text.as_str())));
        if broken!(self.policy, KeepStreaming) {
            return written;
        }
        let open = self.state.open_turn()?;
        written.filter(|(turn, ..)| *turn <= open && *turn > self.state.answered())
    }

    pub(super) fn stop(&mut self, key: CommandKey, turn: Seq) {
        let is_open = self.state.is_unanswered(turn);
        let here = self.turn.as_mut().filter(|running| is_open && running.phase != Phase::Ending);
        let Some(running) = here else {
            return self.waiting.push_back(Intent::Command { key, command: Command::Stop { turn } });
        };
        running.phase = Phase::Ending;
        // Stop for a message that waits behind the running answer means both.
        let answer = Answer { turn: turn.max(running.turn), ..stopped(running) };
        let run = running.run;
        self.outputs.push_back(Output::Cancel { run });
        self.waiting.push_back(Intent::Answer { answer, reply_to: Some(key) });
    }

    /// Before a handover or a close: what the visitor has read of an answer stays in the log.
    pub(super) fn keep_part(&mut self) {
        let Some(turn) = self.turn.as_mut().filter(|t| t.phase == Phase::Streaming) else { return };
        turn.phase = Phase::Ending;
        let (run, answer) = (turn.run, stopped(turn));
        self.outputs.push_back(Output::Cancel { run });
        self.waiting.push_back(Intent::Answer { answer, reply_to: None });
    }

    pub(super) fn end_turn(&mut self, run: u32, outcome: Outcome) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.run == run && turn.phase != Phase::Ending) else {
            return;
        };
        turn.phase = Phase::Ending;
        let intent = match outcome {
            Outcome::Handover { reason, summary, text } => {
                // What the visitor has read stays, and nothing over the bound gets into the log.
                let is_said = !text.is_empty() && text.len() <= self.policy.max_answer_bytes;
                let text = if is_said { text } else { turn.text.as_str().into() };
                Intent::GiveAway(Farewell { turn: turn.turn, reason, summary, text })
            }
            Outcome::Answer { text, end, offer_person, sources, choices }
                if !text.is_empty() && text.len() <= self.policy.max_answer_bytes =>
            {
                let answer = Answer { turn: turn.turn, text, end, offer_person, sources, choices };
                Intent::Answer { answer, reply_to: None }
            }
            // An empty answer would be silence, and one over the bound is not what was streamed.
            Outcome::Answer { .. } | Outcome::Failure if !turn.text.is_empty() => {
                Intent::Answer { answer: turn.interrupted_answer(), reply_to: None }
            }
            Outcome::Answer { .. } | Outcome::Failure => {
                let turn = turn.turn;
                self.failed(turn)
            }
        };
        self.waiting.push_back(intent);
    }

    /// What follows a turn to which there is no answer: the site's own words, or people where that happened before.
    fn failed(&self, turn: Seq) -> Intent {
        let most = self.policy.failures_to_handover;
        if most > 0 && self.window.failures() + 1 >= most {
            let (reason, nothing) = (HandoverReason::Failures, Arc::from(""));
            return Intent::GiveAway(Farewell { turn, reason, summary: Arc::clone(&nothing), text: nothing });
        }
        let question = self.window.visitor_text(turn).unwrap_or_default();
        Intent::Answer { answer: fallback_answer(turn, &self.policy, question), reply_to: None }
    }

    pub(super) fn start_turn(&mut self, now: Millis, turn: Seq) {
        if now > self.state.newest_message_at() + self.policy.give_up_after {
            let intent = self.failed(turn);
            return self.decide(now, intent);
        }
        let run = run_number(now, self.policy.run_salt, self.last_run);
        self.last_run = run;
        self.elsewhere = None;
        let deadline = now + self.policy.turn_deadline;
        let beat_at = self.policy.heartbeat.map(|heartbeat| now + heartbeat);
        let started = Turn { turn, run, text: String::new(), deadline, phase: Phase::Waiting, beat_at, spoke: true };
        self.outputs.push_back(Output::Publish(Notice::Turn(started.text_from(0))));
        self.turn = Some(started);
        let (lines, failures) = (self.window.lines(), self.window.failures());
        self.outputs.push_back(Output::Invoke(Invocation { turn, run, lines, deadline, failures }));
    }

    fn running(&mut self, run: u32) -> Option<&mut Turn> {
        self.turn.as_mut().filter(|turn| turn.run == run && turn.phase != Phase::Ending)
    }

    pub(super) fn runner_until(&self) -> Option<Millis> {
        self.runner().map(|there| there.until)
    }

    /// The run on another node of which something was heard not long ago.
    pub(super) fn runner(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref().filter(|there| !there.silent)
    }

    /// Whoever ran the open turn elsewhere is waited for no longer.
    pub(super) fn give_runner_up(&mut self) {
        if let Some(there) = &mut self.elsewhere {
            there.silent = true;
        }
    }

    pub(super) fn turn_ends_at(&self, turn: &Turn) -> Millis {
        turn.deadline + self.policy.turn_grace
    }
}

fn stopped(turn: &Turn) -> Answer {
    Answer {
        turn: turn.turn,
        text: turn.text.as_str().into(),
        end: AnswerEnd::Stopped,
        offer_person: false,
        sources: None,
        choices: None,
    }
}
