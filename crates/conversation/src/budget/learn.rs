//! What one node learns from a model's answers, and what all learn from each other.

use super::model::{ACTIVE_MS, ModelBudget};
use super::{Allowance, Notice, Output, Quota, REQUEST, Scale, Shared, Ticket};
use crate::Millis;

/// How often the shared record is read while turns wait, and while none does.
const LOOK_MS: [Millis; 2] = [250, 5_000];

/// How often while turns wait for a model of which only refusals tell: each that is heard of late costs more of them.
const LISTEN_MS: Millis = 100;

/// Where others ask too, a turn goes only by what was known of their refusals so short a time ago.
const VIEW_HOLDS_MS: Millis = 20;

/// How long a turn waits for the shared record at most.
const VIEW_PATIENCE_MS: Millis = 100;

/// How often nodes tell each other what sites ask for.
const GATHER_MS: [Millis; 2] = [1_000, 10_000];

/// The same while no limit is known: the first refusal turns what all ask for into one.
const GATHER_UNKNOWN_MS: Millis = 1_000;

/// For how long after somebody had to wait sites are held to their shares.
const SHORT_MS: Millis = 15_000;

/// How often the shared record is read while no limit is known: whoever has not heard of the first refusal runs into the next.
const LOOK_UNKNOWN_MS: Millis = 250;

/// The least that a model is thought to take before anything is measured, requests a minute. What is too much is cut soon;
/// what is far too little is long in growing.
const LEAST_GUESS: f64 = 60.0;

/// A node that was not heard of for so long is gone.
const GONE_MS: Millis = 30_000;

/// How long nobody asks after a refusal without Retry-After: until all nodes know of it, and a little has flowed in.
const PAUSE_MS: Millis = 1_000;

/// A pause that is longer by less is the same one.
const SAME_PAUSE_MS: Millis = 300;

/// The longest Retry-After that is believed.
const LONGEST_BLOCK_MS: Millis = 10 * 60_000;

/// After how long a proposal that nobody answered is given up.
const PROPOSAL_MS: Millis = 2_000;

/// The most sites in one notice.
const MOST_SITES: usize = 256;

/// What this node asked the others to believe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proposed {
    /// By how much it moves the line of all, milliseconds.
    pause: Millis,
    at: Millis,
}

impl Shared {
    /// Nothing is known.
    pub fn new(now: Millis) -> Self {
        let none = Allowance::default();
        Self { requests: none, tokens: none, learnt_at: 0, guess: 0.0, blocked_until: 0, scale: Scale::new(now) }
    }
}

impl ModelBudget {
    /// The model's server said something of its quota, in answer to `ticket`'s request.
    pub fn handle_quota(&mut self, ticket: Ticket, quota: &Quota, now: Millis) {
        let sent_at = self.flights.get_mut(&ticket).and_then(|flight| {
            flight.is_answered = true;
            flight.granted_at
        });
        let before = self.limits_now();
        self.has_headers = quota.requests.or(quota.tokens).is_some_and(|limit| limit.limit.is_some());
        if let Some(requests) = quota.requests {
            self.limits.requests.handle_header(requests, REQUEST as f64, now);
        }
        if let Some(tokens) = quota.tokens {
            self.limits.tokens.handle_header(tokens, 1.0, now);
        }
        if self.has_headers {
            self.handle_told_again();
        }
        self.keep_left(quota, now);
        let is_new = self.handle_new_limits(before, now);
        if quota.refused {
            let is_explained = is_new && before != self.limits_now();
            self.handle_refused(quota.retry_after_ms, sent_at.unwrap_or(now), is_explained, now);
        } else if is_new {
            self.propose(self.shared.clone(), now);
        }
    }

    /// What is left, less what of ours the model has not counted yet.
    fn keep_left(&mut self, quota: &Quota, now: Millis) {
        let flying = self.flights.values().filter(|flight| flight.granted_at.is_some() && !flight.is_answered);
        let (turns, tokens) = flying.fold((0, 0), |(turns, tokens), flight| (turns + 1, tokens + flight.tokens));
        let requests = (turns + self.slots.len() as u64) * REQUEST;
        let tokens = tokens + self.slots.tokens();
        let left = |limit: Option<super::Limit>, unit: u64, ours: u64| {
            let limit = limit.filter(|limit| limit.limit.is_some_and(|limit| limit > 0))?;
            // A header may say any number, so nothing is multiplied in whole ones.
            limit.remaining.map(|remaining| remaining as f64 * unit as f64 - ours as f64)
        };
        self.left = Some((left(quota.requests, REQUEST, requests), left(quota.tokens, 1, tokens), now));
    }

    /// If headers said another limit than all know, prepares to say so. Whether they did.
    fn handle_new_limits(&mut self, before: (Option<f64>, Option<f64>), now: Millis) -> bool {
        let told = (self.limits.requests.told, self.limits.tokens.told);
        let differs = |ours: Allowance, theirs: Allowance| {
            (ours.per_minute - theirs.per_minute).abs() > 0.01 * ours.per_minute
                || (ours.capacity - theirs.capacity).abs() > 0.25 * ours.capacity
        };
        if !self.has_headers || !(differs(told.0, self.shared.requests) || differs(told.1, self.shared.tokens)) {
            return false;
        }
        (self.shared.requests, self.shared.tokens, self.shared.learnt_at) = (told.0, told.1, now);
        self.slots.stretch(slower(before, self.limits_now()), self.shared.blocked_until, now);
        true
    }

    fn handle_refused(&mut self, retry_after: Option<Millis>, sent_at: Millis, is_explained: bool, now: Millis) {
        let mut next = self.shared.clone();
        if self.limits_now() == (None, None) {
            next.guess = self.asked_by_all(now);
        }
        if !is_explained {
            let blocked = self.shared.blocked_until;
            let scale = match (self.has_headers, next.guess == self.shared.guess) {
                (true, _) => next.scale.dip(sent_at, now),
                (false, true) => next.scale.cut(sent_at, blocked, now),
                (false, false) => next.scale.cut_guess(sent_at, blocked, now),
            };
            next.scale = scale.unwrap_or(next.scale);
        }
        let is_known = next.scale == self.shared.scale && !is_explained;
        // Where refusals are all that is known, a shorter pause leaves nothing to start again from.
        let least = if is_known || is_explained || self.has_headers { 0 } else { PAUSE_MS };
        let pause = retry_after.unwrap_or(if is_known { 0 } else { PAUSE_MS }).clamp(least, LONGEST_BLOCK_MS);
        if now + pause > next.blocked_until + SAME_PAUSE_MS {
            // Many were under way when the first was refused; each says the same, a little later.
            next.blocked_until = now + pause;
        }
        if next != self.shared {
            self.propose(next, now);
        }
    }

    /// Requests a minute, in thousandths, of all nodes, where nothing is limited and a turn's cost is 1.
    fn asked_by_all(&mut self, now: Millis) -> f64 {
        let ours = self.notice(now);
        let others = self.notices.iter().filter(|notice| notice.node != self.node);
        let rate = |notice: &Notice| notice.sites.iter().map(|(_, part)| part).sum::<f64>();
        // What others said is old where nobody had to wait; then they are thought to be like this one.
        let all = (rate(&ours) * self.nodes(now) as f64).max(others.chain([&ours]).map(rate).sum());
        (all * 60_000.0).max(LEAST_GUESS) * REQUEST as f64
    }

    /// Acts on it at once, and asks the others to.
    pub(super) fn propose(&mut self, next: Shared, now: Millis) {
        // What an earlier refusal has added to the pause is in the line already.
        let pause = next.blocked_until.max(now) - self.shared.blocked_until.max(now).min(next.blocked_until.max(now));
        self.adopt(next.clone(), now);
        self.proposed = Some(Proposed { pause, at: now });
        self.outputs.push_back(Output::Propose(next));
    }

    fn adopt(&mut self, next: Shared, now: Millis) {
        let before = self.limits_now();
        let scale = self.shared.scale.value;
        let was_blocked = self.shared.blocked_until.max(now);
        if next.learnt_at >= self.shared.learnt_at && next.learnt_at > 0 {
            self.limits.requests.handle_told(next.requests);
            self.limits.tokens.handle_told(next.tokens);
        }
        self.shared = next;
        let slower = slower(before, self.limits_now()) * scale / self.shared.scale.value;
        if self.shared.blocked_until.max(now) > was_blocked {
            // Turns will wait: from now on all look often, and the rate may rise again.
            self.busy_at = Some(self.shared.blocked_until.max(now));
            self.look_at = self.look_at.min(now + LISTEN_MS);
            self.slots.drain().into_iter().for_each(|slot| self.owe_back(slot));
            self.settle(now);
        } else if (slower - 1.0).abs() > 0.02 {
            self.slots.stretch(slower, self.shared.blocked_until, now);
        }
    }

    /// The shared record; `None`: there is none.
    pub fn handle_shared(&mut self, shared: Option<Shared>, now: Millis) {
        self.viewed_at = self.view_asked_at;
        self.look_at = now + self.look_after(now);
        if self.proposed.is_some_and(|proposed| now < proposed.at + PROPOSAL_MS) {
            return;
        }
        if let Some(mut shared) = shared {
            shared.blocked_until = shared.blocked_until.max(self.shared.blocked_until);
            if shared.learnt_at < self.shared.learnt_at {
                (shared.requests, shared.tokens) = (self.shared.requests, self.shared.tokens);
                shared.learnt_at = self.shared.learnt_at;
            }
            self.adopt(shared, now);
        }
        self.raise(now);
    }

    /// Whether the proposal is now the shared record. If another node was faster, the record is to be read again.
    pub fn handle_proposed(&mut self, is_shared: bool, now: Millis) {
        let Some(proposed) = self.proposed.take() else { return };
        if !is_shared {
            self.look_at = now;
            return;
        }
        if proposed.pause > 0 {
            // Whoever reserves from now on stands behind the pause.
            let pause = proposed.pause as f64 / 60_000.0;
            let (requests, tokens) = self.rates(now);
            self.owed.0 += (requests.unwrap_or(0.0) * REQUEST as f64 * pause) as i64;
            self.owed.1 += (tokens.unwrap_or(0.0) * pause) as i64;
            self.left = Some((Some(0.0), Some(0.0), now));
            self.settle(now);
        }
    }

    /// Everybody's notices.
    pub fn handle_notices(&mut self, notices: Vec<Notice>, now: Millis) {
        self.notices = notices;
        let ours = self.notice(now);
        self.notices.retain(|notice| notice.node != ours.node && now < notice.at.saturating_add(GONE_MS));
        self.notices.push(ours);
        let is_limited = self.limits_now() != (None, None);
        let caps = if self.is_short(now) && is_limited {
            super::share::caps(&self.node, &self.notices, self.part_of_limits(now))
        } else {
            Default::default()
        };
        let ours = self.notices.last().into_iter().flat_map(|notice| &notice.sites);
        let serves: f64 = ours.map(|(site, part)| part.min(*caps.get(site).unwrap_or(part))).sum();
        self.slots.set_weight(serves * self.nodes(now) as f64);
        self.queue.set_caps(&caps, now);
    }

    /// The rate as a part of the limits.
    fn part_of_limits(&self, now: Millis) -> f64 {
        let (requests, tokens) = self.limits_now();
        let requests = requests.map(|limit| self.limits.requests.rate(limit, now) / limit);
        let tokens = tokens.map(|limit| self.limits.tokens.rate(limit, now) / limit);
        let part = requests.into_iter().chain(tokens).fold(f64::INFINITY, f64::min);
        if part.is_finite() { part * self.shared.scale.value } else { 1.0 }
    }

    fn notice(&mut self, now: Millis) -> Notice {
        let mut sites = self.demand.parts(now);
        sites.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        sites.truncate(MOST_SITES);
        let served = self.queue.served(now);
        Notice { node: self.node.clone(), at: now, sites, served }
    }

    /// Looks and gathers, whatever it is time for.
    pub(super) fn listen(&mut self, now: Millis) {
        if !self.is_active(now) || self.slots.is_away() && !self.slots.may_try(now) {
            return;
        }
        let pace = usize::from(!self.is_short(now));
        let is_unknown = self.limits_now() == (None, None);
        if now >= self.look_at {
            self.look_at = now + self.look_after(now);
            self.look(now);
        }
        if now >= self.gather_at {
            self.gather_at = now + if is_unknown { GATHER_UNKNOWN_MS } else { GATHER_MS[pace] };
            let notice = self.notice(now);
            self.outputs.push_back(Output::Gather(notice));
        }
    }

    fn look(&mut self, now: Millis) {
        if self.view_due().is_none() {
            self.view_asked_at = now;
        }
        self.outputs.push_back(Output::Look);
    }

    /// Whether a turn may go by what is known of what others were told; if not, looks.
    pub(super) fn has_view(&mut self, now: Millis) -> bool {
        let is_alone = self.nodes(now) == 1 || self.slots.is_away();
        if is_alone || now <= self.viewed_at + VIEW_HOLDS_MS {
            return true;
        }
        if self.view_due().is_none() {
            self.look(now);
        }
        self.view_due().is_some_and(|due| now >= due)
    }

    /// Until when the answer to a look is waited for.
    pub(super) fn view_due(&self) -> Option<Millis> {
        (self.viewed_at < self.view_asked_at).then_some(self.view_asked_at + VIEW_PATIENCE_MS)
    }

    fn look_after(&self, now: Millis) -> Millis {
        match (self.is_busy(now), self.has_headers) {
            (true, false) => LISTEN_MS,
            (false, false) if self.limits_now() == (None, None) => LOOK_UNKNOWN_MS,
            (is_busy, _) => LOOK_MS[usize::from(!is_busy)],
        }
    }

    /// Right after the record was read, when nobody else has raised it.
    fn raise(&mut self, now: Millis) {
        let highest = (self.shared.guess == 0.0).then_some(1.0);
        let is_time = self.is_busy(now) && self.proposed.is_none() && !self.is_blocked(now);
        if is_time && let Some(scale) = self.shared.scale.raise(highest, self.shared.blocked_until, now) {
            self.propose(Shared { scale, ..self.shared.clone() }, now);
        }
    }

    /// How many nodes ask this model, this one included.
    pub(super) fn nodes(&self, now: Millis) -> usize {
        let others = self.notices.iter().filter(|notice| notice.node != self.node);
        1 + others.filter(|notice| now < notice.at.saturating_add(GONE_MS)).count()
    }

    pub(super) fn is_busy(&self, now: Millis) -> bool {
        self.busy_at.is_some_and(|at| now < at + super::model::BUSY_MS)
    }

    /// Whether there is not enough for all: a node that has a turn every few seconds does not forget it in between, and with
    /// it what its sites had beyond their shares.
    fn is_short(&self, now: Millis) -> bool {
        self.busy_at.is_some_and(|at| now < at + SHORT_MS)
    }

    pub(super) fn is_active(&self, now: Millis) -> bool {
        self.active_at.is_some_and(|at| now < at + ACTIVE_MS)
    }
}

/// How much slower `after` is than `before`.
fn slower(before: (Option<f64>, Option<f64>), after: (Option<f64>, Option<f64>)) -> f64 {
    let of = |before: Option<f64>, after: Option<f64>| Some(before? / after?);
    let (requests, tokens) = (of(before.0, after.0), of(before.1, after.1));
    requests.into_iter().chain(tokens).fold(0.0, f64::max).max(if requests.or(tokens).is_some() { 0.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Ask, Limits, Size};
    use super::*;

    /// One of two nodes, with a turn that has a slot from `at` on.
    fn waiting(at: Millis) -> ModelBudget {
        let mut budget = ModelBudget::new("a", Limits::configured(60, 0), 0, at);
        let notice = Notice { node: "b".to_owned(), at, sites: Vec::new(), served: Vec::new() };
        budget.handle_notices(vec![notice], at);
        budget.handle_ask(Ask { ticket: 1, site: &Arc::from("shop"), size: Size::default(), until: at + 5_000 }, at);
        let call = outputs(&mut budget, at).into_iter().find_map(|output| match output {
            Output::Reserve { call, .. } => Some(call),
            _ => None,
        });
        budget.handle_shared(None, at);
        budget.handle_reserved(call.unwrap(), 1_000, at);
        budget
    }

    fn outputs(budget: &mut ModelBudget, now: Millis) -> Vec<Output> {
        std::iter::from_fn(|| budget.poll(now)).collect()
    }

    #[test]
    fn a_turn_goes_only_when_it_is_known_that_nobody_else_was_refused() {
        for refused in [false, true] {
            let mut budget = waiting(10_000);
            let asked = outputs(&mut budget, 11_000);
            assert!(asked.contains(&Output::Look) && !asked.contains(&Output::Grant(1)), "{asked:?}");
            let blocked_until = if refused { 12_000 } else { 0 };
            budget.handle_shared(Some(Shared { blocked_until, ..Shared::new(0) }), 11_003);
            assert_eq!(outputs(&mut budget, 11_003).contains(&Output::Grant(1)), !refused);
        }
    }

    #[test]
    fn a_turn_does_not_wait_for_a_record_that_cannot_be_read() {
        let mut budget = waiting(10_000);
        for now in (11_000..11_000 + VIEW_PATIENCE_MS).step_by(10) {
            assert!(!outputs(&mut budget, now).contains(&Output::Grant(1)), "{now}");
        }
        let due = 11_000 + VIEW_PATIENCE_MS;
        assert!(budget.wakes_at(due - 1).is_some_and(|at| at <= due));
        assert!(outputs(&mut budget, due).contains(&Output::Grant(1)));
    }
}
