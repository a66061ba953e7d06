//! What one history is like: how many of everything, and how bad the weather is.

use std::sync::Arc;

use conversation::{Millis, Policy};

use crate::rng::Rng;

/// The dice that were thrown once, at the start of a history.
///
/// Every kind of trouble is absent from some histories: what hides behind one fault is found where that fault is missing.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) conversations: usize,
    pub(crate) nodes: usize,
    pub(crate) tabs: usize,
    pub(crate) agent_tab: bool,
    /// How long visitors act and things break; then calm.
    pub(crate) active: Millis,
    pub(crate) policy: Arc<Policy>,
    /// Nothing fails but functions, visitors and perhaps nodes that die: then turns end soon, and what a dead node ran is
    /// taken up soon.
    pub(crate) is_clear: bool,
    pub(crate) store: StoreWeather,
    pub(crate) bus: BusWeather,
    pub(crate) function: FunctionWeather,
    pub(crate) network: NetworkWeather,
    /// Mean time between two acts of a tab.
    pub(crate) pace: Millis,
    /// Mean time between two deaths of a node; 0: none dies.
    pub(crate) crash_every: Millis,
    /// Mean time between two pauses of a node; 0: none.
    pub(crate) pause_every: Millis,
    /// Mean time between two outages of the store; 0: none.
    pub(crate) outage_every: Millis,
    /// Mean time between two fail-overs of the store that lose events; 0: none.
    pub(crate) fail_over_every: Millis,
    /// Mean time between two cuts of a node from the bus; 0: none.
    pub(crate) bus_cut_every: Millis,
    /// Mean time between two ends of a node in good order; 0: none.
    pub(crate) drain_every: Millis,
    /// Whether a conversation is forgotten on request.
    pub(crate) forgets: bool,
    /// How often a node looks for what is due.
    pub(crate) tick: Millis,
    /// How often a node lets conversations rest; 0: never.
    pub(crate) rests: Millis,
    /// Mean time between two acts of somebody who writes to logs from outside; 0: none.
    pub(crate) agent_every: Millis,
    /// How far a node's clock may be off.
    pub(crate) skew: Millis,
    /// Per mille of connects with a cursor that is not true.
    pub(crate) lies: u32,
    /// Per mille of tabs that leave for good before everything works again.
    pub(crate) leaves: u32,
    /// Events in one read; at least two, since reads begin with an event that is known.
    pub(crate) page: usize,
    /// Frames under way to one client.
    pub(crate) socket: usize,
}

/// Per mille of store operations, and delays.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreWeather {
    pub(crate) fails_before: u32,
    pub(crate) fails_after: u32,
    pub(crate) lands_late: u32,
    pub(crate) worst_delay: Millis,
}

/// Per mille of messages, and delays.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusWeather {
    pub(crate) loses: u32,
    pub(crate) repeats: u32,
    pub(crate) worst_delay: Millis,
}

/// Weights of endings, and delays.
#[derive(Debug, Clone, Default)]
pub(crate) struct FunctionWeather {
    pub(crate) answers: u32,
    pub(crate) hands_over: u32,
    pub(crate) fails: u32,
    pub(crate) cut: u32,
    pub(crate) hangs: u32,
    pub(crate) is_late: u32,
    pub(crate) worst_delay: Millis,
}

/// Per mille of frames, and delays.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkWeather {
    pub(crate) cuts: u32,
    pub(crate) worst_delay: Millis,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut plan = Self::draw_stormy(rng);
        if rng.chance(150) {
            plan.clear_up();
            (plan.pause_every, plan.outage_every, plan.fail_over_every) = (0, 0, 0);
            (plan.crash_every, plan.bus_cut_every, plan.drain_every, plan.forgets) = (0, 0, 0, false);
            plan.is_clear = true;
            if rng.chance(600) {
                plan.let_runners_die(rng);
            }
        }
        plan
    }

    fn draw_stormy(rng: &mut Rng) -> Self {
        let policy = Arc::new(draw_policy(rng));
        Self {
            is_clear: false,
            conversations: rng.between(1, 2) as usize,
            nodes: 1 + rng.weighted(&[15, 35, 30, 20]),
            tabs: rng.between(1, 3) as usize,
            agent_tab: rng.chance(300),
            active: rng.between(8_000, 80_000),
            policy,
            store: draw_store(rng),
            bus: draw_bus(rng),
            function: draw_function(rng),
            network: NetworkWeather { cuts: some(rng, 25), worst_delay: rng.between(20, 1_500) },
            pace: rng.between(500, 5_000),
            crash_every: sometimes(rng, 4_000, 40_000),
            pause_every: sometimes(rng, 8_000, 60_000),
            outage_every: sometimes(rng, 15_000, 60_000),
            fail_over_every: if rng.chance(250) { rng.between(10_000, 60_000) } else { 0 },
            bus_cut_every: if rng.chance(350) { rng.between(10_000, 60_000) } else { 0 },
            drain_every: if rng.chance(250) { rng.between(10_000, 80_000) } else { 0 },
            forgets: rng.chance(100),
            tick: rng.between(1_000, 10_000),
            rests: if rng.chance(600) { rng.between(500, 5_000) } else { 0 },
            agent_every: sometimes(rng, 3_000, 30_000),
            skew: *rng.pick(&[0, 300, 2_000]),
            lies: some(rng, 100),
            leaves: *rng.pick(&[0, 300, 1_000]),
            page: rng.between(2, 8) as usize,
            socket: rng.between(1, 8) as usize,
        }
    }

    /// Nodes die while they run turns, and there are others that could take them up.
    fn let_runners_die(&mut self, rng: &mut Rng) {
        self.crash_every = rng.between(8_000, 25_000);
        (self.nodes, self.tabs) = (self.nodes.max(2), self.tabs.max(2));
        self.function.worst_delay = rng.between(3_000, 10_000);
    }

    /// Whether the store can lose what it has acknowledged.
    pub(crate) fn loses(&self) -> bool {
        self.fail_over_every > 0
    }

    /// The weather of the end: nothing fails any more but functions, which a turn must survive at any time.
    pub(crate) fn clear_up(&mut self) {
        self.store = StoreWeather { worst_delay: 30, ..StoreWeather::default() };
        self.bus = BusWeather { worst_delay: 30, ..BusWeather::default() };
        self.network = NetworkWeather { cuts: 0, worst_delay: 50 };
        self.lies = 0;
    }
}

/// Absent, or up to `most`.
fn some(rng: &mut Rng, most: u64) -> u32 {
    if rng.chance(350) { 0 } else { rng.between(1, most) as u32 }
}

fn sometimes(rng: &mut Rng, low: Millis, high: Millis) -> Millis {
    if rng.chance(400) { 0 } else { rng.between(low, high) }
}

fn draw_store(rng: &mut Rng) -> StoreWeather {
    StoreWeather {
        fails_before: some(rng, 80),
        fails_after: some(rng, 80),
        lands_late: some(rng, 50),
        worst_delay: rng.between(5, 1_500),
    }
}

fn draw_bus(rng: &mut Rng) -> BusWeather {
    BusWeather { loses: some(rng, 250), repeats: some(rng, 200), worst_delay: rng.between(2, 3_000) }
}

fn draw_function(rng: &mut Rng) -> FunctionWeather {
    FunctionWeather {
        answers: 60,
        hands_over: some(rng, 8),
        fails: some(rng, 15),
        cut: some(rng, 15),
        hangs: some(rng, 10),
        is_late: some(rng, 6),
        worst_delay: rng.between(50, 6_000),
    }
}

/// Bounds are small, so that histories reach them; times are those of production.
fn draw_policy(rng: &mut Rng) -> Policy {
    Policy {
        max_text_bytes: 60,
        max_answer_bytes: 160,
        max_events: if rng.chance(200) { rng.between(20, 40) as u32 } else { 10_000 },
        max_waiting: rng.between(2, 8) as usize,
        recent_bytes: rng.between(100, 2_000) as usize,
        ..Policy::default()
    }
}
