//! The URL of a store: where its servers are, and as whom to talk to them.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// The port that Redis has by default.
const DEFAULT_PORT: u16 = 6379;

/// What a URL says. Its `Debug` has no password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) addresses: Vec<Address>,
    pub(super) is_cluster: bool,
    pub(super) tls: Option<TlsFiles>,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u32,
}

/// One server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// As whom to talk.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Empty: the default user.
    pub(super) user: String,
    pub(super) password: String,
}

/// The files that TLS needs besides the authorities that everybody trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// The only authorities to trust, PEM.
    pub(super) ca: Option<PathBuf>,
    /// The own certificate, PEM; with [`TlsFiles::key`].
    pub(super) cert: Option<PathBuf>,
    /// The own key, PEM.
    pub(super) key: Option<PathBuf>,
}

impl Target {
    /// Reads `redis://`, `rediss://`, `redis-cluster://` and `rediss-cluster://` URLs:
    /// `scheme://[[user]:password@]host[:port][,host[:port]…][/database][?ca=FILE&cert=FILE&key=FILE]`.
    ///
    /// # Errors
    /// What is wrong, without any part that may be a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no ://")?;
        let (is_cluster, has_tls) = match scheme {
            "redis" => (false, false),
            "rediss" => (false, true),
            "redis-cluster" => (true, false),
            "rediss-cluster" => (true, true),
            _ => return Err("it begins with none of redis, rediss, redis-cluster, rediss-cluster".to_owned()),
        };
        // A password may hold any character, percent-encoded or not; what follows the last @ may not.
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(Credentials::parse(credentials)?), rest),
            None => (None, rest),
        };
        if rest.contains('#') {
            return Err("it has a #; nothing may follow the database and the options".to_owned());
        }
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        let target = Self {
            addresses: hosts.split(',').map(Address::parse).collect::<Result<_, _>>()?,
            is_cluster,
            tls: TlsFiles::parse(options, has_tls)?,
            credentials,
            database: match database {
                "" => 0,
                number => number.parse().map_err(|_| "its database is no number")?,
            },
        };
        match target {
            Self { is_cluster: true, database: 1.., .. } => Err("a cluster has only the database 0".to_owned()),
            Self { is_cluster: false, ref addresses, .. } if addresses.len() > 1 => {
                Err("one Redis has one address; a cluster's URL begins with redis-cluster or rediss-cluster".to_owned())
            }
            target => Ok(target),
        }
    }
}

impl Address {
    /// Reads `host`, `host:port`, `[v6]` and `[v6]:port`.
    fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("an address begins with [ and has no ]")?;
                (host, port.strip_prefix(':'))
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port.parse().map_err(|_| "the port of an address is no number from 0 to 65535")?,
        };
        match host {
            "" => Err("an address has no host".to_owned()),
            host => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

impl Credentials {
    fn parse(text: &str) -> Result<Self, String> {
        let (user, password) = text.split_once(':').ok_or("it has a user and no password: write user:password@")?;
        Ok(Self { user: decoded(user)?, password: decoded(password)? })
    }
}

impl TlsFiles {
    fn parse(options: &str, has_tls: bool) -> Result<Option<Self>, String> {
        let mut files = Self::default();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or("one of its options has no =")?;
            let file = match name {
                "ca" => &mut files.ca,
                "cert" => &mut files.cert,
                "key" => &mut files.key,
                _ => return Err("it has an option that is none of ca, cert, key".to_owned()),
            };
            *file = Some(decoded(value)?.into());
        }
        match (has_tls, files) {
            (true, files) if files.cert.is_some() != files.key.is_some() => {
                Err("cert and key are only of use together".to_owned())
            }
            (true, files) => Ok(Some(files)),
            (false, files) if files == Self::default() => Ok(None),
            (false, _) => Err("ca, cert and key need TLS: begin with rediss or rediss-cluster".to_owned()),
        }
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "a part of it is no UTF-8 once decoded")?;
    Ok(decoded.into_owned())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses, is_cluster, tls, credentials, database } = self;
        f.debug_struct("Target")
            .field("addresses", addresses)
            .field("is_cluster", is_cluster)
            .field("tls", tls)
            .field("credentials", credentials)
            .field("database", database)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn a_url_says_where_and_as_whom() {
        let target = Target::parse("redis://shop:p%40ss:w@rd@redis.example:7000/3").unwrap();
        assert_eq!(target.addresses, [address("redis.example", 7000)]);
        let credentials = target.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("shop", "p@ss:w@rd"));
        assert_eq!((target.is_cluster, target.tls, target.database), (false, None, 3));
        let target = Target::parse("rediss-cluster://:secret@a,b:7001,[::1]:7002/?ca=%2Fetc%2Fca.pem").unwrap();
        assert_eq!(target.addresses, [address("a", 6379), address("b", 7001), address("::1", 7002)]);
        assert_eq!(target.credentials.unwrap().user, "");
        assert!(target.is_cluster && target.tls.unwrap().ca == Some("/etc/ca.pem".into()));
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_without_telling_its_password() {
        for url in [
            "",
            "redis.example:6379",
            "http://u:geheim@h",
            "redis://geheim@h",
            "redis://u:geheim@",
            "redis://u:geheim@h:port",
            "redis://u:geheim@h:70000",
            "redis://u:geheim@h/first",
            "redis://u:geheim@a,b",
            "redis://u:geheim@h?ca=/ca.pem",
            "rediss://u:geheim@h?cert=/c.pem",
            "rediss://u:geheim@h?insecure=1",
            "rediss://u:geheim@h#insecure",
            "redis-cluster://u:geheim@h/1",
            "redis://u:geheim%ff@h",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(!error.contains("geheim"), "{error}");
        }
        let target = Target::parse("rediss://u:geheim@h").unwrap();
        assert!(!format!("{target:?}").contains("geheim"));
    }
}
