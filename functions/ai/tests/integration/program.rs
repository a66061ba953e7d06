//! Starting the program, and what it is asked.

use anyhow::Result;
use protocol::function::{AiAnswer, AiLine, AiOutcome};
use runtime_api::{Process, RuntimeApi};
use serde_json::{Value, json};

pub(crate) const AI: &str = env!("CARGO_BIN_EXE_ai");

/// What the visitor gets where the model says nothing.
pub(crate) const FALLBACK: &str = "Sorry, I cannot answer right now. Would you like to talk to a person?";

/// A turn in which the visitor says `text`.
pub(crate) fn turn(text: &str) -> Value {
    turn_of(&[("visitor", text)])
}

/// A turn after these messages.
pub(crate) fn turn_of(messages: &[(&str, &str)]) -> Value {
    let messages: Vec<_> = messages.iter().map(|(role, text)| json!({"role": role, "text": text})).collect();
    json!({
        "site": "shop", "conversation": "shop/v1/1", "turn": messages.len(), "messages": messages, "language": "en",
        "deadline_ms": i64::MAX,
    })
}

/// The lines of one turn of a fresh process, but for its report and what servers said of quotas.
pub(crate) async fn lines(turn: &Value, variables: &[(&str, &str)]) -> Result<Vec<AiLine>> {
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, variables)?;
    let lines: Vec<AiLine> = api.invoke(turn)?.lines().await?;
    Ok(lines.into_iter().filter(|line| !matches!(line, AiLine::Report(_) | AiLine::Quota(_))).collect())
}

/// The deltas put together, and the answer.
#[track_caller]
pub(crate) fn answer(lines: &[AiLine]) -> (String, AiAnswer) {
    let Some((AiLine::Outcome(AiOutcome::Answer(answer)), before)) = lines.split_last() else {
        panic!("no answer at the end: {lines:?}")
    };
    let delta = |line: &AiLine| match line {
        AiLine::Delta(delta) => delta.clone(),
        AiLine::Quota(_) | AiLine::Report(_) => String::new(),
        AiLine::Outcome(_) | AiLine::Unknown(_) => {
            panic!("an outcome before the last line, or a strange one: {lines:?}")
        }
    };
    (before.iter().map(delta).collect(), answer.clone())
}
