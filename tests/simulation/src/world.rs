//! One history: a world that is drawn from a seed, and its steps.

use std::sync::Arc;

use conversation::{Audience, Claim, MessageId, Millis};

use crate::agenda::{Agenda, Happening, Incarnation, NodeIx};
use crate::connection::Pipe;
use crate::node::Node;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::store::Store;
use crate::tab::Tab;
use crate::tally::Tally;
use crate::trace::{Trace, tell};
use crate::watch::{Checked, Watch, ensure};

/// When histories start, Unix milliseconds.
const EPOCH: Millis = 1_800_000_000_000;

/// How long after everything works again nothing may be left to do: a message stored just before is due after 32 s, is
/// claimed within a tick, asked about, run again until its deadline, and a store's answer may come 20 s late before all that.
const SETTLING: Millis = 150_000;

/// More steps than any history needs; who reaches them runs in a circle.
const MOST_STEPS: u64 = 300_000;

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    pub(crate) agenda: Agenda,
    pub(crate) store: Store,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) watch: Watch,
    pub(crate) tally: Tally,
    /// Faults have stopped.
    pub(crate) calm: bool,
    ids: u64,
    /// Slots that there were.
    pub(crate) slots: u64,
    /// Of everything that happened, in order: two runs of one seed must agree.
    digest: u64,
}

impl World {
    pub(crate) fn new(mut rng: Rng, plan: Plan, trace: bool) -> Self {
        let nodes = (0..plan.nodes).map(|nth| Node::new(nth, &plan.policy, rng.below(plan.skew + 1))).collect();
        let mut tabs = vec![];
        for conversation in 0..plan.conversations {
            tabs.extend((0..plan.tabs).map(|_| Tab::new(conversation, Audience::Visitor)));
            if plan.agent_tab {
                tabs.push(Tab::new(conversation, Audience::Agents));
            }
        }
        let mut world = Self {
            now: EPOCH,
            rng,
            trace: Trace::new(trace),
            agenda: Agenda::default(),
            store: Store::new(plan.conversations),
            nodes,
            pipes: vec![],
            tabs,
            watch: Watch::new(Arc::clone(&plan.policy), plan.conversations),
            tally: Tally::default(),
            calm: false,
            ids: 0,
            slots: 0,
            digest: 0,
            plan,
        };
        world.plan_everything();
        world
    }

    fn plan_everything(&mut self) {
        tell!(self, "{:?}", self.plan);
        for node in 0..self.nodes.len() {
            self.node_starts(node);
            self.plan_next(self.plan.crash_every, Happening::Crash(node));
            self.plan_next(self.plan.pause_every, Happening::Pause(node));
            self.plan_next(self.plan.drain_every, Happening::Drain(node));
            self.plan_next(self.plan.bus_cut_every, Happening::BusCut(node));
        }
        for tab in 0..self.tabs.len() {
            let at = self.now + self.rng.below(5_000);
            self.agenda.plan(at, Happening::TabConnects(tab));
            self.agenda.plan(at + 500, Happening::TabActs(tab));
        }
        self.plan_next(self.plan.outage_every, Happening::Outage);
        self.plan_next(self.plan.fail_over_every, Happening::FailOver);
        self.plan_forgetting();
        self.plan_next(self.plan.agent_every, Happening::AgentActs);
        self.agenda.plan(EPOCH + self.plan.active, Happening::Calm);
        self.agenda.plan(EPOCH + self.plan.active + SETTLING, Happening::End);
    }

    /// Plans something that happens about once in `every`; never, if that is 0.
    fn plan_next(&mut self, every: Millis, happening: Happening) {
        if every > 0 && !self.calm {
            let at = self.now + self.rng.between(1, 2 * every);
            self.agenda.plan(at, happening);
        }
    }

    /// Virtual time since the start.
    pub(crate) fn elapsed(&self) -> Millis {
        self.now - EPOCH
    }

    /// A number that fits all that happened so far.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Lives until the end.
    pub(crate) fn live(&mut self) -> Checked {
        while let Some((at, happening)) = self.agenda.next() {
            self.now = at;
            self.tally.steps += 1;
            ensure!(8, self.tally.steps < MOST_STEPS, "no end after {MOST_STEPS} steps");
            if matches!(happening, Happening::End) {
                return self.check_end();
            }
            match self.asleep(&happening) {
                Some(node) => self.nodes[node].backlog.push(happening),
                None => self.step(happening)?,
            }
            let fold = self.now ^ (self.watch.head(0) as u64) << 40 ^ self.tally.deltas << 20 ^ self.tally.acks;
            self.digest = (self.digest ^ fold).wrapping_mul(0x0100_0000_01b3);
        }
        ensure!(0, false, "the agenda ran out");
        Ok(())
    }

    /// The node that this is for, if it stands still.
    fn asleep(&self, happening: &Happening) -> Option<NodeIx> {
        let to = self.addressee(happening)?;
        Some(to.node).filter(|node| self.nodes[*node].paused_until > 0)
    }

    /// What came meanwhile is taken in order.
    fn node_awakes(&mut self, node: NodeIx) -> Checked {
        if self.nodes[node].paused_until > self.now {
            return Ok(());
        }
        self.nodes[node].paused_until = 0;
        let backlog = std::mem::take(&mut self.nodes[node].backlog);
        backlog.into_iter().try_for_each(|happening| self.step(happening))
    }

    fn addressee(&self, happening: &Happening) -> Option<Incarnation> {
        match happening {
            Happening::NodeNotices(to, _)
            | Happening::ToNode(to, ..)
            | Happening::PumpAgain(to, _)
            | Happening::Heard(to, ..)
            | Happening::Function(to, ..)
            | Happening::Routed(to, ..)
            | Happening::Timer(to, ..)
            | Happening::Tick(to)
            | Happening::Rest(to)
            | Happening::Drained(to) => Some(*to),
            Happening::StoreAnswers { operation, .. } => Some(self.asker(*operation)),
            _ => None,
        }
    }

    fn step(&mut self, happening: Happening) -> Checked {
        if self.addressee(&happening).is_some_and(|to| !self.is_alive(to)) {
            return Ok(());
        }
        match happening {
            Happening::TabActs(tab) => self.tab_acts(tab),
            Happening::TabConnects(tab) => self.tab_connects(tab),
            Happening::TabResends(tab) => self.tab_resends(tab),
            Happening::TabNotices(tab, connection) => self.tab_notices(tab, connection),
            Happening::NodeNotices(from, connection) => {
                self.nodes[from.node].connections.remove(&connection);
            }
            Happening::ToNode(to, connection, frame) if self.pipes[connection].open => {
                self.node_gets_frame(to.node, connection, frame)?;
            }
            Happening::ToTab(connection, frame) if self.pipes[connection].open => {
                self.frame_is_taken(connection, &frame)?;
                self.tab_gets_frame(connection, frame)?;
            }
            Happening::ToNode(..) | Happening::ToTab(..) => {}
            Happening::SentAway(connection) => self.cut(connection),
            Happening::PumpAgain(from, connection) => self.pump(from.node, connection)?,
            Happening::StoreApplies(operation) => self.store_applies(operation)?,
            Happening::StoreAnswers { operation, failed } => self.store_answers(operation, failed)?,
            Happening::Heard(to, conversation, notice) => self.node_hears_bus(to.node, conversation, notice)?,
            Happening::Function(to, conversation, slot, run, step) => {
                self.function_says(to, conversation, slot, run, step)?
            }
            Happening::Routed(to, conversation, assignee) => {
                self.routing_is_done(to.node, conversation);
                self.input(to.node, conversation, |live, now| live.handle_routed(now, assignee))?;
            }
            Happening::Timer(of, conversation, at) => self.node_times_out(of, conversation, at)?,
            Happening::Tick(of) => self.node_ticks(of)?,
            Happening::Rest(of) => self.node_rests(of),
            Happening::Drained(of) => self.node_is_drained(of),
            Happening::TakenOver(left) => self.check_takeover(left)?,
            other => return self.weather(other),
        }
        Ok(())
    }

    fn weather(&mut self, happening: Happening) -> Checked {
        match happening {
            Happening::AgentActs if !self.calm => self.agent_acts()?,
            Happening::Crash(node) if !self.calm => {
                self.node_crashes(node);
                self.plan_next(self.plan.crash_every, Happening::Crash(node));
            }
            Happening::Return(node) => self.node_returns(node),
            Happening::Pause(node) if !self.calm => {
                let until = (self.now + self.rng.between(100, 45_000)).min(EPOCH + self.plan.active);
                self.nodes[node].paused_until = until;
                self.agenda.plan(until, Happening::Awake(node));
                self.tally.pauses += 1;
                tell!(self, "node{node}   stands still until {}", until - EPOCH);
                self.plan_next(self.plan.pause_every, Happening::Pause(node));
            }
            Happening::Awake(node) => self.node_awakes(node)?,
            Happening::Outage if !self.calm => {
                let until = self.now + self.rng.between(100, 20_000);
                self.store.fail_until(until.min(EPOCH + self.plan.active));
                self.tally.outages += 1;
                tell!(self, "store   is down until {}", until - EPOCH);
                self.plan_next(self.plan.outage_every, Happening::Outage);
            }
            Happening::FailOver if !self.calm => {
                self.tally.fail_overs += 1;
                let until = self.now + self.rng.between(100, 5_000);
                self.store.fail_until(until.min(EPOCH + self.plan.active));
                tell!(self, "store   fails over until {}", until - EPOCH);
                self.store_fails_over()?;
                self.plan_next(self.plan.fail_over_every, Happening::FailOver);
            }
            Happening::BusCut(node) if !self.calm => {
                let until = self.now + self.rng.between(1_000, 40_000);
                self.nodes[node].deaf_until = until.min(EPOCH + self.plan.active);
                self.tally.bus_cuts += 1;
                tell!(self, "node{node}   is cut off from the bus until {}", until - EPOCH);
                self.plan_next(self.plan.bus_cut_every, Happening::BusCut(node));
            }
            Happening::Drain(node) if !self.calm => {
                self.node_drains(node);
                self.plan_next(self.plan.drain_every, Happening::Drain(node));
            }
            Happening::Forget(conversation) => self.forget(conversation)?,
            Happening::Calm => self.calm_down(),
            _ => {}
        }
        Ok(())
    }

    fn node_returns(&mut self, node: NodeIx) {
        if !self.nodes[node].up {
            tell!(self, "node{node}   is back");
            self.node_starts(node);
        }
    }

    fn calm_down(&mut self) {
        tell!(self, "all     is calm");
        self.calm = true;
        self.plan.clear_up();
        for node in 0..self.nodes.len() {
            self.node_returns(node);
        }
        for tab in 0..self.tabs.len() {
            if self.rng.chance(self.plan.leaves) {
                self.tab_leaves(tab);
            } else {
                self.agenda.plan(self.now + 1_000, Happening::TabConnects(tab));
            }
        }
    }

    fn check_end(&self) -> Checked {
        for conversation in 0..self.plan.conversations {
            self.watch.settled(conversation, self.store.place(conversation).due)?;
        }
        (0..self.tabs.len()).try_for_each(|tab| self.check_tab(tab))?;
        for (ix, node) in self.nodes.iter().enumerate() {
            for (conversation, slot) in &node.slots {
                let (here, log) = (slot.head(), self.watch.head(*conversation));
                let reads = slot.awake().is_some_and(|live| !live.is_current());
                ensure!(4, here == log || reads, "node{ix} knows {here} of {log} events of c{conversation} at the end");
                ensure!(2, slot.asked.is_empty(), "node{ix} never replied to {:?}", slot.asked);
            }
        }
        Ok(())
    }

    /// A claim that nobody has made.
    pub(crate) fn fresh_claim(&mut self) -> Claim {
        self.ids += 1;
        Claim::new(self.ids).unwrap_or(Claim::MIN)
    }

    /// An id that no message had.
    pub(crate) fn fresh_id(&mut self) -> MessageId {
        self.ids += 1;
        MessageId(u128::from(self.ids).to_be_bytes())
    }
}
