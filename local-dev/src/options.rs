//! What `local-dev` can be told on the command line.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

/// Frontdesk on this machine: the node, the functions and a demo shop. No account, no services.
#[derive(Debug, Parser)]
#[command(name = "local-dev", args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// What this process is, when `local-dev` starts itself as a child.
    #[command(subcommand)]
    pub role: Option<RoleCommand>,
    /// What `local-dev` starts.
    #[command(flatten)]
    pub options: Options,
}

/// The commands that are not for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum RoleCommand {
    /// Runs one part of Frontdesk as a child of `local-dev`.
    #[command(subcommand, hide = true)]
    Role(Role),
}

/// What a child process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Role {
    /// A connection node.
    Node,
    /// A process of the function that answers turns.
    Ai,
    /// A process of the function that says who takes a conversation.
    Routing,
}

impl Role {
    /// Its name, on the command line and, for functions, to those who invoke them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Node => "node",
            Role::Ai => "ai",
            Role::Routing => "routing",
        }
    }
}

/// The options that people give.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Folder for conversations, or `memory` to keep none [default: store.data of the configuration, frontdesk-data]
    #[arg(long, value_name = "DIR|memory")]
    pub data: Option<String>,
    /// Where conversations are kept: the address of a store that nodes can share (redis://…, dynamodb://TABLE), `dynamodb`
    /// for one that runs in this program, or `memory` for `--data memory`
    /// [default: store.url of the configuration, and without it a file in the data folder]
    #[arg(long, value_name = "URL|dynamodb|memory")]
    pub store: Option<StoreChoice>,
    /// How nodes tell each other what happens: the address of a bus (redis://…, nats://…) [default: bus.url of the
    /// configuration]
    #[arg(long, value_name = "URL")]
    pub bus: Option<SecretText>,
    /// How many nodes to run; more than one needs --store and --bus, and gets a balancer on the node's port
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// Base URL of an OpenAI-compatible server, up to and with its version; without it a scripted model answers
    #[arg(long, value_name = "URL", requires = "model")]
    pub model_url: Option<String>,
    /// Name of the model on that server; its key is taken from OPENAI_API_KEY
    #[arg(long, value_name = "NAME", requires = "model_url")]
    pub model: Option<String>,
    /// Configuration to use in place of the built-in one with the demo shop
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address for the demo shop and the node; another than 127.0.0.1 lets other machines in
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port of the demo shop; 0 picks a free one, here and below
    #[arg(long, value_name = "PORT", default_value_t = 7000)]
    pub demo_port: u16,
    /// Port of the node: WebSocket, widget and site settings. With several nodes, the balancer's; the nodes' own follow
    /// 10 above it
    #[arg(long, value_name = "PORT", default_value_t = 7001)]
    pub node_port: u16,
    /// Port of the node's metrics. With several nodes, theirs follow 19 above it
    #[arg(long, value_name = "PORT", default_value_t = 7002)]
    pub metrics_port: u16,
    /// Port on which functions are invoked, by AWS's SDKs too (AWS_ENDPOINT_URL_LAMBDA), and looked at
    #[arg(long, value_name = "PORT", default_value_t = 7003)]
    pub functions_port: u16,
    /// The most turns at once, and so the most processes of one function
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub max_functions: u16,
    /// How many turns a process of the function ai runs at once, as on Lambda's managed instances; it is told so by
    /// AWS_LAMBDA_MAX_CONCURRENCY
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub turns_per_process: u8,
    /// Runs EXECUTABLE, which must speak the Lambda Runtime API, as the function NAME; may be repeated
    #[arg(long = "function", value_name = "NAME=EXECUTABLE")]
    pub functions: Vec<NamedExecutable>,
    /// Starts no node, to run one by hand
    #[arg(long, conflicts_with = "nodes")]
    pub no_node: bool,
    /// Opens the demo shop in a browser
    #[arg(long)]
    pub open: bool,
}

/// Which store `--store` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// None: everything is gone at the end.
    Memory,
    /// DynamoDB's API, served by this program.
    DynamoDb,
    /// A store that runs already.
    Url(SecretText),
}

impl FromStr for StoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(StoreChoice::Memory),
            "dynamodb" => Ok(StoreChoice::DynamoDb),
            // clap quotes what is refused, so only what cannot hold a password is refused here.
            url => url.parse().map(StoreChoice::Url),
        }
    }
}

/// An address that may hold a password; `Debug` hides it. The configuration checks what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself. Do not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.is_empty() {
            true => Err("is empty; give an address".to_owned()),
            false => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(hidden)")
    }
}

/// A function and the executable that is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedExecutable {
    /// The function's name.
    pub name: String,
    /// Its executable.
    pub executable: PathBuf,
}

impl FromStr for NamedExecutable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        match text.split_once('=') {
            Some((name, executable)) if good(name) && !executable.is_empty() => {
                Ok(Self { name: name.to_owned(), executable: PathBuf::from(executable) })
            }
            _ => Err("give a name of letters, digits, - and _, then = and an executable, as in ai=./bootstrap".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<CommandLine, String> {
        let args = std::iter::once("local-dev").chain(args.iter().copied());
        CommandLine::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_everything_is_on_known_local_ports() {
        let options = parse(&[]).unwrap().options;
        let ports = [options.demo_port, options.node_port, options.metrics_port, options.functions_port];
        assert_eq!(ports, [7000, 7001, 7002, 7003]);
        assert!(options.host.is_loopback());
    }

    #[test]
    fn a_role_is_parsed_and_hidden() {
        assert_eq!(parse(&["role", "ai"]).unwrap().role, Some(RoleCommand::Role(Role::Ai)));
        let help = parse(&["--help"]).unwrap_err();
        assert!(!help.contains("role"), "{help}");
    }

    #[test]
    fn a_models_address_and_its_name_go_together() {
        assert!(parse(&["--model", "small"]).unwrap_err().contains("--model-url"));
        assert!(parse(&["--model-url", "http://127.0.0.1:1/v1"]).unwrap_err().contains("--model <NAME>"));
    }

    #[test]
    fn one_to_nine_nodes_can_be_asked_for_and_their_store_by_name_or_address() {
        let options = parse(&["--nodes", "3", "--store", "redis://:hunter2@127.0.0.1", "--bus", "nats://127.0.0.1"]);
        let options = options.unwrap().options;
        assert_eq!(options.nodes, 3);
        assert!(!format!("{options:?}").contains("hunter2"));
        let Some(StoreChoice::Url(url)) = options.store else { panic!("{:?}", options.store) };
        assert_eq!(url.reveal(), "redis://:hunter2@127.0.0.1");
        assert_eq!(parse(&["--store", "dynamodb"]).unwrap().options.store, Some(StoreChoice::DynamoDb));
        assert_eq!(parse(&["--store", "memory"]).unwrap().options.store, Some(StoreChoice::Memory));
        assert_eq!(parse(&[]).unwrap().options.nodes, 1);
        for bad in [&["--nodes", "0"][..], &["--nodes", "10"], &["--no-node", "--nodes", "3"], &["--bus", ""]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_function_needs_a_name_and_an_executable() {
        let options = parse(&["--function", "ai=./bootstrap"]).unwrap().options;
        let expected = NamedExecutable { name: "ai".into(), executable: "./bootstrap".into() };
        assert_eq!(options.functions, [expected]);
        for bad in ["ai", "=./bootstrap", "ai=", "a/b=./bootstrap"] {
            assert!(parse(&["--function", bad]).unwrap_err().contains("as in ai=./bootstrap"), "{bad}");
        }
    }
}
