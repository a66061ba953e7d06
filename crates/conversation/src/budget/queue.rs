//! Turns that wait, fairly among sites: start-time fair queueing (Goyal, Vin, Cheng 1996).
//!
//! Each site has a line of its own and a tag, the virtual time at which its next turn starts. The lowest tag goes first, and
//! a turn moves its site's tag on by what it costs. A site that asks for little is never behind one that asks for much.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Ticket;
use super::demand::Demand;
use crate::Millis;

/// The most turns that wait in one node for one model.
const MOST_WAITING: usize = 4_096;

/// So many turns may be saved up by a site that is held to its share: on one of many nodes its part of a second is less than one
/// turn, and its turns come by chance.
const SAVED_TURNS: f64 = 3.0;

/// A waiting turn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) tokens: u64,
    /// Milliseconds of the whole quota that it takes.
    pub(crate) cost: f64,
    pub(crate) since: Millis,
    pub(crate) until: Millis,
}

/// All waiting turns.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: BTreeMap<Arc<str>, Line>,
    virtual_time: f64,
    /// What each site got.
    served: Demand,
    len: usize,
    /// No turn's clock runs out before.
    expires_at: Millis,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    tag: f64,
    cap: Option<Cap>,
}

/// How fast a site may go on this node while others wait for their share.
#[derive(Debug, Clone, Copy)]
struct Cap {
    /// Of the quota, 0 to 1.
    part: f64,
    level: f64,
    at: Millis,
    /// What its last turn took.
    turn: f64,
}

impl Cap {
    fn flow(&mut self, now: Millis) {
        let more = self.part * now.saturating_sub(self.at) as f64;
        self.level = (self.level + more).min((self.part * 1_000.0).max(self.turn * SAVED_TURNS));
        self.at = self.at.max(now);
    }
}

impl Queue {
    /// Puts a turn at the end of its site's line. `false`: too many wait.
    pub(crate) fn push(&mut self, site: &Arc<str>, waiting: Waiting) -> bool {
        if self.len >= MOST_WAITING {
            return false;
        }
        let line = self.lines.entry(Arc::clone(site)).or_default();
        if line.waiting.is_empty() {
            line.tag = line.tag.max(self.virtual_time);
        }
        self.expires_at = if self.len == 0 { waiting.until } else { self.expires_at.min(waiting.until) };
        line.waiting.push_back(waiting);
        self.len += 1;
        true
    }

    /// Takes the turn that is next and may go.
    pub(crate) fn pop(&mut self, now: Millis) -> Option<Waiting> {
        let site = Arc::clone(self.next(now)?);
        let line = self.lines.get_mut(&site)?;
        let taken = line.waiting.pop_front()?;
        self.virtual_time = line.tag;
        line.tag += taken.cost;
        if let Some(cap) = &mut line.cap {
            cap.level -= taken.cost;
            cap.turn = taken.cost;
        }
        self.len -= 1;
        self.served.count(&site, taken.cost, now);
        self.forget(&site);
        Some(taken)
    }

    /// What the turn that is next takes, tokens.
    pub(crate) fn next_tokens(&mut self, now: Millis) -> Option<u64> {
        let site = Arc::clone(self.next(now)?);
        self.lines.get(&site)?.waiting.front().map(|waiting| waiting.tokens)
    }

    /// How much of the quota each site got.
    pub(crate) fn served(&mut self, now: Millis) -> Vec<(Arc<str>, f64)> {
        self.served.parts(now)
    }

    fn next(&mut self, now: Millis) -> Option<&Arc<str>> {
        self.flow(now);
        let may_go = self.lines.iter().filter(|(_, line)| line.may_go());
        may_go.min_by(|(_, a), (_, b)| a.tag.total_cmp(&b.tag)).map(|(site, _)| site)
    }

    /// Lets time pass for the sites that are held back.
    pub(crate) fn flow(&mut self, now: Millis) {
        self.lines.values_mut().filter_map(|line| line.cap.as_mut()).for_each(|cap| cap.flow(now));
    }

    /// How many turns may go now, as far as their sites are concerned.
    pub(crate) fn ready(&self) -> usize {
        self.lines.values().filter(|line| line.may_go()).map(|line| line.waiting.len()).sum()
    }

    /// When the first site that is held back may go on. `None`: none is held back.
    pub(crate) fn freed_at(&self) -> Option<Millis> {
        let held = |line: &Line| {
            let cap = line.cap.filter(|_| !line.waiting.is_empty() && !line.may_go())?;
            Some(cap.at + (-cap.level / cap.part.max(1e-9)).clamp(1.0, 1e6).ceil() as Millis)
        };
        self.lines.values().filter_map(held).min()
    }

    /// For how long the oldest turn of `site` has waited.
    pub(crate) fn oldest(&self, site: &str, now: Millis) -> Millis {
        let front = self.lines.get(site).and_then(|line| line.waiting.front());
        front.map_or(0, |waiting| now.saturating_sub(waiting.since))
    }

    /// Takes out every turn whose clock has run out by `now`.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<Ticket> {
        if self.len == 0 || now < self.expires_at {
            return Vec::new();
        }
        self.remove_if(|waiting| waiting.until <= now)
    }

    /// Takes out one turn. `false`: it does not wait.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> bool {
        !self.remove_if(|waiting| waiting.ticket == ticket).is_empty()
    }

    /// Takes out every turn of which this holds.
    pub(crate) fn remove_if(&mut self, is_out: impl Fn(&Waiting) -> bool) -> Vec<Ticket> {
        let mut out = Vec::new();
        for line in self.lines.values_mut() {
            line.waiting.retain(|waiting| {
                if is_out(waiting) {
                    out.push(waiting.ticket);
                }
                !is_out(waiting)
            });
        }
        self.len -= out.len();
        let virtual_time = self.virtual_time;
        self.lines.retain(|_, line| line.is_needed(virtual_time));
        let left = self.lines.values().flat_map(|line| &line.waiting);
        self.expires_at = left.map(|waiting| waiting.until).min().unwrap_or(0);
        out
    }

    /// The parts of the quota that sites may take here; those not named may take all.
    pub(crate) fn set_caps(&mut self, caps: &BTreeMap<Arc<str>, f64>, now: Millis) {
        for (site, line) in &mut self.lines {
            line.cap = caps.get(site).map(|part| {
                let before = line.cap.unwrap_or(Cap { part: *part, level: 0.0, at: now, turn: 0.0 });
                Cap { part: *part, ..before }
            });
        }
        for (site, part) in caps {
            let fresh = || Line { cap: Some(Cap { part: *part, level: 0.0, at: now, turn: 0.0 }), ..Line::default() };
            self.lines.entry(Arc::clone(site)).or_insert_with(fresh);
        }
        let virtual_time = self.virtual_time;
        self.lines.retain(|_, line| line.is_needed(virtual_time));
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// When the next turn's clock runs out, or some time before.
    pub(crate) fn expires_at(&self) -> Option<Millis> {
        (self.len > 0).then_some(self.expires_at)
    }

    /// The latest clock of all that wait.
    pub(crate) fn latest(&self) -> Millis {
        self.lines.values().flat_map(|line| &line.waiting).map(|waiting| waiting.until).max().unwrap_or(0)
    }

    fn forget(&mut self, site: &Arc<str>) {
        if self.lines.get(site).is_some_and(|line| !line.is_needed(self.virtual_time)) {
            self.lines.remove(site);
        }
    }
}

impl Line {
    fn may_go(&self) -> bool {
        !self.waiting.is_empty() && self.cap.is_none_or(|cap| cap.level >= 0.0)
    }

    /// An empty line whose tag is past says nothing that a new one would not.
    fn is_needed(&self, virtual_time: f64) -> bool {
        !self.waiting.is_empty() || self.cap.is_some() || self.tag > virtual_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(ticket: Ticket, cost: f64) -> Waiting {
        Waiting { ticket, tokens: 1, cost, since: 0, until: 1_000 }
    }

    fn order(queue: &mut Queue) -> Vec<Ticket> {
        std::iter::from_fn(|| queue.pop(0).map(|waiting| waiting.ticket)).collect()
    }

    #[test]
    fn a_site_with_one_turn_does_not_wait_behind_another_sites_hundred() {
        let (mut queue, [busy, calm]) = (Queue::default(), ["busy", "calm"].map(Arc::<str>::from));
        for ticket in 0..100 {
            queue.push(&busy, turn(ticket, 1.0));
        }
        assert_eq!(queue.pop(0).unwrap().ticket, 0);
        queue.push(&calm, turn(100, 1.0));
        let order = order(&mut queue);
        assert!(order.iter().position(|ticket| *ticket == 100).unwrap() <= 1, "{order:?}");
    }

    #[test]
    fn sites_share_by_what_turns_cost_and_not_by_their_number() {
        let (mut queue, [long, short]) = (Queue::default(), ["long", "short"].map(Arc::<str>::from));
        for ticket in 0..40 {
            queue.push(&long, turn(ticket, 3.0));
            queue.push(&short, turn(1_000 + ticket, 1.0));
        }
        let first: Vec<_> = order(&mut queue).into_iter().take(40).collect();
        let long = first.iter().filter(|ticket| **ticket < 1_000).count();
        assert!((9..=11).contains(&long), "{first:?}");
    }

    #[test]
    fn a_turn_leaves_when_its_clock_runs_out_or_it_is_given_up() {
        let (mut queue, site) = (Queue::default(), Arc::from("shop"));
        queue.push(&site, turn(1, 1.0));
        queue.push(&site, Waiting { until: 500, ..turn(2, 1.0) });
        queue.push(&site, turn(3, 1.0));
        assert_eq!(queue.expire(499), []);
        assert_eq!(queue.expire(500), [2]);
        assert!(queue.remove(1) && !queue.remove(1));
        assert_eq!(order(&mut queue), [3]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_capped_site_goes_on_as_fast_as_it_may_and_no_faster() {
        let (mut queue, site) = (Queue::default(), Arc::from("shop"));
        queue.set_caps(&BTreeMap::from([(Arc::clone(&site), 0.25)]), 0);
        for ticket in 0..100 {
            queue.push(&site, turn(ticket, 10.0));
        }
        let taken = (0..=400).filter(|now| queue.pop(*now).is_some()).count();
        assert!((10..=11).contains(&taken), "a quarter of 400 ms in turns of 10 ms: {taken}");
        assert!(queue.freed_at().is_some_and(|at| (401..=440).contains(&at)), "{:?}", queue.freed_at());
    }

    #[test]
    fn the_queue_is_bounded() {
        let (mut queue, site) = (Queue::default(), Arc::from("shop"));
        let kept = (0..2 * MOST_WAITING as u64).filter(|ticket| queue.push(&site, turn(*ticket, 1.0))).count();
        assert_eq!(kept, MOST_WAITING);
    }
}
