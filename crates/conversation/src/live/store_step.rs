//! The log: one store operation at a time, what the bus says of it, and the decisions against its newest state.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Intent, Live, Notice, Output, Reply, Step};
use crate::cursor::{Cursor, Offered};
use crate::decide::{self, Command, Decision, Refusal};
use crate::due::due_at;
use crate::event::{Body, Event};
use crate::id::Millis;
use crate::policy::MAX_RETRY_WAIT;

impl Live {
    /// The append under way succeeded.
    pub fn handle_appended(&mut self, now: Millis) {
        let Step::Appending { intent, event } = std::mem::replace(&mut self.step, Step::Idle) else { return };
        self.retry = None;
        if matches!(event.body, Body::VisitorMessage { .. }) {
            // Its answer is this node's business, unless the node that runs the open turn hears of it.
            self.may_act_at = self.may_act_at.or(Some(self.runner_until().unwrap_or(now)));
        }
        if matches!(event.body, Body::Handover { .. }) {
            self.may_act_at = Some(now);
        }
        if let Some(key) = intent.reply_to() {
            self.reply(key, Reply::Acked(event.seq));
        }
        self.outputs.push_back(Output::Publish(Notice::Event(Arc::clone(&event))));
        self.take(event);
        self.advance(now);
    }

    /// The seq was taken: somebody else appended. Reads on and decides again.
    pub fn handle_conflict(&mut self, now: Millis) {
        if let Step::Appending { intent, event } = std::mem::replace(&mut self.step, Step::Idle) {
            if broken!(self.policy, SkipRedecision) {
                let event = Arc::new(Event { seq: event.seq + 1, ..(*event).clone() });
                self.outputs.push_back(Output::Append { event: Arc::clone(&event), due: None });
                self.step = Step::Appending { intent, event };
                return;
            }
            self.waiting.push_front(intent);
            self.stale = true;
        }
        self.advance(now);
    }

    /// The store did not answer the append, so it is unknown whether it happened. The client keeps its message and comes
    /// back with the same id; what the node itself wants to append is tried again.
    pub fn handle_append_failed(&mut self, now: Millis) {
        if let Step::Appending { intent, .. } = std::mem::replace(&mut self.step, Step::Idle) {
            self.waiting.push_front(intent);
        }
        self.store_failed(now);
    }

    /// What was read after the known head; `more` says that the log goes on.
    pub fn handle_read(&mut self, now: Millis, events: Vec<Event>, more: bool) {
        if !matches!(self.step, Step::Reading) {
            return;
        }
        self.step = Step::Idle;
        let progress = !events.is_empty();
        for event in events {
            self.bus.offer(event.seq, Arc::new(event));
            self.drain_bus();
        }
        // A gap that a whole read did not fill holds events that are not in the log: there is nothing to wait for.
        self.stale = progress && (more || self.bus.has_gap());
        if !self.stale && self.bus.has_gap() {
            self.bus = Cursor::at(self.state.head());
        }
        if !self.stale {
            self.retry = None;
            if !self.loaded {
                self.loaded = true;
                self.wake = true;
                self.ask_for_runner(now);
            }
        }
        self.advance(now);
    }

    /// The log could not be read.
    pub fn handle_read_failed(&mut self, now: Millis) {
        if matches!(self.step, Step::Reading) {
            self.step = Step::Idle;
        }
        self.store_failed(now);
    }

    /// The bus says that an event was stored.
    pub fn handle_heard_event(&mut self, now: Millis, event: Arc<Event>) {
        if self.bus.offer(event.seq, event) == Offered::Gap && self.loaded {
            self.stale = true;
        }
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
            self.drain_bus();
            if self.stale {
                return self.read();
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
        self.reconcile(now);
    }

    pub(super) fn read(&mut self) {
        self.step = Step::Reading;
        self.outputs.push_back(Output::Read { after: self.state.head() });
    }

    fn drain_bus(&mut self) {
        while let Some(event) = self.bus.next() {
            self.take(event);
        }
    }

    /// The next event of the log: folds it and shows it.
    fn take(&mut self, event: Arc<Event>) {
        if let Err(violation) = self.state.apply(&event) {
            self.violation = Some(violation);
            return;
        }
        if self.bus.seq() < event.seq {
            self.bus.offer(event.seq, Arc::clone(&event));
            self.bus.next();
        }
        self.window.push(event, self.policy.recent_bytes);
        self.wake = true;
    }

    pub(super) fn decide(&mut self, now: Millis, intent: Intent) {
        let decision = match &intent {
            Intent::Command { command: Command::Stop { turn }, .. } => {
                let there = self.elsewhere.as_ref().map(|there| there.text.as_str()).unwrap_or_default();
                decide::stop(&self.state, *turn, there.into())
            }
            Intent::Command { command, .. } => decide::command(&self.state, &self.policy, command),
            Intent::Answer { answer, .. } => decide::answer(&self.state, &self.policy, answer.clone()),
            Intent::GiveAway { turn } => decide::give_away(&self.state, *turn),
            Intent::Assign { to } => decide::assign(&self.state, to.clone()),
        };
        match decision {
            Decision::Append(body) => self.append(now, intent, body),
            Decision::Done(seq) => self.reply_to(&intent, Reply::Acked(seq)),
            Decision::Refuse(refusal) => self.reply_to(&intent, Reply::Refused(refusal, 0)),
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
        self.outputs.push_back(Output::Append { event: Arc::clone(&event), due });
        self.step = Step::Appending { intent, event };
    }

    /// Clients are told at once; what the node owes is kept and tried again after a wait that doubles.
    fn store_failed(&mut self, now: Millis) {
        let wait = self.retry.map_or(self.policy.retry_wait, |(wait, _)| (wait * 2).min(MAX_RETRY_WAIT));
        self.retry = Some((wait, now + wait));
        self.stale = true;
        for intent in std::mem::take(&mut self.waiting) {
            self.reply_to(&intent, Reply::Refused(Refusal::Unavailable, wait));
            match intent {
                Intent::Command { .. } => {}
                Intent::Answer { answer, .. } => self.waiting.push_back(Intent::Answer { answer, reply_to: None }),
                owed => self.waiting.push_back(owed),
            }
        }
        self.wake = true;
    }
}
