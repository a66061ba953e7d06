//! What a node does by itself, from time to time: it looks for what is due and claims it, lets rest and lets go what nobody
//! needs, looks whether logs have grown unheard, and ends in good order.

use conversation::{Claim, Fence, Millis};

use crate::agenda::{ConversationIx, Happening, Incarnation, Left, NodeIx};
use crate::slot::Slot;
use crate::store::{Answer, Request};
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

/// How long a claim keeps others away beyond a turn's own deadline; as in conn-node.
const CLAIM_GRACE: Millis = 5_000;

/// How often a node looks whether logs have grown unheard.
const REFRESH: Millis = 8_000;

/// After how long without a command a conversation may rest; as in conn-node.
const REST: Millis = 1_000;

/// How much longer than silence and patience a takeover may take in clear weather.
const SLACK: Millis = 1_000;

impl World {
    /// Looks for what is due, lets go of what nobody needs, and looks whether logs have grown unheard.
    pub(crate) fn node_ticks(&mut self, of: Incarnation) -> Checked {
        let node = of.node;
        self.agenda.plan(self.now + self.plan.tick, Happening::Tick(of));
        self.check_haste()?;
        let now = self.node_now(node);
        let until = now + self.plan.policy.turn_deadline + CLAIM_GRACE;
        let claim = self.fresh_claim();
        self.ask_store(of, 0, Request::Claim { now, until, claim });
        let needed: Vec<ConversationIx> = self.nodes[node].connections.values().map(|c| c.conversation).collect();
        let idle = |(ix, slot): (&ConversationIx, &Slot)| (!needed.contains(ix) && slot.is_idle()).then_some(*ix);
        let idle: Vec<ConversationIx> = self.nodes[node].slots.iter().filter_map(idle).collect();
        for conversation in idle {
            let slot = self.nodes[node].slots.remove(&conversation);
            let waits = slot.is_some_and(|slot| slot.under_way || slot.routing || !slot.asked.is_empty());
            ensure!(0, !waits, "a conversation is called idle while something is under way");
        }
        if self.now < self.nodes[node].refreshed_at + REFRESH {
            return Ok(());
        }
        self.nodes[node].refreshed_at = self.now;
        let held: Vec<ConversationIx> = self.nodes[node].slots.keys().copied().collect();
        for conversation in held {
            // Of one that is empty nothing can be missing; the visitor's record tells that it was forgotten.
            if self.store.place(conversation).forgotten && self.nodes[node].slots[&conversation].head() == 0 {
                self.node_forgets(node, conversation);
                continue;
            }
            self.input(node, conversation, |live, now| live.handle_refresh(now))?;
        }
        Ok(())
    }

    pub(crate) fn node_gets_claims(&mut self, node: NodeIx, claim: Claim, answer: Answer) -> Checked {
        let Answer::Claimed(claimed) = answer else { return Ok(()) };
        for conversation in claimed {
            tell!(self, "node{node}   c{conversation} is due");
            self.tally.claims += 1;
            self.hold(node, conversation)?;
            self.input(node, conversation, |live, now| live.handle_due(now, claim))?;
        }
        Ok(())
    }

    /// Conversations in which nothing happens rest.
    pub(crate) fn node_rests(&mut self, of: Incarnation) {
        self.agenda.plan(self.now + self.plan.rests, Happening::Rest(of));
        let now = self.now;
        let slots = self.nodes[of.node].slots.values_mut();
        let rested = slots.filter_map(|slot| (now >= slot.touched + REST && slot.rest()).then_some(())).count();
        self.tally.rests += rested as u64;
        tell!(self, "node{}   puts {rested} to rest", of.node);
    }

    /// A node is to end: nobody is let in, and what runs may finish until it ends.
    pub(crate) fn node_drains(&mut self, node: NodeIx) {
        if !self.nodes[node].up || self.nodes[node].draining || self.nodes[node].stands_still() {
            return;
        }
        tell!(self, "node{node}   drains");
        self.tally.drains += 1;
        self.nodes[node].draining = true;
        self.cut_all(node);
        let ends = self.now + self.rng.between(100, 40_000);
        self.agenda.plan(ends, Happening::Drained(self.incarnation(node)));
    }

    /// What did not finish becomes due at once, and the node ends.
    pub(crate) fn node_is_drained(&mut self, of: Incarnation) {
        let node = of.node;
        let busy = |(ix, slot): (&ConversationIx, &Slot)| (!slot.is_idle()).then(|| (*ix, slot.head()));
        let busy: Vec<(ConversationIx, u32)> = self.nodes[node].slots.iter().filter_map(busy).collect();
        for (conversation, head) in busy {
            let request = Request::SetDue { head, due: Some(self.node_now(node)), fence: Fence::Unclaimed };
            self.ask_store(of, conversation, request);
        }
        tell!(self, "node{node}   has drained");
        self.node_ends(node);
    }

    /// In clear weather a turn waits at most for the one before it and for its own deadline, unless nodes die under it.
    fn check_haste(&self) -> Checked {
        if !self.plan.is_clear || self.plan.crash_every > 0 {
            return Ok(());
        }
        let turn = self.plan.policy.turn_deadline + self.plan.policy.turn_grace;
        (0..self.plan.conversations).try_for_each(|conversation| {
            let state = self.watch.state(conversation);
            let age = self.now.saturating_sub(state.newest_message_at());
            let slack = 5_000;
            ensure!(5, state.open_turn().is_none() || age <= 2 * turn + slack, "a turn is open for {age} ms");
            Ok(())
        })
    }

    /// Another node that serves a connection of a conversation whose runner dies takes the turn up, in clear weather: soon,
    /// not only when it is due.
    pub(crate) fn expect_takeover(&mut self, dead: NodeIx) {
        if !self.plan.is_clear {
            return;
        }
        let runs = |(ix, slot): (&ConversationIx, &Slot)| slot.run.map(|_| *ix);
        let left: Vec<ConversationIx> = self.nodes[dead].slots.iter().filter_map(runs).collect();
        for conversation in left {
            let state = self.watch.state(conversation);
            let (answered, Some(turn)) = (state.answered(), state.open_turn()) else { continue };
            let others = (0..self.nodes.len()).filter(|node| *node != dead && self.nodes[*node].up);
            let heirs = others.filter(|node| self.serves(*node, conversation)).map(|node| self.incarnation(node));
            let left = Left { conversation, turn, answered, runner: self.incarnation(dead), heirs: heirs.collect() };
            self.plan_takeover(left);
        }
    }

    fn plan_takeover(&mut self, left: Left) {
        let policy = &self.plan.policy;
        let at = self.now + policy.runner_silence + 2 * policy.patience + SLACK;
        self.agenda.plan(at, Happening::TakenOver(left));
    }

    fn serves(&self, node: NodeIx, conversation: ConversationIx) -> bool {
        self.nodes[node].connections.values().any(|at| at.conversation == conversation && at.is_greeted())
    }

    /// The time is over in which somebody must have taken a turn up.
    pub(crate) fn check_takeover(&mut self, left: Left) -> Checked {
        let conversation = left.conversation;
        let state = self.watch.state(conversation);
        // Somebody may have run it all the time: two nodes can each believe that the other died.
        let runs = self.nodes.iter().any(|node| node.slots.get(&conversation).is_some_and(|slot| slot.run.is_some()));
        let over = !state.is_unanswered(left.turn) || self.watch.runner(conversation) != Some(left.runner);
        let answered = state.answered();
        let is_there = |heir: &&Incarnation| self.is_alive(**heir) && self.serves(heir.node, conversation);
        let Some(heir) = left.heirs.iter().find(is_there) else { return Ok(()) };
        if answered != left.answered && !over && !runs {
            // Somebody ended the turn before it: he was heard of, and died as well.
            self.plan_takeover(Left { answered, ..left });
            return Ok(());
        }
        self.tally.inherited += 1;
        ensure!(5, over || runs, "turn {} of c{conversation} was not taken up by node{}", left.turn, heir.node);
        Ok(())
    }
}
