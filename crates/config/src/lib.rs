//! Frontdesk's configuration: one file, `frontdesk.toml`, in which every key can be overridden by an environment
//! variable.
//!
//! Each table is declared in a module of its own, with the meaning, the type and the default of each key in one place.
//! `docs/configuration.md` is made from these declarations ([`reference`]). A key that is unknown, of the wrong type or
//! impossible is a [`ConfigError`] that names the key, the value and the reason; the program then exits with
//! [`EXIT_CODE_BAD_CONFIG`].

mod ai;
mod arguments;
mod environment;
mod error;
mod functions;
mod limits;
mod node;
mod reference;
mod schema;
mod service_url;
mod site;
mod tokens;
mod traces;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub use crate::ai::{Ai, DEFAULT_MODEL, Model, ModelKind};
pub use crate::arguments::{Asked, UnknownArgument, asked};
pub use crate::environment::{FILE_VARIABLE, environment};
pub use crate::error::ConfigError;
pub use crate::functions::{AiProxy, Functions, FunctionsUrl};
pub use crate::limits::Limits;
pub use crate::node::{Bus, Log, LogFormat, LogLevel, Node, Store, Turn};
pub use crate::reference::reference;
pub use crate::service_url::{BusUrl, ServiceUrl, StoreUrl};
pub use crate::site::{FALLBACKS, Identity, IdentityAlgorithm, IdentityKey, Life, Site, Theme};
pub use crate::tokens::{TokenKey, Tokens};
pub use crate::traces::Traces;
pub use crate::values::{AllowedOrigin, BaseUrl, Color, Data, Language, Origin, Secret, Translated};
pub use ipnet::IpNet;

use crate::schema::{Field, join, section, table};

/// The process's exit code when its configuration cannot be used: `EX_USAGE` of sysexits.h.
pub const EXIT_CODE_BAD_CONFIG: u8 = 64;

/// The file read when none is named, if it is in the working directory.
pub const DEFAULT_FILE: &str = "frontdesk.toml";

section! {
    /// The whole file.
    pub struct Config {
        /// One node: where it listens and how much it takes.
        node: Node = table();
        /// Where the logs of conversations are kept.
        store: Store = table();
        /// How nodes tell each other at once what happens. Without it a node is alone.
        bus: Bus = table();
        /// The functions that the node invokes, by Lambda's invoke API.
        functions: Functions = table();
        /// One turn: the visitor's messages and the one answer to them.
        turn: Turn = table();
        /// Bounds for every connection, visitor and address. What goes over is refused with a named error that says when
        /// to come back. An address is one IPv4 address, or one IPv6 /64.
        limits: Limits = table();
        /// Visitors' tokens (JWT, HS256), by which a visitor who comes back is known.
        tokens: Tokens = table();
        /// The assistant's model, and how long the function `ai` waits for it.
        ai: Ai = table();
        /// Further models, by name: 1 to 32 of `a-z`, `0-9` and `-`.
        models: BTreeMap<String, Model> = table();
        /// The program `ai-proxy`: the function `ai` as an HTTP server, for containers.
        ai_proxy: AiProxy = table();
        /// Log lines, on standard error. They never hold a message's text, a token or a key.
        log: Log = table();
        /// Traces of turns, for a collector that takes OpenTelemetry's protocol over HTTP (OTLP, protobuf). They never hold a
        /// message's text, a token or a key. Off without `url`. See [telemetry.md](telemetry.md).
        traces: Traces = table();
        /// The sites, by key: 1 to 32 of `a-z`, `0-9` and `-`, as in the page's script tag.
        sites: BTreeMap<String, Site> = table();
    }
}

impl Config {
    /// Reads the file and lays the variables over it.
    ///
    /// With no `path`, the file is the one that [`FILE_VARIABLE`] names, else [`DEFAULT_FILE`] if it is there, else
    /// none: every key has its default, and no site is known.
    ///
    /// # Errors
    /// The file cannot be read, or what it and the variables say cannot be used.
    pub fn load(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let variables: BTreeMap<_, _> = variables.into_iter().collect();
        let from_variable = || variables.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
        match path.map(Path::to_owned).or_else(from_variable).or_else(default) {
            Some(path) => Config::parse_named(&path.display().to_string(), &read(&path)?, &variables),
            None => Config::parse("", variables),
        }
    }

    /// Reads a file's text and lays the variables over it. Variables that do not concern the configuration are passed
    /// over.
    ///
    /// # Errors
    /// What the text and the variables say cannot be used.
    pub fn parse(text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Config, ConfigError> {
        Config::parse_named(DEFAULT_FILE, text, &variables.into_iter().collect())
    }

    fn parse_named(file: &str, text: &str, variables: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        let mut root: Table = text.parse().map_err(|error| syntax(file, text, &error))?;
        let mut set_by = environment::overlay(&mut root, Config::KEYS, variables)?;
        environment::accept_openai_key(&mut root, variables);
        environment::accept_opentelemetry(&mut root, variables, &mut set_by);
        Config::read("", &Value::Table(root)).map_err(|error| match environment::setter(&set_by, error.key()) {
            Some(variable) => error.set_by(variable),
            None => error,
        })
    }

    /// What only a node has to have. Programs that read the same file and run no node need not.
    ///
    /// # Errors
    /// Nodes would not work together as they are configured.
    pub fn check_node(&self) -> Result<(), ConfigError> {
        if self.store.url != StoreUrl::Embedded && self.tokens.keys.is_empty() {
            let reason = "must be set when store.url is: every node must know the same keys, or it would not know the \
                          visitors of another. Make one with: openssl rand -base64 32";
            return Err(ConfigError::new("tokens.keys", reason));
        }
        Ok(())
    }

    /// The model with this name, as a site names it.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<Model> {
        if name == DEFAULT_MODEL { Some(Model::from(&self.ai)) } else { self.models.get(name).cloned() }
    }

    fn check_models(&self, path: &str) -> Result<(), ConfigError> {
        if self.models.contains_key(DEFAULT_MODEL) {
            let reason = "is the name of the model that [ai] describes; choose another";
            return Err(ConfigError::new(join(&join(path, "models"), DEFAULT_MODEL), reason));
        }
        for (key, site) in &self.sites {
            if let Some(name) = site.models.iter().find(|name| self.model(name).is_none()) {
                let path = join(&join(&join(path, "sites"), key), "models");
                let reason = format!("names a model that is not there; add [models.{name}], or take it away");
                return Err(ConfigError::new(path, reason).with_value(&format!("{name:?}")));
            }
        }
        Ok(())
    }

    /// What concerns more than one table.
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        let refuse = |key: &str, value: &dyn std::fmt::Display, reason: String| {
            Err(ConfigError::new(join(path, key), reason).with_value(&value.to_string()))
        };
        if self.bus.url != BusUrl::None && self.store.url == StoreUrl::Embedded {
            let reason = "is set, but no other node can share the embedded store; set store.url, or leave this out";
            return Err(ConfigError::new(join(path, "bus.url"), reason));
        }
        self.check_models(path)?;
        if self.ai.total_ms >= self.turn.deadline_ms {
            let reason = format!("must be less than turn.deadline_ms ({})", self.turn.deadline_ms);
            return refuse("ai.total_ms", &self.ai.total_ms, reason);
        }
        if self.turn.recent_bytes < self.limits.max_text_bytes {
            let reason = format!(
                "must be at least limits.max_text_bytes ({}), or the assistant could not read the longest message",
                self.limits.max_text_bytes
            );
            return refuse("turn.recent_bytes", &self.turn.recent_bytes, reason);
        }
        let largest = 2 * self.turn.max_answer_bytes.max(self.limits.max_text_bytes);
        if self.limits.write_buffer_bytes < largest {
            let reason = format!(
                "must be at least {largest}: twice the longest answer (turn.max_answer_bytes) or message, or its readers \
                 would count as slow"
            );
            return refuse("limits.write_buffer_bytes", &self.limits.write_buffer_bytes, reason);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(path.display().to_string(), format!("cannot be read: {error}")))
}

/// Says where the file is not TOML. The text itself is not shown: it may be a secret.
fn syntax(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let reason = format!("is not TOML: {}", error.message());
    let Some(span) = error.span() else { return ConfigError::new(file, reason) };
    let line = 1 + text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count();
    ConfigError::new(format!("{file}, line {line}"), reason)
}
