//! Where functions are, and how one of them runs as a server: `[functions]` and `[ai_proxy]`.

use std::fmt;
use std::net::SocketAddr;

use crate::ConfigError;
use crate::schema::{FromText, count, join, section, text};
use crate::values::BaseUrl;

section! {
    /// The functions that the node invokes, by Lambda's invoke API.
    pub struct Functions {
        /// The base of an invoke API over HTTP, to which `/2015-03-31/functions/{name}/invocations` is added: containers,
        /// `local-dev`, `cargo lambda`. Or `lambda://REGION` for AWS Lambda, with credentials from where AWS's tools look for
        /// them; `lambda://` takes the region from there, too. Lambda only in programs built with `--features lambda`.
        url: FunctionsUrl = text("http://127.0.0.1:7003");
        /// The function that answers a turn: its name, and on Lambda also `NAME:ALIAS` or an ARN.
        ai_name: String = text("ai");
        /// The function that assigns conversations to people, named in the same way.
        routing_name: String = text("routing");
    }
}

impl Functions {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        let is_lambda = matches!(self.url, FunctionsUrl::Lambda { .. });
        for (key, name) in [("ai_name", &self.ai_name), ("routing_name", &self.routing_name)] {
            let is_known_form = is_name(name) || (is_lambda && is_lambda_name(name));
            if !is_known_form {
                let reason = match is_lambda {
                    true => "must be 1 to 64 letters, digits, - and _, or NAME:ALIAS, or the ARN of a function",
                    false => "must be 1 to 64 letters, digits, - and _, as Lambda's function names are",
                };
                return Err(ConfigError::new(join(path, key), reason).with_value(&format!("{name:?}")));
            }
        }
        Ok(())
    }
}

section! {
    /// The program `ai-proxy`: the function `ai` as an HTTP server, for containers. It reads the same file as the function.
    pub struct AiProxy {
        /// Where it listens: invocations, `/healthz` and `/metrics`. It asks nobody who they are: let only nodes reach it.
        /// Port 0 picks a free one.
        listen: SocketAddr = text("127.0.0.1:7004");
        /// Turns at once. One more is answered 429, as by Lambda.
        concurrency: usize = count(512, 1..=100_000);
        /// After SIGTERM, how long running turns may take to end, in seconds. Then they are broken off.
        stop_seconds: u64 = count(25, 0..=900);
    }
}

impl AiProxy {
    fn check(&self, _path: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Where functions are invoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionsUrl {
    /// At Lambda's invoke API over HTTP, under this address.
    Http(BaseUrl),
    /// On AWS Lambda. Written as `lambda://REGION` or `lambda://`.
    Lambda {
        /// Like `eu-central-1`; nothing: as the environment says.
        region: Option<String>,
    },
}

impl fmt::Display for FunctionsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.as_str()),
            Self::Lambda { region } => write!(f, "lambda://{}", region.as_deref().unwrap_or_default()),
        }
    }
}

impl FromText for FunctionsUrl {
    const FORM: &'static str = "`http://` or `https://` address, or `lambda://REGION`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("lambda", "")) => Ok(Self::Lambda { region: None }),
            Some(("lambda", region)) => {
                let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                match region.len() <= 32 && region.bytes().all(good) {
                    true => Ok(Self::Lambda { region: Some(region.to_owned()) }),
                    false => {
                        Err("must name a region after lambda://, like lambda://eu-central-1, or nothing".to_owned())
                    }
                }
            }
            Some((scheme, _)) if !matches!(scheme, "http" | "https") => {
                Err("must start with http://, https:// or lambda://".to_owned())
            }
            _ => BaseUrl::from_text(text).map(Self::Http),
        }
    }
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(good)
}

/// `NAME:ALIAS`, or `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, perhaps with `:ALIAS`.
fn is_lambda_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [name, alias] => is_name(name) && is_alias(alias),
        ["arn", partition, "lambda", region, account, "function", name, alias @ ..] => {
            [*partition, *region, *account, *name].into_iter().all(is_name)
                && (alias.is_empty() || matches!(alias, [alias] if is_alias(alias)))
        }
        _ => false,
    }
}

fn is_alias(alias: &str) -> bool {
    alias == "$LATEST" || is_name(alias)
}
