//! Names of records and of indexes.

use std::fmt;
use std::sync::Arc;

/// The longest part of a key, in bytes.
pub const MAX_KEY_PART_BYTES: usize = 128;

/// The longest key, in bytes with its separators. A DynamoDB sort key holds 1,024.
pub const MAX_KEY_BYTES: usize = 512;

/// Names one record: who owns it, what kind it is, which one. The text form is `owner/kind/name…`.
///
/// The owner is the site's key, or [`Key::EVERYBODY`]. All records and indexes of one owner are kept together (one Redis
/// slot, one DynamoDB partition), which is what makes writing a record and its place in an index one atomic step.
///
/// Parts have 1 to [`MAX_KEY_PART_BYTES`] bytes of visible ASCII without `/`, `{` and `}`, so that no two lists of parts
/// share a text form and none can change where Redis puts it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Names one ordered index of an owner. The text form is `owner/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(Arc<str>);

/// Why a list of parts is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no key: parts have 1 to {MAX_KEY_PART_BYTES} bytes of visible ASCII without / {{ }}, at most {MAX_KEY_BYTES} bytes in all"
)]
pub struct InvalidKey(String);

impl Key {
    /// The owner of what belongs to no site. No site can have this key: sites have no `*`.
    pub const EVERYBODY: &'static str = "*";

    /// The record of `kind` that `owner` calls `name`.
    ///
    /// # Errors
    /// A part that is empty, too long, or has other characters than allowed; no name; a key that is too long.
    pub fn new(owner: &str, kind: &str, name: &[&str]) -> Result<Self, InvalidKey> {
        let mut parts = vec![owner, kind];
        parts.extend_from_slice(name);
        let text = join(&parts)?;
        if name.is_empty() { Err(InvalidKey(text)) } else { Ok(Self(text.into())) }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [owner, kind, name @ ..] => Self::new(owner, kind, name),
            _ => Err(InvalidKey(shortened(text))),
        }
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who owns it.
    pub fn owner(&self) -> &str {
        first_part(&self.0)
    }
}

impl Index {
    /// The index that `owner` calls `name`.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn new(owner: &str, name: &str) -> Result<Self, InvalidKey> {
        Ok(Self(join(&[owner, name])?.into()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who owns it.
    pub fn owner(&self) -> &str {
        first_part(&self.0)
    }
}

fn first_part(text: &str) -> &str {
    text.split_once('/').map_or(text, |(first, _)| first)
}

fn join(parts: &[&str]) -> Result<String, InvalidKey> {
    let text = parts.join("/");
    if text.len() <= MAX_KEY_BYTES && parts.iter().all(|part| is_key_part(part)) {
        Ok(text)
    } else {
        Err(InvalidKey(shortened(&text)))
    }
}

fn is_key_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= MAX_KEY_PART_BYTES
        && part.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'{' | b'}'))
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_and_parts_agree() {
        let key = Key::new("shop", "agent", &["ana@shop.example"]).unwrap();
        assert_eq!((key.as_str(), key.owner()), ("shop/agent/ana@shop.example", "shop"));
        assert_eq!(Key::parse(key.as_str()), Ok(key));
        assert_eq!(Index::new("shop", "inbox").unwrap().as_str(), "shop/inbox");
    }

    #[test]
    fn no_part_can_pretend_to_be_two_or_to_be_a_hash_tag() {
        for part in ["", "a/b", "{a}", "a b", "ü", "a\n", &"x".repeat(MAX_KEY_PART_BYTES + 1)] {
            assert!(Key::new("shop", "agent", &[part]).is_err(), "{part}");
            assert!(Key::new(part, "agent", &["a"]).is_err(), "{part}");
            assert!(Index::new("shop", part).is_err(), "{part}");
        }
        assert!(Key::new("shop", "agent", &[]).is_err());
        assert!(Key::parse("shop/agent").is_err());
    }

    #[test]
    fn a_key_of_many_parts_is_bounded_too() {
        let part = "x".repeat(MAX_KEY_PART_BYTES);
        assert!(Key::new("shop", "kind", &[&part, &part, &part]).is_ok());
        assert!(Key::new("shop", "kind", &[&part, &part, &part, &part]).is_err());
    }
}
