//! The log: one store operation at a time, what the bus says of it, and the decisions against its newest state.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Heard, Intent, Live, Notice, Output, Reply, Step};
use crate::claim::Fence;
use crate::cursor::Cursor;
use crate::decide::{self, Command, Decision, Refusal};
use crate::due::due_at;
use crate::event::{Body, Event};
use crate::id::{Millis, Seq};
use crate::policy::MAX_RETRY_WAIT;
use crate::state::State;
use crate::summary;
use crate::turn::Phase;
use crate::window::Window;

/// Appends of unknown outcome that are remembered. Each is at most tried again once in a retry wait, so an older one that is
/// still on its way into the log is many seconds late.
const MAX_DOUBTFUL: usize = 8;

impl Live {
    /// The append under way succeeded.
    pub fn handle_appended(&mut self, now: Millis) {
        let Some((intent, event)) = self.end_append() else { return };
        (self.retry, self.claim_stands) = (None, false);
        self.reply_to(&intent, Reply::Acked(event.seq));
        self.stored_here(now, &event, self.state.head_at());
        self.take(now, event);
        self.advance(now);
    }

    /// The seq is free, but another node has claimed the conversation since this one did, or thought it had: what it wanted
    /// to append is that node's business now, and it says no more about it.
    pub fn handle_fenced(&mut self, now: Millis) {
        let Some((intent, _)) = self.end_append() else { return };
        // A person's command is never kept out; if a store does so all the same, it is tried again as after a conflict.
        if intent.reply_to().is_some() {
            self.waiting.push_front(intent);
        }
        self.kept_out = true;
        self.lose_turn();
        self.outputs.push_back(Output::Publish(Notice::AskTurn));
        self.stale = true;
        self.advance(now);
    }

    /// The seq was taken: somebody else appended. Reads on and decides again.
    pub fn handle_conflict(&mut self, now: Millis) {
        let Some((intent, _event)) = self.end_append() else { return };
        #[cfg(feature = "faults")]
        {
            self.decided = Some(_event.body.clone()).filter(|_| broken!(self.policy, SkipRedecision));
        }
        self.waiting.push_front(intent);
        (self.stale, self.conflicted) = (true, true);
        self.advance(now);
    }

    /// The store did not answer the append, so it is unknown whether it happened. The client keeps its message and comes
    /// back with the same id; what the node itself wants to append is tried again.
    pub fn handle_append_failed(&mut self, now: Millis) {
        let Some((intent, event)) = self.end_append() else { return };
        self.waiting.push_front(intent);
        self.doubtful.push_back(event);
        if self.doubtful.len() > MAX_DOUBTFUL {
            self.doubtful.pop_front();
        }
        self.store_failed(now);
    }

    /// What was read, as [`Output::Read`] said; `more` says that the log goes on.
    pub fn handle_read(&mut self, now: Millis, mut events: Vec<Event>, more: bool) {
        if !matches!(self.step, Step::Reading) {
            return;
        }
        self.step = Step::Idle;
        let head = self.state.head();
        if head > 0 {
            let known = self.window.get(head);
            if events.first() != known.map(|event| &**event) && !broken!(self.policy, TrustLostLog) {
                return self.lose_log(now);
            }
            events.retain(|event| event.seq > head);
        }
        let progress = !events.is_empty();
        if std::mem::take(&mut self.conflicted) && !progress {
            // Nothing is there that the append could have met: somebody keeps writers out, or the store is confused.
            return self.store_failed(now);
        }
        for event in events {
            self.take(now, Arc::new(event));
        }
        self.stale |= progress && (more || self.bus.has_gap());
        // A gap that was there before a read that did not fill it holds events that are not in the log: there is nothing to
        // wait for.
        if !self.stale && self.bus.has_gap() {
            self.bus = Cursor::at(self.state.head());
        }
        if !self.stale {
            self.retry = None;
            self.wake = true; // Somebody may wait to be told where he stands.
            if !self.loaded {
                self.loaded = true;
                self.compare_with_rest();
                self.ask_for_runner(now);
            }
        }
        self.advance(now);
    }

    /// The log is shorter than it was, or another one: the store lost what it had acknowledged. Everything known is dropped,
    /// and read anew; connections are told to do the same.
    fn lose_log(&mut self, now: Millis) {
        self.epoch = self.epoch.wrapping_add(1);
        self.lose_turn();
        self.state = State::default();
        self.window = Window::default();
        self.bus = Cursor::at(0);
        self.doubtful.clear();
        (self.loaded, self.conflicted, self.kept_out, self.violation) = (false, false, false, None);
        for intent in std::mem::take(&mut self.waiting) {
            match intent {
                Intent::Command { .. } => self.waiting.push_back(intent),
                owed => self.reply_to(&owed, Reply::Refused(Refusal::Unavailable, self.policy.retry_wait)),
            }
        }
        self.wake = true;
        self.read();
        self.reconcile(now);
    }

    /// What this node did for the log is no longer its business.
    fn lose_turn(&mut self) {
        if let Some(turn) = self.turn.take().filter(|turn| turn.phase != Phase::Ending) {
            self.outputs.push_back(Output::Cancel { run: turn.run });
        }
        (self.elsewhere, self.may_act_at, self.claim, self.claim_stands) = (None, None, None, false);
        self.wake = true;
    }

    /// After loading: whether the log is still that of the time before the rest.
    fn compare_with_rest(&mut self) {
        if self.rested.take().is_some_and(|rested| rested.head > 0) {
            self.epoch = self.epoch.wrapping_add(1); // The log ends before the event that was its newest.
        }
    }

    /// The log could not be read.
    pub fn handle_read_failed(&mut self, now: Millis) {
        if matches!(self.step, Step::Reading) {
            self.step = Step::Idle;
            self.store_failed(now);
        }
    }

    /// The bus says that an event was stored, behind one that was decided at `previous_at`.
    pub fn handle_heard_event(&mut self, now: Millis, event: Arc<Event>, previous_at: Millis) {
        if self.window.get(event.seq).is_some_and(|known| *known != event) {
            self.stale = true; // One of the two is not in the log: reading tells which.
        }
        self.bus.offer(event.seq, Heard { event, previous_at });
        // Also while a read is under way: what was stored after it began may be missing in it.
        if self.bus.has_gap() && !broken!(self.policy, LeaveGaps) {
            self.stale = true;
        }
        self.advance(now);
    }

    /// Looks whether the log has grown unheard. For a driver whose bus may lose messages: from time to time for
    /// conversations that are looked at, and before a client is told that it is ahead of the log.
    pub fn handle_refresh(&mut self, now: Millis) {
        self.stale = true;
        self.advance(now);
    }

    /// Does what can be done until a store operation is under way or nothing is left.
    pub(super) fn advance(&mut self, now: Millis) {
        if let Some((_, at)) = self.retry {
            if now < at {
                return;
            }
            self.stale = true;
        }
        while matches!(self.step, Step::Idle) && self.violation.is_none() {
            self.drain_bus(now);
            if self.stale {
                self.read();
                break;
            }
            match self.waiting.pop_front() {
                Some(intent) => self.decide(now, intent),
                None => {
                    if self.waiting.capacity() > 0 {
                        self.waiting = VecDeque::new();
                    }
                    break;
                }
            }
        }
        if self.violation.is_some() {
            self.give_in();
        }
        self.reconcile(now);
    }

    /// Reads the newest event known, again, and what follows; whatever is heard from now on may be missing in it.
    pub(super) fn read(&mut self) {
        self.step = Step::Reading;
        self.stale = false;
        self.outputs.push_back(Output::Read { after: self.state.head().saturating_sub(1) });
    }

    fn end_append(&mut self) -> Option<(Intent, Arc<Event>)> {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Appending { intent, event } => Some((intent, event)),
            other => {
                self.step = other;
                None
            }
        }
    }

    /// An event of this node is in the log: the others hear of it, and what follows from it is this node's business.
    fn stored_here(&mut self, now: Millis, event: &Arc<Event>, previous_at: Millis) {
        match event.body {
            // Unless the node that runs the open turn hears of it.
            Body::VisitorMessage { .. } => {
                self.may_act_at = self.may_act_at.or(Some(self.runner_until().unwrap_or(now)));
            }
            Body::Handover { .. } => self.may_act_at = Some(now),
            _ => {}
        }
        self.outputs.push_back(Output::Publish(Notice::Event { event: Arc::clone(event), previous_at }));
    }

    fn drain_bus(&mut self, now: Millis) {
        while let Some(Heard { event, previous_at }) = self.bus.next() {
            if previous_at != self.state.head_at() {
                // It belongs to another log than what is known here: reading tells which of them there is.
                self.bus = Cursor::at(self.state.head());
                self.stale = true;
                return;
            }
            self.take(now, event);
        }
    }

    /// The next event of the log: folds it and shows it.
    fn take(&mut self, now: Millis, event: Arc<Event>) {
        if self.violation.is_some() {
            return;
        }
        let previous_at = self.state.head_at();
        if let Err(violation) = self.state.apply(&event) {
            self.violation = Some(violation);
            return;
        }
        self.kept_out = false; // An event ends every claim.
        self.conflicted = false; // This, or one before it, is what the append met.
        if let Some(rested) = self.rested.take_if(|rested| rested.head == event.seq)
            && rested.head_at != event.at
        {
            self.epoch = self.epoch.wrapping_add(1);
        }
        if self.doubtful.contains(&event) {
            self.stored_here(now, &event, previous_at); // The append that seemed to fail had succeeded, or did so late.
        }
        if !self.doubtful.is_empty() {
            self.doubtful.retain(|doubtful| doubtful.seq > event.seq);
        }
        if self.bus.seq() < event.seq {
            self.bus.offer(event.seq, Heard { event: Arc::clone(&event), previous_at });
            self.bus.next();
        }
        self.window.push(event, self.policy.recent_bytes);
        self.wake = true;
    }

    pub(super) fn decide(&mut self, now: Millis, intent: Intent) {
        #[cfg(feature = "faults")]
        if let Some(body) = self.decided.take() {
            return self.append(now, intent, body);
        }
        let decision = match &intent {
            Intent::Command { command: Command::Stop { turn }, .. } => {
                // As for a turn here: one that was restarted with a newer message is the one the client means.
                let open = |turn: Seq| self.state.is_unanswered(turn);
                let there = self.elsewhere.as_ref().filter(|there| open(there.turn) && open(*turn));
                let text = there.map(|there| there.text.as_str()).unwrap_or_default();
                decide::stop(&self.state, there.map_or(*turn, |there| there.turn.max(*turn)), text.into())
            }
            Intent::Command { command, .. } => decide::command(&self.state, &self.policy, command),
            Intent::Answer { answer, .. } => decide::answer(&self.state, &self.policy, answer.clone()),
            Intent::GiveAway(farewell) => decide::give_away(&self.state, farewell.clone()),
            Intent::Assign { to } => decide::assign(&self.state, to.clone()),
            Intent::CloseIdle { before } => decide::close_idle(&self.state, *before),
        };
        match decision {
            Decision::Append(body) => {
                let body = self.summarised(body);
                self.append(now, intent, body);
            }
            Decision::Done(seq) => self.reply_to(&intent, Reply::Acked(seq)),
            Decision::Refuse(refusal) => self.reply_to(&intent, Reply::Refused(refusal, 0)),
        }
    }

    /// No agent takes over without a word of what was said before.
    fn summarised(&self, body: Body) -> Body {
        match body {
            Body::Handover { reason, summary, text } if summary.is_empty() => {
                Body::Handover { reason, summary: summary::summary(&self.window.lines()), text }
            }
            other => other,
        }
    }

    fn append(&mut self, now: Millis, intent: Intent, body: Body) {
        let event = Arc::new(Event { seq: self.state.head() + 1, at: now, body });
        let due = match self.state.after(&event) {
            Ok(after) => due_at(&after, &self.policy),
            // A deliberate fault must get as far as the log for the simulation to see it there.
            Err(_) if cfg!(feature = "faults") => None,
            // Unreachable while decisions and the fold agree; a disagreement must not reach the log.
            Err(violation) => {
                self.violation = Some(violation);
                return self.reply_to(&intent, Reply::Refused(Refusal::Unavailable, MAX_RETRY_WAIT));
            }
        };
        if broken!(self.policy, AckBeforeStored) {
            self.reply_to(&intent, Reply::Acked(event.seq));
        }
        let fence = if broken!(self.policy, IgnoreFence) { Fence::Open } else { intent.fence(self.claim) };
        let previous_at = self.state.head_at();
        self.outputs.push_back(Output::Append { event: Arc::clone(&event), due, fence, previous_at });
        self.step = Step::Appending { intent, event };
    }

    /// The log breaks a rule: nothing is appended to it any more, and nobody is left waiting.
    fn give_in(&mut self) {
        for intent in std::mem::take(&mut self.waiting) {
            self.reply_to(&intent, Reply::Refused(Refusal::Unavailable, MAX_RETRY_WAIT));
        }
    }

    /// Clients are told at once; what the node owes is kept and tried again after a wait that doubles.
    fn store_failed(&mut self, now: Millis) {
        let wait = self.retry.map_or(self.policy.retry_wait, |(wait, _)| (wait * 2).min(MAX_RETRY_WAIT));
        self.retry = Some((wait, now + wait));
        self.stale = true;
        for intent in std::mem::take(&mut self.waiting) {
            self.reply_to(&intent, Reply::Refused(Refusal::Unavailable, wait));
            match intent {
                Intent::Command { .. } | Intent::CloseIdle { .. } => {}
                Intent::Answer { answer, .. } => self.waiting.push_back(Intent::Answer { answer, reply_to: None }),
                owed => self.waiting.push_back(owed),
            }
        }
        self.wake = true;
    }
}
