//! The function `ai` in front of one server.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use protocol::function::{AiAnswer, AiLine, AiOutcome, AiQuota};
use runtime_api::{Process, Reply, RuntimeApi};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long a line may take. Longer than every clock of the function.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running function.
#[derive(Debug)]
pub(crate) struct Assistant {
    api: RuntimeApi,
    _process: Process,
}

/// A turn under way, or over.
#[derive(Debug)]
pub(crate) struct Turn {
    reply: Reply,
    pub(crate) deltas: Vec<String>,
    pub(crate) quotas: Vec<AiQuota>,
    outcome: Option<AiOutcome>,
}

impl Assistant {
    /// Starts the program `ai` with this server's model; `more` are variables of the configuration.
    pub(crate) async fn start(
        ai: &str,
        url: &str,
        model: &str,
        key: &str,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let api = RuntimeApi::start().await?;
        let usual = [
            ("FRONTDESK_AI_MODEL", "openai"),
            ("FRONTDESK_AI_MODEL_URL", url),
            ("FRONTDESK_AI_MODEL_NAME", model),
            ("FRONTDESK_AI_API_KEY", key),
            ("FRONTDESK_AI_FIRST_TOKEN_MS", "10000"),
            ("FRONTDESK_AI_GAP_MS", "8000"),
            ("FRONTDESK_AI_TOTAL_MS", "25000"),
            ("FRONTDESK_TURN_DEADLINE_MS", "28000"),
        ];
        let kept = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| name == other));
        let variables: Vec<_> = kept.chain(more).copied().collect();
        let process = Process::start(ai, &api, &variables)?;
        Ok(Self { api, _process: process })
    }

    /// Begins a turn after these messages, each `role: text`.
    pub(crate) fn begin(&self, messages: &[(&str, &str)]) -> anyhow::Result<Turn> {
        let documents: Vec<Value> = messages.iter().map(|(role, text)| json!({"role": role, "text": text})).collect();
        let turn = json!({
            "site": "shop", "conversation": "shop/v1/1", "turn": messages.len(), "messages": documents, "language": "en",
            "deadline_ms": i64::MAX,
        });
        let reply = self.api.invoke(&turn)?;
        Ok(Turn { reply, deltas: Vec::new(), quotas: Vec::new(), outcome: None })
    }

    /// A whole turn in which the visitor says `text`.
    pub(crate) async fn ask(&self, text: &str) -> anyhow::Result<Turn> {
        let mut turn = self.begin(&[("visitor", text)])?;
        turn.finish().await?;
        Ok(turn)
    }
}

impl Turn {
    /// Reads until so many deltas are there.
    pub(crate) async fn until_deltas(&mut self, count: usize) -> anyhow::Result<()> {
        while self.deltas.len() < count {
            ensure!(self.read().await?, "the turn ended after {} deltas: {:?}", self.deltas.len(), self.outcome);
        }
        Ok(())
    }

    /// Reads to the end.
    pub(crate) async fn finish(&mut self) -> anyhow::Result<()> {
        while self.read().await? {}
        Ok(())
    }

    /// The answer at the end.
    pub(crate) fn answer(&self) -> anyhow::Result<&AiAnswer> {
        match &self.outcome {
            Some(AiOutcome::Answer(answer)) => Ok(answer),
            other => bail!("no answer: {other:?}"),
        }
    }

    /// Checks that people take over.
    pub(crate) fn check_handover(&self) -> anyhow::Result<()> {
        ensure!(matches!(self.outcome, Some(AiOutcome::Handover(_))), "no handover: {:?}", self.outcome);
        Ok(())
    }

    /// Checks that all of an answer came, in several pieces, and that it is this; empty: anything.
    pub(crate) fn check_whole(&self, text: &str) -> anyhow::Result<()> {
        let answer = self.answer()?;
        ensure!(!answer.fallback && !answer.interrupted, "not whole: {answer:?}");
        ensure!(self.deltas.len() >= 2, "in {} pieces: {answer:?}", self.deltas.len());
        ensure!(self.deltas.concat() == answer.text, "{:?} is not {:?}", self.deltas.concat(), answer.text);
        ensure!(text.is_empty() || answer.text == text, "{:?} is not {text:?}", answer.text);
        Ok(())
    }

    /// Checks that the part which came was kept and is marked.
    pub(crate) fn check_interrupted(&self) -> anyhow::Result<()> {
        let answer = self.answer()?;
        ensure!(answer.interrupted && !answer.fallback && !answer.text.is_empty(), "not interrupted: {answer:?}");
        ensure!(self.deltas.concat() == answer.text, "{:?} is not {:?}", self.deltas.concat(), answer.text);
        Ok(())
    }

    /// Checks that the site's own text came, and the offer of a person.
    pub(crate) fn check_fallback(&self) -> anyhow::Result<()> {
        let answer = self.answer()?;
        ensure!(answer.fallback && answer.offer_person && self.deltas.is_empty(), "no fallback: {answer:?}");
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<bool> {
        let line = timeout(PATIENCE, self.reply.line::<AiLine>()).await.context("the function says nothing")??;
        match line {
            None => return Ok(false),
            Some(AiLine::Delta(delta)) => self.deltas.push(delta),
            Some(AiLine::Quota(quota)) => self.quotas.push(quota),
            Some(AiLine::Outcome(outcome)) => self.outcome = Some(outcome),
            Some(AiLine::Report(_) | AiLine::Unknown(_)) => {}
        }
        Ok(true)
    }
}
