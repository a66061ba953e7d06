//! Names of things: conversations and messages.

use std::fmt;
use std::sync::Arc;

/// A number of an event in its conversation's log: 1, 2, 3 … without holes. 0 means "none".
pub type Seq = u32;

/// A moment: Unix time in milliseconds, always passed in.
pub type Millis = u64;

/// Names one conversation: which site, which visitor, and the how-manieth of that visitor.
///
/// The text form is `site/visitor/ordinal`. The first two parts are the owner: whoever proves with a token to be that
/// visitor of that site may read and append, nobody else, so no look-up is needed to authorise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId {
    key: Arc<str>,
    site_len: u16,
    visitor_len: u16,
}

/// Why a text is no conversation id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId(String);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no conversation id: expected site/visitor/ordinal", self.0)
    }
}

impl std::error::Error for InvalidId {}

/// The longest site or visitor part, in bytes.
pub const MAX_PART_BYTES: usize = 64;

impl ConversationId {
    /// The `ordinal`-th conversation (from 1) of `visitor` on `site`.
    ///
    /// # Errors
    /// A part that is empty, over [`MAX_PART_BYTES`], or has other characters than `A-Z a-z 0-9 _ -`; an ordinal of 0.
    pub fn new(site: &str, visitor: &str, ordinal: u32) -> Result<Self, InvalidId> {
        let key = format!("{site}/{visitor}/{ordinal}");
        if !is_part(site) || !is_part(visitor) || ordinal == 0 {
            return Err(InvalidId(key));
        }
        // is_part bounds both lengths far below u16::MAX.
        Ok(Self { site_len: site.len() as u16, visitor_len: visitor.len() as u16, key: key.into() })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// As [`ConversationId::new`], and a text that has not three parts.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let mut parts = text.split('/');
        let invalid = || InvalidId(text.chars().take(200).collect());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(site), Some(visitor), Some(ordinal), None) => {
                let ordinal: u32 = ordinal.parse().map_err(|_| invalid())?;
                let id = Self::new(site, visitor, ordinal).map_err(|_| invalid())?;
                // "01" and "+1" would be second names of one conversation.
                if id.as_str() == text { Ok(id) } else { Err(invalid()) }
            }
            _ => Err(invalid()),
        }
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// The site's key.
    pub fn site(&self) -> &str {
        &self.key[..usize::from(self.site_len)]
    }

    /// The visitor's id.
    pub fn visitor(&self) -> &str {
        let start = usize::from(self.site_len) + 1;
        &self.key[start..start + usize::from(self.visitor_len)]
    }

    /// Which of the visitor's conversations, from 1.
    pub fn ordinal(&self) -> u32 {
        let start = usize::from(self.site_len) + usize::from(self.visitor_len) + 2;
        self.key[start..].parse().unwrap_or(0)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

/// Whether `part` may stand as a site's key or a visitor's id.
pub fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= MAX_PART_BYTES
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A client-made name of one message; repeating it repeats nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_and_parts_agree() {
        let id = ConversationId::new("shop", "a_1-b", 12).unwrap();
        assert_eq!((id.as_str(), id.site(), id.visitor(), id.ordinal()), ("shop/a_1-b/12", "shop", "a_1-b", 12));
        assert_eq!(ConversationId::parse("shop/a_1-b/12"), Ok(id));
    }

    #[test]
    fn no_conversation_has_two_names() {
        for text in [
            "shop/v/01",
            "shop/v/+1",
            "shop/v/0",
            "shop/v",
            "shop/v/1/",
            "/v/1",
            "shop//1",
            "sh op/v/1",
            "shop/v/4294967296",
        ] {
            assert!(ConversationId::parse(text).is_err(), "{text}");
        }
    }
}
