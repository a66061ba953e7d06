//! Places in the line that all nodes stand in, taken before it is known which turn will use them.

use crate::Millis;

/// As long as the newest slot is ripe within this time, another may be taken. More would only be slots to move when the
/// model's limit changes.
const HORIZON_MS: Millis = 200;

/// How much farther a node may look that has to serve more than others.
const FARTHEST: f64 = 6.0;

/// Reservations under way at once, while the line is short, and while it is not.
const MOST_ASKED: [usize; 2] = [8, 2];

/// How much of the rate all nodes together use while the store is away.
const AWAY: f64 = 0.9;

/// After how long a store that failed is tried again.
const TRY_AGAIN_MS: Millis = 1_000;

/// One request and some tokens, from `ready_at` on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slot {
    pub(crate) call: u64,
    pub(crate) tokens: u64,
    asked_at: Millis,
    /// `None`: the store has not answered.
    ready_at: Option<Millis>,
    /// Taken without the store.
    pub(crate) is_local: bool,
}

/// All slots of a node that no turn has used yet.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    calls: u64,
    /// How much this node has to serve, where 1 is an even part.
    weight: f64,
    /// The line is longer than half of the horizon, as far as the newest answer told.
    is_line_long: bool,
    away_since: Option<Millis>,
    try_at: Millis,
    /// When the next local slot is ripe.
    local_at: f64,
}

impl Slots {
    /// Whether one more may be taken for `ready` waiting turns.
    pub(crate) fn wants_more(&self, ready: usize, now: Millis) -> bool {
        let asked = self.slots.iter().filter(|slot| slot.ready_at.is_none()).count();
        let newest = self.slots.iter().filter_map(|slot| slot.ready_at).max().unwrap_or(0);
        let held = self.slots.len();
        // Without the store there is no line, and a slot that it is tried with keeps no other from being taken.
        let is_enough = !self.is_away() && self.is_line_long && held as f64 >= self.weight.max(1.0);
        ready > held
            && !is_enough
            && asked < MOST_ASKED[usize::from(self.is_line_long)]
            && newest < now + self.horizon()
    }

    /// Says how much this node has to serve, where 1 is an even part of all nodes' work.
    pub(crate) fn set_weight(&mut self, weight: f64) {
        self.weight = weight;
    }

    fn horizon(&self) -> Millis {
        (HORIZON_MS as f64 * self.weight.clamp(1.0, FARTHEST)) as Millis
    }

    /// When one more may be taken, if the store need not answer first.
    pub(crate) fn opens_at(&self) -> Option<Millis> {
        let newest = self.slots.iter().filter_map(|slot| slot.ready_at).max().unwrap_or(0);
        let is_asking = self.slots.iter().any(|slot| slot.ready_at.is_none());
        (!is_asking).then_some((newest + 1).saturating_sub(self.horizon()))
    }

    /// A slot that the store is to be asked for. Its call.
    pub(crate) fn ask(&mut self, tokens: u64, now: Millis) -> u64 {
        self.calls += 1;
        if self.away_since.is_some() {
            self.try_at = now + TRY_AGAIN_MS;
        }
        self.slots.push(Slot { call: self.calls, tokens, asked_at: now, ready_at: None, is_local: false });
        self.calls
    }

    /// A slot without the store; `cost`: milliseconds of the whole quota, of which `nodes` nodes use a part each.
    pub(crate) fn take_locally(&mut self, tokens: u64, cost: f64, nodes: usize, now: Millis) {
        self.calls += 1;
        let ready_at = self.next_local(cost, nodes, now);
        let slot = Slot { call: self.calls, tokens, asked_at: now, ready_at: Some(ready_at), is_local: true };
        self.slots.push(slot);
    }

    fn next_local(&mut self, cost: f64, nodes: usize, now: Millis) -> Millis {
        // The turn is waited for before it goes: a node that just came takes nothing that others may have used.
        self.local_at = self.local_at.max(now as f64) + cost * nodes.max(1) as f64 / AWAY;
        self.local_at.ceil() as Millis
    }

    /// The store answered; the slot's time, or `None` if it is no longer there.
    pub(crate) fn handle_reserved(&mut self, call: u64, wait_ms: u64, not_before: Millis) -> Option<Millis> {
        let slot = self.slots.iter_mut().find(|slot| slot.call == call)?;
        let ready_at = slot.asked_at.saturating_add(wait_ms).max(not_before);
        slot.ready_at = Some(ready_at);
        self.is_line_long = wait_ms > HORIZON_MS / 2;
        Some(ready_at)
    }

    /// The store answered at all: it is back. `true`: it was away.
    pub(crate) fn handle_back(&mut self) -> bool {
        self.away_since.take().is_some()
    }

    /// The store failed: the slot becomes a local one.
    pub(crate) fn handle_failed(&mut self, call: u64, cost: f64, nodes: usize, now: Millis) {
        if self.away_since.is_none() {
            self.away_since = Some(now);
        }
        self.try_at = now + TRY_AGAIN_MS;
        let ready_at = self.next_local(cost, nodes, now);
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.call == call) {
            (slot.ready_at, slot.is_local) = (Some(ready_at), true);
        }
    }

    /// Whether to do without the store now.
    pub(crate) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// Whether a store that is away is to be tried.
    pub(crate) fn may_try(&self, now: Millis) -> bool {
        now >= self.try_at
    }

    /// Takes out a slot that is ripe.
    pub(crate) fn pop(&mut self, now: Millis) -> Option<Slot> {
        let ripe = |slot: &Slot| slot.ready_at.is_some_and(|at| at <= now);
        let place = (0..self.slots.len()).filter(|place| ripe(&self.slots[*place]));
        let place = place.min_by_key(|place| self.slots[*place].ready_at)?;
        Some(self.slots.swap_remove(place))
    }

    /// Takes out all slots, to be given back: nobody may go for a while, and then not all at once.
    pub(crate) fn drain(&mut self) -> Vec<Slot> {
        self.is_line_long = true;
        let (kept, out) = self.slots.drain(..).partition(|slot| slot.ready_at.is_none());
        self.slots = kept;
        out
    }

    /// Takes out a slot by its call.
    pub(crate) fn remove(&mut self, call: u64) -> Option<Slot> {
        let place = self.slots.iter().position(|slot| slot.call == call)?;
        Some(self.slots.swap_remove(place))
    }

    /// When the next slot is ripe.
    pub(crate) fn next_ready(&self) -> Option<Millis> {
        self.slots.iter().filter_map(|slot| slot.ready_at).min()
    }

    /// Moves slots that are not ripe: the line has become `slower` times as slow, and stands still until `not_before`.
    pub(crate) fn stretch(&mut self, slower: f64, not_before: Millis, now: Millis) {
        let start = not_before.max(now);
        for at in self.slots.iter_mut().filter_map(|slot| slot.ready_at.as_mut()) {
            let left = at.saturating_sub(now) as f64 * slower;
            *at = start.saturating_add(left as Millis);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Tokens of one slot.
    pub(crate) fn tokens_of(&self, call: u64) -> u64 {
        self.slots.iter().find(|slot| slot.call == call).map_or(0, |slot| slot.tokens)
    }

    /// Tokens of all slots.
    pub(crate) fn tokens(&self) -> u64 {
        self.slots.iter().map(|slot| slot.tokens).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_ripe_when_the_store_said() {
        let mut slots = Slots::default();
        let call = slots.ask(10, 1_000);
        assert_eq!(slots.handle_reserved(call, 50, 0), Some(1_050));
        assert_eq!(slots.pop(1_049), None);
        assert_eq!(slots.pop(1_050).map(|slot| slot.call), Some(call));
    }

    #[test]
    fn no_more_slots_are_taken_than_turns_wait_nor_beyond_the_horizon() {
        let mut slots = Slots::default();
        assert!(!slots.wants_more(0, 0) && slots.wants_more(1, 0));
        let call = slots.ask(10, 0);
        assert!(!slots.wants_more(1, 0) && slots.wants_more(2, 0));
        slots.handle_reserved(call, HORIZON_MS / 2, 0);
        assert!(slots.wants_more(2, 0), "the line is short");
        slots.handle_reserved(call, HORIZON_MS, 0);
        assert!(!slots.wants_more(2, 1), "the line is long, and one is enough");
        slots.set_weight(2.0);
        assert!(slots.wants_more(2, 0), "unless there is more to do than elsewhere");
    }

    #[test]
    fn without_the_store_a_node_uses_its_part_and_tries_again_after_a_while() {
        let mut slots = Slots::default();
        let call = slots.ask(10, 0);
        slots.handle_failed(call, 90.0, 4, 0);
        slots.take_locally(10, 90.0, 4, 0);
        assert_eq!((slots.pop(399), slots.pop(400).map(|slot| slot.is_local)), (None, Some(true)));
        assert_eq!((slots.pop(799), slots.pop(800).is_some()), (None, true));
        assert!(slots.is_away() && !slots.may_try(999) && slots.may_try(1_000));
        assert!(slots.handle_back() && !slots.is_away());
    }

    #[test]
    fn slots_that_are_not_ripe_move_with_the_limit() {
        let mut slots = Slots::default();
        let call = slots.ask(10, 0);
        slots.handle_reserved(call, 100, 0);
        slots.stretch(2.0, 0, 50);
        assert_eq!(slots.next_ready(), Some(150));
        slots.stretch(1.0, 1_000, 50);
        assert_eq!(slots.next_ready(), Some(1_100));
    }
}
