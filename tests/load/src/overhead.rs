//! What node and function add to the time to the first token: all of it less the provider's own.
//!
//! The whole way is run as processes: visitors (this program), node, the emulator's invoke API, a process of `ai` for each
//! turn that runs, and the mock provider (in this program). The provider's own time is from a request that is read to the
//! first token that is handed to its socket, both by its own clock; what the kernel and this program need to carry and read
//! bytes counts as added.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use client::{Address, Random};
use protocol::v1::server_frame::Kind;
use protocol::v1::{self, event};
use provider::{Latency, Provider, unix_us};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::node::{SETTINGS, free_address, until_ready};
use crate::samples::Samples;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::Visitor;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The executable of `local-dev` [default: the one beside this program]
    #[arg(long)]
    local_dev: Option<PathBuf>,
    /// Turns one after the other
    #[arg(long, default_value_t = 500)]
    turns: usize,
    /// Streams at once, in the second part; 0 leaves it out
    #[arg(long, default_value_t = 512)]
    streams: usize,
    /// Seconds of the second part
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Milliseconds until the provider's first token
    #[arg(long, default_value_t = 100)]
    first_token_ms: u32,
    /// Milliseconds from token to token
    #[arg(long, default_value_t = 100)]
    per_token_ms: u32,
    /// Tokens of an answer
    #[arg(long, default_value_t = 30)]
    tokens: usize,
    /// How many turns a process of the function runs at once; several numbers are tried one after the other, as in 1,64
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    turns_per_process: Vec<u8>,
}

/// Turns at the start that are looked at one by one: the first of all, and then those that are not counted.
const WARM_UP: usize = 20;

/// How long all processes may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a turn may take. One that takes longer is dropped, and ends nothing else.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// From one visitor's first turn to the next one's, in the second part: so that the function's processes are not all started
/// in the same moment.
const APART: Duration = Duration::from_millis(20);

/// What a turn's visitor saw, Unix microseconds.
#[derive(Debug, Clone, Copy)]
struct Seen {
    sent: u64,
    /// By the provider's own stamp.
    written: u64,
    first_token: u64,
}

/// Everything between a visitor and the provider.
struct Frontdesk {
    address: Address,
    child: Child,
    _folder: TempDir,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    for at_once in &options.turns_per_process {
        let table = measure(options, *at_once).await?;
        println!("Turns that a process of the function runs at once: {at_once}\n\n{table}");
    }
    println!("Time to the first token without the provider's own, of {} ms.", options.first_token_ms);
    Ok(())
}

/// All processes are started anew, so that none has done anything before.
async fn measure(options: &Options, turns_per_process: u8) -> anyhow::Result<Table> {
    let provider = Provider::start(provider::Options::default()).await?;
    provider.change(|settings| {
        settings.answers.stamp = true;
        settings.answers.tokens = Some(2);
        settings.answers.first_token_ms = Latency::Fixed(f64::from(options.first_token_ms));
        settings.answers.per_token_ms = Latency::Fixed(f64::from(options.per_token_ms));
    })?;
    let frontdesk = Frontdesk::start(options, turns_per_process, &provider.url()).await?;
    let mut sources = Sources::new(std::process::id());
    let mut table = Table::new(&["turns", "n", "median", "p99", "largest", "dropped"]);

    let visitor = Visitor::join(&frontdesk.address, "shop", sources.next(), "").await?;
    // In a task, as all others are: the thread that waits for the end of everything is woken later than those that read.
    let alone = tokio::spawn(one_at_a_time(visitor, WARM_UP + options.turns)).await??;
    let added = added(&provider, &alone)?;
    row(&mut table, "the first after the start", &added[..1], 0);
    if let Some(hundredth) = added.get(99) {
        row(&mut table, "the hundredth", std::slice::from_ref(hundredth), 0);
    }
    row(&mut table, "one at a time", &added[WARM_UP..], 0);

    if options.streams > 0 {
        provider.change(|settings| settings.answers.tokens = Some(options.tokens))?;
        let (added, dropped) = at_once(&frontdesk, &provider, options, &mut sources).await?;
        row(&mut table, &format!("{} streams at once", options.streams), &added, dropped);
    }
    frontdesk.stop().await?;
    Ok(table)
}

async fn one_at_a_time(mut visitor: Visitor, turns: usize) -> anyhow::Result<Vec<Seen>> {
    let mut random = Random::new(1);
    let mut seen = Vec::with_capacity(turns);
    for _ in 0..turns {
        seen.push(take_turn(&mut visitor, &mut random).await?);
    }
    Ok(seen)
}

fn row(table: &mut Table, turns: &str, added: &[Duration], dropped: usize) {
    let mut samples = Samples::default();
    added.iter().for_each(|added| samples.push(*added));
    let [n, median, p99, largest] = samples.cells();
    table.row([turns, &n, &median, &p99, &largest, &dropped.to_string()]);
}

/// Visitors who ask again as soon as they are answered, at moments of their own. The first round starts the function's
/// processes and is not counted. Also how many turns had no whole answer.
async fn at_once(
    frontdesk: &Frontdesk,
    provider: &Provider,
    options: &Options,
    sources: &mut Sources,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    let mut starting = JoinSet::new();
    let began = Instant::now();
    for number in 0..options.streams {
        let mut visitor = Visitor::join(&frontdesk.address, "shop", sources.next(), "").await?;
        starting.spawn(async move {
            sleep_until(began + APART * number as u32).await;
            take_turn(&mut visitor, &mut Random::new(number as u64)).await?;
            anyhow::Ok(visitor)
        });
    }
    let mut visitors = Vec::new();
    while let Some(visitor) = starting.join_next().await {
        visitors.push(visitor??);
    }
    let asked_before = provider.counts().requests.received;
    let answer = Duration::from_millis(u64::from(options.first_token_ms))
        + Duration::from_millis(u64::from(options.per_token_ms)) * options.tokens as u32;
    let began = Instant::now();
    let end = began + Duration::from_secs(options.seconds);
    let mut talking = JoinSet::new();
    for (number, mut visitor) in visitors.into_iter().enumerate() {
        let mut random = Random::new((options.streams + number) as u64);
        talking.spawn(async move {
            sleep_until(began + answer.mul_f64(random.fraction())).await;
            let (mut seen, mut dropped) = (Vec::new(), 0);
            while Instant::now() < end {
                match take_turn(&mut visitor, &mut random).await {
                    Ok(turn) => seen.push(turn),
                    Err(error) => {
                        eprintln!("a turn was dropped: {error:#}");
                        dropped += 1;
                        break;
                    }
                }
            }
            (seen, dropped)
        });
    }
    let (mut seen, mut dropped) = (Vec::new(), 0);
    while let Some(talked) = talking.join_next().await {
        let (turns, lost) = talked?;
        seen.extend(turns);
        dropped += lost;
    }
    let asked = provider.counts().requests.received - asked_before;
    ensure!(dropped > 0 || asked == seen.len() as u64, "the provider was asked {asked} times for {} turns", seen.len());
    Ok((added(provider, &seen)?, dropped))
}

/// Asks, and waits for the whole answer.
async fn take_turn(visitor: &mut Visitor, random: &mut Random) -> anyhow::Result<Seen> {
    timeout(LONGEST_TURN, ask(visitor, random)).await.context("a turn that does not end")?
}

async fn ask(visitor: &mut Visitor, random: &mut Random) -> anyhow::Result<Seen> {
    let sent = unix_us();
    visitor.say(random, "How long does it take?".to_owned()).await?;
    let mut first = None;
    loop {
        match visitor.next().await? {
            Kind::Delta(delta) if first.is_none() => {
                let written = provider::stamps(&delta.text).next().context("a delta without the provider's stamp")?;
                first = Some(Seen { sent, written, first_token: unix_us() });
            }
            Kind::Event(v1::Event { body: Some(event::Body::Answer(answer)), .. }) => {
                ensure!(answer.end() == v1::AnswerEnd::Complete, "an answer ended as {:?}", answer.end());
                return first.context("an answer without a delta");
            }
            Kind::Error(error) => anyhow::bail!("the node refuses: {}", error.message),
            _ => {}
        }
    }
}

/// What was added to each turn, in their order. The provider's record of a turn is the one whose first token was handed
/// over first after it was stamped.
fn added(provider: &Provider, seen: &[Seen]) -> anyhow::Result<Vec<Duration>> {
    let mut records = provider.records_after(0);
    records.sort_unstable_by_key(|record| record.first_token_us);
    let added = |seen: &Seen| {
        let after = records.partition_point(|record| record.first_token_us < seen.written);
        let record = records.get(after).context("the provider has forgotten a turn: ask for fewer")?;
        let own = record.first_token_us.saturating_sub(record.arrived_us);
        Ok(Duration::from_micros(seen.first_token.saturating_sub(seen.sent).saturating_sub(own)))
    };
    seen.iter().map(added).collect()
}

impl Frontdesk {
    async fn start(options: &Options, turns_per_process: u8, model_url: &str) -> anyhow::Result<Self> {
        let program = match &options.local_dev {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("local-dev"),
        };
        ensure!(program.exists(), "{}: is not there; build it (cargo build --release -p local-dev)", program.display());
        let folder = TempDir::new()?;
        let file = folder.path().join("frontdesk.toml");
        std::fs::write(&file, "[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\n")?;
        let node = free_address()?;
        let mut command = command(&program);
        command
            .args(["--data", "memory", "--demo-port", "0", "--metrics-port", "0", "--functions-port", "0"])
            .args(["--model", "stamped", "--model-url", model_url])
            .args(["--node-port", &node.port().to_string()])
            .args(["--max-functions", &(options.streams + 8).to_string()])
            .args(["--turns-per-process", &turns_per_process.to_string()])
            .arg("--config")
            .arg(&file);
        let mut child = command.spawn().context("local-dev cannot be started")?;
        tokio::select! {
            ready = timeout(PATIENCE, until_ready(node)) => ready.context("the node does not become ready")?,
            ended = child.wait() => anyhow::bail!("local-dev ended before it was ready: {}", ended?),
        }
        Ok(Self { address: Address::of(node), child, _folder: folder })
    }

    /// Tells it to end, and waits until all of its processes have.
    async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        rustix::process::kill_process(id.context("local-dev has ended already")?, rustix::process::Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await.context("local-dev takes too long to end")??;
        Ok(())
    }
}

/// `local-dev` with the keys that every node here has, but for the site's, which its file names.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRONTDESK_")) {
        command.env_remove(name);
    }
    let settings = SETTINGS.iter().filter(|(key, _)| !key.starts_with("SITES_"));
    command.envs(settings.map(|(key, value)| (format!("FRONTDESK_{key}"), value)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}
