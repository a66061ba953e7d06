//! Signed identities: a JWT in which a site's own back end says who a visitor is.

use std::fmt;

use config::{ConfigError, Identity, IdentityAlgorithm, IdentityKey};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use protocol::v1::ErrorCode;
use serde::Deserialize;

use crate::refusal::Refusal;
use crate::tokens::signature_only;
use crate::visitor::VisitorId;

/// How far the clocks of a site's back end and of a node may differ, in seconds.
const SKEW_SECONDS: f64 = 30.0;

/// The longest `sub`, in bytes: what an e-mail address may have.
const MAX_SUBJECT_BYTES: usize = 320;

/// Verifies the identities of one site.
pub struct IdentityKeys {
    site: String,
    keys: Vec<Key>,
    audience: Option<String>,
    max_lifetime_seconds: f64,
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
    /// Takes the key's own algorithm and no other. So a token cannot choose how it is checked: the classic forgery
    /// signs with HMAC and the RSA public key as its secret.
    validation: Validation,
}

/// Why an identity is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is no JWT, or asks for something that is not understood (`crit`).
    #[error("it is not a JWT that can be read")]
    Malformed,
    /// No key of the site goes with its `kid` and `alg`.
    #[error("the site has no key for its kid and alg")]
    NoKey,
    /// The signature is of another key, or over other content.
    #[error("its signature is wrong")]
    Signature,
    /// `sub` or `exp` is missing, or a claim is of the wrong type.
    #[error("it needs sub (a text of 1 to 320 bytes) and exp (a time in seconds)")]
    Claims,
    /// `exp` is past.
    #[error("it has expired; the back end must make a new one for each page")]
    Expired,
    /// `nbf` is in the future.
    #[error("it is not valid yet; the back end's clock may be wrong")]
    NotYet,
    /// `exp` is too far away.
    #[error("it is valid for longer than the site allows (identity.max_lifetime_seconds)")]
    TooLong,
    /// `aud` does not name the site's audience.
    #[error("its aud is not the site's identity.audience")]
    Audience,
}

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        Refusal::new(ErrorCode::IdentityInvalid, format!("the signed identity is refused: {error}"))
    }
}

/// What is read of an identity. Everything else in it (name, e-mail and so on) is passed over, whatever it is.
#[derive(Deserialize)]
struct Claims {
    sub: Option<serde_json::Value>,
    exp: Option<serde_json::Value>,
    nbf: Option<serde_json::Value>,
    aud: Option<serde_json::Value>,
    scope: Option<serde_json::Value>,
}

/// The `scope` of a token with which a site's back end has visitors forgotten.
const ERASE_SCOPE: &str = "erase";

impl IdentityKeys {
    /// Reads the keys of `site`.
    ///
    /// # Errors
    /// A public key cannot be read.
    pub fn new(site: &str, config: &Identity) -> Result<Self, ConfigError> {
        let keys = config.keys.iter().enumerate().map(|(at, key)| {
            let path = format!("sites.{site}.identity.keys[{at}].public_key");
            read_key(key).map_err(|reason| ConfigError::new(path, reason))
        });
        Ok(Self {
            site: site.to_owned(),
            keys: keys.collect::<Result<_, _>>()?,
            audience: config.audience.clone(),
            max_lifetime_seconds: config.max_lifetime_seconds as f64,
        })
    }

    /// Says whom an identity names.
    ///
    /// # Errors
    /// It is not good for this site at this time.
    pub fn verify(&self, jwt: &str, now_ms: u64) -> Result<VisitorId, IdentityError> {
        let claims = self.verified(jwt, now_ms)?;
        if claims.scope.as_ref().and_then(|scope| scope.as_str()) == Some(ERASE_SCOPE) {
            return Err(IdentityError::Claims); // It names nobody, and must not end up in a page.
        }
        let subject = claims.sub.as_ref().and_then(|sub| sub.as_str()).ok_or(IdentityError::Claims)?;
        if !(1..=MAX_SUBJECT_BYTES).contains(&subject.len()) {
            return Err(IdentityError::Claims);
        }
        Ok(VisitorId::signed(&self.site, subject))
    }

    /// Whether this is a token with which the site's back end may have any visitor forgotten: signed, in time and meant for
    /// this site as an identity is, with `"scope": "erase"`. An identity, which a page gets to see, is none.
    ///
    /// # Errors
    /// It is not.
    pub fn verify_eraser(&self, jwt: &str, now_ms: u64) -> Result<(), IdentityError> {
        let claims = self.verified(jwt, now_ms)?;
        match claims.scope.as_ref().and_then(|scope| scope.as_str()) {
            Some(ERASE_SCOPE) => Ok(()),
            _ => Err(IdentityError::Claims),
        }
    }

    fn verified(&self, jwt: &str, now_ms: u64) -> Result<Claims, IdentityError> {
        let header = jsonwebtoken::decode_header(jwt).map_err(|_| IdentityError::Malformed)?;
        if header.crit.is_some() {
            return Err(IdentityError::Malformed);
        }
        let claims = self.claims(jwt, &header)?;
        self.check_audience(&claims)?;
        self.check_time(&claims, now_ms as f64 / 1_000.0)?;
        Ok(claims)
    }

    /// The content, once a key has verified it.
    fn claims(&self, jwt: &str, header: &Header) -> Result<Claims, IdentityError> {
        let fits = |key: &&Key| {
            let same_id = header.kid.is_none() || key.id.is_none() || key.id == header.kid;
            same_id && key.validation.algorithms.contains(&header.alg)
        };
        let mut keys = self.keys.iter().filter(fits).peekable();
        if keys.peek().is_none() {
            return Err(IdentityError::NoKey);
        }
        let decoded =
            keys.find_map(|key| match jsonwebtoken::decode::<serde_json::Value>(jwt, &key.key, &key.validation) {
                Ok(token) => Some(Ok(token.claims)),
                Err(error) => match error.kind() {
                    jsonwebtoken::errors::ErrorKind::InvalidSignature => None,
                    _ => Some(Err(IdentityError::Malformed)),
                },
            });
        let claims = decoded.unwrap_or(Err(IdentityError::Signature))?;
        serde_json::from_value(claims).map_err(|_| IdentityError::Claims)
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), IdentityError> {
        let Some(wanted) = &self.audience else { return Ok(()) };
        let named = match &claims.aud {
            Some(serde_json::Value::String(one)) => one == wanted,
            Some(serde_json::Value::Array(many)) => many.iter().any(|one| one == wanted.as_str()),
            _ => false,
        };
        if named { Ok(()) } else { Err(IdentityError::Audience) }
    }

    /// Times are seconds; RFC 7519 allows fractions.
    fn check_time(&self, claims: &Claims, now: f64) -> Result<(), IdentityError> {
        let exp = claims.exp.as_ref().and_then(|exp| exp.as_f64()).ok_or(IdentityError::Claims)?;
        if exp + SKEW_SECONDS < now {
            return Err(IdentityError::Expired);
        }
        if exp > now + self.max_lifetime_seconds + SKEW_SECONDS {
            return Err(IdentityError::TooLong);
        }
        match claims.nbf.as_ref().map(|nbf| nbf.as_f64().ok_or(IdentityError::Claims)).transpose()? {
            Some(nbf) if nbf > now + SKEW_SECONDS => Err(IdentityError::NotYet),
            _ => Ok(()),
        }
    }
}

fn read_key(config: &IdentityKey) -> Result<Key, String> {
    let pem = || config.public_key.as_ref().map_or("", |key| key.reveal()).trim().as_bytes();
    let (algorithm, key) = match config.algorithm {
        IdentityAlgorithm::Hs256 => {
            let secret = config.secret.as_ref().map_or("", |secret| secret.reveal());
            (Algorithm::HS256, Ok(DecodingKey::from_secret(secret.as_bytes())))
        }
        IdentityAlgorithm::Rs256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(pem())),
        IdentityAlgorithm::Es256 => (Algorithm::ES256, DecodingKey::from_ec_pem(pem())),
        IdentityAlgorithm::EdDsa => (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem())),
    };
    let key = key.map_err(|_| format!("is not a public key for {}", config.algorithm.as_str()))?;
    Ok(Key { id: config.id.clone(), key, validation: signature_only(algorithm) })
}

impl fmt::Debug for IdentityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityKeys").field("site", &self.site).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
