//! The addresses of stores and buses, which may hold passwords.

use std::fmt;

use toml::Value;

use crate::ConfigError;
use crate::schema::{Field, Kind};

/// The address of a service, as it was written. `Debug` and `Display` show the scheme and where it leads, never a name,
/// a password or a parameter.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// The whole address, with the password if there is one. Do not log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What stands before `://`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), Parts::of(&self.0).map_or("", |parts| parts.hosts))
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUrl({self})")
    }
}

/// Which store keeps the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// The one in the node itself, in `store.data`. Written as an empty string.
    Embedded,
    /// `redis://` or `rediss://` (TLS), and `redis-cluster://` or `rediss-cluster://` with one or more endpoints.
    Redis(ServiceUrl),
    /// `dynamodb://TABLE`.
    DynamoDb(ServiceUrl),
}

/// Which bus carries what nodes tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// None: the node is alone. Written as an empty string.
    None,
    /// `redis://` or `rediss://` (TLS), and `redis-cluster://` or `rediss-cluster://` with one or more endpoints.
    Redis(ServiceUrl),
    /// `nats://` or `tls://`, with one or more endpoints.
    Nats(ServiceUrl),
}

const STORE_FORMS: &str = "redis://HOST:PORT, rediss://HOST:PORT (TLS), redis-cluster://HOST:PORT,HOST:PORT, \
                           rediss-cluster://HOST:PORT,HOST:PORT and dynamodb://TABLE";
const BUS_FORMS: &str = "redis://HOST:PORT, rediss://HOST:PORT (TLS), redis-cluster://HOST:PORT,HOST:PORT, \
                         rediss-cluster://HOST:PORT,HOST:PORT, nats://HOST:PORT,HOST:PORT and tls://HOST:PORT,HOST:PORT (NATS with TLS)";

impl StoreUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let url = || ServiceUrl(text.to_owned());
        match Parts::of(text) {
            _ if text.is_empty() => Ok(StoreUrl::Embedded),
            Some(parts) if is_redis(parts.scheme) => check_redis(&parts).map(|()| StoreUrl::Redis(url())),
            Some(parts) if parts.scheme == "dynamodb" => check_dynamodb(&parts).map(|()| StoreUrl::DynamoDb(url())),
            _ => Err(unknown(STORE_FORMS)),
        }
    }
}

impl BusUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let url = || ServiceUrl(text.to_owned());
        match Parts::of(text) {
            _ if text.is_empty() => Ok(BusUrl::None),
            Some(parts) if is_redis(parts.scheme) => check_redis(&parts).map(|()| BusUrl::Redis(url())),
            Some(parts) if matches!(parts.scheme, "nats" | "tls") => {
                check_endpoints(&parts)?;
                match parts.rest.trim_start_matches('/').is_empty() {
                    true => Ok(BusUrl::Nats(url())),
                    false => Err("must end after the port; NATS has no path and no parameters".to_owned()),
                }
            }
            _ => Err(unknown(BUS_FORMS)),
        }
    }
}

/// An address taken apart.
struct Parts<'t> {
    scheme: &'t str,
    /// Name and password, without the `@`.
    credentials: Option<&'t str>,
    /// One endpoint, or several with commas between them; for DynamoDB the table.
    hosts: &'t str,
    /// From the first `/` or `?` on.
    rest: &'t str,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let (scheme, after) = text.split_once("://")?;
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        Some(Self { scheme, credentials, hosts, rest })
    }
}

fn is_redis(scheme: &str) -> bool {
    matches!(scheme, "redis" | "rediss" | "redis-cluster" | "rediss-cluster")
}

/// The value is not shown: what is misspelt may hold a password.
fn unknown(forms: &str) -> String {
    format!("is not an address that is known here; there are {forms}, and \"\" for none")
}

fn check_redis(parts: &Parts<'_>) -> Result<(), String> {
    let is_cluster = parts.scheme.ends_with("-cluster");
    if parts.hosts.contains(',') && !is_cluster {
        return Err(format!("names several endpoints; only {}-cluster:// takes them", parts.scheme));
    }
    check_endpoints(parts)?;
    let (path, parameters) = parts.rest.split_once('?').unwrap_or((parts.rest, ""));
    check_tls_files(parts.scheme, parameters)?;
    let path = path.trim_start_matches('/');
    if is_cluster && !path.is_empty() {
        return Err("must end after the last port; Redis Cluster has no numbered databases".to_owned());
    }
    match path.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(()),
        false => {
            Err("must end after the port, or with the number of a database, like redis://127.0.0.1:6379/0; write \
                      / ? # @ and % of a name or a password as %2F %3F %23 %40 and %25"
                .to_owned())
        }
    }
}

/// `ca=FILE&cert=FILE&key=FILE`, each of which may stay away.
fn check_tls_files(scheme: &str, parameters: &str) -> Result<(), String> {
    let known = |pair: &str| matches!(pair.split_once('='), Some(("ca" | "cert" | "key", file)) if !file.is_empty());
    match (parameters.is_empty(), scheme.starts_with("rediss")) {
        (true, _) => Ok(()),
        (false, false) => Err("has parameters, which only rediss:// and rediss-cluster:// take".to_owned()),
        (false, true) if parameters.split('&').all(known) => Ok(()),
        (false, true) => Err("has a parameter that is not one of ca, cert and key, with a file after =".to_owned()),
    }
}

fn check_endpoints(parts: &Parts<'_>) -> Result<(), String> {
    match parts.hosts.split(',').all(is_endpoint) {
        true => Ok(()),
        false => Err(format!(
            "must name a host, and a port from 1 to 65535 after a colon, like {}://127.0.0.1:{}; write / ? # @ and % of a \
             name or a password as %2F %3F %23 %40 and %25",
            parts.scheme,
            if is_redis(parts.scheme) { 6379 } else { 4222 }
        )),
    }
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn is_endpoint(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    good_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// Names of tables as DynamoDB allows them.
fn check_dynamodb(parts: &Parts<'_>) -> Result<(), String> {
    if parts.credentials.is_some() {
        return Err(
            "must not carry a name or a password; AWS credentials come from the environment, a profile or the \
                    machine's role"
                .to_owned(),
        );
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !(3..=255).contains(&parts.hosts.len()) || !parts.hosts.bytes().all(good) {
        return Err(
            "must name a table after ://, 3 to 255 letters, digits, -, _ and ., like dynamodb://frontdesk".to_owned()
        );
    }
    let parameters = parts.rest.trim_start_matches('/');
    let known = |pair: &str| matches!(pair.split_once('='), Some(("region" | "endpoint", value)) if !value.is_empty());
    match parameters.strip_prefix('?') {
        None if parameters.is_empty() => Ok(()),
        Some(pairs) if pairs.split('&').all(known) => Ok(()),
        _ => Err("must end after the table, or with the parameters region and endpoint, like \
                  dynamodb://frontdesk?region=eu-central-1"
            .to_owned()),
    }
}

/// Neither is ever shown when it is refused.
macro_rules! url_field {
    ($type:ty, $form:literal) => {
        impl Field for $type {
            const KIND: Kind = Kind::Url($form);

            fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
                let text = value.as_str().ok_or_else(|| ConfigError::new(path, "must be a string"))?;
                <$type>::parse(text).map_err(|reason| ConfigError::new(path, reason))
            }
        }
    };
}

url_field!(StoreUrl, "address of a store");
url_field!(BusUrl, "address of a bus");
