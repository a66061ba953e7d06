use std::fmt;

/// A configuration that cannot be used: which key, what it was set to, and why that is refused.
///
/// `Display` is one line meant for the person who wrote the file. It never shows a secret, nor the value of a key that
/// may hold one, nor the value of an unknown key (which may be a misspelt secret).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    key: String,
    value: Option<String>,
    reason: String,
    variable: Option<String>,
}

/// Values are quoted up to this many characters.
const SHOWN_CHARS: usize = 80;

impl ConfigError {
    /// Refuses `key` (dotted, as in the file) without showing its value.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, reason: reason.into(), variable: None }
    }

    /// Shows the refused value, shortened. Never call this with a secret.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        self.value = Some(shown);
        self
    }

    /// Names the environment variable that set the value.
    #[must_use]
    pub(crate) fn set_by(mut self, variable: &str) -> Self {
        self.variable = Some(variable.to_owned());
        self
    }

    /// The key, dotted as in the file, or the file itself where no key is to blame.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(variable) = &self.variable {
            write!(f, " (set by {variable})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
