//! How late the first byte of a fallback is: where the model hangs, and where the function does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use client::{Address, Random};
use futures_util::StreamExt;
use protocol::function::{AiAnswer, AiLine, AiOutcome, encode_line};
use protocol::v1::server_frame::Kind;
use protocol::v1::{self, event};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Target;
use crate::node::{LoadedNode, Variables};
use crate::samples::Samples;
use crate::sources::Sources;
use crate::table::Table;
use crate::visitor::Visitor;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Turns of each kind
    #[arg(long, default_value_t = 1_000)]
    turns: usize,
    /// Visitors who ask at a time
    #[arg(long, default_value_t = 20)]
    visitors: usize,
    /// `ai.first_token_ms`
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    first_token_ms: u64,
}

/// Turns of each visitor that are not counted: connections to the function are opened then.
const WARM_UP: usize = 2;

/// Who says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangs {
    /// The function waits for its model until its own first-token clock runs out, and answers itself.
    Model(Duration),
    /// The function says nothing at all; the node answers.
    Function,
}

pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(target.url.is_none(), "this program must be the function, so it must start the node itself");
    let first_token = Duration::from_millis(options.first_token_ms);
    let mut table = Table::new(&["what hangs", "who answers", "n", "median", "p99", "largest"]);
    let cases =
        [("the model", "the function", Hangs::Model(first_token)), ("the function", "the node", Hangs::Function)];
    for (what, who, hangs) in cases {
        let functions = serve(hangs).await?;
        let variables = variables(options);
        let node = LoadedNode::start_with(target, "node-1", functions, &variables).await?;
        let mut late = Samples::default();
        let mut asking = JoinSet::new();
        let mut sources = Sources::new(std::process::id());
        for number in 0..options.visitors {
            let turns = options.turns.div_ceil(options.visitors);
            let places = (0..WARM_UP + turns).map(|_| sources.next()).collect();
            let place = Place { address: node.address.clone(), site: node.site.clone(), sources: places };
            asking.spawn(ask(place, Random::new(number as u64), first_token));
        }
        while let Some(asked) = asking.join_next().await {
            late.extend(asked??);
        }
        let [n, median, p99, largest] = late.cells();
        table.row([what, who, &n, &median, &p99, &largest]);
    }
    println!("{table}");
    println!(
        "From the visitor's message on the wire to the first byte of the answer, less the first-token clock of {} ms; {} \
         visitors ask at a time. Storing the message and the answer is part of it.",
        options.first_token_ms, options.visitors
    );
    Ok(())
}

fn variables(options: &Options) -> Variables {
    let ms = options.first_token_ms;
    vec![
        ("AI_CONNECT_MS", ms.to_string()),
        ("AI_FIRST_TOKEN_MS", ms.to_string()),
        ("AI_GAP_MS", ms.to_string()),
        ("AI_TOTAL_MS", (ms + 5_000).to_string()),
        ("TURN_DEADLINE_MS", (ms + 10_000).to_string()),
        // Each turn that the node answers is a warning.
        ("LOG_LEVEL", "error".to_owned()),
    ]
}

/// Asks from each source once, as somebody new (two failures in a row lead to people), and gives by how much the answers came
/// after the clock.
async fn ask(place: Place, mut random: Random, clock: Duration) -> anyhow::Result<Samples> {
    let mut late = Samples::default();
    for (turn, source) in place.sources.into_iter().enumerate() {
        let mut visitor = Visitor::join(&place.address, &place.site, source, "").await?;
        let sent = Instant::now();
        visitor.say(&mut random, "How long does it take?".to_owned()).await?;
        until_answered(&mut visitor).await?;
        let waited = sent.elapsed();
        if turn >= WARM_UP {
            late.push(waited.checked_sub(clock).context("an answer came before the clock ran out")?);
        }
    }
    Ok(late)
}

/// From where to where visitors connect, one after the other.
struct Place {
    address: Address,
    site: String,
    sources: Vec<SocketAddr>,
}

async fn until_answered(visitor: &mut Visitor) -> anyhow::Result<()> {
    loop {
        match visitor.next().await? {
            Kind::Event(v1::Event { body: Some(event::Body::Answer(answer)), .. }) => {
                anyhow::ensure!(answer.end() == v1::AnswerEnd::Fallback, "an answer ended as {:?}", answer.end());
                return Ok(());
            }
            Kind::Error(error) => bail!("the node refuses: {}", error.message),
            _ => {}
        }
    }
}

/// A function `ai` that hangs, or whose model does.
async fn serve(hangs: Hangs) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/2015-03-31/functions/ai/invocations", post(invoke)).with_state(hangs);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn invoke(State(hangs): State<Hangs>) -> Response {
    let Hangs::Model(clock) = hangs else {
        return Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>()).into_response();
    };
    let outcome = async move {
        tokio::time::sleep(clock).await;
        let text = "Sorry, not now.".to_owned();
        let answer = AiAnswer { text, fallback: true, offer_person: true, ..AiAnswer::default() };
        encode_line(&AiLine::Outcome(AiOutcome::Answer(answer))).map(Bytes::from)
    };
    Body::from_stream(futures_util::stream::once(outcome).boxed()).into_response()
}
