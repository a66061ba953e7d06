//! Where servers are, and what to say to be let in.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::BusError;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// Reads `host`, `host:port`, `[::1]` or `[::1]:port`.
    pub(crate) fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0)?),
            _ => (text, default_port),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

/// A name and a password, or only one of them. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) name: Option<String>,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::default() { "none" } else { "some" })
    }
}

/// An address as an operator writes it: `scheme://name:password@host:port,host:port/database`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) credentials: Credentials,
    /// One at least.
    pub(crate) servers: Vec<Address>,
}

impl Url {
    /// Reads it. What follows the port is not kept: a bus has no numbered databases.
    ///
    /// # Errors
    /// [`BusError::BadUrl`], without any part of `text`: what is misspelt may hold a password.
    pub(crate) fn parse(text: &str, schemes: &[&str], default_port: u16) -> Result<Self, BusError> {
        let bad = |reason: String| BusError::BadUrl { reason };
        let (scheme, rest) = (text.split_once("://").filter(|(scheme, _)| schemes.contains(scheme)))
            .ok_or_else(|| bad(format!("must begin with {}://", schemes.join("://, "))))?;
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let servers = hosts.split(',').map(|host| Address::parse(host, default_port)).collect::<Option<Vec<_>>>();
        let servers = servers.ok_or_else(|| bad("must name a host, and a port after a colon".to_owned()))?;
        let credentials = credentials.map_or(Some(Credentials::default()), read_credentials);
        let credentials = credentials.ok_or_else(|| {
            bad("has a name or a password that is not UTF-8; write / ? # @ : and % as %2F %3F %23 %40 %3A and %25"
                .into())
        })?;
        Ok(Self { scheme: scheme.to_owned(), credentials, servers })
    }
}

fn read_credentials(text: &str) -> Option<Credentials> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (text, None),
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let name = Some(decode(name)?).filter(|name| !name.is_empty());
    let password = password.map(decode).map_or(Some(None), |decoded| decoded.map(Some))?;
    Some(Credentials { name, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<Url, BusError> {
        Url::parse(text, &["redis", "redis-cluster"], 6379)
    }

    fn servers(text: &str) -> Vec<String> {
        url(text).unwrap().servers.iter().map(Address::to_string).collect()
    }

    #[test]
    fn servers_are_read_in_every_form() {
        assert_eq!(servers("redis://shop"), ["shop:6379"]);
        assert_eq!(servers("redis://[::1]:7000/0"), ["[::1]:7000"]);
        assert_eq!(servers("redis://[::1]"), ["[::1]:6379"]);
        assert_eq!(servers("redis-cluster://one:1,two"), ["one:1", "two:6379"]);
    }

    #[test]
    fn names_and_passwords_are_decoded_and_never_shown() {
        let both = url("redis://shop:pa%40ss%3A@host").unwrap();
        assert_eq!(both.credentials.name.as_deref(), Some("shop"));
        assert_eq!(both.credentials.password.as_deref(), Some("pa@ss:"));
        assert!(!format!("{both:?}").contains("pa@ss"));
        let only = url("redis://:secret@host").unwrap().credentials;
        assert_eq!((only.name, only.password.as_deref()), (None, Some("secret")));
        let token = url("redis://token@host").unwrap().credentials;
        assert_eq!((token.name.as_deref(), token.password), (Some("token"), None));
    }

    #[test]
    fn what_is_wrong_is_refused_without_being_shown() {
        for wrong in [
            "",
            "http://host",
            "redis://",
            "redis://name:secret@host:0",
            "redis://name:secret@host:99999",
            "redis://%ff:secret@host",
        ] {
            let error = url(wrong).unwrap_err();
            assert!(matches!(error, BusError::BadUrl { .. }), "{wrong}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
