//! Carries the plan out.

use std::sync::Arc;
use std::time::Duration;

use client::Random;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backing::Act;
use crate::cluster::Cluster;
use crate::schedule::{Fault, Link, Step, Trouble};
use crate::tally::Tally;
use crate::wire::{Cut, Weather};

/// Breaks what the plan says and mends it again. What cannot be broken or mended is counted as wrong.
pub(crate) async fn run(cluster: &Arc<Cluster>, plan: Vec<Step>, random: &mut Random, tally: &Arc<Tally>) {
    let began = Instant::now();
    let mut under_way = JoinSet::new();
    for Step { at, fault } in plan {
        sleep_until(began + at).await;
        let (cluster, tally, random) = (Arc::clone(cluster), Arc::clone(tally), random.fork());
        under_way.spawn(async move {
            if let Err(error) = carry_out(&cluster, fault, random, &tally).await {
                tally.wrong(format!("{fault:?}: {error:#}"));
            }
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

async fn carry_out(cluster: &Cluster, fault: Fault, random: Random, tally: &Tally) -> anyhow::Result<()> {
    match fault {
        Fault::CutSockets { count, how } => cut_sockets(cluster, count, how, random, tally),
        Fault::CutNode { node, how } => {
            let cut = cluster.wire(node, Link::Visitors).map_or(0, |wire| wire.cut_all(how));
            tally.add("nodes cut from all visitors", 1);
            tally.add(cuts_named(how), cut);
        }
        Fault::KillNode { node, down } => kill_node(cluster, node, down, tally).await?,
        Fault::PauseNode { node, lasts } => pause_node(cluster, node, lasts, tally).await?,
        Fault::DrainNode { node } => drain_node(cluster, node, tally).await?,
        Fault::RestartStore { server, down } => restart_store(cluster, server, down, tally).await?,
        Fault::PauseStore { server, lasts } => pause_store(cluster, server, lasts, tally).await?,
        Fault::RestartBus { down } => restart_bus(cluster, down, tally).await?,
        Fault::Trouble { node, to, trouble, lasts } => make_trouble(cluster, node, to, trouble, lasts, tally).await,
    }
    Ok(())
}

fn cut_sockets(cluster: &Cluster, count: u32, how: Cut, mut random: Random, tally: &Tally) {
    let cut = (0..count).filter(|_| cluster.balancer.cut_one(how, &mut random)).count();
    tally.add(cuts_named(how), cut as u64);
}

async fn kill_node(cluster: &Cluster, node: usize, down: Duration, tally: &Tally) -> anyhow::Result<()> {
    let Some(mut node) = cluster.free_node(node) else { return skip(tally) };
    let killed = node.kill().await;
    tally.add("nodes killed", 1);
    sleep(down).await;
    node.start_again()?;
    killed
}

async fn pause_node(cluster: &Cluster, node: usize, lasts: Duration, tally: &Tally) -> anyhow::Result<()> {
    let Some(mut node) = cluster.free_node(node) else { return skip(tally) };
    let paused = node.pause();
    tally.add("nodes paused", 1);
    sleep(lasts).await;
    let resumed = node.resume();
    node.start_again()?;
    paused.and(resumed)
}

async fn drain_node(cluster: &Cluster, node: usize, tally: &Tally) -> anyhow::Result<()> {
    let Some(mut node) = cluster.free_node(node) else { return skip(tally) };
    let drained = node.drain().await;
    tally.add("nodes drained and replaced", 1);
    node.start_again()?;
    drained
}

fn skip(tally: &Tally) -> anyhow::Result<()> {
    tally.add("faults left out: what they break was broken already", 1);
    Ok(())
}

async fn restart_bus(cluster: &Cluster, down: Duration, tally: &Tally) -> anyhow::Result<()> {
    let Ok(_mine) = cluster.bus_in_trouble.try_lock() else { return skip(tally) };
    cluster.backing.act_on_bus(Act::Kill).await?;
    tally.add("bus killed and restarted", 1);
    sleep(down).await;
    cluster.backing.act_on_bus(Act::Restart).await
}

/// In a cluster, a primary: its replica has the time to take over before it comes back.
async fn restart_store(cluster: &Cluster, any: usize, down: Duration, tally: &Tally) -> anyhow::Result<()> {
    let Ok(_mine) = cluster.store_in_trouble.try_lock() else { return skip(tally) };
    let server = cluster.backing.primary_of(any).await?;
    cluster.backing.act_on_store(server, Act::Kill).await?;
    tally.add("store killed and restarted", 1);
    sleep(down).await;
    if cluster.backing.primary_of(any).await? != server {
        tally.add("replicas that took over", 1);
    }
    cluster.backing.act_on_store(server, Act::Restart).await
}

async fn pause_store(cluster: &Cluster, server: usize, lasts: Duration, tally: &Tally) -> anyhow::Result<()> {
    let Ok(_mine) = cluster.store_in_trouble.try_lock() else { return skip(tally) };
    cluster.backing.act_on_store(server, Act::Pause).await?;
    tally.add("store paused", 1);
    sleep(lasts).await;
    cluster.backing.act_on_store(server, Act::Resume).await
}

async fn make_trouble(cluster: &Cluster, node: usize, to: Link, trouble: Trouble, lasts: Duration, tally: &Tally) {
    let Some(wire) = cluster.wire(node, to) else { return };
    tally.add(troubles_named(to, trouble), 1);
    wire.change(|weather| begin(weather, trouble));
    if trouble == Trouble::Refuses {
        count_cuts(wire.cut_all(Cut::Reset), to, tally);
    }
    sleep(lasts).await;
    if trouble == (Trouble::Stalls { ends_in_cut: true }) {
        count_cuts(wire.cut_all(Cut::Reset), to, tally);
    }
    wire.change(|weather| end(weather, trouble));
}

fn begin(weather: &mut Weather, trouble: Trouble) {
    match trouble {
        Trouble::Refuses => weather.refuses = true,
        Trouble::Stalls { .. } => weather.stalls = true,
        Trouble::Delays(by) => weather.delay = by,
    }
}

fn end(weather: &mut Weather, trouble: Trouble) {
    match trouble {
        Trouble::Refuses => weather.refuses = false,
        Trouble::Stalls { .. } => weather.stalls = false,
        Trouble::Delays(_) => weather.delay = Duration::ZERO,
    }
}

fn count_cuts(cuts: u64, to: Link, tally: &Tally) {
    let name = match to {
        Link::Visitors => cuts_named(Cut::Reset),
        Link::Store => "connections to the store cut",
        Link::Bus => "connections to the bus cut",
    };
    tally.add(name, cuts);
}

fn cuts_named(how: Cut) -> &'static str {
    match how {
        Cut::Reset => "visitors' connections cut by a reset",
        Cut::Close => "visitors' connections cut by a close",
        Cut::Silence => "visitors' connections cut in silence",
    }
}

fn troubles_named(to: Link, trouble: Trouble) -> &'static str {
    match (to, trouble) {
        (Link::Visitors, Trouble::Refuses) => "networks to visitors down",
        (Link::Visitors, Trouble::Stalls { .. }) => "networks to visitors stalled",
        (Link::Visitors, Trouble::Delays(_)) => "networks to visitors slow",
        (Link::Store, Trouble::Refuses) => "networks to the store down",
        (Link::Store, Trouble::Stalls { .. }) => "networks to the store stalled",
        (Link::Store, Trouble::Delays(_)) => "networks to the store slow",
        (Link::Bus, Trouble::Refuses) => "networks to the bus down",
        (Link::Bus, Trouble::Stalls { .. }) => "networks to the bus stalled",
        (Link::Bus, Trouble::Delays(_)) => "networks to the bus slow",
    }
}
