//! How keys are declared and read.
//!
//! [`section!`] declares a table of the file: its struct, and for each key the documentation, the type, the default and
//! the range, in one place. Reading the file, overriding from the environment and `docs/configuration.md` all work
//! from that declaration.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::{Table, Value};

use crate::ConfigError;

/// One key of the file.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The key's documentation, as written where it is declared.
    pub(crate) about: &'static str,
    pub(crate) kind: Kind,
    pub(crate) preset: Preset,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A string; says of what form.
    Text(&'static str),
    /// A string that is never shown.
    Secret,
    /// An address that may hold a password; says of what. Never shown.
    Url(&'static str),
    Integer,
    Switch,
    List(&'static Kind),
    /// A table from language tags to values.
    ByLanguage(&'static Kind),
    Table(&'static [Key]),
    /// A list of tables.
    Tables(&'static [Key]),
    /// A table from site keys to tables.
    BySite(&'static [Key]),
}

impl Kind {
    /// Whether a value of this kind may contain a secret, so that it must not be shown.
    pub(crate) fn holds_secret(&self) -> bool {
        match self {
            Kind::Secret | Kind::Url(_) => true,
            Kind::Text(_) | Kind::Integer | Kind::Switch => false,
            Kind::List(kind) | Kind::ByLanguage(kind) => kind.holds_secret(),
            Kind::Table(keys) | Kind::Tables(keys) | Kind::BySite(keys) => {
                keys.iter().any(|key| key.kind.holds_secret())
            }
        }
    }
}

/// What a key is when the file does not set it, and between which bounds a number may lie.
#[derive(Debug)]
pub(crate) enum Preset {
    /// There is no default; the key must be set.
    Required,
    /// The key may stay away.
    Unset,
    Text(&'static str),
    Integer {
        default: i64,
        range: RangeInclusive<i64>,
    },
    Switch(bool),
    List(&'static [&'static str]),
    /// A table in which every key has its own default.
    Table,
}

pub(crate) const fn required() -> Preset {
    Preset::Required
}

pub(crate) const fn unset() -> Preset {
    Preset::Unset
}

pub(crate) const fn text(default: &'static str) -> Preset {
    Preset::Text(default)
}

pub(crate) const fn count(default: i64, range: RangeInclusive<i64>) -> Preset {
    Preset::Integer { default, range }
}

pub(crate) const fn switch(default: bool) -> Preset {
    Preset::Switch(default)
}

pub(crate) const fn list(default: &'static [&'static str]) -> Preset {
    Preset::List(default)
}

pub(crate) const fn table() -> Preset {
    Preset::Table
}

impl Preset {
    /// The default as it would stand in the file.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Preset::Required | Preset::Unset => None,
            Preset::Text(text) => Some(Value::from(*text)),
            Preset::Integer { default, .. } => Some(Value::from(*default)),
            Preset::Switch(on) => Some(Value::from(*on)),
            Preset::List(items) => Some(Value::from(items.to_vec())),
            Preset::Table => Some(Value::Table(Table::new())),
        }
    }
}

/// A type that a key can have.
pub(crate) trait Field: Sized {
    const KIND: Kind;

    /// Reads the value found at `path` (dotted).
    fn read(path: &str, value: &Value) -> Result<Self, ConfigError>;

    /// What stands for a key that is [`Preset::Unset`].
    fn absent() -> Option<Self> {
        None
    }
}

/// A type written as a string.
pub(crate) trait FromText: Sized {
    /// Of what form the string is, for the reference.
    const FORM: &'static str;

    /// The reason, when the text is refused.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<T: FromText> Field for T {
    const KIND: Kind = Kind::Text(T::FORM);

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        let Value::String(text) = value else {
            return Err(refuse(path, value, "must be a string"));
        };
        T::from_text(text).map_err(|reason| match text.contains('@') {
            // An address may carry a name and a password.
            true => ConfigError::new(path, reason),
            false => refuse(path, value, &reason),
        })
    }
}

impl FromText for String {
    const FORM: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

macro_rules! integer_field {
    ($($type:ty),*) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Integer;

            fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
                let number = value.as_integer().ok_or_else(|| refuse(path, value, "must be a whole number"))?;
                <$type>::try_from(number).map_err(|_| refuse(path, value, "is out of range"))
            }
        }
    )*};
}

integer_field!(u32, u64, usize);

impl Field for bool {
    const KIND: Kind = Kind::Switch;

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        value.as_bool().ok_or_else(|| refuse(path, value, "must be true or false"))
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        T::read(path, value).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Field> Field for Vec<T> {
    const KIND: Kind = match T::KIND {
        Kind::Table(keys) => Kind::Tables(keys),
        _ => Kind::List(&T::KIND),
    };

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        let items = value.as_array().ok_or_else(|| match Self::KIND.holds_secret() {
            true => ConfigError::new(path, "must be a list"),
            false => refuse(path, value, "must be a list"),
        })?;
        items.iter().enumerate().map(|(at, item)| T::read(&format!("{path}[{at}]"), item)).collect()
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

/// Refuses `value`, showing it.
pub(crate) fn refuse(path: &str, value: &Value, reason: &str) -> ConfigError {
    ConfigError::new(path, reason).with_value(&value.to_string())
}

/// `path.name`, or `name` at the top of the file.
pub(crate) fn join(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    }
}

/// The table at `path`, refused if it has a key that is not among `keys`.
pub(crate) fn known_table<'a>(path: &str, value: &'a Value, keys: &[Key]) -> Result<&'a Table, ConfigError> {
    // Not shown: it may hold anything.
    let table = value.as_table().ok_or_else(|| ConfigError::new(path, "must be a table"))?;
    match table.keys().find(|name| !keys.iter().any(|key| key.name == name.as_str())) {
        None => Ok(table),
        Some(name) => Err(unknown(&join(path, name), keys)),
    }
}

fn unknown(path: &str, keys: &[Key]) -> ConfigError {
    let names: Vec<_> = keys.iter().map(|key| key.name).collect();
    ConfigError::new(path, format!("is not a key; the keys here are {}", names.join(", ")))
}

/// Reads one key of a table, or its default.
pub(crate) fn read_key<T: Field>(path: &str, table: &Table, key: &Key) -> Result<T, ConfigError> {
    let path = join(path, key.name);
    let preset = key.preset.value();
    let Some(value) = table.get(key.name).or(preset.as_ref()) else {
        return match &key.preset {
            Preset::Unset => T::absent().ok_or_else(|| ConfigError::new(&path, "must be set")),
            _ => Err(ConfigError::new(&path, "must be set")),
        };
    };
    if let (Preset::Integer { range, .. }, Some(number)) = (&key.preset, value.as_integer())
        && !range.contains(&number)
    {
        let reason = format!("must be from {} to {}", range.start(), range.end());
        return Err(refuse(&path, value, &reason));
    }
    T::read(&path, value)
}

/// Declares a table of the file as a struct.
///
/// ```text
/// section! {
///     /// What the table is for.
///     pub struct Node {
///         /// What the key means and its unit.
///         max_connections: usize = count(18_000, 1..=1_000_000);
///     }
/// }
/// ```
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $( $(#[doc = $key_about:literal])* $key:ident: $type:ty = $preset:expr; )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[doc = $key_about])* pub $key: $type, )*
        }

        impl $name {
            pub(crate) const KEYS: &'static [$crate::schema::Key] = &[
                $( $crate::schema::Key {
                    name: stringify!($key),
                    about: concat!($($key_about, "\n"),*),
                    kind: <$type as $crate::schema::Field>::KIND,
                    preset: $preset,
                }, )*
            ];
        }

        impl $crate::schema::Field for $name {
            const KIND: $crate::schema::Kind = $crate::schema::Kind::Table($name::KEYS);

            fn read(path: &str, value: &toml::Value) -> Result<Self, $crate::ConfigError> {
                let table = $crate::schema::known_table(path, value, Self::KEYS)?;
                let mut keys = Self::KEYS.iter();
                let section = Self {
                    $( $key: match keys.next() {
                        Some(key) => $crate::schema::read_key(path, table, key)?,
                        None => return Err($crate::ConfigError::new(path, "is declared wrongly")),
                    }, )*
                };
                section.check(path)?;
                Ok(section)
            }
        }
    };
}

pub(crate) use section;

/// A table with one entry per site, or per model.
impl<T: Field> Field for BTreeMap<String, T> {
    const KIND: Kind = match T::KIND {
        Kind::Table(keys) => Kind::BySite(keys),
        _ => Kind::BySite(&[]),
    };

    fn read(path: &str, value: &Value) -> Result<Self, ConfigError> {
        let table = value.as_table().ok_or_else(|| ConfigError::new(path, "must be a table"))?;
        table
            .iter()
            .map(|(site, value)| {
                let path = join(path, site);
                check_site_key(site).map_err(|reason| ConfigError::new(&path, reason))?;
                Ok((site.clone(), T::read(&path, value)?))
            })
            .collect()
    }
}

/// A site's key stands in addresses, conversation ids and names of environment variables; a model's in the latter.
fn check_site_key(site: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = (1..=32).contains(&site.len())
        && site.bytes().next().is_some_and(plain)
        && site.bytes().all(|byte| plain(byte) || byte == b'-');
    match good {
        true => Ok(()),
        false => Err("a key here is 1 to 32 of a-z, 0-9 and -, and starts with a letter or digit"),
    }
}
