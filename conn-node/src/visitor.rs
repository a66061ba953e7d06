//! Who a visitor is.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A visitor's id on one site.
///
/// `a_…` is an anonymous visitor, by 128 random bits. `u_…` is one whom the site's back end has named, by a hash of the
/// site and of the name, so that the name itself (often an e-mail address) stands in no log and no key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VisitorId(Arc<str>);

/// Bytes kept of the hash: 192 bits, far from any collision that somebody could search for.
const HASH_BYTES: usize = 24;

impl VisitorId {
    /// An anonymous visitor. `random` must come from the operating system.
    #[must_use]
    pub fn anonymous(random: [u8; 16]) -> Self {
        Self(format!("a_{}", URL_SAFE_NO_PAD.encode(random)).into())
    }

    /// The visitor whom the site's back end calls `subject`. The same on every node and at every time.
    #[must_use]
    pub fn signed(site: &str, subject: &str) -> Self {
        // No site's key has a NUL, so that no two pairs give the same input.
        let hash = Sha256::new().chain_update(site).chain_update([0]).chain_update(subject).finalize();
        Self(format!("u_{}", URL_SAFE_NO_PAD.encode(&hash[..HASH_BYTES])).into())
    }

    /// Reads an id that a token carries.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = text.starts_with("a_") || text.starts_with("u_");
        (known && conversation::is_part(text)).then(|| Self(text.into()))
    }

    /// Whether the site's back end has named this visitor.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.0.starts_with("u_")
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_can_stand_in_a_conversations_name() {
        for id in [VisitorId::anonymous([0xff; 16]), VisitorId::signed("shop", "zoë@example.com")] {
            assert!(conversation::is_part(id.as_str()), "{id}");
            assert_eq!(VisitorId::parse(id.as_str()), Some(id));
        }
    }

    #[test]
    fn a_name_gives_one_id_per_site() {
        let id = VisitorId::signed("shop", "ann");

        assert_eq!(id, VisitorId::signed("shop", "ann"));
        assert_ne!(id, VisitorId::signed("shop", "bob"));
        assert_ne!(id, VisitorId::signed("shop2", "ann"));
        assert!(!id.as_str().contains("ann"));
    }

    #[test]
    fn only_ids_of_the_two_kinds_are_read() {
        for text in ["", "ann", "x_ann", "a_ann/1", "a_ann b"] {
            assert_eq!(VisitorId::parse(text), None, "{text}");
        }
    }
}
