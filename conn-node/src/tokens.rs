//! Visitors' tokens: JWTs by which a visitor who comes back is known without a look-up.

use std::fmt;

use config::{Secret, Tokens};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use protocol::v1::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::visitor::VisitorId;

/// How long after its expiry a token is still taken, in seconds: long enough for a client that was about to renew it.
pub const GRACE_SECONDS: u64 = 25;

/// The `iss` of every token.
const ISSUER: &str = "frontdesk";

/// A key that signs or verifies tokens.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its name, which tokens carry as `kid`.
    pub id: String,
    /// At least 32 bytes.
    pub secret: Secret,
}

/// Signs and verifies tokens. The first key signs, all verify.
pub struct TokenKeys {
    signer: Header,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    validation: Validation,
    lifetime_seconds: u64,
}

/// No key to sign tokens with.
#[derive(Debug, thiserror::Error)]
#[error("there is no key to sign visitors' tokens with; set tokens.keys or let the node make one")]
pub struct NoKey;

/// A token that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token. Never log it.
    pub text: String,
    /// When it stops being good, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub visitor: VisitorId,
    /// When it stops being good, Unix milliseconds.
    pub expires_at_ms: u64,
    /// From when on the client gets a new one: after half of its life, Unix milliseconds.
    pub renew_at_ms: u64,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours: damaged, forged, or signed with a key that is gone.
    #[error("the visitor token is not one of this service, or its key is gone; say hello without it")]
    Invalid,
    /// It was good once.
    #[error("the visitor token has expired; say hello without it")]
    Expired,
    /// It is good, for another site.
    #[error("the visitor token is for another site; say hello without it")]
    WrongSite,
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Invalid => ErrorCode::TokenInvalid,
            TokenError::Expired => ErrorCode::TokenExpired,
            TokenError::WrongSite => ErrorCode::TokenWrongSite,
        };
        Refusal::new(code, error.to_string())
    }
}

/// Times are Unix seconds.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    site: String,
    sub: String,
    iat: u64,
    exp: u64,
}

impl TokenKeys {
    /// Takes the keys of the configuration, else `own`, which the node has made.
    ///
    /// # Errors
    /// There is neither.
    pub fn new(config: &Tokens, own: Option<SigningKey>) -> Result<Self, NoKey> {
        let named = config.keys.iter().map(|key| SigningKey { id: key.id.clone(), secret: key.secret.clone() });
        let keys: Vec<SigningKey> = match config.keys.is_empty() {
            true => own.into_iter().collect(),
            false => named.collect(),
        };
        let first = keys.first().ok_or(NoKey)?;
        let verifying = |key: &SigningKey| (key.id.clone(), DecodingKey::from_secret(key.secret.reveal().as_bytes()));
        Ok(Self {
            signer: Header { kid: Some(first.id.clone()), ..Header::new(Algorithm::HS256) },
            signing: EncodingKey::from_secret(first.secret.reveal().as_bytes()),
            verifying: keys.iter().map(verifying).collect(),
            validation: signature_only(Algorithm::HS256),
            lifetime_seconds: config.lifetime_seconds,
        })
    }

    /// Makes a token for `visitor` of `site`, good for the configured time, or `most_seconds` if that is shorter.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] if it cannot be written, which no input causes.
    pub fn mint(&self, site: &str, visitor: &VisitorId, now_ms: u64, most_seconds: u64) -> Result<Minted, TokenError> {
        let iat = now_ms / 1_000;
        let exp = iat + self.lifetime_seconds.min(most_seconds);
        let (iss, site, sub) = (ISSUER.to_owned(), site.to_owned(), visitor.as_str().to_owned());
        let claims = Claims { iss, site, sub, iat, exp };
        let text = jsonwebtoken::encode(&self.signer, &claims, &self.signing).map_err(|_| TokenError::Invalid)?;
        Ok(Minted { text, expires_at_ms: exp * 1_000 })
    }

    /// Reads a token that a client sent.
    ///
    /// # Errors
    /// It is not good for this site at this time.
    pub fn verify(&self, text: &str, site: &str, now_ms: u64) -> Result<Verified, TokenError> {
        let header = jsonwebtoken::decode_header(text).map_err(|_| TokenError::Invalid)?;
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let (_, key) = self.verifying.iter().find(|(id, _)| *id == kid).ok_or(TokenError::Invalid)?;
        let claims =
            jsonwebtoken::decode::<Claims>(text, key, &self.validation).map_err(|_| TokenError::Invalid)?.claims;
        if claims.iss != ISSUER {
            return Err(TokenError::Invalid);
        }
        if claims.site != site {
            return Err(TokenError::WrongSite);
        }
        if now_ms / 1_000 > claims.exp.saturating_add(GRACE_SECONDS) {
            return Err(TokenError::Expired);
        }
        let half_life = claims.exp.saturating_sub(claims.iat) / 2;
        Ok(Verified {
            visitor: VisitorId::parse(&claims.sub).ok_or(TokenError::Invalid)?,
            expires_at_ms: claims.exp.saturating_mul(1_000),
            renew_at_ms: claims.iat.saturating_add(half_life).saturating_mul(1_000),
        })
    }
}

/// Checks the signature and the algorithm; claims are checked where they are read, by the time that is passed in.
pub(crate) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("signer", &self.signer.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use config::Config;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const HOUR: u64 = 3_600_000;

    /// Keys by id, each with a secret of its own; tokens last an hour.
    fn keys(ids: &[&str]) -> TokenKeys {
        let keys: Vec<_> = ids.iter().map(|id| format!("{{ id = \"{id}\", secret = \"{id:x<40}\" }}")).collect();
        let text = format!("[tokens]\nlifetime_seconds = 3600\nkeys = [{}]", keys.join(","));
        TokenKeys::new(&Config::parse(&text, []).unwrap().tokens, None).unwrap()
    }

    fn ann() -> VisitorId {
        VisitorId::anonymous([7; 16])
    }

    fn mint(keys: &TokenKeys) -> String {
        keys.mint("shop", &ann(), NOW, u64::MAX).unwrap().text
    }

    #[test]
    fn a_token_says_whose_it_is_until_when_and_from_when_it_is_renewed() {
        let keys = keys(&["a"]);

        let verified = keys.verify(&mint(&keys), "shop", NOW).unwrap();

        let expected = Verified { visitor: ann(), expires_at_ms: NOW + HOUR, renew_at_ms: NOW + HOUR / 2 };
        assert_eq!(verified, expected);
    }

    #[test]
    fn a_token_may_be_given_a_shorter_life() {
        let keys = keys(&["a"]);

        assert_eq!(keys.mint("shop", &ann(), NOW, 60).unwrap().expires_at_ms, NOW + 60_000);
    }

    #[test]
    fn a_token_is_taken_25_seconds_past_its_end_and_no_longer() {
        let keys = keys(&["a"]);
        let token = mint(&keys);

        assert!(keys.verify(&token, "shop", NOW + HOUR + 25_999).is_ok());
        assert_eq!(keys.verify(&token, "shop", NOW + HOUR + 26_000), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_of_another_site_is_named_so() {
        let keys = keys(&["a"]);

        assert_eq!(keys.verify(&mint(&keys), "shop2", NOW), Err(TokenError::WrongSite));
    }

    #[test]
    fn tokens_of_an_old_key_are_good_as_long_as_it_is_listed() {
        let token = mint(&keys(&["old"]));

        assert!(keys(&["new", "old"]).verify(&token, "shop", NOW).is_ok());
        assert_eq!(keys(&["new"]).verify(&token, "shop", NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn the_first_key_signs() {
        let token = mint(&keys(&["new", "old"]));

        assert!(keys(&["new"]).verify(&token, "shop", NOW).is_ok());
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let keys = keys(&["a"]);
        let token = mint(&keys);
        let parts: Vec<&str> = token.split('.').collect();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = part(r#"{"iss":"frontdesk","site":"shop","sub":"a_eve","iat":1,"exp":9999999999}"#);
        let none = part(r#"{"alg":"none","kid":"a"}"#);
        let forged = [
            String::new(),
            "a.b.c".to_owned(),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}.{claims}.{}", parts[0], parts[2]),
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{}", parts[2]),
            format!("{}.{}.{}", part(r#"{"alg":"HS512","kid":"a"}"#), parts[1], parts[2]),
            format!("{}.{}.{}", part(r#"{"alg":"HS256"}"#), parts[1], parts[2]),
            format!("{token}.x"),
        ];
        for token in forged {
            assert_eq!(keys.verify(&token, "shop", NOW), Err(TokenError::Invalid), "{token}");
        }
    }

    #[test]
    fn a_token_that_another_program_signed_with_the_same_key_is_refused() {
        let keys = keys(&["a"]);
        let claims = serde_json::json!({"iss": "shop", "site": "shop", "sub": "a_x", "iat": 1, "exp": 9999999999_u64});
        let token = jsonwebtoken::encode(&keys.signer, &claims, &keys.signing).unwrap();

        assert_eq!(keys.verify(&token, "shop", NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let keys = keys(&["a"]);
        let minted = keys.mint("shop", &ann(), NOW, u64::MAX).unwrap();

        assert!(!format!("{keys:?} {minted:?}").contains(&minted.text));
        assert!(!format!("{keys:?}").contains("axxx"));
    }
}
