//! The provider as a program, for benchmarks.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use provider::{Counting, HeaderStyle, Latency, Options, Provider, RetryAfter};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// A model provider: OpenAI's streamed chat completions, with limits, paces and faults. It prints its addresses as one
/// line of JSON when it is ready, and ends on SIGTERM or SIGINT.
#[derive(Debug, Parser)]
struct Arguments {
    /// A file of options as JSON; what is given below goes before it
    #[arg(long)]
    options: Option<PathBuf>,
    /// HTTP/1.1, and HTTP/2 by prior knowledge; port 0 picks a free one
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The same over TLS
    #[arg(long)]
    tls_listen: Option<SocketAddr>,
    /// Where it is watched and changed
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// The quota's requests per minute
    #[arg(long)]
    requests_per_minute: Option<u64>,
    /// The quota's tokens per minute
    #[arg(long)]
    tokens_per_minute: Option<u64>,
    /// The quota's window: 60000 lets a minute's worth through at once, 1000 a second's
    #[arg(long)]
    window_ms: Option<u64>,
    /// Count the tokens that are used, and not those that are asked for
    #[arg(long)]
    count_actual: bool,
    /// Send no headers about the quota
    #[arg(long)]
    no_headers: bool,
    /// Send no Retry-After
    #[arg(long)]
    no_retry_after: bool,
    /// Until the first token
    #[arg(long)]
    first_token_ms: Option<f64>,
    /// From one token to the next
    #[arg(long)]
    per_token_ms: Option<f64>,
    /// Tokens of every answer
    #[arg(long)]
    tokens: Option<usize>,
    /// Write the moment of writing into every token
    #[arg(long)]
    stamp: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let provider = Provider::start(options(Arguments::parse())?).await?;
    let ready = json!({
        "listen": provider.address(), "tls_listen": provider.tls_address(), "admin_listen": provider.admin_address(),
    });
    let mut output = std::io::stdout();
    writeln!(output, "{ready}").and_then(|()| output.flush()).context("nobody reads the addresses")?;
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}

fn options(arguments: Arguments) -> anyhow::Result<Options> {
    let mut options: Options = match &arguments.options {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?).with_context(|| format!("{}", path.display()))?,
        None => Options::default(),
    };
    options.listen = arguments.listen.unwrap_or(options.listen);
    options.tls_listen = arguments.tls_listen.or(options.tls_listen);
    options.admin_listen = arguments.admin_listen.unwrap_or(options.admin_listen);
    let settings = &mut options.settings;
    settings.quota.requests_per_minute = arguments.requests_per_minute.or(settings.quota.requests_per_minute);
    settings.quota.tokens_per_minute = arguments.tokens_per_minute.or(settings.quota.tokens_per_minute);
    settings.quota.window_ms = arguments.window_ms.unwrap_or(settings.quota.window_ms);
    if arguments.count_actual {
        settings.quota.counting = Counting::Actual;
    }
    if arguments.no_headers {
        settings.headers = HeaderStyle::None;
    }
    if arguments.no_retry_after {
        settings.retry_after = RetryAfter::None;
    }
    if let Some(time) = arguments.first_token_ms {
        settings.answers.first_token_ms = Latency::Fixed(time);
    }
    if let Some(time) = arguments.per_token_ms {
        settings.answers.per_token_ms = Latency::Fixed(time);
    }
    settings.answers.tokens = arguments.tokens.or(settings.answers.tokens);
    settings.answers.stamp |= arguments.stamp;
    Ok(options)
}
