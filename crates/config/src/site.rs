//! One customer's web site: `[sites.KEY]`.

use std::path::PathBuf;

use crate::ConfigError;
use crate::schema::{count, join, list, required, section, switch, table, text, unset};
use crate::tokens::{check_id, check_ids, check_secret};
use crate::values::{AllowedOrigin, Color, Language, Secret, Translated, words};

section! {
    /// One site. KEY is 1 to 32 of `a-z`, `0-9` and `-`; it stands in the page's script tag.
    pub struct Site {
        /// The name that visitors see.
        name: String = required();
        /// Origins of the pages that carry the widget. `*` allows every page; then any page can talk to this site in
        /// its visitors' browsers.
        origins: Vec<AllowedOrigin> = required();
        /// Whether clients that send no `Origin` are taken: apps and servers. A browser always sends it for another
        /// site's page, so this opens nothing to foreign pages.
        allow_no_origin: bool = switch(true);
        /// Languages of the site. The first is used for visitors whose language is not among them.
        languages: Vec<Language> = list(&["en"]);
        /// First words in an empty conversation, by language. Shown only, never stored.
        greeting: Translated<String> = table();
        /// Questions offered as buttons in an empty conversation, by language: at most 6 of 200 bytes.
        suggestions: Translated<Vec<String>> = table();
        /// What the visitor reads when the assistant cannot answer, by language. A person is offered beside it.
        fallback: Translated<String> = table();
        /// The widget's looks.
        theme: Theme = table();
        /// What the assistant is told about its work, at most 16 KiB.
        instructions: String = text("");
        /// The models that are tried for an answer, in this order: `default` is the one of `[ai]`, the others are those of
        /// `[models.NAME]`. At most 8.
        models: Vec<String> = list(&["default"]);
        /// A folder of texts (Markdown, HTML, plain) from which the assistant answers. See docs/knowledge.md.
        knowledge: Option<PathBuf> = unset();
        /// A folder with the index of those texts, made by `ai knowledge index`. Without it the texts are indexed at every
        /// start.
        knowledge_index: Option<PathBuf> = unset();
        /// The site's intents: a `.toml` is trained at every start, any other file is one that `ai intents train` made. See
        /// docs/intents.md.
        intents: Option<PathBuf> = unset();
        /// Whether a message whose intent is sure gets the intent's reply at once, with no model asked.
        instant: bool = switch(false);
        /// Phrases that give the conversation to a person at once, wherever they stand in a message. At most 100.
        handover_words: Vec<String> = unset();
        /// Hosts to which the model may link, with those under them: `shop.example` allows `www.shop.example` too. Links of
        /// the site's own `knowledge` are always allowed. At most 100.
        allowed_links: Vec<String> = unset();
        /// Whether the model's answers may show images, from the same hosts.
        allow_images: bool = switch(false);
        /// Whether e-mail addresses and card numbers in visitors' messages are masked before they go to a model.
        mask_personal_data: bool = switch(false);
        /// How the site's own back end says who a visitor is.
        identity: Identity = table();
        /// How long conversations stay open, and are kept.
        life: Life = table();
    }
}

/// What a visitor reads when the assistant cannot answer, by language, English first: for sites that set no `fallback` in
/// the visitor's language, and for those that are not in the configuration.
pub const FALLBACKS: [(&str, &str); 2] = [
    ("en", "Sorry, I cannot answer right now. Would you like to talk to a person?"),
    ("zh", "抱歉，我现在无法回答。需要为您转接人工客服吗？"),
];

impl Site {
    /// The language among the site's own that fits a client's best: the same tag, else the same primary language, else
    /// the site's first.
    #[must_use]
    pub fn best_language(&self, wanted: &Language) -> Option<&Language> {
        let same_tag = self.languages.iter().find(|own| *own == wanted);
        let same_language = || self.languages.iter().find(|own| own.primary() == wanted.primary());
        same_tag.or_else(same_language).or(self.languages.first())
    }

    /// What a visitor reads when the assistant cannot answer: in their language, else in the site's first, else in
    /// English.
    #[must_use]
    pub fn fallback_text(&self, wanted: &Language) -> &str {
        let of = |language: &Language| self.fallback.get(language).map(String::as_str).or_else(|| built_in(language));
        of(wanted).or_else(|| self.languages.first().and_then(of)).unwrap_or(FALLBACKS[0].1)
    }

    /// All texts that a visitor may read when the assistant cannot answer, each with its language: one for each of the
    /// site's own, then the built-in ones of other languages.
    #[must_use]
    pub fn fallback_texts(&self) -> Vec<(&str, &str)> {
        let own = self.languages.iter().map(|language| (language.as_str(), self.fallback_text(language)));
        let is_own = |tag: &str| self.languages.iter().any(|language| language.primary() == tag);
        own.chain(FALLBACKS.into_iter().filter(|(tag, _)| !is_own(tag))).collect()
    }

    /// Whether a page of this origin (the header's value) may talk to the site. `None`: no header was sent.
    #[must_use]
    pub fn allows_origin(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return self.allow_no_origin };
        self.origins.iter().any(|allowed| match allowed {
            AllowedOrigin::Any => true,
            AllowedOrigin::Exact(allowed) => allowed.as_str() == origin,
        })
    }

    fn check(&self, path: &str) -> Result<(), ConfigError> {
        check_bytes(path, "name", &self.name, 1, 200)?;
        check_bytes(path, "instructions", &self.instructions, 0, 16_384)?;
        if self.origins.is_empty() && !self.allow_no_origin {
            let reason = "is empty and allow_no_origin is false, so that nobody could reach the site";
            return Err(ConfigError::new(join(path, "origins"), reason).with_value("[]"));
        }
        self.check_assistant(path)?;
        self.check_languages(path)?;
        self.check_texts(path)
    }

    fn check_assistant(&self, path: &str) -> Result<(), ConfigError> {
        for (key, list, most) in [
            ("models", &self.models, 8),
            ("handover_words", &self.handover_words, 100),
            ("allowed_links", &self.allowed_links, 100),
        ] {
            let path = join(path, key);
            if list.len() > most {
                return Err(ConfigError::new(path, format!("has {} entries; {most} are the most", list.len())));
            }
            for (at, entry) in list.iter().enumerate() {
                check_bytes(&path, &at.to_string(), entry.trim(), 1, 200)?;
            }
        }
        if self.models.is_empty() {
            let reason = "needs at least one model; leave it out for the one of [ai]";
            return Err(ConfigError::new(join(path, "models"), reason).with_value("[]"));
        }
        let is_host =
            |host: &String| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
        if let Some(host) = self.allowed_links.iter().find(|host| !is_host(host)) {
            let reason = "must be hosts, like shop.example";
            return Err(ConfigError::new(join(path, "allowed_links"), reason).with_value(&format!("{host:?}")));
        }
        if self.instant && self.intents.is_none() {
            return Err(ConfigError::new(join(path, "instant"), "needs intents: set sites.KEY.intents"));
        }
        Ok(())
    }

    fn check_languages(&self, path: &str) -> Result<(), ConfigError> {
        let languages = join(path, "languages");
        if self.languages.is_empty() {
            return Err(ConfigError::new(languages, "needs at least one language").with_value("[]"));
        }
        for (at, language) in self.languages.iter().enumerate() {
            if self.languages[..at].contains(language) {
                let error = ConfigError::new(format!("{languages}[{at}]"), "is there twice");
                return Err(error.with_value(&format!("{:?}", language.as_str())));
            }
        }
        let greeting = self.greeting.iter().map(|(language, _)| ("greeting", language));
        let suggestions = self.suggestions.iter().map(|(language, _)| ("suggestions", language));
        let fallback = self.fallback.iter().map(|(language, _)| ("fallback", language));
        match greeting.chain(suggestions).chain(fallback).find(|(_, language)| !self.languages.contains(language)) {
            None => Ok(()),
            Some((key, language)) => {
                let reason = "is not one of the site's languages; add it there or take it away here";
                Err(ConfigError::new(join(&join(path, key), language.as_str()), reason))
            }
        }
    }

    fn check_texts(&self, path: &str) -> Result<(), ConfigError> {
        for (language, text) in self.greeting.iter() {
            check_bytes(&join(path, "greeting"), language.as_str(), text, 1, 2_000)?;
        }
        for (language, text) in self.fallback.iter() {
            check_bytes(&join(path, "fallback"), language.as_str(), text, 1, 2_000)?;
        }
        for (language, texts) in self.suggestions.iter() {
            let path = join(path, "suggestions");
            if texts.len() > 6 {
                let reason = format!("has {} suggestions; 6 are the most", texts.len());
                return Err(ConfigError::new(join(&path, language.as_str()), reason));
            }
            for text in texts {
                check_bytes(&path, language.as_str(), text, 1, 200)?;
            }
        }
        Ok(())
    }
}

fn built_in(language: &Language) -> Option<&'static str> {
    FALLBACKS.iter().find(|(tag, _)| *tag == language.primary()).map(|(_, text)| *text)
}

fn check_bytes(path: &str, key: &str, text: &str, least: usize, most: usize) -> Result<(), ConfigError> {
    match (least..=most).contains(&text.len()) {
        true => Ok(()),
        false => {
            let reason = format!("has {} bytes; {least} to {most} are allowed", text.len());
            Err(ConfigError::new(join(path, key), reason))
        }
    }
}

section! {
    /// The widget's looks.
    pub struct Theme {
        /// Colour of the bubble, the buttons and the visitor's messages.
        color: Color = text("#1d4ed8");
    }
}

impl Theme {
    fn check(&self, _path: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}

section! {
    /// How long conversations stay open, and are kept.
    pub struct Life {
        /// After how many hours in which nobody wrote the site closes a conversation.
        close_after_hours: u64 = count(24, 1..=8_760);
        /// How many days after it was closed a conversation is forgotten, with every trace of it. 0: never.
        keep_days: u64 = count(90, 0..=36_500);
    }
}

impl Life {
    fn check(&self, _path: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}

section! {
    /// Signed identities: a JWT that the site's own back end makes for a visitor who is logged in there. It needs `sub`
    /// and `exp`.
    pub struct Identity {
        /// Whether a visitor without one is refused.
        required: bool = switch(false);
        /// The keys that verify it. At most 4, so that a forged one stays cheap to refuse.
        keys: Vec<IdentityKey> = unset();
        /// What `aud` must name. Where it is not set, `aud` is passed over. Set it if the key also signs other tokens.
        audience: Option<String> = unset();
        /// The longest time that may be left until an identity expires, in seconds.
        max_lifetime_seconds: u64 = count(86_400, 60..=31_536_000);
    }
}

/// How many keys a site may have.
const MAX_IDENTITY_KEYS: usize = 4;

impl Identity {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        let keys = join(path, "keys");
        if self.required && self.keys.is_empty() {
            return Err(ConfigError::new(keys, "must be set when required = true, or nobody could pass"));
        }
        if self.keys.len() > MAX_IDENTITY_KEYS {
            let reason = format!("has {} keys; {MAX_IDENTITY_KEYS} are the most", self.keys.len());
            return Err(ConfigError::new(keys, reason));
        }
        let ids: Vec<_> = self.keys.iter().map(|key| key.id.as_deref()).collect();
        check_ids(&keys, &ids)
    }
}

words! {
    /// The one algorithm that a key is good for. A token that names another is refused.
    pub enum IdentityAlgorithm {
        /// HMAC with SHA-256: a shared secret.
        Hs256 = "HS256",
        /// RSA (PKCS #1 v1.5) with SHA-256: a public key.
        Rs256 = "RS256",
        /// ECDSA on P-256: a public key.
        Es256 = "ES256",
        /// Ed25519: a public key.
        EdDsa = "EdDSA",
    }
}

section! {
    /// One key that verifies identities.
    pub struct IdentityKey {
        /// The key's `kid`. An identity that names a `kid` is checked with that key alone, one that names none with all.
        id: Option<String> = unset();
        /// The algorithm that the key is for.
        algorithm: IdentityAlgorithm = required();
        /// For `HS256`: the secret shared with the site's back end, at least 32 bytes.
        secret: Option<Secret> = unset();
        /// For the others: the public key, in PEM (`-----BEGIN PUBLIC KEY-----`).
        public_key: Option<Secret> = unset();
    }
}

impl IdentityKey {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if let Some(id) = &self.id {
            check_id(path, id)?;
        }
        let algorithm = self.algorithm.as_str();
        let (wanted, unwanted) = match self.algorithm {
            IdentityAlgorithm::Hs256 => (("secret", &self.secret), ("public_key", &self.public_key)),
            _ => (("public_key", &self.public_key), ("secret", &self.secret)),
        };
        if unwanted.1.is_some() {
            return Err(ConfigError::new(join(path, unwanted.0), format!("is not for {algorithm}")));
        }
        let Some(value) = wanted.1 else {
            return Err(ConfigError::new(join(path, wanted.0), format!("must be set for {algorithm}")));
        };
        match self.algorithm {
            IdentityAlgorithm::Hs256 => check_secret(path, value),
            _ => check_public_key(path, value),
        }
    }
}

/// The keys themselves are read where they are used; this finds the usual mistakes without showing the value.
fn check_public_key(path: &str, key: &Secret) -> Result<(), ConfigError> {
    let pem = key.reveal().trim();
    let reason = if pem.contains("PRIVATE KEY") {
        "holds a private key; give the public one, and keep the private one in the back end"
    } else if pem.starts_with("-----BEGIN PUBLIC KEY-----") && pem.ends_with("-----END PUBLIC KEY-----") {
        return Ok(());
    } else {
        "is not a public key in PEM, which starts with -----BEGIN PUBLIC KEY-----"
    };
    Err(ConfigError::new(join(path, "public_key"), reason))
}
