//! Nodes: each drives its conversations' [`Live`] as conn-node does, dies at any step and comes back with nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversation::{Command, CommandKey, Live, Millis, Notice, Policy};

use crate::agenda::{ConnectionIx, ConversationIx, Happening, Incarnation, NodeIx};
use crate::connection::Connection;
use crate::slot::Slot;
use crate::store::{Answer, Append, Request};
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

/// Keeps the numbers of the runs of two nodes apart: 14 bits, divided among four nodes.
const RUN_SALT: u32 = 4_096;

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    policy: Arc<Policy>,
    pub(crate) up: bool,
    pub(crate) life: u32,
    /// 0: it does not stand still.
    pub(crate) paused_until: Millis,
    /// What came while it stood still.
    pub(crate) backlog: Vec<Happening>,
    /// How far its clock is ahead.
    pub(crate) skew: Millis,
    pub(crate) slots: BTreeMap<ConversationIx, Slot>,
    pub(crate) connections: BTreeMap<ConnectionIx, Connection>,
    pub(crate) next_key: CommandKey,
    /// When it looked last whether logs have grown unheard.
    pub(crate) refreshed_at: Millis,
    /// Nobody is let in any more; it ends soon.
    pub(crate) draining: bool,
    /// Cut off from the bus until then.
    pub(crate) deaf_until: Millis,
}

impl Node {
    /// The `nth` node, whose clock is ahead by `skew`.
    pub(crate) fn new(nth: NodeIx, policy: &Policy, skew: Millis) -> Self {
        let policy = Arc::new(Policy { run_salt: nth as u32 * RUN_SALT, ..policy.clone() });
        let (slots, connections) = (BTreeMap::new(), BTreeMap::new());
        Self {
            policy,
            up: false,
            life: 0,
            paused_until: 0,
            backlog: vec![],
            skew,
            slots,
            connections,
            next_key: 0,
            refreshed_at: 0,
            draining: false,
            deaf_until: 0,
        }
    }

    pub(crate) fn stands_still(&self) -> bool {
        self.paused_until > 0
    }
}

impl World {
    pub(crate) fn incarnation(&self, node: NodeIx) -> Incarnation {
        Incarnation { node, life: self.nodes[node].life }
    }

    pub(crate) fn is_alive(&self, incarnation: Incarnation) -> bool {
        let node = &self.nodes[incarnation.node];
        node.up && node.life == incarnation.life
    }

    pub(crate) fn node_now(&self, node: NodeIx) -> Millis {
        self.now + self.nodes[node].skew
    }

    pub(crate) fn node_starts(&mut self, node: NodeIx) {
        (self.nodes[node].up, self.nodes[node].draining) = (true, false);
        let of = self.incarnation(node);
        let ticks = self.now + self.rng.between(1, self.plan.tick);
        self.agenda.plan(ticks, Happening::Tick(of));
        if self.plan.rests > 0 {
            let rests = self.now + self.rng.between(1, self.plan.rests);
            self.agenda.plan(rests, Happening::Rest(of));
        }
    }

    pub(crate) fn node_crashes(&mut self, node: NodeIx) {
        if !self.nodes[node].up {
            return;
        }
        tell!(self, "node{node}   dies");
        self.tally.crashes += 1;
        self.expect_takeover(node);
        self.node_ends(node);
    }

    /// Nothing is left of what it had in memory.
    pub(crate) fn node_ends(&mut self, node: NodeIx) {
        let gone = &mut self.nodes[node];
        gone.up = false;
        gone.life += 1;
        gone.slots.clear();
        gone.connections.clear();
        gone.backlog.clear();
        gone.paused_until = 0;
        self.cut_all(node);
        let back = self.now + self.rng.delay(1_000, 30_000);
        self.agenda.plan(back, Happening::Return(node));
    }

    pub(crate) fn cut_all(&mut self, node: NodeIx) {
        let of_it = |ix: &usize| self.pipes[*ix].open && self.pipes[*ix].node.node == node;
        let connections: Vec<ConnectionIx> = (0..self.pipes.len()).filter(of_it).collect();
        connections.into_iter().for_each(|connection| self.cut(connection));
    }

    /// Takes a conversation into memory.
    pub(crate) fn hold(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        if self.nodes[node].slots.contains_key(&conversation) {
            return Ok(());
        }
        self.slots += 1;
        let slot = Slot::new(self.slots, Arc::clone(&self.nodes[node].policy), self.now);
        self.nodes[node].slots.insert(conversation, slot);
        self.carry_out(node, conversation)
    }

    /// Feeds an input and carries out what follows.
    pub(crate) fn input(
        &mut self,
        node: NodeIx,
        conversation: ConversationIx,
        input: impl FnOnce(&mut Live, Millis),
    ) -> Checked {
        let now = self.node_now(node);
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
        input(slot.live(), now);
        self.carry_out(node, conversation)
    }

    pub(crate) fn node_gets_command(
        &mut self,
        node: NodeIx,
        connection: ConnectionIx,
        reference: u32,
        command: Command,
    ) -> Checked {
        let Some(conversation) = self.nodes[node].connections.get(&connection).map(|c| c.conversation) else {
            return Ok(());
        };
        self.hold(node, conversation)?;
        let key = self.nodes[node].next_key;
        self.nodes[node].next_key += 1;
        if let Some(slot) = self.nodes[node].slots.get_mut(&conversation) {
            slot.touched = self.now;
            slot.asked.insert(key, (connection, reference, command.clone()));
        }
        self.input(node, conversation, |live, now| live.handle_command(now, key, command))
    }

    /// Which slot of a conversation is there now; 0: none.
    pub(crate) fn slot_of(&self, node: NodeIx, conversation: ConversationIx) -> u64 {
        self.nodes[node].slots.get(&conversation).map_or(0, |slot| slot.number)
    }

    pub(crate) fn node_hears_store(
        &mut self,
        from: Incarnation,
        conversation: ConversationIx,
        asked_by: u64,
        request: &Request,
        answer: Answer,
    ) -> Checked {
        let node = from.node;
        match request {
            Request::History { connection, .. } => return self.connection_gets_history(from, *connection, answer),
            Request::Claim { claim, .. } => return self.node_gets_claims(node, *claim, answer),
            Request::SetDue { .. } => return Ok(()),
            Request::Append(_) | Request::Read { .. } => {}
        }
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation).filter(|slot| slot.number == asked_by) else {
            return Ok(()); // It was forgotten meanwhile.
        };
        slot.under_way = false;
        if let (Request::Append(Append { event, .. }), Answer::Conflict) = (request, &answer) {
            slot.taken = slot.taken.max(event.seq);
        }
        let epoch = slot.live().epoch();
        tell!(self, "node{node}   c{conversation} hears {}", answer.name());
        if answer == Answer::Fenced {
            self.may_show_again(node, conversation);
        }
        self.input(node, conversation, |live, now| match (request, answer) {
            (Request::Append(_), Answer::Stored) => live.handle_appended(now),
            (Request::Append(_), Answer::Conflict) => live.handle_conflict(now),
            (Request::Append(_), Answer::Fenced) => live.handle_fenced(now),
            (Request::Append(_), _) => live.handle_append_failed(now),
            (_, Answer::Events { events, more }) => live.handle_read(now, events, more),
            (_, _) => live.handle_read_failed(now),
        })?;
        self.note_lost_log(node, conversation, epoch)
    }

    /// What is known here of a log that was lost is worth nothing.
    fn note_lost_log(&mut self, node: NodeIx, conversation: ConversationIx, epoch: u32) -> Checked {
        let lost = self.watch.has_lost(conversation);
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
        if slot.live().epoch() != epoch {
            (slot.taken, slot.heard) = (0, 0);
            self.tally.lost_logs += 1;
            tell!(self, "node{node}   c{conversation} is another log");
            ensure!(4, lost, "node{node} takes the log for another one, and it is the same");
        }
        Ok(())
    }

    pub(crate) fn node_times_out(
        &mut self,
        incarnation: Incarnation,
        conversation: ConversationIx,
        at: Millis,
    ) -> Checked {
        let node = incarnation.node;
        let now = self.node_now(node);
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation).filter(|slot| slot.timer == Some(at)) else {
            return Ok(()); // Set anew since.
        };
        slot.timer = None;
        self.input(node, conversation, |live, now| live.handle_timeout(now))?;
        let next = self.nodes[node].slots.get(&conversation).and_then(|slot| slot.awake()?.poll_timeout());
        ensure!(8, next.is_none_or(|next| next > now), "the timer of {at} wants to run again at once, forever");
        Ok(())
    }

    pub(crate) fn node_hears_bus(&mut self, node: NodeIx, conversation: ConversationIx, notice: Notice) -> Checked {
        tell!(self, "node{node}   c{conversation} hears {notice:?}");
        if notice == Notice::Forgotten {
            self.node_forgets(node, conversation);
        }
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
        if slot.sleeps_through(&notice) {
            return Ok(());
        }
        if let Notice::Event { event, .. } = &notice {
            slot.heard = slot.heard.max(event.seq);
        }
        self.input(node, conversation, |live, now| match notice {
            Notice::Event { event, previous_at } => live.handle_heard_event(now, event, previous_at),
            Notice::Turn(text) => live.handle_heard_turn(now, &text),
            Notice::AskTurn => live.handle_ask_turn(),
            Notice::Forgotten => {}
        })
    }

    pub(crate) fn set_timer(&mut self, node: NodeIx, conversation: ConversationIx) {
        let (incarnation, skew) = (self.incarnation(node), self.nodes[node].skew);
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return };
        let wanted = slot.awake().and_then(Live::poll_timeout);
        if slot.timer == wanted {
            return;
        }
        slot.timer = wanted;
        if let Some(at) = wanted {
            let here = at.saturating_sub(skew).max(self.now);
            self.agenda.plan(here, Happening::Timer(incarnation, conversation, at));
        }
    }

    /// What must hold of a conversation in memory after every input.
    pub(crate) fn look_at(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        let Some(slot) = self.nodes[node].slots.get(&conversation) else { return Ok(()) };
        let Some(live) = slot.awake() else { return Ok(()) };
        if let Some(violation) = live.violation() {
            ensure!(1, false, "node{node} finds that {violation}");
        }
        self.watch.folded(conversation, live.state())?;
        let (head, heard) = (live.state().head(), slot.heard);
        let at_it = slot.under_way || !live.is_current() || self.watch.has_lost(conversation);
        ensure!(4, head >= heard || at_it, "node{node} heard of {heard} and is content with {head}");
        let bound = self.plan.policy.max_waiting + 1;
        ensure!(8, slot.asked.len() <= bound, "{} commands wait, {bound} may", slot.asked.len());
        Ok(())
    }
}

impl Answer {
    fn name(&self) -> String {
        match self {
            Answer::Events { events, more } => format!("{} events, more: {more}", events.len()),
            other => format!("{other:?}"),
        }
    }
}
