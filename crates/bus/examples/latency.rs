//! How long a message takes from one node's bus to another's, on servers of this machine that the program starts and stops:
//! `cargo run --release -p bus --example latency`.

#![allow(clippy::print_stdout, reason = "it is a program that prints figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::nats::NatsBus;
use bus::redis::RedisBus;
use bus::{Bus, LocalBus, Received, Subscription, Topic};
use bytes::Bytes;
use conversation::ConversationId;
use servers::{NatsOptions, NatsServer, RedisCluster, RedisOptions, RedisServer};
use tokio::time::{MissedTickBehavior, interval, sleep};

const MESSAGES: usize = 5_000;
const SUBSCRIPTIONS: u32 = 20_000;

/// As long as an event with a short text.
const PAYLOAD_BYTES: usize = 200;

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1) {
        Some(name) => measure_one(&name).await,
        None => measure_all(),
    }
}

/// Each in a process of its own, because memory that one has freed would be another's.
fn measure_all() -> Result<()> {
    println!(
        "{:<14} {:>20} {:>20} {:>20} {:>16}",
        "p50 / p99, µs", "one at a time", "1,000 a second", "to subscribe", "B/subscription"
    );
    for name in ["local", "redis", "redis-cluster", "nats"] {
        std::process::Command::new(std::env::current_exe()?).arg(name).status()?;
    }
    Ok(())
}

async fn measure_one(name: &str) -> Result<()> {
    match name {
        "local" => {
            let bus: Arc<dyn Bus> = Arc::new(LocalBus::default());
            measure(name, &bus, &bus).await
        }
        "redis" if !servers::missing("redis-server") => {
            let redis = RedisServer::start(RedisOptions::default())?;
            measure(name, &on_redis(&redis.url()).await?, &on_redis(&redis.url()).await?).await
        }
        "redis-cluster" if !servers::missing("redis-server") => {
            let cluster = RedisCluster::start()?;
            measure(name, &on_redis(&cluster.url()).await?, &on_redis(&cluster.url()).await?).await
        }
        "nats" if !servers::missing("nats-server") => {
            let nats = NatsServer::start(NatsOptions::default())?;
            measure(name, &on_nats(&nats.url()).await?, &on_nats(&nats.url()).await?).await
        }
        _ => Ok(()),
    }
}

async fn on_redis(url: &str) -> Result<Arc<dyn Bus>> {
    ready(Arc::new(RedisBus::connect(url).await?)).await
}

async fn on_nats(url: &str) -> Result<Arc<dyn Bus>> {
    ready(Arc::new(NatsBus::connect(url).await?)).await
}

async fn ready(bus: Arc<dyn Bus>) -> Result<Arc<dyn Bus>> {
    for _ in 0..1_000 {
        if bus.ready().await.is_ok() {
            return Ok(bus);
        }
        sleep(Duration::from_millis(10)).await;
    }
    bus.ready().await?;
    Ok(bus)
}

async fn measure(name: &str, here: &Arc<dyn Bus>, there: &Arc<dyn Bus>) -> Result<()> {
    let single = one_at_a_time(here, there).await?;
    let steady = steadily(here, there).await?;
    let (subscribe, each) = subscriptions(there).await?;
    println!("{name:<14} {:>20} {:>20} {:>20} {each:>16}", shown(single), shown(steady), shown(subscribe));
    Ok(())
}

async fn one_at_a_time(here: &Arc<dyn Bus>, there: &Arc<dyn Bus>) -> Result<Vec<Duration>> {
    let topic = topic(1)?;
    let mut subscription = there.subscribe(&topic).await?;
    let mut times = Vec::new();
    for _ in 0..MESSAGES {
        let sent = Instant::now();
        here.publish(&topic, Bytes::from(vec![0; PAYLOAD_BYTES]))?;
        subscription.recv().await;
        times.push(sent.elapsed());
    }
    Ok(times)
}

async fn steadily(here: &Arc<dyn Bus>, there: &Arc<dyn Bus>) -> Result<Vec<Duration>> {
    let topic = topic(2)?;
    let subscription = there.subscribe(&topic).await?;
    let start = Instant::now();
    let reader = tokio::spawn(read(subscription, start));
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..MESSAGES {
        tick.tick().await;
        let mut payload = vec![0; PAYLOAD_BYTES];
        payload[..16].copy_from_slice(&start.elapsed().as_nanos().to_le_bytes());
        here.publish(&topic, payload.into())?;
    }
    reader.await?
}

async fn read(mut subscription: Subscription, start: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while times.len() < MESSAGES {
        let Received::Message(payload) = subscription.recv().await else { anyhow::bail!("messages were lost") };
        let sent = u128::from_le_bytes(payload[..16].try_into()?);
        times.push(start.elapsed().saturating_sub(Duration::from_nanos(u64::try_from(sent)?)));
    }
    Ok(times)
}

async fn subscriptions(bus: &Arc<dyn Bus>) -> Result<(Vec<Duration>, u64)> {
    let topics = (1..=SUBSCRIPTIONS).map(topic).collect::<Result<Vec<_>>>()?;
    let mut held = Vec::with_capacity(topics.len());
    let mut times = Vec::with_capacity(topics.len());
    let before = resident_bytes()?;
    for topic in &topics {
        let asked = Instant::now();
        held.push(bus.subscribe(topic).await?);
        times.push(asked.elapsed());
    }
    let each = resident_bytes()?.saturating_sub(before) / u64::from(SUBSCRIPTIONS);
    Ok((times, each))
}

fn topic(ordinal: u32) -> Result<Topic> {
    Ok(Topic::Conversation(ConversationId::new("shop", "visitor", ordinal).map_err(anyhow::Error::new)?))
}

fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0, Duration::as_micros);
    format!("{} / {}", at(0.50), at(0.99))
}

fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("the kernel tells the memory")?;
    Ok(line.split_whitespace().nth(1).context("in kB")?.parse::<u64>()? * 1024)
}
