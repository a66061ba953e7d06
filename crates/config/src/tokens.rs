//! The keys that sign visitors' tokens: `[tokens]`.

use crate::ConfigError;
use crate::schema::{count, join, required, section, unset};
use crate::values::Secret;

/// RFC 7518, section 3.2: a key of HS256 has at least the size of its hash.
pub(crate) const MIN_SECRET_BYTES: usize = 32;

section! {
    /// Visitors' tokens (JWT, HS256), by which a visitor who comes back is known.
    pub struct Tokens {
        /// The keys. The first signs, all verify; so a new one is put first, and an old one goes after
        /// `lifetime_seconds`. Nodes that share visitors need the same keys: with `store.url` they must be set. Else,
        /// without any, the node makes one and keeps it in `store.data`; with `"memory"`, it makes one at each start.
        keys: Vec<TokenKey> = unset();
        /// How long a token is good for, in seconds. It is renewed on a connection after half of it.
        lifetime_seconds: u64 = count(2_592_000, 60..=31_536_000);
    }
}

impl Tokens {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        let ids: Vec<_> = self.keys.iter().map(|key| Some(key.id.as_str())).collect();
        check_ids(&join(path, "keys"), &ids)
    }
}

section! {
    /// One key.
    pub struct TokenKey {
        /// Its name, which tokens carry as `kid`: 1 to 32 letters, digits, `-` and `_`.
        id: String = required();
        /// At least 32 bytes, random: `openssl rand -base64 32` makes one.
        secret: Secret = required();
    }
}

impl TokenKey {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        check_id(path, &self.id)?;
        check_secret(path, &self.secret)
    }
}

pub(crate) fn check_id(path: &str, id: &str) -> Result<(), ConfigError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match (1..=32).contains(&id.len()) && id.bytes().all(good) {
        true => Ok(()),
        false => {
            let reason = "must be 1 to 32 letters, digits, - and _";
            Err(ConfigError::new(join(path, "id"), reason).with_value(&format!("{id:?}")))
        }
    }
}

pub(crate) fn check_secret(path: &str, secret: &Secret) -> Result<(), ConfigError> {
    let bytes = secret.reveal().len();
    match bytes >= MIN_SECRET_BYTES {
        true => Ok(()),
        false => {
            let reason = format!("has {bytes} bytes; it needs {MIN_SECRET_BYTES} or more, random ones");
            Err(ConfigError::new(join(path, "secret"), reason))
        }
    }
}

/// Refuses a list in which two entries have the same id.
pub(crate) fn check_ids(path: &str, ids: &[Option<&str>]) -> Result<(), ConfigError> {
    for (at, id) in ids.iter().enumerate() {
        if let (Some(text), true) = (id, ids[..at].contains(id)) {
            let error = ConfigError::new(format!("{path}[{at}].id"), "is the id of an earlier key");
            return Err(error.with_value(&format!("{text:?}")));
        }
    }
    Ok(())
}
