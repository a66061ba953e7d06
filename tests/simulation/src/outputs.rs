//! What a conversation wants its node to do, and what becomes of it.

use conversation::{CommandKey, Fence, Invocation, Live, Notice, Output, Reply};

use crate::agenda::{ConversationIx, Happening, NodeIx, ServerFrame};
use crate::store::{Append, Request};
use crate::trace::tell;
use crate::watch::{Checked, ensure};
use crate::world::World;

impl World {
    pub(crate) fn carry_out(&mut self, node: NodeIx, conversation: ConversationIx) -> Checked {
        loop {
            let Some(slot) = self.nodes[node].slots.get_mut(&conversation) else { return Ok(()) };
            let Some(output) = slot.awake_mut().and_then(Live::poll_output) else { break };
            self.carry_out_one(node, conversation, output)?;
        }
        self.set_timer(node, conversation);
        self.look_at(node, conversation)
    }

    fn carry_out_one(&mut self, node: NodeIx, conversation: ConversationIx, output: Output) -> Checked {
        let from = self.incarnation(node);
        match output {
            Output::Append { event, due, fence, previous_at } => {
                tell!(self, "node{node}   c{conversation} appends {} {:?}", event.seq, event.body);
                self.begin_operation(node, conversation)?;
                let taken = self.nodes[node].slots.get(&conversation).map_or(0, |slot| slot.taken);
                let fits = event.seq > taken || self.watch.has_lost(conversation);
                ensure!(1, fits, "appends at {}, which is known to be taken", event.seq);
                self.ask_store(from, conversation, Request::Append(Append { event, due, fence, previous_at }));
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
            Output::Release { claim, head, due } => {
                tell!(self, "node{node}   c{conversation} gives its claim back");
                self.tally.released += 1;
                self.ask_store(from, conversation, Request::SetDue { head, due, fence: Fence::Claimed(claim) });
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
        let under_claim = slot.live().claim().is_some();
        let from = self.incarnation(node);
        if self.watch.runs(conversation, invocation.turn, from) && !under_claim {
            self.tally.takeovers += 1;
        }
        self.invoke_assistant(from, conversation, invocation);
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
            if self.is_deaf(node) || from.is_some_and(|from| self.is_deaf(from)) || self.rng.chance(self.plan.bus.loses)
            {
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

    /// Whether a node neither hears the bus nor is heard on it.
    fn is_deaf(&self, node: NodeIx) -> bool {
        self.nodes[node].deaf_until > self.now
    }
}
