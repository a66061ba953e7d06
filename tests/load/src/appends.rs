//! Durable appends per second of the embedded store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use conversation::{Body, ConversationId, Event, MessageId};
use store::embedded::{EmbeddedStore, Options as StoreOptions};
use store::{Append, Appended, Fence, Store};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::samples::Samples;
use crate::table::Table;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// For how long, each
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The folder to make the data folder in, on the disk to be measured; else the one of this program
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Writers at once, each with a conversation of its own, each waiting for its append before the next.
const WRITERS: [usize; 3] = [1, 64, 1024];

/// A message of ordinary length.
const TEXT: &str = "Do you ship the jasmine tea to Norway, and how long does it take?";

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let parent = match &options.folder {
        Some(folder) => folder.clone(),
        None => program.parent().context("this program has no folder")?.to_owned(),
    };
    let mut table = Table::new(&["writers", "n", "median", "p99", "largest", "appends per second"]);
    for writers in WRITERS {
        let folder = TempDir::with_prefix_in("load-", &parent)?;
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path(), StoreOptions::default())?);
        let began = Instant::now();
        let until = began + Duration::from_secs(options.seconds);
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            tasks.spawn(append(Arc::clone(&store), writer, until));
        }
        let mut samples = Samples::default();
        while let Some(written) = tasks.join_next().await {
            samples.extend(written??);
        }
        let rate = samples.len() as f64 / began.elapsed().as_secs_f64();
        let [n, median, p99, largest] = samples.cells();
        table.row([&writers.to_string(), &n, &median, &p99, &largest, &format!("{rate:.0}")]);
    }
    println!("{table}");
    println!("Each append is answered after an fsync that covers it. Data on {}", filesystem(&parent));
    Ok(())
}

async fn append(store: Arc<dyn Store>, writer: usize, until: Instant) -> anyhow::Result<Samples> {
    let conversation = ConversationId::new("shop", &format!("v{writer}"), 1)?;
    let mut samples = Samples::default();
    for seq in 1.. {
        let began = Instant::now();
        if began >= until {
            break;
        }
        let id = MessageId((((writer as u128) << 64) | u128::from(seq)).to_le_bytes());
        let event = Event { seq, at: 1_790_000_000_000, body: Body::VisitorMessage { id, text: TEXT.into() } };
        let due = Some(1_790_000_030_000);
        let previous_at = if seq == 1 { 0 } else { event.at };
        let append = Append { conversation: &conversation, event: &event, due, fence: Fence::Open, previous_at };
        let appended = store.append_at(append).await?;
        ensure!(appended == Appended::Stored, "an append at a free seq was refused");
        samples.push(began.elapsed());
    }
    Ok(samples)
}

/// The type of the file system that `path` is on, from /proc/mounts.
fn filesystem(path: &std::path::Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    let longest = mounts.lines().filter_map(fields).filter(|(on, _)| path.starts_with(on));
    longest.max_by_key(|(on, _)| on.len()).map_or("an unknown file system".to_owned(), |(_, kind)| kind)
}
