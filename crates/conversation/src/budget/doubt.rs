//! Headers that say too little for anybody to go on: what they said is tried, and forgotten if nobody says it again.
//!
//! Each header corrects the one before. But a limit so low that no turn waits long enough for it brings no further header.
//! What is told of requests says nothing about tokens, nor the other way round: each quota is tried and forgotten by itself.

use super::Shared;
use super::model::ModelBudget;
use crate::Millis;

/// If turns were turned away for so long and none was granted, one goes without a place in the line.
const STARVED_MS: Millis = 30_000;

/// After so many that brought no header about a quota, what was told of it is forgotten.
const MOST_TRIED: u32 = 2;

/// Whether headers keep everybody from going on.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Since when turns were turned away and none was granted.
    starved_since: Option<Millis>,
}

impl Doubt {
    pub(super) fn handle_starved(&mut self, now: Millis) {
        self.starved_since.get_or_insert(now);
    }

    pub(super) fn handle_granted(&mut self) {
        self.starved_since = None;
    }

    fn is_starved(&self, now: Millis) -> bool {
        self.starved_since.is_some_and(|since| now >= since.saturating_add(STARVED_MS))
    }
}

impl ModelBudget {
    /// Whether the turn that comes now goes at once, to hear what the model says of its limits today.
    pub(super) fn tries_limits(&mut self, now: Millis) -> bool {
        let is_told = self.limits.requests.is_told() || self.limits.tokens.is_told();
        if !is_told || self.is_blocked(now) || !self.doubt.is_starved(now) {
            return false;
        }
        self.forget_unheard(now);
        self.limits.requests.handle_tried();
        self.limits.tokens.handle_tried();
        true
    }

    /// A turn that went without a place in the line is granted: the next one that may do so is as far away as this one was.
    pub(super) fn handle_tries(&mut self, now: Millis) {
        self.doubt.starved_since = Some(now);
    }

    /// Headers came: if they told of every quota that was tried, nothing is doubted any more.
    pub(super) fn handle_told_again(&mut self) {
        if self.limits.requests.tried() == 0 && self.limits.tokens.tried() == 0 {
            self.doubt.starved_since = None;
        }
    }

    /// Forgets each quota of which no header told though it was tried; the other one holds.
    fn forget_unheard(&mut self, now: Millis) {
        let quotas = [&mut self.limits.requests, &mut self.limits.tokens];
        let mut unheard = quotas.into_iter().filter(|known| known.tried() >= MOST_TRIED).peekable();
        if unheard.peek().is_none() {
            return;
        }
        unheard.for_each(super::limits::Known::forget_told);
        let (requests, tokens) = (self.limits.requests.told, self.limits.tokens.told);
        self.has_headers = self.limits.requests.is_told() || self.limits.tokens.is_told();
        self.propose(Shared { requests, tokens, learnt_at: now, ..self.shared.clone() }, now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Ask, Limit, Limits, Output, Quota, Size, Spent, Take};
    use super::*;

    const CLOCK_MS: Millis = 2_000;

    /// Two buckets as the store keeps them, without a bound to what they hold.
    #[derive(Default)]
    struct Line {
        level_ms: f64,
        at: Millis,
    }

    impl Line {
        fn reserve(&mut self, take: Option<Take>, now: Millis) -> u64 {
            let Some(take) = take else { return 0 };
            let ms = |amount: f64| amount * 60_000.0 / take.per_minute as f64;
            self.level_ms = (self.level_ms + (now - self.at) as f64).min(ms(take.burst as f64));
            self.level_ms = take.remaining.map_or(self.level_ms, |left| self.level_ms.min(ms(left as f64)));
            self.level_ms -= ms(take.amount as f64);
            self.at = now;
            (-self.level_ms).max(0.0) as u64
        }
    }

    /// A turn comes every 100 ms for `seconds`; each one granted is answered with what `says` says. How many were granted.
    fn granted(budget: &mut ModelBudget, from: Millis, seconds: u64, says: impl Fn() -> Quota) -> usize {
        let line = || Line { at: from, ..Line::default() };
        let (site, mut lines, mut granted) = (Arc::from("shop"), [line(), line()], 0);
        for now in (from..from + seconds * 1_000).step_by(20) {
            if now % 100 == 0 {
                let ask = Ask { ticket: now, site: &site, size: Size::default(), until: now + CLOCK_MS };
                budget.handle_ask(ask, now);
            }
            while let Some(output) = budget.poll(now) {
                match output {
                    Output::Grant(ticket) => {
                        granted += 1;
                        budget.handle_quota(ticket, &says(), now);
                        budget.handle_spent(ticket, Spent::Tokens { prompt: 100, completion: 100 });
                    }
                    Output::Reserve { call, requests, tokens } => {
                        let wait = lines[0].reserve(requests, now).max(lines[1].reserve(tokens, now));
                        budget.handle_reserved(call, wait, now);
                    }
                    Output::Settle { requests, tokens } => {
                        lines[0].reserve(requests, now);
                        lines[1].reserve(tokens, now);
                    }
                    Output::Propose(_) => budget.handle_proposed(true, now),
                    _ => {}
                }
            }
        }
        granted
    }

    fn says(limit: u64, remaining: u64) -> Quota {
        let requests = Limit { limit: Some(limit), remaining: Some(remaining), reset_ms: Some(u64::MAX) };
        Quota { requests: Some(requests), ..Quota::default() }
    }

    /// A model that was never heard of, but for the header that says that it takes one request an hour or so.
    fn lied_to() -> ModelBudget {
        let mut budget = ModelBudget::new("a", Limits::configured(0, 0), 0, 0);
        budget.handle_quota(0, &says(1, 0), 0);
        budget
    }

    #[test]
    fn a_lie_that_the_next_header_takes_back_ends_within_a_minute() {
        let mut budget = lied_to();
        let during = granted(&mut budget, 0, 60, || says(6_000, 50));
        assert!(during >= 100, "{during}");
        assert!(granted(&mut budget, 60_000, 10, || says(6_000, 50)) >= 90);
    }

    #[test]
    fn a_lie_that_no_header_takes_back_is_forgotten_within_two_minutes() {
        let mut budget = lied_to();
        let during = granted(&mut budget, 0, 120, Quota::default);
        assert!(during < 1_000, "{during}");
        assert!(granted(&mut budget, 120_000, 10, Quota::default) >= 90);
    }

    #[test]
    fn a_lie_about_one_quota_ends_within_two_minutes_though_headers_about_the_other_go_on() {
        let lie = Limit { limit: Some(1), remaining: Some(0), reset_ms: None };
        let mut of_tokens = ModelBudget::new("a", Limits::configured(0, 0), 0, 0);
        of_tokens.handle_quota(0, &Quota { tokens: Some(lie), ..says(6_000, 50) }, 0);
        granted(&mut of_tokens, 0, 120, || says(6_000, 50));
        assert!(granted(&mut of_tokens, 120_000, 10, || says(6_000, 50)) >= 90, "of tokens");
        let tokens = || Quota { tokens: says(6_000_000, 50_000).requests, ..Quota::default() };
        let mut of_requests = ModelBudget::new("a", Limits::configured(0, 0), 0, 0);
        of_requests.handle_quota(0, &Quota { requests: Some(lie), ..tokens() }, 0);
        granted(&mut of_requests, 0, 120, tokens);
        assert!(granted(&mut of_requests, 120_000, 10, tokens) >= 90, "of requests");
        assert_eq!(of_requests.limits_now(), (None, Some(6_000_000.0)), "what is told is kept");
    }

    #[test]
    fn a_lie_ends_after_three_tries_however_seldom_turns_come() {
        let (mut budget, site) = (lied_to(), Arc::from("shop"));
        let answers = |budget: &mut ModelBudget, now| {
            budget.handle_ask(Ask { ticket: now, site: &site, size: Size::default(), until: now + CLOCK_MS }, now);
            // The line is as long as what was said makes it.
            while let Some(output) = budget.poll(now) {
                match output {
                    Output::Grant(_) => return true,
                    Output::Refuse(..) => return false,
                    Output::Reserve { call, .. } => budget.handle_reserved(call, 60_000, now),
                    _ => {}
                }
            }
            false
        };
        let granted: Vec<bool> = (0..6).map(|turn| answers(&mut budget, turn * 33_000)).collect();
        assert_eq!(granted, [false, true, true, true, true, true]);
        assert_eq!(budget.limits_now(), (None, None));
    }

    #[test]
    fn what_is_said_again_and_again_is_no_lie() {
        let mut budget = lied_to();
        assert!(granted(&mut budget, 0, 300, || says(1, 0)) <= 15);
    }

    #[test]
    fn one_lie_among_true_headers_changes_nothing() {
        let mut budget = ModelBudget::new("a", Limits::configured(0, 0), 0, 0);
        granted(&mut budget, 0, 10, || says(6_000, 50));
        budget.handle_quota(0, &says(1, 0), 10_000);
        assert!(granted(&mut budget, 10_000, 10, || says(6_000, 50)) >= 90);
    }
}
