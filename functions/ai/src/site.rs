//! One site, as its assistant knows it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use config::{AllowedOrigin, FALLBACKS};
use intent::Model as Intents;
use knowledge::{Dictionary, Knowledge};
use url::Url;

use crate::Error;
use crate::intents;
use crate::known;
use crate::safety::{Links, Secret};
use crate::texts::{Jobs, Slot};

/// What concerns one site.
#[derive(Debug, Default)]
pub struct Site {
    /// The name that visitors see.
    pub name: String,
    /// What the assistant is told about its work.
    pub instructions: String,
    /// What to say where the model says nothing, by language. Never empty.
    pub fallback: Vec<(String, String)>,
    /// The names of the models to try, in order. Empty: the default one.
    pub models: Vec<String>,
    /// Phrases that give the conversation to a person.
    pub handover_words: Vec<String>,
    /// Whether personal data is masked before it goes to a model.
    pub mask_personal_data: bool,
    /// Whether a message whose intent is sure gets its reply with no model asked.
    pub instant: bool,
    /// Where answers may lead to, beside what the site's own texts name.
    pub(crate) links: Links,
    /// The site's texts, if it has any.
    pub(crate) knowledge: Option<Slot<Knowledge>>,
    /// The site's intents, if it has any.
    pub(crate) intents: Option<Slot<Intents>>,
    pub(crate) secret: OnceLock<Arc<Secret>>,
}

impl Site {
    /// What `site` says, without its texts.
    pub(crate) fn new(site: &config::Site) -> Self {
        let hosts = site.origins.iter().filter_map(host).chain(site.allowed_links.iter().cloned());
        let mut links = Links::new(hosts, site.allow_images);
        links.allow_those_in(&site.instructions);
        Self {
            name: site.name.clone(),
            instructions: site.instructions.clone(),
            fallback: owned(site.fallback_texts()),
            models: site.models.clone(),
            handover_words: site.handover_words.clone(),
            mask_personal_data: site.mask_personal_data,
            instant: site.instant,
            links,
            knowledge: None,
            intents: None,
            secret: OnceLock::new(),
        }
    }

    /// A site that is not in the configuration.
    pub(crate) fn unknown(key: &str, knowledge: Option<Slot<Knowledge>>) -> Self {
        Self { name: key.to_owned(), fallback: owned(FALLBACKS.into()), knowledge, ..Self::default() }
    }

    /// Has the texts prepared that `site`, called `key`, names.
    ///
    /// # Errors
    /// One is not there.
    pub(crate) fn load(
        &mut self,
        key: &str,
        site: &config::Site,
        dictionary: &Dictionary,
        jobs: &mut Jobs,
    ) -> Result<(), Error> {
        if let Some(path) = site.intents.clone() {
            let key = key.to_owned();
            let failed = move |reason| Error::Intents { site: key.clone(), reason };
            check_file(&path).map_err(&failed)?;
            self.intents = Some(jobs.add(move || intents::load(&path).map_err(failed)));
        }
        self.knowledge = known::prepare(key, site, dictionary, jobs)?;
        Ok(())
    }

    /// What to say to a visitor who wrote `message` and whose client shows `tag`.
    pub(crate) fn fallback_text(&self, message: &str, tag: &str) -> &str {
        let texts = self.fallback.iter().map(|(language, text)| (language.as_str(), text.as_str()));
        language::choose_text(texts, message, tag).unwrap_or(FALLBACKS[0].1)
    }

    /// What the assistant is not to read out.
    pub(crate) fn secret(&self) -> Arc<Secret> {
        Arc::clone(self.secret.get_or_init(|| Arc::new(Secret::new(&self.instructions))))
    }
}

fn owned(texts: Vec<(&str, &str)>) -> Vec<(String, String)> {
    texts.into_iter().map(|(language, text)| (language.to_owned(), text.to_owned())).collect()
}

/// What can be seen at once: that there is a file.
fn check_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(format!("{} is no file", path.display())),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// The host of a page that carries the widget. Where every page may, none is the site's own.
fn host(origin: &AllowedOrigin) -> Option<String> {
    match origin {
        AllowedOrigin::Any => None,
        AllowedOrigin::Exact(origin) => Url::parse(origin.as_str()).ok()?.host_str().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use config::Config;

    use super::*;

    fn site(toml: &str) -> Site {
        let config = Config::parse(&format!("[sites.shop]\nname = \"Shop\"\n{toml}"), []).unwrap();
        Site::new(&config.sites["shop"])
    }

    #[test]
    fn a_site_has_its_own_fallback_and_the_built_in_one_in_other_languages() {
        let site = site("origins = [\"*\"]\nlanguages = [\"fr\", \"en\"]\nfallback.fr = \"Désolé.\"\n");
        assert_eq!(site.fallback_text("Bonjour", "fr-FR"), "Désolé.");
        assert_eq!(site.fallback_text("Hello", "en"), FALLBACKS[0].1);
        assert_eq!(site.fallback_text("你好", "fr"), FALLBACKS[1].1);
    }

    #[test]
    fn a_site_that_is_not_configured_has_a_plain_assistant() {
        let site = Site::unknown("elsewhere", None);
        assert_eq!((site.name.as_str(), site.fallback_text("Hi", "")), ("elsewhere", FALLBACKS[0].1));
    }

    #[test]
    fn answers_may_lead_to_the_sites_own_pages_and_to_what_its_instructions_name() {
        let site = site(
            "origins = [\"https://shop.example\"]\nallowed_links = [\"help.example\"]\n\
             instructions = \"Returns: https://carrier.example/label\"\n",
        );
        for address in ["https://shop.example/a", "https://www.help.example/", "https://carrier.example/label"] {
            assert!(site.links.allow(address), "{address}");
        }
        assert!(!site.links.allow("https://carrier.example/other"));
        assert!(!site.links.allow_image("https://shop.example/a.png"));
    }
}
