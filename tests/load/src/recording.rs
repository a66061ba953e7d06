//! A conversation, frame by frame, in a file: one JSON object a line, `{"client":{…}}` or `{"node":{…}}`, each holding the
//! frame as the JSON subprotocol has it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use client::{Address, Connection, Random, Received, SocketOptions};
use protocol::v1::{self, ClientFrame, ServerFrame, client_frame, event, server_frame};
use protocol::{Subprotocol, wire};
use serde_json::{Value, json};

use crate::Target;

/// What is recorded.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

/// What the visitor asks, turn by turn.
const QUESTIONS: [&str; 8] = [
    "Hello! How long does shipping to Norway take?",
    "And what does it cost?",
    "How do I brew green tea?",
    "Can I return tea that I have opened?",
    "你好，绿茶怎么泡？",
    "配送需要多长时间？",
    "拆封的茶叶可以退吗？",
    "Which pot would you take for oolong?",
];

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recorded {
    Client(client_frame::Kind),
    Node(server_frame::Kind),
}

/// Reads a recording.
///
/// # Errors
/// A line of another shape.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Recorded>> {
    let parse_line = |(number, line): (usize, &str)| {
        parse_line(line).with_context(|| format!("line {} of the recording", number + 1))
    };
    text.lines().enumerate().map(parse_line).collect()
}

fn parse_line(line: &str) -> anyhow::Result<Recorded> {
    let line: Value = serde_json::from_str(line)?;
    let frame = |name: &str| line.get(name).map(serde_json::to_vec).transpose();
    if let Some(frame) = frame("client")? {
        return Ok(Recorded::Client(wire::decode_client(&frame, Subprotocol::Json)?));
    }
    let frame = frame("node")?.context("neither of the client nor of the node")?;
    Ok(Recorded::Node(wire::decode_server(&frame, Subprotocol::Json)?))
}

/// Talks to a node that runs already and writes down every frame.
pub(crate) async fn run(target: &Target, options: &Options) -> anyhow::Result<()> {
    let url = target.url.as_deref().context("give the node with --url: a recording is of real answers")?;
    let mut tape = Tape {
        connection: Connection::open(&Address::parse(url)?, Subprotocol::Proto, SocketOptions::default()).await?,
        lines: Vec::new(),
    };
    tape.send(v1::Hello { site: target.site.clone(), language: "en".to_owned(), ..Default::default() }).await?;
    tape.receive_until(|kind| matches!(kind, server_frame::Kind::Welcome(_))).await?;
    let mut random = Random::new(u64::from(std::process::id()));
    for question in QUESTIONS {
        tape.send(v1::Send { id: random.id().to_vec(), text: question.to_owned() }).await?;
        let is_answer = |kind: &server_frame::Kind| match kind {
            server_frame::Kind::Event(event) => matches!(event.body, Some(event::Body::Answer(_))),
            _ => false,
        };
        tape.receive_until(is_answer).await?;
    }
    let mut file = std::fs::File::create(&options.out)?;
    for line in &tape.lines {
        writeln!(file, "{line}")?;
    }
    println!("{} frames recorded in {}", tape.lines.len(), options.out.display());
    Ok(())
}

/// A token opens a conversation: the file gets another text of the same length.
fn without_token(mut kind: server_frame::Kind) -> server_frame::Kind {
    if let server_frame::Kind::Welcome(v1::Welcome { token, .. }) | server_frame::Kind::Token(v1::Token { token, .. }) =
        &mut kind
    {
        *token = "t".repeat(token.len());
    }
    kind
}

/// A connection and what has gone over it.
struct Tape {
    connection: Connection,
    lines: Vec<Value>,
}

impl Tape {
    async fn send(&mut self, frame: impl Into<ClientFrame>) -> anyhow::Result<()> {
        let frame = frame.into();
        self.connection.send(&frame).await?;
        self.lines.push(json!({ "client": frame }));
        Ok(())
    }

    async fn receive_until(&mut self, is_last: impl Fn(&server_frame::Kind) -> bool) -> anyhow::Result<()> {
        loop {
            let kind = match self.connection.receive().await {
                Received::Frame(kind, _) => kind,
                other => bail!("{other:?} in place of a frame"),
            };
            if let server_frame::Kind::Error(error) = &kind {
                bail!("the node refuses: {}", error.message);
            }
            let is_last = is_last(&kind);
            self.lines.push(json!({ "node": ServerFrame::from(without_token(kind)) }));
            if is_last {
                return Ok(());
            }
        }
    }
}
