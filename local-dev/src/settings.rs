//! What the children are told: the configuration, and over it what the options of `local-dev` decide.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Data, ModelKind};
use tempfile::{NamedTempFile, TempPath};

use crate::demo;
use crate::options::Options;

/// The configuration with the demo shop.
pub const BUILT_IN: &str = include_str!("../frontdesk.toml");

/// The site of the demo shop, in the built-in configuration.
const SHOP: &str = "FRONTDESK_SITES_SHOP_ORIGINS";

/// The variables that a node started by hand needs; none of them is a secret.
const BY_HAND: [&str; 6] = [
    config::FILE_VARIABLE,
    "FRONTDESK_FUNCTIONS_URL",
    "FRONTDESK_NODE_LISTEN",
    "FRONTDESK_NODE_METRICS_LISTEN",
    SHOP,
    "FRONTDESK_STORE_DATA",
];

/// Where everything listens. No port is 0.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The demo shop.
    pub demo: SocketAddr,
    /// The node.
    pub node: SocketAddr,
    /// The node's metrics.
    pub metrics: SocketAddr,
    /// The invoke API.
    pub functions: SocketAddr,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration, or an option, says something impossible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The built-in configuration cannot be laid down for the children.
    #[error("the built-in configuration cannot be written to {}: {source}. Set TMPDIR to a folder that can be written to",
        std::env::temp_dir().display())]
    Write {
        /// What the system said.
        source: io::Error,
    },
}

/// The settings of one run.
#[derive(Debug)]
pub struct Settings {
    /// What the children will read, for what `local-dev` itself has to know.
    pub config: Config,
    /// The variables that the children get.
    pub env: Vec<(OsString, OsString)>,
    /// The built-in configuration as a file, removed at the end.
    _built_in: Option<TempPath>,
}

impl Settings {
    /// Puts together what the children are told. `variables` are those that concern the configuration.
    ///
    /// # Errors
    /// The configuration or an option cannot be used, or no file can be written.
    pub fn new(
        options: &Options,
        addresses: Addresses,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
        let named = options.config.clone().or_else(|| variables.get(config::FILE_VARIABLE).map(PathBuf::from));
        let built_in = match named {
            Some(_) => None,
            None => Some(write_built_in().map_err(|source| SettingsError::Write { source })?),
        };
        if built_in.is_some() {
            variables.entry(SHOP.to_owned()).or_insert_with(|| demo::origins(addresses.demo).join(","));
        }
        variables.extend(overrides(options, addresses));
        let file = named.as_deref().or(built_in.as_deref());
        if let Some(file) = file {
            variables.insert(config::FILE_VARIABLE.to_owned(), absolute(file).display().to_string());
        }
        let config = Config::load(file, variables.clone())?;
        let env = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Self { config, env, _built_in: built_in })
    }

    /// Where conversations are kept, for people to read.
    #[must_use]
    pub fn data(&self) -> String {
        match &self.config.store.data {
            Data::Memory => "in memory, gone when this stops".to_owned(),
            Data::Folder(folder) => folder.display().to_string(),
        }
    }

    /// What to type to start a node by hand that fits the rest.
    #[must_use]
    pub fn node_command(&self) -> String {
        let needed = self.env.iter().filter(|(name, _)| BY_HAND.iter().any(|needed| name == needed));
        let set = needed.map(|(name, value)| format!("{}='{}'", name.display(), value.display()));
        set.chain(["cargo run -p conn-node".to_owned()]).collect::<Vec<_>>().join(" ")
    }

    /// What answers, for people to read.
    #[must_use]
    pub fn model(&self) -> String {
        let ai = &self.config.ai;
        match (ai.model, &ai.model_name, &ai.model_url) {
            (ModelKind::OpenAi, Some(name), Some(url)) => format!("{name} at {}", url.as_str()),
            _ => "scripted (no key, no network; --model-url and --model for a real one)".to_owned(),
        }
    }
}

/// The variables that the options decide, in place of whatever the environment says.
fn overrides(options: &Options, addresses: Addresses) -> Vec<(String, String)> {
    let mut overrides = vec![
        ("FRONTDESK_NODE_LISTEN", addresses.node.to_string()),
        ("FRONTDESK_NODE_METRICS_LISTEN", addresses.metrics.to_string()),
        ("FRONTDESK_FUNCTIONS_URL", format!("http://{}", addresses.functions)),
    ];
    if let Some(data) = &options.data {
        overrides.push(("FRONTDESK_STORE_DATA", data.clone()));
    }
    if let (Some(url), Some(model)) = (&options.model_url, &options.model) {
        overrides.push(("FRONTDESK_AI_MODEL", "openai".to_owned()));
        overrides.push(("FRONTDESK_AI_MODEL_URL", url.clone()));
        overrides.push(("FRONTDESK_AI_MODEL_NAME", model.clone()));
    }
    overrides.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn write_built_in() -> io::Result<TempPath> {
    let mut file = NamedTempFile::with_prefix("frontdesk-")?;
    file.write_all(BUILT_IN.as_bytes())?;
    Ok(file.into_temp_path())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::CommandLine;

    fn settings(args: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let args = std::iter::once("local-dev").chain(args.iter().copied());
        let options = CommandLine::try_parse_from(args).unwrap().options;
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (demo, node, metrics, functions) = (address(1), address(2), address(3), address(4));
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::new(&options, Addresses { demo, node, metrics, functions }, variables)
            .map_err(|error| error.to_string())
    }

    /// What a child reads from the variables it is given.
    fn read_by_child(settings: &Settings) -> Config {
        let text = |text: &OsString| text.to_str().unwrap().to_owned();
        Config::load(None, settings.env.iter().map(|(name, value)| (text(name), text(value)))).unwrap()
    }

    #[test]
    fn the_built_in_configuration_knows_the_demo_shop_where_it_is_served() {
        let settings = settings(&[], &[]).unwrap();
        let config = read_by_child(&settings);
        assert!(config.sites["shop"].allows_origin(Some("http://127.0.0.1:1")));
        assert!(config.sites["shop"].allows_origin(Some("http://localhost:1")));
        assert!(!config.sites["shop"].allows_origin(Some("http://127.0.0.1:7000")));
        assert_eq!(config.node.listen.port(), 2);
        assert_eq!(config.node.metrics_listen.port(), 3);
        assert!(settings.model().starts_with("scripted"));
    }

    #[test]
    fn options_go_over_the_environment_and_the_environment_over_the_file() {
        let variables = [("FRONTDESK_STORE_DATA", "elsewhere"), ("FRONTDESK_NODE_NAME", "mine")];
        let settings = settings(&["--data", "memory"], &variables).unwrap();
        let config = read_by_child(&settings);
        assert_eq!(config.store.data, Data::Memory);
        assert_eq!(config.node.name, "mine");
    }

    #[test]
    fn a_model_on_the_command_line_is_the_model_that_answers() {
        let settings = settings(&["--model-url", "http://127.0.0.1:9/v1", "--model", "small"], &[]).unwrap();
        assert_eq!(read_by_child(&settings).ai.model, ModelKind::OpenAi);
        assert_eq!(settings.model(), "small at http://127.0.0.1:9/v1");
    }

    #[test]
    fn a_named_file_stands_in_place_of_the_built_in_one() {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(b"[sites.mine]\nname = \"Mine\"\norigins = [\"http://127.0.0.1:1\"]\n").unwrap();
        let settings = settings(&["--config", file.path().to_str().unwrap()], &[]).unwrap();
        assert_eq!(read_by_child(&settings).sites.keys().collect::<Vec<_>>(), ["mine"]);
    }

    #[test]
    fn a_node_by_hand_gets_what_it_needs_and_no_key() {
        let command = settings(&["--no-node"], &[("FRONTDESK_AI_API_KEY", "secret")]).unwrap().node_command();
        assert!(command.contains("FRONTDESK_NODE_LISTEN='127.0.0.1:2' "), "{command}");
        assert!(command.ends_with(" cargo run -p conn-node") && !command.contains("secret"), "{command}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = settings(&["--config", "/nowhere/frontdesk.toml"], &[]).unwrap_err();
        assert!(error.contains("/nowhere/frontdesk.toml"), "{error}");
        let error = settings(&["--model-url", "not a url", "--model", "small"], &[]).unwrap_err();
        assert!(error.contains("ai.model_url"), "{error}");
    }
}
