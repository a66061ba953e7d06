//! Whether the clocks of the nodes agree.
//!
//! Leases, claims and due times are judged by the clock of the node that looks; some seconds of difference are borne. So each
//! node tells the others its time on the bus, and with it what it has last heard of each and how long ago. Whoever finds
//! itself there knows how long both ways took together, and by that how exactly the other clock is known. What was held up on
//! its way, or in a process that stood still, took long and says nothing. A node without a bus is alone, and does nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{Received, Subscription, Topic};
use conversation::Millis;
use protocol::bus::{ClockNotice, HeardClock};
use tokio::time::Instant;

use crate::clock;
use crate::node::Node;

/// How often a node tells its time.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A node that has not been heard for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(35);

/// The longest that both ways may take together. Half of it is how wrong a difference can be.
const LONGEST_ROUND: Duration = Duration::from_secs(2);

/// A larger difference is worth a line in the log, milliseconds. What waits for other nodes' claims and leases has five
/// seconds of grace.
const WORTH_A_LINE_MS: u64 = 5_000;

/// The most nodes that are compared: whoever can publish on the bus must not fill the memory.
const MOST_NODES: usize = 256;

/// What is known of the other nodes' clocks.
#[derive(Debug, Default)]
struct Clocks {
    told: Option<Moment>,
    others: HashMap<String, Other>,
}

/// A moment by the clock of a node, and by the one in this process that never jumps.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Millis,
    when: Instant,
}

#[derive(Debug)]
struct Other {
    heard: Moment,
    /// By how much its clock is ahead of this node's, milliseconds. `None`: not known yet.
    ahead_ms: Option<i64>,
    is_apart: bool,
}

/// What is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is too far ahead of this node, or behind it, since now. Milliseconds.
    Apart(i64),
    /// It no longer is.
    Together(i64),
}

impl Clocks {
    /// What to tell the others at `now`.
    fn tell(&mut self, node: &str, now: Moment) -> ClockNotice {
        self.others.retain(|_, other| now.when.saturating_duration_since(other.heard.when) < GONE_AFTER);
        self.told = Some(now);
        let heard = self.others.iter().map(|(name, other)| HeardClock {
            node: name.clone(),
            at: other.heard.at,
            held: millis(now.when.saturating_duration_since(other.heard.when)),
        });
        ClockNotice { node: node.to_owned(), at: now.at, heard: heard.collect() }
    }

    /// Another node has told its time.
    fn handle_notice(&mut self, node: &str, notice: &ClockNotice, now: Moment) -> Option<Found> {
        if self.others.len() >= MOST_NODES && !self.others.contains_key(&notice.node) {
            return None;
        }
        let heard = Moment { at: notice.at, when: now.when };
        let new = || Other { heard, ahead_ms: None, is_apart: false };
        let other = self.others.entry(notice.node.clone()).or_insert_with(new);
        other.heard = heard;
        let own = notice.heard.iter().find(|heard| heard.node == node)?;
        let told = self.told.filter(|told| told.at == own.at)?;
        let round = millis(now.when.saturating_duration_since(told.when)).checked_sub(own.held)?;
        if round > millis(LONGEST_ROUND) {
            return None;
        }
        let ahead = notice.at.saturating_add(round / 2).cast_signed().saturating_sub(now.at.cast_signed());
        other.ahead_ms = Some(ahead);
        let was_apart = std::mem::replace(&mut other.is_apart, ahead.unsigned_abs() > WORTH_A_LINE_MS);
        match (was_apart, other.is_apart) {
            (false, true) => Some(Found::Apart(ahead)),
            (true, false) => Some(Found::Together(ahead)),
            _ => None,
        }
    }

    /// The largest difference to another node, milliseconds.
    fn largest(&self) -> u64 {
        self.others.values().filter_map(|other| other.ahead_ms).map(i64::unsigned_abs).max().unwrap_or(0)
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

fn now() -> Moment {
    Moment { at: clock::now(), when: Instant::now() }
}

/// Compares for ever, if there are others.
pub(crate) async fn compare(node: Arc<Node>) {
    let Some(bus) = &node.bus else { return };
    let mut every = tokio::time::interval(TELL_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut clocks, mut subscription) = (Clocks::default(), None);
    loop {
        tokio::select! {
            _ = every.tick() => {
                if subscription.is_none() {
                    // Tried again with the next notice.
                    subscription = bus.subscribe(&Topic::Nodes).await.ok();
                }
                let notice = clocks.tell(&node.speaker, now());
                if let Err(error) = bus.publish(&Topic::Nodes, notice.encode().into()) {
                    tracing::debug!(%error, "the others are not told the time");
                }
            }
            received = next(&mut subscription) => {
                if let Received::Message(bytes) = received {
                    hear(&node, &mut clocks, &bytes);
                }
            }
        }
        node.metrics.clock_difference.set(i64::try_from(clocks.largest()).unwrap_or(i64::MAX));
    }
}

async fn next(subscription: &mut Option<Subscription>) -> Received {
    match subscription {
        Some(subscription) => subscription.recv().await,
        None => std::future::pending().await,
    }
}

fn hear(node: &Node, clocks: &mut Clocks, bytes: &[u8]) {
    let notice = match ClockNotice::decode(bytes) {
        Ok(notice) if notice.node == node.speaker => return,
        Ok(notice) => notice,
        Err(error) => return tracing::warn!(%error, "what a node says of its clock is dropped"),
    };
    let other = &notice.node;
    match clocks.handle_notice(&node.speaker, &notice, now()) {
        Some(Found::Apart(ahead_ms)) => {
            tracing::warn!(
                other,
                ahead_ms,
                "the clocks of two nodes differ by more than is borne: keep them together by NTP"
            );
        }
        Some(Found::Together(ahead_ms)) => {
            tracing::info!(other, ahead_ms, "the clocks of two nodes are together again")
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes as the others know them, each with a clock that is ahead by so much.
    struct World {
        started: Instant,
        now: Millis,
    }

    impl World {
        fn new() -> Self {
            Self { started: Instant::now(), now: 1_000_000 }
        }

        fn moment(&self, ahead: i64) -> Moment {
            let at = (self.now.cast_signed() + ahead).cast_unsigned();
            Moment { at, when: self.started + Duration::from_millis(self.now) }
        }

        /// Both tell each other the time, with `way` to go each time and `pause` between; what the first finds.
        fn exchange(&mut self, nodes: &mut [Clocks; 2], ahead: i64, way: Millis, pause: Millis) -> Option<Found> {
            let [here, there] = nodes;
            let told = here.tell("here", self.moment(0));
            self.now += way;
            there.handle_notice("there", &told, self.moment(ahead));
            self.now += pause;
            let told = there.tell("there", self.moment(ahead));
            self.now += way;
            here.handle_notice("here", &told, self.moment(0))
        }
    }

    #[test]
    fn a_difference_is_found_whatever_the_way_takes_and_said_once() {
        for ahead in [-60_000, -5_100, 5_100, 60_000] {
            let (mut world, mut nodes) = (World::new(), <[Clocks; 2]>::default());
            assert_eq!(world.exchange(&mut nodes, ahead, 400, 7_000), Some(Found::Apart(ahead)));
            assert_eq!(world.exchange(&mut nodes, ahead, 3, 9_000), None);
            assert_eq!(nodes[0].largest(), ahead.unsigned_abs());
            assert_eq!(world.exchange(&mut nodes, 0, 3, 9_000), Some(Found::Together(0)));
            assert_eq!(world.exchange(&mut nodes, ahead, 3, 9_000), Some(Found::Apart(ahead)));
        }
    }

    #[test]
    fn what_is_borne_is_not_said() {
        let (mut world, mut nodes) = (World::new(), <[Clocks; 2]>::default());
        for ahead in [0, 4_900, -4_900] {
            assert_eq!(world.exchange(&mut nodes, ahead, 20, 5_000), None, "{ahead}");
            assert_eq!(nodes[0].largest(), ahead.unsigned_abs());
        }
    }

    #[test]
    fn what_was_held_up_on_its_way_says_nothing_of_clocks() {
        let (mut world, mut nodes) = (World::new(), <[Clocks; 2]>::default());
        assert_eq!(world.exchange(&mut nodes, 0, 20_000, 5_000), None);
        assert_eq!(nodes[0].largest(), 0);
        // An answer to what was told before the last time cannot be measured either.
        let told = nodes[1].tell("there", world.moment(60_000));
        nodes[0].tell("here", world.moment(0));
        assert_eq!(nodes[0].handle_notice("here", &told, world.moment(0)), None);
    }

    #[test]
    fn a_node_that_is_gone_is_compared_no_longer_and_no_crowd_fills_the_memory() {
        let (mut world, mut nodes) = (World::new(), <[Clocks; 2]>::default());
        world.exchange(&mut nodes, 60_000, 3, 9_000);
        world.now += millis(GONE_AFTER);
        nodes[0].tell("here", world.moment(0));
        assert_eq!(nodes[0].largest(), 0);
        for number in 0..1_000 {
            let notice = ClockNotice { node: number.to_string(), at: 0, heard: vec![] };
            nodes[0].handle_notice("here", &notice, world.moment(0));
        }
        assert_eq!(nodes[0].others.len(), MOST_NODES);
    }
}
