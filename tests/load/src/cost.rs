//! What turns cost on DynamoDB, counted from the capacity that the server says was consumed.
//!
//! Counted twice: by one store that is given what a node asks of it for a turn, and by real nodes with real visitors, with all
//! that nodes do besides. The server is dynoxide in this process: it counts as DynamoDB does, and its times mean nothing.

mod direct;
mod nodes;
mod units;

use std::time::Duration;

use crate::Target;
use crate::table::Table;
use units::Units;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Turns per second, at one store
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    rates: Vec<u32>,
    /// Turns of one conversation, at one store
    #[arg(long, value_delimiter = ',', default_value = "1,4,10")]
    turns: Vec<u32>,
    /// Seconds of each; 0: leave this part out
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How many nodes, in the second part
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    nodes: Vec<u16>,
    /// Turns per second, over all nodes
    #[arg(long, value_delimiter = ',', default_value = "10,100")]
    node_rates: Vec<u32>,
    /// Turns of one visitor at nodes, who then leaves
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    node_turns: u32,
    /// Seconds of each; 0: leave this part out
    #[arg(long, default_value_t = 10)]
    node_seconds: u64,
    /// Seconds in which nodes are watched doing nothing
    #[arg(long, default_value_t = 12)]
    idle_seconds: u64,
    /// How long after its question an answer comes, milliseconds
    #[arg(long, default_value_t = 200)]
    answer_ms: u64,
    /// A turn's deadline, milliseconds: then its due time is looked at. Each measurement lasts as long and a second more
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1_000..=60_000))]
    deadline_ms: u64,
}

/// Bytes of a question's text.
const QUESTION_BYTES: usize = 60;

/// Pieces of an answer: 400 bytes of text.
const ANSWER_PIECES: usize = 80;

impl Options {
    /// From the last answer until nothing that turns have caused is still to be looked at.
    fn rest(&self) -> Duration {
        Duration::from_millis(self.deadline_ms + 1_500)
    }
}

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(target.url.is_none(), "nodes are started on a DynamoDB of this program's own");
    if options.seconds > 0 {
        let mut table = Table::new(&HEAD);
        for rate in &options.rates {
            for turns in &options.turns {
                let counted = direct::measure(options, *rate, *turns).await?;
                counted.row(&mut table, "one store");
            }
        }
        println!("{table}");
    }
    if options.node_seconds > 0 {
        let (mut table, mut idle) = (Table::new(&HEAD), Table::new(&IDLE_HEAD));
        for count in &options.nodes {
            nodes::measure(target, options, *count, &mut table, &mut idle).await?;
        }
        println!("{table}\n{idle}");
        println!("Nodes at rest look for due times, at the store, and at the lease for the life of conversations.");
    }
    println!("{} a million write units, {} a million read units (on demand).", units::WRITE_PRICE, units::READ_PRICE);
    println!("Questions of {QUESTION_BYTES} bytes, answers of 400; each conversation is opened once by a new visitor.");
    Ok(())
}

const HEAD: [&str; 8] = [
    "counted by",
    "turns per second",
    "reached",
    "turns per conversation",
    "n",
    "WRU per turn",
    "RRU per turn",
    "$ per million turns",
];

const IDLE_HEAD: [&str; 4] = ["nodes", "WRU per node and minute", "RRU per node and minute", "$ per node and day"];

/// What many turns consumed.
#[derive(Debug)]
struct Counted {
    rate: u32,
    per_conversation: u32,
    turns: u64,
    /// Of the turns, without what comes after them.
    took: Duration,
    units: Units,
}

impl Counted {
    fn row(&self, table: &mut Table, by: &str) {
        let each = self.units.per(self.turns as f64);
        table.row([
            by,
            &self.rate.to_string(),
            &format!("{:.0}", self.turns as f64 / self.took.as_secs_f64()),
            &self.per_conversation.to_string(),
            &self.turns.to_string(),
            &format!("{:.3}", each.write),
            &format!("{:.3}", each.read),
            &format!("{:.3}", each.dollars_per_million()),
        ]);
    }
}
