//! Tokens and identities, good and forged.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The secret that nodes sign tokens with; its id is `test`.
pub const TOKEN_SECRET: &str = "the nodes' own secret of these tests, 48 bytes..";

/// The secret that the sites' back ends sign identities with.
pub const SHOP_SECRET: &str = "a secret of the shop's own back end, 44 bytes";

/// The time, in Unix seconds.
pub fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An identity of `subject` as a site's back end makes it.
pub fn identity(subject: &str, secret: &str) -> String {
    let claims = json!({"sub": subject, "exp": now_seconds() + 600});
    sign(&Header::new(Algorithm::HS256), &claims, secret)
}

/// A token with which a site's back end has visitors erased.
pub fn eraser(secret: &str) -> String {
    let claims = json!({"sub": "back end", "scope": "erase", "exp": now_seconds() + 600});
    sign(&Header::new(Algorithm::HS256), &claims, secret)
}

/// A visitor's token, signed with `secret`, that began and ends at these Unix seconds.
pub fn token(site: &str, visitor: &str, begins: u64, ends: u64, secret: &str) -> String {
    let claims = json!({"iss": "frontdesk", "site": site, "sub": visitor, "iat": begins, "exp": ends});
    sign(&Header { kid: Some("test".to_owned()), ..Header::new(Algorithm::HS256) }, &claims, secret)
}

/// The same content, with the algorithm `none` and no signature.
pub fn unsigned(jwt: &str) -> String {
    let content = jwt.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT","kid":"test"}
    format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoidGVzdCJ9.{content}.")
}

fn sign(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}
