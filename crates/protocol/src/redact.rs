//! `Debug` of the messages that carry a token or an identity, without it: a frame may end up in a log.

use std::fmt;

use crate::v1;

/// Shows only how long a secret is.
struct Secret<'a>(&'a str);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl fmt::Debug for v1::Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("site", &self.site)
            .field("token", &Secret(&self.token))
            .field("identity", &Secret(&self.identity))
            .field("conversation", &self.conversation)
            .field("after", &self.after)
            .field("language", &self.language)
            .field("turn", &self.turn)
            .field("run", &self.run)
            .field("offset", &self.offset)
            .finish()
    }
}

impl fmt::Debug for v1::Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("visitor", &self.visitor)
            .field("token", &Secret(&self.token))
            .field("token_expires_at_ms", &self.token_expires_at_ms)
            .field("opened", &self.opened)
            .field("now_ms", &self.now_ms)
            .field("max_text_bytes", &self.max_text_bytes)
            .finish()
    }
}

impl fmt::Debug for v1::Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("token", &Secret(&self.token))
            .field("expires_at_ms", &self.expires_at_ms)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_and_no_identity_can_reach_a_log() {
        let hello = v1::Hello { token: "secret-1".into(), identity: "secret-2".into(), ..Default::default() };
        let welcome = v1::Welcome { token: "secret-3".into(), ..Default::default() };
        let token = v1::Token { token: "secret-4".into(), expires_at_ms: 1 };
        let shown = format!("{hello:?} {welcome:?} {token:?}");
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(shown.matches("<8 bytes>").count(), 4, "{shown}");
    }
}
