//! LLMock: a server that breaks its streams on purpose, and judges how its clients took it.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::Report;
use crate::assistant::Assistant;
use crate::http::{get, post};
use crate::server::Server;

/// What it is told to say.
const SAID: &str = "It left the day before yesterday, and 明天 it is there.";

const CHAT: &str = "/v1/chat/completions";

/// Requests per minute that it allows: far more than are made, so that only its headers matter.
const PER_MINUTE: &str = "600";

/// Everything about it.
pub(crate) async fn check(programs: &Path, ai: &str, report: &mut Report) -> anyhow::Result<()> {
    let style = ["serve", "--response-style", "echo", "--tool-mode", "off", "--stream-chunk-delay-ms", "30"];
    let arguments = [&style[..], &["--rpm", PER_MINUTE]].concat();
    let server = Server::start(&programs.join("llmock"), &arguments, &[], "/health").await.context("LLMock")?;
    let mut one = LlMock { server, ai };
    report.add("LLMock: an answer arrives whole, in several pieces", one.answer().await);
    report.add("LLMock: a conversation goes on", one.second_turn().await);
    report.add("LLMock: its headers tell the quota", one.quota().await);
    report.add("LLMock: a refused key is a fallback", one.refused().await);
    report.add("LLMock: a short fault is tried again", one.tried_again().await);
    report.add("LLMock: it judges that retries were right", one.verdict().await);
    report.add("LLMock: a call of a tool hands over", one.handover().await);
    for kind in ["disconnect", "truncate", "malformed", "stall"] {
        report.add(&format!("LLMock: a stream with {kind} leaves the part that came"), one.broken(kind).await);
    }
    report.add("LLMock: when it is killed the part that came is kept", one.killed().await);
    Ok(())
}

struct LlMock<'a> {
    server: Server,
    ai: &'a str,
}

impl LlMock<'_> {
    async fn assistant(&self) -> anyhow::Result<Assistant> {
        Assistant::start(self.ai, &self.server.url(), "gpt-4o", "sk-any", &[("FRONTDESK_AI_GAP_MS", "1000")]).await
    }

    /// What the next request for an answer gets. The function also asks for the list of models, to open connections.
    async fn script(&self, mut behavior: Value) -> anyhow::Result<()> {
        behavior["match"] = json!({"path": CHAT});
        post(self.server.address, "/_llmock/scenario", &json!({"behaviors": [behavior]})).await.map(drop)
    }

    async fn answer(&self) -> anyhow::Result<()> {
        self.script(json!({"type": "reply", "text": SAID})).await?;
        self.assistant().await?.ask("Where is my parcel?").await?.check_whole(SAID)
    }

    async fn second_turn(&self) -> anyhow::Result<()> {
        self.script(json!({"type": "reply", "text": SAID})).await?;
        let assistant = self.assistant().await?;
        let messages = [("visitor", "Where is my parcel?"), ("assistant", "On its way."), ("visitor", "Since when?")];
        let mut turn = assistant.begin(&messages)?;
        turn.finish().await?;
        turn.check_whole(SAID)
    }

    async fn quota(&self) -> anyhow::Result<()> {
        let turn = self.assistant().await?.ask("Hello?").await?;
        let limit = turn.quotas.first().and_then(|quota| quota.requests).context("no quota was told")?;
        ensure!(limit.limit == PER_MINUTE.parse().ok() && limit.remaining.is_some(), "{limit:?}");
        Ok(())
    }

    async fn refused(&self) -> anyhow::Result<()> {
        self.script(json!({"type": "fail", "status": 401})).await?;
        self.assistant().await?.ask("Hello once?").await?.check_fallback()
    }

    async fn tried_again(&self) -> anyhow::Result<()> {
        self.script(json!({"type": "fail", "status": 503})).await?;
        self.assistant().await?.ask("Hello twice?").await?.check_whole("")?;
        self.script(json!({"type": "fail", "status": 429, "retry_after": 0.3})).await?;
        self.assistant().await?.ask("Hello thrice?").await?.check_whole("")
    }

    async fn verdict(&self) -> anyhow::Result<()> {
        let verdict: Value = serde_json::from_slice(&get(self.server.address, "/_llmock/verdict").await?)?;
        let findings = verdict["findings"].as_array().context("no findings")?;
        let about_answers =
            findings.iter().find(|finding| finding["path"].as_str().is_some_and(|path| path.ends_with(CHAT)));
        ensure!(about_answers.is_none(), "{about_answers:?}");
        Ok(())
    }

    async fn handover(&self) -> anyhow::Result<()> {
        let call = json!({"name": "hand_over", "arguments": {"reason": "upset", "summary": "Elephants."}});
        self.script(json!({"type": "reply", "tool_calls": [call]})).await?;
        let turn = self.assistant().await?.ask("There are elephants in my garden").await?;
        turn.check_handover()
    }

    async fn broken(&self, kind: &str) -> anyhow::Result<()> {
        self.script(json!({"type": "stream_fault", "kind": kind, "after_chunks": 3})).await?;
        self.assistant().await?.ask("a long line of purple elephants in the garden").await?.check_interrupted()
    }

    async fn killed(&mut self) -> anyhow::Result<()> {
        let text = "a long line of purple elephants walks through the garden and eats all of the red roses there";
        let assistant = self.assistant().await?;
        let mut turn = assistant.begin(&[("visitor", text)])?;
        turn.until_deltas(2).await?;
        self.server.kill().await?;
        turn.finish().await?;
        turn.check_interrupted()
    }
}
