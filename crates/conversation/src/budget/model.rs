//! What one node knows of one model, and how turns get slots.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::demand::Demand;
use super::doubt::Doubt;
use super::learn::Proposed;
use super::queue::{Queue, Waiting};
use super::slots::{Slot, Slots};
use super::{Estimates, Limits, Notice, Output, REQUEST, Refusal, Shared, Size, Take, Ticket};
use crate::Millis;

const MINUTE_MS: f64 = 60_000.0;

/// For how long after somebody had to wait, all are thought to.
pub(super) const BUSY_MS: Millis = 3_000;

/// For how long after its last turn a node still listens to the others.
pub(super) const ACTIVE_MS: Millis = 30_000;

/// A header's `remaining` counts for the next reservation only if that is so near.
const FRESH_MS: Millis = 500;

/// A line so long is none that slots alone make.
const LONG_MS: Millis = 1_000;

/// How long corrections wait for a reservation that takes them along.
const SETTLE_MS: Millis = 250;

/// One node's view of one model's budget.
#[derive(Debug)]
pub struct ModelBudget {
    pub(super) node: String,
    pub(super) limits: Limits,
    pub(super) shared: Shared,
    pub(super) notices: Vec<Notice>,
    pub(super) demand: Demand,
    pub(super) queue: Queue,
    pub(super) slots: Slots,
    pub(super) estimates: Estimates,
    pub(super) flights: BTreeMap<Ticket, Flight>,
    pub(super) outputs: VecDeque<Output>,
    /// Corrections that the next reservation takes along: thousandths of requests, tokens.
    pub(super) owed: (i64, i64),
    /// What the model's headers left, thousandths of requests and tokens, and when.
    pub(super) left: Option<(Option<f64>, Option<f64>, Millis)>,
    /// The bucket of the store is to be emptied first: it filled up while it was not used.
    is_bucket_stale: bool,
    /// The store said that its line is longer than any clock here; until when that holds.
    full_until: Millis,
    settled_at: Millis,
    pub(super) busy_at: Option<Millis>,
    pub(super) active_at: Option<Millis>,
    pub(super) look_at: Millis,
    /// When the shared record was asked for last, and when it was whose answer is the newest.
    pub(super) view_asked_at: Millis,
    pub(super) viewed_at: Millis,
    pub(super) gather_at: Millis,
    pub(super) proposed: Option<Proposed>,
    pub(super) has_headers: bool,
    pub(super) doubt: Doubt,
}

/// A turn that wants to go.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Names it from now on; never used again.
    pub ticket: Ticket,
    /// Whose it is.
    pub site: &'a Arc<str>,
    /// What it sends.
    pub size: Size,
    /// Until when it can wait.
    pub until: Millis,
}

/// What became of a granted turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Nothing was sent to the model.
    Nothing,
    /// Nobody knows: as estimated.
    Unknown,
    /// So many tokens of question and answer. 0 of question: nobody counted them.
    Tokens {
        /// Of the question.
        prompt: u64,
        /// Of the answer.
        completion: u64,
    },
}

/// A granted turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) tokens: u64,
    size: Size,
    pub(super) granted_at: Option<Millis>,
    pub(super) is_answered: bool,
}

impl ModelBudget {
    /// Of a model with these limits, in the node called `node`. `max_tokens` bounds an answer; 0: nothing does.
    pub fn new(node: &str, limits: Limits, max_tokens: u64, now: Millis) -> Self {
        Self {
            node: node.to_owned(),
            limits,
            shared: Shared::new(now),
            notices: Vec::new(),
            demand: Demand::default(),
            queue: Queue::default(),
            slots: Slots::default(),
            estimates: Estimates::new(max_tokens),
            flights: BTreeMap::new(),
            outputs: VecDeque::new(),
            owed: (0, 0),
            left: None,
            is_bucket_stale: false,
            full_until: 0,
            settled_at: 0,
            busy_at: None,
            active_at: None,
            look_at: 0,
            view_asked_at: 0,
            viewed_at: 0,
            gather_at: 0,
            proposed: None,
            has_headers: false,
            doubt: Doubt::default(),
        }
    }

    /// A turn asks. It is answered by [`Output::Grant`] or [`Output::Refuse`].
    pub fn handle_ask(&mut self, ask: Ask<'_>, now: Millis) {
        if self.active_at.is_none_or(|at| now > at + ACTIVE_MS) {
            (self.look_at, self.gather_at) = (now, now);
        }
        self.active_at = Some(now);
        let tokens = self.estimates.tokens(ask.size);
        let cost = self.cost(tokens);
        self.demand.count(ask.site, cost, now);
        self.limits.requests.handle_taken(REQUEST as f64);
        self.limits.tokens.handle_taken(tokens as f64);
        if self.tries_limits(now) {
            let flight = Flight { tokens, size: ask.size, granted_at: None, is_answered: false };
            self.flights.insert(ask.ticket, flight);
            self.owed.0 += REQUEST as i64;
            self.owed.1 += tokens as i64;
            self.grant(ask.ticket, now);
            self.handle_tries(now);
            return;
        }
        if let Some(refusal) = self.refusal(&ask, now) {
            self.busy_at = Some(now);
            self.doubt.handle_starved(now);
            self.outputs.push_back(Output::Refuse(ask.ticket, refusal));
            return;
        }
        let waiting = Waiting { ticket: ask.ticket, tokens, cost, since: now, until: ask.until };
        if self.queue.push(ask.site, waiting) {
            let flight = Flight { tokens, size: ask.size, granted_at: None, is_answered: false };
            self.flights.insert(ask.ticket, flight);
        } else {
            self.outputs.push_back(Output::Refuse(ask.ticket, Refusal::QueueFull));
        }
    }

    /// Whether a turn that comes now would wait too long: as long as the oldest of its site has waited, and a quarter.
    fn refusal(&self, ask: &Ask<'_>, now: Millis) -> Option<Refusal> {
        if self.shared.blocked_until >= ask.until {
            return Some(Refusal::Blocked);
        }
        let wait = self.queue.oldest(ask.site, now);
        let is_full = self.full_until > now && self.slots.len() == 0;
        (now + wait + wait / 4 >= ask.until || is_full).then_some(Refusal::TooLong)
    }

    /// How long a turn of `site` would wait, as far as can be told.
    pub fn expected_wait(&self, site: &str, now: Millis) -> Millis {
        let slot = self.slots.next_ready().map_or(0, |at| at.saturating_sub(now));
        let slot = if self.queue.len() > 0 { slot } else { 0 };
        let blocked = self.shared.blocked_until.max(self.full_until).saturating_sub(now);
        self.queue.oldest(site, now).max(slot).max(blocked)
    }

    /// Whether the model asked not to be asked.
    pub fn is_blocked(&self, now: Millis) -> bool {
        self.shared.blocked_until > now
    }

    /// The turn is not waiting any more, if it was; one that was granted is settled with [`Spent::Nothing`] instead.
    pub fn handle_give_up(&mut self, ticket: Ticket) {
        if self.queue.remove(ticket) {
            self.flights.remove(&ticket);
        }
    }

    /// The store answered [`Output::Reserve`].
    pub fn handle_reserved(&mut self, call: u64, wait_ms: u64, now: Millis) {
        self.slots.handle_back();
        let Some(ready_at) = self.slots.handle_reserved(call, wait_ms, self.shared.blocked_until) else { return };
        if wait_ms > 0 {
            self.busy_at = Some(now);
        }
        if wait_ms > LONG_MS {
            // Perhaps somebody was refused.
            self.look_at = self.look_at.min(now + 20);
        }
        if self.is_blocked(now) {
            // Whoever goes on after the pause stands in line anew.
            self.slots.remove(call).into_iter().for_each(|slot| self.owe_back(slot));
            self.settle(now);
            return;
        }
        let latest = self.queue.latest();
        if ready_at > latest.max(now) {
            // Nobody here can wait so long. Others may.
            self.slots.remove(call).into_iter().for_each(|slot| self.owe_back(slot));
            self.settle(now);
            self.full_until = now + (ready_at - latest.max(now)).min(1_000);
            if self.slots.len() == 0 {
                let out = self.queue.remove_if(|waiting| waiting.until < ready_at);
                self.refuse(out, now);
            }
        }
    }

    /// The store did not answer [`Output::Reserve`]. What became of the reservation is not known.
    pub fn handle_store_failed(&mut self, call: u64, now: Millis) {
        let nodes = self.nodes(now);
        let cost = self.slots_cost(call);
        self.slots.handle_failed(call, cost, nodes, now);
        self.is_bucket_stale = true;
        // Who asks for how much elsewhere is not known any more.
        self.queue.set_caps(&BTreeMap::new(), now);
    }

    /// A granted turn has ended.
    pub fn handle_spent(&mut self, ticket: Ticket, spent: Spent) {
        let Some(flight) = self.flights.remove(&ticket) else { return };
        match spent {
            Spent::Nothing => {
                self.owed.0 -= REQUEST as i64;
                self.owed.1 -= flight.tokens as i64;
            }
            Spent::Unknown => {}
            Spent::Tokens { prompt, completion } => {
                let (prompt, completion) = self.believed(prompt, completion);
                if prompt > 0 {
                    self.owed.1 += (prompt + completion) as i64 - flight.tokens as i64;
                }
                self.estimates.handle_used(flight.size, prompt, completion);
            }
        }
    }

    /// The model was asked without a slot: it stood in for another one.
    pub fn handle_unreserved(&mut self, prompt: u64, completion: u64) {
        let (prompt, completion) = self.believed(prompt, completion);
        self.owed.0 += REQUEST as i64;
        self.owed.1 += (prompt + completion) as i64;
    }

    /// What a turn may have taken, tokens of question and of answer. No server gives one turn more than it gives in a minute, so
    /// one that says so is mistaken, and costs a minute at most.
    fn believed(&self, prompt: u64, completion: u64) -> (u64, u64) {
        let most = self.limits_now().1.map_or(u64::from(u32::MAX), |limit| limit as u64);
        let prompt = prompt.min(most);
        (prompt, completion.min(most - prompt))
    }

    /// The next thing to do; `None`: nothing until [`ModelBudget::wakes_at`], or the next input.
    pub fn poll(&mut self, now: Millis) -> Option<Output> {
        if self.outputs.is_empty() {
            self.advance(now);
        }
        self.outputs.pop_front()
    }

    /// When to poll again though nothing happens.
    pub fn wakes_at(&self, now: Millis) -> Option<Millis> {
        let blocked = self.shared.blocked_until;
        let settles = (self.owed != (0, 0)).then_some((self.settled_at + SETTLE_MS).max(blocked));
        let shares = self.is_active(now).then_some(self.look_at.min(self.gather_at));
        let waits = (self.queue.len() > 0).then(|| {
            let more = if self.queue.ready() > self.slots.len() { self.slots.opens_at() } else { None };
            let freed = self.queue.freed_at().unwrap_or(Millis::MAX);
            more.map_or(Millis::MAX, |at| at.max(self.full_until)).min(freed).max(blocked)
        });
        let viewed = self.view_due().unwrap_or(0);
        let ripe = self.slots.next_ready().map(|at| at.max(blocked).max(viewed));
        [settles, shares, waits, ripe, self.queue.expires_at()].into_iter().flatten().min().map(|at| at.max(now + 1))
    }

    /// What the model is asked for at most now, requests and tokens a minute. `None`: not limited.
    pub fn rates(&self, now: Millis) -> (Option<f64>, Option<f64>) {
        let (requests, tokens) = self.limits_now();
        let scale = self.shared.scale.value;
        (
            requests.map(|limit| self.limits.requests.rate(limit, now) * scale / REQUEST as f64),
            tokens.map(|limit| self.limits.tokens.rate(limit, now) * scale),
        )
    }

    /// Whether the store is away, as far as is known.
    pub fn is_store_away(&self) -> bool {
        self.slots.is_away()
    }

    fn advance(&mut self, now: Millis) {
        let out = self.queue.expire(now);
        self.refuse(out, now);
        self.listen(now);
        if self.limits_now() == (None, None) {
            while let Some(waiting) = self.queue.pop(now) {
                self.grant(waiting.ticket, now);
            }
            // There is no bucket that anything could be owed to.
            self.owed = (0, 0);
            return;
        }
        if self.is_blocked(now) {
            return;
        }
        while self.slots.next_ready().is_some_and(|at| at <= now) && self.has_view(now) {
            let Some(slot) = self.slots.pop(now) else { break };
            self.use_slot(slot, now);
        }
        self.queue.flow(now);
        while self.slots.wants_more(self.queue.ready(), now) && now >= self.full_until {
            let Some(tokens) = self.queue.next_tokens(now) else { break };
            self.take_slot(tokens, now);
        }
        if self.owed != (0, 0) && now >= self.settled_at + SETTLE_MS {
            self.settle(now);
        }
    }

    fn use_slot(&mut self, slot: Slot, now: Millis) {
        let Some(waiting) = self.queue.pop(now) else {
            self.owe_back(slot);
            return;
        };
        if slot.is_local {
            self.is_bucket_stale = true;
        } else {
            self.owed.1 += waiting.tokens as i64 - slot.tokens as i64;
        }
        self.grant(waiting.ticket, now);
    }

    fn grant(&mut self, ticket: Ticket, now: Millis) {
        if let Some(flight) = self.flights.get_mut(&ticket) {
            flight.granted_at = Some(now);
        }
        self.doubt.handle_granted();
        self.outputs.push_back(Output::Grant(ticket));
    }

    fn refuse(&mut self, tickets: Vec<Ticket>, now: Millis) {
        if !tickets.is_empty() {
            self.doubt.handle_starved(now);
        }
        for ticket in tickets {
            self.flights.remove(&ticket);
            self.outputs.push_back(Output::Refuse(ticket, Refusal::TooLong));
        }
    }

    fn take_slot(&mut self, tokens: u64, now: Millis) {
        if self.slots.is_away() && !self.slots.may_try(now) {
            let (cost, nodes) = (self.cost(tokens), self.nodes(now));
            self.busy_at = Some(now);
            self.slots.take_locally(tokens, cost, nodes, now);
            return;
        }
        let call = self.slots.ask(tokens, now);
        let (requests, tokens) = self.takes(REQUEST as i64, tokens as i64, now);
        self.outputs.push_back(Output::Reserve { call, requests, tokens });
    }

    pub(super) fn owe_back(&mut self, slot: Slot) {
        if !slot.is_local {
            self.owed.0 -= REQUEST as i64;
            self.owed.1 -= slot.tokens as i64;
        }
    }

    pub(super) fn settle(&mut self, now: Millis) {
        if self.slots.is_away() {
            // What is owed to a bucket that will be emptied is owed to nobody.
            self.owed = (0, 0);
            return;
        }
        let (requests, tokens) = self.takes(0, 0, now);
        let moves = |take: Option<Take>| take.filter(|take| take.amount != 0 || take.remaining.is_some());
        let (requests, tokens) = (moves(requests), moves(tokens));
        if requests.is_some() || tokens.is_some() {
            self.outputs.push_back(Output::Settle { requests, tokens });
        }
    }

    /// So much and what is owed, from both buckets.
    fn takes(&mut self, requests: i64, tokens: i64, now: Millis) -> (Option<Take>, Option<Take>) {
        self.settled_at = now;
        let owed = std::mem::take(&mut self.owed);
        let left = self.left.take().filter(|(.., at)| now <= at + FRESH_MS);
        let stale = std::mem::take(&mut self.is_bucket_stale).then_some(0);
        let (requests_limit, tokens_limit) = self.limits_now();
        let scale = self.shared.scale.value;
        let of = |known: &super::limits::Known, limit: f64, amount: i64, left: Option<f64>| {
            let remaining = left.map(|left| left.max(0.0) as u64);
            Take {
                amount,
                per_minute: (known.rate(limit, now) * scale).max(1.0) as u64,
                burst: (known.burst(limit) * scale.min(1.0)).ceil() as u64,
                remaining: stale.or(remaining),
            }
        };
        let requests = requests_limit
            .map(|limit| of(&self.limits.requests, limit, requests + owed.0, left.and_then(|(requests, ..)| requests)));
        let tokens = tokens_limit
            .map(|limit| of(&self.limits.tokens, limit, tokens + owed.1, left.and_then(|(_, tokens, _)| tokens)));
        (requests, tokens)
    }

    /// Milliseconds of the whole quota that a turn takes.
    pub(super) fn cost(&self, tokens: u64) -> f64 {
        let (requests_limit, tokens_limit) = self.limits_now();
        let of = |amount: u64, limit: Option<f64>| limit.map_or(0.0, |limit| amount as f64 * MINUTE_MS / limit);
        let cost = of(REQUEST, requests_limit).max(of(tokens, tokens_limit));
        // Not limited: only the proportions count.
        if cost > 0.0 { cost } else { 1.0 }
    }

    fn slots_cost(&self, call: u64) -> f64 {
        self.cost(self.slots.tokens_of(call))
    }

    /// A minute's worth of thousandths of requests, and of tokens, before they are scaled.
    pub(super) fn limits_now(&self) -> (Option<f64>, Option<f64>) {
        let (requests, tokens) = (self.limits.requests.per_minute(), self.limits.tokens.per_minute());
        let guess = (self.shared.guess > 0.0).then_some(self.shared.guess);
        (requests.or(guess.filter(|_| tokens.is_none())), tokens)
    }
}
