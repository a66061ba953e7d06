//! Durable appends per second of the embedded store, on the disk of the folder given (default: the system's for
//! temporary files); or of a Redis, whose data grows.
//!
//! ```text
//! cargo run --release -p store --example appends -- [FOLDER | REDIS_URL [REPLICAS]]
//! ```

// A program for people: its output is its purpose.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use conversation::{Body, ConversationId, Event, MessageId, Seq};
use store::embedded::{EmbeddedStore, Options};
use store::{Append, Appended, Fence, RedisStore, Store};
use tokio::task::JoinSet;

/// The text of an ordinary message, in bytes.
const TEXT_BYTES: usize = 200;

const DURATION: Duration = Duration::from_secs(5);

const WRITERS: [u32; 4] = [1, 8, 64, 1024];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1) {
        Some(url) if url.starts_with("redis") => on_redis(&url).await,
        folder => on_disk(folder.map_or_else(std::env::temp_dir, PathBuf::from)).await,
    }
}

async fn on_redis(url: &str) -> anyhow::Result<()> {
    let replicas = std::env::args().nth(2).map_or(Ok(0), |replicas| replicas.parse())?;
    println!("machine: {}", machine());
    println!("message: {TEXT_BYTES} bytes of text, {} s each, every append in a due index", DURATION.as_secs());
    println!();
    println!("| store | writers | appends | per second | median ms | p99 ms |");
    println!("|---|---|---|---|---|---|");
    for writers in WRITERS {
        // Names of its own for each row: every writer begins a conversation.
        let prefix = format!("appends-{}-{writers}", std::process::id());
        let store = RedisStore::connect(url, store::redis::Options { replicas, prefix }).await?;
        row(&format!("Redis, {replicas} replicas"), store, writers).await?;
    }
    Ok(())
}

async fn on_disk(parent: PathBuf) -> anyhow::Result<()> {
    let dir = tempfile::TempDir::new_in(&parent).with_context(|| format!("make a folder in {}", parent.display()))?;
    println!("machine: {}", machine());
    println!("disk: {} ({} syncs of 4 KiB a second)", parent.display(), syncs_per_second(dir.path())?);
    println!("message: {TEXT_BYTES} bytes of text, {} s each, every append in a due index", DURATION.as_secs());
    println!();
    println!("| store | writers | appends | per second | median ms | p99 ms |");
    println!("|---|---|---|---|---|---|");
    for writers in WRITERS {
        let folder = dir.path().join(writers.to_string());
        row("file", EmbeddedStore::open(&folder, Options::default())?, writers).await?;
    }
    for writers in WRITERS {
        row("memory", EmbeddedStore::memory(Options::default())?, writers).await?;
    }
    Ok(())
}

async fn row(name: &str, store: impl Store, writers: u32) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut times = measure(Arc::new(store), writers).await?;
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    let per_second = times.len() as f64 / seconds;
    println!("| {name} | {writers} | {} | {per_second:.0} | {:.2} | {:.2} |", times.len(), at(0.5), at(0.99));
    Ok(())
}

/// How long each append took. Every writer has a conversation of its own, and appends as fast as it is answered.
async fn measure(store: Arc<dyn Store>, writers: u32) -> anyhow::Result<Vec<Duration>> {
    let end = Instant::now() + DURATION;
    let mut tasks = JoinSet::new();
    for writer in 1..=writers {
        let conversation = ConversationId::new("shop", &format!("v{writer}"), 1)?;
        tasks.spawn(write(store.clone(), conversation, end));
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(times)
}

async fn write(store: Arc<dyn Store>, conversation: ConversationId, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let text: Arc<str> = "x".repeat(TEXT_BYTES).into();
    let mut times = Vec::new();
    for seq in 1.. {
        let started = Instant::now();
        if started >= end {
            break;
        }
        let event = event(seq, &text);
        let (due, previous_at) = (Some(seq.into()), if seq == 1 { 0 } else { event.at });
        let append = Append { conversation: &conversation, event: &event, due, fence: Fence::Open, previous_at };
        if store.append_at(append).await? != Appended::Stored {
            bail!("{conversation} has one writer, and yet event {seq} was taken");
        }
        times.push(started.elapsed());
    }
    Ok(times)
}

fn event(seq: Seq, text: &Arc<str>) -> Event {
    let body = Body::VisitorMessage { id: MessageId([7; 16]), text: text.clone() };
    Event { seq, at: 1_790_000_000_000, body }
}

/// What the disk gives without any store: one write and one sync at a time.
fn syncs_per_second(dir: &Path) -> anyhow::Result<u64> {
    let mut file = File::create(dir.join("syncs"))?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let started = Instant::now();
    let mut syncs = 0;
    while started.elapsed() < Duration::from_secs(1) {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(syncs)
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores, {}, {}", model.map_or("unknown processor", |(_, name)| name), std::env::consts::OS)
}
