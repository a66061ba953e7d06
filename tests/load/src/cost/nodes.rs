//! Real nodes and visitors: everything that a node asks of its store is counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use client::{Address, Random};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{ANSWER_PIECES, Counted, Options, QUESTION_BYTES, Units};
use crate::Target;
use crate::backing::{BusKind, BusServer, token_keys};
use crate::counting::Meter;
use crate::dynamodb::DynamoDb;
use crate::endpoint::{Endpoint, Pace};
use crate::node::LoadedNode;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::{Heard, Visitor};

/// All nodes, and what they count.
struct Nodes {
    nodes: Vec<LoadedNode>,
    meters: Vec<Meter>,
    sources: Sources,
}

/// A visitor, and how often they have asked.
struct Guest {
    visitor: Visitor,
    turns: u32,
}

/// Measures so many nodes, idle and with visitors, on a table of their own.
///
/// # Errors
/// A node or a server does not start, or a turn fails.
pub(super) async fn measure(
    target: &Target,
    options: &Options,
    count: u16,
    table: &mut Table,
    idle: &mut Table,
) -> anyhow::Result<()> {
    let server = DynamoDb::start().await?;
    let bus = BusServer::start(BusKind::Nats)?;
    let pace =
        Pace { first_token: Duration::from_millis(options.answer_ms), token: Duration::ZERO, tokens: ANSWER_PIECES };
    let endpoint = Endpoint::start(pace, 0).await?;
    let variables = vec![
        ("STORE_URL", server.url()),
        bus.variable(),
        token_keys(),
        ("TURN_DEADLINE_MS", options.deadline_ms.to_string()),
        // Nobody uses the model here, but its times must fit into the turn's.
        ("AI_TOTAL_MS", (options.deadline_ms / 2).to_string()),
        ("AI_FIRST_TOKEN_MS", (options.deadline_ms / 4).to_string()),
        ("AI_CONNECT_MS", (options.deadline_ms / 4).to_string()),
        ("AI_GAP_MS", (options.deadline_ms / 4).to_string()),
    ];
    let mut nodes = Nodes { nodes: Vec::new(), meters: Vec::new(), sources: Sources::new(std::process::id()) };
    for number in 1..=count {
        let name = format!("node-{number}");
        let (node, meter) = LoadedNode::start_counting(target, &name, endpoint.address, &variables).await?;
        nodes.nodes.push(node);
        nodes.meters.push(meter);
    }
    let at_rest = nodes.watch_idle(options, idle, "before the first visitor").await?;
    for rate in &options.node_rates {
        let (counted, seconds) = nodes.serve(options, *rate).await?;
        counted.row(table, &format!("{count} nodes"));
        let units = counted.units - at_rest.per(1.0 / seconds);
        Counted { units, ..counted }.row(table, &format!("{count} nodes, less what they consume at rest"));
    }
    nodes.watch_idle(options, idle, "after visitors").await?;
    for node in nodes.nodes {
        node.kill().await?;
    }
    Ok(())
}

impl Nodes {
    /// What all of them consume in a second without visitors.
    async fn watch_idle(&mut self, options: &Options, table: &mut Table, when: &str) -> anyhow::Result<Units> {
        let (before, began) = (self.consumed().await?, Instant::now());
        sleep(Duration::from_secs(options.idle_seconds)).await;
        let consumed = self.consumed().await? - before;
        let seconds = began.elapsed().as_secs_f64();
        let each = consumed.per(seconds / 60.0 * self.nodes.len() as f64);
        // A day's minutes, as a part of the million that prices are for.
        let dollars = each.dollars_per_million() * 1_440.0 / 1e6;
        table.row([
            format!("{} nodes, {when}", self.nodes.len()),
            format!("{:.1}", each.write),
            format!("{:.1}", each.read),
            format!("{dollars:.4}"),
        ]);
        Ok(consumed.per(seconds))
    }

    async fn consumed(&mut self) -> anyhow::Result<Units> {
        let mut all = Vec::new();
        for meter in &mut self.meters {
            all.push(Units::from(meter.read().await?));
        }
        Ok(all.into_iter().sum())
    }

    /// Visitors come, ask as often as they may, and leave. Also: how many seconds were counted in all.
    async fn serve(&mut self, options: &Options, rate: u32) -> anyhow::Result<(Counted, f64)> {
        let turns = u64::from(rate) * options.node_seconds;
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut idle, mut running) = (VecDeque::<Guest>::new(), JoinSet::new());
        let before = self.consumed().await?;
        let (began, mut joined) = (Instant::now(), 0);
        for turn in 0..turns {
            ticks.tick().await;
            while let Some(ended) = running.try_join_next() {
                let guest: Guest = ended??;
                if guest.turns < options.node_turns {
                    idle.push_back(guest);
                }
            }
            let guest = idle.pop_front();
            let node = &self.nodes[joined % self.nodes.len()];
            let (address, site, source) = (node.address.clone(), node.site.clone(), self.sources.next());
            joined += usize::from(guest.is_none());
            running.spawn(async move {
                let guest = match guest {
                    Some(guest) => guest,
                    None => join(&address, &site, source).await?,
                };
                take_turn(guest, turn).await
            });
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        let took = began.elapsed();
        sleep(options.rest()).await;
        let units = self.consumed().await? - before;
        let counted = Counted { rate, per_conversation: options.node_turns, turns, took, units };
        Ok((counted, began.elapsed().as_secs_f64()))
    }
}

async fn join(address: &Address, site: &str, source: std::net::SocketAddr) -> anyhow::Result<Guest> {
    Ok(Guest { visitor: Visitor::join(address, site, source, "").await?, turns: 0 })
}

async fn take_turn(mut guest: Guest, turn: u64) -> anyhow::Result<Guest> {
    let text = format!("{turn:x<QUESTION_BYTES$}");
    guest.visitor.say(&mut Random::new(turn), text).await?;
    while guest.visitor.hear().await? != Heard::Answer {}
    guest.turns += 1;
    Ok(guest)
}
