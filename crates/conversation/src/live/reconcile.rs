//! What the log asks for against what is under way: level-triggered, so nothing depends on an input having been seen.

use super::{Intent, Live, Notice, Output, Step};
use crate::claim::Claim;
use crate::due::due_at;
use crate::event::Assignee;
use crate::id::Millis;
use crate::turn::{Elsewhere, Outcome, Phase};

impl Live {
    /// Compares what the log asks for with what is under way.
    pub(super) fn reconcile(&mut self, now: Millis) {
        self.see_to_what_is_owed(now);
        self.listen_for_runner(now);
        self.give_claim_back(now);
    }

    /// A claim that this node does not use would only keep out who is at it: a runner that is late, but alive.
    fn give_claim_back(&mut self, now: Millis) {
        let Some(claim) = self.claim.filter(|_| self.claim_stands && self.turn.is_none() && self.is_settled()) else {
            return;
        };
        let runner = self.runner().filter(|there| there.until > now);
        let due = match runner {
            Some(there) => Some(there.deadline.saturating_add(2 * self.policy.turn_grace)),
            None if self.is_owed() || self.routing => return,
            None => due_at(&self.state, &self.policy),
        };
        (self.claim, self.claim_stands) = (None, false);
        self.outputs.push_back(Output::Release { head: self.state.head(), due, claim });
    }

    /// What another node is to do is not waited for in vain: neither if it died before it said that it began, nor if
    /// somebody else ended the turn that it ran.
    fn listen_for_runner(&mut self, now: Millis) {
        let listens = self.loaded && !self.kept_out && self.violation.is_none() && self.state.open_turn().is_some();
        let is_unheard = self.turn.is_none() && self.may_act_at.is_none() && self.runner().is_none();
        self.unheard_until =
            (listens && is_unheard).then(|| self.unheard_until.unwrap_or(now + self.policy.runner_silence));
    }

    fn see_to_what_is_owed(&mut self, now: Millis) {
        let open = self.state.open_turn();
        // While the log is being read for the first time it seems to ask for nothing.
        // And a runner may be heard of before the message that it answers.
        let is_known = |there: &Elsewhere| there.turn <= self.state.head();
        let is_over = |there: &Elsewhere| there.turn <= self.state.answered() || (open.is_none() && is_known(there));
        if self.loaded && self.elsewhere.as_ref().is_some_and(is_over) {
            self.elsewhere = None;
        }
        if let Some(turn) = &self.turn {
            let over = open.is_none() || turn.turn <= self.state.answered();
            let outdated = turn.phase == Phase::Waiting && open.is_some_and(|open| open > turn.turn);
            if !over && !outdated {
                return;
            }
            if turn.phase != Phase::Ending {
                self.outputs.push_back(Output::Cancel { run: turn.run });
            }
            // may_act_at still stands: whoever ran this turn runs the one that waited for it.
            self.turn = None;
            self.wake = true;
        }
        if !self.is_owed() {
            // While the log is being read, something owed may yet be found in it.
            if self.is_settled() && !self.routing {
                self.may_act_at = None;
            }
            return;
        }
        let may_act = self.may_act_at.is_some_and(|at| at <= now);
        if may_act && self.is_settled() {
            match open {
                Some(turn) => self.start_turn(now, turn),
                None if !self.routing => {
                    self.routing = true;
                    self.outputs.push_back(Output::Route);
                }
                None => {}
            }
        }
    }

    /// Whether what is known of the log is all there is, as far as anybody here can tell. What is being read or appended
    /// may change what is owed; the log is looked at again after it.
    fn is_settled(&self) -> bool {
        let undisturbed = self.retry.is_none() && self.violation.is_none();
        self.loaded && !self.stale && matches!(self.step, Step::Idle) && undisturbed
    }

    /// A due time came and this node has claimed the conversation: whatever is missing is now its business. A runner of whom
    /// nothing was heard here is asked for first.
    pub fn handle_due(&mut self, now: Millis, claim: Claim) {
        (self.claim, self.claim_stands, self.kept_out) = (Some(claim), true, false);
        if self.turn.is_none() && self.runner_until().is_none_or(|until| until <= now) {
            let soon = now + self.policy.patience;
            self.give_runner_up();
            self.may_act_at = Some(self.may_act_at.map_or(soon, |at| at.min(soon)));
            self.outputs.push_back(Output::Publish(Notice::AskTurn));
        }
        self.stale = true;
        self.advance(now);
    }

    /// The site's rules end a conversation in which nothing has happened since `before`.
    pub fn handle_idle(&mut self, now: Millis, before: Millis) {
        self.waiting.push_back(Intent::CloseIdle { before });
        self.advance(now);
    }

    /// Routing said who takes the conversation; if it failed, the queue does, where people will see it.
    pub fn handle_routed(&mut self, now: Millis, to: Option<Assignee>) {
        self.routing = false;
        self.waiting.push_back(Intent::Assign { to: to.unwrap_or(Assignee::Queue) });
        self.advance(now);
    }

    /// The time that [`Live::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Millis) {
        let overdue = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending && now >= self.turn_ends_at(turn));
        if let Some(run) = overdue.map(|turn| turn.run).filter(|_| !broken!(self.policy, WaitForever)) {
            self.outputs.push_back(Output::Cancel { run });
            self.end_turn(run, Outcome::Failure);
        }
        self.give_sign_of_life(now);
        if self.runner_until().is_some_and(|until| until <= now) {
            self.give_runner_up();
            self.wake = true;
            self.may_act_at = None;
            self.ask_for_runner(now);
        }
        if self.unheard_until.is_some_and(|until| until <= now) {
            self.unheard_until = None;
            self.ask_for_runner(now);
        }
        self.advance(now);
    }

    /// When to call [`Live::handle_timeout`], if at all. May lie in the past.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let turn = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending).map(|turn| self.turn_ends_at(turn));
        let turn = turn.filter(|_| !broken!(self.policy, WaitForever));
        let beat = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending).and_then(|turn| turn.beat_at);
        let there = self.runner_until();
        // While the store works, or after a violation, these two wait for something else than time.
        let can_act = matches!(self.step, Step::Idle) && self.violation.is_none();
        let retry = self.retry.map(|(_, at)| at).filter(|_| can_act);
        let owed = can_act && self.retry.is_none() && self.is_owed() && self.turn.is_none() && !self.routing;
        let act = self.may_act_at.filter(|_| owed);
        [turn, beat, there, act, retry, self.unheard_until].into_iter().flatten().min()
    }

    /// A turn that writes nothing for a while must not be taken for dead by the other nodes.
    fn give_sign_of_life(&mut self, now: Millis) {
        let (Some(heartbeat), Some(turn)) = (self.policy.heartbeat, &mut self.turn) else { return };
        if turn.phase == Phase::Ending || turn.beat_at.is_none_or(|at| now < at) {
            return;
        }
        turn.beat_at = Some(now + heartbeat);
        if !std::mem::take(&mut turn.spoke) {
            let nothing_new = turn.text_from(turn.text.len());
            self.outputs.push_back(Output::Publish(Notice::Turn(nothing_new)));
        }
    }

    /// After loading, or when a runner has fallen silent: an open turn may be running elsewhere. Nodes wait for different
    /// times, so that hardly ever two of them take it up at once.
    pub(super) fn ask_for_runner(&mut self, now: Millis) {
        if self.is_owed() && self.may_act_at.is_none() && self.turn.is_none() && self.runner().is_none() {
            let apart = Millis::from(self.policy.run_salt) % (self.policy.patience / 2).max(1);
            self.may_act_at = Some(now + self.policy.patience + apart);
            self.outputs.push_back(Output::Publish(Notice::AskTurn));
        }
    }
}
