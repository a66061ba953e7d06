//! Nodes: each drives its conversations' [`Live`] as conn-node does, dies at any step and comes back with nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversation::{Command, CommandKey, Invocation, Live, Millis, Notice, Output, Policy, Reply, Seq};

use crate::agenda::{ConnectionIx, ConversationIx, Happening, Incarnation, NodeIx, ServerFrame};
use crate::connection::Connection;
use crate::store::{Answer, Request};
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

/// How often a node looks for due conversations and refreshes those that are looked at.
const TICK: Millis = 10_000;

/// How long a claim keeps others away.
const CLAIM: Millis = 8_000;

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
    next_key: CommandKey,
}

/// One conversation on a node, with what is under way for it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) live: Live,
    /// Commands without a reply.
    pub(crate) asked: BTreeMap<CommandKey, (ConnectionIx, u32, Command)>,
    under_way: bool,
    run: Option<u32>,
    routing: bool,
    timer: Option<Millis>,
    /// The highest seq the bus told of.
    heard: Seq,
    /// The highest seq at which an append met another.
    taken: Seq,
    /// The newest command that was acknowledged.
    acked: CommandKey,
}

impl Node {
    /// The `nth` node, whose clock is ahead by `skew`.
    pub(crate) fn new(nth: NodeIx, policy: &Policy, skew: Millis) -> Self {
        let policy = Arc::new(Policy { run_salt: nth as u32 * 5_461, ..policy.clone() });
        let (slots, connections) = (BTreeMap::new(), BTreeMap::new());
        Self { policy, up: false, life: 0, paused_until: 0, backlog: vec![], skew, slots, connections, next_key: 0 }
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
        self.nodes[node].up = true;
        let at = self.now + self.rng.between(1, TICK);
        let incarnation = self.incarnation(node);
        self.agenda.plan(at, Happening::Tick(incarnation));
    }

    pub(crate) fn node_crashes(&mut self, node: NodeIx) {
        tell!(self, "node{node}   dies");
        let gone = &mut self.nodes[node];
        if !gone.up {
            return;
        }
        self.tally.crashes += 1;
        gone.up = false;
        gone.life += 1;
        gone.slots.clear();
        gone.connections.clear();
        gone.backlog.clear();
        gone.paused_until = 0;
        let of_it = |ix: &usize| self.pipes[*ix].open && self.pipes[*ix].node.node == node;
        let connections: Vec<ConnectionIx> = (0..self.pipes.len()).filter(of_it).collect();
        connections.into_iter().for_each(|connection| self.cut(connection));
        let back = self.now + self.rng.delay(1_000, 30_000);
        self.agenda.plan(back, Happening::Return(node));
    }

    /// Looks for what is due, lets go of what nobody needs, and looks whether logs have grown unheard.
    pub(crate) fn node_ticks(&mut self, incarnation: Incarnation) -> Checked {
        let node = incarnation.node;
        self.agenda.plan(self.now + TICK, Happening::Tick(incarnation));
        self.check_haste()?;
        let now = self.node_now(node);
        self.ask_store(incarnation, 0, Request::Claim { now, until: now + CLAIM });
        let needed: Vec<ConversationIx> = self.nodes[node].connections.values().map(|c| c.conversation).collect();
        let idle = |(ix, slot): (&ConversationIx, &Slot)| (!needed.contains(ix) && slot.live.is_idle()).then_some(*ix);
        let idle: Vec<ConversationIx> = self.nodes[node].slots.iter().filter_map(idle).collect();
        for conversation in idle {
            let slot = self.nodes[node].slots.remove(&conversation);
            let waits = slot.is_some_and(|slot| slot.under_way || slot.routing || !slot.asked.is_empty());
            ensure!(0, !waits, "a conversation is called idle while something is under way");
        }
        let held: Vec<ConversationIx> = self.nodes[node].slots.keys().copied().collect();
        for conversation in held {
            self.input(node, conversation, |live, now| live.handle_refresh(now))?;
        }
        Ok(())
    }

    /// In clear weather a turn waits at most for the one before it and for its own deadline.
    fn check_haste(&self) -> Checked {
        if !self.plan.is_clear {
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

    /// Takes a conversation into memory.
    pub(crate) fn hold(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        if self.nodes[node].slots.contains_key(&conversation) {
            return Ok(());
        }
        let live = Live::new(Arc::clone(&self.nodes[node].policy));
        let slot = Slot {
            live,
            asked: BTreeMap::new(),
            under_way: false,
            run: None,
            routing: false,
            timer: None,
            heard: 0,
            taken: 0,
            acked: 0,
        };
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
        input(&mut slot.live, now);
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
            slot.asked.insert(key, (connection, reference, command.clone()));
        }
        self.input(node, conversation, |live, now| live.handle_command(now, key, command))
    }

    pub(crate) fn node_hears_store(
        &mut self,
        from: Incarnation,
        conversation: ConversationIx,
        request: &Request,
        answer: Answer,
    ) -> Checked {
        let node = from.node;
        if let Request::History { connection, .. } = request {
            return self.connection_gets_history(from, *connection, answer);
        }
        if let Request::Claim { .. } = request {
            return self.node_gets_claims(node, answer);
        }
        if let Some(slot) = self.nodes[node].slots.get_mut(&conversation) {
            slot.under_way = false;
            if let (Request::Append { event, .. }, Answer::Conflict) = (request, &answer) {
                slot.taken = slot.taken.max(event.seq);
            }
        }
        tell!(self, "node{node}   c{conversation} hears {}", answer.name());
        self.input(node, conversation, |live, now| match (request, answer) {
            (Request::Append { .. }, Answer::Stored) => live.handle_appended(now),
            (Request::Append { .. }, Answer::Conflict) => live.handle_conflict(now),
            (Request::Append { .. }, _) => live.handle_append_failed(now),
            (_, Answer::Events { events, more }) => live.handle_read(now, events, more),
            (_, _) => live.handle_read_failed(now),
        })
    }

    fn node_gets_claims(&mut self, node: NodeIx, answer: Answer) -> Checked {
        let Answer::Claimed(claimed) = answer else { return Ok(()) };
        for conversation in claimed {
            tell!(self, "node{node}   c{conversation} is due");
            self.tally.claims += 1;
            self.hold(node, conversation)?;
            self.input(node, conversation, |live, now| live.handle_due(now))?;
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
        let next = self.nodes[node].slots.get(&conversation).and_then(|slot| slot.live.poll_timeout());
        ensure!(8, next.is_none_or(|next| next > now), "the timer of {at} wants to run again at once, forever");
        Ok(())
    }

    fn carry_out(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        loop {
            let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
            let Some(output) = slot.live.poll_output() else { break };
            self.carry_out_one(node, conversation, output)?;
        }
        self.set_timer(node, conversation);
        self.look_at(node, conversation)
    }

    fn carry_out_one(&mut self, node: NodeIx, conversation: ConversationIx, output: Output) -> Checked {
        let from = self.incarnation(node);
        match output {
            Output::Append { event, due } => {
                tell!(self, "node{node}   c{conversation} appends {} {:?}", event.seq, event.body);
                self.begin_operation(node, conversation)?;
                let taken = self.nodes[node].slots.get(&conversation).map_or(0, |slot| slot.taken);
                ensure!(1, event.seq > taken, "appends at {}, which is known to be taken", event.seq);
                self.ask_store(from, conversation, Request::Append { event, due });
            }
            Output::Read { after } => {
                self.begin_operation(node, conversation)?;
                self.ask_store(from, conversation, Request::Read { after });
            }
            Output::Reply { to, reply } => self.node_replies(node, conversation, to, reply)?,
            Output::Publish(notice) => self.publish(Some(node), conversation, &notice),
            Output::Invoke(invocation) => self.node_invokes(node, conversation, &invocation)?,
            Output::Cancel { run } => {
                tell!(self, "node{node}   c{conversation} cancels run {run}");
                self.finish_run(node, conversation, run);
            }
            Output::Route => {
                let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
                ensure!(0, !slot.under_way, "routing was invoked while the store works");
                let twice = std::mem::replace(&mut slot.routing, true);
                ensure!(0, !twice, "routing was invoked while it runs");
                self.invoke_routing(from, conversation);
            }
            Output::Wake => self.wake(node, conversation)?,
        }
        Ok(())
    }

    fn begin_operation(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        let slot = self.nodes[node].slots.get_mut(&conversation);
        let busy = slot.is_some_and(|slot| std::mem::replace(&mut slot.under_way, true));
        ensure!(0, !busy, "a second store operation while one is under way");
        Ok(())
    }

    fn node_invokes(&mut self, node: NodeIx, conversation: ConversationIx, invocation: &Invocation) -> Checked {
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
        ensure!(0, !slot.under_way, "run {} starts while the store works", invocation.run);
        let before = slot.run.replace(invocation.run);
        ensure!(0, before.is_none(), "run {} starts while run {before:?} goes on", invocation.run);
        let last = invocation.lines.last().map(|line| line.role);
        ensure!(0, last == Some(conversation::Role::Visitor), "run {} is asked to answer {last:?}", invocation.run);
        self.invoke_assistant(self.incarnation(node), conversation, invocation);
        Ok(())
    }

    /// The run has had its outcome, or is no longer wanted.
    pub(crate) fn finish_run(&mut self, node: NodeIx, conversation: ConversationIx, run: u32) {
        if let Some(slot) = self.nodes[node].slots.get_mut(&conversation)
            && slot.run == Some(run)
        {
            slot.run = None;
        }
    }

    pub(crate) fn is_running(&self, node: NodeIx, conversation: ConversationIx, run: u32) -> bool {
        self.nodes[node].slots.get(&conversation).is_some_and(|slot| slot.run == Some(run))
    }

    pub(crate) fn routing_is_done(&mut self, node: NodeIx, conversation: ConversationIx) {
        if let Some(slot) = self.nodes[node].slots.get_mut(&conversation) {
            slot.routing = false;
        }
    }

    fn node_replies(&mut self, node: NodeIx, conversation: ConversationIx, key: CommandKey, reply: Reply) -> Checked {
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
        let Some((connection, reference, command)) = slot.asked.remove(&key) else {
            ensure!(2, false, "a second reply to one command: {reply:?}");
            return Ok(());
        };
        if matches!(reply, Reply::Acked(_)) {
            ensure!(4, key >= slot.acked, "command {key} is carried out after {}, which came later", slot.acked);
            slot.acked = key;
        }
        tell!(self, "node{node}   c{conversation} replies {reply:?} to {command:?}");
        self.watch.replied(conversation, &command, &reply)?;
        self.tally.reply(&reply);
        if self.nodes[node].connections.contains_key(&connection) {
            self.send_down(connection, ServerFrame::Reply { reference, reply });
        }
        Ok(())
    }

    /// Tells the other nodes that hold the conversation, as far as the bus works.
    pub(crate) fn publish(&mut self, from: Option<NodeIx>, conversation: ConversationIx, notice: &Notice) {
        for node in 0..self.nodes.len() {
            if Some(node) == from || !self.nodes[node].up {
                continue;
            }
            if self.rng.chance(self.plan.bus.loses) {
                self.tally.lost_notices += 1;
                continue;
            }
            let copies = if self.rng.chance(self.plan.bus.repeats) { 2 } else { 1 };
            for _ in 0..copies {
                let at = self.now + self.rng.delay(3, self.plan.bus.worst_delay);
                let to = self.incarnation(node);
                self.agenda.plan(at, Happening::Heard(to, conversation, notice.clone()));
            }
        }
    }

    pub(crate) fn node_hears_bus(&mut self, node: NodeIx, conversation: ConversationIx, notice: Notice) -> Checked {
        tell!(self, "node{node}   c{conversation} hears {notice:?}");
        if let (Notice::Event(event), Some(slot)) = (&notice, self.nodes[node].slots.get_mut(&conversation)) {
            slot.heard = slot.heard.max(event.seq);
        }
        self.input(node, conversation, |live, now| match notice {
            Notice::Event(event) => live.handle_heard_event(now, event),
            Notice::Turn(text) => live.handle_heard_turn(now, &text),
            Notice::AskTurn => live.handle_ask_turn(),
        })
    }

    fn set_timer(&mut self, node: NodeIx, conversation: ConversationIx) {
        let (incarnation, skew) = (self.incarnation(node), self.nodes[node].skew);
        let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return };
        let wanted = slot.live.poll_timeout();
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
    fn look_at(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        let Some(slot) = self.nodes[node].slots.get(&conversation) else { return Ok(()) };
        if let Some(violation) = slot.live.violation() {
            ensure!(1, false, "node{node} finds that {violation}");
        }
        self.watch.folded(conversation, slot.live.state())?;
        let (head, heard) = (slot.live.state().head(), slot.heard);
        let at_it = slot.under_way || !slot.live.is_current();
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
