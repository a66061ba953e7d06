//! What is going to happen, in the order of virtual time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use conversation::{Assignee, Command, Event, Millis, Notice, Outcome, Reply, Seq};

/// Which conversation, node, tab, connection, store operation: indices into the world.
pub(crate) type ConversationIx = usize;
pub(crate) type NodeIx = usize;
pub(crate) type TabIx = usize;
pub(crate) type ConnectionIx = usize;
pub(crate) type OperationIx = usize;

/// A node in one of its lives: what was meant for an earlier one is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) node: NodeIx,
    pub(crate) life: u32,
}

/// One step of a history.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A person at a tab does something.
    TabActs(TabIx),
    /// A tab tries to connect.
    TabConnects(TabIx),
    /// A tab sends an outbox message again.
    TabResends(TabIx),
    /// A tab notices that its connection is gone.
    TabNotices(TabIx, ConnectionIx),
    /// A node notices that a connection is gone.
    NodeNotices(Incarnation, ConnectionIx),
    /// A frame arrives at the node.
    ToNode(Incarnation, ConnectionIx, ClientFrame),
    /// A frame arrives at the tab.
    ToTab(ConnectionIx, ServerFrame),
    /// The client has got the last frame of a connection that its node closes.
    SentAway(ConnectionIx),
    /// A connection looks again after a failed read of history.
    PumpAgain(Incarnation, ConnectionIx),
    /// The store carries an operation out.
    StoreApplies(OperationIx),
    /// The node hears what became of an operation; `failed`: nothing but that.
    StoreAnswers { operation: OperationIx, failed: bool },
    /// A bus message arrives.
    Heard(Incarnation, ConversationIx, Notice),
    /// The function says something to the slot that invoked it, of a run.
    Function(Incarnation, ConversationIx, u64, u32, FunctionStep),
    /// Routing is done.
    Routed(Incarnation, ConversationIx, Option<Assignee>),
    /// A timer that the core asked for, by the node's clock.
    Timer(Incarnation, ConversationIx, Millis),
    /// A node looks for what is due, forgets what is idle, refreshes what is looked at.
    Tick(Incarnation),
    /// A node lets conversations rest.
    Rest(Incarnation),
    /// A node that drains has had its time.
    Drained(Incarnation),
    /// Somebody writes to a log from outside.
    AgentActs,
    /// A node dies.
    Crash(NodeIx),
    /// It comes back.
    Return(NodeIx),
    /// A node stands still for a while.
    Pause(NodeIx),
    /// It goes on.
    Awake(NodeIx),
    /// The store is down for a while.
    Outage,
    /// The store is down for a moment, and has lost the newest events of some logs.
    FailOver,
    /// A node neither hears the bus nor is heard on it for a while.
    BusCut(NodeIx),
    /// A node is to end.
    Drain(NodeIx),
    /// A conversation is to be forgotten.
    Forget(ConversationIx),
    /// Somebody must have taken a turn up by now, whose node died.
    TakenOver(Left),
    /// From now on nothing fails.
    Calm,
    /// The history is over.
    End,
}

/// A turn whose runner died.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    pub(crate) conversation: ConversationIx,
    /// The newest message that waited for its answer.
    pub(crate) turn: Seq,
    /// What had been answered.
    pub(crate) answered: Seq,
    pub(crate) runner: Incarnation,
    /// Nodes that served the conversation then.
    pub(crate) heirs: Vec<Incarnation>,
}

/// What the function says, and what follows.
#[derive(Debug, Clone)]
pub(crate) enum FunctionStep {
    Delta(String),
    Outcome(Outcome),
}

/// What a client sends.
#[derive(Debug, Clone)]
pub(crate) enum ClientFrame {
    Hello { after: Seq, after_at: Millis, turn: Seq, run: u32, offset: usize },
    Command { reference: u32, command: Command },
}

/// What a node sends.
#[derive(Debug, Clone)]
pub(crate) enum ServerFrame {
    Opened { reset: bool },
    Event(Arc<Event>),
    Hidden(Seq, Millis),
    Delta { turn: Seq, run: u32, offset: usize, text: String },
    Reply { reference: u32, reply: Reply },
}

/// The queue of happenings.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    queue: BinaryHeap<Reverse<Entry>>,
    count: u64,
}

#[derive(Debug)]
struct Entry {
    at: Millis,
    order: u64,
    happening: Happening,
}

impl Agenda {
    /// Lets something happen at `at`; of two at one moment the one planned first is first.
    pub(crate) fn plan(&mut self, at: Millis, happening: Happening) {
        self.count += 1;
        self.queue.push(Reverse(Entry { at, order: self.count, happening }));
    }

    pub(crate) fn next(&mut self) -> Option<(Millis, Happening)> {
        self.queue.pop().map(|Reverse(entry)| (entry.at, entry.happening))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
