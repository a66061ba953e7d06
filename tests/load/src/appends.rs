//! Appends per second of each store, and what the store keeps of a message.

mod kept;
mod place;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use conversation::{Body, ConversationId, Event, MessageId};
use store::{Append, Appended, Fence, Store};
use tokio::task::JoinSet;

use crate::samples::Samples;
use crate::table::Table;
use place::Place;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Which store: `embedded`; `redis`; `redis-cluster`, three primaries and three replicas; `dynamodb`, which is an imitation
    /// in this process and shows nothing of the service's speed (built with `--features dynamodb`)
    #[arg(long, value_enum, default_value = "embedded")]
    store: place::Kind,
    /// Writers at once, each with a conversation of its own, each waiting for its append before the next
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    writers: Vec<usize>,
    /// For how long, each
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The folder to make the embedded store's data folder in, on the disk to be measured; else the one of this program. A Redis
    /// keeps its file where temporary files are (TMPDIR)
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How many replicas must have a write before it counts (WAIT); Redis only. As many are started for one Redis
    #[arg(long, default_value_t = 0)]
    replicas: u32,
    /// When Redis's file is synced; `off`: there is none
    #[arg(long, value_enum, default_value = "everysec")]
    appendfsync: place::Sync,
    /// Messages that are stored to see what the store keeps of each: half of them questions of 60 bytes, half answers of 400,
    /// ten in a conversation. 0: leave that out
    #[arg(long, default_value_t = 50_000)]
    messages: u32,
}

/// A message of ordinary length: 60 bytes.
const TEXT: &str = "Do you ship jasmine tea to Norway, and how long does it take";

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut table = Table::new(&["store", "writers", "n", "median", "p99", "largest", "appends per second"]);
    let mut about = String::new();
    for writers in &options.writers {
        // A new one each time: what was written before must not count.
        let place = Place::prepare(options).await?;
        place.is_ready().await?;
        let began = Instant::now();
        let until = began + Duration::from_secs(options.seconds);
        let mut tasks = JoinSet::new();
        for writer in 0..*writers {
            tasks.spawn(append(Arc::clone(&place.store), writer, until));
        }
        let mut samples = Samples::default();
        while let Some(written) = tasks.join_next().await {
            samples.extend(written??);
        }
        let rate = samples.len() as f64 / began.elapsed().as_secs_f64();
        let [n, median, p99, largest] = samples.cells();
        table.row([&place.name, &writers.to_string(), &n, &median, &p99, &largest, &format!("{rate:.0}")]);
        about.clone_from(&place.about);
    }
    println!("{table}");
    println!("Messages of {} bytes, each with a due time. {about}", TEXT.len());
    if options.messages > 0 {
        let place = Place::prepare(options).await?;
        place.is_ready().await?;
        println!("\n{}", kept::measure(&place, options.messages).await?);
    }
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
