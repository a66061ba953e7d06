//! One turn of the function `ai`, as a node invokes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use conn_node::invoke::{Body, Invoker};
use futures_util::StreamExt;
use protocol::function::{AiLine, AiOutcome, Lines};
use serde_json::json;

/// How long a turn may take. Nothing here takes as long.
const LONGEST: Duration = Duration::from_secs(60);

/// A turn that is under way.
pub(crate) struct Turn {
    body: Body,
    lines: Lines,
}

/// Asks the scripted model something that it answers in several pieces.
pub(crate) async fn begin(invoker: &dyn Invoker) -> Result<Turn> {
    let deadline_ms = now_ms()? + u64::try_from(LONGEST.as_millis())?;
    let payload = json!({
        "site": "shop", "conversation": "shop/v/1", "turn": 1, "language": "en", "deadline_ms": deadline_ms,
        "messages": [{ "role": "visitor", "text": "Hello!" }],
    });
    let body = invoker.invoke("ai", Bytes::from(payload.to_string()), deadline_ms).await?;
    Ok(Turn { body, lines: Lines::default() })
}

impl Turn {
    /// The next line, or nothing at the end.
    pub(crate) async fn line(&mut self) -> Result<Option<AiLine>> {
        loop {
            if let Some(line) = self.lines.poll_line()? {
                return Ok(Some(line));
            }
            match self.body.next().await {
                Some(chunk) => self.lines.handle_chunk(&chunk?),
                None => return Ok(None),
            }
        }
    }

    /// The first piece of the answer.
    pub(crate) async fn first_piece(&mut self) -> Result<String> {
        while let Some(line) = self.line().await? {
            match line {
                AiLine::Delta(piece) => return Ok(piece),
                AiLine::Outcome(outcome) => anyhow::bail!("there was no piece before the outcome {outcome:?}"),
                _ => {}
            }
        }
        anyhow::bail!("there was no line")
    }

    /// Reads to the end; the rest of the pieces must be the rest of the answer, of which `begun` was the first.
    pub(crate) async fn answer(mut self, begun: String) -> Result<String> {
        let (mut pieces, mut outcome) = (begun, None);
        while let Some(line) = self.line().await? {
            match line {
                AiLine::Delta(piece) => pieces.push_str(&piece),
                AiLine::Outcome(last) => outcome = Some(last),
                _ => {}
            }
        }
        match outcome.context("the response ended without an outcome")? {
            AiOutcome::Answer(answer) => {
                ensure!(!answer.interrupted && !answer.fallback, "it is no whole answer: {answer:?}");
                ensure!(answer.text == pieces, "the answer is not what was streamed: {answer:?}");
                Ok(answer.text)
            }
            other => anyhow::bail!("no answer: {other:?}"),
        }
    }
}

/// Now, Unix milliseconds.
pub(crate) fn now_ms() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?)
}
