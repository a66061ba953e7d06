//! What the function takes from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::{Ai, Config, DEFAULT_MODEL, ModelKind};
use intent::PersonRequests;
use knowledge::{Dictionary, Knowledge};
use protocol::function::MAX_ANSWER_BYTES;

use crate::Error;
use crate::clocks::Limits;
use crate::demo;
use crate::site::Site;
use crate::texts::{Jobs, Preparing, Slot};

/// How much sooner than its caller stops listening a turn ends, so that the outcome still arrives.
pub(crate) const OUTCOME_MARGIN: Duration = Duration::from_millis(250);

/// All that a turn needs to know, beside the model.
#[derive(Debug)]
pub struct Settings {
    /// How long a turn waits for its model.
    pub clocks: Limits,
    /// The most of the conversation that a model gets, in bytes of text.
    pub max_prompt_bytes: usize,
    /// The longest answer, in bytes of text.
    pub max_answer_bytes: usize,
    /// The sites, by key.
    pub sites: BTreeMap<String, Arc<Site>>,
    /// The texts of sites that are not in the configuration.
    pub(crate) knowledge_elsewhere: Option<Slot<Knowledge>>,
    /// Recognises requests for a person.
    pub(crate) people: PersonRequests,
}

/// An OpenAI-compatible server.
#[derive(Clone)]
pub struct OpenAiSettings {
    /// The model's name in the configuration.
    pub model: String,
    /// Base of its API, with or without `/chat/completions`.
    pub base_url: String,
    /// The model's name there.
    pub name: String,
    /// The key, if it asks for one.
    pub api_key: Option<String>,
    /// How long connecting may take.
    pub connect: Duration,
    /// The longest answer asked for, in the model's tokens.
    pub max_tokens: u32,
    /// Over how many HTTP clients requests are spread.
    pub connections: usize,
}

/// The scripted model.
#[derive(Clone, Debug)]
pub struct ScriptedSettings {
    /// Until the first token.
    pub first_token: Duration,
    /// From one token to the next.
    pub token: Duration,
    /// Whether a visitor's message can tell it to fail. For tests only.
    pub test_directives: bool,
}

impl Settings {
    /// Takes what is needed from `config`.
    pub fn new(config: &Config) -> Self {
        let ai = &config.ai;
        Self {
            clocks: Limits {
                first_token: Duration::from_millis(ai.first_token_ms),
                gap: Duration::from_millis(ai.gap_ms),
                total: Duration::from_millis(ai.total_ms),
            },
            max_prompt_bytes: config.turn.recent_bytes,
            max_answer_bytes: config.turn.max_answer_bytes.min(MAX_ANSWER_BYTES),
            sites: config.sites.iter().map(|(key, site)| (key.clone(), Arc::new(Site::new(site)))).collect(),
            knowledge_elsewhere: None,
            people: PersonRequests::new(),
        }
    }

    /// As [`Settings::new`], and begins to prepare the sites' texts.
    ///
    /// # Errors
    /// What a site names is not there, or nothing can be done in the background.
    pub(crate) fn load(config: &Config) -> Result<(Self, Preparing), Error> {
        let (mut jobs, dictionary) = (Jobs::default(), Dictionary::default());
        let mut sites = BTreeMap::new();
        for (key, site) in &config.sites {
            let mut loaded = Site::new(site);
            loaded.load(key, site, &dictionary, &mut jobs)?;
            sites.insert(key.clone(), loaded);
        }
        // The scripted model has no knowledge of its own: where a site has none, it speaks of the demo shop.
        let is_scripted = config.ai.model == ModelKind::Scripted;
        let demo = is_scripted.then(|| jobs.add(move || demo::knowledge(&dictionary)));
        for site in sites.values_mut().filter(|site| site.knowledge.is_none()) {
            site.knowledge.clone_from(&demo);
        }
        let sites = sites.into_iter().map(|(key, site)| (key, Arc::new(site))).collect();
        Ok((Self { sites, knowledge_elsewhere: demo, ..Self::new(config) }, jobs.start()?))
    }

    /// The site with this key. The node decides which sites there are; one that is not known here has a plain assistant.
    pub(crate) fn site(&self, key: &str) -> Arc<Site> {
        let elsewhere = || Arc::new(Site::unknown(key, self.knowledge_elsewhere.clone()));
        self.sites.get(key).map_or_else(elsewhere, Arc::clone)
    }
}

impl OpenAiSettings {
    /// The server of the model called `name`, whose clocks are those of `ai`. Nothing if no server is named.
    pub fn new(name: &str, model: &config::Model, ai: &Ai) -> Option<Self> {
        Some(Self {
            model: name.to_owned(),
            base_url: model.model_url.as_ref()?.as_str().to_owned(),
            name: model.model_name.clone()?,
            api_key: model.api_key.as_ref().map(|key| key.reveal().to_owned()),
            connect: Duration::from_millis(ai.connect_ms),
            max_tokens: model.max_tokens,
            connections: model.connections,
        })
    }

    /// Where the model is in the configuration.
    pub(crate) fn path(&self) -> String {
        if self.model == DEFAULT_MODEL { "ai".to_owned() } else { format!("models.{}", self.model) }
    }
}

pub(crate) fn scripted(ai: &Ai) -> ScriptedSettings {
    ScriptedSettings {
        first_token: Duration::from_millis(ai.scripted_first_token_ms),
        token: Duration::from_secs(1) / ai.scripted_tokens_per_second.max(1),
        test_directives: ai.test_directives,
    }
}

/// Without the key.
impl std::fmt::Debug for OpenAiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiSettings")
            .field("model", &self.model)
            .field("base_url", &self.base_url)
            .field("name", &self.name)
            .field("connect", &self.connect)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_its_own_name_and_key_and_shows_the_key_to_nobody() {
        let toml =
            "[models.own]\nmodel_url = \"http://127.0.0.1:1/v1\"\nmodel_name = \"tiny\"\napi_key = \"sk-secret\"\n";
        let config = Config::parse(toml, []).unwrap();
        let openai = OpenAiSettings::new("own", &config.model("own").unwrap(), &config.ai).unwrap();
        assert_eq!((openai.model.as_str(), openai.name.as_str()), ("own", "tiny"));
        assert_eq!(openai.api_key.as_deref(), Some("sk-secret"));
        assert!(!format!("{openai:?}").contains("sk-secret"));
        assert!(OpenAiSettings::new("default", &config.model("default").unwrap(), &config.ai).is_none());
    }
}
