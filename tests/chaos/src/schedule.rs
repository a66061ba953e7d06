//! What is broken when, decided before anything is: the same seed, the same plan.

use std::time::Duration;

use client::Random;

use crate::wire::Cut;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Connections of visitors end, whichever they are.
    CutSockets { count: u32, how: Cut },
    /// All connections of visitors to one node end.
    CutNode { node: usize, how: Cut },
    /// `kill -9`, and a start after a while.
    KillNode { node: usize, down: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    PauseNode { node: usize, lasts: Duration },
    /// SIGTERM, and a start when it has ended.
    DrainNode { node: usize },
    /// `kill -9`, and a start with the same data after a while. In a cluster: of a primary.
    RestartStore { server: usize, down: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    PauseStore { server: usize, lasts: Duration },
    /// `kill -9`, and a start after a while.
    RestartBus { down: Duration },
    /// The network between a node and something else is in trouble.
    Trouble { node: usize, to: Link, trouble: Trouble, lasts: Duration },
}

/// What a node is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Visitors,
    Store,
    Bus,
}

/// What a network may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Connections end, and new ones are refused.
    Refuses,
    /// Bytes vanish in a black hole. In the end they arrive, or the connection ends.
    Stalls { ends_in_cut: bool },
    /// Every byte is late.
    Delays(Duration),
}

/// When a fault begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// After the beginning.
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// What there is to break.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) seconds: u64,
    pub(crate) visitors: usize,
    pub(crate) nodes: usize,
    /// Processes of the store; 0: it is inside of the node.
    pub(crate) store_servers: usize,
    /// Whether store and nodes are connected by networks that can be broken one by one.
    pub(crate) store_links: bool,
    pub(crate) bus: bool,
}

/// A storm, and the calm after it, in which nothing new begins.
const CYCLE_MS: u64 = 30_000;
const CALM_MS: u64 = 5_000;

/// How often sockets are cut, and how many of 500 visitors' at once: 20 in a second.
const CUT_EVERY_MS: u64 = 250;
const CUTS_OF_500: usize = 5;

/// Makes the plan.
pub(crate) fn plan(scope: &Scope, random: &mut Random) -> Vec<Step> {
    let mut plan = cuts(scope, &mut random.fork());
    let mut lane = |gap_ms: (u64, u64), deck: &[Draw]| {
        plan.extend(lane(scope, gap_ms, deck, &mut random.fork()));
    };
    lane((500, 2_500), &[kill_node, pause_node, cut_node, drain_node]);
    lane((2_500, 6_000), &[visitors_refused, visitors_stalled, visitors_delayed]);
    if scope.store_servers > 0 {
        lane((4_000, 9_000), &[restart_store, pause_store]);
    }
    if scope.store_links {
        lane((1_500, 4_000), &[store_refuses, store_stalls, store_delays]);
    }
    if scope.bus {
        lane((1_500, 4_000), &[restart_bus, bus_refuses, bus_stalls, bus_delays]);
    }
    if scope.nodes > 2 {
        // Now and then two nodes are in trouble.
        lane((25_000, 40_000), &[kill_node, pause_node]);
    }
    plan.sort_by_key(|step| step.at);
    plan
}

/// Draws a fault, and says for how long the next one waits for it.
type Draw = fn(&Scope, &mut Random) -> (Fault, Duration);

/// One fault after the other, each of the deck once before any comes again.
fn lane(scope: &Scope, gap_ms: (u64, u64), deck: &[Draw], random: &mut Random) -> Vec<Step> {
    let end = Duration::from_secs(scope.seconds);
    let mut steps = Vec::new();
    let mut at = between(random, gap_ms);
    let mut left: Vec<Draw> = Vec::new();
    loop {
        if left.is_empty() {
            left = deck.to_vec();
        }
        let draw = left.swap_remove(random.below(left.len() as u64) as usize);
        at = in_storm(at);
        let (fault, lasts) = draw(scope, random);
        if at + lasts > end {
            return steps;
        }
        steps.push(Step { at, fault });
        at += lasts + between(random, gap_ms);
    }
}

fn cuts(scope: &Scope, random: &mut Random) -> Vec<Step> {
    let count = u32::try_from((scope.visitors * CUTS_OF_500).div_ceil(500)).unwrap_or(u32::MAX);
    let moments = (0..scope.seconds * 1_000).step_by(CUT_EVERY_MS as usize).map(Duration::from_millis);
    moments
        .filter(|at| in_storm(*at) == *at)
        .map(|at| Step { at, fault: Fault::CutSockets { count, how: how(random) } })
        .collect()
}

/// The moment itself, or the end of the calm that it lies in.
fn in_storm(at: Duration) -> Duration {
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    match at_ms % CYCLE_MS {
        within if within < CYCLE_MS - CALM_MS => at,
        _ => Duration::from_millis((at_ms / CYCLE_MS + 1) * CYCLE_MS),
    }
}

fn kill_node(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let down = between(random, (1_000, 5_000));
    (Fault::KillNode { node: node(scope, random), down }, down + Duration::from_secs(1))
}

/// In a long run half a minute now and then; in a short one there is no time for that.
fn pause_node(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let most_ms = (scope.seconds * 1_000 / 7).clamp(5_500, 30_000);
    let lasts = between(random, (5_000, most_ms));
    (Fault::PauseNode { node: node(scope, random), lasts }, lasts + Duration::from_secs(1))
}

fn cut_node(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    (Fault::CutNode { node: node(scope, random), how: how(random) }, Duration::from_secs(1))
}

/// How long it takes is not known; most turns end in a few seconds.
fn drain_node(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    (Fault::DrainNode { node: node(scope, random) }, Duration::from_secs(8))
}

fn restart_store(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    // A cluster needs time to notice, to vote, and to take the dead one back.
    let (down, after) = match scope.store_servers {
        1 => (between(random, (100, 1_500)), Duration::from_secs(1)),
        _ => (between(random, (3_000, 5_000)), Duration::from_secs(4)),
    };
    (Fault::RestartStore { server: store_server(scope, random), down }, down + after)
}

fn pause_store(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let lasts = between(random, (1_000, 5_000));
    (Fault::PauseStore { server: store_server(scope, random), lasts }, lasts)
}

fn restart_bus(_: &Scope, random: &mut Random) -> (Fault, Duration) {
    let down = between(random, (100, 3_000));
    (Fault::RestartBus { down }, down)
}

fn visitors_refused(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    trouble(scope, random, Link::Visitors, Trouble::Refuses, (500, 3_000))
}

fn visitors_stalled(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let trouble_drawn = Trouble::Stalls { ends_in_cut: random.below(2) == 0 };
    trouble(scope, random, Link::Visitors, trouble_drawn, (1_000, 6_000))
}

fn visitors_delayed(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let delay = Trouble::Delays(between(random, (50, 300)));
    trouble(scope, random, Link::Visitors, delay, (3_000, 10_000))
}

fn store_refuses(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    trouble(scope, random, Link::Store, Trouble::Refuses, (200, 4_000))
}

fn store_stalls(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let trouble_drawn = Trouble::Stalls { ends_in_cut: random.below(2) == 0 };
    trouble(scope, random, Link::Store, trouble_drawn, (500, 8_000))
}

fn store_delays(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let delay = Trouble::Delays(between(random, (50, 300)));
    trouble(scope, random, Link::Store, delay, (2_000, 8_000))
}

fn bus_refuses(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    trouble(scope, random, Link::Bus, Trouble::Refuses, (200, 4_000))
}

fn bus_stalls(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let trouble_drawn = Trouble::Stalls { ends_in_cut: random.below(2) == 0 };
    trouble(scope, random, Link::Bus, trouble_drawn, (500, 8_000))
}

fn bus_delays(scope: &Scope, random: &mut Random) -> (Fault, Duration) {
    let delay = Trouble::Delays(between(random, (50, 300)));
    trouble(scope, random, Link::Bus, delay, (2_000, 8_000))
}

fn trouble(scope: &Scope, random: &mut Random, to: Link, trouble: Trouble, lasts_ms: (u64, u64)) -> (Fault, Duration) {
    let lasts = between(random, lasts_ms);
    (Fault::Trouble { node: node(scope, random), to, trouble, lasts }, lasts)
}

fn node(scope: &Scope, random: &mut Random) -> usize {
    random.below(scope.nodes as u64) as usize
}

fn store_server(scope: &Scope, random: &mut Random) -> usize {
    random.below(scope.store_servers as u64) as usize
}

fn how(random: &mut Random) -> Cut {
    match random.below(10) {
        0..5 => Cut::Reset,
        5..9 => Cut::Close,
        _ => Cut::Silence,
    }
}

fn between(random: &mut Random, (least_ms, most_ms): (u64, u64)) -> Duration {
    Duration::from_millis(least_ms + random.below(most_ms - least_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope =
        Scope { seconds: 600, visitors: 500, nodes: 3, store_servers: 1, store_links: true, bus: true };

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        let plan = |seed| plan(&SCOPE, &mut Random::new(seed));
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn ten_minutes_have_ten_thousand_cuts_and_every_fault_many_times() {
        let plan = plan(&SCOPE, &mut Random::new(1));
        let count = |is: fn(&Fault) -> bool| plan.iter().filter(|step| is(&step.fault)).count();
        let cuts: u32 =
            plan.iter().map(|step| if let Fault::CutSockets { count, .. } = step.fault { count } else { 0 }).sum();
        assert!(cuts >= 10_000, "{cuts}");
        assert!(count(|fault| matches!(fault, Fault::KillNode { .. })) >= 10);
        assert!(count(|fault| matches!(fault, Fault::PauseNode { .. })) >= 10);
        assert!(count(|fault| matches!(fault, Fault::DrainNode { .. })) >= 10);
        assert!(count(|fault| matches!(fault, Fault::RestartStore { .. })) >= 20);
        assert!(count(|fault| matches!(fault, Fault::RestartBus { .. })) >= 10);
        for link in [Link::Visitors, Link::Store, Link::Bus] {
            let on_link = plan.iter().filter(|step| matches!(step.fault, Fault::Trouble { to, .. } if to == link));
            assert!(on_link.count() >= 30, "{link:?}");
        }
    }

    #[test]
    fn nothing_begins_in_a_calm_or_goes_on_after_the_end() {
        for step in plan(&SCOPE, &mut Random::new(3)) {
            assert!(in_storm(step.at) == step.at && step.at <= Duration::from_secs(SCOPE.seconds), "{step:?}");
        }
        assert_eq!(in_storm(Duration::from_millis(26_000)), Duration::from_millis(30_000));
        assert_eq!(in_storm(Duration::from_millis(24_999)), Duration::from_millis(24_999));
    }

    #[test]
    fn what_is_not_there_is_not_broken() {
        let scope = Scope { nodes: 1, store_servers: 0, store_links: false, bus: false, ..SCOPE };
        let touches = |fault: Fault| match fault {
            Fault::RestartStore { .. } | Fault::PauseStore { .. } | Fault::RestartBus { .. } => true,
            Fault::Trouble { to, .. } => to != Link::Visitors,
            _ => false,
        };
        assert!(!plan(&scope, &mut Random::new(1)).into_iter().any(|step| touches(step.fault)));
    }
}
