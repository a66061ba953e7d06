//! The model budget in real time: callers in processes of their own, a real Redis between them, and the mock provider.
//!
//! A caller is a process with the very budget that a node holds ([`conn_node::budget`]), which asks the provider itself
//! where a node would invoke the function. Each cell takes a minute: the quota is halved after a third and doubled after two.

mod caller;
mod figures;

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use provider::{Counting, HeaderStyle, Latency, Provider, QuotaOptions, Settings};
use servers::{RedisOptions, RedisServer};
use tokio::process::{Child, Command};

use crate::table::Table;
pub(crate) use caller::{Caller, run_caller};
use figures::{Figures, Summary};

/// A turn takes about so many tokens, as the provider counts: the question, and the answer as it is sent.
const TURN_TOKENS: u64 = 500;

/// How long all callers may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is varied.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many callers; several are tried one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 32])]
    callers: Vec<usize>,
    /// What callers know: `headers`, or `nothing`
    #[arg(long, value_delimiter = ',', default_values_t = ["headers".to_owned(), "nothing".to_owned()])]
    known: Vec<String>,
    /// The provider's window, milliseconds
    #[arg(long, value_delimiter = ',', default_values_t = [1_000])]
    window_ms: Vec<u64>,
    /// How long one cell takes, seconds
    #[arg(long, default_value_t = 54)]
    seconds: u64,
    /// The provider's tokens a minute; its requests are twice what that allows
    #[arg(long, default_value_t = 900_000)]
    tokens_per_minute: u64,
    /// Demand, percent of the quota
    #[arg(long, default_value_t = 150)]
    demand: u64,
    /// Prints what happened in each second
    #[arg(long)]
    by_second: bool,
}

/// One cell of the table.
#[derive(Debug, Clone, Copy)]
struct Cell<'o> {
    options: &'o Options,
    callers: usize,
    has_headers: bool,
    window_ms: u64,
}

/// Runs all cells and prints the table.
///
/// # Errors
/// A server or a caller does not start, or does not end.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let head = ["known", "callers", "window", "used", "429s", "halved", "doubled", "Jain", "wait p50", "fell back"];
    let mut table = Table::new(&head);
    for known in &options.known {
        for callers in &options.callers {
            for window_ms in &options.window_ms {
                let has_headers = known != "nothing";
                let cell = Cell { options, callers: *callers, has_headers, window_ms: *window_ms };
                let figures = cell.run().await?;
                if options.by_second {
                    println!("{known}, {callers} callers: {}", figures.by_second);
                }
                table.row(figures.row(known, *callers, *window_ms));
            }
        }
    }
    println!("{table}");
    Ok(())
}

impl Cell<'_> {
    async fn run(self) -> anyhow::Result<Figures> {
        let redis = RedisServer::start(RedisOptions::default())?;
        let provider = Provider::start(provider::Options::with(self.settings())).await?;
        let callers: Vec<Child> =
            (0..self.callers).map(|number| self.caller(number, &redis, &provider)).collect::<anyhow::Result<_>>()?;
        let third = Duration::from_secs(self.options.seconds / 3);
        provider.reset_counts();
        tokio::time::sleep(third).await;
        provider.scale_quota(0.5)?;
        tokio::time::sleep(third).await;
        provider.scale_quota(2.0)?;
        tokio::time::sleep(third).await;
        let mut seconds = provider.seconds();
        // The last one has just begun.
        seconds.truncate(3 * (self.options.seconds / 3) as usize);
        let mut summaries = Vec::new();
        for caller in callers {
            let output = tokio::time::timeout(PATIENCE, caller.wait_with_output()).await;
            let output = output.context("a caller does not end")??;
            anyhow::ensure!(output.status.success(), "a caller failed: {}", String::from_utf8_lossy(&output.stderr));
            summaries.push(serde_json::from_slice::<Summary>(&output.stdout).context("a caller said something else")?);
        }
        Ok(Figures::new(&seconds, &summaries))
    }

    fn settings(self) -> Settings {
        let tokens = self.options.tokens_per_minute;
        let quota = QuotaOptions {
            requests_per_minute: Some(2 * tokens / TURN_TOKENS),
            tokens_per_minute: Some(tokens),
            window_ms: self.window_ms,
            counting: Counting::Actual,
            count_failed: true,
        };
        let mut settings = Settings { quota, ..Settings::default() };
        settings.headers = if self.has_headers { HeaderStyle::OpenAi } else { HeaderStyle::None };
        settings.answers.tokens = Some(40);
        settings.answers.first_token_ms = Latency::LogNormal { median: 80.0, p99: 400.0 };
        settings.answers.per_token_ms = Latency::Fixed(5.0);
        settings
    }

    fn caller(self, number: usize, redis: &RedisServer, provider: &Provider) -> anyhow::Result<Child> {
        let per_second = self.options.tokens_per_minute as f64 / 60.0 / TURN_TOKENS as f64;
        let caller = Caller {
            name: format!("caller-{number}"),
            store: redis.url(),
            provider: provider.url(),
            per_second: per_second * self.options.demand as f64 / 100.0 / self.callers as f64,
            seconds: self.options.seconds,
            seed: number as u64 + 1,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("budget-caller").args(caller.arguments()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("a caller does not start")
    }
}
