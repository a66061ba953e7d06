//! LiteLLM's proxy: with its own mock responses, and as the gateway it is in front of our provider.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use provider::{Latency, Options, Provider, Settings};

use crate::Report;
use crate::assistant::Assistant;
use crate::server::Server;

const KEY: &str = "sk-foreign-test";

/// What its own mock says.
const SAID: &str = "This was said by LiteLLM itself, in many pieces, and not by anybody else.";

/// A running proxy, and the provider behind it.
#[derive(Debug)]
pub(crate) struct LiteLlm {
    server: Server,
    provider: Provider,
}

impl LiteLlm {
    /// Starts both. A token of the provider takes 20 ms, and an answer 100 of them, so that there is a middle.
    pub(crate) async fn start(programs: PathBuf) -> anyhow::Result<Self> {
        let mut settings = Settings::default();
        settings.answers.per_token_ms = Latency::Fixed(20.0);
        settings.answers.tokens = Some(100);
        let provider = Provider::start(Options::with(settings)).await?;
        let config = configuration(&provider.url());
        let arguments = ["--config", "config.yaml"];
        let files = [("config.yaml", config)];
        let server = Server::start(&programs.join("litellm"), &arguments, &files, "/health/liveliness").await;
        Ok(Self { server: server.context("LiteLLM's proxy")?, provider })
    }

    /// Everything about it.
    pub(crate) async fn check(mut self, ai: &str, report: &mut Report) -> anyhow::Result<()> {
        report.add("LiteLLM: its own answer arrives whole, in several pieces", self.own_answer(ai).await);
        report.add("LiteLLM: a conversation goes on", self.second_turn(ai).await);
        report.add("LiteLLM: a wrong key is a fallback", self.fallback(ai, "own", "sk-wrong").await);
        report.add("LiteLLM: a model it does not know is a fallback", self.fallback(ai, "unknown", KEY).await);
        report.add("LiteLLM: an answer from behind it arrives whole", self.answer_from_behind(ai).await);
        report.add("LiteLLM: a call of the tool behind it hands over", self.handover(ai).await);
        report.add("LiteLLM: what breaks behind it leaves the part that came", self.broken_behind(ai).await);
        report.add("LiteLLM: what falls silent behind it leaves the part that came", self.silent_behind(ai).await);
        report.add("LiteLLM: when it is killed the part that came is kept", self.killed(ai).await);
        Ok(())
    }

    async fn assistant(&self, ai: &str, model: &str, key: &str) -> anyhow::Result<Assistant> {
        Assistant::start(ai, &self.server.url(), model, key, &[]).await
    }

    async fn own_answer(&self, ai: &str) -> anyhow::Result<()> {
        self.assistant(ai, "own", KEY).await?.ask("Where is my parcel?").await?.check_whole(SAID)
    }

    async fn second_turn(&self, ai: &str) -> anyhow::Result<()> {
        let messages = [("visitor", "Where is my parcel?"), ("assistant", "On its way."), ("visitor", "Since when?")];
        let assistant = self.assistant(ai, "own", KEY).await?;
        let mut turn = assistant.begin(&messages)?;
        turn.finish().await?;
        turn.check_whole(SAID)
    }

    async fn fallback(&self, ai: &str, model: &str, key: &str) -> anyhow::Result<()> {
        self.assistant(ai, model, key).await?.ask("Where is my parcel?").await?.check_fallback()
    }

    async fn answer_from_behind(&self, ai: &str) -> anyhow::Result<()> {
        let turn = self.assistant(ai, "behind", KEY).await?.ask("Where is my parcel?").await?;
        turn.check_whole("")?;
        ensure!(self.provider.counts().tokens_sent == 100, "the provider was not asked");
        Ok(())
    }

    async fn handover(&self, ai: &str) -> anyhow::Result<()> {
        let turn = self.assistant(ai, "handover", KEY).await?.ask("Where is my parcel?").await?;
        turn.check_handover()
    }

    async fn broken_behind(&self, ai: &str) -> anyhow::Result<()> {
        self.assistant(ai, "broken", KEY).await?.ask("Where is my parcel?").await?.check_interrupted()
    }

    async fn silent_behind(&self, ai: &str) -> anyhow::Result<()> {
        let clocks = [("FRONTDESK_AI_GAP_MS", "500")];
        let assistant = Assistant::start(ai, &self.server.url(), "silent", KEY, &clocks).await?;
        assistant.ask("Where is my parcel?").await?.check_interrupted()
    }

    async fn killed(&mut self, ai: &str) -> anyhow::Result<()> {
        let assistant = self.assistant(ai, "behind", KEY).await?;
        let mut turn = assistant.begin(&[("visitor", "Where is my parcel?")])?;
        turn.until_deltas(3).await?;
        self.server.kill().await?;
        turn.finish().await?;
        turn.check_interrupted()?;
        assistant.ask("And now?").await?.check_fallback()
    }
}

fn configuration(provider: &str) -> String {
    let behind = |name: &str, model: &str| {
        format!(
            "  - model_name: {name}\n    litellm_params:\n      model: openai/{model}\n      api_base: {provider}\n      \
             api_key: none\n      max_retries: 0\n"
        )
    };
    let own = format!(
        "  - model_name: own\n    litellm_params:\n      model: openai/own\n      api_key: none\n      mock_response: \"{SAID}\"\n"
    );
    let models = [
        own,
        behind("behind", "mock/ok"),
        behind("handover", "mock/handover"),
        behind("broken", "mock/reset-after:3"),
        behind("silent", "mock/stall-after:3"),
    ];
    format!(
        "model_list:\n{}general_settings:\n  master_key: {KEY}\nlitellm_settings:\n  telemetry: false\n",
        models.concat()
    )
}
