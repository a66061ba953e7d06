//! Who is asking: from the token and the identity of a hello to a visitor.

use config::{ConfigError, Site};
use protocol::v1::ErrorCode;

use crate::identity::IdentityKeys;
use crate::refusal::Refusal;
use crate::tokens::{Minted, TokenKeys};
use crate::visitor::VisitorId;

/// Lets visitors of one site in.
#[derive(Debug)]
pub struct Admission {
    site: String,
    identity: IdentityKeys,
    identity_required: bool,
    signed_seconds: u64,
}

/// A visitor who is known by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Who it is.
    pub visitor: VisitorId,
    /// A token to give to the client. `None`: it holds a good one.
    pub token: Option<Minted>,
    /// When the client gets its next token, Unix milliseconds. `None`: never by itself; see [`Admission::renew`].
    pub renew_at_ms: Option<u64>,
}

impl Admission {
    /// Reads a site's settings.
    ///
    /// # Errors
    /// One of the site's public keys cannot be read.
    pub fn new(key: &str, site: &Site) -> Result<Self, ConfigError> {
        Ok(Self {
            site: key.to_owned(),
            identity: IdentityKeys::new(key, &site.identity)?,
            identity_required: site.identity.required,
            signed_seconds: site.identity.max_lifetime_seconds,
        })
    }

    /// Says who sent this token and this identity (each may be empty). `None` is a stranger, who may become a new
    /// anonymous visitor: [`Admission::stranger`].
    ///
    /// An identity counts more than a token: a page on which somebody else has logged in speaks for that person.
    ///
    /// # Errors
    /// One of the two is not good, or the site wants an identity and there is none.
    pub fn identify(
        &self,
        tokens: &TokenKeys,
        token: &str,
        identity: &str,
        now_ms: u64,
    ) -> Result<Option<Admitted>, Refusal> {
        if !identity.is_empty() {
            let visitor = self.identity.verify(identity, now_ms)?;
            return self.with_new_token(tokens, visitor, now_ms).map(Some);
        }
        if token.is_empty() {
            return if self.identity_required { Err(self.wants_identity()) } else { Ok(None) };
        }
        let verified = tokens.verify(token, &self.site, now_ms)?;
        if self.identity_required && !verified.visitor.is_signed() {
            return Err(self.wants_identity());
        }
        if !verified.visitor.is_signed() && now_ms >= verified.renew_at_ms {
            return self.with_new_token(tokens, verified.visitor, now_ms).map(Some);
        }
        let renew_at_ms = (!verified.visitor.is_signed()).then_some(verified.renew_at_ms);
        Ok(Some(Admitted { visitor: verified.visitor, token: None, renew_at_ms }))
    }

    /// Makes a stranger a visitor. `random` must come from the operating system.
    ///
    /// # Errors
    /// The token cannot be written.
    pub fn stranger(&self, tokens: &TokenKeys, random: [u8; 16], now_ms: u64) -> Result<Admitted, Refusal> {
        self.with_new_token(tokens, VisitorId::anonymous(random), now_ms)
    }

    /// A new token for a visitor whose time to renew has come.
    ///
    /// Only anonymous visitors are renewed. A signed one's token lasts as long as an identity may, and the next needs a
    /// new identity: otherwise somebody whose account was closed could go on for ever.
    ///
    /// # Errors
    /// The token cannot be written.
    pub fn renew(&self, tokens: &TokenKeys, visitor: &VisitorId, now_ms: u64) -> Result<Admitted, Refusal> {
        self.with_new_token(tokens, visitor.clone(), now_ms)
    }

    /// Whom an identity names; `None` if it is not good.
    pub fn visitor_of_identity(&self, identity: &str, now_ms: u64) -> Option<VisitorId> {
        self.identity.verify(identity, now_ms).ok()
    }

    /// Whether a token of the site's back end allows its bearer to have any visitor forgotten.
    pub fn is_eraser(&self, token: &str, now_ms: u64) -> bool {
        self.identity.verify_eraser(token, now_ms).is_ok()
    }

    fn with_new_token(&self, tokens: &TokenKeys, visitor: VisitorId, now_ms: u64) -> Result<Admitted, Refusal> {
        let most_seconds = if visitor.is_signed() { self.signed_seconds } else { u64::MAX };
        let minted = tokens.mint(&self.site, &visitor, now_ms, most_seconds)?;
        let half_life = minted.expires_at_ms.saturating_sub(now_ms) / 2;
        let renew_at_ms = (!visitor.is_signed()).then_some(now_ms.saturating_add(half_life));
        Ok(Admitted { visitor, token: Some(minted), renew_at_ms })
    }

    fn wants_identity(&self) -> Refusal {
        let message = "the site wants a signed identity; its page must get one from its back end";
        Refusal::new(ErrorCode::IdentityRequired, message)
    }
}

#[cfg(test)]
mod tests {
    use config::Config;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const HOUR: u64 = 3_600_000;
    const SECRET: &str = "a secret of the shop's own back end, 44 bytes";

    /// A site, and tokens that last ten hours; identities may last one.
    fn shop(required: bool) -> (Admission, TokenKeys) {
        let text = format!(
            "[tokens]\nlifetime_seconds = 36000\nkeys = [{{ id = \"a\", secret = \"{SECRET}\" }}]\n\
             [sites.shop]\nname = \"Shop\"\norigins = []\n[sites.shop.identity]\nrequired = {required}\n\
             max_lifetime_seconds = 3600\nkeys = [{{ algorithm = \"HS256\", secret = \"{SECRET}\" }}]"
        );
        let config = Config::parse(&text, []).unwrap();
        (Admission::new("shop", &config.sites["shop"]).unwrap(), TokenKeys::new(&config.tokens, None).unwrap())
    }

    fn identity(name: &str) -> String {
        let claims = json!({"sub": name, "exp": NOW / 1_000 + 600});
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))
            .unwrap()
    }

    fn token(admitted: &Admitted) -> String {
        admitted.token.as_ref().unwrap().text.clone()
    }

    #[test]
    fn a_stranger_becomes_a_visitor_who_is_known_the_next_time() {
        let (shop, tokens) = shop(false);
        assert_eq!(shop.identify(&tokens, "", "", NOW), Ok(None));
        let new = shop.stranger(&tokens, [1; 16], NOW).unwrap();

        let back = shop.identify(&tokens, &token(&new), "", NOW + HOUR).unwrap().unwrap();

        let renew_at_ms = Some(NOW + 5 * HOUR);
        assert_eq!(new.renew_at_ms, renew_at_ms);
        assert_eq!(back, Admitted { visitor: new.visitor, token: None, renew_at_ms });
    }

    #[test]
    fn a_token_past_half_its_life_is_replaced() {
        let (shop, tokens) = shop(false);
        let new = shop.stranger(&tokens, [1; 16], NOW).unwrap();

        let back = shop.identify(&tokens, &token(&new), "", NOW + 5 * HOUR).unwrap().unwrap();

        assert_eq!(back.visitor, new.visitor);
        assert_eq!(back.token.unwrap().expires_at_ms, NOW + 15 * HOUR);
    }

    #[test]
    fn an_identity_counts_more_than_a_token() {
        let (shop, tokens) = shop(false);
        let anonymous = shop.stranger(&tokens, [1; 16], NOW).unwrap();

        let ann = shop.identify(&tokens, &token(&anonymous), &identity("ann"), NOW).unwrap().unwrap();

        assert_eq!(ann.visitor, VisitorId::signed("shop", "ann"));
        let bob = shop.identify(&tokens, &token(&ann), &identity("bob"), NOW).unwrap().unwrap();
        assert_eq!(bob.visitor, VisitorId::signed("shop", "bob"));
    }

    #[test]
    fn a_signed_visitors_token_lasts_as_long_as_an_identity_may_and_is_not_renewed() {
        let (shop, tokens) = shop(true);
        let ann = shop.identify(&tokens, "", &identity("ann"), NOW).unwrap().unwrap();
        assert_eq!((ann.token.as_ref().unwrap().expires_at_ms, ann.renew_at_ms), (NOW + HOUR, None));

        let back = shop.identify(&tokens, &token(&ann), "", NOW + HOUR - 1_000).unwrap().unwrap();
        assert_eq!((back.token, back.renew_at_ms), (None, None));

        let late = shop.identify(&tokens, &token(&ann), "", NOW + 2 * HOUR).unwrap_err();
        assert_eq!(late.code, ErrorCode::TokenExpired);
    }

    #[test]
    fn a_site_that_wants_identities_takes_no_anonymous_visitor() {
        let (open, tokens) = shop(false);
        let (strict, _) = shop(true);
        let anonymous = open.stranger(&tokens, [1; 16], NOW).unwrap();

        for token in [String::new(), token(&anonymous)] {
            let refusal = strict.identify(&tokens, &token, "", NOW).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::IdentityRequired);
        }
    }

    #[test]
    fn a_bad_identity_is_refused_even_beside_a_good_token() {
        let (shop, tokens) = shop(false);
        let anonymous = shop.stranger(&tokens, [1; 16], NOW).unwrap();

        let refusal = shop.identify(&tokens, &token(&anonymous), "a.b.c", NOW).unwrap_err();

        assert_eq!(refusal.code, ErrorCode::IdentityInvalid);
    }
}
