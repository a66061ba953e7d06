//! The types of single values.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use toml::Value;
use url::Url;

use crate::ConfigError;
use crate::schema::{Field, FromText, Kind, join};

/// A text that is never printed: `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Do not log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Field for Secret {
    const KIND: Kind = Kind::Secret;

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        match value {
            Value::String(text) if text.is_empty() => Err(ConfigError::new(path, "is empty")),
            Value::String(text) => Ok(Self(text.clone())),
            _ => Err(ConfigError::new(path, "must be a string")),
        }
    }
}

/// Which pages may open connections for a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Every page, written `"*"`.
    Any,
    /// Pages of one origin.
    Exact(Origin),
}

impl FromText for AllowedOrigin {
    const FORM: &'static str = "`scheme://host[:port]` or `*`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(AllowedOrigin::Any),
            text => Origin::parse(text).map(AllowedOrigin::Exact),
        }
    }
}

/// The origin of a web page: scheme, host and port, spelt as browsers spell it in the `Origin` header (lower case,
/// punycode, no default port).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// Reads `scheme://host[:port]`, `http` or `https`.
    ///
    /// # Errors
    /// The reason why the text is not an origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "is not an origin; write scheme://host or scheme://host:port, like https://shop.example";
        let url = Url::parse(text).map_err(|_| FORM)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("an origin's scheme is http or https".to_owned());
        }
        let authority = text.split_once("://").map_or("", |(_, rest)| rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', '\\']) {
            return Err(FORM.to_owned());
        }
        if authority.contains('*') {
            return Err("an origin has no wildcard; name every origin, or allow all with \"*\"".to_owned());
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// As in the `Origin` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The base of an HTTP address: `http` or `https`, a host, perhaps a port and a path, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for BaseUrl {
    const FORM: &'static str = "`http://` or `https://` address";

    fn from_text(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "is not an address like http://127.0.0.1:7003".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must start with http:// or https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a name or a password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not have a query or a fragment".to_owned());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// A BCP 47 language tag in its usual letter case, like `en`, `zh-CN` or `zh-Hant-TW`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Language(String);

impl Language {
    /// Reads a tag: a language of 2 or 3 letters, then subtags of 1 to 8 letters or digits.
    ///
    /// # Errors
    /// The reason why the text is not a tag.
    pub fn parse(text: &str) -> Result<Self, String> {
        let good = text.len() <= 35
            && text.split('-').enumerate().all(|(at, part)| match at {
                0 => (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic()),
                _ => (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            });
        if !good {
            return Err("is not a language tag like en or zh-CN".to_owned());
        }
        let parts: Vec<String> = text.split('-').enumerate().map(|(at, part)| usual_case(at, part)).collect();
        Ok(Self(parts.join("-")))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language without script, region and variants: `zh` of `zh-CN`.
    #[must_use]
    pub fn primary(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }
}

/// RFC 5646, section 2.1.1: `zh-Hant-TW`.
fn usual_case(at: usize, part: &str) -> String {
    let lower = part.to_ascii_lowercase();
    match (at, part.len()) {
        (0, _) => lower,
        (_, 2) => part.to_ascii_uppercase(),
        (_, 4) if part.bytes().all(|byte| byte.is_ascii_alphabetic()) => part[..1].to_ascii_uppercase() + &lower[1..],
        _ => lower,
    }
}

impl FromText for Language {
    const FORM: &'static str = "language tag";

    fn from_text(text: &str) -> Result<Self, String> {
        Language::parse(text)
    }
}

/// A value for each of some languages.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated<T>(BTreeMap<Language, T>);

impl<T> Translated<T> {
    /// The value for a language: of that very tag, else of the same primary language. The caller falls back to the
    /// site's first language.
    #[must_use]
    pub fn get(&self, language: &Language) -> Option<&T> {
        self.0.get(language).or_else(|| {
            let same = |(tag, _): &(&Language, &T)| tag.primary() == language.primary();
            self.0.iter().find(same).map(|(_, value)| value)
        })
    }

    /// All of them, by tag.
    pub fn iter(&self) -> impl Iterator<Item = (&Language, &T)> {
        self.0.iter()
    }
}

impl<T: Field> Field for Translated<T> {
    const KIND: Kind = Kind::ByLanguage(&T::KIND);

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        let table = value.as_table().ok_or_else(|| ConfigError::new(path, "must be a table of languages"))?;
        let mut values = BTreeMap::new();
        for (tag, value) in table {
            let path = join(path, tag);
            let language = Language::parse(tag).map_err(|reason| ConfigError::new(&path, reason))?;
            if values.insert(language, T::read(&path, value)?).is_some() {
                return Err(ConfigError::new(&path, "names a language that is there already, in other letter case"));
            }
        }
        Ok(Self(values))
    }
}

/// A colour, as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Color(String);

impl Color {
    /// `#rrggbb`, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for Color {
    const FORM: &'static str = "`#rrggbb`";

    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').unwrap_or("");
        match digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err("is not a colour like #1d4ed8".to_owned()),
        }
    }
}

/// Where the node keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: it is gone when the node stops.
    Memory,
    /// In a folder, made if it is missing.
    Folder(PathBuf),
}

impl FromText for Data {
    const FORM: &'static str = "folder or `memory`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Data::Memory),
            text => PathBuf::from_text(text).map(Data::Folder),
        }
    }
}

impl FromText for PathBuf {
    const FORM: &'static str = "path";

    fn from_text(text: &str) -> Result<Self, String> {
        match text.is_empty() {
            true => Err("is empty; name a path".to_owned()),
            false => Ok(PathBuf::from(text)),
        }
    }
}

impl FromText for SocketAddr {
    const FORM: &'static str = "address:port";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not an IP address and a port, like 127.0.0.1:7001 or [::1]:7001".to_owned())
    }
}

impl FromText for IpNet {
    const FORM: &'static str = "network, like `10.0.0.0/8`, or address";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
            .map_err(|_| "is not a network like 10.0.0.0/8, nor an address".to_owned())
    }
}

/// Declares an enum that is written as one of some words.
macro_rules! words {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident { $( $(#[doc = $word_about:literal])* $variant:ident = $word:literal, )* }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $word_about])* $variant, )* }

        impl $name {
            /// The word for it in the file.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $( $name::$variant => $word, )* }
            }
        }

        impl $crate::schema::FromText for $name {
            const FORM: &'static str = concat!("one of", $( " `", $word, "`" ),*);

            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok($name::$variant), )*
                    _ => Err(format!("must be one of {}", [$( $word ),*].join(", "))),
                }
            }
        }
    };
}

pub(crate) use words;
