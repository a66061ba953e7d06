//! The assistant's models: `[ai]`, which is the one called `default`, and `[models.NAME]`.

use crate::ConfigError;
use crate::schema::{count, join, section, switch, text, unset};
use crate::values::{BaseUrl, Secret, words};

words! {
    /// Who writes the answers.
    pub enum ModelKind {
        /// Deterministic answers from the site's own texts, with no network.
        Scripted = "scripted",
        /// A server that speaks OpenAI's chat completions.
        OpenAi = "openai",
    }
}

section! {
    /// The assistant's model, and how long the function `ai` waits for it.
    pub struct Ai {
        /// Who writes the answers.
        model: ModelKind = text("scripted");
        /// Base of the model's API, with its version: `/chat/completions` is added to it. For `openai`.
        model_url: Option<BaseUrl> = unset();
        /// The model's name, as its server knows it. For `openai`.
        model_name: Option<String> = unset();
        /// The key for the model's server, if it asks for one. Where it is not set, `OPENAI_API_KEY` is taken.
        api_key: Option<Secret> = unset();
        /// How long connecting to the model's server may take, in milliseconds.
        connect_ms: u64 = count(2_000, 10..=60_000);
        /// How long the model may take to its first piece of text, in milliseconds. Then the visitor gets the site's
        /// fallback.
        first_token_ms: u64 = count(8_000, 10..=900_000);
        /// How long the model may pause between two pieces of text, in milliseconds. Then the answer ends there.
        gap_ms: u64 = count(8_000, 10..=900_000);
        /// How long a whole answer may take, in milliseconds. Less than `turn.deadline_ms`, so that the outcome still
        /// arrives.
        total_ms: u64 = count(28_000, 100..=900_000);
        /// The longest answer asked of the model, in its tokens.
        max_tokens: u32 = count(1_024, 1..=131_072);
        /// How many requests per minute the model's server takes from all nodes together. 0: not known; then the headers of
        /// its answers say it, or its refusals.
        requests_per_minute: u64 = count(0, 0..=100_000_000);
        /// How many tokens per minute, of questions and answers, the model's server takes. 0: not known.
        tokens_per_minute: u64 = count(0, 0..=1_000_000_000_000);
        /// Over how many connections requests to a server that speaks HTTP/2 are spread: it may allow 100 at a time on each.
        connections: usize = count(2, 1..=64);
        /// How long the scripted model waits before its first piece, in milliseconds.
        scripted_first_token_ms: u64 = count(400, 0..=60_000);
        /// How many pieces (about a word each) the scripted model writes per second.
        scripted_tokens_per_second: u32 = count(40, 1..=1_000_000);
        /// Whether a visitor's message can tell the scripted model to fail, hang or hand over. For tests only.
        test_directives: bool = switch(false);
    }
}

section! {
    /// A further model, which sites name in `models`. The clocks of `[ai]` hold for it too.
    pub struct Model {
        /// Who writes the answers.
        model: ModelKind = text("openai");
        /// Base of the model's API, with its version: `/chat/completions` is added to it. For `openai`.
        model_url: Option<BaseUrl> = unset();
        /// The model's name, as its server knows it. For `openai`.
        model_name: Option<String> = unset();
        /// The key for the model's server, if it asks for one.
        api_key: Option<Secret> = unset();
        /// The longest answer asked of the model, in its tokens.
        max_tokens: u32 = count(1_024, 1..=131_072);
        /// As `ai.requests_per_minute`.
        requests_per_minute: u64 = count(0, 0..=100_000_000);
        /// As `ai.tokens_per_minute`.
        tokens_per_minute: u64 = count(0, 0..=1_000_000_000_000);
        /// As `ai.connections`.
        connections: usize = count(2, 1..=64);
    }
}

/// The name of the model that `[ai]` describes.
pub const DEFAULT_MODEL: &str = "default";

impl Model {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.model == ModelKind::OpenAi {
            let set = [("model_url", self.model_url.is_some()), ("model_name", self.model_name.is_some())];
            if let Some((key, _)) = set.iter().find(|(_, set)| !set) {
                return Err(ConfigError::new(join(path, key), "must be set when model = \"openai\""));
            }
        }
        if self.model_name.as_deref() == Some("") {
            return Err(ConfigError::new(join(path, "model_name"), "is empty").with_value("\"\""));
        }
        Ok(())
    }
}

impl From<&Ai> for Model {
    fn from(ai: &Ai) -> Self {
        Self {
            model: ai.model,
            model_url: ai.model_url.clone(),
            model_name: ai.model_name.clone(),
            api_key: ai.api_key.clone(),
            max_tokens: ai.max_tokens,
            requests_per_minute: ai.requests_per_minute,
            tokens_per_minute: ai.tokens_per_minute,
            connections: ai.connections,
        }
    }
}

impl Ai {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        Model::from(self).check(path)?;
        let clocks = [
            ("connect_ms", self.connect_ms, "first_token_ms", self.first_token_ms),
            ("first_token_ms", self.first_token_ms, "total_ms", self.total_ms),
            ("gap_ms", self.gap_ms, "total_ms", self.total_ms),
        ];
        for (key, value, whole, limit) in clocks {
            if value > limit {
                let reason = format!("must be at most {whole} ({limit}), of which it is a part");
                return Err(ConfigError::new(join(path, key), reason).with_value(&value.to_string()));
            }
        }
        Ok(())
    }
}
