//! What the function takes from the configuration.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use config::{Ai, Config, Language, ModelKind};
use protocol::function::MAX_ANSWER_BYTES;

use crate::clocks::Limits;
use crate::language;

/// How much sooner than its caller stops listening a turn ends, so that the outcome still arrives.
pub(crate) const OUTCOME_MARGIN: Duration = Duration::from_millis(250);

/// For sites that are not in the configuration.
const FALLBACKS: [(&str, &str); 2] = [
    ("en", "Sorry, I cannot answer right now. Would you like to talk to a person?"),
    ("zh", "抱歉，我现在无法回答。需要为您转接人工客服吗？"),
];

/// All that a turn needs to know, beside the model.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a turn waits for its model.
    pub clocks: Limits,
    /// The most of the conversation that a model gets, in bytes of text.
    pub max_prompt_bytes: usize,
    /// The longest answer, in bytes of text.
    pub max_answer_bytes: usize,
    /// The sites, by key.
    pub sites: BTreeMap<String, Site>,
}

/// What concerns one site.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The name that visitors see.
    pub name: String,
    /// What the assistant is told about its work.
    pub instructions: String,
    /// What to say where the model says nothing, by language. Never empty.
    pub fallback: BTreeMap<String, String>,
}

/// Which model to ask.
#[derive(Clone, Debug)]
pub enum ModelSettings {
    /// An OpenAI-compatible server.
    OpenAi(OpenAiSettings),
    /// The scripted model.
    Scripted(ScriptedSettings),
}

/// An OpenAI-compatible server.
#[derive(Clone)]
pub struct OpenAiSettings {
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
    /// The sites' folders of texts.
    pub knowledge: BTreeMap<String, PathBuf>,
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
            sites: config.sites.iter().map(|(key, site)| (key.clone(), Site::new(site))).collect(),
        }
    }

    /// The site with this key. The node decides which sites there are; one that is not known here has a plain assistant.
    pub(crate) fn site(&self, key: &str) -> Cow<'_, Site> {
        match self.sites.get(key) {
            Some(site) => Cow::Borrowed(site),
            None => Cow::Owned(Site::unknown(key)),
        }
    }
}

impl Site {
    fn new(site: &config::Site) -> Self {
        let built_in = FALLBACKS.iter().filter_map(|(language, _)| Language::parse(language).ok());
        let languages = site.languages.iter().cloned().chain(built_in);
        Self {
            name: site.name.clone(),
            instructions: site.instructions.clone(),
            fallback: languages
                .map(|language| (language.as_str().to_owned(), site.fallback_text(&language).to_owned()))
                .collect(),
        }
    }

    fn unknown(key: &str) -> Self {
        let fallback = FALLBACKS.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
        Self { name: key.to_owned(), instructions: String::new(), fallback: fallback.collect() }
    }

    /// What to say to a visitor who wrote `message` and whose client shows `tag`.
    pub(crate) fn fallback_text(&self, message: &str, tag: &str) -> &str {
        let language = language::choose(self.fallback.keys().map(String::as_str), message, tag);
        language.and_then(|language| self.fallback.get(language)).map_or(FALLBACKS[0].1, String::as_str)
    }
}

impl ModelSettings {
    /// Takes what is needed from `config`.
    pub fn new(config: &Config) -> Self {
        let ai = &config.ai;
        match (ai.model, &ai.model_url, &ai.model_name) {
            (ModelKind::OpenAi, Some(base_url), Some(name)) => Self::OpenAi(OpenAiSettings {
                base_url: base_url.as_str().to_owned(),
                name: name.clone(),
                api_key: ai.api_key.as_ref().map(|key| key.reveal().to_owned()),
                connect: Duration::from_millis(ai.connect_ms),
                max_tokens: ai.max_tokens,
            }),
            // The configuration refuses an `openai` without its address or name.
            _ => Self::Scripted(scripted(ai, config)),
        }
    }
}

fn scripted(ai: &Ai, config: &Config) -> ScriptedSettings {
    let folder = |(key, site): (&String, &config::Site)| Some((key.clone(), site.knowledge.clone()?));
    ScriptedSettings {
        first_token: Duration::from_millis(ai.scripted_first_token_ms),
        token: Duration::from_secs(1) / ai.scripted_tokens_per_second.max(1),
        test_directives: ai.test_directives,
        knowledge: config.sites.iter().filter_map(folder).collect(),
    }
}

/// Without the key.
impl std::fmt::Debug for OpenAiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiSettings")
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

    fn settings(toml: &str) -> Settings {
        Settings::new(&Config::parse(toml, []).unwrap())
    }

    #[test]
    fn a_site_has_its_own_fallback_and_the_built_in_one_in_other_languages() {
        let settings = settings(
            "[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\nlanguages = [\"fr\", \"en\"]\nfallback.fr = \"Désolé.\"\n",
        );
        let site = settings.site("shop");
        assert_eq!(site.fallback_text("Bonjour", "fr-FR"), "Désolé.");
        assert_eq!(site.fallback_text("Hello", "en"), FALLBACKS[0].1);
        assert_eq!(site.fallback_text("你好", "fr"), FALLBACKS[1].1);
    }

    #[test]
    fn a_site_that_is_not_configured_has_a_plain_assistant() {
        let site = settings("").site("elsewhere").into_owned();
        assert_eq!((site.name.as_str(), site.fallback_text("Hi", "")), ("elsewhere", FALLBACKS[0].1));
    }

    #[test]
    fn the_model_is_scripted_unless_a_server_is_named() {
        let model = |toml: &str| ModelSettings::new(&Config::parse(toml, []).unwrap());
        assert!(matches!(model(""), ModelSettings::Scripted(_)));
        let toml = "[ai]\nmodel = \"openai\"\nmodel_url = \"http://127.0.0.1:1/v1\"\nmodel_name = \"tiny\"\napi_key = \"sk-secret\"\n";
        let ModelSettings::OpenAi(openai) = model(toml) else { panic!("not openai") };
        assert_eq!((openai.name.as_str(), openai.api_key.as_deref()), ("tiny", Some("sk-secret")));
        assert!(!format!("{openai:?}").contains("sk-secret"));
    }
}
