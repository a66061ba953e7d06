//! What the children are told: the configuration, and over it what the options of `local-dev` decide.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{BusUrl, Config, ConfigError, Data, ModelKind, StoreUrl};
use conn_node::token_key::{self, TokenKeyError};
use tempfile::TempDir;

use crate::demo;
use crate::options::{Options, StoreChoice};

/// The configuration with the demo shop.
pub const BUILT_IN: &str = include_str!("../frontdesk.toml");

/// The site of the demo shop, in the built-in configuration.
const SHOP: &str = "FRONTDESK_SITES_SHOP_ORIGINS";

/// What it answers from.
const KNOWLEDGE: &str = "FRONTDESK_SITES_SHOP_KNOWLEDGE";
const KNOWLEDGE_INDEX: &str = "FRONTDESK_SITES_SHOP_KNOWLEDGE_INDEX";
const INTENTS: &str = "FRONTDESK_SITES_SHOP_INTENTS";

/// The variables that a node started by hand needs; none of them is a secret.
const BY_HAND: [&str; 9] = [
    config::FILE_VARIABLE,
    "FRONTDESK_FUNCTIONS_URL",
    "FRONTDESK_NODE_LISTEN",
    "FRONTDESK_NODE_METRICS_LISTEN",
    SHOP,
    KNOWLEDGE,
    KNOWLEDGE_INDEX,
    INTENTS,
    "FRONTDESK_STORE_DATA",
];

/// Where everything listens. No port is 0.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The demo shop.
    pub demo: SocketAddr,
    /// Where visitors connect: the node, or the balancer in front of several.
    pub front: SocketAddr,
    /// The nodes. One that is alone listens at `front`.
    pub nodes: Vec<NodeAddresses>,
    /// The invoke API.
    pub functions: SocketAddr,
    /// DynamoDB's API, where this program serves it.
    pub dynamodb: Option<SocketAddr>,
}

/// Where one node listens.
#[derive(Clone, Copy, Debug)]
pub struct NodeAddresses {
    /// Visitors.
    pub node: SocketAddr,
    /// Its metrics.
    pub metrics: SocketAddr,
}

/// The table of the DynamoDB that this program serves.
pub const TABLE: &str = "frontdesk";

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration, or an option, says something impossible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Options that do not go together, or not with the configuration.
    #[error("{0}")]
    Options(String),
    /// There is no key for visitors' tokens that the nodes could share.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
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
    /// The variables that only nodes get, beside those.
    node_env: Vec<(OsString, OsString)>,
    addresses: Addresses,
    /// The built-in configuration and what it names, as files, removed at the end.
    _built_in: Option<TempDir>,
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
        check_store_choice(options)?;
        let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
        let named = options.config.clone().or_else(|| variables.get(config::FILE_VARIABLE).map(PathBuf::from));
        let built_in = match named {
            Some(_) => None,
            None => Some(demo::lay_down(BUILT_IN).map_err(|source| SettingsError::Write { source })?),
        };
        if let Some(folder) = &built_in {
            // Other texts are not in the shop's index.
            let index = (!variables.contains_key(KNOWLEDGE)).then_some((KNOWLEDGE_INDEX, ""));
            for (name, file) in [(KNOWLEDGE, demo::KNOWLEDGE), (INTENTS, demo::INTENTS)].into_iter().chain(index) {
                let path = || folder.path().join(file).display().to_string();
                variables.entry(name.to_owned()).or_insert_with(path);
            }
            variables.entry(SHOP.to_owned()).or_insert_with(|| demo::origins(addresses.demo).join(","));
        }
        variables.extend(overrides(options, &addresses));
        let file = named.or_else(|| built_in.as_ref().map(|folder| folder.path().join(demo::CONFIGURATION)));
        if let Some(file) = &file {
            variables.insert(config::FILE_VARIABLE.to_owned(), absolute(file).display().to_string());
        }
        let config = Config::load(file.as_deref(), variables.clone())?;
        check_together(options, &config)?;
        let node_env = if options.no_node { Vec::new() } else { node_env(&config)? };
        let env = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Self { config, env, node_env, addresses, _built_in: built_in })
    }

    /// The name of a node, the first is 0: one that is alone has that of the configuration.
    #[must_use]
    pub fn node_name(&self, at: usize) -> String {
        match self.addresses.nodes.len() {
            0 | 1 => self.config.node.name.clone(),
            _ => format!("node-{}", at + 1),
        }
    }

    /// The variables of a node, the first is 0.
    #[must_use]
    pub fn node_env(&self, at: usize) -> Vec<(OsString, OsString)> {
        let mut env = self.env.clone();
        env.extend(self.node_env.iter().cloned());
        env.push(("FRONTDESK_NODE_NAME".into(), self.node_name(at).into()));
        if let Some(own) = self.addresses.nodes.get(at) {
            env.push(("FRONTDESK_NODE_LISTEN".into(), own.node.to_string().into()));
            env.push(("FRONTDESK_NODE_METRICS_LISTEN".into(), own.metrics.to_string().into()));
        }
        env
    }

    /// What works less well than somebody may think, a line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let demo = format!("http://{}", self.addresses.demo);
        let shop = match self.config.sites.get("shop") {
            None => Some("add a [sites.shop]".to_owned()),
            Some(site) if self.addresses.demo.ip().is_unspecified() || site.allows_origin(Some(&demo)) => None,
            Some(_) => Some(format!("add \"{demo}\" to origins of [sites.shop]")),
        };
        shop.map(|add| format!("The demo shop's chat will not open with this configuration: {add}."))
            .into_iter()
            .collect()
    }

    /// Where conversations are kept, for people to read.
    #[must_use]
    pub fn data(&self) -> String {
        let data = match &self.config.store.data {
            Data::Memory => "in memory, gone when this stops".to_owned(),
            Data::Folder(folder) => folder.display().to_string(),
        };
        match &self.config.store.url {
            StoreUrl::Embedded => data,
            StoreUrl::Redis(url) | StoreUrl::DynamoDb(url) => match self.addresses.dynamodb {
                None => url.to_string(),
                Some(address) => format!("DynamoDB's API at http://{address}, table {TABLE}, kept {data}"),
            },
        }
    }

    /// How nodes tell each other, for people to read.
    #[must_use]
    pub fn bus(&self) -> Option<String> {
        match &self.config.bus.url {
            BusUrl::None => None,
            BusUrl::Redis(url) | BusUrl::Nats(url) => Some(url.to_string()),
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
fn overrides(options: &Options, addresses: &Addresses) -> Vec<(String, String)> {
    let mut overrides = vec![("FRONTDESK_FUNCTIONS_URL", format!("http://{}", addresses.functions))];
    if let [only] = addresses.nodes[..] {
        overrides.push(("FRONTDESK_NODE_LISTEN", only.node.to_string()));
        overrides.push(("FRONTDESK_NODE_METRICS_LISTEN", only.metrics.to_string()));
    }
    if let Some(data) = &options.data {
        overrides.push(("FRONTDESK_STORE_DATA", data.clone()));
    }
    match (&options.store, addresses.dynamodb) {
        (Some(StoreChoice::Memory), _) => overrides.push(("FRONTDESK_STORE_DATA", "memory".to_owned())),
        (Some(StoreChoice::Url(url)), _) => overrides.push(("FRONTDESK_STORE_URL", url.reveal().to_owned())),
        (Some(StoreChoice::DynamoDb), Some(address)) => {
            let url = format!("dynamodb://{TABLE}?region=us-east-1&endpoint=http://{address}");
            overrides.push(("FRONTDESK_STORE_URL", url));
        }
        (Some(StoreChoice::DynamoDb) | None, _) => {}
    }
    if let Some(bus) = &options.bus {
        overrides.push(("FRONTDESK_BUS_URL", bus.reveal().to_owned()));
    }
    if let (Some(url), Some(model)) = (&options.model_url, &options.model) {
        overrides.push(("FRONTDESK_AI_MODEL", "openai".to_owned()));
        overrides.push(("FRONTDESK_AI_MODEL_URL", url.clone()));
        overrides.push(("FRONTDESK_AI_MODEL_NAME", model.clone()));
    }
    overrides.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// DynamoDB needs a program that was built with it.
const BUILD_WITH_DYNAMODB: &str = "this local-dev was built without DynamoDB, whose crates take minutes to compile; start it \
                                   with: cargo run -p local-dev --features dynamodb -- --store";

fn check_store_choice(options: &Options) -> Result<(), SettingsError> {
    let refuse = |reason: String| Err(SettingsError::Options(reason));
    match &options.store {
        Some(StoreChoice::DynamoDb) if cfg!(not(feature = "dynamodb")) => {
            refuse(format!("{BUILD_WITH_DYNAMODB} dynamodb"))
        }
        Some(StoreChoice::Memory) if options.data.as_ref().is_some_and(|data| data != "memory") => {
            refuse("--store memory keeps nothing, and --data names a folder; leave one of them out".to_owned())
        }
        _ => Ok(()),
    }
}

/// What the options ask for, with what the configuration says.
fn check_together(options: &Options, config: &Config) -> Result<(), SettingsError> {
    let refuse = |reason: String| Err(SettingsError::Options(reason));
    let (nodes, embedded) = (options.nodes, config.store.url == StoreUrl::Embedded);
    if options.store == Some(StoreChoice::Memory) && !embedded {
        return refuse(
            "--store memory keeps everything in the node, and store.url is set; leave one of them out".into(),
        );
    }
    if cfg!(not(feature = "dynamodb"))
        && !options.no_node
        && let StoreUrl::DynamoDb(url) = &config.store.url
    {
        return refuse(format!("{BUILD_WITH_DYNAMODB} {url}"));
    }
    if nodes > 1 && embedded {
        return refuse(format!(
            "--nodes {nodes} needs a store that the nodes can share, and a bus. With a Redis on this machine: \
             cargo run -p local-dev -- --nodes {nodes} --store redis://127.0.0.1:6379 --bus redis://127.0.0.1:6379"
        ));
    }
    if nodes > 1 && config.bus.url == BusUrl::None {
        return refuse(format!(
            "--nodes {nodes} needs a bus, or the nodes would not hear of each other's answers. Add --bus with the address of \
             a Redis or a NATS server, as in --bus redis://127.0.0.1:6379 or --bus nats://127.0.0.1:4222"
        ));
    }
    Ok(())
}

/// The key of visitors' tokens, where nodes must share one and the configuration has none. By environment, for everybody on
/// the machine can read a command line.
fn node_env(config: &Config) -> Result<Vec<(OsString, OsString)>, SettingsError> {
    if config.store.url == StoreUrl::Embedded || !config.tokens.keys.is_empty() {
        return Ok(Vec::new());
    }
    let key = token_key::load_or_make(&config.store.data)?;
    let keys = format!("[{{ id = \"{}\", secret = \"{}\" }}]", key.id, key.secret.reveal());
    Ok(vec![("FRONTDESK_TOKENS_KEYS".into(), keys.into())])
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::options::CommandLine;

    fn settings(args: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let args = std::iter::once("local-dev").chain(args.iter().copied());
        let options = CommandLine::try_parse_from(args).unwrap().options;
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut nodes = vec![NodeAddresses { node: address(2), metrics: address(3) }];
        if options.nodes > 1 {
            nodes = (0..u16::from(options.nodes))
                .map(|at| NodeAddresses { node: address(11 + at), metrics: address(21 + at) })
                .collect();
        }
        let addresses = Addresses { demo: address(1), front: address(2), nodes, functions: address(4), dynamodb: None };
        Settings::new(&options, addresses, variables).map_err(|error| error.to_string())
    }

    /// What a node reads from the variables it is given.
    fn read_by_node(settings: &Settings, at: usize) -> Config {
        let text = |text: &OsString| text.to_str().unwrap().to_owned();
        Config::load(None, settings.node_env(at).iter().map(|(name, value)| (text(name), text(value)))).unwrap()
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

    const CLUSTER: [&str; 8] =
        ["--nodes", "3", "--store", "redis://:hunter2@127.0.0.1:1", "--bus", "nats://127.0.0.1:2", "--data", "memory"];

    #[test]
    fn every_node_of_a_cluster_has_its_name_and_addresses_and_the_key_of_the_others() {
        let settings = settings(&CLUSTER, &[]).unwrap();
        let nodes = [0, 1, 2].map(|at| read_by_node(&settings, at));
        assert_eq!(nodes.each_ref().map(|config| config.node.name.as_str()), ["node-1", "node-2", "node-3"]);
        assert_eq!(nodes.each_ref().map(|config| config.node.listen.port()), [11, 12, 13]);
        assert_eq!(nodes.each_ref().map(|config| config.node.metrics_listen.port()), [21, 22, 23]);
        for config in &nodes {
            config.check_node().unwrap();
            assert_eq!(config.tokens, nodes[0].tokens);
        }
        assert!(read_by_child(&settings).tokens.keys.is_empty(), "functions have no use for it");
        assert_eq!(settings.data(), "redis://127.0.0.1:1");
        assert_eq!(settings.bus().unwrap(), "nats://127.0.0.1:2");
    }

    #[test]
    fn keys_of_the_configuration_are_not_replaced() {
        let keys = "[{ id = \"mine\", secret = \"0123456789abcdef0123456789abcdef\" }]";
        let settings = settings(&CLUSTER, &[("FRONTDESK_TOKENS_KEYS", keys)]).unwrap();
        assert_eq!(read_by_node(&settings, 2).tokens.keys[0].id, "mine");
    }

    #[test]
    fn a_node_that_is_alone_keeps_its_name_and_makes_its_own_key() {
        let settings = settings(&["--data", "memory"], &[]).unwrap();
        let config = read_by_node(&settings, 0);
        assert_eq!((config.node.name.as_str(), config.node.listen.port()), ("local", 2));
        assert!(config.tokens.keys.is_empty());
    }

    #[test]
    fn options_that_make_no_cluster_are_refused_with_what_to_type() {
        let refused = |args: &[&str]| settings(args, &[]).unwrap_err();
        let error = refused(&["--nodes", "3"]);
        assert!(error.contains("--nodes 3 --store redis://127.0.0.1:6379 --bus redis://127.0.0.1:6379"), "{error}");
        let error = refused(&["--nodes", "2", "--store", "redis://:hunter2@127.0.0.1", "--data", "memory"]);
        assert!(error.contains("needs a bus") && error.contains("--bus nats://127.0.0.1:4222"), "{error}");
        let error = refused(&["--bus", "nats://127.0.0.1"]);
        assert!(error.starts_with("bus.url: is set"), "{error}");
        let error = refused(&["--store", "memory", "--data", "folder"]);
        assert!(error.contains("leave one of them out"), "{error}");
        let error = refused(&["--store", "postgres://:hunter2@127.0.0.1"]);
        assert!(error.starts_with("store.url: is not an address") && !error.contains("hunter2"), "{error}");
        let with_url = [("FRONTDESK_STORE_URL", "redis://127.0.0.1")];
        let error = settings(&["--store", "memory"], &with_url).unwrap_err();
        assert!(error.contains("store.url is set"), "{error}");
    }

    #[cfg(not(feature = "dynamodb"))]
    #[test]
    fn without_dynamodb_the_command_that_has_it_is_named() {
        for store in ["dynamodb", "dynamodb://table"] {
            let error = settings(&["--store", store], &[]).unwrap_err();
            assert!(
                error.ends_with(&format!("cargo run -p local-dev --features dynamodb -- --store {store}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_configuration_that_does_not_know_the_demo_shop_is_warned_about() {
        let mut file = NamedTempFile::new().unwrap();
        let warned =
            |file: &NamedTempFile| settings(&["--config", file.path().to_str().unwrap()], &[]).unwrap().warnings();
        file.write_all(b"[sites.shop]\nname = \"Mine\"\norigins = [\"https://mine.example\"]\n").unwrap();
        assert!(
            warned(&file)[0].ends_with("add \"http://127.0.0.1:1\" to origins of [sites.shop]."),
            "{:?}",
            warned(&file)
        );
        file.as_file_mut().set_len(0).unwrap();
        assert!(warned(&file)[0].contains("add a [sites.shop]"), "{:?}", warned(&file));
        assert_eq!(settings(&[], &[]).unwrap().warnings(), [""; 0]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = settings(&["--config", "/nowhere/frontdesk.toml"], &[]).unwrap_err();
        assert!(error.contains("/nowhere/frontdesk.toml"), "{error}");
        let error = settings(&["--model-url", "not a url", "--model", "small"], &[]).unwrap_err();
        assert!(error.contains("ai.model_url"), "{error}");
    }
}
